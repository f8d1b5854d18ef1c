"""From tables of strengths to a genome of the space, by one rule."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import evobnn
from evobnn.errors import ExperimentError
from evobnn.relax.derive import check_cells, derive, edges_of
from evobnn.spaces import SPACES, Template, bnas, cpnas, gaaf, joint, lost_signal

BARE = Template(cells=2, width=2, reductions=1, skip="none")
SKIPPED = Template(cells=2, width=2, reductions=1, skip="free")


def tables(space, rng=None):
    shape = len(edges_of(space))
    return {
        kind: np.zeros((shape, len(space.offered[kind])))
        if rng is None
        else rng.random((shape, len(space.offered[kind])))
        for kind in space.free_kinds
    }


def lost(space, template):
    return lambda genome: lost_signal(space, template, genome)


def test_a_node_keeps_its_strongest_edges_with_their_strongest_operations():
    space = bnas(SKIPPED, 8)
    own = tables(space)
    names = space.offered["normal"]
    rows = {edge: row for row, edge in enumerate(edges_of(space))}
    own["normal"][rows[1, 3], names.index("conv3")] = 0.9
    own["normal"][rows[2, 3], names.index("max3")] = 0.8
    own["normal"][rows[0, 3], names.index("conv5")] = 0.7
    found = derive(space, own).genome
    space.check(found)
    node = found.cell_by_kind["normal"].into(3)
    assert [(edge.source, edge.operation) for edge in node] == [(1, "conv3"), (2, "max3")]
    first = found.cell_by_kind["normal"].into(4)
    assert [(edge.source, edge.operation) for edge in first] == [(0, "zero"), (1, "zero")]  # equal ones: the first


def test_zeroise_is_as_strong_as_any_unless_it_is_excluded():
    space = bnas(SKIPPED, 8)
    own = tables(space, np.random.default_rng(1))
    own["normal"][:, space.offered["normal"].index("zero")] = 2.0
    assert {edge.operation for edge in derive(space, own).genome.cell_by_kind["normal"].edges} == {"zero"}
    kept = derive(space, own, excluded=("zero",)).genome
    assert "zero" not in {edge.operation for _, cell in kept.cells for edge in cell.edges}
    with pytest.raises(ExperimentError, match="an operation left to choose"):
        derive(space, own, excluded=space.offered["normal"])


def test_a_genome_without_a_path_is_repaired_where_zeroise_is_ahead_by_least():
    space = bnas(BARE, 8)
    own = tables(space)
    for kind in own:
        own[kind][:, space.offered[kind].index("zero")] = 1.0
    rows = {edge: row for row, edge in enumerate(edges_of(space))}
    own["reduction"][rows[1, 2], space.offered["reduction"].index("max3")] = 0.9
    own["normal"][rows[0, 3], space.offered["normal"].index("avg3")] = 0.8
    assert lost(space, BARE)(derive(space, own).genome)
    found = derive(space, own, lost(space, BARE))
    assert not lost(space, BARE)(found.genome)
    assert found.repairs[0] == "max3 in place of zero on reduction 1 -> 2"
    space.check(found.genome)


@pytest.mark.parametrize("name", [name for name in SPACES if name != "gaaf"])
def test_whatever_was_found_becomes_a_genome_of_the_space(name):
    for template in (BARE, SKIPPED):
        space = SPACES[name](template, 8)
        for seed in range(20):
            found = derive(space, tables(space, np.random.default_rng(seed)), lost(space, template)).genome
            space.check(found)
            assert not lost_signal(space, template, found)


def test_expressions_that_are_searched_become_the_plain_sign_and_given_ones_stay():
    space = joint(SKIPPED, 8)
    assert "@normal = add(x, zero)" in str(derive(space, tables(space)).genome)
    given = joint(SKIPPED, 8, frozen=evobnn.parse_genome("@normal = sin(x)"))
    assert "@normal = sin(x)" in str(derive(given, tables(given)).genome)


def test_what_was_dropped_is_never_chosen_but_to_repair():
    space = cpnas(BARE, 8)
    own = {kind: np.full_like(table, -np.inf) for kind, table in tables(space).items()}
    for kind in own:
        own[kind][:, space.offered[kind].index("zero")] = 0.5
    found = derive(space, own, lost(space, BARE))
    assert found.repairs and not lost_signal(space, BARE, found.genome)


def test_where_no_repair_helps_it_is_said():
    space = bnas(SKIPPED, 8)
    with pytest.raises(ExperimentError, match="that can be trained, got never"):
        derive(space, tables(space), lambda genome: "never.")


def test_a_space_without_cells_is_refused():
    space = gaaf(Template(cells=8, width=2, macro="resnet", skip="none", stem=1), 8)
    with pytest.raises(ExperimentError, match="a space whose cells are searched, got the space gaaf"):
        check_cells(space)
    whole = bnas(SKIPPED, 8)
    check_cells(whole)
    with pytest.raises(ExperimentError, match="whose cells are searched"):
        check_cells(replace(whole, frozen=derive(whole, tables(whole)).genome))


def test_rows_are_in_order_of_targets():
    order = edges_of(bnas(SKIPPED, 8))
    assert len(order) == 14 and order[:3] == ((0, 2), (1, 2), (0, 3))
    assert all((one[1], one[0]) < (other[1], other[0]) for one, other in pairwise(order))
