"""The lines of a seed, whole and torn, and the one reading of the test images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.errors import RunError
from evobnn.final.folder import METRICS, TESTED, Line, SeedFolder, Verdict, read_result, seed_folder, write_result


def line(epoch: int) -> Line:
    return Line(epoch, 0, 0.25, 1.5, 0.75, 0.125, 2.0)


@pytest.fixture
def home(tmp_path: Path) -> SeedFolder:
    found = seed_folder(tmp_path, 3)
    assert found.path == tmp_path / "seed-3"
    found.path.mkdir()
    return found


def test_lines_come_back(home: SeedFolder) -> None:
    assert home.lines() == []
    for epoch in (1, 2, 3):
        home.append(line(epoch))
    assert home.lines() == [line(1), line(2), line(3)]
    first = json.loads((home.path / METRICS).read_text().splitlines()[0])
    assert first == {"epoch": 1, "stage": 0, "rate": 0.25, "training_loss": 1.5, "validation_loss": 0.75,
                     "validation_error": 0.125, "seconds": 2.0}  # fmt: skip


def test_nothing_validated_is_null_in_the_file(home: SeedFolder) -> None:
    home.append(replace(line(1), validation_loss=None, validation_error=None))
    assert '"validation_loss": null, "validation_error": null' in (home.path / METRICS).read_text()
    (found,) = home.lines()
    assert (found.validation_loss, found.validation_error) == (None, None)


@pytest.mark.parametrize("kept", [0, 1, 3])
@pytest.mark.parametrize("torn", ["", '{"epoch": 4, "sta', '{"epoch": 4, "sta\n'])
def test_lines_behind_the_checkpoint_are_cut(home: SeedFolder, kept: int, torn: str) -> None:
    for epoch in (1, 2, 3):
        home.append(line(epoch))
    with (home.path / METRICS).open("a") as file:
        file.write(torn)
    assert home.cut(kept) == [line(epoch) for epoch in range(1, kept + 1)]
    assert (home.path / METRICS).read_bytes().count(b"\n") == kept
    home.append(line(kept + 1))
    assert len(home.lines()) == kept + 1


def test_nothing_to_cut_writes_nothing(home: SeedFolder) -> None:
    assert home.cut(0) == []
    assert list(home.path.iterdir()) == []


def test_lines_that_are_missing(home: SeedFolder) -> None:
    home.append(line(1))
    with pytest.raises(RunError, match=r"the 2 epochs of the checkpoint in .*metrics\.jsonl, got 1 of them"):
        home.cut(2)


def test_a_line_that_says_nonsense_is_named(home: SeedFolder) -> None:
    for row in ({"epoch": 1}, line(2).row(), {**line(1).row(), "rate": "high"}, {**line(1).row(), "more": 1}):
        (home.path / METRICS).write_text(json.dumps(row) + "\n")
        with pytest.raises(RunError, match=r"metrics\.jsonl, line 1"):
            home.lines()


def test_what_the_test_yielded_comes_back(home: SeedFolder) -> None:
    assert home.tested() is None
    home.write_tested(Verdict(359, 360))
    assert home.tested() == Verdict(359, 360)
    assert json.loads((home.path / TESTED).read_text()) == {"error": 1 - 359 / 360, "correct": 359, "count": 360}
    for text in ("{", '{"error": 0.1, "correct": 11, "count": 10}', '{"error": 0.1}', ""):
        (home.path / TESTED).write_text(text)
        with pytest.raises(RunError, match=r"test\.json"):
            home.tested()


def test_the_result_is_derived(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    write_result(tmp_path, {"n": 3, "sd": None})
    assert read_result(tmp_path) == {"n": 3, "sd": None}
    for text in ("[1]", "{"):
        (tmp_path / "result.json").write_text(text)
        assert read_result(tmp_path) is None
