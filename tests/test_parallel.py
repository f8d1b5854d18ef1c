"""Workers under every ill treatment that a long run meets. The tasks stand here: loky imports this module by name."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from evobnn._processes import EvobnnWarning
from evobnn.errors import DeviceError, ExperimentError
from evobnn.machine import backends, tasks
from evobnn.machine import workers as parallel
from evobnn.machine.room import CARD_PER_WORKER, MEMORY_PER_WORKER, Bound, Card, peak_memory
from evobnn.machine.workers import LOST, Outcome, Workers, default_jobs, room
from tests.conftest import end_workers

ROOT = Path(__file__).parent.parent


def square(x: int) -> int:
    return x * x


def pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def kill_if_odd(task: dict[str, Any]) -> int:
    """Note the start in the folder; kill this worker for an odd number, but never the process that runs the tests."""
    number = int(task["number"])
    with open(Path(task["folder"]) / str(number), "a") as starts:
        starts.write(f"{os.getpid()}\n")
    time.sleep(0.05)
    if number % 2 and os.getpid() != task["parent"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def kill_once(task: dict[str, Any]) -> int:
    flag = Path(task["folder"]) / "killed"
    if task["number"] == 1 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return int(task["number"])


def fail_on_three(x: int) -> int:
    if x == 3:
        raise ArithmeticError("three")
    return x


def threads_allowed(name: str) -> str | None:
    return os.environ.get(name)


def deafness(_: int) -> tuple[bool, bool]:
    """Return whether SIGINT is ignored here, and whether it was held back since before this process began."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, signal.SIGINT in held


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    """No test here begins with the workers of another file, or deaf to Ctrl-C, as what a shell runs behind it is."""
    end_workers()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def two() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_payload_gives_one_outcome(jobs: int) -> None:
    with Workers(jobs) as workers:
        outcomes = list(workers.run(square, range(7)))
        assert list(workers.run(square, [])) == []
    assert sorted(outcomes, key=lambda o: o.index) == [Outcome(i, i * i) for i in range(7)]


def test_one_job_runs_in_this_process_in_order() -> None:
    outcomes = list(Workers(1).run(pid_after, [0.0, 0.0]))
    assert outcomes == [Outcome(0, os.getpid()), Outcome(1, os.getpid())]


def test_results_come_as_they_arrive(two: Workers) -> None:
    list(two.run(square, [1, 2]))
    assert [o.index for o in two.run(nap, [0.6, 0.0, 0.0])] == [1, 2, 0]


def test_pool_stays_warm_and_leaves_with_close() -> None:
    with Workers(2) as workers:
        first = {o.value for o in workers.run(pid_after, [0.2] * 4)}
        second = {o.value for o in workers.run(pid_after, [0.2] * 4)}
        assert len(first) == 2 and os.getpid() not in first
        assert second == first
    assert not any(psutil.pid_exists(pid) for pid in first)


def test_workers_have_one_inner_thread(two: Workers) -> None:
    assert [o.value for o in two.run(threads_allowed, ["OMP_NUM_THREADS"])] == ["1"]


def test_workers_are_deaf_to_ctrl_c_from_birth_and_this_process_is_not(two: Workers) -> None:
    assert [o.value for o in two.run(deafness, [0])] == [(True, True)]
    assert deafness(0) == (False, False)


@pytest.mark.parametrize("killers", [{3}, {3, 7}], ids=["one", "two"])
def test_a_killer_costs_only_itself(two: Workers, tmp_path: Path, killers: set[int]) -> None:
    numbers = [n if n in killers else 2 * n for n in range(10)]
    payloads = [{"number": n, "folder": str(tmp_path), "parent": os.getpid()} for n in numbers]
    outcomes = sorted(two.run(kill_if_odd, payloads), key=lambda o: o.index)
    expected = [Outcome(i, None, LOST) if i in killers else Outcome(i, n) for i, n in enumerate(numbers)]
    assert outcomes == expected
    starts = {n: (tmp_path / str(n)).read_text().split() for n in numbers}
    assert all(len(starts[n]) == 2 for n in killers), "together, then alone"
    assert sum(len(s) for s in starts.values()) <= len(numbers) + 2 * len(killers), "only what was in flight ran twice"
    assert str(os.getpid()) not in {pid for s in starts.values() for pid in s}


