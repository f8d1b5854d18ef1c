"""`evobnn compare`: arms against each other at equal cost; prints the report and says where it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from evobnn._jsonl import torn_lines
from evobnn.analysis.pictures.curves import RESULTS
from evobnn.cli.console import console, note, table
from evobnn.cli.loops import compile_first
from evobnn.cli.words import STOPPED, counted
from evobnn.errors import ExperimentError, message
from evobnn.experiment import Experiment
from evobnn.experiment.shelf import experimental_pressures
from evobnn.runs import Options, chosen
from evobnn.runs import named as runs
from evobnn.runs.setup import wants_loops
from evobnn.snapshot import new_folder
from evobnn.studies.compare.account import EPOCHS, EVALUATIONS, prices_of
from evobnn.studies.compare.arms import arms_of, assigned
from evobnn.studies.compare.compare import Question, check, compare
from evobnn.studies.compare.report import Report
from evobnn.studies.compare.text import notes, tables

SEEDS, SEEDS_ON_TABLE = 5, 200


@dataclass(frozen=True)
class Asked:
    """What the command line says of a comparison; names as `evobnn.studies.compare.arms.arms_of` takes them."""

    what: str | None = None
    table: str | None = None
    space: str | None = None
    strategies: str = ""
    pressures: str = ""
    parts: str = ""
    own: Sequence[str] = ()
    seeds: int | None = None
    budget: str | None = None
    assignments: Sequence[str] = ()

    def question(self, brought: Mapping[str, Any] = {}) -> Question:
        """Return the question; `brought` holds the user's own strategies. EvobnnError for what is not understood."""
        space = [f"space.name={self.space}"] if self.space else []
        experiment = chosen.experiment(self.what, None, [*space, *self.assignments], self.table)
        arms = arms_of(experiment, named(self.strategies), named(self.pressures), named(self.parts), self.own, brought)
        seeds = (SEEDS_ON_TABLE if self.table else SEEDS) if self.seeds is None else self.seeds
        return Question(experiment, arms, seeds, *budget_of(self.budget, experiment, brought))


def show(asked: Asked, options: Options, out: Path | None) -> None:
    """Compare, or go on with a comparison, and print the report."""
    question = asked.question(options.additions.strategies)
    check(question, options)
    folder = out or new_folder(runs.ROOT, f"compare-{question.experiment.preset}")
    for sentence in torn_lines(folder / RESULTS):
        note(sentence)
    on = [name for arm in question.arms for name in assigned(question.experiment, arm).pressures]
    if sentence := experimental_pressures(on):
        note(sentence)
    _print_start(question, folder)
    try:
        compile_first(wants_loops(question.experiment, options))
        with console(stderr=True).status("starting") as status:
            report = compare(
                question,
                folder,
                options,
                lambda what, done, planned: status.update(f"{what}: {done} of {planned} searches are done"),
            )
    except KeyboardInterrupt as stop:
        note(f"stopped; every finished search is saved. Go on with the same command and --out {folder}")
        raise typer.Exit(STOPPED) from stop
    _print(report, folder)


def named(text: str) -> list[str]:
    """Return the names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def budget_of(text: str | None, experiment: Experiment, own: Mapping[str, Any] = {}) -> tuple[int, str]:
    """Return a budget and its unit: trained epochs from `900` or `900 epochs`, or `300 trainings` of the recipe's
    length, or evaluations, each counted as one however early it was stopped, from `300 evaluations`; without a text the
    epochs that the experiment trains to its horizon.

    Raises:
        ExperimentError: anything else.
    """
    each = prices_of(experiment).whole
    if text is None:
        strategy = experiment.make_strategy(own)
        return math.ceil(each * (strategy.first + experiment.horizon * strategy.batch)), EPOCHS
    found = re.fullmatch(r"([\d,_]+)\s*(epochs?|trainings?|evaluations?|)", text.strip().lower())
    digits = re.sub(r"[,_]", "", found[1]) if found else ""
    if not found or not digits:
        do = "Write for example 900, '300 trainings' or '300 evaluations'."
        raise ExperimentError(message("--budget in trained epochs, trainings or evaluations", f"'{text}'", do))
    if found[2].startswith("evaluation"):
        return int(digits), EVALUATIONS
    return math.ceil(int(digits) * (each if found[2].startswith("training") else 1)), EPOCHS


def _print_start(question: Question, folder: Path) -> None:
    experiment = question.experiment
    source = f"table {experiment.table}" if experiment.table else f"trainings of {experiment.preset}"
    each, unit = prices_of(experiment).whole, "trained epoch" if question.unit == EPOCHS else "evaluation"
    print(f"out    {folder}, {source}, space {experiment.space.name}, {', '.join(experiment.objectives)}")
    print(f"arms   {', '.join(arm.name for arm in question.arms)}; {counted(question.seeds, 'seed')} each")
    whole = counted(int(each), "epoch") if each == int(each) else f"{each:g} epochs"
    print(f"budget {counted(question.budget, unit)} a search, {whole} a training", flush=True)


def _print(report: Report, folder: Path) -> None:
    out = console()
    for shown in tables(report):
        made = table(*shown.columns)
        for row in shown.rows:
            made.add_row(*row)
        out.print(f"\n{shown.title}", soft_wrap=True)
        made.show(out, f"{folder}/report.md")
    print()
    for sentence in notes(report):
        out.print(sentence)
    print(f"\nfiles  {folder}/: report.md, report.json, forest.png, curves.png, results.jsonl")
