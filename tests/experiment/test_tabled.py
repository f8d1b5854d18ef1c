"""Searching on a table: a whole session without images, the same bytes twice, and every table that does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from evobnn._seeding import generator
from evobnn.errors import EvobnnError, ExperimentError, RunError
from evobnn.experiment import Experiment
from evobnn.experiment.presets import preset_table
from evobnn.experiment.settings import NoiseSettings
from evobnn.experiment.text import from_table, from_text, to_text
from evobnn.records import FRESH, Individual, Request, Status
from evobnn.runs import Options, Session, create, derived, evaluator, setup
from evobnn.runs.believed import believed, believing
from evobnn.runs.on_table import (
    check_noise,
    check_same,
    find_table,
    images_of,
    infeasible_in,
    load_table,
    look_up,
    on_table,
    recorded,
    space_of,
    table_bench,
)
from evobnn.runs.setup import make_bench
from evobnn.runs.verify import verify
from evobnn.snapshot import read_generations, read_journal, read_rescored
from evobnn.snapshot.archive import archive, unconfirmed
from evobnn.spaces import key
from evobnn.spaces.enumeration import every
from evobnn.tables import Row, Table, read_table, write_table
from tests.miniature import SINE, SPEC, by_hand, key_of, space

HAND = {"@net = add(x, x)": (30, 20, 10), SINE: (5, 6, 7, 8, 9), "@net = add(x, neg(x))": ()}
WHOLE = Options(jobs=1)


def forbidden(*given: object, **more: object) -> NoReturn:
    raise AssertionError("nothing is to be trained and no image to be opened")


@pytest.fixture
def here(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the table where it is found by its name, in a process that can neither train nor open images."""
    folder = tmp_path / "populations" / "tables" / "mini"
    shutil.copytree(miniature, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(derived, "save_front", lambda *given: None)
    for place, name in ((setup, "prepare"), (evaluator, "run_job"), (setup, "check_device")):
        monkeypatch.setattr(place, name, forbidden)
    return folder


def searched(seed: int = 3, name: str = "mini", **changes: Any) -> Experiment:
    return replace(on_table(load_table(name), name), seed=seed, **changes)


def request(name: str, repeat: int = 0) -> Request:
    return Request(Individual(0, "@net = x", name, 0), repeat)


# --- Finding --------------------------------------------------------------------------------------------------------


def test_a_table_is_found_by_name_folder_and_file(here: Path) -> None:
    assert {find_table(name) for name in ("mini", str(here), str(here / "table.jsonl"))} == {
        Path("populations/tables/mini/table.jsonl"),
        here / "table.jsonl",
    }
    assert load_table("mini") is load_table(str(here))
    assert load_table("mini") == read_table(here / "table.jsonl")


def test_a_file_that_changed_is_read_again(here: Path) -> None:
    before = load_table("mini")
    write_table(here / "table.jsonl", replace(before, rows={}))
    assert load_table("mini").rows == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("minni", r"Expected a table \(mini\), got 'minni'. Did you mean 'mini'\?"),
        ("something else", r"Expected a table \(mini\), got 'something else'. Name one, or make it with 'evobnn tab"),
    ],
)
def test_a_misspelt_name_names_the_closest(here: Path, name: str, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        load_table(name)


def test_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentError, match=r"Expected a table \(none in populations/tables\), got 'mini'"):
        find_table("mini")


def test_a_damaged_table_is_told_with_its_line(here: Path) -> None:
    path = here / "table.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"table.jsonl, line 15"):
        load_table("mini")


# --- A whole session ------------------------------------------------------------------------------------------------


