"""Runs that halve: the same bytes however they are stopped, shared out, or robbed of their unfinished files."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evobnn.cli.entry import run
from evobnn.errors import ExperimentError, SearchError
from evobnn.evaluation import Job, Stretch, evaluate, evaluation
from evobnn.evolution import Halving
from evobnn.experiment.settings import Experiment
from evobnn.machine.workers import LOST, Outcome, Workers
from evobnn.records import Evaluation, Status, rung_measures
from evobnn.runs import derived, evaluator
from evobnn.runs import search as session
from evobnn.runs.progress import Progress
from evobnn.runs.search import FRESH, RUNGS, Session
from evobnn.runs.setup import Options, create, make_bench
from evobnn.snapshot import Journal, read_generations, read_journal
from evobnn.training import Loop
from tests.experiment.conftest import toy

Decisive = Callable[[Path], dict[str, bytes]]
Proceed = Callable[..., list[str]]
LAST = 2
"""Generations of the runs in this file."""


def halved(tiny: Experiment, **settings: Any) -> Experiment:
    """Return the tiny experiment with three rungs and six genomes a generation."""
    recipe = replace(tiny.recipe, epochs=3, schedule="trunk")
    strategy = {"name": "nsga2", "population": 6}
    return replace(tiny, horizon=LAST, recipe=recipe, strategy=strategy, halving=Halving((1, 2, 3)), **settings)


def climbing(job: Job) -> Evaluation:
    """A stand-in for `run_job` that costs nothing and stops at rungs."""
    found, epochs = toy(job), job.stretch.epochs
    if not epochs:
        return found
    if found.status is not Status.OK:
        return replace(found, measures=rung_measures(epochs))
    return Evaluation(Status.PRUNED, measures=rung_measures(epochs, found.objectives))


@pytest.fixture
def jobs(quick: Any, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Evaluations that cost nothing; what was asked of them."""
    asked: list[Job] = []
    monkeypatch.setattr(evaluator, "run_job", lambda job: (asked.append(job), climbing(job))[1])
    return asked


@pytest.fixture
def folder(tiny: Experiment, jobs: list[Job], tmp_path: Path) -> Path:
    return create(halved(tiny), Options(jobs=1), tmp_path)


