"""Calls of the command line in this process: through `evobnn.cli.entry.run`, which is all that `main` does but exit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from evobnn.cli.entry import run

TINY = (
    *("--set", "network.width=2", "--set", "dataset.train_limit=100", "--set", "dataset.validation_limit=60"),
    *("--set", "dataset.size=0", "--set", "network.cells=2", "--set", "network.reductions=1"),
    *("--set", "recipe.epochs=1", "--set", "recipe.batch=50", "--set", "recipe.precision=fp32"),
    *("--set", "noise.rescore=2", "--set", "screen=none", "--set", "choose=score"),
)
"""A search of seconds, without the model of scores, which counts a whole space first."""
MODELLED = ("--set", "screen=auto", "--set", "choose=auto")
"""Behind it, what the presets do."""


DRAWING = "evobnn.runs.derived.save_front"


@dataclass(frozen=True)
class Called:
    """What a call left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


def calling(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object) -> Called:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture
def evobnn_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that calls `evobnn` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return calling(capsys)


@pytest.fixture
def evobnn(evobnn_drawing: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return the same, without the picture of the front, which takes longer to draw than a generation to train."""
    monkeypatch.setattr(DRAWING, lambda *given: None)
    return evobnn_drawing


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two generations, made once; tests get copies of it by `a_run`."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    sizes = ("--population", "4", "--generations", "1", "--jobs", "1", "--seed", "3")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DRAWING, lambda *given: None)
        assert run(["evolve", "digits", *TINY, *sizes, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def a_run(finished: Path, tmp_path: Path) -> Path:
    """Return a fresh copy of a finished run, `populations/digits-1` below the present folder."""
    folder = tmp_path / "populations" / "digits-1"
    shutil.copytree(finished, folder)
    return folder
