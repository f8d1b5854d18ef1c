"""The claim that it searches, at full size: NSGA-II against random sampling on NK landscapes, at equal evaluations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from evobnn.evolution import STRATEGIES, Search, Step, run
from evobnn.spaces import Space
from evobnn.testing import NKLandscape

SEEDS = 100
POPULATION = 20
GENERATIONS = 14


def best_of(space: Space, strategy: str, seed: int) -> float:
    search = Search(space, STRATEGIES[strategy](population=POPULATION), ("error", "ops"), seed, repeats=1)
    steps: list[Step] = []
    run(search, NKLandscape(space, seed, k=3), steps.append, GENERATIONS)
    errors = [result.evaluation.objectives["error"] for step in steps for result in step.results]
    assert len(errors) == POPULATION * (GENERATIONS + 1)
    return min(errors)


@pytest.mark.slow
def test_it_searches(tiny_space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: np.array([best_of(tiny_space, name, seed) for seed in range(SEEDS)]) for name in ("nsga2", "random")}
    ours, theirs = found["nsga2"], found["random"]
    p = float(wilcoxon(ours, theirs, alternative="less").pvalue)
    a12 = float(np.mean((ours[:, None] < theirs) + 0.5 * (ours[:, None] == theirs)))  # Vargha and Delaney 2000
    with capsys.disabled():
        print(
            f"\nNK K=3, {SEEDS} seeds, {POPULATION * (GENERATIONS + 1)} evaluations each: least error "
            f"{ours.mean():.4f} ± {ours.std(ddof=1):.4f} (nsga2), {theirs.mean():.4f} ± {theirs.std(ddof=1):.4f} "
            f"(random); Wilcoxon p = {p:.2g}, A12 = {a12:.3f}"
        )
    assert p < 0.01
    assert a12 >= 0.65
