"""Which points are not dominated or exceed a bound, and how much a front covers. Every objective is minimised."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evobnn.errors import EvobnnError, message

SCALES = ("linear", "log10")


@dataclass(frozen=True)
class Axis:
    """How an objective is brought to [0, 1]: `low` becomes 0, `high` becomes 1, both in the objective's unit.

    Attributes:
        name: of the objective.
        low: the best value that the space can reach.
        high: the worst that counts, such as the error of guessing.
        scale: `linear`, or `log10` for costs, where `low` is above 0.

    >>> from evobnn.analysis import Axis
    >>> Axis("ops", 1e4, 1e6, "log10").unit([1e4, 1e5, 1e6]).tolist()
    [0.0, 0.5, 1.0]
    """

    name: str
    low: float
    high: float
    scale: str = "linear"

    def __post_init__(self) -> None:
        bounds = f"{self.low!r} to {self.high!r} ({self.scale})"
        if self.scale not in SCALES:
            raise EvobnnError(message(f"the scale of {self.name} to be linear or log10", bounds, "Name one of them."))
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.low > self.high or (self.scale == "log10" and self.low <= 0):
            raise EvobnnError(
                message(f"finite bounds of {self.name}, low <= high, above 0 for log10", bounds, "Mend the bounds.")
            )

    def unit(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return values brought to [0, 1] and clipped there; an axis without extent gives 0."""
        given = np.asarray(values, dtype=float)
        if self.high == self.low:
            return np.zeros_like(given)
        clipped = np.clip(given, self.low, self.high)
        if self.scale == "log10":
            share = np.log10(clipped / self.low) / math.log10(self.high / self.low)
        else:
            share = (clipped - self.low) / (self.high - self.low)
        return np.asarray(np.clip(share, 0.0, 1.0), dtype=float)


