"""The joint space: cells and activation functions in one genome.

Topology after BNAS (a normal and a reduction cell, four nodes, two inputs each, seven layer types), BATS or CP-NAS;
activation after GAAF, encoding 1 or 2: one expression for the network, per kind of cell or per node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from evobnn.genome import FORMS, OPERATIONS, FormSpec, Genome, OpSpec
from evobnn.spaces.base import Space
from evobnn.spaces.bats import bats
from evobnn.spaces.bnas import bnas
from evobnn.spaces.choice import DEFAULTS, ENCODINGS, Choice, alphabet_of, sites_for
from evobnn.spaces.cpnas import cpnas
from evobnn.spaces.gaaf import REFERENCE as ACTIVATIONS
from evobnn.spaces.template import Template

TOPOLOGIES: dict[str, Callable[..., Space]] = {"bnas": bnas, "bats": bats, "cpnas": cpnas}


def joint(
    template: Template,
    size: int,
    frozen: Genome | None = None,
    choice: Choice = DEFAULTS,
    operations: Mapping[str, OpSpec] = OPERATIONS,
    forms: Mapping[str, FormSpec] = FORMS,
) -> Space:
    """Return the joint space for images of size x size pixels: the cells of `choice.topology`, and expressions.

    Arguments:
        template: how cells are stacked; decides which kinds exist and on which maps they work.
        size: side of the images in pixels. An operation with fewer than half of its taps inside the smallest map of
            a kind, in mean over positions, is not offered there.
        frozen: cells and expressions that are given; with all expressions frozen this is a topology search, with all
            cells frozen an activation search.
        choice: everything may be chosen.
        operations: what the names of operations mean; those that are not built in are offered as well.
        forms: what the names of forms mean; those that are not built in are offered as well.
    """
    plain = Choice(topology=choice.topology, gamma=choice.gamma, nodes=choice.nodes, offered=choice.offered)
    cells = TOPOLOGIES[choice.topology](template, size, None, plain, operations, forms)
    return replace(
        cells,
        name="joint",
        reference=f"cells: {cells.reference}; activations: {ACTIVATIONS}, encoding {choice.encoding}",
        sites=sites_for(choice, cells.kinds, cells.nodes),
        shape=ENCODINGS[choice.encoding],
        alphabet=alphabet_of(choice, forms),
        frozen=frozen or Genome(),
    )
