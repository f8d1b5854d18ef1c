"""What a table of recorded trainings says about its genomes: the best, how sure that is, and how well a second table
agrees.

The contenders are the rows with more trainings than the others; they were chosen by the first trainings, so only the
later ones, which had no part in the choice, are looked at here. A table without contenders is ordered by all of its
trainings, and nothing is compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from evobnn._seeding import generator
from evobnn.errors import ExperimentError, message
from evobnn.runs.on_table import space_of
from evobnn.spaces import key
from evobnn.studies.statistics import Comparison, Interval, against_baseline, candidates_for_best, kendall, spearman
from evobnn.tables import Row, Table

LEAST = 6
"""Genomes in common below which two tables are not compared."""


@dataclass(frozen=True)
class Ranked:
    """One contender.

    Attributes:
        row: of the table.
        mean, deviation: of its error over the later trainings, `n` of them.
        against: its comparison with the baseline.
        may_be_best: it belongs to the set that holds the truly best contender in 95 % of all experiments.
    """

    row: Row
    mean: float
    deviation: float
    n: int
    against: Comparison
    may_be_best: bool


@dataclass(frozen=True)
class Ranking:
    """The contenders of a table, best first.

    Attributes:
        table: its name.
        rows: all rows, `invalid` and otherwise failed ones among them by number.
        invalid, failed: how many rows were never trained, or failed in training.
        first: trainings of every row, by which the contenders were chosen.
        contenders: see `Ranked`.
        baseline: the row compared with, and its mean.
        indistinguishable: contenders that do not differ from the baseline after Holm's correction.
        better: contenders that are better than the baseline after it.
    """

    table: str
    rows: int
    invalid: int
    failed: int
    first: int
    contenders: tuple[Ranked, ...]
    baseline: Row
    baseline_mean: float
    indistinguishable: int
    better: int


@dataclass(frozen=True)
class Placed:
    """A row, the mean of its error over all `n` trainings and their standard deviation, None for a single one."""

    row: Row
    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Order:
    """The trained rows of a table, the least mean error first; the least of many means flatters itself.

    Attributes:
        table: its name.
        rows: all rows, `invalid` and otherwise failed ones among them by number.
        invalid, failed: how many rows were never trained, or failed in training.
        placed: see `Placed`.
    """

    table: str
    rows: int
    invalid: int
    failed: int
    placed: tuple[Placed, ...]


def order(table: Table) -> Order:
    """Return the trained rows of a table by the mean over all of their trainings."""
    placed = []
    for row in table.rows.values():
        if row.errors:
            values = np.array(row.errors, float)
            deviation = float(values.std(ddof=1)) / table.images if len(values) > 1 else None
            placed.append(Placed(row, float(values.mean()) / table.images, deviation, len(values)))
    return Order(
        table.name, len(table.rows), *_untrained(table), tuple(sorted(placed, key=lambda one: (one.mean, one.row.key)))
    )


def has_contenders(table: Table) -> bool:
    """Tell whether some rows have more trainings than the others, so that `ranking` can compare them."""
    return bool(_contenders(table)[1])


def _contenders(table: Table) -> tuple[int, list[Row]]:
    """Return how many trainings every row has, and the rows with at least two more."""
    return table.first, [row for row in table.rows.values() if table.first and len(row.errors) >= table.first + 2]


def _untrained(table: Table) -> tuple[int, int]:
    """Return how many rows were never trained, and how many failed in training."""
    statuses = [str(row.status) for row in table.rows.values()]
    return statuses.count("invalid"), sum(status not in ("ok", "invalid") for status in statuses)


def ranking(table: Table, baseline: str) -> Ranking:
    """Return the contenders of a table and how they compare with a baseline.

    Arguments:
        table: with rows of more trainings than the others.
        baseline: genome as text; has to be a contender or to have as many trainings.

    Raises:
        ExperimentError: the table has no contenders, or the baseline is not among its rows.
    """
    space = space_of(table)
    first, contenders = _contenders(table)
    if not contenders:
        raise ExperimentError(
            message("rows with more trainings than the others", f"{first} of every row in {table.name}",
                    "Leave --baseline out, or take a table that trains its best more often.")
        )  # fmt: skip
    name = key(space, space.parse(baseline))
    plain = table.rows.get(name)
    if plain is None or len(plain.errors) < first + 2:
        raise ExperimentError(
            message(
                f"a baseline with {first + 2} or more trainings in {table.name}",
                f"{baseline} with {len(plain.errors) if plain else 0}",
                "Name another.",
            )
        )
    # In wrong images, whole numbers: rounded shares of equal counts would differ by a little that tests take seriously.
    scores = {row.key: np.array(row.errors[first:], float) for row in contenders if row.key != plain.key}
    own = np.array(plain.errors[first:], float)
    compared = {one.name: _as_share(one, table.images) for one in against_baseline(scores, own)}
    itself = Comparison(plain.key, len(own), 0.0, 0.0, 0.0, 1.0, 1.0, False)
    compared[plain.key] = itself
    scores[plain.key] = own
    best = set(candidates_for_best(scores))
    ranked = [
        Ranked(
            table.rows[name],
            float(values.mean()) / table.images,
            float(values.std(ddof=1)) / table.images,
            len(values),
            compared[name],
            name in best,
        )
        for name, values in scores.items()
    ]
    return Ranking(
        table.name,
        len(table.rows),
        *_untrained(table),
        first,
        tuple(sorted(ranked, key=lambda one: (one.mean, one.row.key))),
        plain,
        float(own.mean()) / table.images,
        sum(not one.differs for one in compared.values()) - 1,
        sum(one.differs and one.difference < 0 for one in compared.values()),
    )


def _as_share(one: Comparison, images: int) -> Comparison:
    """Return a comparison of numbers of wrong images as one of errors in [0, 1]."""
    return replace(one, difference=one.difference / images, low=one.low / images, high=one.high / images)


@dataclass(frozen=True)
class Agreement:
    """How two tables order the genomes that both hold: `n` of them, and those in the better half of the first."""

    n: int
    spearman: float
    kendall: Interval
    better_half: Interval


def agreement(one: Table, other: Table) -> Agreement:
    """Return the rank correlations of the mean errors over the genomes that both tables trained.

    Genomes that do not learn at all make a correlation large; the better half says whether the good are told apart.

    Raises:
        EvobnnError: fewer than 6 genomes in common, so 3 in the half, or the same error for all of them.
    """
    shared = [name for name, row in one.rows.items() if row.errors and (found := other.rows.get(name)) and found.errors]
    if len(shared) < LEAST:
        raise ExperimentError(
            message(
                f"at least {LEAST} genomes in both {one.name} and {other.name}",
                str(len(shared)),
                "Take tables of one space.",
            )
        )
    x, y = (np.array([fmean(table.rows[name].errors) for name in shared]) for table in (one, other))
    half = x <= np.median(x)
    rng = generator(0, "agreement")
    return Agreement(len(shared), spearman(x, y), kendall(x, y, rng), kendall(x[half], y[half], rng))
