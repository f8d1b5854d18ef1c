"""Comparisons: arms from names, the report in closed form, the folder that goes on, and tiny runs that really train."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evobnn._seeding import generator
from evobnn.analysis import load_run
from evobnn.analysis.pictures.curves import bands_frame, compare_frame, curves_frame, plot_curves, read_results
from evobnn.analysis.pictures.forest import differences_frame
from evobnn.errors import EvobnnError, ExperimentError, RunError
from evobnn.experiment.settings import Experiment
from evobnn.runs.setup import Options
from evobnn.snapshot import read_rescored, rescored_path
from evobnn.studies.compare import compare as module
from evobnn.studies.compare.account import Trace
from evobnn.studies.compare.arms import PARTS, Arm, arms_of, assigned
from evobnn.studies.compare.compare import Question, check, compare
from evobnn.studies.compare.on_table import arm_on_table
from evobnn.studies.compare.report import Report, effects, judge, spread
from evobnn.studies.compare.text import as_markdown, notes, tables
from evobnn.studies.statistics import factorial
from tests.experiment.conftest import Toy, made_quick
from tests.studies.toytable import toy_experiment, toy_table

ONE = Options(jobs=1)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return toy_table(tmp_path_factory.mktemp("tables"))[0]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Toy:
    return made_quick(monkeypatch)


# --- From names to arms ---------------------------------------------------------------------------------------------


def test_arms_by_name():
    base = toy_experiment()
    arms = arms_of(base, ["nsga2", "gaaf-published"], (), ["topology"], ["big strategy.population=40 noise.repeats=1"])
    assert [arm.name for arm in arms] == ["nsga2", "gaaf-published", "topology", "big"]
    assert arms[2] is PARTS["topology"]
    found = [assigned(base, arm) for arm in arms]
    assert [one.strategy["name"] for one in found] == ["nsga2", "gaaf", "nsga2", "nsga2"]
    assert [one.strategy["population"] for one in found] == [6, 30, 6, 40]
    assert found[1].strategy["forgets"] and found[1].strategy["unfiltered"] and found[1].noise.repeats == 1
    assert len({arm.fingerprint() for arm in arms}) == 4


def test_an_arm_called_after_a_strategy_is_that_strategy():
    base = toy_experiment()
    own = ["random choose=model", "aging+model choose=model", "local strategy.name=random", "randomly choose=model"]
    arms = arms_of(base, ["nsga2"], (), (), own)
    assert [arm.assignments for arm in arms[1:]] == [
        ("strategy.name=random", "choose=model"),
        ("strategy.name=aging", "choose=model"),
        ("strategy.name=random",),
        ("choose=model",),
    ]
    assert [assigned(base, arm).choose for arm in arms] == ["score", "model", "model", "score", "model"]


def test_pressures_are_an_ablation_of_every_strategy():
    base = toy_experiment(pressures={"temperature": {"temperature": 0.5}})
    arms = arms_of(base, (), ["diversity", "temperature-like"])
    assert [arm.name for arm in arms] == ["nsga2", "diversity-like", "temperature-like"]
    on = [assigned(base, arm).pressures for arm in arms]
    assert [list(one) for one in on] == [[], ["diversity"], ["temperature"]]
    assert on[2]["temperature"]["temperature"] == 0.5  # the experiment's own setting
    both = arms_of(base, ["aging", "random"], ["diversity"])
    assert [arm.name for arm in both] == ["aging", "random", "aging+diversity-like", "random+diversity-like"]


def test_another_strategy_keeps_the_population_alone():
    base = toy_experiment(strategy={"name": "nsga2", "population": 9, "crossover": 0.1})
    assert assigned(base, Arm("a", ("strategy.name=aging", "strategy.sample=3"))).strategy == {
        "name": "aging", "population": 9, "sample": 3, "children": 10,
    }  # fmt: skip
    assert assigned(base, Arm("a", ("strategy.name=nsga2",))).strategy["crossover"] == 0.1


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda e: arms_of(e), "at least 2 arms to compare, got 0"),
        (lambda e: arms_of(e, ["nsga2"]), "at least 2 arms to compare, got 1"),
        (lambda e: arms_of(e, ["nsga2", "nsga2"]), "different names, got nsga2 more than once"),
        (lambda e: arms_of(e, ["nsga2", "nsga4"]), "known strategy, got 'nsga4'. Did you mean 'nsga"),
        (lambda e: arms_of(e, (), ["diversty"]), "Did you mean 'diversity'"),
        (lambda e: arms_of(e, (), (), ["joint", "topologies"]), "Did you mean 'topology'"),
        (lambda e: arms_of(e, ["nsga2"], (), (), ["'"]), "an arm as NAME SECTION.KEY=VALUE"),
        (lambda e: arms_of(e, ["nsga2"], (), (), [""]), "an arm as NAME SECTION.KEY=VALUE"),
        (lambda e: assigned(e, Arm("b", ("strategy.popultion=3",))), "strategy.population"),
        (lambda e: assigned(e, Arm("b", ("recipe.epochs=3",))), "one protocol, got another recipe in the arm b"),
        (lambda e: assigned(e, Arm("b", ("seed=9",))), "another seed"),
        (lambda e: Question(e, (Arm("a"),), 2, 9), "at least 2 arms"),
        (lambda e: Question(e, (Arm("a"), Arm("b")), 1, 9), "--seeds to be a whole number of at least 2, got 1"),
        (lambda e: Question(e, (Arm("a"), Arm("b")), 2, 0), "--budget"),
    ],
)
def test_what_is_no_comparison(attempt: Callable[[Experiment], object], told: str):
    with pytest.raises(EvobnnError, match=told):
        attempt(toy_experiment())


@pytest.mark.parametrize(
    ("change", "arms", "told"),
    [
        ({"objectives": ("error",)}, (Arm("joint"), Arm("bins", ("strategy.name=opsbins",))),
         "In the arm bins: Expected error and ops among the objectives"),
        ({"objectives": ("ops",)}, (Arm("a"), Arm("b")), "error among the objectives"),
        ({}, (Arm("a"), Arm("gaaf", ("strategy.name=gaaf", "strategy.population=50"))),
         "In the arm gaaf: Expected a budget of at least one start population, 50 trainings, got 24"),
        ({}, (Arm("a"), Arm("b", ("noise.repeats=9",))), "In the arm b: Expected noise.repeats of at most 2"),
        ({}, (Arm("a"), Arm("b", ("pressures.abandonment={}", "strategy.population=2"))), "In the arm b: .*generation"),
    ],
)  # fmt: skip
def test_arms_are_checked_before_anything_runs(
    toy: Experiment, tmp_path: Path, change: dict[str, Any], arms: tuple[Arm, ...], told: str
):
    with pytest.raises(EvobnnError, match=told):
        compare(Question(replace(toy, **change), arms, 2, 48), tmp_path / "out", ONE)
    assert not (tmp_path / "out").exists()


def test_only_fresh_scores_are_compared():
    experiment = toy_experiment(noise={"repeats": 1, "rescore": 0})
    with pytest.raises(ExperimentError, match=r"noise.rescore of at least 1, got 0"):
        check(Question(experiment, (Arm("a"), Arm("b")), 2, 48), ONE)


def test_a_table_of_another_protocol_is_told(toy: Experiment):
    other = replace(toy, recipe=replace(toy.recipe, epochs=7))
    with pytest.raises(ExperimentError, match=r"protocol of the table toy.*recipe.epochs = 7"):
        check(Question(other, (Arm("a"), Arm("b")), 2, 70), ONE)


# --- The report -----------------------------------------------------------------------------------------------------


def trace(regret: float, volume: float, *, start: float = 0.5, fixed: float = 0.6) -> Trace:
    curves = {"regret": (start, regret), "hypervolume": (0.1, volume), "repeated": (0, 2), "invalid": (0, 1)}
    final = {"regret": regret, "hypervolume": volume, "repeated": 2, "invalid": 1}
    start_ = {"regret": start, "hypervolume": 0.1}
    return Trace((10, 30), curves, final, start_, {"regret": fixed, "hypervolume": 0.05}, "@net = x")


def judged(arms: dict[str, Sequence[Trace | None]]) -> Report:
    traces = {name: {seed: one for seed, one in enumerate(row) if one is not None} for name, row in arms.items()}
    failed = {name: [seed for seed, one in enumerate(row) if one is None] for name, row in arms.items()}
    described = [(name, (), ("nothing",)) for name in arms]
    return judge({"budget": 40}, described, traces, failed, 40, 1)


def test_a_report_in_closed_form():
    seeds = range(6)
    report = judged(
        {
            "base": [trace(0.20 + 0.01 * s, 0.5) for s in seeds],
            "worse": [trace(0.30 + 0.01 * s, 0.4) for s in seeds],
            "same": [trace(0.20 + 0.01 * s, 0.5) for s in seeds],
        }
    )
    base, worse, same = report.arms
    assert (report.reference, base.versus) == ("base", {})
    assert dataclasses.astuple(base.spreads["regret"]) == pytest.approx((0.225, 0.2125, 0.2375, 6))
    assert dataclasses.astuple(base.spreads["epochs"]) == (30.0, 30.0, 30.0, 6)
    regret, volume = worse.versus["regret"], worse.versus["hypervolume"]
    assert regret.difference.estimate == pytest.approx(0.1)
    assert volume.difference.estimate == pytest.approx(-0.1)
    assert regret.p == volume.p == 2.0**-5
    assert regret.adjusted == 2 * 2.0**-5  # Holm, two arms; the other p is 1
    assert regret.better.estimate == volume.better.estimate == 0.0
    assert (same.versus["regret"].better.estimate, same.versus["regret"].ties, same.versus["regret"].adjusted) == (
        0.5, 6, 1.0,
    )  # fmt: skip
    assert report.interactions == ()
    (first, *_) = report.curves
    assert (first["measure"], first["arm"]) == ("regret", "base")
    grid, median = np.array(first["epochs"]), np.array(first["median"])
    assert (grid[0], grid[-1]) == (10, 40)
    assert set(median[grid < 30]) == {0.5}
    assert median[grid >= 30] == pytest.approx(0.225)


def test_a_failed_search_leaves_with_its_partners():
    rows = [trace(0.2 + 0.01 * s, 0.5) for s in range(5)]
    report = judged({"base": [None, *rows[1:]], "other": [*rows[:3], None, rows[4]]})
    base, other = report.arms
    assert (base.failed, other.failed) == ((0,), (3,))
    assert (base.spreads["regret"].n, other.versus["regret"].n) == (4, 3)
    alone = judged({"base": [rows[0], None, None], "other": [None, *rows[:2]]})
    assert alone.arms[1].versus == {}
    empty = judged({"base": rows, "other": [None] * 5})
    assert np.isnan(empty.arms[1].spreads["regret"].median)
    assert "–" in as_markdown(empty)


@pytest.mark.parametrize("n", [4, 12])
def test_the_interaction_in_closed_form(n: int):
    jitter = [0.001 * ((7 * s) % 5) for s in range(n)]
    arms = {
        "joint": [trace(0.20 + j, 0.60) for j in jitter],
        "topology": [trace(0.35, 0.40 + j) for j in jitter],
        "expressions": [trace(0.40, 0.30) for _ in jitter],
    }
    found = {(one.measure, one.neither): one for one in judged(arms).interactions}
    assert set(found) == {(m, n) for m in ("regret", "hypervolume") for n in ("fixed", "start")}
    mean = float(np.mean(jitter))
    fixed = found["regret", "fixed"].effects
    assert fixed.interaction.estimate == pytest.approx((0.20 + mean - 0.40) - (0.35 - 0.60))
    assert fixed.first.estimate == pytest.approx(((0.35 - 0.60) + (0.20 + mean - 0.40)) / 2)
    assert fixed.second.estimate == pytest.approx(((0.40 - 0.60) + (0.20 + mean - 0.35)) / 2)
    assert fixed.interaction.low < fixed.interaction.estimate < fixed.interaction.high
    start = found["hypervolume", "start"].effects
    assert start.interaction.estimate == pytest.approx((0.60 - 0.30) - (0.40 + mean - 0.10))
    assert found["regret", "fixed"].n == n


def test_effects_of_few_and_many_seeds_agree():
    rng = np.random.default_rng(1)
    scores = [rng.normal(size=30) for _ in range(4)]
    many, few = effects(*scores, generator(1)), effects(*[row[:9] for row in scores], generator(1))
    assert many == factorial(*scores, generator(1))
    same = factorial(*[row[:9] for row in scores], generator(1))
    for one, other in zip(dataclasses.astuple(few), dataclasses.astuple(same), strict=True):
        assert one[0] == pytest.approx(other[0])
        assert one[2] - one[1] > other[2] - other[1]  # Student's is the wider


def test_without_what_was_fixed_there_is_no_such_interaction():
    rows = [replace(trace(0.2, 0.5), fixed={}) for _ in range(3)]
    some = [trace(0.2, 0.5), trace(0.3, 0.4), rows[0]]
    partly = judged({name: some for name in ("joint", "topology", "expressions")}).interactions
    assert {(one.neither, one.n) for one in partly} == {("fixed", 2), ("start", 3)}
    found = judged({name: rows for name in ("joint", "topology", "expressions")}).interactions
    assert {one.neither for one in found} == {"start"}
    assert judged({name: rows for name in ("joint", "topology")}).interactions == ()


def test_words_say_what_the_numbers_are():
    seeds = range(6)
    report = judged({"base": [trace(0.2 + 0.01 * s, 0.5) for s in seeds], "t-like": [trace(0.1, 0.6) for s in seeds]})
    regret, volume, spent = tables(report)
    assert regret.rows[0] == ("base", "22.50 (21.25–23.75)", "", "", "")
    assert regret.rows[1][:2] == ("t-like", "10.00 (10.00–10.00)")
    assert regret.rows[1][3:] == ("0.031", "1.00 (1.00–1.00)")
    assert volume.rows[1][2].startswith("+0.100 [0.100, 0.100]")
    assert spent.rows[0] == ("base", "6", "0", "30", "2", "1")
    assert any("no verdict on the published algorithm" in note for note in notes(report))
    text = as_markdown(report)
    assert text.count("\n| ---") == 3
    assert all(len(set(map(len, [shown.columns, *shown.rows]))) == 1 for shown in tables(report))
    assert spread([]).n == 0


# --- The folder -----------------------------------------------------------------------------------------------------

FILES = ("results.jsonl", "report.json", "report.md", "forest.png", "curves.png")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Write what would be drawn instead of drawing it, but where the picture is looked at: that takes the most time."""
    if not any(word in request.node.name for word in ("picture", "number_of_jobs")):
        for name in ("save_curves", "save_forest"):
            monkeypatch.setattr(module, name, lambda path, *given: path.write_text(repr(given)))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def question(toy: Experiment) -> Question:
    return Question(toy, (PARTS["joint"], PARTS["topology"], PARTS["expressions"]), 3, 48)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_workers")
