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
    is its seed. `fitness` is the mean contribution; `evaluate` gives the objectives `error` = 1 - fitness, `ops` =
    number of binary edges + 1 and `bits` = taps of their windows + 1.
    """

    space: Space
    seed: int = 0
    k: int = 3

    @property
    def bounds(self) -> dict[str, tuple[float, float, str]]:
        """(low, high, scale) by objective; no genome of the space is outside."""
        edges, taps = 0, 0
        for kind in self.space.kinds:
            found = sum(self.space.degree(node) for node in self.space.own_nodes)
            widest = max(self._taps(name) for name in self.space.offered[kind])
            edges, taps = edges + found, taps + found * widest
        return {"error": (0.0, 1.0, "linear"), "ops": (1.0, 1.0 + edges, "log10"), "bits": (1.0, 1.0 + taps, "log10")}

    def _taps(self, operation: str) -> int:
        spec = self.space.operations[operation]
        return spec.kernel**2 if spec.binary else 0

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
        taps = [self._taps(edge.operation) for _, cell in genome.cells for edge in cell.edges]
        cost = {"ops": 1.0 + sum(one > 0 for one in taps), "bits": 1.0 + sum(taps)}
        return Evaluation(Status.OK, {"error": 1.0 - self.fitness(genome), **cost})

    def __call__(self, requests: Sequence[Request]) -> list[Result]:
        """Evaluate requests, as `evobnn.evolution.run` wants it."""
        return [Result(r, self.evaluate(self.space.parse(r.individual.genome))) for r in requests]


@dataclass(frozen=True)
class Noisy:
    """A landscape measured with noise: the error differs from repeat to repeat, and some evaluations fail; both depend
    on (key, repeat) alone.

    Attributes:
        landscape: what is measured.
        noise: the largest number that is added to the error.
        failing: share of evaluations that end `diverged`.
    """

    landscape: NKLandscape
    noise: float = 0.2
    failing: float = 0.2

    def __call__(self, requests: Sequence[Request]) -> list[Result]:
        """Evaluate requests, as `evobnn.evolution.run` wants it."""
        results = []
        for request, result in zip(requests, self.landscape(requests), strict=True):
            digest = hashlib.sha256(f"{request.individual.key}|{request.repeat}".encode()).digest()
            found = dict(result.evaluation.objectives)
            found["error"] += self.noise * digest[0] / 255
            failed = Evaluation(Status.DIVERGED, message="a non-finite loss")
            results.append(Result(request, failed if digest[1] < 256 * self.failing else Evaluation(Status.OK, found)))
        return results