def test_a_session_runs_without_images_and_tells_what_the_table_says(here: Path, tmp_path: Path) -> None:
    folder = create(searched(), WHOLE, tmp_path / "runs")
    Session(folder, WHOLE).proceed()
    table, root = load_table("mini"), 3
    generations, damage = read_generations(folder)
    assert not damage and len(generations) >= 2
    shown = 0
    for generation in generations:
        for result in generation.results:
            who = result.request.individual
            assert who.key == key(space(), space().parse(who.genome))
            column = table.order(root, who.key)[result.request.repeat]
            assert result.evaluation.objectives["error"] == table.value(who.key, column)
            assert result.evaluation.objectives["elementwise"] == table.row(who.key).elementwise
            assert column != table.order(root, who.key)[-1]
            shown += 1
    assert shown > 8
    assert any(result.request.repeat for generation in generations for result in generation.results)
    fresh = read_rescored(next(folder.glob("rescored-*.jsonl")))
    assert len(fresh) >= 1
    for row in fresh:
        held_out = table.value(row.key, table.order(root, row.key)[-1])
        assert (row.repeats, row.values["error"]) == ((FRESH,), (held_out,))


def test_the_same_seed_gives_the_same_bytes_stopped_or_not(
    here: Path, tmp_path: Path, decisive: Callable[[Path], dict[str, bytes]]
) -> None:
    folders = []
    for name, stops in (("one", (4,)), ("two", (4,)), ("stopped", (0, 1, 4))):
        folders.append(create(searched(), WHOLE, tmp_path, tmp_path / name))
        for stop in stops:
            Session(folders[-1], replace(WHOLE, generations=stop)).proceed()
    first, second, stopped = map(decisive, folders)
    assert first == second == stopped
    other = create(searched(seed=4), WHOLE, tmp_path, tmp_path / "other")
    Session(other, replace(WHOLE, generations=4)).proceed()
    assert decisive(other)["generation-0001.jsonl"] != first["generation-0001.jsonl"]


def test_a_killed_session_goes_on_with_what_its_journal_knows(
    here: Path, tmp_path: Path, decisive: Callable[[Path], dict[str, bytes]]
) -> None:
    folders = [create(searched(), WHOLE, tmp_path, tmp_path / name) for name in ("whole", "killed")]
    for folder in folders:
        Session(folder, replace(WHOLE, generations=2)).proceed()
    (folders[1] / "generation-0002.jsonl").unlink()
    Session(folders[1], replace(WHOLE, generations=2)).proceed()
    assert decisive(folders[0]) == decisive(folders[1])
    entries, _ = read_journal(folders[1] / "journal.jsonl")
    assert len({(entry.key, entry.repeat) for entry in entries}) == len(entries)


def test_a_model_names_the_same_stopped_killed_or_not(
    here: Path, tmp_path: Path, decisive: Callable[[Path], dict[str, bytes]]
) -> None:
    named = searched(choose="model", horizon=2)
    folders = []
    for name, stops in (("whole", (2,)), ("stopped", (0, 1, 2)), ("killed", (2,))):
        folders.append(create(named, WHOLE, tmp_path, tmp_path / name))
        for stop in stops:
            Session(folders[-1], replace(WHOLE, generations=stop)).proceed()
    (folders[2] / "generation-0002.jsonl").unlink()
    (folders[2] / "rescored-0002.jsonl").unlink()
    Session(folders[2], replace(WHOLE, generations=2)).proceed()
    whole, stopped, killed = map(decisive, folders)
    assert whole == stopped == killed
    newest = [(folder / "rescored-0002.jsonl").read_bytes() for folder in folders]
    assert newest[0] == newest[1] == newest[2]
    generations, _ = read_generations(folders[0])
    assert any(result.request.individual.origin == "model" for result in generations[2].results)
    assert not [problem for answer in verify(folders[0]) for problem in answer.problems]
    whole_run = archive(generations)
    wanted = unconfirmed(whole_run, {}, believed(whole_run, believing(named, space())))
    assert {row.id for row in read_rescored(folders[0] / "rescored-0002.jsonl")} >= set(wanted)


