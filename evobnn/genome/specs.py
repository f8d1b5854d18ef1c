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
        kernel: side of the window in taps; 0 for operations that look at no pixel.
        dilation: distance of neighbouring taps in pixels.
        binary: its multiply-accumulates are between 1-bit weights and 1-bit activations.
        zero_preserving: an identically zero input gives an identically zero output. A binary convolution does not:
            batch norm has a bias and sign(0) is +1.
        nothing: the output is identically zero whatever the input (Zeroise).
        summary: for people.
    """

    name: str
    kernel: int
    summary: str
    dilation: int = 1
    binary: bool = False
    zero_preserving: bool = True
    nothing: bool = False

    def taps_inside(self, size: int) -> float:
        """Return the mean share, in [0, 1], of the window's taps that lie inside a map of size x size pixels."""
        if self.kernel == 0:
            return 1.0
        half = self.kernel // 2
        offsets = [abs(i - half) * self.dilation for i in range(self.kernel)]
        line = sum(max(size - offset, 0) / size for offset in offsets) / self.kernel
        return line * line


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
    )
}
"""BNAS's seven layer types (Kim et al., ECCV 2020; section 2.1 of the fact sheet)."""
