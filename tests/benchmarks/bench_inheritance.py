"""What beginning with a parent's weights changes in a score: random genomes of the digits preset, mutated, each mutant
trained from weights of its own (alone) and from those of its parent (as an heir), with the same seeds.

Printed: the share of a mutant's edges that are its parent's; the paired difference of a mutant's mean error, with its
90 % interval (Student's t over mutants) and its deviation over them: only what differs between them ranks them wrongly;
Kendall's tau between seeds of those alone, and between heirs and those alone at different seeds, whose quotient is 1
where heirs are ranked as well; its 90 % interval is a bootstrap over mutants. Genomes and seeds are always the same.
`--steps 3` mutates three times in a row, every mutant beginning with the weights of the one before: a search does so
for generations. `--heir recipe.epochs=4` changes the training of heirs alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from draws import drawn
from figures import heading, write
from scipy import stats

from evobnn._seeding import Generator, generator
from evobnn.errors import SearchError, message
from evobnn.evaluation import Bench, Job, run_job
from evobnn.evolution.variation import mutate
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.genome import Genome
from evobnn.machine.workers import Workers, default_jobs
from evobnn.runs import Options
from evobnn.runs.setup import make_bench
from evobnn.spaces import key
from evobnn.training import Heritage, shared

Errors = npt.NDArray[np.float64]
"""Validation errors, (mutants, seeds)."""

ROOT = 13
RESAMPLED = 2000


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        alone, heir: errors of the last mutants of all lines, from weights of their own and from inherited ones.
        same: share of the edges of each mutant that it has from its parent; none where networks have no cells.
    """

    alone: Errors
    heir: Errors
    same: tuple[float, ...]


def bench_of(assignments: Sequence[str]) -> Bench:
    """Return where genomes of the digits preset with these changes are trained."""
    return make_bench(from_table(override(preset_table("digits"), assignments), "digits"), Options(jobs=1))


def line(bench: Bench, genome: Genome, rng: Generator, steps: int) -> list[Genome]:
    """Return a genome and its mutants, each of the one before, of different keys and all of them trainable."""
    found = {key(bench.space, genome): genome}
    while len(found) <= steps:
        mutant = mutate(list(found.values())[-1], bench.space, rng)
        if not bench.infeasible(mutant):
            found.setdefault(key(bench.space, mutant), mutant)
    return list(found.values())


def measured(bench: Bench, heirs: Bench, count: int, seeds: int, steps: int, workers: Workers) -> Found:
    """Return the errors; `heirs` is where those who inherit are trained. SearchError where one did not end ok."""
    rng = generator(ROOT, "inheritance")
    lines = [line(bench, genome, rng, steps) for genome in drawn(bench, rng, count).values()]
    places = [(n, s) for s in range(seeds) for n in range(count)]
    with TemporaryDirectory() as folder:

        def job(n: int, s: int, step: int) -> Job:
            where = heirs if step else bench
            keep, before = (f"{folder}/{n}-{s}-{at}" for at in (step, step - 1))
            seed = where.seed(ROOT, lines[n][step], s)
            if not step:
                return Job(where, str(lines[n][0]), seed, heritage=Heritage(keep=keep))
            parent, theirs = lines[n][step - 1], heirs if step > 1 else bench
            training = theirs.training(theirs.seed(ROOT, parent, s))
            return Job(where, str(lines[n][step]), seed, heritage=Heritage(step - 1, before, training, keep))

        for step in range(steps + 1):
            heir = _errors([job(n, s, step) for n, s in places], places, workers)
    last = [genomes[-1] for genomes in lines]
    alone = _errors([Job(bench, str(last[n]), bench.seed(ROOT, last[n], s)) for n, s in places], places, workers)
    pairs = [tuple(map(bench.edges, pair)) for genomes in lines for pair in pairwise(genomes)]
    same = [shared(old, new) / total for old, new in pairs if (total := sum(map(len, new)))]
    return Found(alone, heir, tuple(same))


def _errors(jobs: Sequence[Job], places: Sequence[tuple[int, int]], workers: Workers) -> Errors:
    errors = np.full(np.max(places, 0) + 1, np.nan)
    for outcome in workers.run(run_job, jobs):
        if outcome.value is None or "error" not in outcome.value.objectives:
            got = f"{outcome.value.status if outcome.value else outcome.lost}: {jobs[outcome.index].genome}"
            raise SearchError(message("trainings that end ok", got, "Take a gentler recipe."))
        errors[places[outcome.index]] = outcome.value.objectives["error"]
    return errors


def difference(found: Found, confidence: float = 0.9) -> tuple[float, float, float, float]:
    """Return the mean of heir - alone in points of error, the interval around it, and the deviation over mutants."""
    points = 100.0 * (found.heir - found.alone).mean(1)
    mean, spread = float(points.mean()), float(points.std(ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, len(points) - 1)) * spread / len(points) ** 0.5
    return mean, mean - half, mean + half, spread


def taus(found: Found, chosen: Any = slice(None)) -> tuple[float, float]:
    """Return Kendall's tau between two seeds of `alone`, and between one of `heir` and another of `alone`; means over
    all pairs of seeds.
    """
    alone, heir = found.alone[chosen], found.heir[chosen]
    pairs = list(permutations(range(alone.shape[1]), 2))
    within = [stats.kendalltau(alone[:, i], alone[:, j]).statistic for i, j in pairs if i < j]
    across = [stats.kendalltau(heir[:, i], alone[:, j]).statistic for i, j in pairs]
    return float(np.mean(within)), float(np.mean(across))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genomes", type=int, default=40, help="random ones, each mutated (default: 40)")
    parser.add_argument("--seeds", type=int, default=4, help="trainings of each, 2 or more (default: 4)")
    parser.add_argument("--steps", type=int, default=1, help="mutations in a row (default: 1)")
    parser.add_argument("--jobs", type=int, default=0, help="workers (default: as evobnn chooses)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the preset")
    parser.add_argument("--heir", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change it for heirs")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    with Workers(given.jobs or default_jobs()) as workers:
        benches = bench_of(given.set), bench_of([*given.set, *given.heir])
        found = measured(*benches, given.genomes, given.seeds, given.steps, workers)
    mean, low, high, spread = difference(found)
    same = f"{100 * float(np.mean(found.same or 1)):.1f} % of edges as in the parent"
    print(f"\n{given.genomes} mutants, {given.seeds} seeds, {same}")
    print(f"mean error {100 * found.alone.mean():.2f} % alone, {100 * found.heir.mean():.2f} % as heirs")
    print(f"heir - alone: {mean:+.2f} points, 90 % interval {low:+.2f} to {high:+.2f}, deviation {spread:.2f}")
    within, across = taus(found)
    rng = np.random.default_rng(0)
    resampled = np.array([taus(found, rng.integers(0, given.genomes, given.genomes)) for _ in range(RESAMPLED)])
    with np.errstate(divide="ignore", invalid="ignore"):  # few mutants may all be tied
        quotients, quotient = resampled[:, 1] / resampled[:, 0], float(np.divide(across, within))
    ends = [float(end) for end in np.nanpercentile(quotients, [5, 95])]
    print(f"tau between seeds of alone {within:.3f}, between heirs and alone {across:.3f}")
    print(f"quotient {quotient:.3f}, 90 % interval {ends[0]:.2f} to {ends[1]:.2f}")
    told = {"difference": [mean, low, high, spread], "tau": {"alone": within, "heirs": across}, "quotient": ends}
    errors = {"alone": found.alone.tolist(), "heir": found.heir.tolist(), "same": found.same}
    write(given.json, vars(given), [told | errors])


if __name__ == "__main__":
    main()