def test_a_run_does_not_go_on_with_a_table_that_has_changed(here: Path, tmp_path: Path) -> None:
    folder = create(searched(), WHOLE, tmp_path / "runs")
    Session(folder, replace(WHOLE, generations=1)).proceed()
    table = load_table("mini")
    row = table.row(key_of(SINE))
    rows = {**table.rows, row.key: replace(row, errors=(*row.errors[:-1], 0))}
    write_table(here / "table.jsonl", replace(table, rows=rows))
    with pytest.raises(RunError, match=f"the data with which {folder} was begun"):
        Session(folder, replace(WHOLE, generations=2)).proceed()
    write_table(here / "table.jsonl", replace(table, created="later"))
    Session(folder, replace(WHOLE, generations=2)).proceed()
    assert len(read_generations(folder)[0]) == 3


@pytest.mark.parametrize("forgets", [False, True])
def test_an_algorithm_that_repeats_itself_sees_the_shown_columns_in_turn(
    here: Path, tmp_path: Path, forgets: bool
) -> None:
    settings = {"name": "gaaf", "population": 4, "forgets": forgets, "unfiltered": True}
    experiment = searched(strategy=settings, objectives=("error",))
    folder = create(experiment, WHOLE, tmp_path / "runs")
    Session(folder, replace(WHOLE, generations=6)).proceed()
    results = [result for generation in read_generations(folder)[0] for result in generation.results]
    statuses = {result.evaluation.status for result in results}
    assert statuses <= {Status.OK, Status.INVALID}
    assert (max(result.request.repeat for result in results) > 2) is forgets
    if forgets:
        assert Status.INVALID in statuses  # sent although the table knows that its sign is constant


# --- What a table says, what a search sees --------------------------------------------------------------------------


