"""Every space with every strategy: it searches, goes on where it stopped, and its survivors start a search elsewhere.

Nothing here names a space or a strategy but the table of refusals: what is listed in `SPACES` or `STRATEGIES`, and for
a space has a preset on digits, takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evobnn._seeding import generator
from evobnn.data import DatasetSpec
from evobnn.errors import RunError, SearchError
from evobnn.evaluation import Bench
from evobnn.evolution import STRATEGIES, Search, SearchState, Step, Strategy, run
from evobnn.experiment import Experiment, preset_names, preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.settings import StartSettings
from evobnn.experiment.text import from_table
from evobnn.records import Status
from evobnn.runs import Options, Session, create, starters
from evobnn.runs.setup import make_bench, make_search
from evobnn.snapshot import Generation, Survivor, read_generations, write_generation
from evobnn.spaces import SPACES, Space, adapt
from evobnn.spaces.adapt import parts
from evobnn.testing import NKLandscape, Noisy

SMALL = (
    *("network.width=4", "dataset.train_limit=100", "dataset.validation_limit=60", "recipe.epochs=1", "horizon=2"),
    *("recipe.batch=50", "recipe.precision=fp32", "strategy.population=3", "noise.rescore=0"),
)
SETTINGS = {"population": 4, "children": 3, "least": 6, "trees": 3}
"""Of strategies, where they know them: small populations, and a forest that is there early."""
REFUSALS: dict[tuple[str, tuple[str, ...]], str] = {
    ("nsga3", ("error",)): "Expected two objectives or more for nsga3, got ['error'].",
    ("opsbins", ("error",)): "Expected error and ops among the objectives for opsbins, got ['error'].",
    ("opsbins", ("error", "elementwise")): "Expected error and ops among the objectives for opsbins, got ['error', 'el",
}
"""What a strategy cannot honour, by its name and the objectives, and how it says so. There is no other refusal."""

every_space = pytest.mark.parametrize("where", SPACES)
every_strategy = pytest.mark.parametrize("name", STRATEGIES)


@cache
def presets() -> dict[str, Experiment]:
    """Return the preset on the data set that needs no download, made small, by the name of its space."""
    found: dict[str, Experiment] = {}
    for name in preset_names():
        experiment = from_table(override(preset_table(name), SMALL), name)
        if experiment.dataset.name == DatasetSpec().name:
            found.setdefault(experiment.space.name, experiment)
    return found


@cache
def space_of(where: str) -> Space:
    experiment = presets()[where]
    return experiment.space.build(experiment.network, 8)


def made(name: str) -> Strategy:
    known = {field.name for field in fields(STRATEGIES[name])}
    settings: dict[str, Any] = {setting: value for setting, value in SETTINGS.items() if setting in known}
    return STRATEGIES[name](**settings)


def test_every_space_has_a_preset_that_needs_no_download() -> None:
    assert sorted(presets()) == sorted(SPACES)


# --- On a landscape -------------------------------------------------------------------------------------------------


def commit(folder: Path, step: Step) -> None:
    """Write a generation as a session does."""
    known = {field.name: getattr(step.state, field.name) for field in fields(step.state)}
    state = {**known, "survivors": list(step.state.survivors)}
    survivors = tuple(Survivor(*one) for one in step.survivors)
    write_generation(folder, Generation(step.generation, {}, state, step.log, survivors, step.results))


def committed(folder: Path) -> list[Step]:
    """Read all generations back."""
    generations, damage = read_generations(folder)
    assert damage == []
    steps = []
    for one in generations:
        state = SearchState(**{**one.state, "survivors": tuple(one.state["survivors"])})
        survivors = tuple((who.individual, who.objectives, who.repeats) for who in one.survivors)
        steps.append(Step(one.number, state, survivors, one.results, one.log))
    return steps


@every_strategy
@every_space
def test_it_searches_stops_goes_on_and_moves_elsewhere(where: str, name: str, tmp_path: Path) -> None:
    space = space_of(where)
    landscape = NKLandscape(space)
    evaluate = Noisy(landscape)

    def started() -> Search:
        return Search(space, made(name), ("error", "ops"), 7, bounds=landscape.bounds, horizon=4)

    search, whole = started(), []
    run(search, evaluate, whole.append, 4)
    assert [step.generation for step in whole] == [0, 1, 2, 3, 4]
    assert all(step.results and step.survivors for step in whole)

    run(started(), evaluate, lambda step: commit(tmp_path, step), 2)
    assert committed(tmp_path) == whole[:3]
    again = started()
    again.restore(committed(tmp_path))
    run(again, evaluate, lambda step: commit(tmp_path, step), 4)
    assert committed(tmp_path) == whole
    assert [one.values for one in again.archive.feasible()] == [one.values for one in search.archive.feasible()]

    moved = 0
    for elsewhere in SPACES:
        into = space_of(elsewhere)
        for member in search.population:
            found = adapt(into, member.genome, generator(1))
            into.check(found)
            assert into.parse(str(found)) == found
            lost = [row for row in parts(into, member.genome, found) if row.why]
            assert elsewhere != where or (found == member.genome and not lost)
            moved += 1
    assert moved == len(SPACES) * len(search.population) > 0


# --- Refusals -------------------------------------------------------------------------------------------------------


@cache
def bench_of(where: str, objectives: tuple[str, ...]) -> Bench:
    return make_bench(replace(presets()[where], objectives=objectives), Options(jobs=1))


def objectives_of(where: str) -> set[tuple[str, ...]]:
    return {presets()[where].objectives, ("error",), ("error", "ops")}


@every_strategy
@every_space
def test_what_a_strategy_cannot_honour_is_in_the_table(where: str, name: str) -> None:
    looked = 0
    for objectives in objectives_of(where):
        experiment = replace(presets()[where], objectives=objectives, strategy={"name": name})
        bench = bench_of(where, objectives)
        if (name, objectives) in REFUSALS:
            with pytest.raises(SearchError) as error:
                make_search(experiment, bench)
            assert str(error.value).startswith(REFUSALS[name, objectives])
        else:
            make_search(experiment, bench)
        looked += 1
    assert looked >= 2


def test_every_refusal_of_the_table_is_met() -> None:
    met = {objectives for where in SPACES for objectives in objectives_of(where)}
    assert {objectives for _, objectives in REFUSALS} <= met
    assert {name for name, _ in REFUSALS} <= set(STRATEGIES)


# --- With real training ---------------------------------------------------------------------------------------------


def moved(folder: Path, where: str) -> tuple[str, tuple[str, ...]]:
    """Return the next space in the list that can begin with survivors of a run, and their genomes there.

    Cells that pass nothing on but by a skip, such as the cheapest of a space, start nothing where cells have none.
    """
    names = list(SPACES)
    at = names.index(where)
    for elsewhere in names[at + 1 :] + names[:at]:
        bench, said = bench_of(elsewhere, presets()[elsewhere].objectives), []
        try:
            found = starters(bench.space, [str(folder)], 2, 0, said.append, bench.infeasible)
        except RunError as error:
            assert str(error).startswith(f"Expected an individual that can start a search in the space {elsewhere}, ")
            continue
        assert all(sentence.startswith(f"{folder}:") for sentence in said)
        return elsewhere, found
    raise AssertionError(f"no space can begin with what {where} has found")


def proceed(folder: Path, generations: int) -> list[Generation]:
    said: list[str] = []
    Session(folder, Options(jobs=1, generations=generations), say=said.append).proceed()
    found, damage = read_generations(folder)
    assert said == damage == []
    return found


def contents(folder: Path) -> dict[str, bytes]:
    kept = [*folder.glob("generation-*.jsonl"), *(folder / name for name in ("experiment.toml", "log.jsonl"))]
    return {path.name: path.read_bytes() for path in kept}


@every_space
def test_its_preset_trains_goes_on_and_seeds_another(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)  # a picture takes its time
    experiment = presets()[where]
    folder = create(experiment, Options(jobs=1), tmp_path)
    assert len(proceed(folder, 1)) == 2
    generations = proceed(folder, 2)
    assert [len(one.results) for one in generations] == [3, 3, 3]
    assert sum(r.evaluation.status is Status.OK for one in generations for r in one.results) >= 3
    straight = create(experiment, Options(jobs=1), tmp_path)
    proceed(straight, 2)
    assert contents(straight) == contents(folder) and len(contents(folder)) == 5

    other, given = moved(folder, where)
    elsewhere = create(replace(presets()[other], start=StartSettings(given)), Options(jobs=1), tmp_path / "elsewhere")
    (first,) = proceed(elsewhere, 0)
    assert [one.request.individual.genome for one in first.results][: len(given)] == list(given)
    assert {one.request.individual.origin for one in first.results[: len(given)]} == {"seed"}


def test_a_population_that_a_space_cannot_express_is_one_sentence() -> None:
    """Functions alone, into spaces that have the plain sign everywhere."""
    sources: Sequence[str] = ["published:baselines"]
    refused = 0
    for where in SPACES:
        space = space_of(where)
        if space.free_sites:
            assert len(starters(space, sources, 9, 0)) == 3
            continue
        with pytest.raises(RunError, match=rf"^Expected .* a search in the space {where}, got none in publ.*\. Seed "):
            starters(space, sources, 9, 0)
        refused += 1
    assert refused > 0
