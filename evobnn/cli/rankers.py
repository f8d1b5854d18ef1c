"""`evobnn fidelity --rankers`: sign codes and other cheap rankers side by side, on a table or trained for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from evobnn._checks import check_at_least
from evobnn.cli.console import console, table
from evobnn.cli.followed import followed
from evobnn.cli.loops import compile_first
from evobnn.errors import ExperimentError, message
from evobnn.experiment.shipped import is_table
from evobnn.runs import Options, chosen
from evobnn.runs.on_table import load_table, recorded
from evobnn.runs.setup import wants_loops
from evobnn.studies.compare.compare import plain
from evobnn.studies.fidelity.ranked import Sample, of_experiment, of_table
from evobnn.studies.fidelity.rankerstudy import REPORT, RESULTS, TEXT, study
from evobnn.studies.fidelity.rankertext import notes, tables


def check_alone(others: Mapping[str, object]) -> None:
    """Raise ExperimentError where an option of another question is given, by name what was."""
    given = [name for name, value in others.items() if value not in (None, False)]
    if given:
        raise ExperimentError(message(f"no {given[0]} with --rankers", "both", "Leave one of them out."))


def show(
    what: str | None,
    dataset: str | None,
    assignments: Sequence[str],
    options: Options,
    genomes: int | None,
    seeds: int | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Measure and print how well rankers order the genomes of a table, or those that are trained here."""
    if what is not None and is_table(what):
        given = {"--set": assignments, "--dataset": dataset, "--seeds": seeds is not None}
        if strange := [name for name, value in given.items() if value]:
            do = "Leave it out, or name a preset."
            raise ExperimentError(message(f"no {strange[0]} with a table, whose trainings are recorded", "some", do))
        loaded = load_table(what)
        compile_first(wants_loops(recorded(loaded), options), on_stderr=True)
        sample = of_table(loaded, options, genomes)
    else:
        check_at_least("--seeds", 1 if seeds is None else seeds, 1)
        experiment = chosen.experiment(what, dataset, assignments)
        compile_first(wants_loops(experiment, options), on_stderr=True)
        sample = of_experiment(experiment, options, genomes)
    _print(sample, options, 1 if seeds is None else seeds, out, as_json=as_json)


def _print(sample: Sample, options: Options, seeds: int, out: Path | None, *, as_json: bool) -> None:
    results = out / RESULTS if out else None
    saved = "every genome that was measured"
    found = followed(lambda report: study(sample, options, seeds, out, report), "genomes", saved, results)
    if as_json:
        print(json.dumps(plain(asdict(found)), indent=1))
        return
    paper = console()
    for shown in tables(found):
        made = table(*shown.columns, first=(0, 1, 3, 5, 2))
        for row in shown.rows:
            made.add_row(*row)
        paper.print(f"\n{shown.title}", soft_wrap=True)
        made.show(paper, "--json")
    print()
    for sentence in notes(found):
        paper.print(sentence)
    if out is not None:
        print(f"\nfiles  {out}/: {TEXT}, {REPORT}, {RESULTS}")
