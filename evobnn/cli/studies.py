"""`evobnn fidelity`: does the protocol see the genome, or the seed?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from evobnn.cli import search
from evobnn.cli.console import console, table
from evobnn.cli.words import percent
from evobnn.errors import ExperimentError, message
from evobnn.experiment import Options
from evobnn.studies.fidelity import Heritability, heritability


def show(
    what: str | None,
    dataset: str | None,
    assignments: Sequence[str],
    options: Options,
    *,
    wanted: bool,
    genomes: int,
    seeds: int,
    as_json: bool,
) -> None:
    """Measure and print; `wanted` says that --heritability was given, the one question so far."""
    if not wanted:
        raise ExperimentError(message("a question", "none", "Ask with 'evobnn fidelity --heritability'."))
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
