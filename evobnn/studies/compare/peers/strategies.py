"""Optimisers of other packages as strategies: their settings, and how they are checked before any work."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from evobnn.errors import ExperimentError, message
from evobnn.evolution import Strategy
from evobnn.evolution.view import Bounds
from evobnn.spaces import Space
from evobnn.studies.compare.peers.genes import Gene, Genes, Vector


class Optimiser(Protocol):
    """A package's optimiser, which minimises: asked for one vector at a time, told in the order of asking."""

    def ask(self, given: Vector | None = None) -> Vector | None:
        """Return the next vector, `given` if there is one; None where the optimiser has no more."""

    def refuse(self) -> None:
        """Take back what was asked last: it will not be evaluated."""

    def tell(self, values: Sequence[float] | None) -> None:
        """Say what came of the vector that has waited longest: its objectives, or None where it failed."""


@dataclass(frozen=True)
class Peer(Strategy):
    """An optimiser of another package at its own defaults, on the genes of the space.

    Attributes:
        population: size of its population, and of the start that it is given.
        unfiltered: whatever it proposes is evaluated, also what is known to be invalid or was evaluated before, and
            paid for. Otherwise it is asked again, as all other strategies are.
    """

    unfiltered: bool = False
    package: ClassVar[str] = ""

    @property
    def batch(self) -> int:
        """One: a budget is used up exactly."""
        return 1

    @property
    def repeats_known(self) -> bool:
        """Whether what was evaluated before is evaluated again; its last score then counts."""
        return self.unfiltered

    @property
    def unfit_for_halving(self) -> str:
        """Scores are all alike to it."""
        return "every score counts as one of a whole training"

    @property
    def unfit_for_screening(self) -> str:
        """Its package proposes, one at a time."""
        return "another package proposes one genome at a time"

    def check(self, space: Space, objectives: Sequence[str], bounds: Bounds | None = None) -> None:
        """Raise ExperimentError where the package is missing or nothing can be chosen."""
        if importlib.util.find_spec(self.package) is None:
            do = "Run `pip install 'evobnn[peers]'`, or leave the arm out."
            raise ExperimentError(message(f"the package {self.package}", "none installed", do))
        if not Genes(space).free:
            do = "Take a space with something to choose."
            raise ExperimentError(message("a free choice for the optimiser", f"none in {space.name}", do))

    def optimiser(self, genes: Sequence[Gene], worst: Sequence[float], seed: int) -> Optimiser:
        """Return the optimiser of a search.

        Arguments:
            genes: the free choices.
            worst: of each objective, what a failure is told as where numbers are needed.
            seed: in [0, 2**32).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class OptunaTPE(Peer):
    """Optuna's tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl, "Algorithms for hyper-parameter
    optimization", NeurIPS 2011), multivariate: all genes are drawn together, as they depend on each other.
    """

    package: ClassVar[str] = "optuna"

    def optimiser(self, genes: Sequence[Gene], worst: Sequence[float], seed: int) -> Optimiser:
        """Return the optimiser of a search; arguments as those of `Peer.optimiser`."""
        from evobnn.studies.compare.peers.optuna import tpe

        return tpe(genes, len(worst), seed)


@dataclass(frozen=True)
class OptunaNSGA2(Peer):
    """Optuna's NSGA-II on categorical parameters."""

    package: ClassVar[str] = "optuna"

    def optimiser(self, genes: Sequence[Gene], worst: Sequence[float], seed: int) -> Optimiser:
        """Return the optimiser of a search; arguments as those of `Peer.optimiser`."""
        from evobnn.studies.compare.peers.optuna import nsga2

        return nsga2(genes, len(worst), seed, self.population)


@dataclass(frozen=True)
class PymooNSGA2(Peer):
    """pymoo's NSGA-II on whole numbers, with the operators that its manual names for them."""

    package: ClassVar[str] = "pymoo"

    def optimiser(self, genes: Sequence[Gene], worst: Sequence[float], seed: int) -> Optimiser:
        """Return the optimiser of a search; arguments as those of `Peer.optimiser`."""
        from evobnn.studies.compare.peers.pymoo import nsga2

        return nsga2([len(gene.options) for gene in genes], worst, seed, self.population)


PEERS: dict[str, type[Peer]] = {"optuna-tpe": OptunaTPE, "optuna-nsga2": OptunaNSGA2, "pymoo-nsga2": PymooNSGA2}
"""Optimisers of other packages by name; arms of comparisons on tables, and no strategies of `evobnn evolve`."""
