"""Can the protocol see? How much of the error's variance is the genome's, and how much the seed's.

Brief training is a noisy measurement; where the seed moves the error more than topology and expression do, a search
follows luck. The intraclass correlation of a one-way random effects model, ICC(1) of Shrout and Fleiss (Psychological
Bulletin 86(2), 1979), is the share of the variance of a single score that lies between genomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from scipy.stats import f as f_distribution

from evobnn._checks import check_at_least
from evobnn._seeding import Generator, generator
from evobnn.errors import SearchError, message
from evobnn.evaluation import Bench, Job, run_job
from evobnn.evolution.search import RANDOM_TRIES
from evobnn.experiment.settings import Experiment
from evobnn.genome import Genome
from evobnn.machine.workers import Workers
from evobnn.records import Evaluation, Status
from evobnn.runs.setup import Options, check_trained, jobs_for, make_bench, search_bench
from evobnn.spaces import key


@dataclass(frozen=True)
class Heritability:
    """One row of the report.

    Attributes:
        name: which genomes were drawn.
        genomes: number of genomes all of whose evaluations ended `ok`; `failed` others were left out.
        seeds: trainings of each.
        mean: of the error, in [0, 1].
        between, within: standard deviations of the genomes' means and of the seeds within a genome.
        icc: intraclass correlation of a single score; `low` to `high` is its 95 % interval.
        seconds: mean wall time of one training.
    """

    name: str
    genomes: int
    failed: int
    seeds: int
    mean: float
    between: float
    within: float
    icc: float
    low: float
    high: float
    seconds: float


def intraclass(scores: Sequence[Sequence[float]], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return ICC(1) and its interval for n rows (genomes) of k scores (seeds); NaN where it is not defined.

    With the mean squares between (B) and within (W) rows: ICC = (B - W) / (B + (k - 1) W); the interval divides and
    multiplies F = B / W by quantiles of the F distribution (Shrout and Fleiss 1979, ICC(1, 1)).
    """
    n, k = len(scores), len(scores[0]) if scores else 0
    if n < 2 or k < 2:
        return math.nan, math.nan, math.nan
    between, within = mean_squares(scores)
    if within == 0.0:
        value = 1.0 if between > 0.0 else math.nan
        return value, value, value
    ratio = between / within
    tail = 0.5 + confidence / 2.0
    low = ratio / f_distribution.ppf(tail, n - 1, n * (k - 1))
    high = ratio * f_distribution.ppf(tail, n * (k - 1), n - 1)
    icc, least, most = ((r - 1.0) / (r + k - 1.0) for r in (ratio, float(low), float(high)))
    return icc, least, most


def mean_squares(scores: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the mean squares between and within rows of equal length."""
    n, k = len(scores), len(scores[0])
    means = [fmean(row) for row in scores]
    grand = fmean(means)
    between = k * math.fsum((mean - grand) ** 2 for mean in means) / (n - 1)
    within = math.fsum((v - m) ** 2 for row, m in zip(scores, means, strict=True) for v in row) / (n * (k - 1))
    return between, within


def heritability(
    experiment: Experiment,
    options: Options,
    genomes: int = 30,
    seeds: int = 3,
    report: Callable[[str, int, int], None] = lambda name, done, planned: None,
) -> list[Heritability]:
    """Measure four samples of feasible random genomes under the experiment's protocol.

    The rows: the whole space; and, where cells are searched, expressions fixed to x, so that only topology varies;
    the cells of one random genome
    fixed, so that only expressions vary; and cells without any binary convolution, the sign plain.

    Arguments:
        experiment: space and protocol.
        options: jobs, backend, device, data folder.
        genomes: drawn for each row.
        seeds: trainings of each genome.
        report: called with (row, done, planned) after every training.
    """
    check_at_least("genomes", genomes, 2)
    check_at_least("seeds", seeds, 2)
    found: list[Heritability] = []
    samples = _samples(experiment, options)
    with Workers(jobs_for(samples[0][1], options), options.backend) as workers:
        for name, bench, draw in samples:
            drawn = distinct(bench, draw, generator(experiment.seed, "fidelity", name), genomes)
            jobs = [Job(bench, str(g), bench.seed(experiment.seed, g, seed)) for g in drawn for seed in range(seeds)]
            scores: dict[int, Evaluation] = {}
            for outcome in workers.run(run_job, jobs):
                lost = Evaluation(Status.ERROR, message=outcome.lost)
                scores[outcome.index] = outcome.value if outcome.value is not None else lost
                report(name, len(scores), len(jobs))
            rows = [[scores[g * seeds + s] for s in range(seeds)] for g in range(len(drawn))]
            found.append(_row(name, rows, seeds))
    return found


def _row(name: str, rows: Sequence[Sequence[Evaluation]], seeds: int) -> Heritability:
    good = [[e.objectives["error"] for e in row] for row in rows if all(e.status is Status.OK for e in row)]
    seconds = fmean(e.seconds for row in rows for e in row)
    if len(good) < 2:
        nan = math.nan
        return Heritability(name, len(good), len(rows) - len(good), seeds, nan, nan, nan, nan, nan, nan, seconds)
    between, within = mean_squares(good)
    icc, low, high = intraclass(good)
    return Heritability(
        name,
        len(good),
        len(rows) - len(good),
        seeds,
        fmean(v for row in good for v in row),
        math.sqrt(between / seeds),
        math.sqrt(within),
        icc,
        low,
        high,
        seconds,
    )


Draw = Callable[[Generator], Genome]


def _samples(experiment: Experiment, options: Options) -> list[tuple[str, Bench, Draw]]:
    """Return the name, the bench and the way to draw a genome for each row."""
    check_trained(experiment)
    whole = search_bench(experiment, options)
    if not whole.space.free_kinds:
        return [("random genomes", whole, whole.space.sample)]
    plain = make_bench(_frozen(experiment, " ".join(f"@{site} = x" for site in whole.space.sites)), options)
    rng = generator(experiment.seed, "fidelity", "cells")
    cells = distinct(whole, whole.space.sample, rng, 1)[0]
    fixed = make_bench(_frozen(experiment, " ".join(f"{kind}[{cell}]" for kind, cell in cells.cells)), options)
    idle = tuple(name for name, spec in plain.space.operations.items() if not spec.binary)
    offered = {kind: tuple(name for name in plain.space.offered[kind] if name in idle) for kind in plain.space.kinds}
    pools = replace(plain, space=replace(plain.space, offered=offered))
    return [
        ("random genomes", whole, whole.space.sample),
        ("expressions fixed to x", plain, plain.space.sample),
        ("cells fixed", fixed, fixed.space.sample),
        ("pool-only cells", pools, pools.space.sample),
    ]


def _frozen(experiment: Experiment, text: str) -> Experiment:
    return replace(experiment, space=replace(experiment.space, freeze=text))


def distinct(bench: Bench, draw: Draw, rng: Generator, count: int) -> list[Genome]:
    """Return feasible genomes with different keys."""
    found: dict[str, Genome] = {}
    for _ in range(count * RANDOM_TRIES):
        genome = draw(rng)
        if not bench.infeasible(genome):
            found.setdefault(key(bench.space, genome), genome)
        if len(found) == count:
            return list(found.values())
    raise SearchError(message(f"{count} different feasible genomes", str(len(found)), "Ask for fewer."))
