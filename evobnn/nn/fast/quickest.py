"""Which kernels are quickest for a network, by a rule: the answer to `kernels = "auto"`.

Steps by compiled loops beside the same by PyTorch's operations, one thread, ratio of processor times (above 1: the
loops are quicker), median of 7 pairs on an x86-64 machine with two cores, held at AVX2, and in brackets with AVX-512:

    cells (macro `bnas`), width x side    12 x 8   1.47 [1.49]    12 x 16  1.13 [1.17]    12 x 28  1.13 [1.14]
                                          8 x 32   1.05 [1.04]    16 x 32  1.02 [1.05]    36 x 32       [1.03]
    `resnet`, width x side                8 x 8    1.37 [1.31]    16 x 4   1.17           8 x 14   1.10 [1.09]
                                          8 x 12   1.06           16 x 8   1.02           8 x 16   0.93
                                          16 x 14  0.90           16 x 16  0.75 [0.73]    16 x 32  0.81 [0.79]
    `bats`, `cpnas`, width x side         24 x 8   1.00 [0.98]    8 x 8    1.12 [1.18]    8 x 32   0.98

Without AVX (SSE4.1) the loops are ahead by more: 1.8 at 12 x 8, 1.4 at 16 x 32. Other kinds of processor were not at
hand, so they get PyTorch's operations; `kernels = "fused"` runs there as well.
"""

from __future__ import annotations

import importlib
import platform
from functools import cache

from evobnn.errors import NetworkError, message

KERNELS = ("torch", "fused")
"""Ways to compute a binary layer on a CPU: operation by operation in PyTorch, or by compiled loops."""

AUTO = "auto"
"""What stands for the quickest of `KERNELS` where an experiment is said; it is never recorded."""

MEASURED = ("x86_64", "amd64")
"""Kinds of processor that the rule is about."""

SMALL = 112
"""Up to this width times side, 8 channels on 14 pixels, a residual network is quicker by compiled loops."""


def quickest(macro: str, width: int, side: int, processor: str = "", problem: str | None = None) -> str:
    """Return `fused` or `torch`, whichever was found quicker for networks of this kind.

    Arguments:
        macro: what surrounds the cells, see `evobnn.nn.MACROS`.
        width: channels of the first cells or blocks.
        side: of the images in pixels; 0 where nobody knows it yet.
        processor: as `platform.machine` names it; empty for this one.
        problem: why nothing can be compiled, empty where it can; None to find out here.
    """
    if (processor or platform.machine()).lower() not in MEASURED or (no_compiler() if problem is None else problem):
        return "torch"
    if macro == "bnas":
        return "fused"
    small = macro == "resnet" and 0 < width * side <= SMALL
    return "fused" if small else "torch"


@cache
def no_compiler() -> str:
    """Return why the loops of `fused` cannot be compiled here, or an empty text."""
    try:
        importlib.import_module("numba")
    except ImportError as error:  # missing, or of a version that does not go with this NumPy or Python
        return "no Numba" if error.name == "numba" else f"a Numba that cannot be imported ({error})"
    return ""


def check_kernels(kernels: str) -> None:
    """Raise NetworkError, with what to install, where networks with these kernels cannot be trained here."""
    problem = no_compiler() if kernels == "fused" else ""
    if problem:
        do = "Run `pip install 'evobnn[fast]'`; a new experiment can also take recipe.kernels = torch."
        raise NetworkError(message("Numba, which compiles the loops of recipe.kernels = fused", problem, do))
