"""What rankers are worth as tables for people: rows of text, for the command line and `rankers.md`."""

from __future__ import annotations

import math

from evobnn.studies.compare.text import Shown, markdown
from evobnn.studies.fidelity.rankers import BASELINE
from evobnn.studies.fidelity.rankings import CONTROL, RankerScore, Rankings
from evobnn.studies.statistics import Interval


def tables(report: Rankings) -> list[Shown]:
    """Return the table of taus and costs, and that of what the taus are made of."""
    whole = ("ranker", "tau", "equal convolutions", "minus operations", "ms", "share")
    parts = ("ranker", "topologies alone", "expressions alone", "best tenth kept")
    return [
        Shown("agreement with the error", whole, tuple(map(_whole, report.rankers))),
        Shown("the same with one of them held, and as a filter", parts, tuple(map(_parts, report.rankers))),
    ]


def notes(report: Rankings) -> list[str]:
    """Return what a reader of the tables must know, a sentence or two each."""
    seeds = report.question["seeds"]
    against = f"the mean of {seeds} trainings" if seeds > 1 else "one training" if seeds else "the table's mean error"
    said = [
        f"{report.genomes} genomes of {report.question['name']} ({report.failed} more left out: they failed): "
        f"{_many(report.expressions, 'expression')}, {_many(report.topologies, 'topology')}. Rankers are held against "
        f"{against}.",
        "tau: Kendall's tau-b; behind it 95 %, by resampling expressions and topologies both. equal convolutions: over "
        "pairs with equally many. minus operations: gain over the number of operations alone, in the same resamples.",
        f"ms: median of a genome, beside all that ran at the same time; share: of one training, which took "
        f"{report.training:.2f} s.",
        "topologies alone: over pairs with the same expressions; expressions alone: over pairs with the same topology. "
        "best tenth kept: its share in the better half by the ranker.",
    ]
    if any(one.name == CONTROL for one in report.rankers):
        said.append(
            f"{CONTROL}: mean error of the genome's expressions on other topologies, a control. Of two genomes with "
            "the same expressions it puts the worse one first, as the better one's mean holds the other: that counts "
            "against its tau."
        )
    return said


def as_markdown(report: Rankings) -> str:
    """Return tables and notes as Markdown."""
    return markdown("What ranks genomes before they are trained?", tables(report), notes(report))


def _whole(one: RankerScore) -> tuple[str, ...]:
    cost = ("–", "–") if math.isnan(one.seconds) else (f"{1000 * one.seconds:.0f}", _percent(one.share))
    gain = "" if one.name == BASELINE else _interval(one.gain, "+")
    return (one.name, _interval(one.tau), _interval(one.equal), gain, *cost)


def _parts(one: RankerScore) -> tuple[str, ...]:
    topologies = "" if one.name == CONTROL else _interval(one.topologies)
    return (one.name, topologies, _interval(one.expressions), _percent(one.kept))


def _many(number: int, what: str) -> str:
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def _percent(share: float) -> str:
    if math.isnan(share):
        return "–"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _interval(interval: Interval, sign: str = "") -> str:
    if not math.isfinite(interval.estimate):
        return "–"
    return f"{interval.estimate:{sign}.2f} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"
