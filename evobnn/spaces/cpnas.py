"""CP-NAS: Zhuo et al., "CP-NAS: Child-Parent Neural Architecture Search for 1-bit CNNs", IJCAI 2020, arXiv 2005.00057.

Dilated and separable 1-bit convolutions with identity and Zeroise, an operation on each of the 14 edges of a cell; no
skip around cells; the plain sign before every binary convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

from evobnn.genome import CPNAS_OPERATIONS, FORMS, OPERATIONS, FormSpec, Genome, OpSpec
from evobnn.spaces.base import Space
from evobnn.spaces.choice import DEFAULTS, Choice, cell_space
from evobnn.spaces.template import Template

REFERENCE = "Zhuo et al.: Child-Parent Neural Architecture Search for 1-bit CNNs. IJCAI 2020, arXiv 2005.00057"
INPUTS = 0
"""Every earlier node leads into each node (section 4.1 of the fact sheet)."""
CIFAR = Template(cells=20, width=36, reductions=2, skip="none", padding="zero", scale="mean", stem=3, macro="cpnas")
"""Cells and width are those of BNAS-A, a default: the published numbers were not found. The mean scale stands for the
amplitude of its kernels (section 4.3 of the fact sheet).
"""

PUBLISHED: dict[str, Genome] = {}
"""None: the authors published neither code nor a genotype (section 4 of the fact sheet)."""


def cpnas(
    template: Template,
    size: int,
    frozen: Genome | None = None,
    choice: Choice = DEFAULTS,
    operations: Mapping[str, OpSpec] = OPERATIONS,
    forms: Mapping[str, FormSpec] = FORMS,
) -> Space:
    """Return the space of CP-NAS for images of size x size pixels: cells searched, the sign fixed to @net = x.

    Arguments:
        template: how cells are stacked; decides which kinds exist and on which maps they work.
        size: side of the images in pixels. An operation with fewer than half of its taps inside the smallest map of
            a kind, in mean over positions, is not offered there.
        frozen: cells that are given; expressions in place of the plain sign.
        choice: `gamma`, `nodes` and `offered` may be chosen.
        operations: what the names of operations mean; those that are not built in are offered as well.
        forms: what the names of forms mean.
    """
    choice.check_for("cpnas", "gamma", "nodes", "offered", sites=("kind", "net"), topology=("bnas", "cpnas"))
    return cell_space("cpnas", REFERENCE, CPNAS_OPERATIONS, INPUTS, template, size, frozen, choice, operations, forms)
