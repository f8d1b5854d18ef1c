"""`evobnn fidelity`: does the protocol see the genome, or the seed?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from evobnn.cli import search
from evobnn.cli.console import console, table
from evobnn.cli.words import percent
from evobnn.errors import ExperimentError, message
from evobnn.experiment import Experiment, Options
from evobnn.studies.fidelity import Heritability, heritability
from evobnn.studies.weights import compare_weights


def show(
    what: str | None,
    dataset: str | None,
    assignments: Sequence[str],
    options: Options,
    *,
    heritable: bool,
    weights: bool,
    genomes: int,
    seeds: int,
    epochs: int,
    as_json: bool,
) -> None:
    """Measure and print the answer to one question: `heritable` or `weights`."""
    if heritable == weights:
        got = "both" if weights else "none"
        raise ExperimentError(message("one question", got, "Ask with --heritability or with --weights."))
    if weights:
        _weights(search.experiment(what, dataset, assignments), options, genomes, seeds, epochs, as_json=as_json)
        return
    experiment = search.experiment(what, dataset, assignments)
    out = console(stderr=True)
    with out.status("starting") as status:
        rows = heritability(
            experiment,
            options,
            genomes,
            seeds,
            lambda name, done, planned: status.update(f"{name}: {done} of {planned} trainings"),
        )
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    _print(rows)


def _weights(experiment: Experiment, options: Options, genomes: int, seeds: int, epochs: int, *, as_json: bool) -> None:
    with console(stderr=True).status("starting") as status:
        found = compare_weights(
            experiment,
            options,
            genomes,
            seeds,
            epochs,
            lambda done, planned: status.update(f"{done} of {planned} trainings"),
        )
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    shown = table("brief training", "epochs", "mean error", "tau with long", "95 %")
    rows = (("binary weights", found.binary, found.errors[0]), ("real weights", found.real, found.errors[1]))
    for name, tau, error in rows:
        limits = f"{tau.low:.2f} to {tau.high:.2f}"
        shown.add_row(name, str(found.brief), percent(error), f"{tau.estimate:.2f}", limits)
    out = console()
    out.print(shown)
    gap, top = found.difference, found.ceiling
    out.print(
        f"{found.genomes} genomes ({found.failed} failed); long: {found.long} epochs, all binary, {found.seeds} seeds, "
        f"mean error {percent(found.errors[2])}.\n"
        f"real minus binary: {gap.estimate:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}); "
        f"one long training with the others: {top.estimate:.2f} ({top.low:.2f} to {top.high:.2f}).",
        soft_wrap=True,
    )


def _print(rows: Sequence[Heritability]) -> None:
    shown = table("sample", "genomes", "seeds", "failed", "error", "sd genomes", "sd seeds", "ICC", "95 %", "s")
    for row in rows:
        shown.add_row(
            row.name,
            str(row.genomes),
            str(row.seeds),
            str(row.failed),
            percent(row.mean),
            percent(row.between),
            percent(row.within),
            f"{row.icc:.2f}",
            f"{row.low:.2f} to {row.high:.2f}",
            f"{row.seconds:.1f}",
        )
    out = console()
    out.print(shown)
    out.print(
        "ICC: share of the variance of one score that lies between genomes, ICC(1) of Shrout and Fleiss 1979;\n"
        "s: mean seconds of one training. A search needs 0.5 or more.",
        soft_wrap=True,
    )
