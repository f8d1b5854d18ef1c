"""BNAS: Kim, Singh, Choi, "Learning Architectures for Binary Networks", ECCV 2020, arXiv 2002.06963.

Not the AAAI 2020 paper of the same name. Seven layer types with Zeroise kept, two inputs per node, inter-cell skips;
the plain sign before every binary convolution.
"""

from __future__ import annotations

from evobnn.genome import OPERATIONS, Genome, X, parse_genome
from evobnn.spaces.base import Space, Template, offered_at

REFERENCE = "Kim, Singh, Choi: Learning Architectures for Binary Networks. ECCV 2020, arXiv 2002.06963, section 3"
CIFAR = Template(cells=20, width=36, reductions=2, skip="published", padding="zero", scale="mean", stem=3)
"""BNAS-A on CIFAR-10: 5,578,252 parameters as published."""

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
}
"""The cells that the authors' code publishes (section 2.6 of the fact sheet), with the plain sign."""


def bnas(template: Template, size: int, frozen: Genome | None = None) -> Space:
    """Return the published space for images of size x size pixels: cells searched, the sign fixed to @net = x."""
    kinds = tuple(sorted(set(template.kinds)))
    smallest = template.smallest_maps(size)
    fixed = frozen or Genome()
    if not fixed.expressions:
        fixed = Genome.of(fixed.cell_by_kind, {"net": X})
    return Space(
        name="bnas",
        reference=REFERENCE,
        kinds=kinds,
        offered={kind: offered_at(tuple(OPERATIONS), OPERATIONS, smallest[kind]) for kind in kinds},
        sites=("net",),
        frozen=fixed,
    )
