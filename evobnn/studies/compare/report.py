"""What a comparison says: each arm against the first one, seed by seed, and the effects of topology and expression."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evobnn._seeding import Generator, generator
from evobnn.studies.compare.account import EPOCHS, Trace
from evobnn.studies.statistics import (
    Factorial,
    Interval,
    a12_interval,
    band,
    factorial,
    holm,
    paired_difference,
    paired_t,
    signed_rank,
)

LESS = {"regret": True, "error": True, "hypervolume": False, "epochs": True, "repeated": True, "invalid": True}
"""Whether less is better, by measure."""
COUNTS = ("epochs", "repeated", "invalid")
FACTORS = ("topology", "expressions", "joint")
"""The arms that search the one, the other, and both."""
FEW = 10
"""Pairs below which an interval of a mean is Student's: resampling so few covers less than it says."""
DEAREST = "dearest"
"""The row of what no search comes to."""
POINTS = 101
"""Places at which curves are read, at most."""

Traces = Mapping[int, Trace]
"""By seed; a search that failed is not there."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of n values."""

    median: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Versus:
    """An arm against the reference over the seeds that both have finished.

    Attributes:
        n: pairs, of which `ties` do not differ.
        difference: mean of arm - reference, with its interval.
        p: of the signed-rank test, two-sided; `adjusted` by Holm over all arms of the same measure.
        better: the chance that a run of the arm is better than one of the reference, ties counting one half (A12),
            with its interval.
        note: what a reader of `p` must know, or empty.
    """

    n: int
    ties: int
    difference: Interval
    p: float
    adjusted: float
    better: Interval
    note: str = ""


@dataclass(frozen=True)
class ArmReport:
    """One arm: median and quartiles by measure, its comparison with the reference, seeds that came to nothing."""

    name: str
    assignments: tuple[str, ...]
    phases: tuple[str, ...]
    spreads: Mapping[str, Spread]
    versus: Mapping[str, Versus]
    failed: tuple[int, ...]


@dataclass(frozen=True)
class Interaction:
    """Effects on a measure of searching topology, expressions and both.

    Attributes:
        measure: name.
        neither: `fixed`, the one network that either search alone keeps a half of (cells of the first drawn genome,
            plain sign), or `start`, the best of the start population that all share.
        effects: of topology, of expressions, and their interaction.
        n: seeds; one at which a search failed, or where neither was not measured, is left out.
    """

    measure: str
    neither: str
    effects: Factorial
    n: int


@dataclass(frozen=True)
class Report:
    """What `report.json` holds.

    Attributes:
        question: what was asked: experiment, budget, table, seeds; `shares` of arms that had less of the budget.
        reference: name of the first arm.
        arms: in the order in which they were named.
        interactions: the effects of searching topology and expressions and of both together, by measure and by what
            counts as searching neither.
        curves: for each measure and arm, median and quartiles over trained epochs.
        dearest: what the dearest networks with the plain sign come to without any search, compared with the reference
            like an arm, but apart from these; on a table only.
        floor: regret of choosing by one score of each of all `rows` of a table.
    """

    question: Mapping[str, Any]
    reference: str
    arms: tuple[ArmReport, ...]
    interactions: tuple[Interaction, ...]
    curves: tuple[Mapping[str, Any], ...]
    dearest: ArmReport | None = None
    floor: Spread | None = None
    rows: int = 0


def judge(
    question: Mapping[str, Any], described: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]],
    traces: Mapping[str, Traces], failed: Mapping[str, Sequence[int]], budget: int, seed: int,
) -> Report:  # fmt: skip
    """Return the report; the same for the same traces, in whatever order they came.

    Arguments:
        question: goes into the report as it is.
        described: name, assignments and phases of every arm, the reference first.
        traces: by arm and seed.
        failed: seeds that came to nothing, by arm.
        budget: trained epochs, to which the curves go.
        seed: root of the resampling.
    """
    names = [name for name, _, _ in described]
    measures = [name for name in LESS if name not in COUNTS and _everywhere(name, traces)]
    spreads = {name: {measure: spread(_finals(traces[name], measure)) for measure in (*measures, *COUNTS)}
               for name in names}  # fmt: skip
    against: dict[str, dict[str, Versus]] = {name: {} for name in names}
    spent = ["epochs"] if question.get("unit", EPOCHS) != EPOCHS or question.get("shares") else []
    for measure in (*measures, *spent):
        for name, found in _versus(measure, traces, names, seed).items():
            against[name][measure] = found
    arms = tuple(
        ArmReport(name, assignments, phases, spreads[name], against[name], tuple(sorted(failed.get(name, ()))))
        for name, assignments, phases in described
    )
    return Report(
        question, names[0], arms, _interactions(measures, traces, seed), _curves(measures, traces, names, budget)
    )


