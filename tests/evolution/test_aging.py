"""Regularised evolution: age decides who dies, a sample who breeds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from evobnn.evolution import Search, Step, make_toolbox, run
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import Aging
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.records import Status
from evobnn.spaces import Space
from evobnn.testing import NKLandscape, Noisy


def view(errors: list[float], **settings: Any) -> View:
    candidates = tuple(Candidate(number, Genome(), f"key{number}", (error,)) for number, error in enumerate(errors))
    known = {
        "space": None,
        "bounds": {},
        "seed": 1,
        "generation": 3,
        "horizon": 5,
        "population": candidates,
        "objectives": ("error",),
    }
    return View(**{**known, **settings})


@pytest.mark.parametrize("children", [1, 3, 8, 12])
def test_the_youngest_survive_whatever_their_merit(children: int, tiny_space: Space) -> None:
    steps: list[Step] = []
    strategy = Aging(population=8, children=children)
    search = Search(tiny_space, strategy, ("error", "ops"), 1, bounds=NKLandscape(tiny_space).bounds, repeats=1)
    run(search, Noisy(NKLandscape(tiny_space), failing=0.2), steps.append, 9)
    born: list[int] = []
    for step in steps:
        born += [r.request.individual.id for r in step.results if r.evaluation.status is Status.OK]
        assert list(step.state.survivors) == born[-8:]
    assert len(born) > 8 + 5 * children


def test_the_parent_is_the_best_of_a_sample_with_replacement(tiny_space: Space) -> None:
    rng, toolbox = np.random.default_rng(1), make_toolbox(tiny_space)
    seen = view([0.3, 0.1, 0.2])
    toolbox.register("mutate", lambda genome, rng: genome)
    looked = 0
    for size in (1, 2, 5):
        strategy = Aging(sample=size)
        prepared = strategy.prepare(seen)
        drawn = Counter(strategy.propose(seen, prepared, toolbox, rng)[2][0] for _ in range(4000))
        worst, best = (1 / 3) ** size, 1 - (2 / 3) ** size
        assert [drawn[n] / 4000 for n in range(3)] == pytest.approx([worst, best, 1 - worst - best], abs=0.03)
        looked += 1
    assert looked == 3


def test_several_objectives_are_weighed_anew_in_every_generation() -> None:
    candidates = tuple(
        Candidate(number, Genome(), f"key{number}", point) for number, point in enumerate([(0.1, 0.9), (0.9, 0.1)])
    )
    best = []
    for generation in range(60):
        seen = view([], population=candidates, objectives=("error", "ops"), generation=generation)
        order = Aging().prepare(seen)
        best.append(min(order, key=lambda number: order[number]))
    assert 15 < sum(best) < 45  # each of the two ends is preferred by half of the weights
