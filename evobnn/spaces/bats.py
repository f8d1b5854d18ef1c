"""BATS: Bulat, Martinez, Tzimiropoulos, "BATS: Binary ArchitecTure Search", ECCV 2020, arXiv 2003.01711.

Grouped convolutions in place of separable ones, with a shuffle of the channels behind and their input around them; two
inputs per node; no skip around cells; the plain sign before every binary convolution.
"""

from __future__ import annotations

from evobnn.genome import BATS_OPERATIONS, Genome
from evobnn.spaces.blueprint import Blueprint, Cells
from evobnn.spaces.template import Template

CELLS = Cells(
    "Bulat, Martinez, Tzimiropoulos: BATS: Binary ArchitecTure Search. ECCV 2020, arXiv 2003.01711",
    operations=BATS_OPERATIONS,
    inputs=2,  # section 3.2 of the fact sheet
)
bats = Blueprint("bats", {"bnas": CELLS, "bats": CELLS})
"""The default topology stands for its own."""
CIFAR = Template(cells=20, width=36, reductions=2, skip="none", padding="zero", scale="none", stem=3, macro="bats")
"""Cells and width are those of BNAS-A, a default: the published numbers were not found. Weights are trained without a
mean scale (section 3.4 of the fact sheet). Widths that 12 divides give 12 groups of at least two channels from 24 on.
"""

PUBLISHED: dict[str, Genome] = {}
"""None: neither the paper's code nor its library has a genotype (section 3.6 of the fact sheet)."""
