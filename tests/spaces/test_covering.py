"""Genomes in which every operation stands everywhere."""

from __future__ import annotations

import pytest

from evobnn.spaces import SPACES, Choice, Space, Template
from evobnn.spaces.covering import covering, uniform

SMALL = Template(cells=3, width=4, reductions=1, skip="free", padding="minus_one", stem=1)
RESNET = Template(cells=2, width=4, reductions=1, skip="none", stem=1, macro="resnet")


def made(name: str, topology: str = "bnas") -> Space:
    return SPACES[name](RESNET if name == "gaaf" else SMALL, 8, choice=Choice(topology=topology))


@pytest.mark.parametrize(
    ("name", "topology"), [("joint", "bnas"), ("bnas", "bnas"), ("joint", "bats"), ("gaaf", "bnas")]
)
def test_every_operation_stands_behind_inputs_and_behind_nodes(name: str, topology: str) -> None:
    space = made(name, topology)
    genomes = list(covering(space))
    for genome in genomes:
        space.check_buildable(genome)
    assert list(map(str, genomes)) == list(map(str, covering(space)))
    for kind in space.free_kinds:
        edges = {
            (edge.operation, edge.source < 2) for genome in uniform(space) for edge in genome.cell_by_kind[kind].edges
        }
        assert edges == {(name, place) for name in space.offered[kind] for place in (True, False)}
    expressions = {str(expression) for genome in uniform(space) for _, expression in genome.expressions}
    if space.free_sites:
        assert {str(space.plainest()), str(space.richest())} <= expressions


def test_frozen_cells_stay() -> None:
    cell = "normal[2 = conv3(0) + zero(1); 3 = zero(0) + zero(1); 4 = zero(0) + zero(1); 5 = zero(0) + zero(1)]"
    from evobnn.genome import parse_genome

    space = SPACES["joint"](SMALL, 8, parse_genome(cell))
    assert {str(genome.cell_by_kind["normal"]) for genome in covering(space)} == {cell[7:-1]}