def axes_of(header: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return the axes that a generation's header names, in the order of its objectives; () where it has none.

    Raises:
        EvobnnError: an objective without an axis, or an axis that is not [low, high, scale].

    >>> from evobnn.analysis import axes_of
    >>> run = evobnn.load_run("populations/digits")
    >>> [axis.name for axis in axes_of(run.generations[-1].header)]
    ['error', 'ops']
    """
    named = header.get("axes") or {}
    axes = []
    for name in header.get("objectives", ()) if named else ():
        try:
            low, high, scale = named[name]
            axes.append(Axis(name, float(low), float(high), scale))
        except (KeyError, TypeError, ValueError) as error:
            raise EvobnnError(
                message(f"the axis of {name} as [low, high, scale]", repr(named.get(name)), "Mend the run's header.")
            ) from error
    return tuple(axes)


def violation(values: Mapping[str, float], bounds: Mapping[str, float]) -> float:
    """Return by how much values exceed their bounds (all above 0), each as a share of its bound, added up; 0 where all
    are met. What has no value exceeds nothing.

    It orders as Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
    IEEE Transactions on Evolutionary Computation 6(2), 2002, section VI: who violates nothing dominates who does, and
    of two who do the one that violates less.
    """
    return math.fsum(
        (values[name] - bound) / bound for name, bound in bounds.items() if values.get(name, bound) > bound
    )


def told(values: Mapping[str, float]) -> str:
    """Return quantities by name for people: `200,000 bits and 0.2 error`."""
    return " and ".join(
        f"{value:,.0f} {name}" if value >= 1000 else f"{value:.4g} {name}" for name, value in values.items()
    )


def nondominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Return, for points of shape (n, m), a mask of shape (n,) of those that no other point dominates.

    A point dominates another if it is nowhere worse and somewhere better; equal points are all kept.

    Raises:
        EvobnnError: not a matrix, or a value that is not finite: such a point must not be compared at all.

    >>> from evobnn.analysis import nondominated
    >>> nondominated([[1, 3], [2, 2], [2, 3]]).tolist()
    [True, True, False]
    """
    given = _matrix(points)
    if len(given) == 0 or given.shape[1] == 0:
        return np.ones(len(given), dtype=bool)
    return np.asarray(moocore.is_nondominated(given, keep_weakly=True), dtype=bool)


def hypervolume(points: ArrayLike, axes: Sequence[Axis]) -> float:
    """Return the part, in [0, 1], of the box that `axes` span which points of shape (n, m) dominate; more is better.

    Column j belongs to `axes[j]`; the reference point is the worst corner (1, ..., 1) after scaling. No points cover 0.

    Raises:
        EvobnnError: another number of columns than axes, or a value that is not finite.

    >>> from evobnn.analysis import Axis, hypervolume
    >>> axes = Axis("error", 0, 1), Axis("bits", 0, 100)
    >>> hypervolume([[0.5, 50]], axes)
    0.25
    """
    given = _matrix(points)
    if len(given) == 0:
        return 0.0
    if given.shape[1] != len(axes) or not axes:
        raise EvobnnError(message(f"points with {len(axes)} columns", f"{given.shape[1]}", "Name one axis a column."))
    scaled = np.column_stack([axis.unit(given[:, j]) for j, axis in enumerate(axes)])
    return float(moocore.hypervolume(scaled, ref=np.ones(len(axes))))


class GrowingFront:
    """The front of points that come one after another, may change and may go: a change costs a look at the front, and
    one at all points where a point of the front became worse.

    Arguments:
        count: of objectives.
    """

    def __init__(self, count: int) -> None:
        self._rows: dict[int, int] = {}
        self._numbers: list[int] = []
        self._values = np.full((256, count), np.nan)
        self._there = np.zeros(256, dtype=bool)
        self._front: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many points there are."""
        return int(self._there.sum())

    @property
    def front(self) -> list[int]:
        """The numbers of the points on the front, in the order in which the points came."""
        return list(self._front)

    def put(self, points: Mapping[int, Sequence[float] | None]) -> None:
        """Take points by number, new ones or in place of what they were; None for one that is none any more.

        Raises:
            EvobnnError: a value that is not finite.
        """
        if not points:
            return
        there = np.array([point is not None for point in points.values()])
        rows = np.array([self._row(number) for number in points])
        values = np.full((len(rows), self._values.shape[1]), np.nan)
        if there.any():
            values[there] = _matrix([point for point in points.values() if point is not None])
        before = self._values[rows]
        self._values[rows], self._there[rows] = values, there
        shaken = [at for at, number in enumerate(points) if number in self._front]
        left = [before[at] for at in shaken if not (values[at] <= before[at]).all()]
        self._front = {self._numbers[row]: row for row in self._chosen(rows, left).tolist()}

    def _chosen(self, rows: NDArray[np.int_], left: Sequence[NDArray[np.float64]]) -> NDArray[np.int_]:
        """Return the rows on the front, after `rows` changed and some that were on it left these places."""
        chosen = np.zeros(len(self._numbers), dtype=bool)
        chosen[rows] = True
        chosen[list(self._front.values())] = True
        for place in left:
            chosen |= (self._values[: len(chosen)] >= place).all(axis=1)
        among = np.flatnonzero(chosen & self._there[: len(chosen)])
        return among[nondominated(self._values[among])]

    def points(self, without: Collection[int] = ()) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
        """Return the numbers of shape (n,) and the values of shape (n, m) of all points but those `without`."""
        there = self._there.copy()
        there[[self._rows[number] for number in without if number in self._rows]] = False
        rows = np.flatnonzero(there)
        return np.array(self._numbers, dtype=int)[rows], self._values[rows]

    def _row(self, number: int) -> int:
        """Return the row of a point, a new one where it has none."""
        row = self._rows.setdefault(number, len(self._numbers))
        if row == len(self._numbers):
            self._numbers.append(number)
            if row == len(self._values):
                self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
                self._there = np.concatenate([self._there, np.zeros_like(self._there)])
        return row


def _matrix(points: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(points, dtype=float)
    if given.size == 0 and given.ndim < 2:
        given = given.reshape(0, 0)
    if given.ndim != 2:
        raise EvobnnError(message("points of shape (n, m)", f"shape {given.shape}", "Give one row a point."))
    if not np.isfinite(given).all():
        row = int(np.argmin(np.isfinite(given).all(axis=1)))
        raise EvobnnError(
            message("finite values only", f"row {row} = {given[row].tolist()}", "Leave failed individuals out.")
        )
    return given
