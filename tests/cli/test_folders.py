"""Folders of images as people have them, from the command line: what is told at the start of a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Call
from tests.data.test_sources import write_npz
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


def test_test_labels_that_do_not_fit_are_told_before_training(evobnn: Call, tmp_path: Path) -> None:
    genome = "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2)] reduction[2 = max3(0); 3 = max3(2)] @net = x"
    path = write_npz(tmp_path / "own.npz", y_test=np.full(6, 9))
    small = ("--channels", 2, "--epochs", 1, "--threads", 1, "--set", "recipe.batch=4", "--set", "dataset.size=8")
    whole = ("--set", "dataset.train_limit=0", "--set", "dataset.validation_limit=0")
    done = evobnn("train", genome, "--dataset", "npz", "--data-dir", path, *small, *whole)
    assert done.code == 2, done.err
    assert "labels from 0 to 2 under 'y_test'" in done.err and "got labels from 9 to 9" in done.err
    assert "epoch" not in done.out and not Path("populations").exists()
