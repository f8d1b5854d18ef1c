"""NSGA-II behind a surrogate: a random forest (Breiman, "Random forests", Machine Learning 45, 2001; scikit-learn's) on
one-hot genomes looks at ten children for each that is trained. Sun et al., "Surrogate-assisted evolutionary deep
learning using an end-to-end random forest-based performance predictor", IEEE Transactions on Evolutionary Computation
24(2), 2020, put one before a search of networks.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evobnn._checks import check_at_least
from evobnn._seeding import Generator, child_seed
from evobnn.evolution.selection import Order
from evobnn.evolution.strategies.base import Proposal
from evobnn.evolution.strategies.nsga2 import NSGA2
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces.loci import Locus, loci


@dataclass
class Screening:
    """What the proposals of one generation have in common.

    Attributes:
        order: of the population, for tournaments.
        columns: of the one-hot encoding, by locus.
        forest: from rows of shape (n, columns) to the unit objectives `learned`; None before there is enough to learn
            from.
        learned: places of the objectives that are not known beforehand; of all, where there are no others.
        waiting: children that were the best of their tens.
        drawn: number of tens so far.
    """

    order: Order
    columns: dict[Locus, int]
    forest: Any
    learned: tuple[int, ...] = ()
    waiting: deque[Proposal] = field(default_factory=deque)
    drawn: int = 0


@dataclass(frozen=True)
class Surrogate(NSGA2):
    """Settings of the pre-screened search; children are bred and survive as in NSGA-II.

    Attributes:
        screen: children that are bred for each that is evaluated: the one with the best predicted scalarisation, under
            weights drawn for it alone.
        least: evaluations that ended well before there is a forest; until then genomes are drawn at random.
        trees: of the forest.
        newest: measured genomes that the forest learns from, at most; what came before them is far from where a long
            search breeds.
    """

    screen: int = 10
    least: int = 20
    trees: int = 20
    newest: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.screen", self.screen, 1)
        check_at_least("strategy.least", self.least, 2)
        check_at_least("strategy.trees", self.trees, 1)
        check_at_least("strategy.newest", self.newest, self.least)

    @property
    def unfit_for_screening(self) -> str:
        """It has its own screen."""
        return "a forest picks already"

    def prepare(self, view: View) -> Screening:
        """Return the forest, learnt from the newest of the archive."""
        seen = view.archive[-self.newest :]
        chosen = [loci(view.space, one.genome) for one in seen]
        columns = {pair: at for at, pair in enumerate(sorted({pair for pairs in chosen for pair in pairs}))}
        unknown = [at for at, name in enumerate(view.objectives) if name not in view.counted]
        learned, forest = tuple(unknown) or tuple(range(len(view.objectives))), None
        if len(chosen) >= self.least and columns:
            targets = view.unit(np.array([one.values for one in seen]))[:, learned]
            forest = self._grown(encoded(chosen, columns), targets, child_seed(view.seed, "forest", view.generation))
        return Screening(view.order(view.population), columns, forest, learned)

    def _grown(self, rows: NDArray[np.float32], targets: NDArray[np.float64], seed: int) -> Any:
        from sklearn.ensemble import RandomForestRegressor  # a second: only where it is asked for

        forest = RandomForestRegressor(
            self.trees, max_features=1.0 / 3.0, min_samples_leaf=2, n_jobs=1, random_state=seed % 2**32
        )
        return forest.fit(rows, targets if targets.shape[1] > 1 else targets[:, 0])

    def propose(self, view: View, prepared: Screening, toolbox: Any, rng: Generator) -> Proposal:
        """Return the next of the children that were the best of their tens; all tens of a generation are bred and
        predicted together, as every call of the forest costs milliseconds.
        """
        if prepared.forest is None:
            return toolbox.sample(rng), "sample", ()
        if not prepared.waiting:
            self._screened(view, prepared, toolbox, rng)
        return prepared.waiting.popleft()

    def _screened(self, view: View, prepared: Screening, toolbox: Any, rng: Generator) -> None:
        count = self.batch * self.screen
        bred = [super(Surrogate, self).propose(view, prepared.order, toolbox, rng) for _ in range(count)]
        rows = encoded([loci(view.space, genome) for genome, _, _ in bred], prepared.columns)
        exact = [at for at in range(len(view.objectives)) if at not in prepared.learned]
        given, known = _counted(view, [genome for genome, _, _ in bred], exact)
        predicted = view.unit(given)
        predicted[:, prepared.learned] = np.asarray(prepared.forest.predict(rows)).reshape(count, -1)
        limits = view.unit([view.constraints.get(name, math.inf) for name in view.objectives])
        excess = np.maximum(predicted - limits, 0.0).sum(axis=1)
        for start in range(0, count, self.screen):
            weights = np.array(view.weights("strategy", view.generation, prepared.drawn))
            weighted = predicted[start : start + self.screen] * weights
            scores = weighted.max(axis=1) + 0.01 * weighted.sum(axis=1)
            scores += 1e6 * excess[start : start + self.screen] + 1e9 * known[start : start + self.screen]
            prepared.waiting.append(bred[start + int(np.argmin(scores))])
            prepared.drawn += 1


def _counted(
    view: View, genomes: Sequence[Genome], places: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return for each genome its objectives at `places`, which are known beforehand (1 at others), and whether it is
    not worth a proposal: tried before, or without what should be known.
    """
    given, known = np.ones((len(genomes), len(view.objectives))), np.zeros(len(genomes), dtype=bool)
    seen: dict[Genome, Mapping[str, float] | None] = {}
    names = [view.objectives[at] for at in places]
    for row, genome in enumerate(genomes):
        if genome not in seen:
            seen[genome] = None if view.tried(genome) else view.counts(genome) if names else {}
        counts = seen[genome]
        if counts is None or not counts.keys() >= set(names):
            known[row] = True
        else:
            given[row, places] = [counts[name] for name in names]
    return given, known


def encoded(chosen: Sequence[Sequence[Locus]], columns: dict[Locus, int]) -> NDArray[np.float32]:
    """Return one-hot rows of shape (n, columns); a locus that no column knows leaves no mark."""
    rows = np.zeros((len(chosen), len(columns)), dtype=np.float32)
    for row, pairs in zip(rows, chosen, strict=True):
        row[[columns[pair] for pair in pairs if pair in columns]] = 1.0
    return rows
