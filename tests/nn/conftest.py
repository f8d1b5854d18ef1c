"""What all tests of networks share."""

from __future__ import annotations

import pytest
import torch

from evobnn.nn.quickest import no_compiler

LOOPS = ("counted", "expressed", "fused", "kept", "lanes", "lanes_pools")
collect_ignore = [f"test_{name}.py" for name in LOOPS] if no_compiler() else []
"""Tests of the compiled loops, which `make test-portable` leaves out where it hides Numba, and says so."""


@pytest.fixture(autouse=True)
def _one_thread():
    """One thread of torch: sums depend on their number in the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
