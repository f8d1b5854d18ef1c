"""GAAF's genetic algorithm: Li, Geng, Stein, Li, Yu, "GAAF: searching activation functions for binary neural networks
through genetic algorithm", Tsinghua Science and Technology 28(1), 2023 (arXiv 2206.03291), as its published code runs.

Thirty different random genomes above an admission limit; then ten children a generation: one of three modes of
selection, drawn for the generation, gives two parents, a fair coin takes one of them, exactly one gene changes, and a
child that is strictly better than the worst takes its place at once.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import Generator, generator, pick
from evobnn.evolution.selection import Candidate, Order
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.view import View

MODES = ("elitism", "tournament", "proportionate")
GENERATION = 10
"""Children for which the paper keeps one mode of selection."""


@dataclass(frozen=True)
class Ranking:
    """What the children of one generation have in common.

    Attributes:
        mode: one of `MODES`.
        members: of the population, best first.
        chances: of each in proportionate selection, adding up to 1.
        tickets: places in `members`, one for each ticket; empty where chances are not cut to whole tickets.
    """

    mode: str
    members: tuple[Candidate, ...]
    chances: tuple[float, ...]
    tickets: tuple[int, ...] = ()


@dataclass(frozen=True)
class GAAF(Strategy):
    """Settings of GAAF's algorithm. Several objectives become one by weights that are drawn anew for every mode.

    What the published code does beyond that is off unless asked for. It also scores every genome once and never again,
    which is the search's `repeats = 1`, and takes the best epoch on the test images, which is not offered.

    Attributes:
        population: members.
        children: evaluations asked for in a generation; 1 is the paper's strictly sequential order, in which each
            child is bred from the results of all before it.
        admission: accuracy in [0, 1] that a genome must exceed to be taken in while the population is being filled;
            without effect where `error` is no objective.
        forgets: a genome is only compared with the current population, so what was rejected or replaced is trained
            again, and its last score counts.
        unfiltered: genomes that are known to be invalid are sent to training.
        truncated: proportionate selection gives floor(100 f / sum f) tickets, which makes it almost uniform, and draws
            two different ones.
    """

    population: int = 30
    children: int = GENERATION
    admission: float = 0.11
    forgets: bool = False
    unfiltered: bool = False
    truncated: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.children", self.children, 1)
        check_between("strategy.admission", self.admission, 0.0, 1.0)

    @property
    def batch(self) -> int:
        """Children of a generation."""
        return self.children

    @property
    def repeats_known(self) -> bool:
        """Whether the algorithm forgets."""
        return self.forgets

    @property
    def unfit_for_halving(self) -> str:
        """Children are not ranked with each other."""
        return "each child in turn is held against the worst member, so that all need comparable scores"

    def epoch(self, generation: int) -> int:
        """Return the number of the mode that holds in a generation: it stays for at least ten children."""
        return max(0, generation - 1) * self.children // max(self.children, GENERATION)

    def order(self, view: View, candidates: Sequence[Candidate]) -> Order:
        """Return (score, minus spread, key) by id under the weights of this generation's mode."""
        return view.scores(candidates, view.weights("strategy", self.epoch(view.generation)))

    def prepare(self, view: View) -> Ranking:
        """Return the ranking, and the mode drawn for it."""
        order = self.order(view, view.population)
        members = sorted(view.population, key=lambda one: order[one.id])
        if view.objectives == ("error",):
            fitness = [1.0 - one.values[0] for one in members]
        else:
            fitness = [1.0 - order[one.id][0] for one in members]
        mode = pick(generator(view.seed, "mode", self.epoch(view.generation)), MODES)
        chances = proportions(fitness)
        counts = np.floor(100.0 * np.array(chances) + 1e-9).astype(int) if self.truncated else [0] * len(chances)
        return Ranking(mode, tuple(members), chances, tuple(int(at) for at in np.repeat(range(len(chances)), counts)))

    def propose(self, view: View, prepared: Ranking, toolbox: Any, rng: Generator) -> Proposal:
        """Return one of two selected parents with one gene changed."""
        parent = pick(rng, selected(prepared, rng))
        return toolbox.mutate_one(parent.genome, rng=rng), "mutate", (parent.id,)

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return the population after each child, in the order of asking, has been held against its worst member."""
        order = self.order(view, [*view.population, *offspring])
        kept = sorted(view.population, key=lambda one: order[one.id])
        for child in offspring:
            if len(kept) < self.population:
                if self._admitted(view, child):
                    insort(kept, child, key=lambda one: order[one.id])
            elif order[child.id][0] < order[kept[-1].id][0]:
                kept.pop()
                insort(kept, child, key=lambda one: order[one.id])
        return kept

    def _admitted(self, view: View, child: Candidate) -> bool:
        errors = dict(zip(view.objectives, child.values, strict=True))
        return "error" not in errors or 1.0 - errors["error"] > self.admission


def proportions(fitness: Sequence[float]) -> tuple[float, ...]:
    """Return f / sum f, negative ones counted as 0; equal shares where nobody has any."""
    given = np.maximum(np.asarray(fitness, dtype=float), 0.0)
    shares = given / given.sum() if given.sum() > 0.0 else np.full(len(given), 1.0 / len(given))
    return tuple(float(share) for share in shares)


def selected(ranking: Ranking, rng: Generator) -> tuple[Candidate, Candidate]:
    """Return two members by the ranking's mode; they may be the same one.

    `elitism`: the two best. `tournament`: one of random rank, and the first after it that a fair coin accepts, or else
    the best. `proportionate`: two draws with the members' chances, or two different tickets where there are two.
    """
    members = ranking.members
    if ranking.mode == "elitism":
        return members[0], members[min(1, len(members) - 1)]
    if ranking.mode == "tournament":
        rank = int(rng.integers(len(members)))
        partner = next((one for one in members[rank + 1 :] if rng.random() < 0.5), members[0])
        return members[rank], partner
    if len(ranking.tickets) > 1:
        first, second = (ranking.tickets[at] for at in rng.choice(len(ranking.tickets), size=2, replace=False))
    else:
        first, second = rng.choice(len(members), size=2, p=ranking.chances)
    return members[int(first)], members[int(second)]
