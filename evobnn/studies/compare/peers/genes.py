"""A genome as a vector of choices, which libraries for parameters understand: one whole number for each free choice.

For each node of a searched cell these are the set of nodes that it reads and the operation on each edge, in the order
of the sources; for each searched expression the form in each slot. What can be one thing only is no choice. Every
vector is a genome of the space, and every genome of the space has a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from evobnn.genome import Cell, Edge, Genome
from evobnn.spaces import Space
from evobnn.spaces.shapes import express, genes_of

Vector = tuple[int, ...]
"""By free choice, the number of what is chosen."""
Option = tuple[int, ...] | str
"""The sources of a node, an operation or a form."""


@dataclass(frozen=True)
class Gene:
    """One choice: its name, unlike any other's, and what may be chosen."""

    name: str
    options: tuple[Option, ...]


class Genes:
    """The choices of a space.

    Attributes:
        space: what is searched.
        free: choices between two options or more, in order.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._all = tuple(_genes(space))
        self.free = tuple(gene for gene in self._all if len(gene.options) > 1)

    @property
    def sizes(self) -> Vector:
        """By free choice, how many options it has."""
        return tuple(len(gene.options) for gene in self.free)

    def genome(self, vector: Sequence[int]) -> Genome:
        """Return the genome of a vector, frozen parts in place."""
        chosen = iter(vector)
        options = iter([gene.options[int(next(chosen)) if len(gene.options) > 1 else 0] for gene in self._all])
        space = self.space
        cells, expressions = space.frozen.cell_by_kind, {**space.frozen.expression_by_site}
        for kind in space.free_kinds:
            edges: list[Edge] = []
            for node in space.own_nodes:
                edges += [Edge(int(source), node, str(next(options))) for source in next(options)]
            cells[kind] = Cell(tuple(edges))
        for site in space.free_sites:
            expressions[site] = express(
                space.shape, tuple(str(next(options)) for _ in space.shape.roles()), space.forms
            )
        return Genome.of({kind: cells[kind] for kind in space.kinds}, expressions)

    def vector(self, genome: Genome) -> Vector | None:
        """Return the vector of a genome, or None where it is none of the space."""
        chosen = self._options(genome)
        if chosen is None or any(one not in gene.options for one, gene in zip(chosen, self._all, strict=True)):
            return None
        pairs = zip(chosen, self._all, strict=True)
        return tuple(gene.options.index(one) for one, gene in pairs if len(gene.options) > 1)

    def _options(self, genome: Genome) -> list[Option] | None:
        """Return what a genome chooses at every gene, or None where it has not these genes."""
        space, found = self.space, list[Option]()
        for kind in space.free_kinds:
            for node in space.own_nodes:
                edges = sorted(genome.cell_by_kind[kind].into(node))
                if len(edges) != space.degree(node):
                    return None
                found += [tuple(edge.source for edge in edges), *(edge.operation for edge in edges)]
        for site in space.free_sites:
            genes = genes_of(space.shape, space.alphabet, genome.expression_by_site[site])
            if genes is None:
                return None
            found += genes
        return found


def _genes(space: Space) -> Iterator[Gene]:
    """Yield every gene, those without a choice among them."""
    for kind in space.free_kinds:
        for node in space.own_nodes:
            degree = space.degree(node)
            yield Gene(f"{kind}/{node} reads", tuple(combinations(range(node), degree)))
            for edge in range(degree):
                yield Gene(f"{kind}/{node} edge {edge}", space.offered[kind])
    for site in space.free_sites:
        for slot, role in enumerate(space.shape.roles()):
            yield Gene(f"@{site}/{slot}", space.alphabet.names(role))
