"""Which genomes rankers are judged on: rows of a table, or expressions crossed with topologies of a space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from evobnn._checks import check_at_least
from evobnn._seeding import Generator, generator
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Bench
from evobnn.experiment.settings import Experiment
from evobnn.genome import Genome
from evobnn.runs.on_table import recorded
from evobnn.runs.setup import Options, check_trained, make_bench, search_bench
from evobnn.spaces import canonical, key
from evobnn.studies.fidelity.heritability import distinct
from evobnn.tables import Table

LEAST = 6
"""Genomes below which nothing is said."""
TABLED, CROSSED = 240, 100
"""Genomes by default: rows of a table, or those that are trained."""


@dataclass(frozen=True)
class Sample:
    """Genomes by key, where they are measured, and what is known of them.

    Attributes:
        name: of the table or preset.
        experiment: space, protocol and root seed.
        bench: of the experiment, with images.
        genomes: those that are ranked.
        recorded: mean error of each over all trainings of the table; empty where they are still to be trained.
        table: fingerprint of the table, or empty.
    """

    name: str
    experiment: Experiment
    bench: Bench
    genomes: Mapping[str, Genome]
    recorded: Mapping[str, float]
    table: str = ""

    def topology(self, name: str) -> str:
        """Return the cells of a genome as text."""
        return str(Genome(self.genomes[name].cells))

    def expressions(self, name: str) -> str:
        """Return the expressions of a genome as text."""
        return str(Genome((), self.genomes[name].expressions))

    def convolutions(self, name: str) -> int:
        """Return how many edges of all cells of the network carry a binary convolution."""
        space, cells = self.bench.space, canonical(self.bench.space, self.genomes[name]).cell_by_kind
        built = [edge for kind in self.bench.protocol.network.kinds if kind in cells for edge in cells[kind].edges]
        return sum(space.operations[edge.operation].binary for edge in built)


def of_table(table: Table, options: Options, genomes: int | None = None) -> Sample:
    """Return random rows of a table that were trained well; all that there are, if `genomes` is None, up to 240.

    Raises:
        ExperimentError: the images are not those of the table, or there are fewer rows.
        EvobnnError: as `make_bench`.
    """
    experiment = recorded(table)
    bench = make_bench(experiment, options)
    if bench.prepared.fingerprint != table.data.get("fingerprint"):
        expected = f"the images of the table {table.name}, {table.data.get('fingerprint')}"
        raise ExperimentError(message(expected, bench.prepared.fingerprint, "Name the same files with --data-dir."))
    rows = [row for row in table.rows.values() if row.errors]
    count = min(TABLED, len(rows)) if genomes is None else check_at_least("--genomes", genomes, LEAST)
    if max(count, LEAST) > len(rows):
        got = f"{len(rows)} in the table {table.name}"
        raise ExperimentError(message(f"{max(count, LEAST)} rows that trained well", got, "Ask for fewer, or another."))
    chosen = [rows[n] for n in generator(experiment.seed, "rankers", "rows").permutation(len(rows))[:count]]
    return Sample(
        table.name,
        experiment,
        bench,
        {row.key: bench.space.parse(row.genome) for row in chosen},
        {row.key: fmean(row.errors) / table.images for row in chosen},
        table.fingerprint,
    )


def of_experiment(experiment: Experiment, options: Options, genomes: int | None = None) -> Sample:
    """Return random expressions, each on the same random topologies, as many of the one as of the other; where only one
    of them is searched, all genomes differ in that.

    Arguments:
        experiment: space and protocol.
        options: data, device, additions.
        genomes: how many at most; 100 for None. What is infeasible or the same network twice is left out.

    Raises:
        ExperimentError: an experiment that does not train.
        SearchError: the space has fewer expressions or topologies.
        EvobnnError: as `search_bench`.
    """
    count = CROSSED if genomes is None else check_at_least("--genomes", genomes, LEAST)
    if experiment.table or experiment.evaluation.name:
        got = f"one that looks up in {experiment.table}" if experiment.table else "one with an evaluation function"
        raise ExperimentError(message("an experiment that trains", got, "Name a preset, or the table by itself."))
    check_trained(experiment)
    bench = search_bench(experiment, options)
    space, rng = bench.space, generator(experiment.seed, "rankers", "crossed")
    both = bool(space.free_kinds and space.free_sites)
    rows = math.isqrt(count) if both else (count if space.free_sites else 1)
    (first,) = distinct(bench, space.sample, rng, 1)

    def other_cells(rng: Generator) -> Genome:
        return Genome(space.sample(rng).cells, first.expressions)

    def other_expressions(rng: Generator) -> Genome:
        return Genome(first.cells, space.sample(rng).expressions)

    topologies = distinct(bench, other_cells, rng, count // rows)
    expressions = distinct(bench, other_expressions, rng, rows)
    crossed = [Genome(t.cells, e.expressions) for t in topologies for e in expressions]
    found = {key(space, genome): genome for genome in crossed if not bench.infeasible(genome)}
    return Sample(experiment.preset, experiment, bench, found, {})
