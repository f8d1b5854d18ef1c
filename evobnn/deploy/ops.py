"""What a network is made of: some twenty kinds of operation, as frozen values that hold their constants.

Maps are (C, H, W), a batch of them (N, C, H, W). What an operation does in numbers is said by
`evobnn.deploy.reference`, in float32 and in a fixed order of sums. Nothing in here knows torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. Arrays in its fields are constants."""


@dataclass(frozen=True, eq=False)
class Normalise(Op):
    """y = (x - mean) / deviation for each channel, float32 (C,); from grey values."""

    mean: Array
    deviation: Array


@dataclass(frozen=True, eq=False)
class Convolution(Op):
    """A real-valued convolution: weight (O, C/groups, kh, kw), bias (O,) or None.

    `padding` is how many zeros are added above, left, below and right.
    """

    weight: Array
    bias: Array | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: int = 1
    groups: int = 1


@dataclass(frozen=True, eq=False)
class BinaryConvolution(Op):
    """Sums of ±1 times ±1: weight (O, C/groups, k, k), bool, true for +1. From bits to whole numbers.

    `border` pixels are padded on each side, by -1 or, with `zeros`, by a third value that adds nothing.
    """

    weight: Array
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    border: int = 0
    zeros: bool = False

    @property
    def terms(self) -> int:
        """How many products a sum has inside a map."""
        return int(self.weight[0].size)


@dataclass(frozen=True, eq=False)
class Elementwise(Op):
    """A function of each number by itself, with constants per channel. Whole numbers become float32 before it."""


@dataclass(frozen=True, eq=False)
class Scale(Elementwise):
    """y = factor x, factor (C,)."""

    factor: Array


@dataclass(frozen=True, eq=False)
class Affine(Elementwise):
    """y = factor x + offset, both (C,), with the product rounded: a batch norm in evaluation."""

    factor: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class Relu(Elementwise):
    """y = max(x, 0)."""


@dataclass(frozen=True, eq=False)
class Prelu(Elementwise):
    """y = max(x, 0) + slope min(x, 0), slope (C,)."""

    slope: Array


@dataclass(frozen=True, eq=False)
class Hardtanh(Elementwise):
    """y = x between -bound and bound, else the nearer of both."""

    bound: float


@dataclass(frozen=True, eq=False)
class Expression(Elementwise):
    """y = a(x): a tree of forms as nested tuples, `("mul", ("sin", ("x",)), ("x",))`.

    `parameters` holds what is learned, (C,) each, by the place in the tree: `p` and the numbers of the arguments from
    the root, `_`, the name in the form (`p0_scale`).
    """

    tree: tuple[Any, ...]
    parameters: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Table:
    """The sign of a scalar function for each channel, as the places where it changes.

    first       (C,) bool: the sign below all thresholds, true for +1
    thresholds  (K, C) float32, ascending, filled up with infinity: at x >= threshold the sign is another one
    low, high   (C,) float32: from low to high the table holds; a channel with low > high has none
    """

    first: Array
    thresholds: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Site(Op):
    """The sign of a function of each number: true where it is >= 0. From numbers to bits.

    direct  the function, one elementwise operation after another; none for x itself
    table   the same where it is folded; outside of it, and without one, `direct` is evaluated
    whole   whether the table holds for every number that can arrive
    exact   whether what arrives are whole numbers
    """

    direct: tuple[Elementwise, ...] = ()
    table: Table | None = None
    whole: bool = False
    exact: bool = False


@dataclass(frozen=True, eq=False)
class Signed(Op):
    """Bits as the real numbers 1 and -1, for convolutions with real weights."""


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over kernel x kernel; what lies beyond the map never wins.

    As of every pool the windows begin `padding` before the map, and there are ceil(H/stride) x ceil(W/stride).
    """

    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True, eq=False)
class AveragePool(Op):
    """Mean over those of kernel x kernel numbers that lie inside the map; windows as of `MaxPool`.

    With `columns` three numbers below each other are summed first (the middle, above, below), then three such sums side
    by side in the same order; else the numbers of a window are summed row by row.
    """

    kernel: int
    stride: int
    padding: int = 0
    columns: bool = False


@dataclass(frozen=True, eq=False)
class MeanOfParts(Op):
    """The mean over each of parts x parts parts of a map, which overlap where they do not divide its size."""

    parts: int


@dataclass(frozen=True, eq=False)
class Add(Op):
    """The sum of two maps."""


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """The channels of several maps one after another."""


@dataclass(frozen=True, eq=False)
class Gather(Op):
    """Channel k of the output is channel channels[k] of the input."""

    channels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subsample(Op):
    """Every stride-th pixel from (first, first) on, ceil(H/stride) of them; beyond the end the last one again."""

    stride: int
    first: int = 0


@dataclass(frozen=True, eq=False)
class Zeros(Op):
    """A map of zeros; it reads nothing."""


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """y = weight x + bias of the flattened (C, H, W): weight (O, C H W), bias (O,)."""

    weight: Array
    bias: Array


OPS: dict[str, type[Op]] = {
    "normalise": Normalise,
    "conv": Convolution,
    "bconv": BinaryConvolution,
    "scale": Scale,
    "affine": Affine,
    "relu": Relu,
    "prelu": Prelu,
    "hardtanh": Hardtanh,
    "expression": Expression,
    "site": Site,
    "signed": Signed,
    "max": MaxPool,
    "mean": AveragePool,
    "parts": MeanOfParts,
    "add": Add,
    "concat": Concat,
    "gather": Gather,
    "pick": Subsample,
    "zeros": Zeros,
    "linear": Linear,
}
"""Every kind of operation by name. Names are stored in files and so permanent."""


def float32(values: Any) -> Array:
    """Return numbers as a contiguous float32 array that cannot be written to."""
    array = np.array(values, dtype=np.float32, order="C")
    array.setflags(write=False)
    return array
