"""Elementwise operations and sites in the operations that ONNX and OpenVINO share, by ONNX's names.

NumPy's functions on a `Traced` number print operations instead of computing: so the forms of an expression leave by the
one table that the reference computes with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from scipy import special

from evobnn.deploy.forms import FORMS, parameters_at, unknown
from evobnn.deploy.ops import (
    Affine,
    Array,
    Elementwise,
    Expression,
    Hardtanh,
    Op,
    Prelu,
    Relu,
    Scale,
    Site,
    Table,
    float32,
)
from evobnn.errors import NetworkError

LARGEST = np.finfo(np.float32).max


class Printer(Protocol):
    """What adds operations to a network in some format. What it returns stands for a map; nobody looks into it."""

    def call(self, kind: str, *inputs: Any) -> Any:
        """Add an operation by its name in ONNX and return its output."""

    def constant(self, values: Array) -> Any:
        """Return a constant."""


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A number for each pixel of a map that is being printed."""

    def __init__(self, printer: Printer, value: Any) -> None:
        self.printer, self.value = printer, value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in UFUNCS:
            return NotImplemented
        kind = UFUNCS[ufunc]
        return self._add(kind, *inputs) if isinstance(kind, str) else kind(*inputs)

    def called(self, kind: str, *more: Any) -> Traced:
        """Return what an operation makes of this and of more numbers."""
        return self._add(kind, self, *more)

    def _add(self, kind: str, *inputs: Any) -> Traced:
        own = self.printer
        given = (one.value if isinstance(one, Traced) else own.constant(float32(one)) for one in inputs)
        return Traced(own, own.call(kind, *given))


def where(condition: Traced, one: Any, other: Any) -> Traced:
    """Return `one` where the condition holds and `other` elsewhere."""
    return condition.called("Where", one, other)


def _sign(x: Traced) -> Traced:
    """Return 1, -1 or 0. An operation of that name says nothing of what is not a number, and is easily misread."""
    return where(x > 0, 1.0, where(x < 0, -1.0, 0.0))


def _erfc(x: Traced) -> Traced:
    """Return 1 - erf(x) within 1.2e-7 of itself wherever it is: Chebyshev fitting, Numerical Recipes (1992), 6.2."""
    t = 1.0 / (1.0 + 0.5 * np.abs(x))
    total: Any = np.float32(ERFC[0])
    for factor in ERFC[1:]:
        total = factor + t * total
    tail = t * np.exp(total - x * x)
    return where(x >= 0, tail, 2.0 - tail)


ERFC = (
    *(0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807),
    *(-0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223),
)

UFUNCS: dict[np.ufunc, str | Callable[..., Traced]] = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.divide: "Div",
    np.negative: "Neg",
    np.absolute: "Abs",
    np.sqrt: "Sqrt",
    np.exp: "Exp",
    np.log: "Log",
    np.sin: "Sin",
    np.cos: "Cos",
    np.tan: "Tan",
    np.arctan: "Atan",
    np.maximum: "Max",
    np.minimum: "Min",
    np.greater_equal: "GreaterOrEqual",
    np.greater: "Greater",
    np.less: "Less",
    np.logical_or: "Or",
    np.logical_xor: "Xor",
    special.erf: "Erf",
    special.erfc: _erfc,
    np.sign: _sign,
}
"""NumPy's functions as operations."""


def column(values: Array) -> Array:
    """Return numbers (C,) as (1, C, 1, 1), and as a single number where all are the same."""
    flat = values.reshape(-1)
    return flat[:1].reshape(()) if len(flat) and (flat == flat[0]).all() else flat.reshape(1, -1, 1, 1)


def _tree(op: Expression, x: Traced) -> Traced:
    parameters = {name: column(values) for name, values in op.parameters.items()}

    def value(tree: tuple[Any, ...], place: str) -> Any:
        if tree[0] not in FORMS:
            raise NetworkError(unknown(tree[0]))
        arguments = [value(sub, f"{place}{n}") for n, sub in enumerate(tree[1:])] or [x]
        return FORMS[tree[0]].compute(*arguments, *parameters_at(place, parameters))

    with np.errstate(all="ignore"):
        found = value(op.tree, "p")
    # A tree without x is a constant, which takes the shape of the map.
    return found if isinstance(found, Traced) else 0.0 * x + found


ELEMENTWISE: dict[type[Op], Callable[[Any, Any], Any]] = {
    Scale: lambda op, x: x * column(op.factor),
    Affine: lambda op, x: x * column(op.factor) + column(op.offset),
    Relu: lambda op, x: x.called("Relu"),
    Prelu: lambda op, x: x.called("PRelu", op.slope.reshape(1, -1, 1, 1)),
    Hardtanh: lambda op, x: np.minimum(np.maximum(x, -op.bound), op.bound),
    Expression: _tree,
}
"""Each elementwise operation in NumPy's functions."""


def values(printer: Printer, chain: Sequence[Elementwise], x: Any) -> Any:
    """Return what elementwise operations one after another make of a map."""
    found = Traced(printer, x)
    for op in chain:
        found = ELEMENTWISE[type(op)](op, found)
    return found.value


def single(site: Site) -> Table | None:
    """Return the table of a site that compares with at most one threshold, whatever arrives; else None."""
    return site.table if site.whole and site.table is not None and len(site.table.thresholds) <= 1 else None


def threshold(table: Table) -> Array:
    """Return the only threshold of each channel, (C,): infinite where there is none."""
    return table.thresholds[0] if len(table.thresholds) else np.full(len(table.first), np.inf, np.float32)


def signs(printer: Printer, site: Site, x: Any, below: float = -1.0) -> Any:
    """Return 1 where a site is true and `below` where it is not, as float32."""
    given: Any = Traced(printer, x)
    if site.table is None:
        return where(_direct(printer, site, x), 1.0, below).value
    rows = [threshold(site.table), *site.table.thresholds[1:]]
    turned = given >= column(rows[0])
    for row in rows[1:]:
        turned = np.logical_xor(turned, given >= column(row))
    ends = np.array([1.0, below], np.float32)
    found = where(turned, column(ends[site.table.first.astype(int)]), column(ends[1 - site.table.first]))
    if not site.whole:
        outside = np.logical_or(given < column(site.table.low), given > column(site.table.high))
        found = where(outside, where(_direct(printer, site, x), 1.0, below), found)
    return found.value


def _direct(printer: Printer, site: Site, x: Any) -> Traced:
    found: Traced = Traced(printer, values(printer, site.direct, x)) >= 0
    return found
