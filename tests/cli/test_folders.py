"""Folders of images as people have them, from the command line: what is told at the start of a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.data.written import write_folder

SMALL = (
    *(
        "--set",
        "network.width=2",
        "--set",
        "network.cells=2",
        "--set",
        "network.reductions=1",
        "--set",
        "dataset.size=8",
    ),
    *("--set", "dataset.train_limit=0", "--set", "dataset.validation_limit=0", "--set", "recipe.epochs=1"),
    *(
        "--set",
        "recipe.batch=8",
        "--set",
        "recipe.kernels=torch",
        "--set",
        "recipe.precision=fp32",
        "--set",
        "noise.rescore=0",
        "--jobs",
        1,
    ),
    *("--population", 3, "--generations", 0),
)


@pytest.mark.filterwarnings("default::evobnn._processes.EvobnnWarning")
def test_parts_of_other_names_and_what_is_unused_are_told_at_the_start(evobnn: Call, tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "Training", 10)
    write_folder(tmp_path / "set" / "Testing", 2)
    (tmp_path / "set" / "spare").mkdir()
    (tmp_path / "set" / "Training" / "ant" / "notes.txt").touch()
    done = evobnn("evolve", "--dataset", "folder", "--data-dir", tmp_path / "set", *SMALL)
    assert done.code == 0, done.err
    assert "3 classes: 24 images to train, 6 to validate\n       classes ant, bee, cat\n" in done.out
    assert done.err.count("note: Not used in") == 1
    assert done.err.count("beside Testing and Training: spare (without folders of classes).") == 1
    assert done.err.count("for their ending: 1 with .txt.") == 1
