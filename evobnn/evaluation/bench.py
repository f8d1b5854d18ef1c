"""Where evaluations happen: networks, counts, seeds and bounds of a space under a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import product
from typing import Any

import torch
from torch import nn

from evobnn._checks import check_name
from evobnn._seeding import child_seed
from evobnn.data import PreparedData
from evobnn.decode import Surround, decode
from evobnn.errors import ExperimentError, message
from evobnn.evaluation.additions import Additions
from evobnn.evaluation.latency import LATENCY, Latency
from evobnn.evaluation.objectives import OBJECTIVES, Measured, Objective
from evobnn.evaluation.protocol import Protocol
from evobnn.genome import Genome, X
from evobnn.nn import FORMS, Form, NetworkCost, constant_sign
from evobnn.nn.counting.cost import count
from evobnn.nn.counting.hollow import unfilled
from evobnn.spaces import Space, canonical, embed, key, lost_signal
from evobnn.spaces.canonical import is_plain
from evobnn.spaces.covering import uniform
from evobnn.training import Edges, TrainResult

_COSTS = 1000
"""Most counts that a bench keeps."""


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

    def network(
        self, genome: Genome, *, real: bool = False, published: bool = False, weights: str = "binary"
    ) -> nn.Module:
        """Return the network of a genome, as `decode` builds it, with the additions' operations and forms."""
        return decode(
            self.space,
            genome,
            self.surround,
            real=real,
            published=published,
            weights=weights,
            ops=self.additions.builders,
            forms=self.additions.computed_forms,
        )

    def cost(self, genome: Genome) -> NetworkCost:
        """Return the counts of the genome's binary network, for which no weight is drawn and nothing computed.

        Counted once for each canonical form, as long as it is among the newest `_COSTS`.
        """
        self.space.check_buildable(genome)
        name = str(canonical(self.space, genome))
        if name not in self._costs:
            with unfilled():
                network = self.network(genome)
            if len(self._costs) == _COSTS:
                del self._costs[next(iter(self._costs))]
            self._costs[name] = count(network, self.prepared.shape, self.additions.all_counters)
        return self._costs[name]

    @cached_property
    def _costs(self) -> dict[str, NetworkCost]:
        return {}

    def milliseconds(self, genome: Genome) -> float:
        """Return the latency of the genome's network, summed over the table of its layers.

        Raises:
            ExperimentError: nobody handed the table over, or it lacks a layer.
        """
        if self.latency is None:
            do = "Pass additions=evobnn.latency(); the command line brings it along by itself."
            raise ExperimentError(message("a table of layer times for latency", "none", do))
        name = str(canonical(self.space, genome))
        if name not in self._milliseconds:
            with torch.random.fork_rng(devices=[]):
                network = self.network(genome)
            if len(self._milliseconds) == _COSTS:
                del self._milliseconds[next(iter(self._milliseconds))]
            self._milliseconds[name] = self.latency.of(network, self.prepared.shape)
        return self._milliseconds[name]

    @cached_property
    def _milliseconds(self) -> dict[str, float]:
        return {}

    @property
    def counted(self) -> tuple[str, ...]:
        """The objectives that are known from the genome, without a training."""
        known = [name for name in self.objectives if name in OBJECTIVES and OBJECTIVES[name].counted]
        return tuple(name for name in known if name != LATENCY or self.latency is not None)

    def counts(self, genome: Genome, names: Iterable[str]) -> dict[str, float]:
        """Return what is counted of the genome's network, by the names of objectives that no training is needed for."""
        seen = self._seen(genome, TrainResult(()))
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
        return {name: value for name, value in self.__dict__.items() if name not in ("_costs", "_milliseconds")}

    def edges(self, genome: Genome) -> Edges:
        """Return the edges of each cell of the genome's network as `source operation target`, as they are built."""
        cells = canonical(self.space, genome).cell_by_kind
        built = [cells[kind].edges for kind in self.protocol.network.kinds if kind in cells]
        return [[f"{source} {operation} {target}" for source, target, operation in edges] for edges in built]

    def infeasible(self, genome: Genome) -> str:
        """Return why the genome is `invalid` untrained, or an empty text: no path, or a sign that never changes.

        An expression without learnable parts whose sign is constant on 601 points of [-3, 3] passes nothing on; one
        with learnable parts is trained.
        """
        reason = lost_signal(self.space, self.protocol.network, genome)
        if reason:
            return reason
        for site, expression in canonical(self.space, genome).expressions:
            if is_plain(expression, self.space.forms) and _constant(expression.nested(), self._own_forms):
                return f"the sign of @{site} = {expression} is constant on [-3, 3]"
        return ""

    @property
    def _own_forms(self) -> tuple[Form, ...]:
        return tuple(form for _, form in self.additions.forms.values())

    def seed(self, root: int, genome: Genome, repeat: int) -> int:
        """Return the seed of one evaluation: from root seed, key and repeat, never from worker or order."""
        return child_seed(root, "evaluation", key(self.space, genome), repeat)

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

    def measured(self, genome: Genome, result: TrainResult) -> dict[str, float]:
        """Return the objectives of a genome that was trained; raises ValueError for one that is no finite number."""
        seen = self._seen(genome, result)
        return {name: self.additions.all_objectives[name].of(seen) for name in self.objectives}

    def _seen(self, genome: Genome, result: TrainResult) -> Measured:
        return Measured(result, self.cost(genome), partial(self.network, genome), partial(self.milliseconds, genome))

    def _untrained(self, objective: Objective, genome: Genome) -> float:
        try:
            return objective.of(self._seen(genome, TrainResult(())))
        except Exception as error:
            wanted = f"bounds of objective {objective.name}, which is not known without a training"
            do = f"Write Objective({objective.name!r}, …, bounds=(low, high))."
            raise ExperimentError(message(wanted, f"none, and {error}", do)) from error


@cache
def _constant(tree: tuple[Any, ...], own: tuple[Form, ...]) -> bool:
    return constant_sign(tree, {**FORMS, **{form.name: form for form in own}})