def test_the_experiment_of_a_table_is_that_of_its_trainings(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    assert recorded(table) == SPEC.experiment()
    experiment = on_table(table, "mini")
    assert experiment == replace(SPEC.experiment(), table="mini", noise=NoiseSettings(2, 1))
    assert from_text(to_text(experiment), "text") == experiment
    columns = {5: 3, 4: 3, 3: 2, 2: 1}
    for count, repeats in columns.items():
        toy = by_hand({"@net = add(x, x)": range(count), SINE: range(9)})
        assert on_table(toy, "toy").noise == NoiseSettings(repeats, 1)


@pytest.mark.parametrize(
    ("errors", "got"),
    [({SINE: (1, 2, 3), "@net = add(x, x)": (1,)}, 1), ({"@net = add(x, neg(x))": ()}, 0)],
)
def test_a_table_with_a_single_column_is_refused(errors: dict[str, tuple[int, ...]], got: int) -> None:
    with pytest.raises(ExperimentError) as caught:
        on_table(by_hand(errors), "hand")
    assert str(caught.value) == (
        f"Expected a table with at least 2 trainings of every genome, got {got} in hand. Go on with 'evobnn tabulate'."
    )


def test_the_bench_is_that_of_the_trainings_without_images(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    bench, real = table_bench(on_table(table, "mini"), table), make_bench(SPEC.experiment(), WHOLE)
    assert bench.protocol == real.protocol
    assert bench.protocol.fingerprint() == table.protocol
    assert (bench.space, bench.objectives, bench.axes()) == (real.space, real.objectives, real.axes())
    assert bench.prepared == replace(real.prepared, folder="", fingerprint=table.fingerprint)
    assert images_of(table) == replace(real.prepared, folder="")


def test_what_is_feasible_is_what_was_trained(miniature: Path) -> None:
    table = read_table(miniature / "table.jsonl")
    bench = make_bench(SPEC.experiment(), WHOLE)
    reason = infeasible_in(table, bench)
    rng, looped = generator(0), set()
    for _ in range(60):
        genome = bench.space.sample(rng)
        assert reason(genome) == bench.infeasible(genome)
        looped.add(bool(reason(genome)))
    assert looped == {True, False}
    part = by_hand({SINE: (1, 2)})
    assert infeasible_in(part, bench)(bench.space.parse("@net = add(x, x)")) == "not in the table hand"


def test_what_starts_constant_is_never_asked_for_where_it_is_refused(here: Path, tmp_path: Path) -> None:
    flat = key(space(), space().parse("@net = add(neg(x), shift(x))"))
    asked = {}
    for refuse in ("constant", "starts-constant"):
        folder = create(searched(refuse=refuse), WHOLE, tmp_path / refuse)
        Session(folder, WHOLE).proceed()
        results = [result for generation in read_generations(folder)[0] for result in generation.results]
        asked[refuse] = {result.request.individual.key for result in results}
    assert asked["constant"] - asked["starts-constant"] == {flat}
    assert asked["starts-constant"] < asked["constant"]


def test_fresh_scores_come_from_the_held_out_column_alone() -> None:
    table, looped = by_hand(HAND), 0
    for seed in range(20):
        answer = look_up(replace(on_table(table, "hand"), seed=seed), table)
        for text in ("@net = add(x, x)", SINE):
            name = key_of(text)
            order = table.order(seed, name)
            seen = [one.evaluation for one in answer([request(name, repeat) for repeat in range(len(order))])]
            assert [e.objectives["error"] for e in seen[:-1]] == [table.value(name, column) for column in order[:-1]]
            assert seen[-1].status is Status.ERROR
            fresh = [one.evaluation for one in answer([request(name, FRESH), request(name, FRESH + 1)])]
            assert fresh[0].objectives["error"] == table.value(name, order[-1])
            assert fresh[1].status is Status.ERROR
            looped += 1
    assert looped == 40


# --- What does not fit ----------------------------------------------------------------------------------------------


def other(**changes: Any) -> Experiment:
    """Return the experiment of the hand-made table with other settings, section by section."""
    experiment = on_table(by_hand(HAND), "hand")
    parts = {
        name: replace(getattr(experiment, name), **value) if is_dataclass(getattr(experiment, name)) else value
        for name, value in changes.items()
    }
    return replace(experiment, **parts)


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"recipe": {"epochs": 9}}, "recipe.epochs = 9 where it has 1"),
        (
            {"recipe": {"clip": 1.0, "batch": 50}},
            "recipe.batch = 50 where it has 25, recipe.clip = 1.0 where it has 1.3",
        ),
        ({"recipe": {"augmentation": "auto"}}, "recipe.augmentation = 'shift1' where it has 'none'"),
        ({"network": {"width": 8}}, "network.width = 8 where it has 4"),
        ({"dataset": {"train_limit": 0}}, "dataset.train_limit = 0 where it has 100"),
        ({"max_macs": 5.0}, "max_macs = 5.0 where it has 0.0"),
        (
            {"space": {"unary": ("x", "sin")}},
            "space.unary = ('x', 'sin') where it has ('x', 'zero', 'sin', 'neg', 'shift')",
        ),
    ],
)
def test_another_protocol_is_one_sentence(changes: dict[str, Any], got: str) -> None:
    table = by_hand(HAND)
    with pytest.raises(ExperimentError) as caught:
        table_bench(other(**changes), table)
    assert str(caught.value) == (
        f"Expected the protocol of the table hand, got {got}. "
        "Leave out the preset and what changes it, or tabulate this experiment."
    )


def test_what_a_search_may_choose_is_no_protocol() -> None:
    table = by_hand(HAND)
    for changes in (
        {"seed": 7, "horizon": 3, "preset": "mine"},
        {"objectives": ("error", "bits")},
        {"strategy": {"name": "random", "population": 3}},
        {"space": {"freeze": "@net = add(x, x)"}},
    ):
        check_same(other(**changes), table)
    assert table_bench(other(space={"freeze": "@net = add(x, x)"}), table).space.free_sites == ()


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (
            (3, 1),
            "noise.repeats of at most 2, the columns of hand that are there for it, got 3. Set noise.repeats = 2.",
        ),
        (
            (1, 2),
            "noise.rescore of at most 1, the columns of hand that are there for it, got 2. Set noise.rescore = 1.",
        ),
    ],
)
def test_a_table_cannot_answer_more_often_than_it_has_columns(noise: tuple[int, int], words: str) -> None:
    table = by_hand(HAND)
    with pytest.raises(ExperimentError, match=words):
        check_noise(other(noise={"repeats": noise[0], "rescore": noise[1]}), table)
    check_noise(other(noise={"repeats": 2, "rescore": 0}), table)
    check_noise(other(noise={"repeats": 9, "rescore": 1}, strategy={"name": "gaaf", "forgets": True}), table)


