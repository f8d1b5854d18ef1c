"""Searches on a table: the account by hand, what is shown and what scores, budgets, phases and shared starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.analysis import Axis, hypervolume
from evobnn.errors import EvobnnError, ExperimentError, SearchError
from evobnn.evolution import STRATEGIES
from evobnn.experiment.settings import Experiment
from evobnn.genome import parse_genome
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.runs.on_table import load_table, table_bench
from evobnn.spaces import key
from evobnn.studies.compare import phases
from evobnn.studies.compare.account import Account, Prices
from evobnn.studies.compare.arms import PARTS, VARIANTS, Arm, Phase, assigned
from evobnn.studies.compare.on_table import arm_on_table, start_on_table
from evobnn.studies.compare.phases import Start, begun, fitted, frozen, run_phases, shared_start
from evobnn.tables import Table, write_table
from tests.studies.toytable import IMAGES, SETTINGS, search_on_table, toy_table

AXES = (Axis("error", 0.0, 1.0), Axis("ops", 1.0, 100.0, "log10"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Table]:
    return toy_table(tmp_path_factory.mktemp("tables"))


@pytest.fixture
def changed(toy: tuple[Experiment, Table], tmp_path: Path) -> Callable[[Table], Experiment]:
    """Return a function that writes a table and gives the experiment that searches it."""

    def write(table: Table) -> Experiment:
        write_table(tmp_path / "table.jsonl", table)
        return replace(toy[0], table=str(tmp_path))

    return write


# --- The account ----------------------------------------------------------------------------------------------------


def result(key: str, error: float, ops: float = 10.0, repeat: int = 0, twin: bool = False) -> Result:
    evaluation = Evaluation(Status.OK, {"error": error, "ops": ops})
    return Result(Request(Individual(0, f"@net = {key}", key, 0), repeat, twin), evaluation)


def failed(key: str, status: Status, repeat: int = 0) -> Result:
    return Result(Request(Individual(0, f"@net = {key}", key, 0), repeat), Evaluation(status, message="no"))


def test_an_account_by_hand():
    strategy = STRATEGIES["nsga2"]()
    account = Account(("error", "ops"), AXES, Prices(3))
    first = [result("a", 0.5), result("b", 0.2, 100.0), failed("c", Status.INVALID), failed("d", Status.DIVERGED)]
    assert account.cost(first, strategy) == 9
    account.take(first, strategy)
    assert (account.epochs, sorted(account.front())) == (9, ["a", "b"])
    account.take([result("a", 0.3, repeat=1), result("b", 0.2, 100.0), result("e", 0.35, twin=True)], strategy)
    # a again, e and its twin; what b tells is paid already.
    assert account.epochs == 9 + 3 * 3
    assert account.best(account.front()) == "b"
    trace = account.trace("e")
    assert trace.epochs == (9, 18)
    assert trace.curves["error"] == (0.2, 0.2)
    assert trace.curves["repeated"] == (0, 1)
    assert trace.curves["invalid"] == (0, 0)
    assert trace.curves["hypervolume"] == (
        pytest.approx(0.5 * 0.5),  # a covers the cheaper half down to 0.5; b lies on the edge of the box
        pytest.approx(0.5 * (1 - 0.35)),  # a is 0.4 in mean, and e dominates it
    )
    assert trace.fixed == {"error": 0.35, "hypervolume": pytest.approx(0.5 * 0.65)}
    assert trace.best == "@net = b"


def test_what_published_code_wastes_is_counted():
    strategy = STRATEGIES["gaaf"](forgets=True, unfiltered=True)
    account = Account(("error", "ops"), AXES, Prices(2))
    account.take([failed("c", Status.INVALID), result("a", 0.5), result("b", 0.4)], strategy)
    account.take([failed("c", Status.INVALID, 1), result("a", 0.1, repeat=1)], strategy)
    trace = account.trace()
    assert trace.epochs == (6, 10)
    assert (trace.final["invalid"], trace.final["repeated"]) == (2, 2)
    assert trace.final["error"] == 0.1  # the last score of a counts, not the mean
    assert trace.fixed == {}


def test_the_best_of_equals_is_the_cheapest_then_the_most_measured():
    strategy = STRATEGIES["nsga2"]()
    account = Account(("error", "ops"), AXES, Prices(1))
    account.take([result("dear", 0.2, 50.0), result("first", 0.2, 20.0), result("often", 0.2, 20.0)], strategy)
    assert account.best(account.front()) == "first"
    account.take([result("often", 0.2, 20.0, repeat=1)], strategy)
    assert account.best(account.front()) == "often"


def test_fresh_scores_take_the_place_of_what_the_search_saw():
    account = Account(("error", "ops"), AXES, Prices(1), lambda key, n: {"lucky": 0.6, "solid": 0.3}[key] + 0.01 * n)
    account.take([result("lucky", 0.1), result("solid", 0.25, 1.0)], STRATEGIES["nsga2"]())
    trace = account.trace()
    assert trace.final["error"] == pytest.approx(0.61)  # lucky was chosen by what was seen
    assert trace.final["hypervolume"] == pytest.approx(1 - 0.31)


def test_front_and_best_are_named_by_what_is_believed_and_scored_by_what_was_seen():
    told: list[dict[str, list[float]]] = []

    def believe(seen):
        told.append({name: list(row) for name, row in seen.items()})
        return {"@net = lucky": 0.3, "@net = solid": 0.2, "@net = dear": 0.4}

    account = Account(("error", "ops"), AXES, Prices(1), believe=believe)
    strategy = STRATEGIES["nsga2"]()
    account.take([result("lucky", 0.1), result("solid", 0.25), result("dear", 0.2, 50.0)], strategy)
    account.take([result("solid", 0.35, repeat=1), failed("dear", Status.DIVERGED, 1)], strategy)
    assert account.front() == ["solid"] and account.best(["lucky", "solid"]) == "solid"
    assert told == [
        {"@net = lucky": [0.1], "@net = solid": [0.25], "@net = dear": [0.2]},
        {"@net = lucky": [0.1], "@net = solid": [0.25, 0.35]},
    ]
    assert account.trace().curves["error"] == (0.25, pytest.approx(0.3))


def test_a_model_names_in_a_search_on_a_table(toy: tuple[Experiment, Table]):
    experiment, _ = toy
    named = replace(experiment, choose="model")
    traces = [search_on_table(named, 2, 100) for _ in range(2)]
    assert traces[0] == traces[1]
    assert traces[0].epochs == search_on_table(experiment, 2, 100).epochs
    assert traces[0].curves["regret"] != search_on_table(experiment, 2, 100).curves["regret"]


# --- Shown and unseen -----------------------------------------------------------------------------------------------


def test_one_seed_is_one_search_and_the_budget_is_kept(toy: tuple[Experiment, Table]):
    experiment, _ = toy
    traces = {seed: search_on_table(experiment, seed, 100) for seed in range(4)}
    assert search_on_table(experiment, 2, 100) == traces[2]
    assert len({trace.curves["regret"] for trace in traces.values()}) > 1
    for trace in traces.values():
        assert trace.epochs == (*range(12, 97, 12), 100)  # six trainings of two epochs, and two of the last six
        assert trace.final["regret"] == trace.curves["regret"][-1]
        assert trace.start["hypervolume"] == trace.curves["hypervolume"][0]


@pytest.mark.parametrize("name", ["nsga2", "random", "surrogate", "aging"])
def test_exactly_as_many_evaluations_as_asked_for_are_made(name: str, toy: tuple[Experiment, Table]):
    experiment = replace(toy[0], strategy={"name": name, "population": 6})
    for budget in (6, 11, 20):
        trace = arm_on_table(experiment, Arm(name), 1, budget, "evaluations")
        assert trace.epochs[-1] == 2 * budget
    longer = arm_on_table(experiment, Arm(name), 1, 30, "evaluations")
    assert longer.curves["regret"][:2] == trace.curves["regret"][:2]


def test_regret_and_hypervolume_are_those_of_unseen_columns(toy: tuple[Experiment, Table]):
    experiment, table = toy
    noise, begin = replace(experiment.noise, repeats=1), replace(experiment.start, anchors=False)
    once = replace(experiment, strategy={"name": "random", "population": 10}, noise=noise, start=begin)
    bench = table_bench(once, table)
    axes = [Axis(name, *bounds) for name, bounds in bench.axes().items()]
    compared = 0
    for seed in range(5):
        trace = search_on_table(once, seed, 20)
        start = start_on_table(replace(once, seed=seed), 10)
        keys = [key(bench.space, genome) for genome, reason in start.drawn if not reason]
        assert len(keys) == 10
        seen = {who: table.value(who, table.order(seed, who)[0]) for who in keys}
        ops = {who: table.row(who).ops for who in keys}
        best = min(keys, key=lambda who: (seen[who], ops[who]))
        assert key(bench.space, bench.space.parse(trace.best)) == best
        afresh = {who: table.unseen_mean(who, table.seen(seed, who, 1)) for who in keys}
        assert trace.final["regret"] == pytest.approx(afresh[best] - table.best_known)
        front = [a for a in keys if not any(seen[b] <= seen[a] and ops[b] <= ops[a] and b != a for b in keys)]
        volume = hypervolume([[afresh[who], ops[who]] for who in front], axes)
        assert trace.final["hypervolume"] == pytest.approx(volume)
        compared += len(front)
    assert compared > 5


def test_what_is_held_out_plays_no_part_in_the_search(
    toy: tuple[Experiment, Table], changed: Callable[[Table], Experiment]
):
    experiment, table = toy
    experiment = replace(experiment, noise=replace(experiment.noise, repeats=2))
    before = search_on_table(experiment, 7, 96)
    rows = {}
    for who, row in table.rows.items():
        hidden = table.order(7, who)[-1] if row.errors else 0
        wrong = tuple(IMAGES if at == hidden else count for at, count in enumerate(row.errors))
        rows[who] = replace(row, errors=wrong)
    other = changed(replace(table, rows=rows))
    after = search_on_table(replace(other, noise=experiment.noise), 7, 96)
    error = after.final["regret"] + load_table(other.table).best_known
    assert (after.best, after.epochs) == (before.best, before.epochs)
    assert after.final["repeated"] == before.final["repeated"] > 0
    assert error > before.final["regret"] + table.best_known + 0.1


def test_regret_is_against_the_best_of_those_with_the_most_columns(toy: tuple[Experiment, Table]):
    _, table = toy
    some = [row for row in table.rows.values() if row.errors][:3]
    wrong = [(10, 10, 10), (20, 20), (1, 1)]
    rows = {row.key: replace(row, errors=errors, parent=()) for row, errors in zip(some, wrong, strict=True)}
    assert replace(table, rows=rows).best_known == 10 / IMAGES


def test_an_exhausted_space_ends_a_search_before_its_budget(toy: tuple[Experiment, Table]):
    experiment, table = toy
    space = replace(experiment.space, freeze="normal[2 = conv3(0) + conv3(1); 3 = conv3(0) + zero(1)]")
    given = replace(experiment, noise=replace(experiment.noise, repeats=1), space=space)
    trace = search_on_table(given, 0, 1000)
    bench = table_bench(given, table)
    rng = np.random.default_rng(0)
    keys = {key(bench.space, bench.space.sample(rng)) for _ in range(300)}
    trained = [who for who in keys if table.row(who).errors]
    assert len(trained) == 5
    assert trace.epochs[-1] == 2 * len(trained)
    assert trace.final["regret"] >= 0.0


@pytest.mark.parametrize("name", [*STRATEGIES, *VARIANTS])
def test_every_strategy_is_an_arm(toy: tuple[Experiment, Table], name: str):
    arm = VARIANTS.get(name) or Arm(name, (f"strategy.name={name}",))
    trace = arm_on_table(toy[0], arm, 5, 160)
    assert 100 < trace.epochs[-1] <= 160
    assert -0.2 < trace.final["regret"] < 0.5
    assert 0.0 < trace.final["hypervolume"] < 1.0
    assert (trace.final["invalid"] > 0) == (name == "gaaf-published")
    if name == "gaaf-archive":
        assert trace.final["repeated"] == 0


@pytest.mark.parametrize("name", ["diversity", "temperature"])
def test_pressures_are_arms(toy: tuple[Experiment, Table], name: str):
    trace = arm_on_table(toy[0], Arm(name, (f"pressures.{name}={{}}",)), 5, 160)
    assert trace.epochs == (*range(12, 157, 12), 160)


def test_twins_are_paid_for_within_the_budget(tmp_path: Path):
    space = {**SETTINGS["space"], "nodes": 1, "offered": ["zero", "max3", "conv3"]}
    experiment, _ = toy_table(tmp_path, space=space)
    trace = arm_on_table(experiment, Arm("abandonment", ("pressures.abandonment={}",)), 5, 54)
    assert trace.epochs == (12, 30, 42, 54)  # the block of generation 1: three genomes with their twins


@pytest.mark.parametrize(
    ("attempt", "error", "told"),
    [
        (lambda e: search_on_table(e, 0, 11), ExperimentError, "at least one start population, 6 trainings, got 5"),
        (lambda e: search_on_table(replace(e, recipe=replace(e.recipe, epochs=9)), 0, 99), ExperimentError, "epochs"),
        (lambda e: search_on_table(replace(e, noise=replace(e.noise, repeats=3, rescore=1)), 0, 99), ExperimentError,
         "noise.repeats of at most 2"),
        (lambda e: search_on_table(replace(e, objectives=("error",), strategy={"name": "opsbins"}), 0, 99), SearchError,
         "error and ops among the objectives"),
    ],
)  # fmt: skip
def test_bad_questions(toy: tuple[Experiment, Table], attempt: Callable[[Experiment], object], error: type, told: str):
    with pytest.raises(error, match=told):
        attempt(toy[0])


# --- Shared starts --------------------------------------------------------------------------------------------------


def test_all_arms_begin_with_the_same_genomes(toy: tuple[Experiment, Table]):
    experiment, table = toy
    whole = table_bench(experiment, table)
    more, few = start_on_table(experiment, 12), start_on_table(experiment, 5)
    assert more.drawn[: len(few.drawn)] == few.drawn
    assert sum(not reason for _, reason in few.drawn) == 5
    assert any(reason for _, reason in more.drawn)
    assert start_on_table(replace(experiment, seed=4), 5).drawn != few.drawn
    own = begun(experiment, whole.space, few)
    assert own.start.genomes == tuple(map(str, [*few.given, *(g for g, reason in few.drawn if not reason)]))
    assert not own.start.anchors
    wild = begun(assigned(experiment, VARIANTS["gaaf-published"]), whole.space, few)
    assert wild.start.genomes == tuple(dict.fromkeys(map(str, [*few.given, *(g for g, _ in few.drawn)])))
    plain = frozen(experiment, whole.space, "expressions", None)
    adapted = begun(plain, table_bench(plain, table).space, few)
    assert {text.partition("@")[2] for text in adapted.start.genomes} == {"net = x"}
    assert {text.partition("@")[0] for text in adapted.start.genomes} == {
        t.partition("@")[0] for t in own.start.genomes
    }


def test_a_start_without_feasible_genomes_is_told(toy: tuple[Experiment, Table], monkeypatch: pytest.MonkeyPatch):
    experiment, table = toy
    monkeypatch.setattr(phases, "infeasible_by", lambda *given: lambda genome: "too dear")
    with pytest.raises(ExperimentError, match=r"feasible genomes in the space joint, got none in 2000 draws.*too dear"):
        shared_start(experiment, table_bench(experiment, table), 1)


# --- Phases ---------------------------------------------------------------------------------------------------------


class Spent:
    """A stand-in for searching: notes what it is to do, spends all it may and reports the results it was given."""

    def __init__(self, experiment: Experiment, account: Account, results: list[Result], share: float = 1.0) -> None:
        self.account, self.results, self.share = account, results, share
        self.strategy = experiment.make_strategy()
        self.calls: list[tuple[str, int, str, int]] = []

    def __call__(self, experiment: Experiment, limit: int, part: str) -> None:
        population = int(experiment.strategy["population"])
        self.calls.append((experiment.space.freeze, limit - self.account.spent, part, population))
        self.account.take(self.results, self.strategy)
        self.results = []
        self.account.spent += round((limit - self.account.spent) * self.share)


def run_arm(toy: tuple[Experiment, Table], arm: Arm, keys: int, share: float = 1.0) -> tuple[Spent, Start, str]:
    """Run an arm with a budget of 240 epochs on a search whose front has so many of the table's topologies."""
    experiment, table = toy
    rows = {row.genome.partition("@")[0]: row for row in table.rows.values() if row.errors}
    found = []
    for place, row in enumerate(list(rows.values())[:keys]):
        evaluation = Evaluation(Status.OK, {"error": 0.5 - place / 100, "ops": 10.0 + place})
        found.append(Result(Request(Individual(place, row.genome, row.key, 0)), evaluation))
    account = Account(experiment.objectives, AXES, Prices(experiment.recipe.epochs))
    spent = Spent(experiment, account, found, share)
    start = start_on_table(experiment, 6)
    fixed = run_phases(arm, experiment, lambda e: table_bench(e, table), start, 240, account, spent)
    return spent, start, fixed


