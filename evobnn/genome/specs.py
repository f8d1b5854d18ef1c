"""What a name in a genome means. The names are stored in files and so permanent.

How a name is computed stands in `evobnn.nn`; a test ties both tables together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FormSpec:
    """One form of an activation expression.

    Attributes:
        name: as written in text.
        arity: number of arguments in text: 0 for the leaves x, zero and const, 1 for unary, 2 for binary forms.
        commutes: swapping the two arguments gives the same function.
        learnable: names of its learnable per-channel parameters.
        formula: for people, with p and q for the arguments.

    >>> from evobnn.genome import FORMS
    >>> FORMS["gate"].formula
    'p sigmoid(q)'
    """

    name: str
    arity: int
    formula: str
    commutes: bool = False
    learnable: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpSpec:
    """One candidate operation of an edge.

    Attributes:
        name: as written in text.
        kernel: side of the window in taps; 0 for operations that look at no pixel but their own.
        dilation: distance of neighbouring taps in pixels.
        binary: its multiply-accumulates are between 1-bit weights and 1-bit activations.
        zero_preserving: between two nodes (stride 1), an identically zero input gives an identically zero output. A
            binary convolution does not: batch norm has a bias and sign(0) is +1.
        nothing: the output is identically zero whatever the input (Zeroise).
        grouped: its channels are convolved in groups that do not see each other (`groups`).
        separable: a convolution of each channel by itself and a 1x1 convolution of all of them follow each other.
        factorised: nothing but its input at stride 1; at stride 2 two binary 1x1 convolutions, the second of the input
            shifted by one pixel, each to half of the channels.
        summary: for people.

    >>> spec = evobnn.OpSpec("conv7", 7, "binary convolution 7x7", binary=True, zero_preserving=False)
    >>> spec.macs(16)
    12544
    """

    name: str
    kernel: int
    summary: str
    dilation: int = 1
    binary: bool = False
    zero_preserving: bool = True
    nothing: bool = False
    grouped: bool = False
    separable: bool = False
    factorised: bool = False

    def taps_inside(self, size: int) -> float:
        """Return the mean share, in [0, 1], of the window's taps that lie inside a map of size x size pixels."""
        if self.kernel == 0:
            return 1.0
        half = self.kernel // 2
        offsets = [abs(i - half) * self.dilation for i in range(self.kernel)]
        line = sum(max(size - offset, 0) / size for offset in offsets) / self.kernel
        return line * line

    def binary_at(self, stride: int) -> bool:
        """Tell whether an edge of this stride computes with 1-bit weights, and so has sites."""
        return self.binary or (self.factorised and stride > 1)

    def macs(self, channels: int, stride: int = 1) -> int:
        """Return the binary multiply-accumulates for one pixel of the output, all channels of it."""
        if self.factorised and stride > 1:
            return channels * channels
        if not self.binary:
            return 0
        taps = self.kernel**2
        if self.separable:
            return taps * channels + channels * channels
        return taps * channels * channels // (groups(channels) if self.grouped else 1)


def groups(channels: int, most: int = 12) -> int:
    """Return into how many groups a grouped convolution parts its channels: their largest divisor up to `most`.

    Twelve is BATS's default (Bulat et al. 2020, section 3.1 of the fact sheet); a width that twelve does not divide is
    met by the nearest number below that does.

    >>> from evobnn.genome import groups
    >>> groups(16), groups(36)
    (8, 12)
    """
    return max(n for n in range(1, most + 1) if channels % n == 0)


def _grouped(name: str, kernel: int, summary: str, dilation: int = 1) -> OpSpec:
    return OpSpec(name, kernel, summary, dilation, binary=True, zero_preserving=False, grouped=True)


def _separable(name: str, kernel: int, summary: str) -> OpSpec:
    return OpSpec(name, kernel, summary, binary=True, zero_preserving=False, separable=True)


def _forms(*specs: FormSpec) -> dict[str, FormSpec]:
    return {spec.name: spec for spec in specs}


