"""Searches on a table in memory: milliseconds each, so that a claim about searches rests on hundreds of them.

A search is shown single columns of the table, those of its own seed; what it found is scored on the columns that it was
not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from evobnn.errors import SearchError
from evobnn.evaluation import Bench
from evobnn.evolution import Search
from evobnn.evolution.endings import SpaceExhausted
from evobnn.experiment.settings import Experiment, SpaceSettings
from evobnn.pareto import Axis
from evobnn.records import Evaluation, Request
from evobnn.runs.believed import believing
from evobnn.runs.on_table import (
    HELD_OUT,
    check_noise,
    check_same,
    load_table,
    look_up,
    recorded,
    table_bench,
)
from evobnn.runs.setup import make_search
from evobnn.studies.compare.account import EPOCHS, Account, Trace, prices_of
from evobnn.studies.compare.arms import Arm, assigned
from evobnn.studies.compare.phases import Start, run_phases, shared_start
from evobnn.tables import Table, TableEvaluator

_BENCHES = 32


@dataclass(frozen=True)
class TableJob:
    """Searches of one arm as they travel to a worker.

    Attributes:
        experiment: the base of all arms; `table` names the table.
        arm: what to run.
        seeds: one search for each.
        budget: of each, in the unit.
        unit: of the budget, see `evobnn.studies.compare.account.Prices`.
    """

    experiment: Experiment
    arm: Arm
    seeds: tuple[int, ...]
    budget: int
    unit: str = EPOCHS


def run_table_job(job: TableJob) -> list[tuple[int, Trace | str]]:
    """Return each seed with its trace, or with why there is none; the function that workers import."""
    found: list[tuple[int, Trace | str]] = []
    for seed in job.seeds:
        try:
            found.append((seed, arm_on_table(job.experiment, job.arm, seed, job.budget, job.unit)))
        except SearchError as error:
            found.append((seed, str(error)))
    return found


def arm_on_table(experiment: Experiment, arm: Arm, seed: int, budget: int, unit: str = EPOCHS) -> Trace:
    """Run an arm with a seed on the experiment's table and return the account; arguments as those of `TableJob`.

    Raises:
        ExperimentError: a table of another protocol or with too few columns, or a budget below one start population.
        SearchError: nothing of the first generation ended well, or the strategy cannot honour the experiment.
    """
    base = replace(experiment, seed=seed)
    table, whole = load_table(base.table), _bench(base)
    own = checked(assigned(base, arm))
    prices, believe = prices_of(own, unit), believing(own, whole.space)
    account = Account(base.objectives, _axes(whole), prices, _Unseen(table, seed), base.constraints, believe)

    def run(searched: Experiment, limit: float, part: str) -> None:
        _search(searched, table, limit, account)

    start = start_on_table(base, own.make_strategy().first)
    fixed = run_phases(arm, own, _bench, start, budget, account, run)
    return _with_regret(account.trace(fixed), best_known(table))


def checked(experiment: Experiment) -> Experiment:
    """Return the experiment if its table can answer it.

    Raises:
        ExperimentError: a table of another protocol, or one with too few columns for the repeats asked for: one of
            every row is to stay unseen.
    """
    table = load_table(experiment.table)
    check_same(experiment, table)
    check_noise(experiment, table)
    return experiment


def start_on_table(experiment: Experiment, count: int) -> Start:
    """Return the shared start of the experiment's seed."""
    return shared_start(experiment, _bench(experiment), count)


def _search(experiment: Experiment, table: Table, limit: float, account: Account) -> None:
    """Search until the next generation would exceed the limit of the budget, or nothing is left."""
    search: Search = make_search(experiment, _bench(experiment))
    answer = look_up(experiment, table)
    strategy = search.strategy
    while True:
        try:
            asked = search.ask()
        except SpaceExhausted:
            if search.generation < 0:
                raise
            return
        results = experiment.halving.climbed(asked, experiment.objectives, partial(_measured, answer, asked))
        if account.spent + account.cost(results, strategy) > limit:
            return
        account.take(results, strategy)
        search.tell(results)


def _measured(answer: TableEvaluator, asked: Sequence[Request], wanted: Mapping[int, int]) -> dict[int, Evaluation]:
    """Return what the table says of those that are wanted, each at its rung."""
    return {at: answer.evaluation(asked[at], rung) for at, rung in wanted.items()}


def _bench(experiment: Experiment) -> Bench:
    """Return the bench of an experiment on its table, kept for the next search of the same space."""
    fingerprint = load_table(experiment.table).fingerprint
    return _kept_bench(experiment.table, fingerprint, experiment.space, experiment.objectives)


@lru_cache(maxsize=_BENCHES)
def _kept_bench(name: str, fingerprint: str, space: SpaceSettings, objectives: tuple[str, ...]) -> Bench:
    table = load_table(name)
    return table_bench(replace(recorded(table), space=space, objectives=objectives), table)


def _axes(bench: Bench) -> tuple[Axis, ...]:
    return tuple(Axis(name, *bounds) for name, bounds in bench.axes().items())


class _Unseen:
    """The mean error of a key over the columns that a search with this seed was not shown."""

    def __init__(self, table: Table, seed: int) -> None:
        self._table, self._seed = table, seed
        self._known: dict[tuple[str, int], float] = {}

    def __call__(self, key: str, count: int) -> float:
        shown = min(count, len(self._table.row(key).errors) - HELD_OUT)
        if (key, shown) not in self._known:
            seen = self._table.seen(self._seed, key, shown)
            self._known[key, shown] = self._table.unseen_mean(key, seen)
        return self._known[key, shown]


def best_known(table: Table) -> float:
    """Return the mean error, in [0, 1], of a table's best genome among those with the most columns."""
    return table.best_mean(max((len(row.errors) for row in table.rows.values()), default=1))


def _with_regret(trace: Trace, best: float) -> Trace:
    """Return the trace with the regret in place of the error: the error less that of the table's best genome."""

    def changed(values: Mapping[str, float]) -> dict[str, float]:
        rest = {name: value for name, value in values.items() if name != "error"}
        return {"regret": values["error"] - best, **rest} if values else {}

    rest = {name: values for name, values in trace.curves.items() if name != "error"}
    curves = {"regret": tuple(value - best for value in trace.curves["error"]), **rest}
    return replace(
        trace,
        curves=curves,
        final=changed(trace.final),
        start=changed(trace.start),
        fixed=changed(trace.fixed),
    )