@pytest.fixture(scope="module")
def trained(tiny: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained run, by one job, in one go. Not to be written to."""
    folder = create(halved(tiny), Options(jobs=1), tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derived, "save_front", lambda *given: None)
        Session(folder, Options(jobs=1)).proceed()
    return folder


def once_each(folder: Path) -> int:
    """Check that nothing was completed twice; return how many there are."""
    entries, notes = read_journal(folder / "journal.jsonl")
    done = Counter((entry.key, entry.repeat, entry.evaluation.rung) for entry in entries)
    assert set(done.values()) == {1} and {entry.attempt for entry in entries} == {1} and not notes
    return len(done)


# --- What is asked and what is kept ---------------------------------------------------------------------------------


def test_a_generation_climbs_from_rung_to_rung(folder: Path, jobs: list[Job], proceed: Proceed) -> None:
    proceed(folder, generations=1)
    generations, _ = read_generations(folder)
    entries, _ = read_journal(folder / "journal.jsonl")
    searched = [entry for entry in entries if entry.repeat < FRESH]
    assert [job.stretch.epochs for job in jobs[: len(searched)]] == [entry.evaluation.rung for entry in searched]
    looked = 0
    for generation in generations:
        own = [entry for entry in searched if entry.generation == generation.number]
        scored = [
            {e.key: e.evaluation for e in own if e.evaluation.rung == rung and not e.repeat} for rung in (1, 2, 0)
        ]
        for below, above in pairwise(scored):
            good = {who: found for who, found in below.items() if found.status is Status.PRUNED}
            assert set(above) < set(good)
            assert len(above) == -(-len(good) // 2)
            looked += 1
        for result in generation.results:
            who, repeat = result.request.individual.key, result.request.repeat
            last = next(found[who] for found in reversed(scored) if who in found) if not repeat else None
            assert repeat or result.evaluation == replace(last, seconds=0.0)  # type: ignore[arg-type]
            assert not repeat or result.evaluation.rung == 0
        again = [e.evaluation.rung for e in own if e.repeat]
        assert [entry.evaluation.rung for entry in own][: len(again)] == again == [0] * len(again)  # long ones first
    assert looked == 4
    assert {entry.evaluation.rung for entry in entries if entry.repeat >= FRESH} == {0}
    assert {job.stretch.file for job in jobs[len(searched) :]} == {""}


def test_front_and_fresh_scores_know_whole_trainings_only(trained: Path) -> None:
    generations, _ = read_generations(trained)
    results = [result for generation in generations for result in generation.results]
    whole = {r.request.individual.id for r in results if r.evaluation.status is Status.OK}
    stopped = {r.request.individual.id for r in results if r.evaluation.status is Status.PRUNED}
    assert whole and stopped and not whole & stopped
    front = {int(row.split(",")[0]) for row in (trained / "front.csv").read_text().splitlines()[1:]}
    listed = {survivor.individual.id for generation in generations for survivor in generation.survivors}
    assert front | listed <= whole
    assert {number for generation in generations for number in generation.state["survivors"]} & stopped
    logs = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    pruned = [sum(r.evaluation.status is Status.PRUNED for r in one.results) for one in generations]
    assert [log["pruned"] for log in logs] == pruned
    assert pruned[0] == 4 and min(pruned) > 0
    assert logs[0]["epochs"] == 6 * 1.5 + 3 * 1.5 + 2 * 1.5  # a branch of half an epoch at every rung
    assert not (trained / RUNGS).exists()


def test_a_promoted_training_is_one_in_a_single_go_and_a_stopped_one_can_be_done_again(
    tiny: Experiment, trained: Path
) -> None:
    experiment = halved(tiny)
    bench = make_bench(experiment, Options(jobs=1))
    looked = set()
    for result in read_generations(trained)[0][0].results:
        genome = bench.space.parse(result.request.individual.genome)
        seed = bench.seed(experiment.seed, genome, 0)
        found = evaluate(bench, genome, seed, stretch=Stretch(result.evaluation.rung))
        assert replace(found, seconds=0.0) == result.evaluation
        looked.add(result.evaluation.rung)
        if result.evaluation.rung:
            assert result.evaluation.at_rung(("error",)) != evaluate(bench, genome, seed).objectives
    assert looked == {0, 1, 2}


def test_check_finds_nothing_wrong_and_evaluate_does_the_same_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(trained)]) == 0
    assert "PROBLEM" not in capsys.readouterr().out
    stopped = next(
        r.request.individual.id
        for r in read_generations(trained)[0][0].results
        if r.evaluation.status is Status.PRUNED and r.evaluation.rung == 2
    )
    assert run(["evaluate", f"{trained}:{stopped}"]) == 0
    out = capsys.readouterr().out
    assert "2 epochs on" in out and "rung_error" in out and "difference" not in out and out.count("equal") > 8


def test_progress_never_goes_back_and_counts_a_genome_once(folder: Path) -> None:
    seen: list[Progress] = []
    Session(folder, Options(jobs=1), report=seen.append).proceed()
    done = [one.done for one in seen if one.stage == "search"]
    assert done == sorted(done) and (done[0], done[-1]) == (0, 18)
    assert all(one.planned > 18 for one in seen), "fresh seeds are counted from the start"
    assert seen[-1].done == seen[-1].planned and seen[-1].seconds_left == 0.0
    assert all(one.failed <= one.done for one in seen if one.stage == "search")


# --- Stopped and robbed ---------------------------------------------------------------------------------------------


class CutError(BaseException):
    """What a kill is to the code: nothing after it runs, not even `except Exception`."""


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_cut_off_at_any_result_nothing_is_repeated_and_nothing_changes(
    when: str,
    tiny: Experiment,
    folder: Path,
    jobs: list[Job],
    proceed: Proceed,
    decisive: Decisive,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    proceed(folder)
    total, looked = once_each(folder), 0
    real = Journal.append
    for number in range(0, total, 3):
        calls = 0

        def cut(journal: Journal, entry: Any, number: int = number) -> None:
            nonlocal calls
            calls += 1
            if calls == number + 1 and when == "before":
                raise CutError
            real(journal, entry)
            if calls == number + 1:
                raise CutError

        other = create(halved(tiny), Options(jobs=1), tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", cut)
            with pytest.raises(CutError):
                proceed(other)
        jobs.clear()
        assert proceed(other) == []
        assert len(jobs) == total - number - (when == "after")
        assert decisive(other) == decisive(folder)
        assert once_each(other) == total
        looked += 1
    assert looked > 10


def epochs_trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one for every epoch of a trunk from now on."""
    epochs: list[int] = []
    real = Loop.advance

    def counting(loop: Loop, *arguments: Any, **named: Any) -> Any:
        epochs.append(loop.epoch)
        return real(loop, *arguments, **named)

    monkeypatch.setattr(Loop, "advance", counting)
    return epochs


@pytest.mark.parametrize("how", ["kept", "lost", "spoilt", "of another", "unwritable"])
def test_files_between_rungs_save_time_and_decide_nothing(
    how: str, tiny: Experiment, trained: Path, decisive: Decisive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One generation: 6 to the first rung, 3 of them to the second, 2 of these to the third."""
    folder = create(halved(tiny), Options(jobs=1), tmp_path)
    real = evaluation.load_trunk
    damaged = []

    def damaging(path: Path, training: str) -> Any:
        assert path.parent == folder / RUNGS
        if path.exists() and how == "lost":
            path.unlink()
        elif path.exists() and how == "spoilt":
            path.write_bytes(path.read_bytes()[:-9] + b"123456789")
        elif path.exists() and how == "of another":
            path.write_bytes(max(path.parent.iterdir(), key=lambda one: (one != path, one.name)).read_bytes())
        damaged.append(path.exists())
        return real(path, training)

    monkeypatch.setattr(evaluation, "load_trunk", damaging)
    monkeypatch.setattr(derived, "save_front", lambda *given: None)
    epochs = epochs_trained(monkeypatch)
    if how == "unwritable":
        (folder / RUNGS).write_text("no folder")
    Session(folder, Options(jobs=1, generations=0), report=lambda progress: None).proceed()
    names = ["generation-0000.jsonl", "experiment.toml"]
    assert [(folder / name).read_bytes() for name in names] == [(trained / name).read_bytes() for name in names]
    again = 0 if how == "kept" else 3 * 1 + 2 * 2
    fresh = len([e for e in read_journal(folder / "journal.jsonl")[0] if e.repeat >= FRESH])
    assert len(epochs) == 6 + 3 + 2 + again + 3 * fresh
    assert sum(damaged) == (0 if how in ("lost", "unwritable") else 5)
    assert not (folder / RUNGS).is_dir()


def killed(process: subprocess.Popen[bytes], journal: Path, lines: int) -> bool:
    """Kill a run and its workers soon after so many results; tell whether it was still at work."""
    end = time.monotonic() + 120
    while process.poll() is None and (journal.read_bytes().count(b"\n") if journal.exists() else 0) < lines:
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(random.Random(lines).uniform(0.0, 0.1))
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return alive


@pytest.mark.slow
@pytest.mark.parametrize("moments", [(11,), (8, 17)])
@pytest.mark.usefixtures("warm_workers")
def test_two_jobs_and_kills_in_the_middle_of_rungs_leave_no_trace(
    tiny: Experiment,
    trained: Path,
    proceed: Proceed,
    decisive: Decisive,
    spawn: Any,
    tmp_path: Path,
    moments: tuple[int, ...],
) -> None:
    """Begun by one job of another hash seed, ended by two; `trained` was made by one, in one go."""
    folder = create(halved(tiny), Options(jobs=1), tmp_path)
    for lines in moments:
        assert killed(spawn(folder, 1, LAST, PYTHONHASHSEED="3"), folder / "journal.jsonl", lines)
    assert proceed(folder, jobs=2) == []
    assert decisive(folder) == decisive(trained)
    assert once_each(folder) == once_each(trained)
    assert not (folder / RUNGS).exists()


def test_a_worker_lost_at_a_rung_costs_its_genome_and_is_known_afterwards(
    folder: Path, jobs: list[Job], proceed: Proceed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Workers.run

    def losing(workers: Workers, function: Any, payloads: Any) -> Any:
        for outcome in real(workers, function, payloads):
            lost = outcome.index == 1 and payloads[1].stretch.epochs == 1
            yield Outcome(outcome.index, None, LOST) if lost else outcome

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "run", losing)
        patch.setattr(session, "write_generation", lambda *arguments: (_ for _ in ()).throw(CutError))
        with pytest.raises(CutError):
            proceed(folder)
    jobs.clear()
    said = proceed(folder, generations=0)
    assert [one for one in jobs if one.stretch.file] == []
    results = read_generations(folder)[0][0].results
    assert results[1].evaluation == Evaluation(Status.ERROR, message=LOST, measures={"rung": 1})
    assert len(said) == 1 and "exempt" in said[0]


# --- What cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"halving": Halving((1, 2))}, r"the last of halving\.rungs .* got 2 where recipe\.epochs = 3"),
        ({"halving": Halving((1, 9))}, "got 9 where recipe.epochs = 3"),
    ],
)
def test_rungs_that_the_trainings_do_not_have_are_refused(tiny: Experiment, change: Any, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        replace(halved(tiny), **change)
    with pytest.raises(ExperimentError, match=r"recipe\.schedule = trunk with halving\.rungs, got 'onecycle'"):
        replace(tiny, halving=Halving((1, 2)))


def test_a_strategy_that_cannot_is_refused_before_a_folder_is_made(tiny: Experiment, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"a strategy that can leave trainings unfinished .* got aging, in which"):
        create(replace(halved(tiny), strategy={"name": "aging"}), Options(jobs=1), tmp_path)
    assert list(tmp_path.iterdir()) == []
