"""Temperature (BATS-like): mutation draws operations by what they did for the front so far, sharpened by a temperature.

Bulat, Martinez, Tzimiropoulos, ECCV 2020 (section 3.3 of the fact sheet) divide the architecture weights by a
temperature T < 1 before the softmax, so that near-equal weights do not let skips and pools win by default. Here a main
effect on the front rank takes the place of a weight. The published value or schedule of T is unconfirmed: 1.0 and the
others below are this toolkit's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from evobnn._checks import check_at_least, check_between, check_name
from evobnn._seeding import Generator
from evobnn.evolution.pressures.base import Pressure
from evobnn.evolution.selection import Candidate, z_scores
from evobnn.evolution.view import View
from evobnn.spaces import Choose, Space

Place = tuple[str, int, int]
"""(kind, source, target)."""
Effects = Mapping[Place, Mapping[str, float]]
"""u by edge and operation; the larger the better, and 0 where nothing is known."""
SCHEDULES = ("constant", "linear", "exponential")


@dataclass(frozen=True)
class Temperature(Pressure):
    """Settings of the temperature.

    An operation is drawn with probability proportional to w exp(u / T): w is the space's own weight (1, for Zeroise 1 /
    gamma) and u the effect of `effects`. Each probability is at least the floor before they are divided by their sum.
    An edge of whose operations nothing is known draws as the space does.

    Attributes:
        temperature: T, at the beginning; infinite for the space's own draws, exactly.
        final: T at the horizon and after it; not used where T is constant.
        schedule: from the one to the other: `constant`, `linear` or `exponential` in the generation.
        ridge: penalty of the squared effects, in evaluations; larger is more cautious.
        floor: of each probability.
        least: evaluations from which the effect of an operation on an edge counts.
    """

    temperature: float = 1.0
    final: float = 0.1
    schedule: str = "constant"
    ridge: float = 1.0
    floor: float = 0.02
    least: int = 5

    def __post_init__(self) -> None:
        check_name("pressures.temperature.schedule", self.schedule, SCHEDULES)
        if not (self.temperature == math.inf and self.schedule == "constant"):
            check_between("pressures.temperature.temperature", self.temperature, 1e-6, 1e6)
        check_between("pressures.temperature.final", self.final, 1e-6, 1e6)
        check_between("pressures.temperature.ridge", self.ridge, 1e-6, 1e6)
        check_between("pressures.temperature.floor", self.floor, 0.0, 1.0)
        check_at_least("pressures.temperature.least", self.least, 1)

    def at(self, view: View) -> float:
        """Return T of a generation."""
        passed = min(view.generation / max(view.horizon, 1), 1.0)
        if self.schedule == "linear":
            return self.temperature + (self.final - self.temperature) * passed
        if self.schedule == "exponential":
            return self.temperature * math.pow(self.final / self.temperature, passed)
        return self.temperature

    def chooser(self, view: View) -> Choose | None:
        """Return how mutation draws operations in this generation; None while nothing is known, or with infinite T."""
        degree = self.at(view)
        known = {} if degree == math.inf else effects(view.space, view.archive, self.ridge, self.least)
        if not known:
            return None

        def choose(kind: str, source: int, target: int, names: Sequence[str], rng: Generator) -> str:
            own = known.get((kind, source, target))
            if own is None:
                return view.space.pick_operation(names, rng)
            drawn = np.searchsorted(np.cumsum(self._proposal(view.space, own, names, degree)), rng.random(), "right")
            return names[min(int(drawn), len(names) - 1)]

        return choose

    def log(self, view: View) -> Mapping[str, float]:
        """Return the mean entropy, in nats, over the edges of the space, of what the archive now makes of the draws."""
        degree = self.at(view)
        known = {} if degree == math.inf else effects(view.space, view.archive, self.ridge, self.least)
        found = []
        for place in _places(view.space):
            shares = self._proposal(view.space, known.get(place), view.space.offered[place[0]], degree)
            found.append(-math.fsum(share * math.log(share) for share in shares.tolist() if share))
        return {"entropy": math.fsum(found) / len(found)} if found else {}

    def _proposal(
        self, space: Space, own: Mapping[str, float] | None, names: Sequence[str], degree: float
    ) -> NDArray[np.float64]:
        """Return the probability of each name: with floor where there are effects, the space's own otherwise."""
        logits = np.array([-math.log(space.gamma) if space.operations[name].nothing else 0.0 for name in names])
        if own is not None:
            logits += np.array([own[name] for name in names]) / degree
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        if own is not None:
            shares = np.maximum(shares, self.floor)
        return np.asarray(shares / shares.sum())


