"""Real or binary weights in the search: which of the two brief trainings ranks networks as their fully binary long
training does? BATS searches with binary activations and real weights (Bulat, Martinez, Tzimiropoulos, ECCV 2020,
section 3.3 of the fact sheet: recalled from the paper, not confirmed by code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evobnn._checks import check_at_least
from evobnn._seeding import generator
from evobnn.errors import ExperimentError, SearchError, message
from evobnn.evaluation import Job, run_job
from evobnn.experiment.settings import Experiment
from evobnn.machine.workers import Workers
from evobnn.records import Status
from evobnn.runs.setup import Options, check_trained, jobs_for, search_bench
from evobnn.studies.fidelity.heritability import distinct
from evobnn.studies.statistics import Interval, kendall, kendall_difference


@dataclass(frozen=True)
class WeightsStudy:
    """Rank correlations (Kendall's tau-b, with bootstrap intervals over genomes) with long binary training.

    Attributes:
        genomes: that trained well everywhere; `failed` others were left out.
        brief, long: epochs of the trainings.
        seeds: of the long training, whose mean is what the brief ones are to predict.
        binary, real: tau of the brief training with binary and with real weights, one seed each.
        difference: tau of real minus tau of binary, over the same resampled genomes.
        ceiling: tau between one long training and the mean of the others: what one seed can reach.
        errors: mean error in [0, 1] of brief binary, brief real and long.
    """

    genomes: int
    failed: int
    brief: int
    long: int
    seeds: int
    binary: Interval
    real: Interval
    difference: Interval
    ceiling: Interval
    errors: tuple[float, float, float]


def compare_weights(
    experiment: Experiment,
    options: Options,
    genomes: int = 30,
    seeds: int = 3,
    epochs: int = 12,
    report: Callable[[int, int], None] = lambda done, planned: None,
) -> WeightsStudy:
    """Train random genomes briefly with either kind of weights, and at length with binary ones.

    Arguments:
        experiment: space and brief protocol.
        options: jobs, backend, device, data folder.
        genomes: feasible random ones.
        seeds: of the long training; at least 2.
        epochs: of the long training.
        report: called with (done, planned) after every training.

    Raises:
        ExperimentError: too few of anything, or an experiment that looks up in a table instead of training.
        SearchError: fewer than 4 genomes trained well everywhere.
        EvobnnError: all of them have the same error.
    """
    if experiment.table:
        do = "Leave out the table."
        raise ExperimentError(message("an experiment that trains", f"one that looks up in {experiment.table}", do))
    check_at_least("genomes", genomes, 4)
    check_at_least("seeds", seeds, 2)
    check_at_least("epochs", epochs, experiment.recipe.epochs + 1)
    check_trained(experiment)
    bench = search_bench(experiment, options)
    drawn = distinct(bench, bench.space.sample, generator(experiment.seed, "weights"), genomes)
    brief = bench.protocol.recipe
    recipes = [
        replace(brief, weights="binary"),
        replace(brief, weights="real"),
        *[replace(brief, weights="binary", epochs=epochs)] * seeds,
    ]
    benches = [  # the bound on the work of a training grows with its epochs, so that it leaves out the same genomes
        replace(bench, protocol=replace(bench.protocol, recipe=one, max_macs=bound * one.epochs / brief.epochs))
        for bound, one in ((experiment.max_macs, recipe) for recipe in recipes)
    ]
    jobs = [
        Job(place, str(genome), bench.seed(experiment.seed, genome, repeat))
        for genome in drawn
        for repeat, place in enumerate(benches)
    ]
    errors = np.full(len(jobs), np.nan)
    with Workers(jobs_for(bench, options), options.backend) as workers:
        for done, outcome in enumerate(workers.run(run_job, jobs), 1):
            if outcome.value is not None and outcome.value.status is Status.OK:
                errors[outcome.index] = outcome.value.objectives["error"]
            report(done, len(jobs))
    table = errors.reshape(len(drawn), len(benches))
    good = table[~np.isnan(table).any(axis=1)]
    if len(good) < 4:
        raise SearchError(message("at least 4 genomes that train well", str(len(good)), "Ask for more genomes."))
    binary, real, long = good[:, 0], good[:, 1], good[:, 2:]
    rng = generator(experiment.seed, "weights", "bootstrap")
    target = long.mean(axis=1)
    return WeightsStudy(
        len(good),
        len(table) - len(good),
        experiment.recipe.epochs,
        epochs,
        seeds,
        kendall(binary, target, rng),
        kendall(real, target, rng),
        kendall_difference(real, binary, target, rng),
        kendall(long[:, 0], long[:, 1:].mean(axis=1), rng),
        (float(binary.mean()), float(real.mean()), float(target.mean())),
    )
