"""`evobnn compare`: what it prints and leaves, and every slip in one message."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from evobnn.cli.compare import budget_of, named
from evobnn.errors import ExperimentError
from evobnn.studies.statistics import interval
from tests.cli.conftest import DRAWING, TINY, Call
from tests.studies.toytable import toy_experiment, toy_table


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Resample little, and draw in one test only."""
    monkeypatch.setattr(interval, "RESAMPLES", 100)
    if request.node.name != "test_a_comparison_on_a_table":
        for name in ("save_curves", "save_forest"):
            monkeypatch.setattr(f"evobnn.studies.compare.compare.{name}", lambda *given: None)
        monkeypatch.setattr(DRAWING, lambda *given: None)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy_table(tmp_path_factory.mktemp("tables"))[0].table


def test_a_comparison_on_a_table(evobnn_drawing: Call, table: str):
    ask = ("compare", "--table", table, "--strategies", "nsga2, random", "--seeds", 3, "--budget", "24 trainings")
    done = evobnn_drawing(*ask, "--jobs", 1)
    assert done.code == 0, done.err
    folder = Path("populations/compare-toy-1")
    for part in (f"out    {folder}", "arms   nsga2, random; 3 seeds each", "budget 48 trained epochs", "minus nsga2",
                 "regret: ", "hypervolume: ", "3 pairs", f"files  {folder}/"):  # fmt: skip
        assert part in done.out, done.out
    assert all(len(line) <= 100 for line in done.out.splitlines() if not line.startswith("out "))
    assert {path.name for path in folder.iterdir()} >= {
        "report.json",
        "report.md",
        "forest.png",
        "curves.png",
        "results.jsonl",
    }
    before = (folder / "report.json").read_bytes()
    again = evobnn_drawing(*ask, "--jobs", 1, "--out", folder)
    assert again.code == 0, again.err
    assert again.out == done.out
    assert (folder / "report.json").read_bytes() == before
    results = folder / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-30])
    torn = evobnn_drawing(*ask, "--jobs", 1, "--out", folder)
    assert (torn.code, torn.out) == (0, done.out) and torn.err.count("note: ") == 1, torn.err
    assert f"{results}, line 7, got one that is torn" in torn.err
    more = evobnn_drawing(*ask[:3], "--strategies", "nsga2,random,aging", *ask[5:], "--jobs", 1, "--out", folder)
    assert "aging" in more.out
    assert not Path("populations/compare-toy-2").exists()


def test_parts_pressures_and_own_arms_on_a_table(evobnn_drawing: Call, table: str):
    ask = ("compare", "--table", table, "--seeds", 2, "--budget", "60", "--jobs", 1)
    parts = ("--arms", "joint,topology,expressions", "--arm", "small strategy.population=4")
    done = evobnn_drawing(*ask, *parts, "--out", "parts")
    assert done.code == 0, done.err
    for part in ("joint, topology, expressions, small;", "effects of searching", "fixed", "interaction"):
        assert part in done.out, done.out
    done = evobnn_drawing(*ask, "--pressures", "diversity,temperature", "--out", "ablation")
    assert done.code == 0, done.err
    for part in ("nsga2, diversity-like, temperature-like;", "no verdict on the published algorithm"):
        assert part in done.out, done.out
    said = "note: pressure diversity, temperature: experimental, it may change or go in a later version.\n"
    assert done.err.count(said) == 1
    evolve = ("evolve", "--table", table, "--generations", 0)
    assert "experimental" not in evobnn_drawing(*evolve, "--out", "without").err
    assert said.replace(", temperature", "") in evobnn_drawing(*evolve, "--set", "pressures.diversity={}").err


def test_a_comparison_that_trains(evobnn_drawing: Call):
    sizes = ("--set", "strategy.population=2", "--seeds", 2, "--budget", 4, "--jobs", 1)
    done = evobnn_drawing("compare", "digits", *TINY, *sizes, "--strategies", "nsga2,random", "--out", "out")
    assert done.code == 0, done.err
    assert "error: " in done.out
    assert Path("out/random-1/experiment.toml").is_file()
    front = evobnn_drawing("front", "out/random-1")
    assert front.code == 0, front.err
    assert evobnn_drawing("check", "out/nsga2-0").code == 0


def test_a_budget_in_words():
    experiment = toy_experiment()  # two epochs a training; six and four generations of six
    words = (None, "900", "1,200 epochs", "300 trainings", " 1 Training ", "50 evaluations")
    wanted = [(60, "epochs"), (900, "epochs"), (1200, "epochs"), (600, "epochs"), (2, "epochs"), (50, "evaluations")]
    assert [budget_of(text, experiment) for text in words] == wanted
    branched = toy_experiment(recipe={"epochs": 8, "schedule": "trunk"})  # and half an epoch for the branch
    assert [budget_of(text, branched) for text in words[3:]] == [(2550, "epochs"), (9, "epochs"), (50, "evaluations")]
    for text in ("", "many", "10m", "300 individuals", "-3"):
        with pytest.raises(ExperimentError, match="--budget in trained epochs, trainings or evaluations"):
            budget_of(text, experiment)
    assert named(" a, b,,c ") == ["a", "b", "c"]


