"""What looks on while a search runs, and may end it: small objects that are told of every generation and result.

A search that is ended by one is whole: its front is measured on fresh seeds, and `resume` goes on with it.

    evobnn.search("digits", generations=50, callbacks=[StopAtPlateau(5), StopAt(error=0.1)])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evobnn._checks import check_at_least, check_name
from evobnn.analysis.frames import front_of
from evobnn.errors import EvobnnError, ExperimentError, RunError, message
from evobnn.experiment.constraints import checked_bound
from evobnn.pareto import told, violation
from evobnn.records import Result
from evobnn.snapshot import Generation
from evobnn.snapshot.archive import Archive, archive, constraints_in, objective_names

HYPERVOLUME = "hypervolume"


@dataclass(frozen=True)
class State:
    """A search after a generation.

    Attributes:
        folder: of the run.
        generations: all that are committed, the newest last.
        archive: what they evaluated, where somebody keeps it: it grows with the search.
    """

    folder: Path
    generations: Sequence[Generation]
    archive: Archive | None = None

    @property
    def number(self) -> int:
        """The newest generation, 0 for the start population."""
        return self.generations[-1].number

    @property
    def log(self) -> Mapping[str, Any]:
        """The newest row of the logbook."""
        return self.generations[-1].log

    def front(self) -> Any:
        """Return the front so far as a DataFrame, see `Run.front`."""
        return front_of(self.archive or archive(self.generations))

    def series(self, measure: str) -> list[float]:
        """Return a number for each generation: the `hypervolume` of everything so far, or the least of an objective
        among the survivors that meet the run's bounds (infinite where none does), by the search's own means.

        Raises:
            ExperimentError: neither is called so.
        """
        check_name("measure", measure, [HYPERVOLUME, *objective_names(self.generations)])
        if measure == HYPERVOLUME:
            return [float(one.log[HYPERVOLUME]) for one in self.generations]
        bounds = constraints_in(self.generations)
        return [
            min((s.objectives[measure] for s in one.survivors if not violation(s.objectives, bounds)), default=math.inf)
            for one in self.generations
        ]


class Callback:
    """Told of what a search does; every method may be left as it is, and two end the search by returning True.

    What they raise ends it with a RunError that names them. Everything told of is written by then, so the run can be
    resumed.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> class Told(evobnn.Callback):
    ...     def on_generation(self, state):
    ...         print("generation", state.number)
    >>> arguments = {"objectives": ("error", "mJ"), "generations": 1, "jobs": 1, "out": "runs/callback"}
    >>> run = evobnn.search("digits", device, callbacks=[Told()], **arguments)
    generation 0
    generation 1
    """

    def on_generation(self, state: State) -> bool | None:
        """Look at a generation that is committed; when a run is resumed, first once more at the one it stands at."""

    def on_result(self, result: Result) -> bool | None:
        """Look at an evaluation that stands in the journal, in the order of finishing, those on fresh seeds included;
        True ends the search after this generation.
        """

    def on_end(self, raised: BaseException | None) -> None:
        """Let go of what is held: the session is over, its front measured on fresh seeds, or ended by `raised`."""


class Callbacks:
    """The callbacks of a session, told one after another; entered while it lasts.

    Attributes:
        ended_by: the one that last asked for the end of the search, or None.
    """

    def __init__(self, folder: Path, callbacks: Sequence[Any]) -> None:
        for one in callbacks:
            if not isinstance(one, Callback):
                do = "Hand in objects of classes that derive from evobnn.Callback."
                raise ExperimentError(message("callbacks that are each a Callback", repr(one), do))
        self.ended_by: Callback | None = None
        self._folder: Path = folder
        self._all: tuple[Callback, ...] = tuple(callbacks)

    def generation(self, state: State) -> None:
        """Tell all of a generation."""
        self._ask("on_generation", state)

    def result(self, result: Result) -> None:
        """Tell all of a result."""
        self._ask("on_result", result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        errors = list[EvobnnError]()
        for one in self._all:
            try:
                self._told(one, "on_end", raised)
            except EvobnnError as error:
                errors.append(error)
        if errors and raised is None:
            raise errors[0]

    def _ask(self, method: str, what: object) -> None:
        for one in self._all:
            if self._told(one, method, what):
                self.ended_by = one

    def _told(self, one: Callback, method: str, what: object) -> Any:
        """Return what it answers; what it raises becomes a RunError, unless it is one of evobnn's own."""
        try:
            return getattr(one, method)(what)
        except EvobnnError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            got = f"{type(error).__name__} from {type(one).__name__}.{method}: {said}"
            do = f"Mend it; {self._folder} is whole, and resume goes on with it."
            raise RunError(message("callbacks that raise nothing", got, do)) from error


@dataclass(frozen=True)
class StopAtPlateau(Callback):
    """End a search that no longer gains.

    Attributes:
        patience: generations in a row that bring nothing better than all before them.
        measure: `hypervolume`, or an objective; see `State.series`.

    >>> evobnn.StopAtPlateau(patience=5).measure
    'hypervolume'
    """

    patience: int
    measure: str = HYPERVOLUME

    def __post_init__(self) -> None:
        check_at_least("patience", self.patience, 1)

    def on_generation(self, state: State) -> bool:
        """Return whether the last `patience` generations are no better than the best before."""
        sign = 1.0 if self.measure == HYPERVOLUME else -1.0
        series = [sign * value for value in state.series(self.measure)]
        before, since = series[: -self.patience], series[-self.patience :]
        return bool(before) and max(since) <= max(before)

    def __str__(self) -> str:
        return f"no better {self.measure} for {self.patience} generations"


class StopAt(Callback):
    """End a search that has reached a target: `StopAt(hypervolume=0.8)` or more, `StopAt(error=0.1)` or less, or of
    several all at once. Values are the search's own, which flatter; see `State.series`.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> arguments = {"objectives": ("error", "mJ"), "generations": 9, "jobs": 1, "out": "runs/stop-at"}
    >>> run = evobnn.search("digits", device, callbacks=[evobnn.StopAt(error=0.5)], **arguments)
    >>> len(run.generations)
    1
    """

    def __init__(self, **targets: float) -> None:
        if not targets:
            raise ExperimentError(message("a target", "none", "Write for example StopAt(hypervolume=0.8)."))
        self.targets = {name: checked_bound(f"target {name}", value) for name, value in targets.items()}
        for name in (HYPERVOLUME, "error"):
            if self.targets.get(name, 0.0) > 1.0:
                got = f"{self.targets[name]:g}"
                raise ExperimentError(message(f"target {name} between 0 and 1", got, "It is a share, not per cent."))

    def on_generation(self, state: State) -> bool:
        """Return whether the newest generation reaches all targets."""
        return all(self._reached(name, state.series(name)[-1]) for name in self.targets)

    def _reached(self, name: str, value: float) -> bool:
        return value >= self.targets[name] if name == HYPERVOLUME else value <= self.targets[name]

    def __str__(self) -> str:
        return f"target {told(self.targets)}"
