"""Every slip that a person makes at the keyboard: exit code 2, one message that helps, no traceback, nothing lost."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from evobnn.cli.entry import run
from evobnn.snapshot import lock
from tests.cli.conftest import TINY, Call, Called

CELLS = "normal[2 = conv3(0) + zero(1); 3 = max3(1)] reduction[2 = max3(0)]"
RUN = ("--population", "3", "--generations", "0", "--jobs", "1")


def check_refused(done: Called, *parts: str) -> None:
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    for part in parts:
        assert part in done.err, done.err
    assert not Path("populations/digits-2").exists()


SLIPS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "a command": (["evlove"], ["evlove", "Did you mean 'evolve'?"]),
    "an option": (["evolve", "--popluation", "3"], ["--popluation", "Did you mean '--population'?"]),
    "an option unlike any": (["evolve", "--zzz"], ["--zzz", "evobnn evolve --help"]),
    "an option without value": (["evolve", "--jobs"], ["--jobs"]),
    "a word for a number": (["evolve", "--population", "many"], ["--population", "integer"]),
    "no run": (["resume"], ["RUN"]),
    "a preset": (["evolve", "digts"], ["'digts'", "Did you mean 'digits'?"]),
    "a preset to print": (["presets", "digts"], ["Did you mean 'digits'?"]),
    "a missing file": (["evolve", "nowhere.toml"], ["nowhere.toml", "No such file"]),
    "a data set": (["evolve", "--dataset", "digts"], ["'digts'", "Did you mean 'digits'?"]),
    "a setting": (["evolve", "--set", "recipe.epohcs=3"], ["recipe.epohcs", "Did you mean 'recipe.epochs'?"]),
    "a section": (["evolve", "--set", "recip.epochs=3"], ["Did you mean 'recipe'?"]),
    "no equals sign": (["evolve", "--set", "recipe.epochs"], ["section.key=value"]),
    "a value": (["evolve", "--set", "recipe.epochs=few"], ["recipe.epochs", "'few'"]),
    "a choice": (["evolve", "--set", "recipe.optimiser=adm"], ["Did you mean 'adam'?"]),
    "an objective": (["evolve", "--set", 'objectives=["error", "opps"]'], ["Did you mean 'ops'?"]),
    "zero jobs": (["evolve", "--jobs", "0"], ["--jobs", "at least 1", "got 0"]),
    "an empty population": (["evolve", "--population", "0"], ["population", "at least 1", "got 0"]),
    "fewer than no generations": (["evolve", "--generations", "-1"], ["--generations", "at least 0"]),
    "a time": (["evolve", "--budget", "ten minutes"], ["--budget", "10m"]),
    "a device": (["evolve", "--device", "cuda:99"], ["cuda:99", "cpu"]),
    "a device that is none": (["evolve", "--device", "gpu"], ["'gpu'", "cpu"]),
    "a backend": (["evolve", "--backend", "lokey"], ["Did you mean 'loky'?"]),
    "threads": (["evolve", "--backend", "threading"], ["threading"]),
    "no folder with data": (["evolve", "--dataset", "mnist"], ["mnist", "--data-dir"]),
    "a folder that is not there": (["evolve", "--dataset", "mnist", "--data-dir", "no"], ["no, which does not exist"]),
    "a batch too large": (["evolve", "--set", "dataset.train_limit=40", "--set", "recipe.batch=64"],
                          ["recipe.batch", "40"]),
    "a frozen cell": (["evolve", "--set", "space.freeze=normal[2 = conv(0)]"], ["'conv'", "^"]),
    "a source": (["evolve", "--seed-from", "digts-1"], ["Did you mean 'populations/digits-1'?"]),
    "a half of a source": (["evolve", "--seed-from", "digits-1:cell"], ["Did you mean 'digits-1:cells'?"]),
    "a run to resume": (["resume", "digits-7"], ["digits-7", "Did you mean 'populations/digits-1'?"]),
    "a run to see": (["front", "populations/digts-1"], ["Did you mean 'populations/digits-1'?"]),
    "a run to check": (["check", "digits"], ["Did you mean 'populations/digits-1'?"]),
    "the folder of runs": (["front", "populations"], ["no experiment.toml", "populations/digits-1"]),
    "a run for a preset": (["evolve", "digits-1"], ["evobnn resume populations/digits-1"]),
    "a run without id": (["show", "digits-1"], ["RUN:ID", "digits-1:0"]),
    "no such id": (["show", "digits-1:999"], ["999", "0 to "]),
    "an id that is no number": (["evaluate", "digits-1:best"], ["'best'", "evobnn front digits-1"]),
    "an id of no run": (["show", "digits-9:1"], ["digits-9", "Did you mean 'populations/digits-1'?"]),
    "neither run nor genome": (["show", "something"], ["RUN:ID", "'something'"]),
    "an operation": (["show", CELLS.replace("max3", "mux3") + " @net = x"], ["'mux3'", "Did you mean 'max3'?", "^"]),
    "a form": (["show", f"{CELLS} @net = sine(x)"], ["'sine'", "Did you mean 'sin'?", "^"]),
    "an arity": (["show", f"{CELLS} @net = sin(x, x)"], ["1 argument for 'sin'", "got 2", "^"]),
    "a cycle": (["evaluate", f"{CELLS.replace('max3(1)', 'max3(3)')} @net = x"], ["closes a cycle", "^"]),
    "a colon in a genome": (["show", "normal[2 : conv3(0)] @net = x"], ["':'", "^"]),
    "a missing cell": (["show", "normal[2 = conv3(0)] @net = x"], ["a cell 'reduction'"]),
    "an unknown site": (["show", f"{CELLS} @nomal = x"], ["Did you mean 'normal'?"]),
    "a negative repeat": (["evaluate", "digits-1:0", "--repeat", "-1"], ["--repeat"]),
    "a folder that has files": (["evolve", "--out", "populations/digits-1"], ["evobnn resume populations/digits-1"]),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_in_one_message(evobnn: Call, a_run: Path, slip: str) -> None:
    before = {path: path.read_bytes() for path in sorted(a_run.iterdir())}
    arguments, parts = SLIPS[slip]
    check_refused(evobnn(*arguments), *parts)
    assert {path: path.read_bytes() for path in sorted(a_run.iterdir())} == before


def test_the_caret_stands_under_the_place(evobnn: Call) -> None:
    lines = evobnn("show", "normal[2 = conv(0)]").err.splitlines()
    assert lines[-2][lines[-1].index("^") :].startswith("conv(0)")


def test_a_file_of_settings_that_is_wrong_names_all_that_is_wrong(evobnn: Call) -> None:
    Path("mine.toml").write_text('seed = "one"\n[recipe]\nepochs = 1.5\n')
    check_refused(evobnn("evolve", "mine.toml"), "seed", "recipe.epochs")
    Path("mine.toml").write_text("seed = ")
    check_refused(evobnn("evolve", "mine.toml"), "TOML in mine.toml")
    Path("mine.toml").write_bytes(b"\xff\xfe\x00")
    check_refused(evobnn("evolve", "mine.toml"), "mine.toml")


def test_truncated_data_names_the_file(evobnn: Call) -> None:
    folder = Path("data")
    folder.mkdir()
    for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{stem}-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + (60000).to_bytes(4, "big"))[:-4])
    check_refused(evobnn("evolve", "--dataset", "mnist", "--data-dir", folder, *RUN), "train-images-idx3-ubyte.gz")
    (folder / "train-images-idx3-ubyte.gz").unlink()
    check_refused(evobnn("evolve", "--dataset", "mnist", "--data-dir", folder, *RUN), "no train-images-idx3-ubyte")
    assert not Path("populations").exists()


def test_two_processes_on_one_run(evobnn: Call, a_run: Path) -> None:
    with lock(a_run):
        check_refused(evobnn("resume", a_run, "--generations", 2, "--jobs", 1), "only writer", "another process")
        assert evobnn("front", a_run).code == 0  # reading is free
    assert evobnn("resume", a_run, "--generations", 1, "--jobs", 1).code == 0


def test_a_damaged_line_is_reported_and_resume_goes_on_before_it(evobnn: Call, a_run: Path) -> None:
    path = a_run / "generation-0001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:40] + b"\n"
    path.write_bytes(b"".join(lines))
    shown = evobnn("front", a_run)
    assert shown.code == 0 and "generation-0001.jsonl, line 4" in shown.err
    done = evobnn("resume", a_run, "--jobs", 1)
    assert done.code == 0, done.err
    assert "generation-0001.jsonl, line 4" in done.err
    assert (a_run / "generation-0001.jsonl.aside-1").read_bytes() == b"".join(lines)
    assert not (a_run / "generation-0002.jsonl").exists()  # the last start was to reach 1
    checked = evobnn("check", a_run)
    assert checked.code == 0, checked.out


def test_a_damaged_line_in_the_journal_is_reported(evobnn: Call, a_run: Path) -> None:
    path = a_run / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{broken\n", *lines[1:]]))
    done = evobnn("resume", a_run, "--generations", 1, "--jobs", 1)
    assert done.code == 0, done.err
    assert "journal.jsonl, line 2" in done.err
    assert "journal.jsonl, line 2" in evobnn("check", a_run).out


def test_generation_0_damaged(evobnn: Call, a_run: Path) -> None:
    (a_run / "generation-0000.jsonl").write_text("{}\n")
    check_refused(evobnn("front", a_run), "generation-0000.jsonl, line 1")


def test_a_run_of_other_data_or_versions_is_not_mixed(
    evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.evaluation.protocol.OPERATIONS_VERSION", 4711)
    check_refused(evobnn("resume", a_run, "--generations", 2, "--jobs", 1), "protocol", "--seed-from")


def test_a_place_where_no_folder_can_be_made(evobnn: Call) -> None:
    Path("populations").write_text("a file")
    check_refused(evobnn("evolve", "digits", *TINY, *RUN), "populations")
    check_refused(evobnn("evolve", "digits", *TINY, *RUN, "--out", "populations/mine"), "populations/mine")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk(evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = {path.name: path.read_bytes() for path in a_run.iterdir()}

    def refuse(*arguments: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("evobnn._jsonl.os.fsync", refuse)
    done = evobnn("resume", a_run, "--generations", 2, "--jobs", 1)
    check_refused(done, os.strerror(number), "untouched")
    for name, data in before.items():
        assert (a_run / name).read_bytes().startswith(data)
    monkeypatch.undo()
    checked = evobnn("check", a_run)
    assert checked.code == 0, checked.out


def test_ctrl_c_says_how_to_go_on(evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("evobnn.runs.evaluator.run_job", interrupted)
    done = evobnn("resume", a_run, "--generations", 2, "--jobs", 1)
    assert done.code == 130
    assert "stopped after generation 1" in done.err and f"evobnn resume {a_run}" in done.err
    assert "Traceback" not in done.err


def test_an_interruption_anywhere_else_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(text: str) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("evobnn.runs.named.find", interrupted)
    assert run(["front", "x"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_any_other_trouble_with_files_is_one_sentence(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error", "/some/file")

    monkeypatch.setattr("evobnn.runs.named.find", refuse)
    check_refused(evobnn("front", "x"), "Input/output error", "/some/file")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> NoReturn:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("evobnn.runs.named.find", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(["front", "x"])


def test_images_too_small_to_search_on(evobnn: Call) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (60, 1, 28), dtype=np.uint8), np.arange(60) % 3
    np.savez("row.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    done = evobnn("evolve", "npz", "--data-dir", "row.npz", "--jobs", 1)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Expected images of at least 3x3 pixels") and "got 1x28." in done.err
    assert not Path("populations").exists()
