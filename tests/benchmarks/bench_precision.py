"""What bfloat16 changes: random genomes of the digits preset, each with the same seeds in float32 and in bfloat16.

Printed: the paired difference of a genome's mean error, with its 90 % interval (Student's t over genomes); Kendall's
tau between seeds of float32, and between float32 and bfloat16 at different seeds, whose quotient is 1 where the
precision costs nothing; its 90 % interval is a bootstrap over genomes. Genomes and seeds are always the same ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from draws import drawn
from figures import heading, write
from scipy import stats

from evobnn._seeding import generator
from evobnn.errors import SearchError, message
from evobnn.evaluation import Job, run_job
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.machine.workers import Workers, default_jobs
from evobnn.runs import Options
from evobnn.runs.setup import make_bench

Errors = npt.NDArray[np.float64]
"""Validation errors, (genomes, seeds)."""

ROOT = 11
PRECISIONS = ("fp32", "bf16")
RESAMPLED = 2000


def measured(assignments: Sequence[str], genomes: int, seeds: int, workers: Workers) -> dict[str, Errors]:
    """Return the errors by precision; raise SearchError where a training did not end `ok`."""
    benches = {
        name: make_bench(
            from_table(override(preset_table("digits"), [*assignments, f"recipe.precision={name}"]), "digits"),
            Options(jobs=1),
        )
        for name in PRECISIONS
    }
    bench = benches["fp32"]
    chosen = list(drawn(bench, generator(ROOT, "equivalence"), genomes).items())
    places = [(s, g, name) for s in range(seeds) for g in range(genomes) for name in PRECISIONS]
    jobs = [Job(benches[name], chosen[g][0], bench.seed(ROOT, chosen[g][1], s)) for s, g, name in places]
    errors = {name: np.full((genomes, seeds), np.nan) for name in PRECISIONS}
    for outcome in workers.run(run_job, jobs):
        seed, genome, name = places[outcome.index]
        if "error" not in outcome.value.objectives:
            got = f"{outcome.value.status} in {name}: {chosen[genome][0]}"
            raise SearchError(message("trainings that end ok", got, "Leave precisions to trainings that work."))
        errors[name][genome, seed] = outcome.value.objectives["error"]
    return errors


def difference(errors: dict[str, Errors], confidence: float = 0.9) -> tuple[float, float, float]:
    """Return the mean of bfloat16 minus float32 in points of error, and the interval around it."""
    points = 100.0 * (errors["bf16"] - errors["fp32"]).mean(1)
    half = stats.t.ppf(0.5 + confidence / 2, len(points) - 1) * points.std(ddof=1) / len(points) ** 0.5
    return float(points.mean()), float(points.mean() - half), float(points.mean() + half)


def taus(errors: dict[str, Errors], chosen: Any = slice(None)) -> tuple[float, float]:
    """Return Kendall's tau between two seeds of float32, and between a seed in float32 and another in bfloat16; means
    over all pairs of seeds.
    """
    one, other = errors["fp32"][chosen], errors["bf16"][chosen]
    pairs = list(permutations(range(one.shape[1]), 2))
    within = [stats.kendalltau(one[:, i], one[:, j]).statistic for i, j in pairs if i < j]
    across = [stats.kendalltau(one[:, i], other[:, j]).statistic for i, j in pairs]
    return float(np.mean(within)), float(np.mean(across))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genomes", type=int, default=40, help="random ones (default: 40)")
    parser.add_argument("--seeds", type=int, default=8, help="trainings of each in each precision (default: 8)")
    parser.add_argument("--jobs", type=int, default=0, help="workers (default: as evobnn chooses)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the preset")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    with Workers(given.jobs or default_jobs()) as workers:
        errors = measured(given.set, given.genomes, given.seeds, workers)
    mean, low, high = difference(errors)
    print(f"\n{given.genomes} genomes, {given.seeds} seeds, mean error {100 * errors['fp32'].mean():.2f} % in float32")
    print(f"bfloat16 - float32: {mean:+.2f} points, 90 % interval {low:+.2f} to {high:+.2f}")
    within, across = taus(errors)
    rng = np.random.default_rng(0)
    resampled = (taus(errors, rng.integers(0, given.genomes, given.genomes)) for _ in range(RESAMPLED))
    quotients = [across / within for within, across in resampled]
    ends = [float(end) for end in np.percentile(quotients, [5, 95])]
    print(f"tau between seeds of float32 {within:.3f}, between the precisions {across:.3f}")
    print(f"quotient {across / within:.3f}, 90 % interval {ends[0]:.2f} to {ends[1]:.2f}")
    told = {"difference": [mean, low, high], "tau": {"seeds": within, "precisions": across}, "quotient": ends}
    write(given.json, vars(given), [told | {name: values.tolist() for name, values in errors.items()}])


if __name__ == "__main__":
    main()
