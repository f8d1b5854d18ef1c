"""What one evaluation yielded, and who descends from whom: plain frozen values, ready for text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from evobnn.errors import EvobnnError, message

RUNG = "rung"
"""Measure that says after how many epochs a training was stopped; none has it that was not to be stopped."""
FRESH = 1000
"""Number of the first repeat that is kept for fresh scores; the search's repeats stay far below."""
CALLED = {"other": "elementwise"}
"""What people know a measure as; files keep the name that they began with."""


class Status(StrEnum):
    """How an evaluation ended; objectives exist only for `ok`."""

    OK = "ok"
    DIVERGED = "diverged"  # a non-finite parameter, gradient norm or pre-sign value
    INVALID = "invalid"  # never trained: no path, constant sign, or over the bound on training work
    TIMEOUT = "timeout"  # the clock, checked between batches
    ERROR = "error"  # an exception, or a worker that died with this evaluation alone in it
    PRUNED = "pruned"  # stopped at a rung of successive halving; nothing is wrong with it


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one genome yielded under one protocol and seed.

    Attributes:
        status: how it ended.
        objectives: value by objective name; every one finite; empty unless the status is `ok`.
        message: one sentence on why it did not end `ok`.
        measures: further numbers by name, such as the counts of the network and the validation loss. What was to be
            stopped early says after how many epochs (`rung`), and where it came so far what the objectives were then
            (`rung_error`, ...): no objectives, for they cannot be compared with those of others.
        behaviour: numerical fingerprint of the expressions (16 hex digits each); tells, merges nothing.
        seconds: wall time of the evaluation in seconds; kept in the journal only.
        traceback: for `error`; kept in the journal only.
        inherited_from: id of the parent whose trained weights it began with, in records of a version that had this
            option; else None. Scores with and without do not stand for each other.

    >>> from evobnn.records import Status
    >>> evobnn.Evaluation(Status.OK, {"error": 0.2, "mJ": 3.0}).objectives["mJ"]
    3.0
    """

    status: Status
    objectives: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    behaviour: str = ""
    seconds: float = 0.0
    traceback: str = ""
    inherited_from: int | None = None

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != bool(self.objectives):
            raise EvobnnError(
                message("objectives exactly where the status is ok", f"{self.status}, {dict(self.objectives)}",
                        "Report a failed evaluation without objectives.")
            )  # fmt: skip
        bad = [name for name, value in self.objectives.items() if not math.isfinite(value)]
        if bad:
            raise EvobnnError(
                message("finite objectives", f"{bad[0]} = {self.objectives[bad[0]]}", "Report it as diverged.")
            )

    @property
    def rung(self) -> int:
        """Epochs after which the training was to be stopped, 0 for one of full length."""
        return int(self.measures.get(RUNG, 0))

    @property
    def known_measures(self) -> dict[str, float]:
        """The measures by the names that people know, those of objectives and tables."""
        return {CALLED.get(name, name): value for name, value in self.measures.items()}

    def at_rung(self, names: Iterable[str]) -> dict[str, float]:
        """Return the objectives of these names as they were at the rung."""
        return {name: self.measures[f"{RUNG}_{name}"] for name in names}


@dataclass(frozen=True, slots=True)
class Individual:
    """A genome and where it comes from; its evaluations are found by `key`.

    Attributes:
        id: number within the run, in the order of asking.
        genome: the genome's text as it was bred.
        key: of the canonical form; two individuals of one run never share it.
        born: generation in which it was asked.
        origin: `sample`, `seed`, `mate`, `mutate`, `mate+mutate`, `block` or `model`.
        parents: ids of the individuals it was bred from.
    """

    id: int
    genome: str
    key: str
    born: int
    origin: str = "sample"
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One training that the search asks for: the individual and the number of the repeat (0, 1, ...).

    With `twin` the real-valued twin of the network is trained as well, with the same seed and recipe, and its error
    stands in the evaluation's measures as `parent_error`.
    """

    individual: Individual
    repeat: int = 0
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A request and what it yielded."""

    request: Request
    evaluation: Evaluation


def rung_measures(rung: int, objectives: Mapping[str, float] = {}) -> dict[str, float]:
    """Return what the measures tell of a training that was to be stopped after `rung` epochs: this number, and where it
    came so far the objectives then.
    """
    return {RUNG: rung, **{f"{RUNG}_{name}": value for name, value in objectives.items()}}


def mean_objectives(evaluations: Sequence[Evaluation]) -> dict[str, float] | None:
    """Return the mean of every objective over the repeats, or None where there are none or one of them failed.

    A genome that failed once is not a candidate any more: a mean over its good days would flatter it. What was stopped
    early is no repeat.
    """
    whole = [e for e in evaluations if e.status is not Status.PRUNED]
    if not whole or any(e.status is not Status.OK for e in whole):
        return None
    names = whole[0].objectives
    return {name: math.fsum(e.objectives[name] for e in whole) / len(whole) for name in names}
