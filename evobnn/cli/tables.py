"""`evobnn tabulate` and `evobnn table`: make a table of recorded trainings, and see what is in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from evobnn._checks import check_name
from evobnn.cli.console import console, note, table
from evobnn.cli.loops import compile_first
from evobnn.cli.words import STOPPED, duration, percent, whole
from evobnn.experiment.shipped import ROOT
from evobnn.genome import parse_genome
from evobnn.runs import Options
from evobnn.runs.on_table import load_table, space_of
from evobnn.runs.setup import wants_loops
from evobnn.spaces import simplify
from evobnn.studies.compare.yardsticks import plain_rows
from evobnn.studies.tables.ranking import Agreement, Order, Ranking, agreement, has_contenders, order, ranking
from evobnn.studies.tables.specs import TABLE, TABLES
from evobnn.studies.tables.tabulate import tabulate
from evobnn.tables import Table

SINE = "@net = sin(x)"
"""BiPer's; with it the contenders of a table are compared where nobody says with what."""


def make(name: str, options: Options, out: Path | None) -> None:
    """Make a table, or go on with it, and print what it holds.

    Raises:
        typer.Exit: with code 130 after Ctrl-C, having said how to go on.
    """
    spec = TABLES[check_name("table", name, TABLES)]
    folder = out or ROOT / name
    err = console(stderr=True)
    compile_first(wants_loops(spec.experiment(), options), on_stderr=True)
    try:
        with err.status("starting") as status:
            made = tabulate(
                spec,
                options,
                folder,
                lambda done, planned, left: status.update(f"{name}: {done}/{planned} trainings, {duration(left)} left"),
                note,
            )
    except KeyboardInterrupt as stop:
        again = f"evobnn tabulate {name}{f' --out {out}' if out else ''}"
        note(f"stopped; every training that had finished is saved. Go on with:\n  {again}")
        raise typer.Exit(STOPPED) from stop
    trained = [row for row in made.rows.values() if row.errors]
    print(f"table     {folder / TABLE}")
    print(
        f"rows      {len(made.rows):,}, {len(trained):,} trained, {sum(len(row.errors) for row in trained):,} trainings"
    )
    if made.intraclass:
        value, low, high = made.intraclass
        print(f"ICC       {value:.2f} ({low:.2f} to {high:.2f})")


def show(name: str, count: int, baseline: str | None, other: str | None, *, as_json: bool) -> None:
    """Print the best of a table, which of them the baseline cannot be told from, and the agreement with another.

    Where no rows were trained more often than the others nothing is compared, and they stand by their means.
    """
    found = load_table(name)
    against = baseline or (_baseline(found) if has_contenders(found) else "")
    ranked = ranking(found, against) if against else None
    ordered = None if against else order(found)
    agreed = agreement(found, load_table(other)) if other else None
    if as_json:
        print(json.dumps({**_plain(ranked, ordered, count), "agreement": asdict(agreed) if agreed else None}, indent=1))
        return
    if ranked is not None:
        _print(ranked, count)
    if ordered is not None:
        _print_order(found, ordered, count)
    if other is not None and agreed is not None:
        _print_agreement(other, agreed)


def _baseline(found: Table) -> str:
    """Return what contenders are compared with where nobody says it: the sine, or of a space with cells the dearest of
    those with the plain sign; empty where none of these was trained as often.
    """
    space = space_of(found)
    if not space.free_kinds:
        return SINE
    often = (row for row in plain_rows(found, space) if len(row.errors) >= found.first + 2)
    return next((row.genome for row in often), "")


def _plain(ranked: Ranking | None, ordered: Order | None, count: int) -> dict[str, Any]:
    """Return what is printed as plain values, of the rows the first `count`."""
    if ranked is not None:
        said = asdict(ranked)
        return {**said, "contenders": len(ranked.contenders), "best": said["contenders"][:count]}
    assert ordered is not None
    said = asdict(ordered)
    return {**said, "placed": len(ordered.placed), "best": said["placed"][:count]}


def _print_agreement(other: str, agreed: Agreement) -> None:
    tau, half = agreed.kendall, agreed.better_half
    print(
        f"with {other}: {agreed.n:,} genomes in both, Spearman {agreed.spearman:.2f}, "
        f"Kendall tau {tau.estimate:.2f} ({tau.low:.2f} to {tau.high:.2f}); "
        f"within the better half {half.estimate:.2f} ({half.low:.2f} to {half.high:.2f})"
    )


def _print_order(found: Table, ordered: Order, count: int) -> None:
    shown = table("", "genome", "error", "sd", "n", "ops", left=2, first=(1, 2, 5, 4, 3, 0))
    for place, one in enumerate(ordered.placed[:count], 1):
        deviation = "–" if one.deviation is None else percent(one.deviation)
        shown.add_row(
            str(place), _function(one.row.genome), percent(one.mean), deviation, str(one.n), whole(one.row.ops)
        )
    out = console()
    shown.show(out, "--json")
    out.print(
        f"{ordered.table}: {ordered.rows:,} rows, {ordered.invalid:,} never trained, {ordered.failed:,} failed. "
        "Nothing is compared, and the least of many means flatters itself.",
        soft_wrap=True,
    )
    if found.intraclass:
        value, low, high = found.intraclass
        out.print(f"ICC of one training: {value:.2f} ({low:.2f} to {high:.2f})")


def _print(ranked: Ranking, count: int) -> None:
    shown = table("", "function", "error", "sd", "n", "minus baseline", "95 %, Holm", "may be best", left=2,
                  first=(1, 2, 7, 5, 6, 0, 3))  # fmt: skip
    for place, one in enumerate(ranked.contenders[:count], 1):
        against, itself = one.against, one.row.key == ranked.baseline.key
        shown.add_row(
            str(place),
            _function(one.row.genome),
            percent(one.mean),
            percent(one.deviation),
            str(one.n),
            "–" if itself else f"{100 * against.difference:+.1f}",
            "–" if itself else f"{100 * against.low:+.1f} to {100 * against.high:+.1f}",
            "yes" if one.may_be_best else "no",
        )
    out = console()
    shown.show(out, "--json")
    best = sum(one.may_be_best for one in ranked.contenders)
    out.print(
        f"{ranked.table}: {ranked.rows:,} rows, {ranked.invalid:,} never trained, "
        f"{ranked.failed:,} failed; {len(ranked.contenders)} contenders, chosen by their first {ranked.first} "
        f"trainings and compared on the others. Baseline {_function(ranked.baseline.genome)}: "
        f"{percent(ranked.baseline_mean)}. Better than it: {ranked.better}; not to be told from it: "
        f"{ranked.indistinguishable}; may be the best: {best}.",
        soft_wrap=True,
    )


def _function(genome: str) -> str:
    """Return a genome without cells in the shortest way."""
    head, _, expression = genome.partition("@net = ")
    if head.strip() or not expression:
        return genome
    return str(simplify(parse_genome(genome).expression_by_site["net"]))
