"""What all tests of networks share."""

from __future__ import annotations

import importlib
import os

import pytest
import torch

from evobnn.nn.fast.quickest import no_compiler

LOOPS = ("counted", "expressed", "fused", "kept", "lanes", "lanes_pools")
collect_ignore = [f"test_{name}.py" for name in LOOPS] if no_compiler() else []
"""Tests of the compiled loops, which `make test-portable` leaves out where it hides Numba, and says so."""


def rounding() -> float:
    """Return by what compiled loops may be off more than where a product is added without being rounded before: three
    times as much on processors that have no such instruction, or as which Numba is told to compile.
    """
    if no_compiler():
        return 1.0
    features = importlib.import_module("llvmlite.binding").get_host_cpu_features()
    fused = os.environ.get("NUMBA_CPU_NAME") != "generic" and (features.get("fma") or "fma" not in features)
    return 1.0 if fused else 3.0


@pytest.fixture(autouse=True)
def _one_thread():
    """One thread of torch: sums depend on their number in the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
