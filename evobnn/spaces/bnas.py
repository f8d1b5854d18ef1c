"""BNAS: Kim, Singh, Choi, "Learning Architectures for Binary Networks", ECCV 2020, arXiv 2002.06963.

Not the AAAI 2020 paper of the same name. Seven layer types with Zeroise kept, two inputs per node, inter-cell skips;
the plain sign before every binary convolution.
"""

from __future__ import annotations

from evobnn.genome import BNAS_OPERATIONS, Genome, parse_genome
from evobnn.spaces.blueprint import Blueprint, Cells
from evobnn.spaces.template import Template

CELLS = Cells(
    "Kim, Singh, Choi: Learning Architectures for Binary Networks. ECCV 2020, arXiv 2002.06963, section 3",
    operations=BNAS_OPERATIONS,
    inputs=2,  # two stay of the 14 edges of a cell (section 2.1 of the fact sheet)
)
bnas = Blueprint("bnas", {"bnas": CELLS})
CIFAR = Template(cells=20, width=36, reductions=2, skip="published", padding="zero", scale="mean", stem=3)
"""BNAS-A on CIFAR-10: 5,578,252 parameters as published."""
IMAGENET = Template(
    cells=15, width=68, reductions=2, skip="published", padding="zero", scale="mean", stem=1, style="imagenet"
)
"""BNAS-F on ImageNet: 39,781,442 parameters as published."""
GAMMA_IMAGENET = 3.0
"""What divided the weight of Zeroise when edges were chosen for the ImageNet genotype; 1 for CIFAR-10 (section 2.4)."""

PUBLISHED: dict[str, Genome] = {
    "bnas-cifar10": parse_genome(
        "normal[2 = zero(1) + dil3(0); 3 = conv3(1) + zero(2); 4 = zero(2) + zero(3); 5 = zero(3) + zero(4)] "
        "reduction[2 = max3(0) + zero(1); 3 = max3(0) + zero(2); 4 = zero(3) + zero(2); 5 = zero(3) + zero(4)] "
        "@net = x"
    ),
    "bnas-imagenet": parse_genome(
        "normal[2 = conv3(1) + dil3(0); 3 = conv3(1) + conv3(2); 4 = conv3(2) + dil3(1); 5 = dil3(1) + conv3(0)] "
        "reduction[2 = max3(0) + max3(1); 3 = max3(0) + conv3(2); 4 = max3(0) + dil3(3); 5 = max3(0) + dil3(4)] "
        "@net = x"
    ),
    "ebnas": parse_genome(
        "normal[2 = conv3(0) + max3(1); 3 = max3(0) + max3(1); 4 = conv3(1) + conv5(0); 5 = max3(0) + dil3(1)] "
        "reduction[2 = conv5(0) + conv5(1); 3 = conv3(1) + dil5(2); 4 = dil5(2) + conv3(1); 5 = max3(0) + conv3(1)] "
        "@net = x"
    ),
}
"""Cells that authors' code publishes, with the plain sign: BNAS's own (section 2.6 of the fact sheet), and the wiring
of EBNAS (Eng. Appl. of AI 2023, section 5.2), whose convolutions are grouped and have an input added: here they are
BNAS's.
"""
