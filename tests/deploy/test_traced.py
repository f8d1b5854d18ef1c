"""What ONNX and OpenVINO are given for elementwise operations and sites, computed here by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from evobnn.deploy import traced
from evobnn.deploy.forms import FORMS, computed
from evobnn.deploy.ops import (
    Affine,
    Expression,
    Hardtanh,
    Prelu,
    Relu,
    Scale,
    Site,
    Table,
    float32,
)
from evobnn.deploy.qonnx import shifted
from evobnn.deploy.reference import apply, table_bits
from evobnn.errors import NetworkError

RNG = np.random.default_rng(3)
KINDS: dict[str, Any] = {
    **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Neg": np.negative, "Abs": np.abs},
    **{"Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Sin": np.sin, "Cos": np.cos, "Tan": np.tan, "Atan": np.arctan},
    **{"Max": np.maximum, "Min": np.minimum, "GreaterOrEqual": np.greater_equal, "Greater": np.greater},
    **{"Less": np.less, "Or": np.logical_or, "Xor": np.logical_xor, "Erf": special.erf, "Where": np.where},
    "Relu": lambda x: np.maximum(x, 0),
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
}


class Numbers:
    """A printer that computes."""

    def call(self, kind: str, *inputs: Any) -> Any:
        assert all(one.dtype in (np.float32, np.bool_) for one in inputs)
        with np.errstate(all="ignore"):
            return KINDS[kind](*inputs)

    def constant(self, values: Any) -> Any:
        return values


def line(channels: int, *more: float) -> Any:
    """Return numbers (2, channels, 1, n) in all sizes and both signs, exact zeros among them."""
    sizes = RNG.normal(size=(2, channels, 1, 200)) * np.exp2(RNG.integers(-30, 4, (2, channels, 1, 200)))
    return np.concatenate((sizes, np.broadcast_to([0.0, -0.0, *more], (2, channels, 1, 2 + len(more)))), 3).astype("f4")


def expression(name: str) -> Expression:
    arity = {"x": 0, "zero": 0, "const": 0}.get(name, 1)
    arity = 2 if FORMS[name].c.count("q") and name not in ("sqrt", "square") else arity
    leaves = (("x",), ("neg", ("x",)))[:arity]
    learned = {"p_c": float32(RNG.normal(size=3))} if name in ("scale", "shift", "const", "mix") else {}
    return Expression((name, *leaves), learned)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_traced_as_it_is_computed(name: str) -> None:
    op, x = expression(name), line(3, 9.0, -9.0)
    found = np.broadcast_to(traced.values(Numbers(), [op], x), x.shape)
    wanted = computed(op, x)
    assert found.dtype == np.float32
    if name == "erfc":
        np.testing.assert_allclose(found, wanted, rtol=3e-6 * 81)  # the exponent is -81, in float32
        assert np.array_equal(found > 0, wanted > 0)
    else:
        np.testing.assert_array_equal(found, wanted)


def test_elementwise_operations() -> None:
    x, column = line(3), float32([-1.5, 2.0, 0.0])
    for op in (Scale(column), Affine(column, column[::-1]), Relu(), Prelu(column), Hardtanh(1.3)):
        found = traced.values(Numbers(), [op], x)
        np.testing.assert_array_equal(found, apply(op, [x]), err_msg=str(op))


def test_a_form_of_ones_own_is_refused() -> None:
    with pytest.raises(NetworkError, match="'mine', a form of your own"):
        traced.values(Numbers(), [Expression(("mine", ("x",)))], line(1))


def table(most: int, channels: int, ends: float = np.inf) -> Table:
    """Return thresholds of which channel c has c mod (most + 1)."""
    thresholds = np.sort(RNG.normal(size=(most, channels)), 0).astype("f4")
    for c in range(channels):
        thresholds[c % (most + 1) :, c] = np.inf
    last = float32(np.where(np.arange(channels) == 1, -ends, ends))
    return Table(RNG.random(channels) < 0.5, thresholds, float32(np.full(channels, -ends)), last)


@pytest.mark.parametrize("most", [0, 1, 2, 5])
@pytest.mark.parametrize("ends", [np.inf, 0.5])
def test_sites_beside_their_thresholds(most: int, ends: float) -> None:
    """Within 0.5 of 0 the table counts; the second channel has none."""
    found = table(most, 8, ends)
    near = [np.nextafter(t, side) for t in found.thresholds[:1, 1:2].ravel() for side in (-np.inf, t, np.inf)]
    x = line(8, *(float(t) for t in near if np.isfinite(t)))
    direct = (Expression(("sin", ("x",))),)
    site = Site(() if ends == np.inf else direct, found, whole=ends == np.inf)
    wanted = apply(site, [x])
    for below in (-1.0, 0.0):
        signs = traced.signs(Numbers(), site, x, below)
        np.testing.assert_array_equal(signs, np.where(wanted, 1.0, below).astype("f4"))
    np.testing.assert_array_equal(traced.signs(Numbers(), Site(direct), x), np.where(np.sin(x) >= 0, 1, -1))
    assert (traced.single(site) is None) == (most > 1 or ends != np.inf)
    assert 0 < wanted.mean() < 1


def test_a_single_threshold_as_a_sum_that_is_at_least_zero() -> None:
    thresholds = float32([0.0, 0.0, -0.7, 1e-30, 3e7, np.inf, np.inf, 1.0])
    first = np.array([False, True, True, False, True, False, True, False])
    factor, offset = shifted(first, thresholds)
    assert set(factor) <= {-1, 0, 1} and np.isfinite(offset).all()
    beside = [np.nextafter(thresholds, np.float32(s * np.inf)) for s in (-1, 1)]
    x = np.stack([*beside, thresholds, *float32(RNG.normal(size=(50, 8)))])[:, :, None]
    x = np.where(np.isfinite(x), x, np.float32(1))
    moved = x * factor[:, None] + offset[:, None]
    known = Table(first, thresholds[None], first.astype("f4"), first.astype("f4"))
    np.testing.assert_array_equal(moved >= 0, table_bits(known, x))