def test_what_came_back_while_the_caller_was_busy_is_not_run_again(two: Workers, tmp_path: Path) -> None:
    list(two.run(square, [1, 2]))
    numbers = [0, 2, 4, 6, 8, 9]
    payloads = [{"number": n, "folder": str(tmp_path), "parent": os.getpid()} for n in numbers]
    outcomes = two.run(kill_if_odd, payloads)
    first = next(outcomes)
    until = time.monotonic() + 30.0
    while not (tmp_path / "9").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)  # meanwhile the others have come back, and the last one has killed its worker
    rest = list(outcomes)
    assert sorted(o.index for o in [first, *rest]) == list(range(6))
    assert [o.index for o in rest if o.lost] == [5]
    starts = [len((tmp_path / str(n)).read_text().split()) for n in numbers]
    assert starts[:4] == [1, 1, 1, 1]


def test_a_task_that_succeeds_alone_is_not_lost(two: Workers, tmp_path: Path) -> None:
    payloads = [{"number": n, "folder": str(tmp_path)} for n in range(4)]
    assert sorted((o.index, o.value, o.lost) for o in two.run(kill_once, payloads)) == [(n, n, "") for n in range(4)]
    assert (tmp_path / "killed").exists()


def test_an_idle_worker_killed_between_calls_costs_nothing(two: Workers) -> None:
    [*_, last] = two.run(pid_after, [0.1, 0.1])
    os.kill(last.value, signal.SIGKILL)
    time.sleep(0.3)
    assert sorted(o.value for o in two.run(square, range(4))) == [0, 1, 4, 9]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_reaches_the_caller_and_the_pool_lives_on(jobs: int) -> None:
    with Workers(jobs) as workers:
        with pytest.raises(ArithmeticError, match="three"):
            list(workers.run(fail_on_three, range(6)))
        assert sorted(o.value for o in workers.run(square, range(3))) == [0, 1, 4]


# loky's own thread may look for a task that closing has just taken off its list.
WHILE_CLOSING = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@WHILE_CLOSING
def test_closing_early_does_not_wait(two: Workers) -> None:
    list(two.run(square, [1, 2]))
    began = time.monotonic()
    outcomes = two.run(nap, [0.0] + [30.0] * 5)
    assert next(outcomes).index == 0
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 5
    assert [o.value for o in two.run(square, [3])] == [9]


@WHILE_CLOSING
def test_leaving_the_block_ends_running_tasks() -> None:
    began = time.monotonic()
    with Workers(2) as workers:
        outcomes = workers.run(nap, [0.0] + [30.0] * 5)
        assert next(outcomes).index == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5])
def test_fewer_than_one_job_is_refused(jobs: Any) -> None:
    with pytest.raises(ExperimentError, match="Expected jobs to be a whole number of at least 1"):
        Workers(jobs)


