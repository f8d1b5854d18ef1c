"""Backends of joblib: which are taken, and whether they can have workers here."""

from __future__ import annotations

import importlib
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from joblib import parallel_config
from joblib.parallel import LokyBackend

from evobnn._checks import check_name
from evobnn._processes import obstacle
from evobnn.errors import DeviceError, message
from evobnn.machine.tasks import start_worker

BACKENDS = ("loky", "dask", "ray")

_REFUSED = {
    "threading": "its tasks would share the global random generators",
    "multiprocessing": "its workers are forks, which can hang in OpenMP",
}


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


def checked_backend(backend: str) -> str:
    """Return the name of a backend; raise DeviceError for one that is not taken."""
    if backend in _REFUSED:
        expected = f"a backend with clean processes ({', '.join(BACKENDS)})"
        raise DeviceError(message(expected, f"'{backend}'", f"Use 'loky': {_REFUSED[backend]}."))
    return check_name("backend", backend, BACKENDS, DeviceError)


def configured(backend: str) -> parallel_config:
    """Return the context that names the backend; it never changes, because other settings would start a new pool."""
    if backend == "loky":
        return parallel_config(
            backend="loky",
            inner_max_num_threads=1,
            initializer=start_worker,
            initargs=(os.getpid(),),
        )
    return parallel_config(backend=backend)


def check_cluster(backend: str, jobs: int) -> None:
    """Raise now, not hours later, where cluster or library is missing, or the workers have threads or are none."""
    try:
        if backend == "ray":
            importlib.import_module("ray.util.joblib").register_ray()
        else:
            importlib.import_module("distributed")
        with configured(backend) as settings:
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
def interrupt_held_back() -> Iterator[None]:
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


def ignore_harmless_warnings() -> None:
    """Ignore loky's note that it replaced a worker which grew by 300 MB or idled for 300 s: both are its plan.

    The filter has to be process-wide: loky warns from its own thread, which would die of a warning made an error.
    """
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
