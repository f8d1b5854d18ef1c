"""The lines of a seed, whole and torn, and the one reading of the test images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.errors import RunError
from evobnn.runs.final.folder import METRICS, TESTED, Line, SeedFolder, Verdict, read_result, seed_folder, write_result


def line(epoch: int) -> Line:
    return Line(0, epoch, 0.25, 1.5, 0.75, 0.125, 2.0)


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
    assert len(first.pop("sha")) == 12
    assert first == {"version": 2, "epoch": 1, "stage": 0, "rate": 0.25, "training_loss": 1.5, "validation_loss": 0.75,
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


def test_a_changed_digit_and_lines_of_before_digests(home: SeedFolder) -> None:
    for epoch in (1, 2, 3):
        home.append(line(epoch))
    path = home.path / METRICS
    whole = path.read_text()
    changes = (('"rate": 0.25', '"rate": 0.26'), ('"version": 2, ', ""), ('"version": 2', '"version": 1'))
    for old, new in changes:
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(RunError, match=r"metrics\.jsonl, line 1"):
            home.lines()
    lines = whole.splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[2]]))
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2"):
        home.lines()
    path.write_text("".join(json.dumps(line(epoch).row()) + "\n" for epoch in (1, 2, 3)))
    assert home.lines() == home.cut(3) == [line(1), line(2), line(3)]
    assert path.read_text() == whole  # who goes on has digests from then on


def test_what_the_test_yielded_comes_back(home: SeedFolder) -> None:
    assert home.tested() is None
    home.write_tested(Verdict(359, 360))
    assert home.tested() == Verdict(359, 360)
    row = json.loads((home.path / TESTED).read_text())
    assert len(row.pop("sha")) == 12
    assert row == {"version": 2, "error": 1 - 359 / 360, "correct": 359, "count": 360}
    (home.path / TESTED).write_text('{"error": 0.1, "correct": 9, "count": 10}\n')  # before digests
    assert home.tested() == Verdict(9, 10)
    changed = (json.dumps({**row, "sha": "0" * 12}), json.dumps(row), json.dumps({**row, "version": 1}))
    for text in (*changed, "{", '{"error": 0.1, "correct": 11, "count": 10}', '{"error": 0.1}', ""):
        (home.path / TESTED).write_text(text)
        with pytest.raises(RunError, match=r"test\.json"):
            home.tested()


def test_the_result_is_derived(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    write_result(tmp_path, {"n": 3, "sd": None})
    assert read_result(tmp_path) == {"n": 3, "sd": None}
    written = (tmp_path / "result.json").read_text()
    for text in (written.replace("3", "4"), '{"version": 2, "n": 3}', "[1]", "{"):
        (tmp_path / "result.json").write_text(text)
        assert read_result(tmp_path) is None
