"""Making a table: what stands in it, that nothing is trained twice, what is refused, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evobnn import _jsonl
from evobnn.errors import EvobnnError, ExperimentError, RunError
from evobnn.evaluation import Bench, Job, Stretch, evaluate
from evobnn.genome import parse_genome
from evobnn.machine.workers import LOST, Outcome, Workers
from evobnn.records import Evaluation, Status, rung_measures
from evobnn.runs import Options
from evobnn.runs.on_table import on_table, space_of
from evobnn.runs.setup import make_bench
from evobnn.snapshot import lock, read_journal
from evobnn.spaces.enumeration import MOST, every, genotypes
from evobnn.studies.fidelity.heritability import intraclass
from evobnn.studies.tables import climb
from evobnn.studies.tables import tabulate as module
from evobnn.studies.tables.specs import TABLE, TABLES, TableSpec
from evobnn.studies.tables.tabulate import JOURNAL, tabulate
from evobnn.tables import Table, read_table, write_table
from evobnn.training import Loop
from tests.miniature import KEYS, SINE, SPEC, TRAINED, key_of, made, space

EXTRA = 3 * 3  # the best two and the sine, which is not among them here, three more seeds each
ALL = TRAINED * 3 + EXTRA


def told(table: Table) -> Table:
    """Return the table without the time at which it was made."""
    return replace(table, created="")


def toy(job: Job, genome: str = "") -> Evaluation:
    """Stand in for a training: the error comes from genome and seed; every training has a twin if it is asked for."""
    digest = hashlib.sha256(f"{job.genome}|{job.seed}".encode()).digest()
    measures = {"ops": 5.0, "bits": 6, "parameters": 7, "other": 8.0} | ({"parent_error": 0.5} if job.twin else {})
    return Evaluation(Status.OK, {"error": digest[0] % 61 / 60, "elementwise": 8.0}, measures=measures)


class Toys:
    """`toy`, noting its jobs; `before(n)` is called ahead of the n-th, from 1."""

    def __init__(self, before: Callable[[int], None] = lambda number: None, answer: Callable[[Job], Evaluation] = toy):
        self.jobs: list[Job] = []
        self.before, self.answer = before, answer

    def __call__(self, job: Job) -> Evaluation:
        self.before(len(self.jobs) + 1)
        self.jobs.append(job)
        return self.answer(job)

    def trained(self) -> Counter[tuple[str, int]]:
        return Counter((job.genome, job.seed) for job in self.jobs)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Toys]:
    def install(*given: Any, **more: Any) -> Toys:
        made = Toys(*given, **more)
        monkeypatch.setattr(module, "run_job", made)
        return made

    return install


@pytest.fixture
def whole(toys: Callable[..., Toys], tmp_path: Path) -> Table:
    """The table that stand-ins make without a stop."""
    used = toys()
    table = made(tmp_path / "whole")
    assert len(used.jobs) == ALL == sum(used.trained().values()) == len(used.trained())
    return table


# --- A table that was really trained --------------------------------------------------------------------------------


def test_every_key_has_a_row_in_the_order_of_the_enumeration(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    assert list(table.rows) == [name for name, _ in every(space())]
    assert space_of(table) == space()
    assert len(table.rows) == KEYS
    statuses = Counter(row.status for row in table.rows.values())
    assert statuses == {Status.OK: TRAINED, Status.INVALID: 1}
    refused = table.row(key_of("@net = add(x, neg(x))"))
    assert (refused.errors, refused.message) == ((), "the sign of @net = zero is constant on [-3, 3]")
    assert (table.name, table.images, table.seeds) == ("mini", 60, (0, 1, 2, 3, 4, 5))
    prepared = make_bench(SPEC.experiment(), Options(jobs=1)).prepared
    assert table.data == {"fingerprint": prepared.fingerprint, "shape": [1, 8, 8], "classes": 10, "train": 100}
    assert table.machine["device"] == "cpu"
    assert set(table.versions) == {"evobnn", "torch", "numpy", "scikit-learn"}
    firsts = [[float(n) for n in row.errors[:3]] for row in table.rows.values() if row.errors]
    assert table.intraclass == pytest.approx(intraclass(firsts), abs=5e-5)


def test_the_best_and_the_baselines_have_more_columns_and_the_first_has_twins(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    rows = [row for row in table.rows.values() if row.errors]
    ranked = sorted(rows, key=lambda row: (sum(row.errors[:3]), row.key))
    more = {row.key for row in rows if len(row.errors) == 6}
    assert more == {ranked[0].key, ranked[1].key, key_of(SINE)}
    assert all(len(row.errors) == 3 for row in rows if row.key not in more)
    for row in rows:
        assert row.parent[0] is not None and 0 <= row.parent[0] <= 60
        assert set(row.parent[1:]) == {None}


def test_a_row_is_what_evaluate_says_of_the_same_genome_and_seed(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    bench = make_bench(SPEC.experiment(), Options(jobs=1))
    looped = 0
    for text, seeds in ((SINE, (0, 5)), ("@net = add(shift(x), shift(x))", (0, 2))):
        row = table.row(key_of(text))
        genome = bench.space.parse(row.genome)
        cost = bench.cost(genome)
        assert (row.ops, row.bits, row.parameters, row.elementwise) == (
            cost.ops,
            cost.bits,
            cost.parameters,
            cost.other,
        )
        for seed in seeds:
            found = evaluate(bench, genome, bench.seed(0, genome, seed), twin=seed == 0)
            assert found.objectives["error"] == row.errors[seed] / table.images
            parent = row.parent[seed]
            assert found.measures.get("parent_error") == (None if parent is None else parent / table.images)
            looped += 1
    assert looped == 4


@pytest.mark.usefixtures("warm_workers")
def test_two_workers_make_the_same_table(miniature: Path, tmp_path: Path) -> None:
    table = made(tmp_path / "two", jobs=2)
    assert (
        told(table) == told(read_table(tmp_path / "two" / "table.jsonl")) == told(read_table(miniature / "table.jsonl"))
    )
    for folder in (miniature, tmp_path / "two"):
        entries, notes = read_journal(folder / "journal.jsonl")
        assert not notes
        assert set(Counter((entry.key, entry.repeat) for entry in entries).values()) == {1}
        assert len(entries) == sum(len(row.errors) for row in table.rows.values())


def test_a_table_that_is_whole_trains_nothing_and_stays(
    miniature: Path, tmp_path: Path, toys: Callable[..., Toys]
) -> None:
    shutil.copytree(miniature, tmp_path / "again")
    used = toys()
    assert told(made(tmp_path / "again")) == told(read_table(miniature / "table.jsonl"))
    assert not used.jobs


# --- Stopping and going on ------------------------------------------------------------------------------------------


def test_a_table_that_came_without_its_journal_is_gone_on_from(
    toys: Callable[..., Toys], whole: Table, tmp_path: Path
) -> None:
    (tmp_path / "whole" / JOURNAL).unlink()
    used = toys()
    again = made(tmp_path / "whole")
    assert used.jobs == []
    assert dict(again.rows) == dict(whole.rows)
    lost = next(row for row in whole.rows.values() if row.errors)
    shorn = replace(whole, rows={name: row for name, row in whole.rows.items() if row != lost})
    (tmp_path / "shorn").mkdir()
    write_table(tmp_path / "shorn" / TABLE, shorn)
    for _ in range(2):  # the second time with a journal of the first, which knows the lost row only
        filled = made(tmp_path / "shorn")
        assert len(used.jobs) == len(lost.errors) > 0
        assert dict(filled.rows) == dict(whole.rows)


def test_a_kill_at_any_moment_costs_nothing_but_what_was_in_the_air(
    whole: Table, toys: Callable[..., Toys], tmp_path: Path
) -> None:
    folder, stops = tmp_path / "killed", (1, 2, TRAINED, TRAINED * 3, ALL)
    trained: Counter[tuple[str, int]] = Counter()
    for stop in stops:

        def killed(number: int, done: int = sum(trained.values()), stop: int = stop) -> None:
            if done + number == stop:
                raise KeyboardInterrupt

        used = toys(killed)
        with pytest.raises(KeyboardInterrupt):
            made(folder)
        trained += used.trained()
        assert sum(trained.values()) == stop - 1
        assert not (folder / "table.jsonl").exists()
        with (folder / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"version": 1, "key": "to')  # what a kill while writing leaves
    used, said = toys(), list[str]()
    assert told(tabulate(SPEC, Options(jobs=1), folder, say=said.append)) == told(whole)
    assert said and all("journal.jsonl, line" in note and "measured again" in note for note in said)
    trained += used.trained()
    assert set(trained.values()) == {1}
    assert len(trained) == ALL


def test_a_budget_stops_after_a_training_and_leaves_a_table(
    whole: Table, toys: Callable[..., Toys], tmp_path: Path
) -> None:
    used, folder = toys(), tmp_path / "stopped"
    for number in range(1, 4):
        table = tabulate(SPEC, Options(jobs=1, budget=0.0), folder)
        assert len(used.jobs) == number
        assert told(table) == told(read_table(folder / "table.jsonl"))
        # One that was never to be trained stands in the table from the beginning.
        assert sum(len(row.errors) for row in table.rows.values()) == len(table.rows) - 1 == number
    assert table.intraclass == ()
    with pytest.raises(ExperimentError, match="at least 2 trainings of every genome, got 1 in mini"):
        on_table(table, "mini")
    assert told(made(folder)) == told(whole)
    assert len(used.jobs) == len(used.trained()) == ALL


def test_a_budget_begins_with_the_call_and_not_with_the_first_training(
    toys: Callable[..., Toys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, now = toys(), [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    plan, counts, counted = module.plan, module._counts, []

    def slowly(*given: Any) -> module.Plan:
        now[0] += 100.0  # a large space is gone through before anything is trained
        return plan(*given)

    def noted(*given: Any) -> dict[str, Any]:
        counted.append(len(used.jobs))
        return counts(*given)

    monkeypatch.setattr(module, "plan", slowly)
    monkeypatch.setattr(module, "_counts", noted)
    tabulate(SPEC, Options(jobs=1, budget=50.0), tmp_path / "mini")
    assert len(used.jobs) == 1
    assert counted == [0, 1], "what is never trained is counted before, not when the time is up"


def test_what_is_left_is_told_stage_by_stage(toys: Callable[..., Toys], tmp_path: Path) -> None:
    toys()
    said: list[tuple[int, int, float]] = []
    tabulate(SPEC, Options(jobs=1), tmp_path / "mini", lambda *what: said.append(what))
    assert [what[:2] for what in said] == [
        *((n, TRAINED * 3) for n in range(1, TRAINED * 3 + 1)),
        *((n, EXTRA) for n in range(1, EXTRA + 1)),
    ]
    assert all(left >= 0.0 for _, _, left in said)
    assert said[TRAINED * 3 - 1][2] == said[-1][2] == 0.0


def test_twins_are_asked_for_with_the_first_seeds_only(toys: Callable[..., Toys], tmp_path: Path) -> None:
    used = toys()
    table = made(tmp_path / "mini", spec=replace(SPEC, twins=2))
    assert sum(job.twin for job in used.jobs) == TRAINED * 2
    parents = Counter(row.parent[:3] for row in table.rows.values() if row.errors)
    assert parents == {(30, 30, None): TRAINED}
    none = made(tmp_path / "none", spec=replace(SPEC, twins=0))
    assert not none.has_twins


# --- What goes wrong ------------------------------------------------------------------------------------------------


def test_a_failure_is_the_rows_status_and_costs_no_table(toys: Callable[..., Toys], tmp_path: Path) -> None:
    """An evaluation that broke knows no costs; the table counts them itself."""
    broken, flown, unlucky = (key_of(text) for text in ("@net = add(x, x)", SINE, "@net = add(x, sin(x))"))
    seen: Counter[str] = Counter()

    def failing(job: Job) -> Evaluation:
        name = key_of(job.genome)
        seen[name] += 1
        if name == broken:
            return Evaluation(Status.ERROR, message="ValueError: no")
        if name == flown and seen[name] == 2:
            return Evaluation(Status.DIVERGED, message="a weight is nan", measures={"ops": 1.0})
        if name == unlucky:
            return Evaluation(Status.OK, {"error": 0.0, "elementwise": 8.0}, measures=toy(job).measures)
        return toy(job)

    toys(answer=failing)
    table = made(tmp_path / "mini", spec=replace(SPEC, best=1))
    bench = make_bench(SPEC.experiment(), Options(jobs=1))
    for name, status, words in ((broken, Status.ERROR, "ValueError: no"), (flown, Status.DIVERGED, "a weight is nan")):
        row = table.row(name)
        cost = bench.cost(bench.space.parse(row.genome))
        assert (row.status, row.message, row.errors, row.parent) == (status, words, (), ())
        assert (row.ops, row.bits, row.elementwise) == (cost.ops, cost.bits, cost.other)
    assert seen[flown] == 3  # a baseline that failed gets no more seeds
    assert [row.key for row in table.rows.values() if len(row.errors) == 6] == [unlucky]


def test_a_worker_that_died_is_tried_again_by_the_next_call_and_only_then(
    whole: Table, toys: Callable[..., Toys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, run = toys(), Workers.run

    def losing(self: Workers, function: Any, payloads: Sequence[Job]) -> Iterator[Outcome]:
        for outcome in run(self, function, payloads):
            lost = payloads[outcome.index].genome == "@net = add(x, x)"
            yield Outcome(outcome.index, None, LOST) if lost else outcome

    monkeypatch.setattr(Workers, "run", losing)
    table = made(tmp_path / "mini")
    row = table.row(key_of("@net = add(x, x)"))
    assert (row.status, row.message) == (Status.ERROR, LOST)
    monkeypatch.setattr(Workers, "run", run)
    before = len(used.jobs)
    assert told(made(tmp_path / "mini")) == told(whole)
    assert [job.genome for job in used.jobs[before:]][:3] == ["@net = add(x, x)"] * 3


def test_a_training_that_is_too_much_work_is_a_row_as_well(tmp_path: Path) -> None:
    spec = replace(SPEC, settings={**SPEC.settings, "max_macs": 1000.0}, more=0)
    table = made(tmp_path / "mini", spec=spec)
    assert {row.status for row in table.rows.values()} == {Status.INVALID}
    assert sum("max_macs" in row.message for row in table.rows.values()) == TRAINED


def test_trainings_of_another_protocol_are_not_mixed(
    miniature: Path, toys: Callable[..., Toys], tmp_path: Path
) -> None:
    folder = tmp_path / "mini"
    shutil.copytree(miniature, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    used = toys()
    other = replace(SPEC, settings={**SPEC.settings, "recipe": {"epochs": 2, "batch": 25, "precision": "fp32"}})
    with pytest.raises(ExperimentError) as caught:
        made(folder, spec=other)
    protocol = make_bench(other.experiment(), Options(jobs=1)).protocol.fingerprint()
    recorded = read_table(miniature / "table.jsonl").protocol
    assert str(caught.value) == (
        f"Expected trainings of the protocol {protocol} in {folder}, got some of {recorded}, "
        "with other data, settings or versions of evobnn or torch. Tabulate into another folder."
    )
    assert not used.jobs
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baselines": ("@net = add(cos(x), zero)",)}, "baselines out of the space of the table mini, got @net = add"),
        ({"baselines": ("@net = add(sn(x), zero)",)}, "Did you mean 'sin'"),
        ({"settings": {**SPEC.settings, "objectives": ["ops"]}}, "the objective error in the table mini, got ops"),
        ({"settings": {**SPEC.settings, "space": {"name": "gaaf", "encoding": 2}}}, "a space of at most 200,000"),
        ({"settings": {**SPEC.settings, "recpie": {}}}, "Did you mean 'recipe'"),
        ({"preset": "digts"}, "Did you mean 'digits'"),
    ],
)
def test_what_cannot_be_tabulated_is_told_before_anything_is_trained(
    toys: Callable[..., Toys], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    used = toys()
    with pytest.raises(EvobnnError, match=words) as caught:
        made(tmp_path / "mini", spec=replace(SPEC, **changes))
    assert str(caught.value).startswith("Expected ")
    assert not used.jobs


@pytest.mark.parametrize(
    ("name", "value"), [("seeds", 0), ("best", -1), ("more", -1), ("twins", -1), ("topologies", -1)]
)
def test_numbers_that_make_no_sense(name: str, value: int) -> None:
    with pytest.raises(ExperimentError, match=rf"{name} to be a whole number of at least \d, got {value}"):
        replace(SPEC, **{name: value})


def test_a_folder_that_cannot_be_used(toys: Callable[..., Toys], tmp_path: Path) -> None:
    used = toys()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match=f"Expected to write {folder}"):
            made(folder)
    (tmp_path / "locked").mkdir()
    with lock(tmp_path / "locked"), pytest.raises(RunError, match="the only writer"):
        made(tmp_path / "locked")
    assert not used.jobs


def test_a_disk_that_fills_up_keeps_what_was_there(
    toys: Callable[..., Toys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, numbers = toys(), count(1)
    append = _jsonl.append

    def full(path: Path, text: str) -> None:
        if next(numbers) > 5:
            raise RunError("Expected to write, got 'No space left'. Free some space.")
        append(path, text)

    monkeypatch.setattr(_jsonl, "append", full)
    with pytest.raises(RunError, match="No space left"):
        made(tmp_path / "mini")
    monkeypatch.setattr(_jsonl, "append", append)
    with suppress(KeyboardInterrupt):
        made(tmp_path / "mini")
    assert Counter(used.trained().values()) == {1: ALL - 1, 2: 1}  # the one that could not be written


def test_a_drawn_table_is_a_sample_at_any_time_and_grows_without_training_anew(
    toys: Callable[..., Toys], tmp_path: Path
) -> None:
    offered = {**CLIMB.settings["space"], "offered": ["zero", "max3", "conv3"]}
    drawn = replace(CLIMB, settings={**CLIMB.settings, "space": offered, "halving": {}}, topologies=3, drawn=True)
    used = toys()
    table = made(tmp_path, spec=drawn)
    trained = [row for row in table.rows.values() if row.errors]
    begun = [job.genome for job in used.jobs]
    cells = list(dict.fromkeys(genome.split("@")[0] for genome in begun))
    plain = [f"{one}@net = add(x, zero)" for one in cells]
    assert len(cells) == 3
    assert begun[:6] == [one for one in plain for _ in range(2)], "the plain sign of all, with both seeds"
    assert list(dict.fromkeys(one.split("@")[0] for one in begun[6:])) == cells
    assert len(begun) == 2 * len(trained) == len(used.trained())
    grown = made(tmp_path, spec=replace(drawn, topologies=0))
    assert list(grown.rows)[: len(table.rows)] == list(table.rows)
    assert len(used.jobs) == len(used.trained())
    every_cell = list(dict.fromkeys(row.genome.split("@")[0] for row in grown.rows.values() if row.errors))
    assert every_cell[:3] == cells and every_cell != sorted(every_cell)
    some = made(tmp_path / "some", spec=replace(drawn, whole=1))
    rows = [row.genome for row in some.rows.values() if row.errors]
    by_cells = [[genome for genome in rows if genome.startswith(one)] for one in cells]
    assert by_cells[0] == [row.genome for row in trained if row.genome.startswith(cells[0])]
    assert by_cells[1:] == [[plain[1]], [plain[2]]]


# --- Scores on the way ----------------------------------------------------------------------------------------------

CLIMB = TableSpec(
    "climb",
    "cells of one node with three expressions, two epochs each",
    "digits",
    {
        "space": {"sites": "net", "nodes": 1, "offered": ["zero", "conv3"], "unary": ["x", "zero"], "binary": ["add"]},
        "network": {"cells": 1, "reductions": 0, "width": 2, "stem": 1},
        "dataset": {"train_limit": 100, "validation_limit": 60},
        "recipe": {"epochs": 3, "batch": 50, "schedule": "trunk"},
        "halving": {"rungs": [1, 2, 3]},
    },
    seeds=2,
    topologies=2,
)  # fmt: skip


def test_one_training_is_scored_at_every_rung_as_one_that_stops_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []
    real = Loop.advance
    monkeypatch.setattr(
        Loop, "advance", lambda loop, *a, **named: (epochs.append(loop.epoch), real(loop, *a, **named))[1]
    )
    table = made(tmp_path / "climb", spec=CLIMB)
    assert table == read_table(tmp_path / "climb" / TABLE)
    trained = [row for row in table.rows.values() if row.errors]
    assert len({row.genome.partition("@")[0] for row in table.rows.values()}) == 2 <= len(trained)
    assert epochs == [0, 1, 2] * 2 * len(trained)
    assert {path.name for path in (tmp_path / "climb").iterdir()} == {".lock", JOURNAL, TABLE}
    bench, row = make_bench(CLIMB.experiment(), Options(jobs=1)), trained[-1]
    genome = bench.space.parse(row.genome)
    for column in range(2):
        seed = bench.seed(0, genome, column)
        assert evaluate(bench, genome, seed).objectives["error"] == row.errors[column] / 60
        for place, rung in enumerate((1, 2)):
            found = evaluate(bench, genome, seed, stretch=Stretch(rung))
            assert found.at_rung(("error",))["error"] == row.early[place][column] / 60
    assert table.rungs == (1, 2, 3) and {len(row.early) for row in trained} == {2}
    (tmp_path / "climb" / JOURNAL).unlink()
    epochs.clear()
    assert told(made(tmp_path / "climb", spec=CLIMB)) == told(table)
    assert not epochs


def climbing(job: Job) -> Evaluation:
    """Stand in for a training that may be stopped; a file tells that it waits there."""
    found, rung = toy(job), job.stretch.epochs
    if job.stretch.file:
        Path(job.stretch.file).parent.mkdir(parents=True, exist_ok=True)
        Path(job.stretch.file).touch()
    return Evaluation(Status.PRUNED, measures=rung_measures(rung, {"error": rung / 60})) if rung else found


def test_what_fails_at_a_rung_has_failed_and_what_lacks_one_is_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: Callable[..., Toys]
) -> None:
    asked: list[tuple[str, int]] = []

    def answer(job: Job) -> Evaluation:
        asked.append((job.genome, job.stretch.epochs))
        if "add(x, zero)" in job.genome and job.stretch.epochs == 2:
            return Evaluation(Status.DIVERGED, message="a loss is nan", measures=rung_measures(2))
        return climbing(job)

    monkeypatch.setattr(climb, "run_job", answer)
    table = made(tmp_path, spec=CLIMB)
    failed = [row for row in table.rows.values() if row.status is Status.DIVERGED]
    assert [row.message for row in failed] == ["a loss is nan"] * 2
    rest = [row for row in table.rows.values() if row.errors]
    assert {row.early for row in rest} == {((1, 1), (2, 2))}
    assert [rung for who, rung in asked if who == rest[0].genome] == [1, 2, 0] * 2
    assert [rung for who, rung in asked if who == failed[0].genome] == [1, 2] * 2
    assert not (tmp_path / "rungs").exists()
    plain = replace(CLIMB, settings={**CLIMB.settings, "halving": {}})
    toys()
    assert made(tmp_path / "plain", spec=plain).rungs == ()
    asked.clear()
    (tmp_path / "plain" / TABLE).unlink()
    assert told(made(tmp_path / "plain", spec=CLIMB)) == told(table)
    assert len(asked) == 2 * (3 * len(rest) + 2 * len(failed))


# --- The tables that come with evobnn -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_comes_with_evobnn_is_small_and_holds_its_baselines(name: str) -> None:
    spec = TABLES[name]
    experiment = spec.experiment()
    assert (spec.name, experiment.preset, experiment.table) == (name, name, "")
    searched = experiment.space.build(experiment.network, experiment.dataset.size or 8)
    assert 3000 < genotypes(searched) <= MOST
    assert all(searched.check(searched.parse(text)) is None for text in spec.baselines)
    assert experiment.noise.repeats <= spec.seeds
    assert spec.seeds >= 2


def test_the_joint_table_has_sixteen_expressions(cache: Path) -> None:
    experiment = TABLES["joint-digits"].experiment()
    given = replace(experiment.space, freeze="normal[2 = conv3(0) + conv3(1); 3 = conv3(0) + conv3(1)]")
    bench: Bench = make_bench(replace(experiment, space=given), Options(jobs=1))
    assert sum(not bench.infeasible(genome) for _, genome in every(bench.space)) == 16
    assert all(parse_genome(str(genome)) for _, genome in every(bench.space))


def test_the_halving_table_is_a_part_of_the_joint_one_trained_otherwise(cache: Path) -> None:
    spec, joint = TABLES["joint-halving"], TABLES["joint-digits"].experiment()
    experiment = spec.experiment()
    for part in ("space", "dataset", "network", "objectives", "max_macs"):
        assert getattr(experiment, part) == getattr(joint, part)
    recipe = experiment.recipe
    assert (recipe.epochs, recipe.schedule, recipe.kernels) == (8, "trunk", "fused")
    assert replace(recipe, epochs=3, schedule="onecycle", kernels="torch") == joint.recipe
    assert (experiment.halving.rungs, spec.topologies, spec.seeds, spec.more) == ((1, 2, 4, 8), 40, 4, 0)


def test_settings_are_laid_over_the_preset_section_by_section() -> None:
    spec = TableSpec("mine", "", "digits", {"recipe": {"epochs": 1}, "seed": 4})
    experiment = spec.experiment()
    assert (experiment.recipe.epochs, experiment.recipe.batch, experiment.seed) == (1, 32, 4)
    assert experiment.network.width == 12
