"""`evobnn check` of trainings, tables and studies: what is whole is said to be, and each kind of damage is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evobnn import _jsonl
from evobnn.cli.entry import run
from evobnn.runs.final import session as module
from evobnn.snapshot import Journal
from evobnn.tables import write_table
from tests.cli.conftest import Call
from tests.cli.test_train import BRIEF
from tests.miniature import ERRORS, by_hand
from tests.mutations import BRIEF as TRAINED
from tests.mutations import COMPARED, ENTRIES, brief, curves
from tests.older import make_older

NAME = "train-digits-1"
GOOD = "nothing wrong found"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a training of two epochs, made once."""
    folder = tmp_path_factory.mktemp("trained") / NAME
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "save_learning", lambda *given: None)
        assert run(["train", *BRIEF, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(evobnn: Call, trained: Path) -> Path:
    """Return a copy of it below `populations/`."""
    return Path(shutil.copytree(trained, Path("populations") / NAME))


def edited(name: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return edit


def bare(folder: Path) -> None:
    """Take the metadata off the weights, as if they were from before digests."""
    path = folder / "seed-0" / "weights.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    del head["__metadata__"]
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights without metadata": (bare, "no digest, where one was written"),
    "weights cut off": (lambda f: (w := f / "seed-0/weights.safetensors").write_bytes(w.read_bytes()[:-1]), "weights"),
    "a loss": (edited("seed-0/metrics.jsonl", '"stage": 0', '"stage": 1'), "metrics.jsonl, line 1"),
    "a test": (edited("seed-0/test.json", '"count": 359', '"count": 358'), "test.json"),
    "the result": (edited("result.json", '"n": 1', '"n": 2'), "result.json"),
    "a checkpoint": (edited("seed-0/epoch-0002/state.json", '"epoch": 2', '"epoch": 1'), "epoch-0002"),
    "the settings": (edited("training.toml", "epochs = 2", "epochs = 2 "), "not that of the first start"),
    "settings that are none": (lambda f: (f / "training.toml").write_text("x = ["), "training.toml"),
}


def test_a_whole_training_is_said_to_be(evobnn: Call, folder: Path) -> None:
    for name in (NAME, folder, f"{folder}/"):
        done = evobnn("check", name)
        assert (done.code, done.err) == (0, "") and done.out.endswith(f"{folder}: {GOOD}\n")
        assert done.out.count("ok  ") == 5
    path = folder / "seed-0" / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b'{"epoch"')
    done = evobnn("check", NAME)
    assert done.code == 0 and "last line is torn" in done.out


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_a_training_is_found(evobnn: Call, folder: Path, damage: str) -> None:
    change, words = DAMAGE[damage]
    change(folder)
    done = evobnn("check", NAME)
    assert (done.code, done.err) == (1, ""), done.out
    problem = done.out[done.out.index("PROBLEM") :]
    assert words in problem and "found problems" in problem and "Traceback" not in done.out


def test_weights_from_before_digests_are_read(evobnn: Call, folder: Path) -> None:
    bare(folder)
    metrics = folder / "seed-0" / "metrics.jsonl"
    make_older(metrics)
    metrics.write_text(metrics.read_text().replace('"version": 1, ', ""))
    done = evobnn("check", NAME)
    assert done.code == 0 and "from before digests" in done.out, done.out


def test_tables_and_their_journals(evobnn: Call) -> None:
    folder = Path("populations/tables/hand")
    folder.mkdir(parents=True)
    write_table(folder / "table.jsonl", by_hand(ERRORS))
    for entry in ENTRIES:
        Journal(folder / "journal.jsonl").append(entry)
    for name in ("hand", folder, folder / "table.jsonl"):
        done = evobnn("check", name)
        assert done.code == 0 and done.out.endswith(f"{folder}: {GOOD}\n"), done.out
    edited("journal.jsonl", '"generation": ', '"generation": 1')(folder)
    assert (done := evobnn("check", "hand")).code == 1 and "journal.jsonl, line 1" in done.out
    (folder / "journal.jsonl").unlink()
    edited("table.jsonl", '"errors": [50', '"errors": [51')(folder)
    done = evobnn("check", "hand")
    assert done.code == 1 and "table.jsonl, line 2" in done.out
    write_table(folder / "table.jsonl", by_hand(ERRORS))
    make_older(folder / "table.jsonl")
    done = evobnn("check", "hand")
    assert done.code == 0 and "from before digests" in done.out


@pytest.mark.parametrize(("form", "rows"), [(curves.FORMAT, COMPARED), (brief.FORMAT, TRAINED)])
def test_studies(evobnn: Call, form: str, rows: list[dict[str, object]]) -> None:
    path = Path("populations/study/results.jsonl")
    path.parent.mkdir(parents=True)
    header = {"format": form, "version": 2, "protocol": "p0", "question": "q0"}
    path.write_text("".join(_jsonl.alone(row, 2) for row in (header, *rows)))
    assert (done := evobnn("check", "study")).code == 0 and done.out.endswith(f"{GOOD}\n")
    whole = path.read_text()
    path.write_text(whole[:-30])
    done = evobnn("check", "study")
    assert done.code == 0 and f"results.jsonl, line {1 + len(rows)}, got one that is torn" in done.out
    assert _jsonl.torn_lines(path) and not _jsonl.torn_lines(path.with_name("none"))
    path.write_text(whole.replace('"k1"', '"k9"').replace('"seed": 1', '"seed": 9'))
    done = evobnn("check", "study")
    assert done.code == 1 and "results.jsonl, line 3" in done.out


def test_what_is_none_of_them(evobnn: Call) -> None:
    done = evobnn("check", "nothing")
    assert done.code == 2 and done.err.startswith("Expected the folder of a run, got 'nothing'")
