"""What a genome becomes on a bench: its canonical form, and all that follows from it, made once for an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from evobnn._seeding import child_seed
from evobnn.decode import decode
from evobnn.errors import ExperimentError, message
from evobnn.genome import Expression, Genome
from evobnn.nn import FORMS, Form, NetworkCost, behaviour, constant_sign
from evobnn.nn.counting.cost import count
from evobnn.nn.counting.hollow import unfilled
from evobnn.spaces import key_of, lost_signal
from evobnn.spaces.canonical import is_plain
from evobnn.training import Edges

if TYPE_CHECKING:
    from evobnn.evaluation.bench import Bench


@dataclass(frozen=True, eq=False)
class Phenotype:
    """What a genome becomes on a bench, the same for all genomes that are the same network.

    Attributes:
        bench: where the genome is evaluated.
        canonical: the form that stands for all those genomes.
    """

    bench: Bench
    canonical: Genome

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that name the canonical form."""
        return key_of(self.canonical)

    @cached_property
    def infeasible(self) -> str:
        """Why the genome is `invalid` untrained, or an empty text: no path, or a sign that never changes.

        An expression without learnable parts whose sign is constant on 601 points of [-3, 3] passes nothing on; one
        with learnable parts is trained.
        """
        space = self.bench.space
        reason = lost_signal(space, self.bench.protocol.network, self.canonical)
        return reason or self._constant_where(lambda expression: is_plain(expression, space.forms))

    @cached_property
    def starts_constant(self) -> str:
        """Why the genome may be refused untrained though it learns, or an empty text: a sign that is constant on these
        points while the learnable parts of its expression are as they start.
        """
        forms = self.bench.space.forms
        found = self._constant_where(lambda expression: not is_plain(expression, forms))
        return f"{found} before training" if found else ""

    def _constant_where(self, looked_at: Callable[[Expression], bool]) -> str:
        """Return which of the expressions that are looked at has a constant sign, or an empty text."""
        own = tuple(form for _, form in self.bench.additions.forms.values())
        for site, expression in self.canonical.expressions:
            if looked_at(expression) and _constant(expression.nested(), own):
                return f"the sign of @{site} = {expression} is constant on [-3, 3]"
        return ""

    @cached_property
    def cost(self) -> NetworkCost:
        """Counts of the binary network, for which no weight is drawn and nothing computed."""
        with unfilled():
            network = self.network()
        return count(network, self.bench.prepared.shape, self.bench.additions.all_counters)

    @cached_property
    def milliseconds(self) -> float:
        """Latency of the binary network, summed over the table of its layers.

        Raises:
            ExperimentError: nobody handed the table over, or it lacks a layer.
        """
        latency = self.bench.latency
        if latency is None:
            do = "Pass additions=evobnn.latency(); the command line brings it along by itself."
            raise ExperimentError(message("a table of layer times for latency", "none", do))
        with torch.random.fork_rng(devices=[]):
            network = self.network()
        return latency.of(network, self.bench.prepared.shape)

    @cached_property
    def behaviour(self) -> str:
        """Fingerprints of the expressions, as `class:digits` joined by blanks."""
        live, forms = self.canonical.expressions, self.bench.additions.computed_forms
        return " ".join(f"{site}:{behaviour(expression.nested(), forms)}" for site, expression in live)

    @property
    def edges(self) -> Edges:
        """Edges of each cell of the network as `source operation target`, as they are built."""
        cells = self.canonical.cell_by_kind
        built = [cells[kind].edges for kind in self.bench.protocol.network.kinds if kind in cells]
        return [[f"{source} {operation} {target}" for source, target, operation in edges] for edges in built]

    def network(self, *, variant: str = "binary", published: bool = False, weights: str = "binary") -> nn.Module:
        """Return the network as `decode` builds it, with the additions' operations and forms."""
        additions = self.bench.additions
        return decode(
            self.bench.space,
            self.canonical,
            self.bench.surround,
            variant=variant,
            published=published,
            weights=weights,
            ops=additions.builders,
            forms=additions.computed_forms,
            as_written=True,
        )

    def seed(self, root: int, repeat: int) -> int:
        """Return the seed of one evaluation: from root seed, key and repeat, never from worker or order."""
        return child_seed(root, "evaluation", self.key, repeat)


@cache
def _constant(tree: tuple[Any, ...], own: tuple[Form, ...]) -> bool:
    return constant_sign(tree, {**FORMS, **{form.name: form for form in own}})