def test_an_experiment_names_its_table_and_that_is_checked_first(here: Path, tmp_path: Path) -> None:
    for changes, words in (
        ({"noise": NoiseSettings(3, 5)}, "noise.repeats of at most 2"),
        ({"table": "minni"}, "Did you mean 'mini'"),
        ({"recipe": replace(SPEC.experiment().recipe, epochs=4)}, "recipe.epochs = 4 where it has 1"),
    ):
        with pytest.raises(ExperimentError, match=words):
            create(replace(searched(), **changes), WHOLE, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "data",
    [{}, {"fingerprint": "f", "shape": [8, 8], "classes": 10, "train": 1}, {"fingerprint": "f", "shape": 3},
     {"fingerprint": "f", "shape": [1, 8, 8], "classes": "ten", "train": 1}],
)  # fmt: skip
def test_a_table_that_does_not_say_what_its_images_are(data: dict[str, Any]) -> None:
    table: Table = replace(by_hand(HAND), data=data)
    for attempt in (space_of, lambda toy: table_bench(on_table(toy, "hand"), toy)):
        with pytest.raises(EvobnnError, match="'data' with fingerprint, shape, classes and train in the first line of"):
            attempt(table)


def test_an_unfinished_table_is_searched_as_far_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Genomes without a row are not asked for."""
    monkeypatch.setattr(derived, "save_front", lambda *given: None)
    table = by_hand({text: (9, 8, 7) for text in ("@net = add(x, x)", SINE, "@net = add(x, sin(x))")}, name="part")
    write_table(tmp_path / "part.jsonl", table)
    name = str(tmp_path / "part.jsonl")
    said: list[str] = []
    folder = create(searched(name=name), WHOLE, tmp_path / "runs")
    Session(folder, WHOLE, say=said.append).proceed()
    results = [result for generation in read_generations(folder)[0] for result in generation.results]
    assert {result.request.individual.key for result in results} == set(table.rows)
    assert {result.evaluation.status for result in results} == {Status.OK}
    assert "exhausted" in said[0]


def test_a_block_that_measures_a_genome_again_and_again_gets_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Abandonment draws genomes beside the population, known ones among them, each with its twin."""
    monkeypatch.setattr(derived, "save_front", lambda *given: None)
    settings = {
        "network": {"cells": 1, "reductions": 0, "width": 2, "stem": 1, "skip": "free"},
        "space": {"name": "bnas", "nodes": 1, "offered": ["zero", "max3", "avg3", "conv3"]},
        "strategy": {"population": 6},
        "pressures": {"abandonment": {"every": 1, "draws": 1}},
    }
    experiment = from_table({**preset_table("digits"), **settings}, "here")
    rng = generator(1)
    rows = {}
    for name, genome in every(experiment.space.build(experiment.network, 8)):
        errors, parent = (tuple(int(n) for n in rng.integers(0, 100, 2)) for _ in range(2))
        rows[name] = Row(name, str(genome), Status.OK, 100.0 + len(rows), 64, errors, 8, 10.0, (), parent)
    table = replace(by_hand(HAND, name="cells"), rows=rows, experiment=to_text(experiment))
    write_table(tmp_path / "cells.jsonl", table)
    folder = create(replace(searched(name=str(tmp_path / "cells.jsonl")), horizon=4), WHOLE, tmp_path / "runs")
    said: list[str] = []
    for stop in (1, 4):  # what was written with twins is read again
        Session(folder, replace(WHOLE, generations=stop), say=said.append).proceed()
    generations, damage = read_generations(folder)
    assert not damage and not any("line" in sentence for sentence in said)
    results = [result for generation in generations for result in generation.results]
    blocked = [result for result in results if result.request.twin]
    assert max(result.request.repeat for result in blocked) >= 1  # one column alone may be shown
    assert all("parent_error" in result.evaluation.measures for result in blocked)
    assert {result.evaluation.status for result in results} == {Status.OK}
