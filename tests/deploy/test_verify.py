"""Which signs rounding may turn: near a change of sign, and where a function is 0 but for rounding on the way."""

from __future__ import annotations

import numpy as np

from evobnn.deploy.ops import Expression, Site, Table, float32
from evobnn.deploy.reference import apply
from evobnn.deploy.verify import turns

X = ("x",)


def turned(site: Site, values: list[float]) -> list[bool]:
    x = float32(values).reshape(1, 1, 1, -1)
    found: list[bool] = turns(site, x, ~apply(site, [x])).reshape(-1).tolist()
    return found


def test_near_a_change_and_nowhere_else() -> None:
    assert turned(Site(), [1e-7, -1e-7, 0.5, -1.0]) == [True, True, False, False]
    step = np.spacing(np.float32(0.25))
    site = Site((Expression(("sub", X, ("square", ("cos", ("zero",))))),))  # x - 1
    assert turned(site, [1 + 4 * step, 1.01, 0.99]) == [True, False, False]


def test_where_a_function_is_rounding_and_nowhere_else() -> None:
    site = Site((Expression(("sub", ("sin", X), ("neg", ("sin", ("neg", X))))),))  # sin(x) - sin(x)
    assert turned(site, [0.3, -2.0, 1.0]) == [True, True, True]
    site = Site((Expression(("sub", ("sin", X), ("sin", ("scale", X))), {"p10_scale": float32([0.5])}),))
    assert turned(site, [0.3, -2.0, 1.0]) == [False, False, False]


def test_where_a_library_takes_what_is_too_small_for_a_normal_number_for_0() -> None:
    """exp(-x^2) of 9.5 is 6e-40, which is no normal number, of 9 it is 7e-36."""
    site = Site((Expression(("neg", ("gauss", X))),))
    assert turned(site, [9.5, 9.0, 1.0]) == [True, False, False]


def test_whole_numbers_and_what_a_table_says_turn_nowhere() -> None:
    ends = float32([np.inf])
    everywhere = Table(np.array([False]), float32([[1.0]]), -ends, ends)
    assert turned(Site((), everywhere, True, True), [1.0, 0.0]) == [False, False]
    rounding = (Expression(("sub", ("sin", X), ("sin", X))),)
    inside = Table(np.array([False]), float32([[1.0]]), float32([-4.0]), float32([4.0]))
    assert turned(Site(rounding, inside, False, True), [2.0, -3.0, 5.0]) == [False, False, True]
