"""The best of each cost: where a genome belongs, who is kept there, and what it needs to work."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from evobnn.errors import SearchError
from evobnn.evolution import Search, Step, run
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import OpsBins
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.testing import NKLandscape, Noisy

BOUNDS = {"error": (0.0, 1.0, "linear"), "ops": (10.0, 100000.0, "log10")}


def made(*points: tuple[float, ...]) -> list[Candidate]:
    return [Candidate(number, Genome(), f"key{number}", point) for number, point in enumerate(points)]


def view(**settings: Any) -> View:
    known = {"space": None, "bounds": BOUNDS, "seed": 1, "generation": 3, "horizon": 5, "objectives": ("error", "ops")}
    return View(**{**known, **settings})


def test_bins_are_equally_wide_in_the_logarithm_and_open_at_the_ends() -> None:
    """Four bins of a decade each."""
    wanted = {1.0: 0, 10.0: 0, 99.0: 0, 101.0: 1, 999.0: 1, 1001.0: 2, 10001.0: 3, 99999.0: 3, 100000.0: 3, 1e9: 3}
    found = {ops: OpsBins(bins=4).bin(view(), made((0.5, ops))[0]) for ops in wanted}
    assert found == wanted
    swapped = view(objectives=("ops", "error"))
    assert OpsBins(bins=4).bin(swapped, made((1001.0, 0.5))[0]) == 2


def test_where_the_cost_does_not_differ_there_is_one_bin() -> None:
    flat = view(bounds={"ops": (50.0, 50.0, "log10")})
    chosen = OpsBins().survive(flat, made((0.5, 50.0), (0.3, 50.0), (0.4, 60.0)), None)
    assert [one.id for one in chosen] == [1]


def test_the_least_error_of_every_bin_stays_cheapest_first() -> None:
    old = made((0.5, 20.0), (0.4, 30000.0), (0.2, 2000.0))
    new = [
        Candidate(3 + n, Genome(), f"key{3 + n}", p) for n, p in enumerate([(0.6, 11.0), (0.3, 25000.0), (0.7, 200.0)])
    ]
    chosen = OpsBins(bins=4, population=2).survive(view(population=tuple(old)), new, None)
    assert [one.id for one in chosen] == [0, 5, 2, 4]  # 3 is cheaper than 0 and worse; 4 replaced 1


def test_equal_errors_are_told_apart_by_their_keys() -> None:
    chosen = OpsBins(bins=4).survive(view(), made((0.5, 20.0), (0.5, 30.0))[::-1], None)
    assert [one.id for one in chosen] == [0]


def test_half_mutants_half_crossovers_from_all_bins_alike(tiny_space: Space) -> None:
    steps: list[Step] = []
    landscape = NKLandscape(tiny_space)
    search = Search(tiny_space, OpsBins(population=20), ("error", "ops"), 1, bounds=landscape.bounds, repeats=1)
    run(search, Noisy(landscape, failing=0.0), steps.append, 40)
    origins = Counter(r.request.individual.origin for step in steps[1:] for r in step.results)
    assert set(origins) <= {"mutate", "mate", "sample"}
    assert origins["sample"] < 20
    assert 0.4 < origins["mate"] / (origins["mate"] + origins["mutate"]) < 0.6
    for step in steps[1:]:
        ops = [objectives["ops"] for _, objectives, _ in step.survivors]
        assert ops == sorted(ops)
    assert len(steps[-1].survivors) > 5


def test_what_it_needs(tiny_space: Space) -> None:
    refused = 0
    for objectives in (("error",), ("ops",), ("error", "bits")):
        with pytest.raises(SearchError, match="error and ops among the objectives for opsbins"):
            Search(tiny_space, OpsBins(), objectives, 1, bounds=BOUNDS)
        refused += 1
    for bounds in ({}, {"ops": (0.0, 1.0, "linear")}):
        with pytest.raises(SearchError, match="bounds of ops above 0"):
            Search(tiny_space, OpsBins(), ("error", "ops"), 1, bounds=bounds)
        refused += 1
    assert refused == 5
    OpsBins().check(tiny_space, ("error", "ops"))  # nothing said about bounds
