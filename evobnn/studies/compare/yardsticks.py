"""What a comparison on a table is held against: the dearest networks, which need no search, and the floor, which is
what a choice by single scores comes to once everything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from evobnn._seeding import generator
from evobnn.evolution import STRATEGIES
from evobnn.experiment.settings import Experiment
from evobnn.genome import X
from evobnn.records import Individual, Request, Status
from evobnn.runs.on_table import load_table, look_up
from evobnn.runs.setup import constraints_of
from evobnn.spaces import Space, key
from evobnn.studies.compare.account import EPOCHS, Trace, prices_of
from evobnn.studies.compare.on_table import account_on_table, bench_on_table, with_regret
from evobnn.tables import Row, Table

DRAWS = 1000
"""Choices of which the floor is the median."""


def dearest(experiment: Experiment, seeds: Sequence[int], budget: int, unit: str = EPOCHS) -> dict[int, Trace]:
    """Return by seed the account of no search: of networks with the plain sign everywhere, those with the most
    operations are trained once each, as many as the budget allows. Nothing where it allows none that can be trained.

    Arguments:
        experiment: the base of a comparison on a table.
        seeds: each decides which columns are shown, as in a search.
        budget: in the unit, as of every search.
        unit: of the budget, see `evobnn.studies.compare.account.Prices`.
    """
    table, bench = load_table(experiment.table), bench_on_table(experiment)
    refused, prices = constraints_of(experiment, bench).refused, prices_of(experiment, unit)
    rows = [row for row in plain_rows(table, bench.space) if not refused(bench.space.parse(row.genome))]
    rows = rows[: int(budget // prices.each)]
    requests = [Request(Individual(number, row.genome, row.key, 0)) for number, row in enumerate(rows)]
    found: dict[int, Trace] = {}
    for seed in seeds if any(row.errors for row in rows) else ():
        seeded = replace(experiment, seed=seed)
        account = account_on_table(seeded, prices)
        account.take(look_up(seeded, table)(requests), STRATEGIES["random"]())
        found[seed] = with_regret(account.trace(), table.best_known)
    return found


def plain_rows(table: Table, space: Space) -> list[Row]:
    """Return the rows with the plain sign at every searched site, those with the most operations first; what the table
    knows to be invalid is left out.
    """
    found = dict.fromkeys(_plain_keys(table, space))
    rows = [row for name in found if (row := table.rows.get(name)) and row.status is not Status.INVALID]
    return sorted(rows, key=lambda row: (-row.ops, row.key))


def _plain_keys(table: Table, space: Space) -> Iterator[str]:
    """Yield the key of every row's cells with the plain sign, parts that are not searched in place."""
    texts = dict.fromkeys(row.genome.partition("@")[0] for row in table.rows.values())
    for text in texts:
        sites = " ".join(f"@{site} = {X}" for site in space.free_sites)
        genome = space.parse(f"{text} {sites}")
        yield key(space, space.completed({**genome.cell_by_kind, **space.frozen.cell_by_kind}, X))


def floor(table: Table) -> tuple[float, ...]:
    """Return regrets of choosing over the whole table at once by one score of each row, drawn anew each time: the least
    one, of equals that of the cheapest, then the first.
    """
    rows = [row for row in table.rows.values() if row.errors]
    rng = generator(0, "compare", "floor")
    counts = np.array([len(row.errors) for row in rows])
    errors = np.full((len(rows), counts.max()), math.inf)
    for at, row in enumerate(rows):
        errors[at, : len(row.errors)] = row.errors
    ops = np.array([row.ops for row in rows])
    found = []
    for _ in range(DRAWS):
        columns = rng.integers(counts)
        shown = errors[np.arange(len(rows)), columns]
        best = np.flatnonzero(shown == shown.min())
        at = int(best[np.argmin(ops[best])])
        found.append(table.unseen_mean(rows[at].key, frozenset([int(columns[at])])) - table.best_known)
    return tuple(found)


def trained_rows(table: Table) -> int:
    """Return how many rows of a table have a score."""
    return sum(bool(row.errors) for row in table.rows.values())