def measured_by(report: Report, reference: Traces, dearest: Traces, floor: Sequence[float], rows: int) -> Report:
    """Return the report with its yardsticks.

    Arguments:
        report: of the arms on a table.
        reference: traces of the first arm.
        dearest: those of `evobnn.studies.compare.yardsticks.dearest`, of the same seeds; left out where there are none.
        floor: regrets of choosing by one score of each row.
        rows: how many these are.
    """
    measures = [name for name in report.arms[0].spreads if name not in COUNTS]
    both, names = {report.reference: reference, DEAREST: dearest}, (report.reference, DEAREST)
    seed = report.question["seeds"][0]
    versus = {name: found[DEAREST] for name in measures if (found := _versus(name, both, names, seed))}
    spreads = {name: spread(_finals(dearest, name)) for name in (*measures, *COUNTS)}
    row = ArmReport(DEAREST, (), ("nothing",), spreads, versus, ()) if dearest else None
    return replace(report, dearest=row, floor=spread(floor), rows=rows)


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles (linear between order statistics); NaN of no values."""
    if not values:
        return Spread(math.nan, math.nan, math.nan, 0)
    lower, median, upper = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return Spread(median, lower, upper, len(values))


def _everywhere(measure: str, traces: Mapping[str, Traces]) -> bool:
    found = [measure in trace.final for arm in traces.values() for trace in arm.values()]
    return bool(found) and all(found)


def _finals(traces: Traces, measure: str) -> list[float]:
    """Return the values at the end, by rising seed."""
    if measure == "epochs":
        return [float(traces[seed].epochs[-1]) for seed in sorted(traces)]
    return [traces[seed].final[measure] for seed in sorted(traces)]


def _paired(*arms: Traces) -> list[Traces]:
    """Return the arms with the seeds that all of them have."""
    common = sorted(set.intersection(*(set(arm) for arm in arms)))
    return [{seed: arm[seed] for seed in common} for arm in arms]


def _versus(measure: str, traces: Mapping[str, Traces], names: Sequence[str], seed: int) -> dict[str, Versus]:
    """Return every arm but the first against the first; those with fewer than two common seeds are left out."""
    found = {}
    for name in names[1:]:
        reference, arm = _paired(traces[names[0]], traces[name])
        if len(arm) < 2:
            continue
        x, y = _finals(arm, measure), _finals(reference, measure)
        rng = generator(seed, "compare", measure, name)
        test = signed_rank(x, y)
        better = a12_interval(*((y, x) if LESS[measure] else (x, y)), rng)
        found[name] = (test, _difference(x, y, rng), better)
    adjusted = holm([test.p for test, _, _ in found.values()]) if found else []
    return {
        name: Versus(test.n, test.zeros, difference, test.p, p, better, test.note)
        for (name, (test, difference, better)), p in zip(found.items(), adjusted, strict=True)
    }


def _difference(x: ArrayLike, y: ArrayLike, rng: Generator) -> Interval:
    return paired_t(x, y) if len(np.asarray(x)) < FEW else paired_difference(x, y, rng)


def _interactions(measures: Sequence[str], traces: Mapping[str, Traces], seed: int) -> tuple[Interaction, ...]:
    """Return the effects where topology, expressions and joint are there; all but neither at the end of the budget."""
    if not set(FACTORS) <= set(traces):
        return ()
    arms = [traces[name] for name in FACTORS]
    known = {
        "fixed": {at: trace.fixed for at, trace in traces["topology"].items()},
        "start": {at: trace.start for at, trace in traces["joint"].items()},
    }
    found = []
    for measure in measures:
        for name, scores in known.items():
            seeds = [at for at in sorted(set.intersection(*map(set, arms))) if measure in scores[at]]
            if len(seeds) >= 2:
                neither = [scores[at][measure] for at in seeds]
                first, second, both = (_finals({at: arm[at] for at in seeds}, measure) for arm in arms)
                rng = generator(seed, "compare", measure, "interaction", name)
                found.append(Interaction(measure, name, effects(neither, first, second, both, rng), len(seeds)))
    return tuple(found)


def effects(
    neither: Sequence[float], first: Sequence[float], second: Sequence[float], both: Sequence[float], rng: Generator
) -> Factorial:
    """Return the effects of two factors as `statistics.factorial` does, below 10 seeds with Student's intervals."""
    if len(both) >= FEW:
        return factorial(neither, first, second, both, rng)
    o, a, b, c = (np.asarray(scores, dtype=float) for scores in (neither, first, second, both))
    return Factorial(paired_t((a + c) / 2, (o + b) / 2), paired_t((b + c) / 2, (o + a) / 2), paired_t(c - b, a - o))


def _curves(
    measures: Sequence[str], traces: Mapping[str, Traces], names: Sequence[str], budget: int
) -> tuple[Mapping[str, Any], ...]:
    """Return median and quartiles of every arm from where all of its curves have begun to the budget."""
    found = []
    for measure in measures:
        for name in names:
            arm = [traces[name][seed] for seed in sorted(traces[name])]
            if not arm:
                continue
            first = max(trace.epochs[0] for trace in arm)
            grid = np.unique(np.linspace(first, max(first, budget), POINTS).round())
            curve = band([(trace.epochs, trace.curves[measure]) for trace in arm], grid)
            rows = {"epochs": curve.grid, "median": curve.median, "lower": curve.lower, "upper": curve.upper}
            found.append({"measure": measure, "arm": name, **{what: row.tolist() for what, row in rows.items()}})
    return tuple(found)
