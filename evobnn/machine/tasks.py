"""What travels between a process and its workers, and what a worker does besides its tasks."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from evobnn.machine.room import peak_memory

POLL_SECONDS = 0.5


class Task:
    """One payload on its way. Only what was pickled can have reached a worker, so the task notes being pickled."""

    def __init__(self, index: int, payload: Any) -> None:
        self.index, self.payload, self.sent = index, payload, False

    def __reduce__(self) -> tuple[type[Task], tuple[int, Any]]:
        self.sent = True
        return Task, (self.index, self.payload)


numbers = itertools.count()
boxes: dict[int, dict[int, Any]] = {}
"""Values that have arrived, by the number of the call of `Workers.run` and their place in it."""


class Back:
    """One result on its way home. When it is unpickled there it leaves its value in the box of its call of `run`:
    joblib throws away what had arrived but was not yet handed out when a worker died.
    """

    def __init__(self, box: int, index: int, value: Any, peak: int) -> None:
        self.box, self.index, self.value, self.peak = box, index, value, peak

    def __reduce__(self) -> tuple[Callable[[int, int, Any, int], Back], tuple[int, int, Any, int]]:
        return _unpacked, (self.box, self.index, self.value, self.peak)


def _unpacked(box: int, index: int, value: Any, peak: int) -> Back:
    if box in boxes:
        boxes[box][index] = value
    return Back(box, index, value, peak)


def run_task(function: Callable[[Any], Any], parent: int | None, box: int, task: Task) -> Back:
    """Return, in a worker, what the function makes of a task."""
    if parent is not None and parent != os.getpid():
        _watch(parent)  # second line of defence: a pool that was started without the initializer
    return Back(box, task.index, function(task.payload), peak_memory())


def nothing(_: None) -> None:
    """What a worker must live through."""


_watching = False


def start_worker(parent: int) -> None:
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