@pytest.mark.parametrize(
    ("backend", "words"),
    [("threading", "share the global random"), ("multiprocessing", "forks"), ("lokey", "Did you mean 'loky'")],
)
def test_backends_that_cannot_work_are_refused(backend: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        Workers(2, backend)


@pytest.mark.parametrize(("backend", "library"), [("dask", "distributed"), ("ray", "ray.util.joblib")])
def test_a_missing_cluster_library_is_named(monkeypatch: pytest.MonkeyPatch, backend: str, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # `import` of it now fails, installed or not
    with pytest.raises(DeviceError, match=rf"Expected the library behind backend '{backend}'.*evobnn\[cluster\]"):
        Workers(2, backend)


def test_default_jobs_follow_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 0

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    monkeypatch.setattr(parallel, "cpu_count", lambda only_physical_cores: 8)
    monkeypatch.setattr(parallel, "memory_bound", lambda: None)
    cases = {0: 1, 3 * MEMORY_PER_WORKER: 3, 2**40: 8}
    for available, jobs in cases.items():
        Memory.available = available
        assert default_jobs() == jobs
    monkeypatch.setattr(parallel, "memory_bound", lambda: Bound(2**40, 2 * MEMORY_PER_WORKER))
    assert default_jobs() == 2


def test_room_on_a_card_counts_its_memory_and_that_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cpu_count", lambda only_physical_cores: 8)
    monkeypatch.setattr(parallel, "memory_bound", lambda: None)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**40))
    cards = {"cuda:1": Card("cuda:1", 5 * CARD_PER_WORKER)}
    monkeypatch.setattr(parallel, "card_of", cards.get)
    found = room("cuda:1", CARD_PER_WORKER, CARD_PER_WORKER // 2)
    assert (found.jobs, found.card, found.need.memory) == (2, cards["cuda:1"], MEMORY_PER_WORKER)
    assert (room("cuda:1").jobs, room("cpu").jobs) == (5, 8)
    assert room("cpu", 2**39).jobs == 1


# --- What they hold -------------------------------------------------------------------------------------------------


def hold(megabytes: int) -> int:
    return int(np.ones(megabytes << 20, np.uint8)[:: 1 << 12].sum())


def test_workers_tell_the_most_that_one_held(two: Workers) -> None:
    assert two.peak_memory == 0
    list(two.run(hold, [1, 1, 1]))
    little = two.peak_memory
    assert little > 2**20
    outcomes = [*two.run(hold, [200, 1])]
    assert {type(outcome) for outcome in outcomes} == {Outcome}
    assert two.peak_memory > little + 150 * 2**20
    most = two.peak_memory
    list(two.run(hold, [1, 1, 1]))
    assert two.peak_memory == most


def test_a_worker_does_not_begin_with_the_peak_of_its_parent(two: Workers) -> None:
    hold(700)
    list(two.run(hold, [1]))
    assert two.peak_memory < 500 * 2**20


def test_one_job_tells_what_this_process_held() -> None:
    with Workers(1) as workers:
        list(workers.run(hold, [1]))
        assert workers.peak_memory == pytest.approx(peak_memory(), rel=0.01)


# A parent that ends badly: it runs as a program of its own, in its own session, like a run in a terminal.

PARENT = """
import time
from evobnn.machine.workers import Workers
from tests.test_parallel import nap, pid_after, spin
from slow import late
if __name__ == "__main__":
    with Workers(2) as workers:
        if {warm}:
            print(*(o.value for o in workers.run(pid_after, [0.1, 0.1])), flush=True)
        {then}
"""
IMPORTING = "list(workers.run(late, [1, 2]))"
SLOW = """
import multiprocessing, time
if multiprocessing.current_process().name != "MainProcess":
    print("importing", flush=True)
    time.sleep(60)
def late(x):
    return x
"""


@contextmanager
def parent_at(
    folder: Path, then: str, *, warm: bool = True
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start the parent, wait until its workers are where they should be, and hand both over."""
    script = folder / "parent.py"
    script.write_text(PARENT.format(then=then, warm=warm))
    (folder / "slow.py").write_text(SLOW)
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        children: list[psutil.Process] = []
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline().strip()
            time.sleep(0.3)
            children = psutil.Process(parent.pid).children(recursive=True)
            assert len(children) >= 3, "two workers and loky's resource tracker"
            yield parent, children
        finally:
            parent.kill()
            for child in left_after(children, 0):
                child.kill()


def left_after(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    return list(psutil.wait_procs(processes, timeout=seconds)[1])


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("list(workers.run(nap, [60, 60]))", marks=pytest.mark.slow),
        "list(workers.run(spin, [60, 60]))",
        "time.sleep(60)",
        pytest.param(IMPORTING, marks=pytest.mark.slow),
    ],
    ids=["sleeping", "computing", "idle", "importing"],
)
def test_workers_end_when_their_parent_was_killed(tmp_path: Path, then: str) -> None:
    with parent_at(tmp_path, then, warm=then != IMPORTING) as (parent, children):
        parent.kill()
        parent.wait()
        assert left_after(children, 5) == []
    assert list(Path("/dev/shm").glob(f"*loky-{parent.pid}-*")) == []


@pytest.mark.parametrize(
    "then",
    ["list(workers.run(nap, [60] * 5))", pytest.param(IMPORTING, marks=pytest.mark.slow)],
    ids=["computing", "importing"],
)
def test_ctrl_c_ends_everything_at_once(tmp_path: Path, then: str) -> None:
    with parent_at(tmp_path, then, warm=then != IMPORTING) as (parent, children):
        os.killpg(parent.pid, signal.SIGINT)  # what a terminal does: the workers get it too
        _, said = parent.communicate(timeout=5)
        assert parent.returncode == -signal.SIGINT
        assert said.count("KeyboardInterrupt") == said.count("Traceback") == 1, said
        assert left_after(children, 5) == []


# --- Where there can be no workers ------------------------------------------------------------------------------------

ALONE = """
import multiprocessing, sys
sys.path.insert(0, {root!r})
{before}
from evobnn.machine.workers import Workers
from tests.test_parallel import square
def work():
    with Workers(2, say=print) as workers:
        print(workers.jobs, *(outcome.value for outcome in workers.run(square, range(4))), workers.jobs, flush=True)
if __name__ == "__main__":
    {then}
"""
NO_SEMAPHORES = """
import joblib.externals.loky.backend.synchronize as loky
import multiprocessing.synchronize as own
class Refused:
    SEM_VALUE_MAX = own._multiprocessing.SemLock.SEM_VALUE_MAX
    def __init__(self, *given, **named):
        raise OSError(28, "No space left on device")
own._multiprocessing.SemLock = loky._SemLock = Refused
"""
NO_PROCESSES = """
import _posixsubprocess, os
def refused(*given):
    raise BlockingIOError(11, "Resource temporarily unavailable")
_posixsubprocess.fork_exec = os.fork = refused
import subprocess
subprocess._fork_exec = refused
"""
UNTRIED = "import evobnn._processes; evobnn._processes._refused = lambda *given: ''"
DAEMON = "child = multiprocessing.Process(target=work, daemon=True); child.start(); child.join(60); "


@pytest.mark.parametrize(
    ("before", "then", "jobs", "why"),
    [
        ("", f"{DAEMON}sys.exit(child.exitcode)", 1, "a daemonic process may have no children"),
        ("import os; os.environ['JOBLIB_MULTIPROCESSING'] = '0'", "work()", 1, "JOBLIB_MULTIPROCESSING is 0"),
        (NO_SEMAPHORES, "work()", 1, "the system has no semaphores for them"),
        (NO_PROCESSES, "work()", 1, "the system does not start as many processes"),
        (NO_SEMAPHORES + UNTRIED, "work()", 2, "they cannot be started (No space left on device)"),
        (NO_PROCESSES + UNTRIED, "work()", 2, "they cannot be started (Resource temporarily unavailable)"),
    ],
    ids=["daemonic", "joblib told not to", "no semaphores", "no processes", "semaphores gone", "processes gone"],
)
def test_without_workers_everything_runs_here_and_that_is_said(
    tmp_path: Path, before: str, then: str, jobs: int, why: str
) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE.format(root=str(ROOT), before=before, then=then))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said, outcomes = done.stdout.splitlines()
    assert said.startswith(f"No worker processes, as {why}") and said.endswith("with the same results.")
    assert outcomes == f"{jobs} 0 1 4 9 1"
    assert "Traceback" not in done.stderr


def test_workers_that_die_before_they_begin_are_not_the_tasks_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(backends, "start_worker", die)
    said: list[str] = []
    with Workers(2, say=said.append) as workers:
        assert sorted(o.value for o in workers.run(square, range(4))) == [0, 1, 4, 9]
        assert (workers.jobs, workers.alone) == (1, "they die before they begin")
        assert [o.value for o in workers.run(square, [5])] == [25]
    assert len(said) == 1


def die(parent: int) -> None:
    os._exit(3)


def test_without_a_listener_it_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "obstacle", lambda jobs: "it is a test")
    workers = Workers(2)
    with pytest.warns(EvobnnWarning, match="No worker processes, as it is a test: everything runs in this one"):
        assert [o.value for o in workers.run(square, [1, 2])] == [1, 4]
    assert Workers(1).alone == ""


def test_joblib_is_asked_what_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backends.why_alone() == ""
    monkeypatch.setattr(backends, "_given_by_loky", lambda jobs: 1)
    assert Workers(2).jobs == 1 and "joblib gives none here" in backends.why_alone()


def test_this_process_does_not_watch_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_watch", lambda parent: pytest.fail("it would end this process"))
    back = tasks.run_task(square, os.getpid(), -1, tasks.Task(0, 3))
    assert back.value == 9


def test_tasks_are_picklable_by_name() -> None:
    functions: list[Callable[..., Any]] = [square, spin, kill_once]
    assert {f.__module__ for f in functions} == {"tests.test_parallel"}


def test_cores_that_cannot_be_counted_leave_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """loky prints one where it can start no process that tells them."""
    context = importlib.import_module("joblib.externals.loky.backend.context")

    def refused(*arguments: object, **how: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(context, "physical_cores_cache", None)
    monkeypatch.setattr(context.subprocess, "run", refused)
    assert parallel.room().cores >= 1
    assert capfd.readouterr().err == ""


def test_cores_are_counted_where_joblib_has_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib itself counts one core then, and a search would say that this is all there is."""
    before = room().cores
    monkeypatch.setattr("joblib.parallel.mp", None)
    assert room().cores == before
