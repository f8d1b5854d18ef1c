"""Whether this process may have workers at all: they are other processes, and talk to it by semaphores."""

from __future__ import annotations

import os
import sys
import threading
from functools import cache

THREADS, THREADS_AROUND = 3, 4
"""Threads and processes at once: of each worker with what it starts, and of a pool besides its workers."""
SEMAPHORES_AROUND = 8
"""Semaphores of a pool besides one for each worker."""


class EvobnnWarning(UserWarning):
    """Something that a person should know although nothing failed; the command line prints it as a note."""


def obstacle(jobs: int = 2) -> str:
    """Return why this process cannot have so many workers, as part of a sentence; an empty text where it can."""
    import multiprocessing

    if multiprocessing.current_process().daemon:
        return "a daemonic process may have no children"
    return _refused(jobs, os.getpid())


@cache
def _refused(jobs: int, pid: int) -> str:
    """Try, once in each process, what a pool needs: a bound on processes counts threads as well, which start faster."""
    import multiprocessing
    import subprocess

    try:
        start_threads(THREADS * jobs + THREADS_AROUND)
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, RuntimeError) as error:
        return f"the system does not start as many processes ({said(error)})"
    try:
        context = multiprocessing.get_context("spawn")
        _ = [context.Lock() for _ in range(jobs + SEMAPHORES_AROUND)]
    except (OSError, RuntimeError, ImportError, AttributeError, NotImplementedError) as error:
        return f"the system has no semaphores for them, as where /dev/shm is missing, full or read-only ({said(error)})"
    return ""


def start_threads(count: int) -> None:
    """Have as many threads at once, for a moment; raise RuntimeError where there cannot be as many."""
    done, threads = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait, name="trial", daemon=True)
            thread.start()
            threads.append(thread)
    finally:
        done.set()
        for thread in threads:
            thread.join()


def said(error: BaseException) -> str:
    """Return the words of an error alone, without number and type."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
