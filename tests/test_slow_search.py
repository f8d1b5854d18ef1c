"""The claim that it searches, at full size: every strategy against random sampling on NK landscapes, at equal
evaluations. What must hold is asserted of NSGA-II; the others are told as they come out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from evobnn.analysis import Axis, hypervolume
from evobnn.evolution import STRATEGIES, Search, Step, run
from evobnn.spaces import Space
from evobnn.testing import NKLandscape

SEEDS = 100
POPULATION = 20
EVALUATIONS = 300


def searched(space: Space, strategy: str, objectives: Sequence[str], seed: int) -> tuple[float, float]:
    """Return the least error and the hypervolume that a search reached."""
    landscape = NKLandscape(space, seed, k=3)
    steps: list[Step] = []
    search = Search(
        space, STRATEGIES[strategy](population=POPULATION), objectives, seed, repeats=1, bounds=landscape.bounds
    )
    run(search, landscape, steps.append, EVALUATIONS, lambda: len(search.archive.individuals) >= EVALUATIONS)
    found = [result.evaluation.objectives for step in steps for result in step.results]
    assert len(found) == EVALUATIONS
    axes = [Axis(name, *landscape.bounds[name]) for name in objectives]
    points = [[values[name] for name in objectives] for values in found]
    return min(values["error"] for values in found), hypervolume(points, axes)


def a12(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Return the probability that one of ours is less than one of theirs (Vargha and Delaney 2000)."""
    return float(np.mean((ours[:, None] < theirs) + 0.5 * (ours[:, None] == theirs)))


@pytest.mark.slow
@pytest.mark.parametrize("objectives", [("error", "ops"), ("error",)])
def test_it_searches(tiny_space: Space, objectives: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    fit = [name for name in STRATEGIES if len(objectives) > 1 or name not in ("nsga3", "opsbins")]
    found = {name: np.array([searched(tiny_space, name, objectives, seed) for seed in range(SEEDS)]) for name in fit}
    with capsys.disabled():
        print(f"\nNK K=3, {', '.join(objectives)}, {SEEDS} seeds, {EVALUATIONS} evaluations each, against random:")
        print(f"{'strategy':<10} {'least error':<17} p        A12    {'hypervolume':<17} p        A12")
        for name in fit:
            row = f"{name:<10}"
            for column, sign in ((0, 1.0), (1, -1.0)):
                ours, theirs = found[name][:, column], found["random"][:, column]
                p = 1.0 if name == "random" else float(wilcoxon(sign * ours, sign * theirs, alternative="less").pvalue)
                row += f" {ours.mean():.4f} ± {ours.std(ddof=1):.4f}   {p:<8.2g} {a12(sign * ours, sign * theirs):.3f} "
            print(row)
    ours, theirs = found["nsga2"][:, 0], found["random"][:, 0]
    assert float(wilcoxon(ours, theirs, alternative="less").pvalue) < 0.01
    assert a12(ours, theirs) >= 0.65
