"""Runs whose children begin with a parent's weights: who with whose, how it is told, and how they are stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evobnn.cli.entry import run
from evobnn.errors import ExperimentError, RunError
from evobnn.evaluation import Job, evaluate
from evobnn.evolution import Halving
from evobnn.experiment.settings import Experiment, InheritSettings
from evobnn.experiment.text import to_text
from evobnn.machine.workers import LOST, Outcome, Workers
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.runs import evaluator
from evobnn.runs import search as session
from evobnn.runs.inheritance import WEIGHTS, heritage_of, members_after, nearest_parent, weights_path
from evobnn.runs.search import FRESH, Session
from evobnn.runs.setup import Options, create, make_bench
from evobnn.snapshot import (
    Generation,
    Journal,
    JournalEntry,
    read_generation,
    read_generations,
    read_journal,
    write_generation,
)
from evobnn.training import Heritage, Trunk, load_trunk, save_trunk
from tests.experiment.conftest import toy
from tests.older import make_older

Decisive = Callable[[Path], dict[str, bytes]]
Proceed = Callable[..., list[str]]
LAST = 2
"""Generations of the really trained runs in this file."""
CELLS = (
    "normal[{}; 3 = max3(1); 4 = max3(1); 5 = max3(1)] reduction[2 = max3(0); 3 = max3(0); 4 = max3(0); 5 = max3(0)]"
)


def inheriting(tiny: Experiment, **settings: Any) -> Experiment:
    return replace(tiny, **{"horizon": LAST, "inherit": InheritSettings(True), **settings})


def handing_on(job: Job) -> Evaluation:
    """A stand-in for `run_job` that costs nothing: a genome's weight is one number, which goes into its error and into
    those of all who descend from it.
    """
    found, heritage = toy(job), job.heritage
    before = float(heritage.weights()["one"]) if heritage.parent is not None else 0.5
    if found.status is Status.OK:
        weight = round((found.objectives["error"] * 10 + before) % 1.0, 6)
        found = replace(found, objectives={**found.objectives, "error": 0.1 + weight / 2})
        if heritage.keep:
            save_trunk(Trunk({"one": torch.tensor(weight)}, ()), Path(heritage.keep), job.bench.training(job.seed))
    return replace(found, inherited_from=heritage.parent)


@pytest.fixture
def jobs(quick: Any, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Evaluations that cost nothing; what was asked of them."""
    asked: list[Job] = []
    monkeypatch.setattr(evaluator, "run_job", lambda job: (asked.append(job), handing_on(job))[1])
    return asked