UNARY: dict[str, FormSpec] = _forms(
    FormSpec("x", 0, "x"),
    FormSpec("zero", 0, "0"),
    FormSpec("square", 1, "p^2"),
    FormSpec("cube", 1, "p^3"),
    FormSpec("sqrt", 1, "sgn(p) sqrt(|p| + 1e-8)"),
    FormSpec("ln", 1, "ln(|p| + 1e-8)"),
    FormSpec("sin", 1, "sin p"),
    FormSpec("cos", 1, "cos p"),
    FormSpec("sigmoid", 1, "1 / (1 + exp(-p))"),
    FormSpec("tan", 1, "tan p"),
    FormSpec("atan", 1, "arctan p"),
    FormSpec("erf", 1, "erf p"),
    FormSpec("erfc", 1, "1 - erf p"),
    FormSpec("expabs", 1, "exp(-|p| + 1e-8)"),
    FormSpec("gauss", 1, "exp(-p^2)"),
    FormSpec("relu", 1, "max(p, 0)"),
    FormSpec("min0", 1, "min(p, 0)"),
    FormSpec("abs", 1, "|p|"),
    FormSpec("neg", 1, "-p"),
    FormSpec("scale", 1, "s p", learnable=("s",)),
    FormSpec("shift", 1, "p + t", learnable=("t",)),
    FormSpec("const", 0, "c", learnable=("c",)),
)
"""GAAF's 22 unary operations in the order of its indices 0..21 (Li et al. 2023, section 1.1 of the fact sheet)."""

BINARY: dict[str, FormSpec] = _forms(
    FormSpec("add", 2, "p + q", commutes=True),
    FormSpec("sub", 2, "p - q"),
    FormSpec("mul", 2, "p q", commutes=True),
    FormSpec("div", 2, "p / (q + 1e-8)"),
    FormSpec("ratio", 2, "p / (p + q + 1e-8)"),
    FormSpec("max", 2, "max(p, q)", commutes=True),
    FormSpec("min", 2, "min(p, q)", commutes=True),
    FormSpec("gate", 2, "p sigmoid(q)"),
    FormSpec("gaussdiff", 2, "exp(-(p - q)^2)", commutes=True),
    FormSpec("expdiff", 2, "exp(-|p - q|)", commutes=True),
    FormSpec("mix", 2, "b p + (1 - b) q", learnable=("b",)),
)
"""GAAF's 11 binary operations in the order of its indices 0..10."""

FORMS: dict[str, FormSpec] = {**UNARY, **BINARY}

OPERATIONS: dict[str, OpSpec] = {
    spec.name: spec
    for spec in (
        OpSpec("zero", 0, "Zeroise: outputs zeros", nothing=True),
        OpSpec("max3", 3, "max pooling 3x3"),
        OpSpec("avg3", 3, "average pooling 3x3, padding left out of the mean"),
        OpSpec("conv3", 3, "binary convolution 3x3", binary=True, zero_preserving=False),
        OpSpec("conv5", 5, "binary convolution 5x5", binary=True, zero_preserving=False),
        OpSpec("dil3", 3, "binary convolution 3x3, dilation 2", dilation=2, binary=True, zero_preserving=False),
        OpSpec("dil5", 5, "binary convolution 5x5, dilation 2", dilation=2, binary=True, zero_preserving=False),
        OpSpec("skip", 0, "its input; at stride 2 two binary 1x1 convolutions side by side", factorised=True),
        _grouped("gconv3", 3, "grouped binary convolution 3x3, shuffled, around it its input"),
        _grouped("gconv5", 5, "grouped binary convolution 5x5, shuffled, around it its input"),
        _grouped("gdil3", 3, "grouped binary convolution 3x3, dilation 2, shuffled, around it its input", dilation=2),
        _grouped("gdil5", 5, "grouped binary convolution 5x5, dilation 2, shuffled, around it its input", dilation=2),
        OpSpec("identity", 0, "its input; at stride 2 two binary 1x1 convolutions side by side", factorised=True),
        OpSpec("cdil3", 3, "binary convolution 3x3, dilation 2, then batch norm", dilation=2, binary=True,
               zero_preserving=False),
        OpSpec("cdil5", 5, "binary convolution 5x5, dilation 2, then batch norm", dilation=2, binary=True,
               zero_preserving=False),
        _separable("sep3", 3, "binary convolution 3x3 of each channel, then of all 1x1"),
        _separable("sep5", 5, "binary convolution 5x5 of each channel, then of all 1x1"),
    )
}  # fmt: skip
"""Everything that may stand on an edge. Which of it a space offers is the space's own tuple, below."""

BNAS_OPERATIONS = ("zero", "max3", "avg3", "conv3", "conv5", "dil3", "dil5")
"""The seven layer types of BNAS (Kim et al., ECCV 2020; section 2.1 of the fact sheet)."""
BATS_OPERATIONS = ("zero", "max3", "avg3", "skip", "gconv3", "gconv5", "gdil3", "gdil5")
"""The eight candidates of BATS (Bulat et al., ECCV 2020; section 3.1 of the fact sheet)."""
CPNAS_OPERATIONS = ("zero", "identity", "max3", "avg3", "cdil3", "cdil5", "sep3", "sep5")
"""The eight candidates of CP-NAS (Zhuo et al., IJCAI 2020; section 4.1 of the fact sheet)."""
