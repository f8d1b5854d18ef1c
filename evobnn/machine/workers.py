"""Many small tasks on many processes: with `backends` the only place that calls joblib.

joblib does the work; this page adds what a search of many hours needs and joblib does not give:

* A killed worker (the kernel's answer to too much memory) makes joblib give up the whole call without naming the task.
  Here every task that had been sent to a worker and had not come back is run again, alone; only one that kills its
  worker alone is lost, and it is lost by name.
* loky's workers outlive a parent that was killed, for minutes. Here a thread in each worker looks twice a second
  whether the parent is still there. (Linux's PR_SET_PDEATHSIG is no way out: it fires when the *thread* that started
  the worker ends, and loky starts some workers from a thread.)
* Ctrl-C is the parent's business: workers never see it, so none of them prints a traceback.
* Where there can be no processes (a daemonic process, no shared memory, a bound on processes), joblib falls back
  without a word, or fails somewhere. Here everything then runs in this very process, and that is said.

Threads are refused: the guards around the global random generators (`_seeding.guarded`) are not safe for them.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import psutil
from joblib import Parallel, delayed
from joblib.externals.loky import cpu_count, get_reusable_executor
from joblib.externals.loky.process_executor import LokyRecursionError, TerminatedWorkerError

from evobnn._checks import check_at_least
from evobnn._processes import EvobnnWarning, said
from evobnn.machine.backends import (
    check_cluster,
    checked_backend,
    configured,
    ignore_harmless_warnings,
    interrupt_held_back,
    why_alone,
)
from evobnn.machine.room import Room, card_of, memory_bound, need_of, peak_memory
from evobnn.machine.tasks import Back, Task, boxes, nothing, numbers, run_task

Payload = TypeVar("Payload")
Result = TypeVar("Result")

LOST = "the worker process died (killed, or out of memory) while this ran alone"
MOST_BARREN = 3


class _NoPoolError(Exception):
    """Workers could not be started, or die before they do anything; the message says why, as part of a sentence."""


def warn(sentence: str) -> None:
    """Say a sentence as a Python warning; the command line shows it as a note."""
    warnings.warn(sentence, EvobnnWarning, stacklevel=2)


@dataclass(frozen=True)
class Outcome:
    """How one task ended: the place of its payload in the sequence, and what the function returned.

    `lost` says why there is no value (None) although the task was tried alone; it is empty otherwise.
    """

    index: int
    value: Any
    lost: str = ""


class Workers:
    """A pool for one run. It stays warm between calls of `run`: starting a worker and importing torch costs a second.

    `jobs=1` is this very process, whatever the backend. A worker lost on `dask` or `ray` is the cluster's affair (Dask
    runs its tasks elsewhere); Dask also decides how many tasks run at once, and Ray's results come in rounds of `jobs`,
    as its backend cannot hand them out one by one. loky keeps one pool per process: use one `Workers` at a time.

    Where this process can have no workers, or loses them for good, `jobs` becomes 1, `alone` says why, and `say` is
    called with a sentence when the first task runs here. Outcomes are the same.

    `peak_memory` is the most that one worker has held so far, in bytes, as each says with every result; pages that it
    has in common with others, as those of libraries and of mapped images, count too.
    """

    def __init__(self, jobs: int, backend: str = "loky", say: Callable[[str], None] = warn) -> None:
        self.peak_memory = 0
        self.jobs = check_at_least("jobs", jobs, 1)
        self.backend = checked_backend(backend)
        self.alone = ""
        self._say, self._said = say, False
        self._outputs: Generator[Any, None, None] | None = None
        self._parallel: Parallel | None = None
        self._used = False
        if jobs > 1 and backend != "loky":
            check_cluster(backend, jobs)
        elif jobs > 1 and (why := why_alone(jobs)):
            self.jobs, self.alone = 1, why

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the workers at once, also those in the middle of a task. A later `run` starts new ones."""
        used = self._used
        self._drop()
        self._used = False
        if used and self.backend == "loky":
            with suppress(OSError, RuntimeError):  # where none can be made there is none to end
                _end(get_reusable_executor(reuse=True))

    def run(self, function: Callable[[Payload], Result], payloads: Sequence[Payload]) -> Iterator[Outcome]:
        """Yield one outcome per payload as they arrive, in any order; nothing runs again once it was yielded.

        `function` is importable by name and returns its failures as values: what it raises ends the whole call.
        Closing the iterator early ends the workers instead of waiting for them.
        """
        waiting = {index: Task(index, payload) for index, payload in enumerate(payloads)}
        if self.jobs > 1:
            box, arrived = next(numbers), dict[int, Any]()
            boxes[box] = arrived
            try:
                yield from self._until_done(partial(run_task, function, self._parent(), box), waiting, arrived)
            except _NoPoolError as error:
                self.close()
                self.jobs, self.alone = 1, str(error)
            finally:
                del boxes[box]
            for index in [index for index in waiting if index in arrived]:
                del waiting[index]
                yield Outcome(index, arrived[index])
        if waiting and self.alone and not self._said:
            self._said = True
            self._say(f"No worker processes, as {self.alone}: everything runs in this one, with the same results.")
        for index, task in waiting.items():
            value = function(task.payload)
            self.peak_memory = max(self.peak_memory, peak_memory())
            yield Outcome(index, value)

    def _until_done(
        self, run: Callable[[Task], Back], waiting: dict[int, Task], arrived: dict[int, Any]
    ) -> Iterator[Outcome]:
        """Empty `waiting`, one joblib call after the other as long as workers get killed."""
        barren = 0  # how often in a row workers died with nothing sent: not worth a word unless it goes on
        while waiting:
            suspects: list[Task] = []
            try:
                for outcome in self._together(run, list(waiting.values())):
                    del waiting[outcome.index]
                    arrived.pop(outcome.index, None)
                    yield outcome
            except TerminatedWorkerError:
                suspects = [task for task in waiting.values() if task.sent]
                barren = 0 if suspects else barren + 1
                if barren == MOST_BARREN:
                    raise _NoPoolError("they die before they begin") from None
            for task in suspects:
                back = task.index in arrived
                outcome = Outcome(task.index, arrived.pop(task.index)) if back else self._alone(run, task)
                del waiting[task.index]
                yield outcome

    def _parent(self) -> int | None:
        return os.getpid() if self.backend == "loky" else None

    def _together(self, run: Callable[[Task], Back], tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield the outcomes of one joblib call, which a killed worker ends with TerminatedWorkerError."""
        calls = [delayed(run)(task) for task in tasks]
        ignore_harmless_warnings()
        try:
            with self._starting(), interrupt_held_back():
                parallel = self._warm()
                streams = parallel.return_generator
                self._outputs = outputs = parallel(calls) if streams else _in_rounds(parallel, calls, self.jobs)
            for back in outputs:
                self.peak_memory = max(self.peak_memory, back.peak)
                yield Outcome(back.index, back.value)
        except BaseException:
            self._drop()
            raise

    def _alone(self, run: Callable[[Task], Back], task: Task) -> Outcome:
        """Return the outcome of the task run in a worker while all other workers idle.

        Raises:
            _NoPoolError: it is not the task: workers die or do not start whatever they are to do.
        """
        outcome = Outcome(task.index, None, lost=LOST)
        try:
            for found in self._together(run, [task]):
                outcome = found
        except TerminatedWorkerError:
            self._try_nothing()
        return outcome

    def _try_nothing(self) -> None:
        """Raise _NoPoolError unless a worker lives through a task that does nothing."""
        try:
            for _ in self._together(partial(run_task, nothing, self._parent(), -1), [Task(0, None)]):
                pass
        except TerminatedWorkerError:
            raise _NoPoolError("they die before they begin") from None

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Turn what is raised where workers of loky cannot be started into _NoPoolError."""
        try:
            yield
        except (OSError, RuntimeError, NotImplementedError) as error:
            refused = isinstance(error, OSError | NotImplementedError | LokyRecursionError)
            if self.backend != "loky" or not (refused or type(error) is RuntimeError):  # "can't start new thread"
                raise
            raise _NoPoolError(f"they cannot be started ({said(error)})") from error

    def _warm(self) -> Parallel:
        """Return the joblib object, entered once: each time one is entered anew leaves a folder in /dev/shm."""
        if self._parallel is None:
            returned = "list" if self.backend == "ray" else "generator_unordered"
            with configured(self.backend):
                # One task per worker in flight: what is sent and not back is what a killed worker may have run.
                parallel = Parallel(n_jobs=self.jobs, return_as=returned, batch_size=1, pre_dispatch="n_jobs")
            parallel.__enter__()
            self._parallel, self._used = parallel, True
        return self._parallel

    def _drop(self) -> None:
        """Give up the current call and its joblib object: used again, it would run what the last call left over."""
        outputs, self._outputs = self._outputs, None
        parallel, self._parallel = self._parallel, None
        with warnings.catch_warnings():  # joblib counts the tasks given up; they are given up on purpose
            warnings.filterwarnings("ignore", r"\d+ tasks (have been successfully|which were still)", UserWarning)
            if outputs is not None:
                outputs.close()
            if parallel is not None:
                with suppress(RuntimeError):  # a pool whose start failed halfway has no thread to join
                    parallel.__exit__(None, None, None)


def usable_cores() -> int:
    """Return the logical cores that this process may use: of its affinity, its control group's quota and the bound of
    LOKY_MAX_CPU_COUNT the least, as loky reads them.
    """
    return int(cpu_count())


def room(device: str = "cpu", training: int = 0, images: int = 0) -> Room:
    """Return what there is for workers here and now: memory, physical cores that this process may use, and the card.

    Arguments:
        device: on which they train.
        training: bytes that one training keeps at a time; 0 where nobody knows.
        images: bytes of the images that it reads.

    Raises:
        DeviceError: the device names a card that is not there.
    """
    card = card_of(device)
    # loky's own count: joblib's is 1 wherever it has no processes, which `why_alone` says and this must not hide.
    # Where it cannot tell physical from logical cores, loky counts the latter, warns and prints a traceback.
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", "Could not find the number of physical cores", UserWarning)
        cores = cpu_count(only_physical_cores=True)
    need = need_of(training, images, on_card=card is not None)
    return Room(int(cores), int(psutil.virtual_memory().available), memory_bound(), card, need)


def _end(executor: Any) -> None:
    """End a pool of loky with all its processes, also where its start failed halfway: then no thread does it."""
    children = list(executor._processes.values())
    with suppress(RuntimeError):  # a thread that could not be started cannot be joined
        executor.shutdown(wait=True, kill_workers=True)
    for child in children:
        if child.is_alive():
            child.kill()
            child.join()


def default_jobs() -> int:
    """Return how many workers this machine can feed: a physical core and `MEMORY_PER_WORKER` for each."""
    return room().jobs


def _in_rounds(parallel: Parallel, calls: Sequence[Any], size: int) -> Generator[Any, None, None]:
    for start in range(0, len(calls), size):
        yield from parallel(calls[start : start + size])
