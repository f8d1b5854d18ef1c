"""Callbacks: what they are told, when they end a search, and what is left when one raises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import evobnn
from evobnn import Callback, StopAt, StopAtPlateau
from evobnn.analysis import Run, load_run
from evobnn.cli.entry import run as command
from evobnn.errors import ExperimentError, RunError
from evobnn.experiment import Experiment
from evobnn.records import Result
from evobnn.runs.callbacks import State
from evobnn.snapshot import Generation, Survivor
from tests.studies.toytable import toy_table


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    return toy_table(tmp_path / "tables")[0]


def search(toy: Experiment, *callbacks: Callback, out: str = "run", generations: int = 4) -> Run:
    return evobnn.search(toy, out=out, generations=generations, jobs=1, callbacks=callbacks)


class Listening(Callback):
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.results: list[Result] = []
        self.ended: list[BaseException | None] = []

    def on_generation(self, state: State) -> None:
        self.numbers.append(state.number)
        assert (state.folder / f"generation-{state.number:04}.jsonl").is_file()
        assert len(state.generations) == state.number + 1 and state.log["generation"] == state.number
        assert len(state.front()) == state.log["front"]

    def on_result(self, result: Result) -> None:
        self.results.append(result)

    def on_end(self, raised: BaseException | None) -> None:
        self.ended.append(raised)


class Ending(Callback):
    def __init__(self, generation: int) -> None:
        self.generation = generation

    def on_generation(self, state: State) -> bool:
        return state.number >= self.generation


class Raising(Callback):
    def __init__(self, generation: int = 99, results: int = 10**6, ends: bool = False) -> None:
        self.generation, self.results, self.ends = generation, results, ends

    def on_generation(self, state: State) -> None:
        if state.number == self.generation:
            raise ZeroDivisionError("mine")

    def on_result(self, result: Result) -> None:
        self.results -= 1
        if not self.results:
            raise ZeroDivisionError("mine")

    def on_end(self, raised: BaseException | None) -> None:
        if self.ends:
            raise ZeroDivisionError("mine")


def same(run: Run, other: Run) -> bool:
    names = sorted(path.name for path in other.path.glob("generation-*.jsonl"))
    return names == sorted(path.name for path in run.path.glob("generation-*.jsonl")) and all(
        (run.path / name).read_bytes() == (other.path / name).read_bytes() for name in [*names, "front.csv"]
    )


def test_every_generation_and_result_is_told_once_and_changes_nothing(toy: Experiment) -> None:
    listening = Listening()
    run = search(toy, listening)
    assert listening.numbers == [0, 1, 2, 3, 4] and listening.ended == [None]
    asked = [result for generation in run.generations for result in generation.results]
    assert {(r.request.individual.key, r.request.repeat) for r in asked} < {
        (r.request.individual.key, r.request.repeat) for r in listening.results
    }  # those on fresh seeds are told, too
    assert len(listening.results) == len(run.path.joinpath("journal.jsonl").read_text().splitlines())
    assert same(run, search(toy, out="plain"))


def test_a_search_that_was_ended_is_whole_and_goes_on(toy: Experiment) -> None:
    run = search(toy, Ending(2), Listening())
    assert len(run.generations) == 3 and run.rescored
    listening = Listening()
    run = evobnn.resume(run, generations=4, jobs=1, callbacks=[listening])
    assert listening.numbers == [2, 3, 4]
    assert same(run, search(toy, out="plain"))


def test_a_result_can_end_a_search_after_its_generation(toy: Experiment) -> None:
    class Enough(Callback):
        def on_result(self, result: Result) -> bool:
            return result.request.individual.born == 1

    assert len(search(toy, Enough()).generations) == 2


@pytest.mark.parametrize(
    ("raising", "method", "committed"),
    [
        (Raising(generation=2), "on_generation", 3),
        (Raising(results=15), "on_result", 2),
        (Raising(ends=True), "on_end", 5),
    ],
)
def test_what_a_callback_raises_names_it_and_the_run_goes_on(
    raising: Raising, method: str, committed: int, toy: Experiment
) -> None:
    ended = Listening()
    with pytest.raises(RunError, match=rf"ZeroDivisionError from Raising\.{method}: mine.*run is whole") as caught:
        search(toy, raising, ended)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [type(one) for one in ended.ended] == [type(None) if method == "on_end" else RunError]
    assert len(load_run("run").generations) == committed
    assert command(["check", "run"]) == 0
    assert same(evobnn.resume("run", generations=4, jobs=1), search(toy, out="plain"))


def states(hypervolumes: Sequence[float], errors: Sequence[float] = (), **header: Any) -> State:
    """Return what a callback sees of generations with these hypervolumes, each with a survivor of this error."""
    from evobnn.records import Individual

    found = []
    for number, volume in enumerate(hypervolumes):
        error = errors[number] if errors else 0.5
        survivor = Survivor(Individual(number, "@net = x", str(number), 0), {"error": error, "ops": 9.0}, 1)
        said = {"objectives": ["error", "ops"], **header}
        found.append(Generation(number, said, {}, {"hypervolume": volume, "generation": number}, (survivor,), ()))
    return State(Path("nowhere"), found)


@pytest.mark.parametrize(
    ("volumes", "patience", "ends"),
    [
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.6], 1, False),
        ([0.1, 0.5, 0.4, 0.5], 2, True),
        ([0.1, 0.5, 0.4, 0.51], 2, False),
        ([0.1, 0.5, 0.4, 0.45], 3, False),
        ([0.5, 0.4], 2, False),
    ],
)
def test_a_plateau_is_so_many_generations_without_gain(volumes: list[float], patience: int, ends: bool) -> None:
    assert StopAtPlateau(patience).on_generation(states(volumes)) is ends
    falling = [1.0 - value for value in volumes]
    by_error = StopAtPlateau(patience, "error")
    assert by_error.on_generation(states([0.0] * len(volumes), falling)) is ends


def test_a_target_is_reached_from_its_side() -> None:
    state = states([0.2, 0.7], [0.1, 0.3])
    assert StopAt(hypervolume=0.7).on_generation(state) and not StopAt(hypervolume=0.71).on_generation(state)
    assert StopAt(error=0.3).on_generation(state) and not StopAt(error=0.29).on_generation(state)
    assert not StopAt(error=0.3, hypervolume=0.8).on_generation(state)
    assert StopAt(error=0.3, ops=9.0).on_generation(state)
    above = states([0.2], [0.3], constraints={"error": 0.25})  # the survivor exceeds the bound of its run
    assert not StopAt(error=0.3).on_generation(above)


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in ({}, {"hypervolume": 1.5}, {"error": 20.0}, {"error": -0.1}, {"hypervolume": float("nan")}):
        with pytest.raises(ExperimentError):
            StopAt(**wrong)
    with pytest.raises(ExperimentError):
        StopAtPlateau(0)
    with pytest.raises(ExperimentError, match="Did you mean 'error'"):
        StopAt(eror=0.1).on_generation(states([0.1]))


def test_what_is_no_callback_is_refused_before_anything_is_evaluated(toy: Experiment) -> None:
    for wrong in (print, StopAtPlateau):
        with pytest.raises(ExperimentError, match=r"each a Callback.*evobnn\.Callback"):
            search(toy, wrong)  # type: ignore[arg-type]
    assert not Path("run/journal.jsonl").exists()
    assert len(search(toy, generations=0).generations) == 1


def test_the_command_line_stops_says_why_and_goes_on(toy: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    begin = ["evolve", "--table", toy.table, "--generations", "4"]
    assert command([*begin, "--out", "a", "--target", "hypervolume=0.001"]) == 0
    assert "Stopped after generation 0: target 0.001 hypervolume." in capsys.readouterr().err
    assert len(load_run("a").generations) == 1
    assert command(["resume", "a", "--target", "hypervolume=0.001"]) == 0  # as if it had not been stopped before
    assert len(load_run("a").generations) == 1
    assert command(["resume", "a"]) == 0
    assert len(load_run("a").generations) == 5
    assert command([*begin[:3], "--generations", "300", "--out", "b", "--patience", "1"]) == 0
    assert "no better hypervolume for 1 generations" in capsys.readouterr().err
    assert len(load_run("b").generations) < 30
