"""The report on brief trainings as tables for people: rows of text, for the command line and `report.md`."""

from __future__ import annotations

import math

from evobnn.studies.compare.text import Shown, markdown
from evobnn.studies.fidelity.agreement import Agreement, Score
from evobnn.studies.statistics import Interval

_COLUMNS = ("epochs", "width", "mean of", "cost", "time", "error", "tau", "tau, better half")


def label(epochs: int, width: int) -> str:
    """Return the name of a regime."""
    return f"{epochs} epoch{'' if epochs == 1 else 's'}, width {width}"


def tables(report: Agreement) -> list[Shown]:
    """Return the table of taus, the ceiling in its last row, and that of the gains over the preset's own regime."""
    rows = [_row(one) for one in report.scores]
    ceiling = _row(report.long)
    taus = Shown("agreement with a long training", _COLUMNS, (*rows, (*ceiling[:2], "ceiling", *ceiling[3:])))
    others = [one for one in report.scores if (one.epochs, one.width, one.repeats) != (*report.own, 1)]
    gains = tuple(
        (str(one.epochs), str(one.width), str(one.repeats), _interval(one.gain, "+"), _interval(one.gain_better, "+"))
        for one in others
    )
    title = f"tau minus that of the preset's own training ({label(*report.own)})"
    return [taus, Shown(title, ("epochs", "width", "mean of", "all genomes", "better half"), gains)]


def notes(report: Agreement) -> list[str]:
    """Return what a reader of the tables must know, a sentence or two each."""
    long, seeds = report.long, report.question["seeds"]
    data = report.question["data"]
    return [
        f"{report.genomes} random genomes ({report.failed} more left out: a training failed), {data['train']:,} images "
        f"of {data['name']} to train and {data['validation']:,} to validate; long: {label(long.epochs, long.width)}, "
        f"{seeds} seeds, none shared with a brief training. The better half, {report.better} genomes, goes by their "
        "mean.",
        f"tau: Kendall's tau-b with one long training, averaged over the {seeds}; behind it 95 % by bootstrap over "
        "genomes. The ceiling is that of one long training with another. The mean of several trainings may pass it.",
        "cost, time: trained epochs and median seconds as shares of one long training's, which took "
        f"{long.seconds:.1f} s beside all that ran at the same time.",
    ]


def as_markdown(report: Agreement) -> str:
    """Return tables and notes as Markdown."""
    return markdown("Does brief training tell the truth?", tables(report), notes(report))


def _row(one: Score) -> tuple[str, ...]:
    return (
        str(one.epochs),
        str(one.width),
        str(one.repeats),
        f"{100 * one.epochs_share:.0f} %",
        f"{100 * one.seconds_share:.0f} %",
        f"{100 * one.error:.2f} %",
        _interval(one.tau),
        _interval(one.tau_better),
    )


def _interval(interval: Interval, sign: str = "") -> str:
    if not math.isfinite(interval.estimate):
        return "–"
    return f"{interval.estimate:{sign}.2f} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"
