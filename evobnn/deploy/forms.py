"""How the forms of an expression are computed without torch: in NumPy, float32, and as C.

Each does what `evobnn.nn.binary.forms` says, operation by operation, so that only sin, exp and their like may differ in
the last place from what torch computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from evobnn.deploy.ops import Array, Expression, Op
from evobnn.errors import NetworkError, message

TINY = np.float32(1e-8)
ONE = np.float32(1)


@dataclass(frozen=True)
class Computed:
    """One form: `compute(*arguments, *parameters)` on float32 arrays, and C with p, q for arguments, c for a parameter.

    `header` says whether the C needs `math.h`.
    """

    compute: Callable[..., Array]
    c: str
    header: bool = False


def _sigmoid(p: Array) -> Array:
    return ONE / (ONE + np.exp(-p))


FORMS: dict[str, Computed] = {
    "x": Computed(lambda p: p, "p"),
    "zero": Computed(lambda p: np.zeros((), np.float32), "0.0f"),
    "square": Computed(lambda p: p * p, "(p * p)"),
    "cube": Computed(lambda p: p * p * p, "(p * p * p)"),
    "sqrt": Computed(lambda p: np.sign(p) * np.sqrt(np.abs(p) + TINY), "signed_sqrt(p)", True),
    "ln": Computed(lambda p: np.log(np.abs(p) + TINY), "logf(fabsf(p) + 1e-8f)", True),
    "sin": Computed(np.sin, "sinf(p)", True),
    "cos": Computed(np.cos, "cosf(p)", True),
    "sigmoid": Computed(_sigmoid, "sigmoid(p)", True),
    "tan": Computed(np.tan, "tanf(p)", True),
    "atan": Computed(np.arctan, "atanf(p)", True),
    "erf": Computed(special.erf, "erff(p)", True),
    "erfc": Computed(special.erfc, "erfcf(p)", True),
    "expabs": Computed(lambda p: np.exp(TINY - np.abs(p)), "expf(1e-8f - fabsf(p))", True),
    "gauss": Computed(lambda p: np.exp(-(p * p)), "gauss(p)", True),
    "relu": Computed(lambda p: np.maximum(p, np.float32(0)), "larger(p, 0.0f)"),
    "min0": Computed(lambda p: np.minimum(p, np.float32(0)), "smaller(p, 0.0f)"),
    "abs": Computed(np.abs, "fabsf(p)", True),
    "neg": Computed(np.negative, "(-p)"),
    "scale": Computed(np.multiply, "(p * c)"),
    "shift": Computed(np.add, "(p + c)"),
    "const": Computed(lambda p, c: c, "c"),
    "add": Computed(np.add, "(p + q)"),
    "sub": Computed(np.subtract, "(p - q)"),
    "mul": Computed(np.multiply, "(p * q)"),
    "div": Computed(lambda p, q: p / (q + TINY), "(p / (q + 1e-8f))"),
    "ratio": Computed(lambda p, q: p / (p + q + TINY), "ratio(p, q)"),
    "max": Computed(np.maximum, "larger(p, q)"),
    "min": Computed(np.minimum, "smaller(p, q)"),
    "gate": Computed(lambda p, q: p * _sigmoid(q), "(p * sigmoid(q))", True),
    "gaussdiff": Computed(lambda p, q: np.exp(-((p - q) * (p - q))), "gauss(p - q)", True),
    "expdiff": Computed(lambda p, q: np.exp(-np.abs(p - q)), "expf(-fabsf(p - q))", True),
    "mix": Computed(lambda p, q, b: (ONE - b) * q + b * p, "((1.0f - c) * q + c * p)"),
}
"""All 33 forms by name."""


def parameters_at(place: str, parameters: Mapping[str, Array]) -> list[Array]:
    """Return what the form at a place of the tree learns, in the order in which it was made."""
    return [values for name, values in parameters.items() if name.startswith(f"{place}_")]


def computed(op: Expression, x: Array, rounded: Callable[[Array], Array] = lambda values: values) -> Array:
    """Return a(x) of a float32 array (N, C, …); `rounded` may change what each form yields.

    Raises NetworkError for a form that is not in the table.
    """
    shape = (1, -1, *(1,) * (x.ndim - 2))
    parameters = {name: values.reshape(shape) for name, values in op.parameters.items()}

    def value(tree: tuple[Any, ...], place: str) -> Array:
        if tree[0] not in FORMS:
            raise NetworkError(unknown(tree[0]))
        arguments = [value(sub, f"{place}{n}") for n, sub in enumerate(tree[1:])] or [x]
        return rounded(FORMS[tree[0]].compute(*arguments, *parameters_at(place, parameters)))

    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(value(op.tree, "p"), np.float32), x.shape)


def check_forms(ops: Iterable[Op]) -> None:
    """Raise NetworkError where an expression has a form that is computed by torch alone."""
    for op in ops:
        if isinstance(op, Expression) and (strange := _strange(op.tree)):
            raise NetworkError(unknown(strange[0]))


def _strange(tree: tuple[Any, ...]) -> list[str]:
    own = [] if tree[0] in FORMS else [tree[0]]
    return own + [name for sub in tree[1:] for name in _strange(sub)]


def unknown(name: str) -> str:
    """Return the message for a form that cannot be evaluated outside of torch."""
    return message(
        "activation forms that can be evaluated without torch where they are not folded",
        f"'{name}', a form of your own",
        "Use it where a binary sum arrives, or search without it what is to be exported.",
    )
