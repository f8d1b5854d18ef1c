"""Searches on a table in memory: milliseconds each, so that a claim about searches rests on hundreds of them.

A search is shown single columns of the table, those of its own seed; what it found is scored on the columns that it was
not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import accumulate
from typing import Any

from evobnn.errors import ExperimentError, SearchError, message
from evobnn.evaluation import Bench
from evobnn.evolution import Search, Strategy
from evobnn.evolution.endings import SpaceExhausted
from evobnn.evolution.halving import check_halving
from evobnn.experiment.settings import Experiment, SpaceSettings
from evobnn.pareto import Axis
from evobnn.records import Evaluation, Request, Result
from evobnn.runs.believed import Believe, believing
from evobnn.runs.on_table import (
    HELD_OUT,
    check_noise,
    check_same,
    load_table,
    look_up,
    recorded,
    table_bench,
)
from evobnn.runs.setup import constraints_of, infeasible_by, make_search
from evobnn.studies.compare.account import EPOCHS, Account, Prices, Trace, prices_of
from evobnn.studies.compare.arms import Arm, assigned
from evobnn.studies.compare.peers import PEERS, Peer, PeerSearch
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
        own: strategies by name beside the built-in ones.
    """

    experiment: Experiment
    arm: Arm
    seeds: tuple[int, ...]
    budget: int
    unit: str = EPOCHS
    own: Mapping[str, Any] = field(default_factory=lambda: dict(PEERS))


def run_table_job(job: TableJob) -> list[tuple[int, Trace | str]]:
    """Return each seed with its trace, or with why there is none; the function that workers import."""
    found: list[tuple[int, Trace | str]] = []
    for seed in job.seeds:
        try:
            found.append((seed, arm_on_table(job.experiment, job.arm, seed, job.budget, job.unit, job.own)))
        except SearchError as error:
            found.append((seed, str(error)))
    return found


def arm_on_table(
    experiment: Experiment, arm: Arm, seed: int, budget: int, unit: str = EPOCHS, own: Mapping[str, Any] = PEERS
) -> Trace:
    """Run an arm with a seed on the experiment's table and return the account; arguments as those of `TableJob`.

    Raises:
        ExperimentError: a table of another protocol or with too few columns, or a budget below one start population.
        SearchError: nothing of the first generation ended well, or the strategy cannot honour the experiment.
    """
    base = replace(experiment, seed=seed)
    table, searched = load_table(base.table), checked(assigned(base, arm), own)
    believe = believing(searched, bench_on_table(base).space)
    account = account_on_table(base, prices_of(searched, unit), believe)

    def run(part: Experiment, limit: float, name: str) -> None:
        _search(part, table, limit, account, own)

    start = start_on_table(base, searched.make_strategy(own).first)
    fixed = run_phases(arm, searched, bench_on_table, start, budget, account, run, own)
    return with_regret(account.trace(fixed), table.best_known)


def account_on_table(experiment: Experiment, prices: Prices, believe: Believe | None = None) -> Account:
    """Return an account of a search with the experiment's seed, scored on the columns that this is not shown, and
    named by what is believed, if so.
    """
    axes = [Axis(name, *bounds) for name, bounds in bench_on_table(experiment).axes().items()]
    unseen = _Unseen(load_table(experiment.table), experiment.seed)
    return Account(experiment.objectives, axes, prices, unseen, experiment.constraints, believe)


def checked(experiment: Experiment, own: Mapping[str, Any] = PEERS) -> Experiment:
    """Return the experiment if its table can answer it.

    Raises:
        ExperimentError: a table of another protocol, or one with too few columns for the repeats asked for: one of
            every row is to stay unseen.
    """
    table = load_table(experiment.table)
    check_same(experiment, table)
    check_noise(experiment, table, own)
    return experiment


def start_on_table(experiment: Experiment, count: int) -> Start:
    """Return the shared start of the experiment's seed."""
    return shared_start(experiment, bench_on_table(experiment), count)


def search_on_table(experiment: Experiment, bench: Bench, own: Mapping[str, Any] = PEERS) -> Search | PeerSearch:
    """Return the search of an experiment on its table; `own` holds strategies by name beside the built-in ones.

    Raises:
        EvobnnError: the strategy cannot honour the experiment.
    """
    strategy = experiment.make_strategy(own)
    if not isinstance(strategy, Peer):
        return make_search(experiment, bench, own)
    if experiment.pressures:
        got, do = ", ".join(experiment.pressures), "Leave it out, or leave the pressures out with --set pressures={}."
        raise ExperimentError(message(f"no pressures on {experiment.strategy['name']}", got, do))
    if experiment.halving:
        check_halving(strategy)
    return PeerSearch(
        bench.space,
        strategy,
        experiment.objectives,
        experiment.seed,
        worst=[high for _, high, _ in bench.axes().values()],
        feasible=infeasible_by(experiment, bench),
        bounded=constraints_of(experiment, bench).refused,
        starters=[bench.space.parse(text) for text in experiment.start.genomes],
    )


def _search(experiment: Experiment, table: Table, limit: float, account: Account, own: Mapping[str, Any]) -> None:
    """Search until the limit of the budget is reached, or nothing is left. Of a last generation that would exceed it
    the first trainings count, as many as there is room for; with halving they hang on each other, and none does.
    """
    search = search_on_table(experiment, bench_on_table(experiment), own)
    answer = look_up(experiment, table, own)
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
            within = [] if experiment.halving else _within(results, limit - account.spent, account, strategy)
            if within and search.generation >= 0:
                account.take(within, strategy)
            return
        account.take(results, strategy)
        search.tell(results)


def _within(results: Sequence[Result], room: float, account: Account, strategy: Strategy) -> list[Result]:
    """Return the first of the results, as many as cost no more than there is room for."""
    costs = accumulate(account.cost([one], strategy) for one in results)
    return [one for one, cost in zip(results, costs, strict=True) if cost <= room]


def _measured(answer: TableEvaluator, asked: Sequence[Request], wanted: Mapping[int, int]) -> dict[int, Evaluation]:
    """Return what the table says of those that are wanted, each at its rung."""
    return {at: answer.evaluation(asked[at], rung) for at, rung in wanted.items()}


def bench_on_table(experiment: Experiment) -> Bench:
    """Return the bench of an experiment on its table, kept for the next search of the same space."""
    fingerprint = load_table(experiment.table).fingerprint
    return _kept_bench(experiment.table, fingerprint, experiment.space, experiment.objectives)


@lru_cache(maxsize=_BENCHES)
def _kept_bench(name: str, fingerprint: str, space: SpaceSettings, objectives: tuple[str, ...]) -> Bench:
    table = load_table(name)
    return table_bench(replace(recorded(table), space=space, objectives=objectives), table)


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


def with_regret(trace: Trace, best: float) -> Trace:
    """Return the trace with the regret in place of the error: the error less that of the table's best known genome."""

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
