"""What several test files share. Heavy imports stand inside the fixtures, so that collecting stays quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TINY: dict[str, Any] = {
    "preset": "tiny",
    "seed": 1,
    "horizon": 6,
    "network": {
        "cells": 2,
        "width": 2,
        "reductions": 1,
        "skip": "free",
        "padding": "minus_one",
        "scale": "mean",
        "stem": 1,
    },
    "dataset": {"train_limit": 100, "validation_limit": 60},
    "recipe": {"epochs": 1, "batch": 50, "precision": "fp32"},
    "strategy": {"name": "nsga2", "population": 4},
    "noise": {"repeats": 2, "rescore": 2},
}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Prepared data sets go to a folder of this test session, here and in every process started from here."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("EVOBNN_CACHE")
    os.environ["EVOBNN_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["EVOBNN_CACHE"]
    else:
        os.environ["EVOBNN_CACHE"] = before


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240501)


@pytest.fixture(scope="session")
def tiny() -> Any:
    """The smallest experiment that really trains: two cells of width 2, one epoch on 100 digits, population 4."""
    from evobnn.experiment.text import from_table

    return from_table(TINY, "tests/conftest.py")


@pytest.fixture(scope="session")
def tiny_bench(tiny: Any, cache: Path) -> Any:
    from evobnn.runs.setup import Options, make_bench

    return make_bench(tiny, Options(jobs=1))


@pytest.fixture(scope="session")
def tiny_space() -> Any:
    """The joint space on 8x8 images for the network of `tiny`."""
    from evobnn.spaces import Template, joint

    return joint(Template(**TINY["network"]), 8)


@pytest.fixture(scope="session")
def miniature(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the really trained table of `tests/miniature.py`. Not to be written to."""
    from tests.miniature import made

    folder = tmp_path_factory.mktemp("tables") / "mini"
    made(folder)
    return folder


def end_workers() -> None:
    """End what `warm_workers` left running, if anything."""
    from joblib.externals.loky import reusable_executor

    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="session")
def _pool() -> Iterator[None]:
    yield
    end_workers()


@pytest.fixture
def warm_workers(_pool: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the workers of this test to the next that asks for as many: each imports torch and loads compiled loops."""
    from evobnn.machine.workers import Workers

    monkeypatch.setattr(Workers, "close", Workers._drop)
