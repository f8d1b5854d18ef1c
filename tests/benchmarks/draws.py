"""Random genomes that can be trained: what benchmarks of evaluations evaluate."""

from __future__ import annotations

from evobnn._seeding import Generator
from evobnn.evaluation import Bench
from evobnn.genome import Genome


def drawn(bench: Bench, rng: Generator, count: int) -> dict[str, Genome]:
    """Return so many different ones by their text, in the order of drawing."""
    genomes: dict[str, Genome] = {}
    while len(genomes) < count:
        genome = bench.space.sample(rng)
        if not bench.infeasible(genome):
            genomes[str(genome)] = genome
    return genomes
