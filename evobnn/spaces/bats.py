"""BATS: Bulat, Martinez, Tzimiropoulos, "BATS: Binary ArchitecTure Search", ECCV 2020, arXiv 2003.01711.

Grouped convolutions in place of separable ones, with a shuffle of the channels behind and their input around them; two
inputs per node; no skip around cells; the plain sign before every binary convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

from evobnn.genome import BATS_OPERATIONS, FORMS, OPERATIONS, FormSpec, Genome, OpSpec
from evobnn.spaces.base import Space
from evobnn.spaces.choice import DEFAULTS, Choice, cell_space
from evobnn.spaces.template import Template

REFERENCE = "Bulat, Martinez, Tzimiropoulos: BATS: Binary ArchitecTure Search. ECCV 2020, arXiv 2003.01711"
INPUTS = 2
"""Edges into each node (section 3.2 of the fact sheet)."""
CIFAR = Template(cells=20, width=36, reductions=2, skip="none", padding="zero", scale="none", stem=3, macro="bats")
"""Cells and width are those of BNAS-A, a default: the published numbers were not found. Weights are trained without a
mean scale (section 3.4 of the fact sheet). Widths that 12 divides give 12 groups of at least two channels from 24 on.
"""

PUBLISHED: dict[str, Genome] = {}
"""None: neither the paper's code nor its library has a genotype (section 3.6 of the fact sheet)."""


def bats(
    template: Template,
    size: int,
    frozen: Genome | None = None,
    choice: Choice = DEFAULTS,
    operations: Mapping[str, OpSpec] = OPERATIONS,
    forms: Mapping[str, FormSpec] = FORMS,
) -> Space:
    """Return the space of BATS for images of size x size pixels: cells searched, the sign fixed to @net = x.

    Arguments:
        template: how cells are stacked; decides which kinds exist and on which maps they work.
        size: side of the images in pixels. An operation with fewer than half of its taps inside the smallest map of
            a kind, in mean over positions, is not offered there.
        frozen: cells that are given; expressions in place of the plain sign.
        choice: `gamma`, `nodes` and `offered` may be chosen.
        operations: what the names of operations mean; those that are not built in are offered as well.
        forms: what the names of forms mean.
    """
    choice.check_for("bats", "gamma", "nodes", "offered", sites=("kind", "net"), topology=("bnas", "bats"))
    return cell_space("bats", REFERENCE, BATS_OPERATIONS, INPUTS, template, size, frozen, choice, operations, forms)
