"""Strategies and spaces of a user's own, handed over as arguments; and what a run says where they are missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import evobnn
from evobnn.errors import ExperimentError
from evobnn.spaces import Template, joint

SMALL: dict[str, Any] = {"objectives": ["error"], "jobs": 1}


def count(genome: evobnn.Genome) -> dict[str, float]:
    return {"error": min(0.9, len(str(genome)) / 500)}


@dataclass(frozen=True)
class Climb(evobnn.Strategy):
    """Mutates one of the best few."""

    best: int = 2

    def propose(self, view: Any, prepared: Any, toolbox: Any, rng: Any) -> Any:
        elite = sorted(view.population, key=lambda one: prepared[one.id])[: self.best]
        return toolbox.mutate(elite[0].genome, rng=rng), "mutate", (elite[0].id,)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)


def _sines() -> evobnn.Space:
    space = joint(Template(**{"cells": 3, "width": 8, "reductions": 1}), 14)
    return replace(space, name="sines", alphabet=replace(space.alphabet, unary=("x", "sin")))


def test_a_strategy_of_ones_own_breeds() -> None:
    run = evobnn.search("mnist5k", count, strategy=Climb(population=4, best=1), generations=2, **SMALL)
    text = (run.path / "experiment.toml").read_text()
    assert 'name = "climb"\npopulation = 4\nbest = 1\n' in text
    frame = run.individuals()
    assert set(frame[frame["born"] > 0]["origin"]) == {"mutate"}
    with pytest.raises(ExperimentError, match="known strategy, got 'climb'.*--with MODULE:OBJECT"):
        evobnn.resume(run, generations=3, evaluate=count)
    mine = evobnn.Additions(strategies={"climb": Climb})
    assert len(evobnn.resume(run, generations=3, evaluate=count, additions=mine, jobs=1).generations) == 4


def test_a_built_in_strategy_goes_by_its_name() -> None:
    from evobnn.evolution.strategies import LocalSearch

    given = evobnn.search("mnist5k", count, strategy=LocalSearch(population=4, children=3), generations=1, **SMALL)
    assert 'name = "local"' in (given.path / "experiment.toml").read_text()
    named = evobnn.search("mnist5k", count, strategy="aging", generations=0, out="named", **SMALL)
    assert 'name = "aging"\npopulation = 16' in (named.path / "experiment.toml").read_text()


def test_a_space_of_ones_own_is_searched() -> None:
    run = evobnn.search(_sines(), count, generations=1, seed=2, **SMALL, settings={"strategy.population": 6})
    assert 'name = "sines"' in (run.path / "experiment.toml").read_text()
    assert run.generations[0].header["space"] == "sines"
    genomes = "".join(run.individuals()["genome"])
    assert "sin(" in genomes and "relu" not in genomes and "tanh" not in genomes
    with pytest.raises(ExperimentError, match="known space, got 'sines'"):
        evobnn.resume(run, generations=2, evaluate=count)
    mine = evobnn.Additions(spaces={"sines": _sines()})
    assert len(evobnn.resume(run, generations=2, evaluate=count, additions=mine, jobs=1).generations) == 3

    made = evobnn.Additions(spaces={"made": lambda *given: replace(joint(*given), name="made")})
    frozen = {"space.name": "made", "space.freeze": "@normal = x @reduction = x", "strategy.population": 4}
    run = evobnn.search("mnist5k", count, additions=made, settings=frozen, generations=0, out="made", **SMALL)
    assert all("@normal = x" in genome for genome in run.individuals()["genome"])


def test_what_is_wrong_with_ones_own_is_said() -> None:
    for settings, additions, said in (
        ({"strategy.name": "nsga4"}, evobnn.Additions(), "known strategy, got 'nsga4'. Did you mean 'nsga"),
        ({"space.name": "join"}, evobnn.Additions(), "Did you mean 'joint'"),
        ({}, evobnn.Additions(strategies={"nsga2": Climb}), "a new name for a strategy of your own, got 'nsga2'"),
        ({}, evobnn.Additions(spaces={"joint": _sines()}), "a new name for a space"),
        (
            {"strategy": {"name": "climb", "bset": 1}},
            evobnn.Additions(strategies={"climb": Climb}),
            "'strategy.bset'.*strategy.best",
        ),
        (
            {"strategy": {"name": "climb", "best": "one"}},
            evobnn.Additions(strategies={"climb": Climb}),
            "strategy.best as",
        ),
    ):
        with pytest.raises(ExperimentError, match=said):
            evobnn.search("mnist5k", count, additions=additions, settings=settings, out="refused", **SMALL)
        assert not Path("refused").exists()


def test_additions_add_up() -> None:
    one = evobnn.Additions(strategies={"climb": Climb}, evaluation=count)  # type: ignore[arg-type]
    two = evobnn.Additions(spaces={"sines": _sines()})
    both = one + two
    assert both.evaluation is not None and both.evaluation.said == "count, version 1"
    assert list(both.spaces) == ["sines"] and list(both.strategies) == ["climb"]
    assert both.of_trainings == evobnn.Additions() and both and not both.of_trainings