def test_one_phase_is_one_search(toy: tuple[Experiment, Table]):
    spent, start, fixed = run_arm(toy, PARTS["joint"], 1)
    assert spent.calls == [("", 240, "", 6)]
    spent, _, _ = run_arm(toy, PARTS["topology"], 1)
    assert spent.calls == [("@net = x", 240, "", 6)]
    spent, _, _ = run_arm(toy, PARTS["expressions"], 1)
    cell = start.first.cell_by_kind["normal"]
    assert spent.calls == [(f"normal[{cell}]", 240, "", 6)]
    space = table_bench(*toy).space
    assert fixed == key(space, space.parse(f"normal[{cell}] @net = x"))


def test_topology_then_expressions_shares_the_budget(toy: tuple[Experiment, Table]):
    spent, _, _ = run_arm(toy, PARTS["topology-then-expressions"], 12)
    first, *rest = spent.calls
    assert first == ("@net = x", 120, "1-1", 6)
    assert [call[1:] for call in rest] == [(24, f"2-{n}", 3) for n in range(1, 6)]  # 12 trainings, a quarter of them
    assert all(freeze.startswith("normal[") and "@" not in freeze for freeze, *_ in rest)
    assert len({freeze for freeze, *_ in rest}) == 5


def test_what_a_search_leaves_over_goes_to_the_next(toy: tuple[Experiment, Table]):
    spent, _, _ = run_arm(toy, PARTS["topology-then-expressions"], 3, share=0.5)
    assert [call[1] for call in spent.calls] == [120, 59, 73, 111]  # 177 / 3, 147 / 2, the rest
    few, _, _ = run_arm(toy, Arm("late", phases=(Phase("expressions", 0.95), Phase("cells", 0.05))), 12)
    assert [call[1:3] for call in few.calls] == [(228, "1-1"), (12, "2-1")]  # 6 trainings are enough for one