def effects(space: Space, archive: Sequence[Candidate], ridge: float, least: int) -> Effects:
    """Return the main effects of operations on the front rank, negated, as z-scores over the operations of each edge.

    The rank r (0 for the first front) of every candidate is fitted by r = b + sum(v) over its (edge, operation), with
    least squared error plus `ridge` times the squared v; b is not penalised. u = -v is z-scored over those operations
    of the edge that at least `least` candidates have; the others have u = 0. Edges where no difference is known are
    left out.
    """
    places = _places(space)
    names = [(place, name) for place in places for name in space.offered[place[0]]]
    rows = _chosen(space, names, archive)
    width = len(names) + 1  # the last column is of what is not searched and of absent edges
    counts = np.bincount(rows.ravel(), minlength=width)[:-1]
    if counts.max(initial=0) < least:
        return {}
    rank = np.asarray(moocore.pareto_rank(np.array([one.values for one in archive])), dtype=float)
    together = np.bincount((rows[:, :, None] * width + rows[:, None, :]).ravel(), minlength=width * width)
    inner = together.reshape(width, width)[:-1, :-1] - np.outer(counts, counts / len(archive))
    outer = np.bincount(rows.ravel(), np.repeat(rank, rows.shape[1]), width)[:-1] - counts * rank.mean()
    fitted = -_solved(inner + ridge * np.eye(len(names)), outer)
    found: dict[Place, dict[str, float]] = {}
    for place in places:
        own = [at for at, (edge, _) in enumerate(names) if edge == place]
        enough = [at for at in own if counts[at] >= least]
        scores = dict(zip(enough, z_scores(fitted[enough]).tolist(), strict=True))
        if any(scores.values()):
            found[place] = {names[at][1]: scores.get(at, 0.0) for at in own}
    return found


def _chosen(space: Space, names: Sequence[tuple[Place, str]], archive: Sequence[Candidate]) -> NDArray[np.intp]:
    """Return the numbers of the (edge, operation) that each candidate has, filled up with len(names)."""
    columns: dict[str, dict[tuple[int, int, str], int]] = {kind: {} for kind in space.free_kinds}
    for at, ((kind, source, target), name) in enumerate(names):
        columns[kind][source, target, name] = at
    kinds, found = set(columns), []
    for one in archive:
        cells = [(columns[kind], cell.edges) for kind, cell in one.genome.cells if kind in kinds]
        found.append([own[edge] for own, edges in cells for edge in edges if edge in own])
    longest = max(map(len, found), default=0)
    return np.array([row + [len(names)] * (longest - len(row)) for row in found], dtype=np.intp)


def _solved(matrix: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x of matrix x = vector, for a symmetric positive definite matrix, by conjugate gradients.

    No threaded library takes part: their number would decide the last bits, and so in the end a draw.
    """
    found, rest = np.zeros_like(vector), vector.copy()
    way, left = rest, float((rest * rest).sum())
    enough = 1e-24 * left
    for _ in range(4 * len(vector)):
        if left <= enough:
            break
        image = np.einsum("ij,j->i", matrix, way)
        step = left / float((way * image).sum())
        found, rest = found + step * way, rest - step * image
        before, left = left, float((rest * rest).sum())
        way = rest + left / before * way
    return found


def _places(space: Space) -> list[Place]:
    """Return every searched edge."""
    return [(kind, source, node) for kind in space.free_kinds for node in space.own_nodes for source in range(node)]
