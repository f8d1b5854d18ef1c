"""CP-NAS: Zhuo et al., "CP-NAS: Child-Parent Neural Architecture Search for 1-bit CNNs", IJCAI 2020, arXiv 2005.00057.

Dilated and separable 1-bit convolutions with identity and Zeroise, an operation on each of the 14 edges of a cell; no
skip around cells; the plain sign before every binary convolution.
"""

from __future__ import annotations

from evobnn.genome import CPNAS_OPERATIONS, Genome
from evobnn.spaces.blueprint import Blueprint, Cells
from evobnn.spaces.template import Template

CELLS = Cells(
    "Zhuo et al.: Child-Parent Neural Architecture Search for 1-bit CNNs. IJCAI 2020, arXiv 2005.00057",
    operations=CPNAS_OPERATIONS,
    inputs=0,  # every earlier node leads into each node (section 4.1 of the fact sheet)
)
cpnas = Blueprint("cpnas", {"bnas": CELLS, "cpnas": CELLS})
"""The default topology stands for its own."""
CIFAR = Template(cells=20, width=36, reductions=2, skip="none", padding="zero", scale="mean", stem=3, macro="cpnas")
"""Cells and width are those of BNAS-A, a default: the published numbers were not found. The mean scale stands for the
amplitude of its kernels (section 4.3 of the fact sheet).
"""

PUBLISHED: dict[str, Genome] = {}
"""None: the authors published neither code nor a genotype (section 4 of the fact sheet)."""
