"""How cells are stacked: kinds, maps, and what a template refuses."""

from __future__ import annotations

import pytest

from evobnn.errors import ExperimentError
from evobnn.spaces import NORMAL, REDUCTION, Template


@pytest.mark.parametrize(
    ("cells", "reductions", "at"),
    [(20, 2, [6, 13]), (2, 1, [1]), (3, 2, [1, 2]), (1, 0, []), (5, 1, [2]), (12, 3, [3, 6, 9]), (14, 2, [4, 9])],
)
def test_reductions_stand_at_equal_distances(cells, reductions, at):
    kinds = Template(cells=cells, reductions=reductions).kinds
    assert len(kinds) == cells
    assert [index for index, kind in enumerate(kinds) if kind == REDUCTION] == at
    assert set(kinds) <= {NORMAL, REDUCTION}


@pytest.mark.parametrize("reductions", range(6))
def test_every_stack_has_its_reductions_and_begins_with_a_normal_cell(reductions):
    checked = 0
    for cells in range(reductions + 1, 30):
        kinds = Template(cells=cells, reductions=reductions).kinds
        assert kinds.count(REDUCTION) == reductions
        assert kinds[0] == NORMAL
        checked += 1
    assert checked == 29 - reductions


@pytest.mark.parametrize(
    ("size", "maps"),
    [(32, {NORMAL: 8, REDUCTION: 8}), (8, {NORMAL: 2, REDUCTION: 2}), (7, {NORMAL: 2, REDUCTION: 2})],
)
def test_smallest_maps_of_twenty_cells(size, maps):
    assert Template(cells=20, reductions=2).smallest_maps(size) == maps


def test_smallest_maps_differ_where_the_last_cell_reduces():
    assert Template(cells=2, reductions=1).smallest_maps(8) == {NORMAL: 8, REDUCTION: 4}
    assert Template(cells=1, reductions=0).smallest_maps(8) == {NORMAL: 8}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"cells": 0}, "network.cells to be a whole number of at least 1, got 0"),
        ({"cells": 2, "reductions": 2}, "network.cells to be a whole number of at least 3, got 2"),
        ({"width": 0}, "network.width"),
        ({"width": 1.5}, "network.width"),
        ({"stem": 0}, "network.stem"),
        ({"reductions": -1}, "network.reductions"),
        ({"skip": "fre"}, "Did you mean 'free'"),
        ({"padding": "minusone"}, "Did you mean 'minus_one'"),
        ({"scale": "means"}, "Did you mean 'mean'"),
    ],
)
def test_what_makes_no_sense_is_refused(change, match):
    with pytest.raises(ExperimentError, match=match):
        Template(**change)
