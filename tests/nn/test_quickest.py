"""Which kernels `auto` stands for, and what is said where there are none to compile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evobnn.errors import NetworkError
from evobnn.nn import MACROS, quickest
from evobnn.nn.fast.quickest import check_kernels

ROOT = Path(__file__).parents[2]
X86 = {"processor": "x86_64", "problem": ""}


@pytest.mark.parametrize(
    ("macro", "width", "side", "kernels"),
    [
        ("bnas", 12, 8, "fused"),
        ("bnas", 36, 32, "fused"),
        ("bnas", 12, 0, "fused"),
        ("resnet", 8, 8, "fused"),
        ("resnet", 8, 14, "fused"),
        ("resnet", 16, 8, "torch"),
        ("resnet", 8, 16, "torch"),
        ("resnet", 64, 32, "torch"),
        ("resnet", 8, 0, "torch"),
        ("bats", 24, 8, "torch"),
        ("cpnas", 8, 8, "torch"),
    ],
)
def test_the_rule_is_the_recorded_one(macro: str, width: int, side: int, kernels: str) -> None:
    assert quickest(macro, width, side, **X86) == kernels
    assert quickest(macro, width, side, "AMD64", "") == kernels


def test_nothing_is_fused_where_nothing_was_measured_or_nothing_can_be_compiled() -> None:
    for macro in (*MACROS, "resnet"):
        for processor in ("aarch64", "arm64", "riscv64", "i686"):
            assert quickest(macro, 8, 8, processor, "") == "torch"
        assert quickest(macro, 8, 8, "x86_64", "no Numba") == "torch"
    assert len(MACROS) >= 3


def test_what_was_recorded_as_fused_is_refused_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[check_kernels.__module__], "no_compiler", lambda: "no Numba")
    check_kernels("torch")
    with pytest.raises(NetworkError, match=r"got no Numba\. Run `pip install 'evobnn\[fast\]'`"):
        check_kernels("fused")


def test_everything_runs_where_numba_is_missing() -> None:
    """In a process that cannot import it: `auto` is PyTorch, a network asked to be fused computes as it is."""
    code = """
import sys, torch
from evobnn.experiment.presets import preset_table
from evobnn.experiment.text import from_table
from evobnn.nn import ConvStyle, Site, fuse, quickest
from evobnn.nn.fast.compiling import prepare
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.fast.quickest import no_compiler
layer = binary_layer(4, 4, 3, lambda channels: Site(), ConvStyle("minus_one", "mean"))
x = torch.randn(2, 4, 6, 6)
plain = layer(x)
fuse(layer)
print(no_compiler(), from_table(preset_table("digits"), "here").recipe.kernels, torch.equal(layer(x), plain), sep=";")
"""
    hidden = {"PYTHONPATH": f"{ROOT / 'tests' / 'without_numba'}:{ROOT}", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=hidden)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "no Numba;torch;True"
