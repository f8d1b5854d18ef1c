"""Whatever happens to a file is refused, told, or changes nothing that is read: see `tests/mutations.py`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mutations import KINDS, outcomes


@pytest.mark.parametrize("count", [36, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_changed_content_is_accepted(kind: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    found = outcomes(KINDS[kind], tmp_path, count, seed=1)
    assert found.total() == count
    assert kind == "run, training: starts" or found["refused or told"] > count // 2
