"""Successive halving on a table: promotions and charges by hand, budgets in either unit, arms that halve, bad rungs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evobnn.analysis import Axis, load_run
from evobnn.cli.entry import run as command
from evobnn.errors import EvobnnError, ExperimentError, SearchError
from evobnn.evaluation import Job
from evobnn.evolution import STRATEGIES, Halving
from evobnn.experiment.settings import Experiment
from evobnn.records import Evaluation, Individual, Request, Result, Status, rung_measures
from evobnn.runs import Session, create, derived, evaluator
from evobnn.runs.on_table import check_same, on_table
from evobnn.runs.setup import Options
from evobnn.spaces import key
from evobnn.studies.compare.account import EVALUATIONS, Account, Prices, prices_of
from evobnn.studies.compare.arms import Arm, arms_of, assigned
from evobnn.studies.compare.compare import Question, check, compare
from evobnn.studies.compare.on_table import arm_on_table, start_on_table
from evobnn.studies.compare.phases import fitted
from evobnn.studies.compare.text import as_markdown, notes, tables
from evobnn.tables import Table
from tests.experiment.conftest import made_quick, toy
from tests.studies.toytable import early, search_on_table, toy_experiment, toy_table

RUNGS = Halving((1, 2, 4))
ONE = Options(jobs=1)
NSGA2, HALVED = Arm("nsga2"), Arm("nsga2-halving", ("halving.rungs=[1, 2, 4]",))
AXES = (Axis("error", 0.0, 1.0),)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Table]:
    experiment, table = toy_table(tmp_path_factory.mktemp("tables"), rungs=RUNGS.rungs)
    return replace(experiment, noise=replace(experiment.noise, repeats=1)), table


@pytest.fixture(scope="module")
def drawn(made: tuple[Experiment, Table]) -> Experiment:
    """Eight at random a generation, by error alone: so promotions are an order of numbers."""
    start = replace(made[0].start, anchors=False)
    random = {"name": "random", "population": 8}
    return replace(made[0], objectives=("error",), strategy=random, start=start, halving=RUNGS)


# --- Promotions and charges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_generation_by_hand(made: tuple[Experiment, Table], drawn: Experiment, seed: int) -> None:
    """Of eight the best four by the errors after 1 epoch go on, of these the best two by those after 2."""
    table, numbers = made[1], {who: number for number, who in enumerate(made[1].rows)}
    start = start_on_table(replace(drawn, seed=seed), 8)
    space = replace(drawn, seed=seed).space.build(drawn.network, 8)
    keys = [key(space, genome) for genome, reason in start.drawn if not reason]
    assert len(keys) == 8
    four = sorted(keys, key=lambda who: early(numbers[who], 1))[:4]
    two = sorted(four, key=lambda who: early(numbers[who], 2))[:2]
    seen = {who: table.value(who, table.order(seed, who)[0]) for who in two}
    trace = search_on_table(drawn, seed, 23)
    assert trace.epochs == (8 * 1.5 + 4 * 1.5 + 2 * 2.5,) == (23,)
    best = key(space, space.parse(trace.best))
    assert best in two and seen[best] == min(seen.values())
    assert trace.final["regret"] == pytest.approx(table.unseen_mean(best, table.seen(seed, best, 1)) - table.best_known)


@pytest.mark.parametrize(
    ("rungs", "keep", "took"),
    [((1, 2, 4), 0.5, 23.0), ((2, 4), 0.5, 8 * 2.5 + 4 * 2.5), ((1, 4), 0.25, 8 * 1.5 + 2 * 3.5), ((), 0.5, 8 * 4.5)],
)
def test_rungs_may_be_some_of_the_tables(drawn: Experiment, rungs: tuple[int, ...], keep: float, took: float) -> None:
    """Who is promoted alone may be of worth; 8 new ones a generation cost as much in each."""
    experiment = replace(drawn, halving=Halving(rungs, keep))
    assert search_on_table(experiment, 1, int(3 * took)).epochs == (took, 2 * took, 3 * took)
    assert prices_of(experiment).planned(8) == took
    assert [fitted(experiment, n * took).horizon for n in (1, 1.9, 2, 5)] == [0, 0, 1, 4]


def test_a_budget_of_evaluations_counts_alike_what_was_stopped(drawn: Experiment) -> None:
    halved, whole = arm_on_table(drawn, Arm("a"), 2, 24, EVALUATIONS), Arm("b", ("halving.rungs=[]",))
    assert halved.epochs == (23, 46, 69)
    assert arm_on_table(drawn, whole, 2, 24, EVALUATIONS).epochs == (36, 72, 108)
    assert [fitted(drawn, n, EVALUATIONS).horizon for n in (8, 23, 24)] == [0, 1, 2]
    with pytest.raises(ExperimentError, match="at least one start population, 6 trainings, got 4 for random"):
        fitted(drawn, 22)  # 23 epochs are 5.1 whole trainings
    with pytest.raises(EvobnnError, match="unit of a budget"):
        prices_of(drawn, "hours")


def told(who: str, evaluation: Evaluation, repeat: int = 0, twin: bool = False) -> Result:
    return Result(Request(Individual(0, f"@net = {who}", who, 0), repeat, twin), evaluation)


def pruned(rung: int) -> Evaluation:
    return Evaluation(Status.PRUNED, measures=rung_measures(rung, {"error": 0.1}))


def test_an_account_by_hand() -> None:
    strategy, ok = STRATEGIES["nsga2"](), Evaluation(Status.OK, {"error": 0.5})
    ledgers = [Account(("error",), AXES, Prices(4.5, 0.5, RUNGS, unit)) for unit in ("epochs", EVALUATIONS)]
    first = [
        told("a", pruned(1)),  # 1.5
        told("b", pruned(2)),  # 2 and two branches
        told("c", ok),  # 4 and three branches
        told("d", Evaluation(Status.DIVERGED, measures=rung_measures(2))),  # 3
        told("e", Evaluation(Status.INVALID, measures=rung_measures(1))),
    ]
    second = [
        told("c", ok, 1),  # 4.5
        told("f", ok, 0, twin=True),  # twice 4.5
        told("a", ok),  # further than before: 5.5 less 1.5
    ]
    for account, spent in zip(ledgers, [(13.0, 17.5), (4, 3)], strict=True):
        assert account.cost(first, strategy) == spent[0]
        account.take(first, strategy)
        assert account.front() == ["c"]
        assert account.cost(second, strategy) == spent[1]
        account.take(second, strategy)
        account.take([told("f", pruned(1))], strategy)  # known already, and better
        assert (account.epochs, account.spent) == (30.5, sum(spent))
        assert sorted(account.front()) == ["a", "c", "f"]
        assert account.best(account.front()) == "c"  # the most often measured of equals


# --- Whole sessions -------------------------------------------------------------------------------------------------


def test_a_session_halves_on_a_table_and_its_run_passes_the_check(
    made: tuple[Experiment, Table],
    drawn: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(derived, "save_front", lambda *given: None)
    folder = create(replace(drawn, horizon=1), ONE, tmp_path)
    Session(folder, ONE).proceed()
    numbers = {who: number for number, who in enumerate(made[1].rows)}
    for generation in load_run(folder).generations:
        ended = {result.request.individual.key: result.evaluation for result in generation.results}
        four = sorted(ended, key=lambda who: early(numbers[who], 1))[:4]
        two = sorted(four, key=lambda who: early(numbers[who], 2))[:2]
        for who, evaluation in ended.items():
            assert evaluation.rung == (0 if who in two else 2 if who in four else 1)
            assert (evaluation.status is Status.OK) == (who in two)
            assert who in two or evaluation.message == f"scored after epoch {evaluation.rung} of 4"
    logs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [(log["epochs"], log["pruned"]) for log in logs] == [(23, 6), (23, 6)]
    assert command(["check", str(folder)]) == 0
    assert "PROBLEM" not in capsys.readouterr().out


def climbing(job: Job) -> Evaluation:
    """Stand in for a training that may be stopped."""
    found, rung = toy(job), job.stretch.epochs
    if not rung or found.status is not Status.OK:
        return replace(found, measures=rung_measures(rung) if rung else found.measures)
    return Evaluation(Status.PRUNED, measures=rung_measures(rung, found.objectives))


def test_runs_that_train_are_charged_what_they_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_quick(monkeypatch)
    monkeypatch.setattr(evaluator, "run_job", climbing)
    settings = {"name": "nsga2", "population": 4}
    experiment = toy_experiment(recipe={"epochs": 4, "schedule": "trunk", "batch": 50}, strategy=settings,
                                noise={"repeats": 1, "rescore": 1})  # fmt: skip
    arms = arms_of(experiment, ["nsga2", "nsga2-halving"])
    report = compare(Question(experiment, arms, 2, 12, EVALUATIONS), tmp_path / "evaluations", ONE)
    for arm in ("nsga2", "nsga2-halving"):
        generations = load_run(tmp_path / "evaluations" / f"{arm}-3").generations
        assert [len(generation.results) for generation in generations] == [4, 4, 4]
    plain, halved = (arm.spreads["epochs"].median for arm in report.arms)
    assert plain == 12 * 4.5
    assert halved == 3 * (4 * 1.5 + 2 * 1.5 + 2.5)
    compare(Question(experiment, arms, 2, 36), tmp_path / "epochs", ONE)
    for line in (tmp_path / "epochs" / "results.jsonl").read_text().splitlines()[1:]:
        row = json.loads(line)
        taken = {epochs for epochs in row["epochs"]}
        assert taken == {18, 36} if row["arm"] == "nsga2" else len(taken) > 2 and max(taken) <= 36


# --- Arms -----------------------------------------------------------------------------------------------------------


def names(arms: tuple[Arm, ...]) -> Iterator[str]:
    return (arm.name for arm in arms)


def test_arms_that_halve_and_those_beside_them(made: tuple[Experiment, Table]) -> None:
    experiment, _ = made
    long = toy_experiment(recipe={"epochs": 10, "schedule": "trunk"})
    given = replace(long, halving=Halving((3, 10), 0.25))
    for base, rungs in ((experiment, (1, 2, 4)), (long, (5, 10)), (given, (3, 10))):  # from a quarter of the epochs on
        arms = arms_of(base, ["nsga2", "nsga2-halving", "random"])
        assert list(names(arms)) == ["nsga2", "nsga2-halving", "random"]
        found = [assigned(base, arm) for arm in arms]
        assert [one.halving.rungs for one in found] == [(), rungs, ()]
        assert found[1].halving.keep == base.halving.keep
        assert found[1].strategy == found[0].strategy == base.strategy
    assert [arm.assignments for arm in arms_of(given, ["nsga2", "random"])] == [
        ("strategy.name=nsga2",), ("strategy.name=random",),
    ]  # fmt: skip
    both = arms_of(long, ["nsga2", "nsga2-halving"], ["diversity"])
    assert list(names(both))[2:] == ["nsga2+diversity-like", "nsga2-halving+diversity-like"]
    assert assigned(long, both[3]).halving.rungs == (5, 10)


def test_an_arm_may_have_a_share_of_the_budget(made: tuple[Experiment, Table], tmp_path: Path) -> None:
    experiment, _ = made
    own = ["half strategy.name=nsga2 budget=0.5", "whole strategy.name=nsga2 budget=1"]
    arms = arms_of(experiment, ["nsga2"], own=own)
    assert [(arm.share, arm.assignments[-1]) for arm in arms] == [(part, "strategy.name=nsga2") for part in (1, 0.5, 1)]
    assert arms[0].fingerprint() == arms[2].fingerprint() != arms[1].fingerprint()
    report = compare(Question(replace(experiment, halving=Halving()), arms, 2, 144), tmp_path / "shares", ONE)
    whole, half, again = (arm.spreads["epochs"].median for arm in report.arms)
    assert 0 < half <= 72 < whole == again <= 144
    assert "epochs" in report.arms[1].versus
    assert "At most 144 trained epochs a search, paired by seed. half had 0.5 of it." in as_markdown(report)


@pytest.mark.parametrize(
    ("attempt", "error", "words"),
    [
        (lambda e: arms_of(e, ["nsga2"], own=["a budget=half"]), ExperimentError,
         r"Expected budget= and a share of the whole budget, got 'budget=half'\. Write for example budget=0\.5\."),
        (lambda e: arms_of(e, ["nsga2"], own=["a budget=2"]), ExperimentError,
         r"Expected budget= above 0 and at most 1 in the arm a, got 2\. Write for example budget=0\.5\."),
        (lambda e: arms_of(e, ["nsga2", "nsga4-halving"]), ExperimentError, "known strategy, got 'nsga4'"),
        (lambda e: arms_of(replace(e, table="", recipe=replace(e.recipe, epochs=1)), ["nsga2", "nsga2-halving"]),
         ExperimentError, "trainings of 2 epochs or more to halve, got 1. Raise recipe.epochs"),
        (lambda e: check(Question(e, arms_of(e, ["nsga2", "aging-halving"]), 2, 90), ONE), SearchError,
         "In the arm aging-halving: Expected a strategy that can leave trainings unfinished"),
        (lambda e: check(Question(e, (NSGA2, Arm("a", ("halving.rungs=[3, 4]",))), 2, 90), ONE), ExperimentError,
         r"In the arm a: Expected halving\.rungs among those of the table toy \(1,2,4\), got \[3, 4\]\. "
         r"Set halving\.rungs = 1,2,4, or tabulate"),
    ],
)  # fmt: skip
def test_arms_that_cannot_halve(made: tuple[Experiment, Table], attempt: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        attempt(made[0])


def test_rungs_that_a_table_lacks_are_one_sentence(made: tuple[Experiment, Table]) -> None:
    experiment, table = made
    check_same(replace(experiment, halving=Halving((2, 4))), table)
    rows = {who: replace(row, early=()) for who, row in table.rows.items()}
    with pytest.raises(ExperimentError) as caught:
        check_same(replace(experiment, halving=RUNGS), replace(table, rungs=(), rows=rows))
    assert str(caught.value) == (
        "Expected halving.rungs = [] on the table toy, which holds whole trainings only, got [1, 2, 4]. "
        "Leave it out, or tabulate an experiment with these."
    )
    assert on_table(table, experiment.table).halving == Halving()  # off, unless it is asked for


def test_a_comparison_at_equal_evaluations_tells_the_epochs(made: tuple[Experiment, Table], tmp_path: Path) -> None:
    question = Question(made[0], (NSGA2, HALVED), 4, 30, EVALUATIONS)
    assert question.fingerprint() != replace(question, unit="epochs").fingerprint()
    report = compare(question, tmp_path, ONE)
    plain, halved = report.arms
    assert plain.spreads["epochs"].median == 30 * 4.5
    each = 6 * 1.5 + 3 * 1.5 + 2 * 2.5
    assert halved.spreads["epochs"].median == 5 * each
    difference = halved.versus["epochs"].difference
    assert (difference.estimate, halved.versus["epochs"].better.estimate) == (5 * each - 30 * 4.5, 1.0)
    assert {"regret", "hypervolume", "epochs"} == set(halved.versus)
    assert max(max(curve["epochs"]) for curve in report.curves) == 135
    shown = {one.title.partition(":")[0]: one for one in tables(report)}
    assert shown["epochs"].rows[1][2].startswith("-42.5 [")
    assert notes(report)[0].startswith("At most 30 evaluations a search, paired by seed. An evaluation counts as one")
    by_epochs = compare(replace(question, unit="epochs", budget=95), tmp_path / "epochs", ONE)
    assert [arm.spreads["epochs"].median for arm in by_epochs.arms] == [21 * 4.5, 5 * each]
    assert "epochs" not in by_epochs.arms[1].versus
    assert notes(by_epochs)[0] == "At most 95 trained epochs a search, paired by seed."
