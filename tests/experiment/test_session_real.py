"""The same bytes, with real trainings: for any number of jobs, any hash seed, and any number of kills."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evobnn.errors import SearchError
from evobnn.evaluation import Job
from evobnn.experiment.settings import Experiment
from evobnn.machine.workers import LOST, Outcome, Workers
from evobnn.records import Evaluation, Status
from evobnn.runs import evaluator
from evobnn.runs.search import FRESH, Session
from evobnn.runs.setup import Options, create
from evobnn.snapshot import read_generations, read_journal
from tests.conftest import end_workers
from tests.experiment.conftest import toy

Decisive = Callable[[Path], dict[str, bytes]]
Proceed = Callable[..., list[str]]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
VICTIM, PARENT = "EVOBNN_TEST_VICTIM", "EVOBNN_TEST_PARENT"


def ended(process: subprocess.Popen[bytes]) -> str:
    """Wait for a process and return what it printed; it must have ended well."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    return output.decode()


def once_each(folder: Path) -> int:
    """Check that nothing was completed twice; return how many there are."""
    entries, _ = read_journal(folder / "journal.jsonl")
    done = [(entry.key, entry.protocol, entry.repeat) for entry in entries]
    assert len(set(done)) == len(done)
    return len(done)


@pytest.mark.usefixtures("warm_workers")
def test_two_jobs_and_one_go_with_another_hash_seed_give_the_same_bytes(
    tiny: Experiment, stopped: Path, finished: Path, proceed: Proceed, decisive: Decisive, spawn: Spawn, tmp_path: Path
) -> None:
    """`stopped` and `finished` came from this process, by one job, in two goes."""
    two, one = (create(tiny, Options(jobs=1), tmp_path, tmp_path / name) for name in ("two", "one"))
    process = spawn(one, 1, 6, PYTHONHASHSEED="2")
    assert proceed(two, jobs=2, generations=3) == []
    assert ended(process) == ""
    assert decisive(two) == decisive(stopped)
    assert decisive(one) == decisive(finished)
    assert (len(decisive(two)), len(decisive(one))) == (3 + 4, 3 + 7)
    assert once_each(two) > 16
    assert (two / "front.png").stat().st_size > 1000


def test_stopping_left_fresh_scores_and_changed_nothing_that_follows(stopped: Path, finished: Path) -> None:
    assert (finished / "rescored-0003.jsonl").read_bytes() == (stopped / "rescored-0003.jsonl").read_bytes()
    entries, _ = read_journal(finished / "journal.jsonl")
    fresh = [entry for entry in entries if entry.purpose == "rescore"]
    assert fresh and {entry.repeat for entry in fresh} == {FRESH, FRESH + 1}
    searched = [entry for entry in entries if entry.purpose == "search"]
    assert {entry.repeat for entry in searched} == {0, 1}
    assert len(searched) == 28
    generations, _ = read_generations(finished)
    found = {(r.request.individual.key, r.request.repeat): r.evaluation for g in generations for r in g.results}
    for entry in searched:
        assert replace(entry.evaluation, seconds=0.0, traceback="") == found[entry.key, entry.repeat]


def killed(spawn: Spawn, folder: Path, jobs: int, rng: random.Random) -> bool:
    """Start a run and kill its whole group at a random moment; tell whether it was still at work."""
    journal = folder / "journal.jsonl"

    def lines() -> int:
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    process = spawn(folder, jobs, 3)
    wanted = lines() + rng.randint(0, 3)
    end = time.monotonic() + 120
    while process.poll() is None and (lines() < wanted or not (folder / "starts.jsonl").exists()):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 0.4))
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return alive


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_random_moments_leave_no_trace(
    tiny: Experiment,
    stopped: Path,
    proceed: Proceed,
    decisive: Decisive,
    spawn: Spawn,
    tmp_path: Path,
    kills: int,
) -> None:
    rng = random.Random(kills)
    landed = 0
    while landed < kills:
        folder = create(tiny, Options(jobs=1), tmp_path)
        here = 0
        while here < 3 and landed < kills and killed(spawn, folder, 1 + landed % 2, rng):
            here, landed = here + 1, landed + 1
        proceed(folder, generations=3)
        assert decisive(folder) == decisive(stopped)
        assert once_each(folder) >= 16
    assert landed == kills


