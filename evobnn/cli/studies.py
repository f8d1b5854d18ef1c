"""`evobnn fidelity`: does brief training tell the truth, and does the protocol see the genome or the seed?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evobnn._checks import check_at_least
from evobnn.cli.console import console, note, table
from evobnn.cli.followed import followed
from evobnn.cli.loops import compile_first
from evobnn.cli.words import percent
from evobnn.errors import ExperimentError, message
from evobnn.experiment import Experiment
from evobnn.experiment.shelf import experimental
from evobnn.experiment.shipped import is_table
from evobnn.runs import Options, chosen
from evobnn.runs.setup import wants_loops
from evobnn.studies.compare.compare import plain
from evobnn.studies.fidelity.agreement import Agreement
from evobnn.studies.fidelity.brief import RESULTS, measure
from evobnn.studies.fidelity.heritability import Heritability, heritability
from evobnn.studies.fidelity.question import Question, ask
from evobnn.studies.fidelity.text import notes, tables
from evobnn.studies.fidelity.weights import compare_weights


@dataclass(frozen=True)
class Brief:
    """What the command line says of brief trainings: lists with commas, and where results go."""

    lengths: str | None = None
    widths: str | None = None
    out: Path | None = None


def show(
    what: str | None,
    dataset: str | None,
    assignments: Sequence[str],
    options: Options,
    brief: Brief,
    *,
    heritable: bool,
    weights: bool,
    genomes: int | None,
    seeds: int | None,
    epochs: int | None,
    as_json: bool,
) -> None:
    """Measure and print the answer to one question: `heritable`, `weights`, or else how far `brief` trainings agree
    with long ones.
    """
    if what is not None and is_table(what):
        do = "Add --rankers, or name a preset."
        raise ExperimentError(message("a preset or a TOML file", f"the table {what}", do))
    if heritable and weights:
        raise ExperimentError(message("one question", "both", "Ask with --heritability or with --weights."))
    if (heritable or weights) and brief != Brief():
        do = "Leave them out, or leave out --heritability and --weights."
        raise ExperimentError(message("no --brief, --widths or --out with another question", "some", do))
    experiment = chosen.experiment(what, dataset, assignments)
    compile_first(wants_loops(experiment, options), on_stderr=True)
    if not (heritable or weights):
        asked = lengths(brief.lengths), widths(brief.widths), epochs
        question = ask(experiment, *asked, 2 if seeds is None else seeds, 60 if genomes is None else genomes)
        _brief(question, options, brief.out, as_json=as_json)
        return
    genomes, seeds = 30 if genomes is None else genomes, 3 if seeds is None else seeds
    if weights:
        _weights(experiment, options, genomes, seeds, 12 if epochs is None else epochs, as_json=as_json)
        return
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


def lengths(text: str | None) -> list[tuple[int, int]]:
    """Return (epochs, repeats) of each entry of a list such as `1,2,3x3`; nothing for None.

    Raises:
        ExperimentError: anything else.
    """
    found = []
    for part in _parts("--brief", text, r"(\d+)(?:x(\d+))?", "Write for example 1,2,3x3,8: 3x3 is 3 epochs, 3 times."):
        found.append((check_at_least("--brief", int(part[1]), 1), check_at_least("--brief", int(part[2] or 1), 1)))
    return found


def widths(text: str | None) -> list[int]:
    """Return the whole numbers of a list such as `12,6`; nothing for None."""
    return [
        check_at_least("--widths", int(part[1]), 1)
        for part in _parts("--widths", text, r"(\d+)", "Write for example 12,6.")
    ]


def _parts(option: str, text: str | None, pattern: str, do: str) -> list[re.Match[str]]:
    """Return the entries of a list with commas, each matched by the pattern as a whole."""
    if text is None:
        return []
    found = [re.fullmatch(pattern, part.strip()) for part in text.split(",")]
    whole = [one for one in found if one is not None]
    if len(whole) < len(found):
        raise ExperimentError(message(f"{option} as whole numbers with commas", f"'{text}'", do))
    return whole


def _brief(question: Question, options: Options, out: Path | None, *, as_json: bool) -> None:
    results = out / RESULTS if out else None
    saved = "every training that had finished"
    found = followed(lambda report: measure(question, options, out, report), "trainings", saved, results)
    if as_json:
        print(json.dumps(plain(asdict(found)), indent=1))
        return
    _print_brief(found)
    if out is not None:
        print(f"\nfiles  {out}/: report.md, report.json, taus.png, errors.png, results.jsonl")


def _print_brief(found: Agreement) -> None:
    out = console()
    for shown in tables(found):
        made = table(*shown.columns, first=(0, 1, 2, 6, 7, 5))
        for row in shown.rows:
            made.add_row(*row)
        if shown.rows:
            out.print(f"\n{shown.title}", soft_wrap=True)
            made.show(out, "--json")
    print()
    for sentence in notes(found):
        out.print(sentence)


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
    note(experimental("fidelity --weights"))
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    shown = table("brief training", "epochs", "mean error", "tau with long", "95 %", first=(0, 3, 4, 2))
    rows = (("binary weights", found.binary, found.errors[0]), ("real weights", found.real, found.errors[1]))
    for name, tau, error in rows:
        limits = f"{tau.low:.2f} to {tau.high:.2f}"
        shown.add_row(name, str(found.brief), percent(error), f"{tau.estimate:.2f}", limits)
    out = console()
    shown.show(out, "--json")
    gap, top = found.difference, found.ceiling
    out.print(
        f"{found.genomes} genomes ({found.failed} failed); long: {found.long} epochs, all binary, {found.seeds} seeds, "
        f"mean error {percent(found.errors[2])}.\n"
        f"real minus binary: {gap.estimate:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}); "
        f"one long training with the others: {top.estimate:.2f} ({top.low:.2f} to {top.high:.2f}).",
        soft_wrap=True,
    )


def _print(rows: Sequence[Heritability]) -> None:
    shown = table("sample", "genomes", "seeds", "failed", "error", "sd genomes", "sd seeds", "ICC", "95 %", "s",
                  first=(0, 7, 8, 4, 5, 6))  # fmt: skip
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
    shown.show(out, "--json")
    out.print(
        "ICC: share of the variance of one score that lies between genomes, ICC(1) of Shrout and Fleiss 1979;\n"
        "s: mean seconds of one training. A search needs 0.5 or more.",
        soft_wrap=True,
    )
