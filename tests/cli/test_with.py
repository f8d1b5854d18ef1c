"""`--with module:object`: what is the user's own, on every command that opens a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call

MINE = """
from dataclasses import dataclass

import evobnn


def simulator(genome):
    text = str(genome)
    return {"error": min(0.9, len(text) / 400), "mJ": text.count("conv") * 1.5 + 0.1}


def failing(genome):
    raise RuntimeError("no licence")


@dataclass(frozen=True)
class Climb(evobnn.Strategy):
    best: int = 2

    def propose(self, view, prepared, toolbox, rng):
        elite = sorted(view.population, key=lambda one: prepared[one.id])[: self.best]
        return toolbox.mutate(elite[0].genome, rng=rng), "mutate", (elite[0].id,)


climb = evobnn.Additions(strategies={"climb": Climb})
energy = evobnn.Objective("mJ", "mJ", bounds=(0.1, 100))
number = 3
"""


@pytest.fixture(autouse=True)
def _modules(evobnn: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in (("mine_with", MINE), ("broken_with", "import nothing_there"), ("wrong_with", "1 / 0")):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_run_needs_again_what_it_was_begun_with(evobnn: Call) -> None:
    own = ("--with", "mine_with:simulator", "--with", "mine_with:climb")
    options = ("--set", "strategy.name=climb", "--population", "5", "--jobs", "1", "--out", "run")
    begun = evobnn("evolve", *own, *options, "--set", 'objectives=["error", "mJ"]', "--generations", "1")
    assert begun.code == 0, begun.err
    assert "work   1 job (loky) on cpu, by the function simulator, version 1\n" in begun.out
    assert "evobnn resume run --generations 11 --with mine_with:simulator --with mine_with:climb" in begun.out
    assert "evobnn train" not in begun.out

    for left, missing in ((), "known strategy, got 'climb'"), (own[2:], "the evaluation function simulator, version 1"):
        refused = evobnn("resume", "run", "--generations", "2", *left)
        assert refused.code == 2 and missing in refused.err and len(refused.err.splitlines()) == 1
    assert "brought along with --with mine_with:climb, in Python" in refused.err
    assert evobnn("resume", "run", "--generations", "2", *own).code == 0

    told = evobnn("check", "run", *own)
    assert told.code == 0 and "not checked" not in told.out.replace("not checked  fresh", "")
    told = evobnn("check", "run")
    assert told.code == 0 and told.out.count("not checked") == 3

    assert evobnn("show", "run:3").code == 0 and evobnn("front", "run").code == 0
    once = evobnn("evaluate", "run:3", "--with", "mine_with:simulator")
    assert once.code == 0 and once.out.count("equal") == 3 and "by the function simulator, version 1" in once.out
    assert "the evaluation function simulator" in evobnn("evaluate", "run:3").err


def test_a_function_that_fails_shows_where(evobnn: Call) -> None:
    done = evobnn("evolve", "--with", "mine_with:failing", "--population", "3", "--jobs", "1", "--out", "run")
    assert done.code == 2 and "3 times error: RuntimeError: no licence" in done.err


def test_an_objective_alone(evobnn: Call) -> None:
    own = ("--with", "mine_with:simulator", "--with", "mine_with:energy", "--set", 'objectives=["error", "mJ"]')
    done = evobnn("evolve", *own, "--population", "4", "--generations", "1", "--jobs", "1", "--out", "run")
    assert done.code == 0 and "hypervolume" in Path("run/log.jsonl").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine_with", "expected --with MODULE:OBJECT, got 'mine_with'"),
        ("mine_with:simulato", "Did you mean 'mine_with:simulator'?"),
        ("theirs_with:x", "Run this where theirs_with.py lies, or install it."),
        ("broken_with:x", "ModuleNotFoundError: No module named 'nothing_there'"),
        ("wrong_with:x", "ZeroDivisionError: division by zero"),
        ("mine_with:number", "evaluation function in mine_with:number, got 3"),
        ("mine_with:Climb", "Put it into evobnn.Additions"),
    ],
)
def test_what_cannot_be_brought_along_is_said_in_a_line(evobnn: Call, text: str, said: str) -> None:
    done = evobnn("evolve", "--with", text, "--out", "run")
    assert done.code == 2 and said.lower() in done.err.lower() and len(done.err.splitlines()) == 1
    assert not Path("run").exists()