def deadly(job: Job) -> Evaluation:
    """Kill the worker that meets the victim; imported by workers."""
    if str(job.seed) == os.environ[VICTIM] and str(os.getpid()) != os.environ[PARENT]:
        os.kill(os.getpid(), signal.SIGKILL)
    return toy(job)


@pytest.mark.parametrize("how", ["said", pytest.param("killed", marks=pytest.mark.slow)])
def test_a_worker_killed_in_the_middle_costs_only_its_evaluation(
    tiny: Experiment, quick: Any, proceed: Proceed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    """What is said is what `test_parallel.py` sees of workers that are really killed."""
    alone, folder = (create(tiny, Options(jobs=1), tmp_path, tmp_path / name) for name in ("alone", "folder"))
    proceed(alone, generations=0)
    whole = read_generations(alone)[0][0].results
    victim = next(n for n, r in enumerate(whole) if r.evaluation.status is Status.OK)
    seed = quick.jobs[victim].seed
    if how == "killed":
        monkeypatch.setenv(VICTIM, str(seed))
        monkeypatch.setenv(PARENT, str(os.getpid()))
        monkeypatch.setattr(evaluator, "run_job", deadly)
        end_workers()  # they would not know the variables
        proceed(folder, jobs=2, generations=0)
    else:
        real = Workers.run

        def losing(workers: Workers, function: Any, payloads: Any) -> Any:
            for outcome in real(workers, function, payloads):
                lost = payloads[outcome.index].seed == seed
                yield Outcome(outcome.index, None, LOST) if lost else outcome

        monkeypatch.setattr(Workers, "run", losing)
        proceed(folder, generations=0)
    results = read_generations(folder)[0][0].results
    assert results[victim].evaluation == Evaluation(Status.ERROR, message=LOST)
    assert [r for n, r in enumerate(results) if n != victim] == [r for n, r in enumerate(whole) if n != victim]
    assert len(results) == 4
    assert once_each(folder) >= 4


def test_timeouts_are_recorded_and_final_until_tried_again(
    tiny: Experiment, stopped: Path, proceed: Proceed, decisive: Decisive, tmp_path: Path
) -> None:
    folder = create(tiny, Options(jobs=1), tmp_path)
    with pytest.raises(SearchError, match="none of 4; 4 times timeout: out of time in epoch 1 of 1"):
        proceed(folder, timeout=1e-9)
    entries, _ = read_journal(folder / "journal.jsonl")
    assert [entry.evaluation.status for entry in entries] == [Status.TIMEOUT] * 4
    with pytest.raises(SearchError, match="timeout"):
        proceed(folder)
    assert once_each(folder) == 4
    proceed(folder, generations=0, retry_failed=True)
    assert (folder / "generation-0000.jsonl").read_bytes() == (stopped / "generation-0000.jsonl").read_bytes()
    assert [entry.attempt for entry in read_journal(folder / "journal.jsonl")[0]][:8] == [1] * 4 + [2] * 4


def test_a_run_with_a_picture_of_every_generation(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    (tmp_path / "run" / "front.png").unlink()
    Session(tmp_path / "run", Options(jobs=1, generations=3)).proceed()
    assert (tmp_path / "run" / "front.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_more_threads_than_one_give_the_same_bytes_too(
    tiny: Experiment, proceed: Proceed, decisive: Decisive, tmp_path: Path
) -> None:
    threaded = replace(tiny, recipe=replace(tiny.recipe, threads=2))
    folders = [create(threaded, Options(jobs=1), tmp_path) for _ in range(2)]
    for jobs, folder in enumerate(folders, 1):
        proceed(folder, jobs=jobs, generations=2)
    assert decisive(folders[0]) == decisive(folders[1])
