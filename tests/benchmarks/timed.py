"""Evaluations that tell where their time went: what workers run in place of `evobnn.evaluation.run_job`.

Functions of the library are wrapped where they are looked up, in the process that evaluates, for as long as one
evaluation takes. A clock charges every moment to the innermost wrapped function that is running, so the parts sum to
the whole and nothing is counted twice.
"""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest.mock import patch

from evobnn.data.batches import Tensors
from evobnn.evaluation import Bench, Job, Phenotype, evaluation, run_job
from evobnn.records import Evaluation
from evobnn.training import loop, scoring

REST = "rest"
PLACES: tuple[tuple[str, Any, str], ...] = (
    ("training", evaluation, "train"),
    ("decoding", Bench, "phenotype"),
    ("decoding", Phenotype, "network"),
    ("decoding", Phenotype, "cost"),
    ("decoding", Phenotype, "infeasible"),
    ("decoding", Phenotype, "behaviour"),
    ("data", evaluation, "tensors_of"),
    ("data", loop, "normalise"),
    ("data", scoring, "normalise"),
)
"""Part, where the function is looked up, its name."""

STREAMS: tuple[tuple[str, Any, str], ...] = (("data", Tensors, "epoch"), ("data", Tensors, "validation"))
"""The same for functions that return iterators, which are timed at every step."""


class Clock:
    """Seconds by part, each moment charged to the innermost part that runs."""

    def __init__(self, part: str = REST) -> None:
        self.seconds: Counter[str] = Counter()
        self._running = [part]
        self._last = time.perf_counter()

    def _charge(self) -> None:
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._last
        self._last = now

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Charge what runs in the block to `part`."""
        self._charge()
        self._running.append(part)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def stop(self) -> dict[str, float]:
        """Return the seconds of every part up to now."""
        self._charge()
        return dict(self.seconds)


@dataclass(frozen=True)
class Timed:
    """An evaluation, who made it, from when to when (`time.monotonic`, one clock for all processes), its parts."""

    evaluation: Evaluation
    worker: int
    began: float
    ended: float
    seconds: Mapping[str, float]


def timed_job(job: Job) -> Timed:
    """Evaluate a job and tell where the time went."""
    began, clock = time.monotonic(), Clock()
    with ExitStack() as stack:
        for part, place, name in PLACES:
            stack.enter_context(patch.object(place, name, called(clock, part, getattr(place, name))))
        for part, place, name in STREAMS:
            stack.enter_context(patch.object(place, name, _streamed(clock, part, getattr(place, name))))
        evaluation = run_job(job)
    return Timed(evaluation, os.getpid(), began, time.monotonic(), clock.stop())


def called(clock: Clock, part: str, function: Any) -> Any:
    """Return the function, or cached property, with its time charged to a part."""
    if isinstance(function, cached_property):
        timed = cached_property(called(clock, part, function.func))
        timed.__set_name__(Phenotype, str(function.attrname))
        return timed

    def wrapped(*arguments: Any, **named: Any) -> Any:
        with clock.within(part):
            return function(*arguments, **named)

    return wrapped


def _streamed(clock: Clock, part: str, function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def wrapped(*arguments: Any, **named: Any) -> Iterator[Any]:
        with clock.within(part):
            items = iter(function(*arguments, **named))
        while True:
            with clock.within(part):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    return wrapped


def job_bytes(job: Job) -> int:
    """Return the size of a job as it travels."""
    return len(pickle.dumps(job))
