"""Many small tasks on many processes: the only place that calls joblib.

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

import importlib
import io
import itertools
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, TypeVar

import psutil
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import cpu_count, get_reusable_executor
from joblib.externals.loky.process_executor import LokyRecursionError, TerminatedWorkerError
from joblib.parallel import LokyBackend

from evobnn._checks import check_at_least, check_name
from evobnn._processes import EvobnnWarning, obstacle, said
from evobnn.errors import DeviceError, message
from evobnn.machine.room import Room, card_of, memory_bound, need_of, peak_memory

Payload = TypeVar("Payload")
Result = TypeVar("Result")

BACKENDS = ("loky", "dask", "ray")
LOST = "the worker process died (killed, or out of memory) while this ran alone"
MOST_BARREN = 3
POLL_SECONDS = 0.5

_REFUSED = {
    "threading": "its tasks would share the global random generators",
    "multiprocessing": "its workers are forks, which can hang in OpenMP",
}


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
        self.backend = _checked_backend(backend)
        self.alone = ""
        self._say, self._said = say, False
        self._outputs: Generator[Any, None, None] | None = None
        self._parallel: Parallel | None = None
        self._used = False
        if jobs > 1 and backend != "loky":
            _check_cluster(backend, jobs)
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
        waiting = {index: _Task(index, payload) for index, payload in enumerate(payloads)}
        if self.jobs > 1:
            box, arrived = next(_numbers), dict[int, Any]()
            _boxes[box] = arrived
            try:
                yield from self._until_done(partial(_run_task, function, self._parent(), box), waiting, arrived)
            except _NoPoolError as error:
                self.close()
                self.jobs, self.alone = 1, str(error)
            finally:
                del _boxes[box]
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
        self, run: Callable[[_Task], _Back], waiting: dict[int, _Task], arrived: dict[int, Any]
    ) -> Iterator[Outcome]:
        """Empty `waiting`, one joblib call after the other as long as workers get killed."""
        barren = 0  # how often in a row workers died with nothing sent: not worth a word unless it goes on
        while waiting:
            suspects: list[_Task] = []
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

    def _together(self, run: Callable[[_Task], _Back], tasks: Sequence[_Task]) -> Iterator[Outcome]:
        """Yield the outcomes of one joblib call, which a killed worker ends with TerminatedWorkerError."""
        calls = [delayed(run)(task) for task in tasks]
        _ignore_harmless_warnings()
        try:
            with self._starting(), _interrupt_held_back():
                parallel = self._warm()
                streams = parallel.return_generator
                self._outputs = outputs = parallel(calls) if streams else _in_rounds(parallel, calls, self.jobs)
            for back in outputs:
                self.peak_memory = max(self.peak_memory, back.peak)
                yield Outcome(back.index, back.value)
        except BaseException:
            self._drop()
            raise

    def _alone(self, run: Callable[[_Task], _Back], task: _Task) -> Outcome:
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
            for _ in self._together(partial(_run_task, _nothing, self._parent(), -1), [_Task(0, None)]):
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
            with _configured(self.backend):
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


def why_alone(jobs: int = 2) -> str:
    """Return why this process cannot have `jobs` workers of loky, as part of a sentence; an empty text where it can.

    What joblib gives is compared with what is asked of it: it falls back without an error.
    """
    if why := obstacle(jobs):
        return why
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if _given_by_loky(jobs) > 1:
            return ""
    if os.environ.get("JOBLIB_MULTIPROCESSING") == "0":
        return "JOBLIB_MULTIPROCESSING is 0"
    return "joblib gives none here (it has no semaphores, or was called by a thread of its own)"


def _given_by_loky(jobs: int) -> int:
    """Return how many processes joblib has for so many jobs; 0 where it takes another backend than loky."""
    with parallel_config(backend="loky") as settings:
        found = settings["backend"]
        return int(found.effective_n_jobs(jobs)) if isinstance(found, LokyBackend) else 0


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


class _Task:
    """One payload on its way. Only what was pickled can have reached a worker, so the task notes being pickled."""

    def __init__(self, index: int, payload: Any) -> None:
        self.index, self.payload, self.sent = index, payload, False

    def __reduce__(self) -> tuple[type[_Task], tuple[int, Any]]:
        self.sent = True
        return _Task, (self.index, self.payload)


def _in_rounds(parallel: Parallel, calls: Sequence[Any], size: int) -> Generator[Any, None, None]:
    for start in range(0, len(calls), size):
        yield from parallel(calls[start : start + size])


_numbers = itertools.count()
_boxes: dict[int, dict[int, Any]] = {}


class _Back:
    """One result on its way home. When it is unpickled there it leaves its value in the box of its call of `run`:
    joblib throws away what had arrived but was not yet handed out when a worker died.
    """

    def __init__(self, box: int, index: int, value: Any, peak: int) -> None:
        self.box, self.index, self.value, self.peak = box, index, value, peak

    def __reduce__(self) -> tuple[Callable[[int, int, Any, int], _Back], tuple[int, int, Any, int]]:
        return _unpacked, (self.box, self.index, self.value, self.peak)


def _unpacked(box: int, index: int, value: Any, peak: int) -> _Back:
    if box in _boxes:
        _boxes[box][index] = value
    return _Back(box, index, value, peak)


def _run_task(function: Callable[[Any], Any], parent: int | None, box: int, task: _Task) -> _Back:
    if parent is not None and parent != os.getpid():
        _watch(parent)  # second line of defence: a pool that was started without the initializer
    return _Back(box, task.index, function(task.payload), peak_memory())


def _nothing(_: None) -> None:
    """What a worker must live through."""


_watching = False


def _start_worker(parent: int) -> None:
    """Prepare a loky worker before its first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch(parent)


