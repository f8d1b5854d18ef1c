"""Where evaluations happen: networks, counts, seeds and bounds of a space under a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from torch import nn

from evobnn._checks import check_name
from evobnn.data import PreparedData
from evobnn.decode import Surround
from evobnn.errors import ExperimentError, message
from evobnn.evaluation.additions import Additions
from evobnn.evaluation.latency import LATENCY, Latency
from evobnn.evaluation.objectives import OBJECTIVES, Measured, Objective
from evobnn.evaluation.phenotype import Phenotype
from evobnn.evaluation.protocol import Protocol
from evobnn.genome import Genome, X
from evobnn.nn import NetworkCost
from evobnn.spaces import Space, canonical, embed
from evobnn.spaces.covering import uniform
from evobnn.training import TrainResult

_KEPT = 1000
"""Most phenotypes that a bench keeps."""


@dataclass(frozen=True)
class Bench:
    """Where evaluations happen: space, protocol and prepared data; small enough to be sent with every one.

    Attributes:
        objectives: names, in order.
        device: torch device of the training.
        timeout: seconds after which one training gives up; 0 for none. A net, not a bound to rely on.
        latency: how long networks take, where that is asked for.
    """

    space: Space
    protocol: Protocol
    prepared: PreparedData
    objectives: tuple[str, ...] = ("error", "ops")
    device: str = "cpu"
    timeout: float = 0.0
    latency: Latency | None = None

    def __post_init__(self) -> None:
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise ExperimentError(message("different objectives", str(list(self.objectives)), "Name each once."))
        for name in () if self.protocol.evaluation else self.objectives:
            there = self.additions.all_objectives
            if there[check_name("objective", name, there)].measure is None:
                do = f"Write Objective({name!r}, unit, measure), or hand over an evaluation function."
                raise ExperimentError(message(f"objective {name} with a measure", "none", do))
        for what, offered, known in (
            ("operation", self.space.operations, self.additions.operation_specs),
            ("form", self.space.forms, self.additions.form_specs),
        ):
            for name in offered:
                if name not in known:
                    raise ExperimentError(
                        message(f"a way to compute every {what} of the space", f"none for '{name}'", "Add it.")
                    )

    @property
    def additions(self) -> Additions:
        """Operations and forms beside the built-in ones."""
        return self.protocol.additions

    @property
    def surround(self) -> Surround:
        """What `decode` needs to know besides the genome."""
        return self.protocol.surround(self.prepared.shape, self.prepared.classes)

    def phenotype(self, genome: Genome) -> Phenotype:
        """Return what the genome becomes here: one object for each canonical form, as long as it is among the newest
        `_KEPT`.

        Raises:
            GenomeError: the space cannot build from the genome.
        """
        self.space.check_buildable(genome)
        form = canonical(self.space, genome)
        if form not in self._phenotypes:
            if len(self._phenotypes) == _KEPT:
                del self._phenotypes[next(iter(self._phenotypes))]
            self._phenotypes[form] = Phenotype(self, form)
        return self._phenotypes[form]

    @cached_property
    def _phenotypes(self) -> dict[Genome, Phenotype]:
        return {}

    def network(
        self, genome: Genome, *, variant: str = "binary", published: bool = False, weights: str = "binary"
    ) -> nn.Module:
        """Return the network of a genome; arguments as in `decode`."""
        return self.phenotype(genome).network(variant=variant, published=published, weights=weights)

    def cost(self, genome: Genome) -> NetworkCost:
        """Return the counts of the genome's binary network."""
        return self.phenotype(genome).cost

    def milliseconds(self, genome: Genome) -> float:
        """Return the latency of the genome's network; raise ExperimentError without a table of its layers."""
        return self.phenotype(genome).milliseconds

    @property
    def counted(self) -> tuple[str, ...]:
        """The objectives that are known from the genome, without a training."""
        known = [name for name in self.objectives if name in OBJECTIVES and OBJECTIVES[name].counted]
        return tuple(name for name in known if name != LATENCY or self.latency is not None)

    def counts(self, genome: Genome, names: Iterable[str]) -> dict[str, float]:
        """Return what is counted of the genome's network, by the names of objectives that no training is needed for."""
        seen = _seen(self.phenotype(genome), TrainResult(()))
        return {name: OBJECTIVES[name].of(seen) for name in names}

    def cheapest(self, names: Iterable[str]) -> tuple[Genome, ...]:
        """Return for each of these counted quantities the genome of the space that has least of it."""
        *candidates, _ = self._candidates()

        def least(name: str) -> Genome:
            among = [*candidates, *uniform(self.space)] if name == LATENCY else candidates
            return min(among, key=lambda genome: self.counts(genome, [name])[name])

        found = map(least, names)
        return tuple(dict.fromkeys(found))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_phenotypes"}

    def infeasible(self, genome: Genome) -> str:
        """Return why the genome is `invalid` untrained, or an empty text."""
        return self.phenotype(genome).infeasible

    def starts_constant(self, genome: Genome) -> str:
        """Return which sign of the genome is constant before training, or an empty text."""
        return self.phenotype(genome).starts_constant

    def seed(self, root: int, genome: Genome, repeat: int) -> int:
        """Return the seed of one evaluation: from root seed, key and repeat, never from worker or order."""
        return self.phenotype(genome).seed(root, repeat)

    def training(self, seed: int) -> str:
        """Return what names the training of this seed in files that hold a part of it."""
        return f"{self.protocol.fingerprint()} {seed}"

    def extremes(self) -> tuple[Genome, Genome]:
        """Return the cheapest and the dearest genome of the space under this template, by `ops`."""
        *candidates, dearest = self._candidates()
        return min(candidates, key=lambda genome: self.cost(genome).ops), dearest

    def _candidates(self) -> Iterator[Genome]:
        """Yield those that may be the cheapest (which input is cheaper to read is the template's affair), then the
        dearest.
        """
        bare = self.protocol.network.skip == "none" and len(self.space.free_kinds) > 1
        for source, reducing in product((0, 1), (0, 1) if bare else (None,)):
            least, dearest = self.space.extremes(source, reducing)
            yield least
        yield dearest

    def anchors(self) -> tuple[Genome, ...]:
        """Return the cells of both extremes with the plain sign wherever the expression is free and can be plain; one
        genome where the two are then the same.
        """
        plain = embed(self.space.shape, self.space.alphabet, X, self.space.forms)
        found = []
        for genome in self.extremes():
            for site in self.space.free_sites if plain is not None else ():
                genome = genome.with_expression(site, plain or X)
            found.append(genome)
        return tuple(dict.fromkeys(found))

    def axes(self) -> dict[str, tuple[float, float, str]]:
        """Return (low, high, scale) of every objective, the same for all runs in this space and protocol: error from 0
        to chance, costs between the analytic cheapest and dearest genome; latency, for which these need not be the
        extremes, also between those of one operation each. Where all genomes cost the same, low is high. None at all
        where an evaluation function gives an objective of which nobody said the bounds.
        """
        known = self.additions.all_objectives
        for name in self.objectives if self.protocol.evaluation else ():
            if name not in known or name == LATENCY or (known[name].measure is None and known[name].bounds is None):
                return {}
        extremes = list(self._candidates())
        chance = 1.0 - 1.0 / self.prepared.classes
        found: dict[str, tuple[float, float, str]] = {}
        for name in self.objectives:
            objective = known[name]
            if name == "error":
                found[name] = (0.0, chance, objective.axis)
            elif objective.bounds is not None:
                found[name] = (*objective.bounds, objective.axis)
            elif name == LATENCY:
                values = [self.counts(genome, [name])[name] for genome in (*extremes, *uniform(self.space))]
                found[name] = (min(values), max(values), objective.axis)
            else:
                *least, most = (self._untrained(objective, genome) for genome in extremes)
                found[name] = (min(least), most, objective.axis)
        return found

    def measured(self, one: Phenotype, result: TrainResult) -> dict[str, float]:
        """Return the objectives of what was trained; raises ValueError for one that is no finite number."""
        seen = _seen(one, result)
        return {name: self.additions.all_objectives[name].of(seen) for name in self.objectives}

    def _untrained(self, objective: Objective, genome: Genome) -> float:
        one = self.phenotype(genome)
        try:
            return objective.of(_seen(one, TrainResult(())))
        except Exception as error:
            wanted = f"bounds of objective {objective.name}, which is not known without a training"
            do = f"Write Objective({objective.name!r}, …, bounds=(low, high))."
            raise ExperimentError(message(wanted, f"none, and {error}", do)) from error


def _seen(one: Phenotype, result: TrainResult) -> Measured:
    return Measured(result, one.cost, one.network, lambda: one.milliseconds)
