"""The joint space: BNAS's cells and GAAF's activation functions in one genome.

Topology after Kim et al. (ECCV 2020), section 3: a normal and a reduction cell, four nodes, two inputs each, seven
layer types. Activation after Li et al. (2023): encoding 1, one expression per kind of cell or one for the network.
"""

from __future__ import annotations

from evobnn.genome import OPERATIONS, Genome
from evobnn.spaces.base import Space, Template, offered_at

REFERENCE = (
    "cells: Kim, Singh, Choi, ECCV 2020, arXiv 2002.06963, section 3; "
    "activations: Li et al., Tsinghua Science and Technology 28(1), 2023, arXiv 2206.03291, encoding 1"
)


def joint(template: Template, size: int, frozen: Genome | None = None, sites: str = "kind") -> Space:
    """Return the joint space for images of size x size pixels.

    Arguments:
        template: how cells are stacked; decides which kinds exist and on which maps they work.
        size: side of the images in pixels. An operation with fewer than half of its taps inside the smallest map of
            a kind, in mean over positions, is not offered there.
        frozen: cells and expressions that are given; with all expressions frozen this is a topology search, with all
            cells frozen an activation search.
        sites: `kind` for one expression per kind of cell, `net` for one in all.
    """
    kinds = tuple(sorted(set(template.kinds)))
    smallest = template.smallest_maps(size)
    return Space(
        name="joint",
        reference=REFERENCE,
        kinds=kinds,
        offered={kind: offered_at(tuple(OPERATIONS), OPERATIONS, smallest[kind]) for kind in kinds},
        sites=("net",) if sites == "net" else kinds,
        frozen=frozen or Genome(),
    )