@pytest.fixture(scope="module")
def started(tiny: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained run, by one job, up to its start population. Not to be written to."""
    folder = create(inheriting(tiny), Options(jobs=1), tmp_path_factory.mktemp("started"))
    Session(folder, Options(jobs=1, generations=0)).proceed()
    return folder


@pytest.fixture(scope="module")
def trained(started: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it that went on to its end. Not to be written to."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    shutil.copytree(started, folder)
    Session(folder, Options(jobs=1)).proceed()
    return folder


def results_of(folder: Path) -> list[tuple[int, Result]]:
    generations, damage = read_generations(folder)
    assert not damage
    return [(generation.number, result) for generation in generations for result in generation.results]


def kept(folder: Path) -> set[int]:
    return {int(path.stem) for path in (folder / WEIGHTS).glob("*.weights")}


# --- Who with whose weights -----------------------------------------------------------------------------------------


def individual(number: int, first: str, *parents: int, born: int = 0) -> Individual:
    return Individual(number, CELLS.format(first), str(number), born, parents=parents)


def test_the_parent_that_shares_more_edges_is_taken_and_of_equals_the_first(tiny_bench: Any) -> None:
    one, other = individual(0, "2 = conv3(0) + conv3(1)"), individual(1, "2 = conv3(1) + dil3(0)")
    members = {0: one, 1: other}

    def parent(first: str, *parents: int) -> Individual | None:
        return nearest_parent(tiny_bench, individual(9, first, *parents), members)

    assert parent("2 = conv3(1) + dil3(0)", 0, 1) == other
    assert parent("2 = conv3(0) + max3(1)", 1, 0) == one
    assert parent("2 = conv3(1)", 0, 1) == one
    assert parent("2 = conv3(1)", 1, 0) == other
    assert parent("2 = conv3(1) + dil3(0)", 0, 7) == one
    assert parent("2 = conv3(1)", 7) is parent("2 = conv3(1)") is None


def test_who_left_the_population_does_not_come_back_with_weights() -> None:
    def generation(number: int, survivors: list[int], *asked: tuple[int, int, Status, bool]) -> Generation:
        results = tuple(
            Result(
                Request(individual(who, "2 = max3(0)"), repeat, twin),
                Evaluation(status, {"error": 0.5} if status is Status.OK else {}),
            )
            for who, repeat, status, twin in asked
        )
        return Generation(number, {}, {"survivors": survivors, "next_id": 9}, {}, (), results)

    ok = Status.OK
    told = [
        generation(0, [2, 0], (0, 0, ok, False), (1, 0, ok, False), (2, 0, ok, False), (3, 0, Status.ERROR, False)),
        generation(1, [2, 1, 4], (1, 1, ok, False), (4, 0, ok, False), (5, 0, ok, True)),  # 1 comes back, a repeat
        generation(2, [5, 3, 1, 4], (3, 1, ok, False)),  # 3 had failed at first, 5 was a twin's
    ]
    members: dict[int, Individual] = {}
    found = [list(members := members_after(members, one)) for one in told]
    assert found == [[2, 0], [2, 4], [4]]


def test_children_are_told_with_the_parent_they_began_with_and_repeats_never(trained: Path) -> None:
    heirs = {
        r.request.individual.id: r.evaluation.inherited_from for _, r in results_of(trained) if not r.request.repeat
    }
    born = {r.request.individual.id: r.request.individual for _, r in results_of(trained)}
    assert {heirs[number] for number, who in born.items() if not who.born} == {None}
    inherited = {number: parent for number, parent in heirs.items() if parent is not None}
    assert inherited and all(parent in born[number].parents for number, parent in inherited.items())
    again = [r.evaluation.inherited_from for _, r in results_of(trained) if r.request.repeat]
    entries, _ = read_journal(trained / "journal.jsonl")
    fresh = [entry.evaluation.inherited_from for entry in entries if entry.repeat >= FRESH]
    assert again and fresh and {*again, *fresh} == {None}
    assert {e.individual: e.evaluation.inherited_from for e in entries if not e.repeat} == heirs


def test_the_weights_of_the_population_are_kept_and_no_others(started: Path, trained: Path) -> None:
    for folder in (started, trained):
        generations, _ = read_generations(folder)
        assert kept(folder) == set(generations[-1].state["survivors"])
    assert len(kept(trained)) == 4
    assert {path.suffix for path in (trained / WEIGHTS).iterdir()} == {".weights"}


def test_an_inherited_score_is_that_of_a_training_from_these_weights(
    tiny: Experiment, started: Path, trained: Path
) -> None:
    """The children of the first generation, trained again from what the start population had left."""
    experiment, looked = inheriting(tiny), 0
    bench = make_bench(experiment, Options(jobs=1))
    born = {result.request.individual.id: result.request.individual for _, result in results_of(trained)}
    for number, result in results_of(trained):
        if number != 1 or result.evaluation.inherited_from is None:
            continue
        genome = bench.space.parse(result.request.individual.genome)
        seed = bench.seed(experiment.seed, genome, 0)
        heritage = heritage_of(started, bench, experiment.seed, born[result.evaluation.inherited_from])
        found = evaluate(bench, genome, seed, heritage=heritage)
        assert replace(found, seconds=0.0) == result.evaluation
        alone = evaluate(bench, genome, seed)
        assert alone.inherited_from is None and alone.measures["loss"] != found.measures["loss"]
        looked += 1
    assert looked >= 1


# --- Stopped and shared out -----------------------------------------------------------------------------------------


class CutError(BaseException):
    """What a kill is to the code: nothing after it runs, not even `except Exception`."""


def cut_after(patch: pytest.MonkeyPatch, number: int, *, before: bool = False) -> None:
    """Let the run be cut off at its result of this number, before or after it stands in the journal."""
    real, calls = Journal.append, 0

    def cut(journal: Journal, entry: JournalEntry) -> None:
        nonlocal calls
        calls += 1
        if calls < number or not before:
            real(journal, entry)
        if calls == number:
            raise CutError

    patch.setattr(Journal, "append", cut)


@pytest.mark.parametrize("before", [True, False])
def test_cut_off_at_any_result_nothing_is_repeated_and_nothing_changes(
    before: bool,
    tiny: Experiment,
    jobs: list[Job],
    proceed: Proceed,
    decisive: Decisive,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    experiment = inheriting(tiny, horizon=3)
    whole = create(experiment, Options(jobs=1), tmp_path)
    proceed(whole)
    total, looked = len(jobs), 0
    assert sum(job.heritage.parent is not None for job in jobs) >= 4
    for number in range(1, total, 3):
        folder = create(experiment, Options(jobs=1), tmp_path)
        with monkeypatch.context() as patch:
            cut_after(patch, number, before=before)
            with pytest.raises(CutError):
                proceed(folder)
        jobs.clear()
        assert proceed(folder) == []
        assert len(jobs) == total - number + before
        assert decisive(folder) == decisive(whole)
        assert kept(folder) == kept(whole)
        looked += 1
    assert looked >= 6


@pytest.mark.usefixtures("warm_workers")
def test_two_jobs_after_a_cut_leave_the_same_bytes(
    started: Path, trained: Path, proceed: Proceed, decisive: Decisive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`trained` was made by one job; this one loses its first generation at its third result."""
    folder = tmp_path / "run"
    shutil.copytree(started, folder)
    with monkeypatch.context() as patch:
        cut_after(patch, 3)
        with pytest.raises(CutError):
            proceed(folder)
    assert proceed(folder, jobs=2) == []
    assert decisive(folder) == decisive(trained)
    names = sorted(path.name for path in (folder / WEIGHTS).iterdir())
    assert names == sorted(path.name for path in (trained / WEIGHTS).iterdir())
    assert all((folder / WEIGHTS / n).read_bytes() == (trained / WEIGHTS / n).read_bytes() for n in names)


def test_a_run_without_its_weights_stops_before_it_trains_anything(
    tiny: Experiment, jobs: list[Job], proceed: Proceed, tmp_path: Path
) -> None:
    folder = create(inheriting(tiny), Options(jobs=1), tmp_path)
    proceed(folder, generations=0)
    lines = (folder / "journal.jsonl").read_bytes()
    shutil.move(folder / WEIGHTS, tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"Expected the trained weights of individual \d+ in .*\. Put the file back"):
        proceed(folder)
    assert (folder / "journal.jsonl").read_bytes() == lines
    shutil.move(tmp_path / "elsewhere", folder / WEIGHTS)
    proceed(folder)
    assert len(read_generations(folder)[0]) == LAST + 1


def test_a_lost_child_is_known_by_its_parent_afterwards(
    tiny: Experiment, jobs: list[Job], proceed: Proceed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, real = create(inheriting(tiny), Options(jobs=1), tmp_path), Workers.run

    def losing(workers: Workers, function: Any, payloads: Any) -> Any:
        for outcome in real(workers, function, payloads):
            heir = payloads[outcome.index].heritage.parent is not None
            yield Outcome(outcome.index, None, LOST) if heir else outcome

    proceed(folder, generations=0)
    with monkeypatch.context() as patch:
        patch.setattr(Workers, "run", losing)
        patch.setattr(session, "write_generation", lambda *arguments: (_ for _ in ()).throw(CutError))
        with pytest.raises(CutError):
            proceed(folder)
    jobs.clear()
    said = proceed(folder, generations=1)
    assert not any(job.heritage.keep for job in jobs)
    lost = [r.evaluation for number, r in results_of(folder) if number == 1 and r.evaluation.message == LOST]
    assert lost and all(one.inherited_from is not None for one in lost) and "exempt" in said[0]


# --- The record -----------------------------------------------------------------------------------------------------


def test_the_field_stands_where_it_says_something_and_is_read_again(tmp_path: Path) -> None:
    who = individual(3, "2 = max3(0)", 0)
    plain = Evaluation(Status.OK, {"error": 0.5}, measures={"loss": 1.0})
    results = tuple(Result(Request(who), replace(plain, inherited_from=parent)) for parent in (None, 0))
    path = write_generation(tmp_path, Generation(0, {}, {}, {}, (), results))
    assert read_generation(path).results == results
    rows = [json.loads(line)["result"] for line in path.read_text().splitlines()[1:]]
    assert "inherited_from" not in rows[0] and rows[1] == {**rows[0], "inherited_from": 0}
    journal = Journal(tmp_path / "journal.jsonl")
    entries = [JournalEntry("k", "p", 0, "search", 3, 0, 1, result.evaluation, "now") for result in results]
    for entry in entries:
        journal.append(entry)
    assert read_journal(journal.path) == (entries, [])
    assert [line.count("inherited_from") for line in journal.path.read_text().splitlines()] == [0, 1]
    for bad in ("null", "true", '"0"', "0.5"):
        path.write_text(path.read_text().replace('"inherited_from": 0', f'"inherited_from": {bad}'))
        with pytest.raises(RunError, match="line 3"):
            read_generation(path)
        path.write_text(path.read_text().replace(f'"inherited_from": {bad}', '"inherited_from": 0'))


def test_check_finds_nothing_wrong_and_names_a_parent_that_is_none(
    trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["check", str(trained)]) == 0
    assert "PROBLEM" not in capsys.readouterr().out
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    number, heir = next((n, r) for n, r in results_of(folder) if r.evaluation.inherited_from is not None)
    path = folder / f"generation-{number:04d}.jsonl"
    make_older(path)
    path.write_text(
        path.read_text().replace(f'"inherited_from": {heir.evaluation.inherited_from}', '"inherited_from": 99')
    )
    assert run(["check", str(folder)]) == 1
    assert "began with the weights of 99, which is no parent of it" in capsys.readouterr().out


def test_evaluate_begins_with_the_same_weights_or_says_that_they_are_gone(
    started: Path, trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    heir = next(r for n, r in results_of(trained) if n == 1 and r.evaluation.inherited_from is not None)
    number, parent = heir.request.individual.id, heir.evaluation.inherited_from
    assert parent is not None
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    shutil.copy(weights_path(started, parent), weights_path(folder, parent))
    assert run(["evaluate", f"{folder}:{number}"]) == 0
    out = capsys.readouterr().out
    assert f"begun with the weights of {parent}" in out and "difference" not in out and out.count("equal") > 8
    weights_path(folder, parent).unlink()
    assert run(["evaluate", f"{folder}:{number}"]) == 2
    assert f"Expected the trained weights of individual {parent} in" in capsys.readouterr().err
    assert run(["evaluate", f"{folder}:{number}", "--repeat", "7"]) == 0
    assert "not recorded" in capsys.readouterr().out


# --- What cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"halving": Halving((1, 2))},
            r"got halving\.rungs = \[1, 2\]\. Leave that out, or set inherit\.weights = false",
        ),
        ({"table": "gaaf1"}, "got the table gaaf1"),
    ],
)
def test_what_is_not_trained_whole_cannot_be_inherited(tiny: Experiment, change: Any, words: str) -> None:
    recipe = replace(tiny.recipe, epochs=2, schedule="trunk")
    with pytest.raises(ExperimentError, match=f"with inherit.weights = true, {words}"):
        inheriting(tiny, recipe=recipe, **change)


def test_workers_elsewhere_are_refused_before_a_folder_is_made(tiny: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"\(backend loky\) with inherit\.weights = true, got dask"):
        create(inheriting(tiny), Options(jobs=2, backend="dask"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_off_it_leaves_no_trace(tiny: Experiment, quick: Any, proceed: Proceed, tmp_path: Path) -> None:
    folder = create(tiny, Options(jobs=1), tmp_path)
    proceed(folder, generations=1)
    assert "inherit" not in to_text(tiny) and not (folder / WEIGHTS).exists()
    assert all("inherit" not in path.read_text() for path in folder.glob("*.jsonl"))
    assert {job.heritage for job in quick.jobs} == {Heritage()}
    assert load_trunk(weights_path(folder, 0), "") is None
