"""Counts by parts are those of the hollow network, and are taken from it where they do not add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evobnn.evaluation import Bench
from evobnn.evaluation.additive import Counts
from tests.test_fitness import SETTINGS, bench_of


def compared(bench: Bench, names: list[str], count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many of so many random genomes were not counted in full, after holding all to the full counts."""
    counts, rng = Counts(bench, names), np.random.default_rng(8)
    genomes = [bench.space.sample(rng) for _ in range(count)]
    counts(genomes[0])
    wanted = [bench.counts(genome, names) for genome in genomes]
    asked: list[Any] = []
    full = Bench.counts
    with monkeypatch.context() as patch:
        patch.setattr(Bench, "counts", lambda self, *given: asked.append(given) or full(self, *given))
        assert [counts(genome) for genome in genomes] == wanted
    return count - len(asked)


def test_operations_add_up(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(tiny, "joint", offered=["zero", "max3", "conv3", "dil3"])
    assert compared(bench, ["ops"], 40, monkeypatch) > 20


def test_what_does_not_add_up_is_counted(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(tiny, "joint", offered=["zero", "conv3"])
    assert compared(bench, ["elementwise", "ops"], 10, monkeypatch) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_operations_and_bits_are_exact_in_every_space(name: str, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    space, network, choice = SETTINGS[name]
    bench = bench_of(tiny, space, network, **choice)
    assert compared(bench, ["ops"], 100, monkeypatch) >= 0
    assert compared(bench, ["bits"], 60, monkeypatch) >= 0
