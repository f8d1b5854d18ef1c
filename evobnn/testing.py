"""Toy evaluations for tests and for the question whether a strategy searches at all: they cost microseconds and can be
imported by workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from evobnn.genome import Genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.spaces import Space, genes_of


def genes(space: Space, genome: Genome) -> tuple[str, ...]:
    """Return the genome's choices in a fixed order: inputs and operation of every edge, form of every slot."""
    found: list[str] = []
    for kind in space.kinds:
        for node in space.own_nodes:
            for edge in sorted(genome.cell_by_kind[kind].into(node)):
                found += [str(edge.source), edge.operation]
    for site in space.sites:
        expression = genome.expression_by_site[site]
        found += genes_of(space.shape, space.alphabet, expression) or (str(expression),)
    return tuple(found)


@dataclass(frozen=True)
class NKLandscape:
    """Kauffman's NK landscape over the genes of a space (Kauffman and Weinberger, Journal of Theoretical Biology 141,
    1989): every gene contributes a fixed random number in [0, 1) that depends on itself and its k neighbours.

    The neighbours of gene i are the k after it, cyclically; the random numbers come from SHA-256, so a landscape
    is its seed. `fitness` is the mean contribution; `evaluate` gives the objectives `error` = 1 - fitness and `ops` =
    number of binary edges + 1.
    """

    space: Space
    seed: int = 0
    k: int = 3

    def fitness(self, genome: Genome) -> float:
        """Return the mean contribution, in [0, 1): the larger the better."""
        row = genes(self.space, genome)
        total = 0.0
        for index in range(len(row)):
            seen = [row[(index + step) % len(row)] for step in range(self.k + 1)]
            digest = hashlib.sha256(f"{self.seed}|{index}|{'|'.join(seen)}".encode()).digest()
            total += int.from_bytes(digest[:8], "big") / 2.0**64
        return total / len(row)

    def evaluate(self, genome: Genome) -> Evaluation:
        """Return an `ok` evaluation without any training."""
        edges = [edge for _, cell in genome.cells for edge in cell.edges]
        binary = sum(self.space.operations[edge.operation].binary for edge in edges)
        return Evaluation(Status.OK, {"error": 1.0 - self.fitness(genome), "ops": 1.0 + binary})

    def __call__(self, requests: Sequence[Request]) -> list[Result]:
        """Evaluate requests, as `evobnn.evolution.run` wants it."""
        return [Result(r, self.evaluate(self.space.parse(r.individual.genome))) for r in requests]
