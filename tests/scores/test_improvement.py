"""Expected improvement beside what draws of the error come to, and beside hypervolumes of fronts with one more."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from evobnn._seeding import generator
from evobnn.pareto import Axis, hypervolume
from evobnn.scores import Genes, Incumbents, Process, believed_best, fit, improvement
from evobnn.scores.process import OFFSET

WORST = 0.8


def covered(errors: np.ndarray, costs: np.ndarray) -> float:
    """Return the volume that points cover up to the worst error and costs of 1."""
    axes = [Axis("error", 0.0, WORST), *(Axis(f"cost{at}", 0.0, 1.0) for at in range(costs.shape[1]))]
    return WORST * hypervolume(np.column_stack([errors, costs]), axes)


@pytest.mark.parametrize("kinds", [0, 1, 2])
def test_it_is_the_mean_of_what_draws_add_to_the_hypervolume(kinds: int) -> None:
    rng = generator(0, "improvement")
    trained = Incumbents(np.array([0.6, 0.3, 0.9, 0.5, 0.3]), rng.uniform(0.1, 0.9, (5, kinds)))
    means, deviations = np.log(np.array([0.25, 0.5, 0.7, 0.2])), np.array([0.4, 0.3, 0.5, 0.01])
    costs = rng.uniform(0.0, 0.6, (4, kinds))
    before = covered(trained.errors, trained.costs)
    wanted = []
    for mean, deviation, cost in zip(means, deviations, costs, strict=True):
        drawn = np.exp(rng.normal(mean, deviation, 2000)) - OFFSET
        gains = [covered(np.append(trained.errors, e), np.vstack([trained.costs, cost])) - before for e in drawn]
        wanted.append((np.mean(gains), np.std(gains) / math.sqrt(len(gains))))
    found = improvement(means, deviations, costs, trained, WORST)
    for value, (mean, error) in zip(found, wanted, strict=True):
        assert value == pytest.approx(mean, abs=4 * error + 1e-9)
    assert found.max() > 0.01


def test_without_anything_trained_all_is_improvement() -> None:
    nothing = Incumbents(np.zeros(0), np.zeros((0, 1)))
    found = improvement(np.log(np.array([0.3 + OFFSET])), np.zeros(1), np.array([[0.25]]), nothing, WORST)
    assert found == pytest.approx([0.75 * (WORST - 0.3)], rel=1e-6)


def test_what_is_surely_dominated_improves_nothing() -> None:
    trained = Incumbents(np.array([0.2, WORST + 0.1]), np.array([[0.2], [0.0]]))
    found = improvement(np.log(np.array([0.3, 0.3])), np.full(2, 1e-6), np.array([[0.3], [0.1]]), trained, WORST)
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.1 * (WORST - 0.3 + OFFSET), rel=1e-3)


def learnt(count: int = 30) -> tuple[Process, list[Genes]]:
    """Return what was learnt of some genomes whose genes count, and others."""
    rng = generator(2, "improvement")
    rows = [tuple(rng.integers(0, 3, 5)) for _ in range(3 * count)]
    genes: list[Genes] = [{"all": frozenset(f"{at} {v}" for at, v in enumerate(row))} for row in dict.fromkeys(rows)]
    errors = [[0.1 + 0.05 * sum(int(gene[-1]) for gene in one["all"])] for one in genes]
    return fit(genes[:count], errors[:count]), genes[count:]


def test_the_first_pick_improves_most_and_no_genome_comes_twice() -> None:
    process, others = learnt()
    costs = generator(3, "improvement").uniform(0.0, 1.0, (len(others), 1))
    trained = Incumbents(np.array([0.4]), np.array([[0.5]]))
    found = believed_best(process, others, costs, trained, WORST, 12)
    means, deviations = process.predict(others)
    gains = improvement(means, deviations, costs, trained, WORST)
    assert found[0] == int(np.argmax(gains))
    assert len(set(found)) == 12
    assert len(believed_best(process, others, costs, trained, WORST, 10**6)) == len(others)


def test_a_twin_of_what_was_picked_waits() -> None:
    process, others = learnt()
    twins = [one for one in others[:6] for _ in range(2)]
    costs = np.repeat(np.linspace(0.1, 0.6, 6), 2)[:, None]
    found = believed_best(process, twins, costs, Incumbents(np.array([0.7]), np.array([[0.9]])), WORST, 4)
    assert all(a // 2 != b // 2 for a, b in pairwise(found))