def test_a_comparison_is_the_same_for_any_number_of_jobs(question: Question, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(module, "CHUNK", 1)
    told: list[tuple[str, int, int]] = []
    report = compare(question, tmp_path / "one", ONE, lambda *what: told.append(what))
    compare(question, tmp_path / "two", Options(jobs=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert told[0] == ("starting", 0, 9)
    assert [done for _, done, _ in told[1:]] == list(range(1, 10))
    assert {one.measure for one in report.interactions} == {"regret", "hypervolume"}
    saved = json.loads((tmp_path / "one" / "report.json").read_text())
    assert [arm["name"] for arm in saved["arms"]] == ["joint", "topology", "expressions"]
    assert saved["question"]["seeds"] == [3, 4, 5]
    header, rows = read_results(tmp_path / "one" / "results.jsonl")
    assert header["table"]["name"] == "toy"
    assert [row["arm"] for row in rows] == 3 * ["joint"] + 3 * ["topology"] + 3 * ["expressions"]
    assert [row["seed"] for row in rows] == 3 * [3, 4, 5]
    again = arm_on_table(question.experiment, PARTS["topology"], 3, 48)
    assert rows[3]["final"] == dict(again.final)


def test_a_stopped_comparison_goes_on(question: Question, tmp_path: Path, monkeypatch: Any):
    whole = tmp_path / "whole"
    compare(question, whole, ONE)
    calls: list[int] = []
    real = module.run_table_job

    def counted(job: Any) -> Any:
        calls.extend(job.seeds)
        return real(job)

    def stop(what: str, done: int, planned: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_table_job", counted)
    monkeypatch.setattr(module, "CHUNK", 1)
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        compare(question, folder, ONE, stop)
    path = folder / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-30])  # the fourth line is torn
    assert not (folder / "report.json").exists()
    calls.clear()
    compare(question, folder, ONE)
    assert len(calls) == 9 - 3
    assert contents(folder) == contents(whole)
    calls.clear()
    compare(question, folder, ONE)
    assert calls == []
    more = replace(question, seeds=4, arms=(*question.arms, PARTS["random"]))
    report = compare(more, folder, ONE)
    assert len(calls) == 3 + 4
    assert [arm.spreads["regret"].n for arm in report.arms] == [4, 4, 4, 4]
    assert len(compare_frame(folder)) == 16


def test_a_folder_answers_one_question(question: Question, tmp_path: Path):
    folder = tmp_path / "out"
    compare(replace(question, arms=question.arms[:2], seeds=2), folder, ONE)
    with pytest.raises(RunError, match=r"this comparison in .*, got another budget. Name another folder"):
        compare(replace(question, budget=60), folder, ONE)
    other = replace(question.experiment, objectives=("ops", "error"))
    with pytest.raises(RunError, match="got another experiment"):
        compare(replace(question, experiment=other), folder, ONE)
    arms = (question.arms[0], Arm("topology", ("noise.repeats=1",)))
    with pytest.raises(RunError, match="the arm topology with other settings"):
        compare(replace(question, arms=arms), folder, ONE)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "results.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match="evobnn-comparison"):
        compare(question, tmp_path / "strange", ONE)


def test_a_search_that_comes_to_nothing_is_a_line(question: Question, tmp_path: Path, monkeypatch: Any):
    real = module.run_table_job

    def failing(job: Any) -> Any:
        return [(seed, "nothing worked" if seed == 4 and job.arm.name == "joint" else one) for seed, one in real(job)]

    monkeypatch.setattr(module, "run_table_job", failing)
    report = compare(question, tmp_path / "out", ONE)
    assert report.arms[0].failed == (4,)
    assert report.arms[1].versus["regret"].n == 2
    frame = compare_frame(tmp_path / "out")
    assert frame[frame["failed"] != ""][["arm", "seed", "failed"]].values.tolist() == [["joint", 4, "nothing worked"]]
    assert compare(question, tmp_path / "out", ONE).arms[0].failed == (4,)


def test_frames_and_the_picture(question: Question, tmp_path: Path):
    compare(question, tmp_path / "out", ONE)
    frame, curves, bands = (read(tmp_path / "out") for read in (compare_frame, curves_frame, bands_frame))
    assert len(frame) == 9
    assert {"arm", "seed", "epochs", "regret", "hypervolume", "start_regret", "fixed_regret", "best"} <= set(frame)
    last = curves.groupby(["arm", "seed"], sort=False).last()
    assert last["regret"].tolist() == frame["regret"].tolist()
    assert (last["epochs"] <= 48).all()
    assert bands.columns.tolist() == ["measure", "arm", "epochs", "median", "lower", "upper"]
    assert ((bands["lower"] <= bands["median"]) & (bands["median"] <= bands["upper"])).all()
    ax = plot_curves(bands, "regret", "topology", "joint")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("trained epochs", "regret (points)")
    assert [line.get_ydata()[-1] for line in ax.lines] == [
        pytest.approx(100 * frame[frame["arm"] == arm]["regret"].median()) for arm in ("joint", "topology")
    ]
    assert not plot_curves(pd.DataFrame(columns=bands.columns), "regret", "topology").lines
    differences = differences_frame(tmp_path / "out")
    assert differences["arm"].tolist()[:2] == ["topology", "expressions"]
    regrets = frame.pivot(index="seed", columns="arm", values="regret")
    assert differences["estimate"].iloc[0] == pytest.approx((regrets["topology"] - regrets["joint"]).mean())
    assert {"forest.png", "curves.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    with pytest.raises(RunError, match=r"a comparison with report.json"):
        bands_frame(tmp_path)


# --- Searches that train --------------------------------------------------------------------------------------------


def trained(**changes: Any) -> Experiment:
    table = {"strategy": {"name": "nsga2", "population": 4}, "noise": {"repeats": 2, "rescore": 2}, **changes}
    return toy_experiment(**table)


def keys_of(folder: Path) -> Iterator[tuple[str, int]]:
    for generation in load_run(folder).generations:
        for result in generation.results:
            yield result.request.individual.key, result.request.repeat


def test_arms_are_run_folders_that_go_on(quick: Toy, tmp_path: Path):
    question = Question(trained(), (Arm("nsga2"), Arm("random", ("strategy.name=random",))), 2, 30)
    report = compare(question, tmp_path / "whole", ONE)
    assert {path.name for path in (tmp_path / "whole").iterdir() if path.is_dir()} == {
        "nsga2-3", "nsga2-4", "random-3", "random-4",
    }  # fmt: skip
    run = load_run(tmp_path / "whole" / "random-4")
    assert sum(len(generation.results) for generation in run.generations) == 12  # 15 trainings: three generations of 4
    _, rows = read_results(tmp_path / "whole" / "results.jsonl")
    found = {(row["arm"], row["seed"]): row for row in rows}["random", 4]
    assert found["epochs"] == [8, 16, 24]
    front = run.front()
    front = front[front["n_rescored"] > 0]
    assert front.loc[front["error"].idxmin(), "error_rescored"] == pytest.approx(found["final"]["error"])
    assert found["curves"]["error"][-1] == pytest.approx(run.front()["error"].min())
    nsga2, random = (load_run(tmp_path / "whole" / f"{name}-3").generations[0].results for name in ("nsga2", "random"))
    assert [one.request.individual.genome for one in nsga2] == [one.request.individual.genome for one in random]

    def stop(what: str, done: int, planned: int) -> None:
        if what.startswith("random-3, generation 1") and len(quick.jobs) % 3 == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(question, tmp_path / "stopped", ONE, stop)
    assert compare(question, tmp_path / "stopped", ONE) == report
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_parts_train_at_equal_cost_and_are_scored_afresh(quick: Toy, tmp_path: Path):
    question = Question(trained(), tuple(PARTS.values()), 2, 48)
    report = compare(question, tmp_path, ONE)
    both = tmp_path / "topology-then-expressions-3"
    assert (both / "1-1" / "front.csv").is_file() and (both / "2-1" / "front.csv").is_file()
    frame = compare_frame(tmp_path)
    assert (frame["epochs"] <= 48).all()
    assert (frame[frame["arm"] != "expressions"]["epochs"] >= 32).all()
    assert set(frame[frame["arm"] == "expressions"]["epochs"]) == {12}  # one topology has six functions here
    paid = {place for folder in both.iterdir() for place in keys_of(folder)}
    epochs = frame[(frame["arm"] == "topology-then-expressions") & (frame["seed"] == 3)]["epochs"].item()
    assert 2 * len(paid) == epochs
    assert "start" in {one.neither for one in report.interactions}
    first = read_rescored(rescored_path(tmp_path / "joint-3", 0))
    start = frame[(frame["arm"] == "joint") & (frame["seed"] == 3)]["start_error"].item()
    assert start in [row.objectives.get("error") for row in first]
    assert frame[frame["arm"] == "random"]["start_error"].isna().all()  # only joint's start is scored afresh


def test_twins_end_a_run_within_its_budget(quick: Toy, tmp_path: Path):
    space = {"sites": "net", "nodes": 2, "offered": ["zero", "max3", "conv3"]}
    experiment = trained(space=space, strategy={"name": "nsga2", "population": 6})
    question = Question(experiment, arms_of(experiment, (), ["abandonment"]), 2, 60)
    compare(question, tmp_path, ONE)
    frame = curves_frame(tmp_path)
    likes = frame[(frame["arm"] == "abandonment-like") & (frame["seed"] == 3)]["epochs"].tolist()
    assert likes[:2] == [12, 30]  # the block of generation 1: three genomes with their twins
    assert 42 < likes[-1] <= 60
    run = load_run(tmp_path / "abandonment-like-3")
    assert len(run.generations) == len(likes)
    jobs = len(quick.jobs)
    (tmp_path / "report.json").unlink()
    path = tmp_path / "results.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if '"abandonment-like"' not in line))
    compare(question, tmp_path, ONE)
    assert len(quick.jobs) == jobs  # the runs are whole; nothing is trained again
    assert curves_frame(tmp_path).equals(frame)


def test_a_folder_of_another_run_is_not_touched(quick: Toy, tmp_path: Path):
    question = Question(trained(), (Arm("nsga2"), Arm("random", ("strategy.name=random",))), 2, 16)
    compare(question, tmp_path, ONE)
    (tmp_path / "results.jsonl").unlink()
    with pytest.raises(RunError, match=r"the run of this comparison in .*nsga2-3, got another experiment"):
        compare(replace(question, budget=40), tmp_path, ONE)
