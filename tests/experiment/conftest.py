"""Runs to compare with, and evaluations that cost nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evobnn.evaluation import Bench, Job
from evobnn.records import Evaluation, Status
from evobnn.runs import derived, evaluator
from evobnn.runs.search import Session
from evobnn.runs.setup import Options, create

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from evobnn.runs import Options, Session
Session(Path(sys.argv[1]), Options(jobs=int(sys.argv[2]), generations=int(sys.argv[3]))).proceed()
"""


class Toy:
    """A stand-in for `run_job`: the error comes from genome and seed, every 8th evaluation fails; notes its jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def __call__(self, job: Job) -> Evaluation:
        self.jobs.append(job)
        return toy(job)


def toy(job: Job) -> Evaluation:
    digest = hashlib.sha256(f"{job.genome}|{job.seed}".encode()).digest()
    if digest[0] % 8 == 0:
        return Evaluation(Status.DIVERGED, message="a toy that failed")
    ops = 100.0 + 20 * sum(job.genome.count(name) for name in ("conv", "dil"))
    return Evaluation(Status.OK, {"error": 0.1 + digest[1] / 400 + digest[2] / 1e4, "ops": ops}, measures={"loss": 1.0})


def made_quick(patch: pytest.MonkeyPatch) -> Toy:
    toys = Toy()
    axes = {"error": (0.0, 0.9, "linear"), "ops": (50.0, 1000.0, "log10")}
    patch.setattr(evaluator, "run_job", toys)
    patch.setattr(derived, "save_front", lambda *args: None)
    patch.setattr(Bench, "axes", lambda self: {name: axes[name] for name in self.objectives})
    patch.setattr(os, "fsync", lambda handle: None)  # half of the time, and no power will fail here
    return toys


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """Sessions in this process without training and without pictures: milliseconds a generation."""
    return made_quick(monkeypatch)


@pytest.fixture(scope="session")
def uninterrupted(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with toy evaluations, from 0 to 6 in one go. Not to be written to."""
    with pytest.MonkeyPatch.context() as patch:
        made_quick(patch)
        folder = create(tiny, Options(jobs=1), tmp_path_factory.mktemp("uninterrupted"))
        Session(folder, Options(jobs=1)).proceed()
    return folder


@pytest.fixture
def reference(uninterrupted: Path, quick: Toy, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(uninterrupted, tmp_path / "reference")
    return tmp_path / "reference"


@pytest.fixture
def proceed() -> Callable[..., list[str]]:
    """Go on with a run in this process; returns what was said."""

    def go(folder: Path, **options: Any) -> list[str]:
        said: list[str] = []
        Session(folder, Options(**{"jobs": 1, **options}), say=said.append).proceed()
        return said

    return go


@pytest.fixture
def decisive() -> Callable[[Path], dict[str, bytes]]:
    """Return the bytes of the files that the design marks as equal for equal runs."""

    def read(folder: Path) -> dict[str, bytes]:
        names = sorted(
            path.name
            for path in folder.iterdir()
            if path.name in ("experiment.toml", "log.jsonl", "front.csv")
            or (path.name.startswith("generation-") and path.suffix == ".jsonl")
        )
        assert {"experiment.toml", "log.jsonl", "front.csv", "generation-0000.jsonl"} <= set(names)
        return {name: (folder / name).read_bytes() for name in names}

    return read


@pytest.fixture
def spawn() -> Callable[..., subprocess.Popen[bytes]]:
    """Start a process of its own group that goes on with a run."""

    def start(folder: Path, jobs: int, generations: int, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "error::RuntimeWarning", "-c", CODE, str(folder), str(jobs), str(generations)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.Popen(
            command, cwd=ROOT, env=variables, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return start


@pytest.fixture(scope="session")
def stopped(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained run, by one job, stopped after generation 3. Not to be written to."""
    folder = create(tiny, Options(jobs=1), tmp_path_factory.mktemp("stopped"))
    Session(folder, Options(jobs=1, generations=3)).proceed()
    return folder


@pytest.fixture(scope="session")
def finished(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `stopped`, continued to its horizon of 6. Not to be written to."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(stopped, folder)
    Session(folder, Options(jobs=1)).proceed()
    return folder