SLIPS: dict[str, tuple[Sequence[object], Sequence[str]]] = {
    "no arm": ([], ["at least 2 arms to compare, got 0", "--strategies"]),
    "one arm": (["--strategies", "nsga2"], ["at least 2 arms to compare, got 1"]),
    "a strategy": (["--strategies", "nsga2,agging"], ["'agging'", "Did you mean 'aging'?"]),
    "a pressure": (["--pressures", "diversty"], ["Did you mean 'diversity'?"]),
    "a part": (["--arms", "joint,topolgy"], ["Did you mean 'topology'?"]),
    "an own arm": (["--arms", "joint", "--arm", "big strategy.popluation=9"], ["strategy.population"]),
    "an own arm with another protocol": (["--arms", "joint", "--arm", "long recipe.epochs=9"], ["one protocol"]),
    "an own arm without a name": (["--arms", "joint", "--arm", "strategy.population=9"], ["a plain name"]),
    "one seed": (["--arms", "joint,topology", "--seeds", "1"], ["--seeds", "at least 2, got 1"]),
    "a budget": (["--arms", "joint,topology", "--budget", "a lot"], ["--budget", "300 trainings"]),
    "a small budget": (["--arms", "joint,topology", "--budget", "9"], ["one start population, 6 trainings, got 4"]),
    "a space": (["--arms", "joint,topology", "--space", "jont"], ["Did you mean 'joint'?"]),
    "another protocol": (["--arms", "joint,topology", "--set", "recipe.epochs=9"], ["protocol", "recipe.epochs = 9"]),
    "another space": (["--arms", "joint,topology", "--space", "bnas"], ["protocol", "space.name = 'bnas'"]),
    "too few objectives": (["--strategies", "nsga2,opsbins", "--set", 'objectives=["error"]'], ["In the arm opsbins"]),
    "a word for the filter": (
        ["--arms", "joint", "--arm", "optuna-tpe filter=no"],
        ["filter=on or filter=off, got 'filter=no'"],
    ),
    "a filter that a strategy lacks": (["--arms", "joint", "--arm", "nsga2 filter=off"], ["strategy.unfiltered"]),
    "another package": (["--strategies", "nsga2,optuna-tp"], ["Did you mean 'optuna-tpe'?"]),
    "the name of a row": (["--strategies", "nsga2", "--arm", "dearest strategy.population=4"], ["dearest"]),
    "a folder of a run": (["--arms", "joint,topology", "--out", "/dev/null"], ["/dev/null"]),
}


@pytest.mark.parametrize("slip", list(SLIPS))
def test_slips(evobnn: Call, table: str, slip: str):
    arguments, parts = SLIPS[slip]
    done = evobnn("compare", "--table", table, *arguments)
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    for part in parts:
        assert part in done.err, done.err
    assert not Path("populations").exists()


CLIMB = """
from dataclasses import dataclass

import evobnn


@dataclass(frozen=True)
class Climb(evobnn.Strategy):
    best: int = 2

    def propose(self, view, prepared, toolbox, rng):
        elite = sorted(view.population, key=lambda one: prepared[one.id])[: self.best]
        return toolbox.mutate(elite[0].genome, rng=rng), "mutate", (elite[0].id,)


climb = evobnn.Additions(strategies={"climb": Climb})
"""


@pytest.mark.slow
def test_strategies_of_ones_own_are_arms(evobnn: Call, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "climb_arm.py").write_text(CLIMB)
    own = (
        "--with",
        "climb_arm:climb",
        "--strategies",
        "nsga2,climb",
        "--arm",
        "climb-1 strategy.name=climb strategy.best=1",
    )
    sizes = ("--seeds", 2, "--budget", "12 evaluations", "--jobs", 1)
    done = evobnn("compare", "--table", table, *own, *sizes, "--out", "out")
    assert done.code == 0, done.err
    assert "arms   nsga2, climb, climb-1; 2 seeds each" in done.out
    trained = evobnn("compare", "digits", *TINY, "--set", "strategy.population=2", *sizes[:2], "--budget", 4, *own[:4])
    assert trained.code == 0, trained.err
    assert Path("populations/compare-digits-1/climb-1/experiment.toml").read_text().count('name = "climb"') == 1
    left = evobnn("compare", "--table", table, *own[2:])
    assert (left.code, "'climb'" in left.err) == (2, True)
    wrong = evobnn(
        "compare", "--table", table, *own[:4], "--arm", "c strategy.name=climb strategy.bets=1", "--out", "x"
    )
    assert (wrong.code, "strategy.bets" in wrong.err, Path("x").exists()) == (2, True, False)


def test_a_package_that_is_missing_is_told_before_any_work(evobnn: Call, table: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("optuna", "pymoo"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("optuna-tpe", "optuna-nsga2", "pymoo-nsga2", "pymoo-nsga2-unfiltered"):
        done = evobnn("compare", "--table", table, "--strategies", f"nsga2,{name}")
        told = f"In the arm {name}: Expected the package {name.partition('-')[0]}, got none installed."
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
        assert f"{told} Run `pip install 'evobnn[peers]'`" in done.err
    assert not Path("populations").exists()


def test_a_table_that_is_not_there(evobnn: Call):
    done = evobnn("compare", "--table", "nowhere", "--arms", "joint,topology")
    assert (done.code, "'nowhere'" in done.err) == (2, True)


def test_ctrl_c_says_how_to_go_on(evobnn: Call, table: str, monkeypatch: pytest.MonkeyPatch):
    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evobnn.cli.compare.compare", stop)
    done = evobnn("compare", "--table", table, "--arms", "joint,topology", "--seeds", 2)
    assert (done.code, "Go on with the same command and --out populations/compare-toy-1" in done.err) == (130, True)