def _watch(parent: int) -> None:
    """End this worker soon after its parent is gone, whatever it is doing and however the parent ended."""
    global _watching
    if not _watching:
        _watching = True
        threading.Thread(target=_leave_when_orphaned, args=(parent,), name="orphan-watch", daemon=True).start()


def _leave_when_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)  # nobody is left to tell, and a clean end would wait for the task


def _checked_backend(backend: str) -> str:
    if backend in _REFUSED:
        expected = f"a backend with clean processes ({', '.join(BACKENDS)})"
        raise DeviceError(message(expected, f"'{backend}'", f"Use 'loky': {_REFUSED[backend]}."))
    return check_name("backend", backend, BACKENDS, DeviceError)


def _configured(backend: str) -> parallel_config:
    """Return the context that names the backend; it never changes, because other settings would start a new pool."""
    if backend == "loky":
        return parallel_config(
            backend="loky",
            inner_max_num_threads=1,
            initializer=_start_worker,
            initargs=(os.getpid(),),
        )
    return parallel_config(backend=backend)


def _check_cluster(backend: str, jobs: int) -> None:
    """Raise now, not hours later, where cluster or library is missing, or the workers have threads or are none."""
    try:
        if backend == "ray":
            importlib.import_module("ray.util.joblib").register_ray()
        else:
            importlib.import_module("distributed")
        with _configured(backend) as settings:
            chosen = settings["backend"]
    except ImportError as error:
        do = "Run `pip install 'evobnn[cluster]'`, or use 'loky'."
        raise DeviceError(message(f"the library behind backend '{backend}'", "nothing installed", do)) from error
    except ValueError as error:  # what joblib raises where no client was made
        do = "Make a client in this program first: distributed.Client('scheduler-address:8786')."
        raise DeviceError(message("a connection to a Dask cluster", "none", do)) from error
    if backend == "dask":
        shared = {at: n for at, n in chosen.client.nthreads().items() if n > 1 or at.startswith("inproc")}
        if shared:
            do = "Start them with --nthreads 1 (LocalCluster: threads_per_worker=1, processes=True)."
            raise DeviceError(message("Dask workers of one thread in processes of their own", str(shared), do))
    elif _as_one(chosen, jobs):  # Ray's is built on the backend of processes of this machine
        got = f"one process, this very one{f', as {why}' if (why := obstacle(jobs)) else ''}"
        raise DeviceError(message("tasks sent to the Ray cluster", got, "Start evobnn elsewhere, or with one job."))


def _as_one(backend: Any, jobs: int) -> bool:
    """Tell whether a backend of joblib runs so many jobs in one process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(backend.effective_n_jobs(jobs)) == 1


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Hold SIGINT back in this thread while workers start: they inherit that and never die of Ctrl-C halfway up."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start lets SIGINT through again (Python 3.11), so it must come before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_harmless_warnings() -> None:
    """Ignore loky's note that it replaced a worker which grew by 300 MB or idled for 300 s: both are its plan.

    The filter has to be process-wide: loky warns from its own thread, which would die of a warning made an error.
    """
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
