"""What can be said of a genome without training it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch

from evobnn.errors import GenomeError
from evobnn.evaluation import Bench
from evobnn.genome import Expression, Genome
from evobnn.nn import FORMS, SURROGATES, Form, NetworkCost, sampled
from evobnn.runs.subject import Subject
from evobnn.spaces import canonical, key, prune

Floats = list[float]


def curve(
    expression: Expression, surrogate: str = "clipped_identity", clip: float = 1.0, forms: Mapping[str, Form] = FORMS
) -> tuple[Floats, Floats, Floats]:
    """Return x, a(x) and the gradient of training (the surrogate's at a(x), times a'(x)) at 601 points of [-3, 3].

    Arguments:
        expression: a, with what it learns as it begins.
        surrogate: a name of `evobnn.nn.SURROGATES`.
        clip: of the surrogate.
        forms: how forms are computed, by name.
    """
    a, slope = sampled(expression.nested(), forms)
    before = a.clone().requires_grad_()
    SURROGATES[surrogate](before, clip).sum().backward()  # type: ignore[no-untyped-call]
    assert before.grad is not None
    x = (torch.arange(-300, 301, dtype=torch.float64) / 100.0).tolist()
    return x, a.tolist(), torch.where(before.grad == 0, 0.0, before.grad * slope).tolist()


class Portrait:
    """Everything that can be said of a genome without training it; worked out when it is asked for."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.bench: Bench = subject.paper_bench()
        self.genome: Genome = self.bench.space.parse(subject.text)
        self.canonical: Genome = canonical(self.bench.space, self.genome)
        self.key = key(self.bench.space, self.genome)

    @cached_property
    def cost(self) -> NetworkCost:
        """The counts of the network."""
        return self.bench.cost(self.genome)

    @cached_property
    def published_parameters(self) -> int:
        """Trainable numbers that the published code would allocate, used or not."""
        with torch.device("meta"):
            network = self.bench.network(self.genome, published=True)
        return sum(parameter.numel() for parameter in network.parameters())

    @property
    def outside(self) -> str:
        """Why the genome is not one of the space although a network can be built; empty where it is."""
        try:
            self.bench.space.check(self.genome)
        except GenomeError as error:
            return str(error)
        return ""

    def edges(self, kind: str) -> list[tuple[int, int, str]]:
        """Return the edges of a cell as plain tuples."""
        return [(edge.source, edge.target, edge.operation) for edge in self.genome.cell_by_kind[kind].edges]

    def dropped(self, kind: str) -> set[tuple[int, int, str]]:
        """Return the edges of a cell that do nothing."""
        cell = self.genome.cell_by_kind[kind]
        kept = prune(cell, self.bench.space.operations).edges
        return {(edge.source, edge.target, edge.operation) for edge in cell.edges if edge not in kept}

    def curve(self, expression: Expression) -> tuple[Floats, Floats, Floats]:
        """Return x, a(x) and the gradient that training uses: the surrogate's at a(x), times a'(x)."""
        recipe = self.bench.protocol.recipe
        return curve(expression, recipe.surrogate, recipe.clip, self.bench.additions.computed_forms)

    @property
    def surrogate(self) -> str:
        """The formula of the surrogate gradient."""
        recipe = self.bench.protocol.recipe
        if recipe.surrogate == "clipped_identity":
            return f"1[|a| < {recipe.clip:g}] a'(x)"
        if recipe.surrogate == "approxsign":
            return f"max(0, 2 - 2|a| / {recipe.clip:g}) a'(x)"
        return f"{recipe.surrogate}(a, {recipe.clip:g}) a'(x)"
