"""A comparison's report as tables for people: rows of text, which the command line prints and `report.md` holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evobnn.studies.compare.account import EPOCHS, EVALUATIONS
from evobnn.studies.compare.report import COUNTS, DEAREST, ArmReport, Report, Spread
from evobnn.studies.statistics import Interval

UNITS = {
    "regret": "points of error (%) above the table's best known genome, on columns that chose neither",
    "error": "error (%) of the best, on fresh seeds",
    "hypervolume": "part of the box (0 to 1) that the re-scored front covers; more is better",
    "epochs": "trained in a search",
}
"""What a measure is, by name."""


@dataclass(frozen=True)
class Shown:
    """A table for people: what it shows, the names of its columns and its rows, all text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> list[Shown]:
    """Return one table for each measure, one of the effects where there are some, and one of what was spent."""
    found = []
    for measure in (name for name in UNITS if _is_compared(report, name)):
        columns: tuple[str, ...] = ("arm", "median (quartiles)", f"minus {report.reference}", "p", "better")
        rows: tuple[tuple[str, ...], ...] = tuple(_row(arm, measure) for arm in _all(report))
        found.append(Shown(f"{measure}: {UNITS[measure]}", columns, rows))
    if report.interactions:
        rows = tuple(
            (
                one.measure,
                one.neither,
                *(_interval(e, one.measure) for e in (one.effects.first, one.effects.second, one.effects.interaction)),
            )
            for one in report.interactions
        )
        columns = ("measure", "neither", "topology", "expressions", "interaction")
        found.append(Shown("effects of searching topology, expressions, and both beyond their sum", columns, rows))
    columns = ("arm", "n", "failed", "trained epochs", "repeated trainings", "invalid trainings")
    rows = tuple(
        (arm.name, str(arm.spreads["epochs"].n), _failed(arm), *(_spread(arm, name) for name in COUNTS))
        for arm in _all(report)
    )
    return [*found, Shown("spent: median and quartiles", columns, rows)]


def _all(report: Report) -> tuple[ArmReport, ...]:
    """Return what has a row: the arms, and what no search comes to."""
    return (*report.arms, report.dearest) if report.dearest else report.arms


def _is_compared(report: Report, measure: str) -> bool:
    """Tell whether arms are compared by a measure; a count is only shown with what was spent, unless they are."""
    known = measure in report.arms[0].spreads
    return known and (measure not in COUNTS or any(measure in arm.versus for arm in report.arms))


def notes(report: Report) -> list[str]:
    """Return what a reader of the tables must know, a sentence or two each."""
    unit = {EVALUATIONS: "evaluations"}.get(report.question.get("unit", EPOCHS), "trained epochs")
    alike = " An evaluation counts as one however early it was stopped." if unit == EVALUATIONS else ""
    less = "".join(f" {arm} had {share:g} of it." for arm, share in report.question.get("shares", {}).items())
    said = [
        f"At most {report.question['budget']:,} {unit} a search, paired by seed.{alike}{less}",
        f"p: Wilcoxon's signed ranks against {report.reference}, two-sided, after Holm over all arms of a measure; "
        "better: the chance that a run is better than one of the reference (A12). Behind both: 95 % intervals.",
    ]
    if report.dearest:
        said.append(
            f"{DEAREST} is no search: of networks with the plain sign those with the most operations, once each, as "
            "many as the budget allows. Its p stands alone."
        )
    if report.floor:
        said.append(
            f"Choosing the least single score of all {report.rows:,} rows has a regret of "
            f"{_quartiles(report.floor, 'regret')}: what a search comes to that has trained everything once."
        )
    if report.interactions:
        said.append(
            "Effects are differences of means: of searching topology or not, averaged over searching expressions or "
            "not, and the other way round; the interaction is what searching both does beyond the sum. Neither "
            "is the network of which either search keeps a half (fixed), or the best of the shared start (start), "
            "which has seen many cells and expressions."
        )
    if any("-like" in arm.name for arm in report.arms):
        said.append("An arm called -like shows what an idea does here; it is no verdict on the published algorithm.")
    short = dict.fromkeys(versus.note for arm in report.arms for versus in arm.versus.values() if versus.note)
    return said + [f"{note[0].upper()}{note[1:]}." for note in short]


def as_markdown(report: Report) -> str:
    """Return tables and notes as Markdown."""
    return markdown("Comparison", tables(report), notes(report))


def markdown(title: str, shown: Sequence[Shown], said: Sequence[str]) -> str:
    """Return tables and sentences as Markdown, under a title."""
    parts = [f"# {title}", ""]
    for one in shown:
        parts += [f"## {one.title}", "", _line(one.columns), _line(["---"] * len(one.columns))]
        parts += [*map(_line, one.rows), ""]
    return "\n".join([*parts, *(f"{note}\n" for note in said)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(arm: ArmReport, measure: str) -> tuple[str, ...]:
    """Return the cells of an arm; those of the comparison are empty for the reference."""
    versus = arm.versus.get(measure)
    cells = (arm.name, _quartiles(arm.spreads[measure], measure))
    if versus is None:
        return (*cells, "", "", "")
    chance = f"{versus.better.estimate:.2f} ({versus.better.low:.2f}–{versus.better.high:.2f})"
    p = "<.001" if versus.adjusted < 0.001 else f"{versus.adjusted:.3f}"
    return (*cells, _interval(versus.difference, measure), p, chance)


def _quartiles(spread: Spread, measure: str) -> str:
    """Return a median, and the quartiles of more than one value."""
    show, dash = _number(measure), "–" if spread.lower >= 0.0 else " to "
    quartiles = f" ({show(spread.lower)}{dash}{show(spread.upper)})" if spread.n > 1 else ""
    return f"{show(spread.median)}{quartiles}"


def _interval(interval: Interval, measure: str) -> str:
    show = _number(measure)
    return f"{_number(measure, sign='+')(interval.estimate)} [{show(interval.low)}, {show(interval.high)}]"


def _number(measure: str, sign: str = "") -> Callable[[float], str]:
    """Return how a measure is written: hypervolume with three digits, errors in percent with two, epochs with one."""

    def show(value: float) -> str:
        if not math.isfinite(value):
            return "–"
        if measure == "epochs":
            return format(value, f"{sign},.1f")
        return format(value, f"{sign}.3f") if measure == "hypervolume" else format(100 * value, f"{sign}.2f")

    return show


def _spread(arm: ArmReport, measure: str) -> str:
    spread = arm.spreads[measure]
    median, lower, upper = (
        f"{value:,.0f}" if math.isfinite(value) else "–" for value in (spread.median, spread.lower, spread.upper)
    )
    return median if lower == upper else f"{median} ({lower} to {upper})"


def _failed(arm: ArmReport) -> str:
    """Return how many seeds came to nothing, and the first of them."""
    some = ", ".join(map(str, arm.failed[:3])) + (", …" if len(arm.failed) > 3 else "")
    return f"{len(arm.failed)} ({some})" if arm.failed else "0"
