"""Runs of a version whose children could begin with a parent's weights: what of them is still read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evobnn
from evobnn.cli.entry import run
from evobnn.errors import ExperimentError, RunError
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_table, from_text, to_text
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.snapshot import Generation, Journal, JournalEntry, read_generation, read_journal, write_generation
from tests.older import make_older

GONE = r"Expected trainings that begin with weights of their own in .*, got inherit\.weights, an option that is gone\. "
OFF, ON = ("\n[inherit]\nweights = false\n", "\n[inherit]\nweights = true\n")


@pytest.fixture
def heirs(uninterrupted: Path, tmp_path: Path) -> Path:
    """A run whose first child began with the weights of its first parent."""
    folder = tmp_path / "heirs"
    shutil.copytree(uninterrupted, folder)
    with (folder / "experiment.toml").open("a") as file:
        file.write(ON)
    told_of(folder)
    return folder


def told_of(folder: Path, parent: int | None = None) -> tuple[int, int]:
    """Let the first child with parents be told as the heir of one, by default its first; return both ids."""
    path = next(p for p in sorted(folder.glob("generation-*.jsonl"))[1:] if '"parents": [' in p.read_text())
    child = next(r.request.individual for r in read_generation(path).results if r.request.individual.parents)
    make_older(path)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        row = json.loads(line)
        if row.get("result", {}).get("id") == child.id:
            row["result"]["inherited_from"] = child.parents[0] if parent is None else parent
            lines[number] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")
    return child.id, child.parents[0]


# --- The record -----------------------------------------------------------------------------------------------------


def test_the_field_stands_where_it_says_something_and_is_read_again(tmp_path: Path) -> None:
    who = Individual(3, "normal[2 = max3(0)]", "3", 0, parents=(0,))
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


# --- The experiment -------------------------------------------------------------------------------------------------


def test_an_experiment_that_says_no_is_as_one_that_says_nothing(tiny: Experiment) -> None:
    said = from_text(to_text(tiny) + OFF, "text")
    assert said == tiny and said.fingerprint() == tiny.fingerprint()
    assert from_table({"inherit": {}}, "here") == from_table({}, "here")
    assert "inherit" not in to_text(said)


@pytest.mark.parametrize("said", [{"weights": True}, {"weights": "yes"}, {"weigths": False}, True, "weights"])
def test_an_experiment_that_says_anything_else_is_told_that_it_is_gone(said: Any) -> None:
    with pytest.raises(ExperimentError, match=GONE.replace(".*", "here")):
        from_table({"inherit": said}, "here")


def test_on_the_command_line_it_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(["evolve", "digits", "--generations", "0", "--set", "inherit.weights=true", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "got inherit.weights, an option that is gone. Leave it out" in " ".join(said.split())
    assert not out.exists()


# --- The run --------------------------------------------------------------------------------------------------------


def test_it_can_be_looked_at(heirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = evobnn.load_run(heirs)
    found = [r.evaluation.inherited_from for g in there.generations for r in g.results]
    assert sum(parent is not None for parent in found) == 1
    assert there.front().shape[0] >= 1
    assert run(["front", str(heirs)]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_it_cannot_be_gone_on_with_and_nothing_is_lost(heirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in heirs.iterdir() if path.suffix != ".lock" and path.is_file()}
    with pytest.raises(ExperimentError, match=GONE):
        evobnn.resume(heirs)
    for command in (["resume", str(heirs)], ["show", f"{heirs}:0"], ["evaluate", f"{heirs}:0"]):
        assert run(command) == 2
        assert "got inherit.weights, an option that is gone" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in before} == before


def test_check_says_what_it_cannot_tell_and_finds_nothing_wrong(
    heirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(heirs)]) == 0
    out = capsys.readouterr().out
    assert "PROBLEM" not in out and out.count("its experiment.toml has an option that is gone") == 7
    assert "ok           individuals are told once and alike" in out and "7 not made" in out


def test_check_names_a_parent_that_is_none(
    uninterrupted: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(uninterrupted, folder)
    told_of(folder, 99)
    assert run(["check", str(folder)]) == 1
    assert "began with the weights of 99, which is no parent of it" in capsys.readouterr().out