def test_a_later_search_that_comes_to_nothing_is_passed_over(toy: tuple[Experiment, Table], monkeypatch: Any):
    real = Spent.__call__

    def failing(self: Spent, experiment: Experiment, limit: int, part: str) -> None:
        real(self, experiment, limit, part)
        if part in parts:
            raise SearchError("nothing worked")

    parts = ("2-1", "2-2")
    monkeypatch.setattr(Spent, "__call__", failing)
    spent, _, _ = run_arm(toy, PARTS["topology-then-expressions"], 3)
    assert [call[2] for call in spent.calls] == ["1-1", "2-1", "2-2", "2-3"]
    parts = ("1-1",)
    with pytest.raises(SearchError, match="nothing worked"):
        run_arm(toy, PARTS["topology-then-expressions"], 3)


def test_the_front_is_taken_over_from_end_to_end(toy: tuple[Experiment, Table]):
    spent, _, _ = run_arm(toy, PARTS["topology-then-expressions"], 9)
    rows = {row.genome.partition("@")[0]: row for row in toy[1].rows.values() if row.errors}
    wanted = [list(rows)[at].strip() for at in (0, 2, 4, 6, 8)]
    assert [freeze for freeze, *_ in spent.calls[1:]] == wanted


def test_arms_search_what_they_are_named_after(toy: tuple[Experiment, Table]):
    experiment, _ = toy
    space = table_bench(*toy).space
    for seed in range(2):
        traces = {name: arm_on_table(experiment, arm, seed, 160) for name, arm in PARTS.items()}
        start = start_on_table(replace(experiment, seed=seed), 6)
        assert traces["topology"].best.endswith("@net = x")
        assert parse_genome(traces["expressions"].best).cell_by_kind == start.first.cell_by_kind
        assert traces["topology"].fixed == pytest.approx(traces["expressions"].fixed, abs=0.03)
        assert traces["joint"].start == traces["random"].start
        both = traces["topology-then-expressions"]
        assert both.epochs[-1] <= 160
        assert list(both.epochs) == sorted(both.epochs)
        assert not both.best.endswith("@net = x")
    assert space.sites == ("net",)


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda e, s: Phase("cell"), "cells or expressions"),
        (lambda e, s: Arm("half", phases=(Phase("", 0.5),)), "share the whole budget, got 0.5"),
        (lambda e, s: Arm("a b"), "a plain name, got 'a b'"),
        (lambda e, s: frozen(e, replace(s, kinds=()), "cells", None), "joint without cells to search"),
        (lambda e, s: frozen(e, replace(s, sites=()), "expressions", None), "without expressions to search"),
        (lambda e, s: fitted(e, 11), "one start population, 6 trainings, got 5 for nsga2"),
    ],
)
def test_what_makes_no_arm(toy: tuple[Experiment, Table], attempt: Callable[..., object], told: str):
    with pytest.raises(EvobnnError, match=told):
        attempt(toy[0], table_bench(*toy).space)


def test_a_horizon_is_what_the_budget_allows(toy: tuple[Experiment, Table]):
    assert [fitted(toy[0], epochs).horizon for epochs in (12, 23, 24, 96)] == [0, 0, 1, 7]
    assert [fitted(toy[0], evaluations, "evaluations").horizon for evaluations in (6, 11, 12)] == [0, 0, 1]
    small = fitted(toy[0], 24, shrink=True)
    assert (small.strategy["population"], small.horizon) == (3, 3)
    assert fitted(toy[0], 6, shrink=True).strategy["population"] == 2
    assert load_table(toy[0].table).name == "toy"
