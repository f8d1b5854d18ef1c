"""What importing costs: reading results and breeding genomes must not load torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def loaded_after(statement: str) -> set[str]:
    """Return the top-level names in sys.modules of a fresh interpreter that ran `statement`."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["evobnn", "evobnn.snapshot", "evobnn.evolution", "evobnn.analysis", "evobnn.data"])
def test_importing_leaves_torch_out(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert "evobnn" in loaded
    assert "torch" not in loaded


def test_the_package_itself_is_light() -> None:
    assert not {"torch", "deap", "pandas", "matplotlib", "sklearn", "scipy", "joblib"} & loaded_after("import evobnn")


def test_a_run_is_read_without_torch() -> None:
    loaded = loaded_after("import evobnn; evobnn.load_run('populations/digits').front()")
    assert "pandas" in loaded and "torch" not in loaded


def test_the_check_can_fail() -> None:
    assert "torch" in loaded_after("import torch")
