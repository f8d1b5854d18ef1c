"""A user's evaluation function in place of a training: run folder, workers, resume and front like any run's."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import evobnn
from evobnn.errors import ExperimentError, SearchError
from evobnn.evaluation.function import evaluation_of
from evobnn.records import Status
from evobnn.snapshot import read_journal
from tests.conftest import end_workers

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"settings": {"strategy.population": 5}, "jobs": 1}


def simulator(genome: evobnn.Genome) -> dict[str, float]:
    text = str(genome)
    return {"error": min(0.9, len(text) / 400), "mJ": 0.1 + text.count("conv"), "words": len(text.split())}


def noisy(genome: evobnn.Genome, seed: int) -> dict[str, float]:
    return {"error": (seed % 1000) / 1000}


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)


def _generations(run: evobnn.Run) -> list[bytes]:
    return [path.read_bytes() for path in sorted(run.path.glob("generation-*.jsonl"))]


def test_it_is_a_run_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    objectives = ("error", "mJ", "ops")
    run = evobnn.search("mnist5k", simulator, objectives=objectives, generations=2, seed=3, **SMALL)
    assert run.path == Path("populations/simulator-3")
    assert capsys.readouterr().out == f"run {run.path}\n"
    assert {"error", "mJ", "ops"} <= set(run.front().columns)
    for _, row in run.evaluations().iterrows():  # ops are counted by evobnn, the rest is what the function said
        said = simulator(evobnn.parse_genome(str(run.individual(int(row["id"])).genome)))
        assert (row["error"], row["mJ"]) == (said["error"], said["mJ"]) and row["ops"] > 1000
    assert "hypervolume" not in run.log()  # nobody said between which values mJ lies
    assert not (run.path / "rescored-0002.jsonl").exists()  # it takes no seed: nothing to measure twice
    assert max(run.evaluations()["repeat"]) == 0

    whole = evobnn.search("mnist5k", simulator, objectives=objectives, generations=4, seed=3, out="whole", **SMALL)
    further = evobnn.resume(run, generations=4, jobs=1, evaluate=simulator)
    assert _generations(further) == _generations(whole) and len(_generations(whole)) == 5
    with pytest.raises(ExperimentError, match="the evaluation function simulator, version 1, got none"):
        evobnn.resume(run, generations=5, jobs=1)
    newer = evobnn.EvaluationFunction(simulator, version="2")
    with pytest.raises(ExperimentError, match="version 1, got simulator, version 2"):
        evobnn.resume(run, generations=5, jobs=1, evaluate=newer)


def test_a_function_with_a_seed_is_asked_again_on_others() -> None:
    run = evobnn.search("mnist5k", noisy, objectives=["error"], generations=2, seed=1, **SMALL)
    assert max(run.evaluations()["repeat"]) > 0
    assert run.rescored
    assert all(len(set(row.values["error"])) == 5 for row in run.rescored.values())
    again = evobnn.search("mnist5k", noisy, objectives=["error"], generations=2, seed=1, out="again", **SMALL)
    assert _generations(again) == _generations(run)


def test_bounds_of_an_objective_give_a_hypervolume() -> None:
    energy = evobnn.Objective("mJ", "mJ for one image", axis="linear", bounds=(0, 20))
    run = evobnn.search("mnist5k", simulator, objectives=["error", energy], generations=1, seed=3, **SMALL)
    assert 0 < run.log()["hypervolume"].iloc[-1] < 1
    run = evobnn.search(
        *("mnist5k", simulator),
        **{**SMALL, "objectives": ["error", energy], "constraints": {"mJ": 3.0, "bits": 200_000}},
        generations=1,
        out="bounded",
    )
    assert (run.front()["mJ"] <= 3).all() and len(run.front())


@pytest.mark.parametrize(
    ("returned", "status", "said"),
    [
        ({"error": 0.5}, Status.ERROR, "expected error, mJ from f, got error without mJ"),
        ({}, Status.ERROR, "got nothing without error, mJ"),
        ({"error": 0.5, "mJ": float("nan")}, Status.DIVERGED, "expected mJ as a finite number from f, got nan"),
        ({"error": "low", "mJ": 1}, Status.ERROR, "expected error as a number from f, got 'low'"),
        (0.5, Status.ERROR, "expected a dict of numbers from f, got 0.5"),
        (None, Status.ERROR, "got None"),
        (evobnn.Evaluation(Status.TIMEOUT, message="no answer"), Status.TIMEOUT, "no answer"),
        (evobnn.Evaluation(Status.OK, {"error": 0.5}), Status.ERROR, "without mJ"),
        (evobnn.Evaluation(Status.OK, {"error": 0.5, "mJ": 2.0}, measures={"s": 1.0}), Status.OK, ""),
    ],
)
def test_what_it_returns_becomes_a_status(returned: object, status: Status, said: str) -> None:
    found = evaluation_of(returned, ("error", "mJ"), "f")
    assert found.status is status and said.lower() in found.message.lower()
    assert bool(found.objectives) == (status is Status.OK)


def test_a_failure_is_a_status_and_loses_nothing() -> None:
    def failing(genome: evobnn.Genome) -> dict[str, float]:
        if len(str(genome)) % 3 == 0:
            raise RuntimeError("the simulator is on fire")
        return simulator(genome)

    run = evobnn.search("mnist5k", failing, objectives=["error", "mJ"], generations=2, seed=3, **SMALL)
    frame = run.evaluations()
    failed = frame[frame["status"] == "error"]
    assert len(failed) and set(failed["message"]) == {"RuntimeError: the simulator is on fire"}
    entries, _ = read_journal(run.path / "journal.jsonl")
    assert any("in failing" in entry.evaluation.traceback for entry in entries)

    def hopeless(genome: evobnn.Genome) -> dict[str, float]:
        raise ValueError("no licence")

    with pytest.raises(SearchError, match=r"none of 5; 5 times error: ValueError: no licence"):
        evobnn.search("mnist5k", hopeless, objectives=["error"], out="hopeless", **SMALL)


def test_what_makes_no_sense_is_said_before_anything_is_written() -> None:
    lock = threading.Lock()

    def locked(genome: evobnn.Genome) -> dict[str, float]:
        return {"error": 0.5 if lock else 0.1}

    for function, more, said in (
        (locked, {"jobs": 2}, "one that cannot be pickled"),
        ("simulator", {}, "an evaluation function, got 'simulator'"),
        (lambda genome: {"error": 0.1}, {}, "a plain name of the evaluation function, got '<lambda>'"),
        (simulator, {"version": "1 or 2"}, "a plain version"),
        (simulator, {"settings": {"inherit.weights": True}}, "inherit.weights = true"),
        (simulator, {"settings": {"table": "joint-digits"}}, "a table too"),
        (simulator, {"constraints": {"mW": 3.0}}, "mW"),
    ):
        with pytest.raises(ExperimentError, match=said):
            evobnn.search("mnist5k", function, objectives=["error"], out="refused", **{**SMALL, **more})  # type: ignore[arg-type]
        assert not Path("refused").exists()


def test_a_function_of_a_script_is_called_by_two_workers(tmp_path: Path) -> None:
    script = (
        "import evobnn\n"
        "scale = 400\n"
        "def simulator(genome):\n"
        "    text = str(genome)\n"
        "    return {'error': min(0.9, len(text) / scale), 'mJ': 0.1 + text.count('conv'), "
        "'words': len(text.split())}\n"
        "run = evobnn.search('mnist5k', simulator, objectives=('error', 'mJ'), generations=1, seed=3, jobs=2,\n"
        "                    settings={'strategy.population': 5}, out='twice')\n"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = evobnn.search("mnist5k", simulator, objectives=("error", "mJ"), generations=1, seed=3, out="once", **SMALL)
    assert _generations(evobnn.load_run("twice")) == _generations(run)
    end_workers()
