"""The 33 forms of GAAF against NumPy and SciPy, their gradients against finite differences, and trees of them."""

from __future__ import annotations

import copy
import hashlib
from itertools import product

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn

from evobnn.errors import NetworkError
from evobnn.nn.binary.forms import (
    FORMS,
    Form,
    TreeActivation,
    behaviour,
    constant_sign,
    expression_parameters,
    names_in,
    printed,
    sampled,
)
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.site import Site

EPS = 1e-8
X = ("x",)

UNARY = {
    "x": lambda x: x,
    "zero": lambda x: 0 * x,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "sqrt": lambda x: np.sign(x) * np.sqrt(np.abs(x) + EPS),
    "ln": lambda x: np.log(np.abs(x) + EPS),
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": special.expit,
    "tan": np.tan,
    "atan": np.arctan,
    "erf": special.erf,
    "erfc": special.erfc,
    "expabs": lambda x: np.exp(-np.abs(x) + EPS),
    "gauss": lambda x: np.exp(-(x**2)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "min0": lambda x: np.where(x < 0, x, 0),
    "abs": np.abs,
    "neg": lambda x: -x,
    "scale": lambda x, s=1.0: s * x,
    "shift": lambda x, t=0.0: x + t,
    "const": lambda x, c=1.0: c + 0 * x,
}
BINARY = {
    "add": lambda p, q: p + q,
    "sub": lambda p, q: p - q,
    "mul": lambda p, q: p * q,
    "div": lambda p, q: p / (q + EPS),
    "ratio": lambda p, q: p / (p + q + EPS),
    "max": np.maximum,
    "min": np.minimum,
    "gate": lambda p, q: p * special.expit(q),
    "gaussdiff": lambda p, q: np.exp(-((p - q) ** 2)),
    "expdiff": lambda p, q: np.exp(-np.abs(p - q)),
    "mix": lambda p, q, b=1.0: b * p + (1 - b) * q,
}
LEAVES = {"x", "zero", "const"}
KINKS = {"sqrt", "ln", "expabs", "relu", "min0", "abs", "max", "min", "expdiff"}  # where x = 0 or p = q
PLANTED = np.array([0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 1e3, -1e3, 1.3, -1.3, 1e-12])


def tree_of(name):
    return (name,) if name in LEAVES else (name, X)


def compute(name, *arrays, parameters=()):
    tensors = [torch.from_numpy(a) for a in arrays]
    return FORMS[name].compute(*tensors, *(torch.tensor(p, dtype=torch.float64) for p in parameters))


def test_names_order_and_arity_are_those_of_gaaf():
    assert list(FORMS) == [*UNARY, *BINARY]
    assert len(UNARY) == 22
    assert len(BINARY) == 11
    assert {name for name, form in FORMS.items() if form.arity == 0} == LEAVES
    assert {name for name, form in FORMS.items() if form.arity == 2} == set(BINARY)
    assert {name: form.parameters for name, form in FORMS.items() if form.parameters} == {
        "scale": (("scale", 1.0),),
        "shift": (("shift", 0.0),),
        "const": (("const", 1.0),),
        "mix": (("mix", 1.0),),
    }


@pytest.mark.parametrize("name", list(UNARY))
def test_unary_forms_at_planted_points(name):
    initial = [value for _, value in FORMS[name].parameters]
    got = compute(name, PLANTED, parameters=initial).expand(len(PLANTED))
    np.testing.assert_allclose(got.numpy(), UNARY[name](PLANTED), rtol=1e-12, atol=1e-15)
    if initial:
        got = compute(name, PLANTED, parameters=[-0.7]).expand(len(PLANTED))
        np.testing.assert_allclose(got.numpy(), UNARY[name](PLANTED, -0.7), rtol=1e-12)


@pytest.mark.parametrize("name", list(BINARY))
def test_binary_forms_at_planted_points(name):
    p, q = (np.array(side) for side in zip(*product(PLANTED, PLANTED), strict=True))
    initial = [value for _, value in FORMS[name].parameters]
    np.testing.assert_allclose(compute(name, p, q, parameters=initial), BINARY[name](p, q), rtol=1e-12, atol=1e-15)
    if initial:
        np.testing.assert_allclose(compute(name, p, q, parameters=[2.5]), BINARY[name](p, q, 2.5), rtol=1e-12)


@pytest.mark.parametrize("name", list(FORMS))
def test_forms_agree_in_float32(name):
    arity, x = max(FORMS[name].arity, 1), PLANTED.astype(np.float32)
    initial = [torch.tensor(value) for _, value in FORMS[name].parameters]
    got = FORMS[name].compute(*[torch.from_numpy(x + k) for k in range(arity)], *initial)
    assert got.dtype == torch.float32
    exact = (UNARY | BINARY)[name](*[(x + np.float32(k)).astype(np.float64) for k in range(arity)])
    np.testing.assert_allclose(got.expand(len(x)).numpy(), exact, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", list(FORMS))
def test_gradients_are_finite_differences_where_smooth(name):
    x = np.array([-2.3, -1.0, -0.4, 0.4, 1.0, 2.3])  # away from 0 and from tan's poles
    arguments = [x, x[::-1] * 0.6 + 0.05][: max(FORMS[name].arity, 1)]
    parameters = [0.4] * len(FORMS[name].parameters)
    tensors = [torch.tensor(a.copy(), requires_grad=True) for a in arguments]
    tensors += [torch.full((len(x),), p, dtype=torch.float64, requires_grad=True) for p in parameters]
    value = FORMS[name].compute(*tensors)
    if value.requires_grad:
        value.sum().backward()
    formula, h = (UNARY | BINARY)[name], 1e-6
    plain = [*arguments, *(np.full(len(x), p) for p in parameters)]
    for k, tensor in enumerate(tensors):
        up, down = list(plain), list(plain)
        up[k], down[k] = plain[k] + h, plain[k] - h
        difference = (formula(*up) - formula(*down)) / (2 * h)
        got = np.zeros(len(x)) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(got, difference, rtol=1e-6, atol=1e-7)
    assert len(tensors) >= 1


@pytest.mark.parametrize("name", sorted(KINKS))
def test_gradients_at_kinks_are_finite(name):
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    FORMS[name].compute(*[x] * FORMS[name].arity).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_kinks_as_documented():
    slopes = {}
    for name in ("abs", "relu", "min0"):
        x = torch.zeros(1, requires_grad=True)
        FORMS[name].compute(x).backward()
        slopes[name] = x.grad.item()
    assert slopes == {"abs": 0.0, "relu": 0.0, "min0": 1.0}
    p, q = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    torch.maximum(p, q).backward()
    assert (p.grad.item(), q.grad.item()) == (0.5, 0.5)


@pytest.mark.parametrize("name", list(UNARY))
def test_every_unary_form_keeps_the_shape(name):
    x = torch.randn(2, 3, 4, 5, requires_grad=True)
    activation = TreeActivation(tree_of(name), 3)
    y = activation(x)
    assert y.shape == x.shape
    assert [p.shape for p in activation.parameters()] == [(1, 3, 1, 1)] * len(FORMS[name].parameters)
    Site(activation)(x)  # a site takes it, expanded constants included


@pytest.mark.parametrize("name", list(BINARY))
def test_every_binary_form_takes_constants(name):
    x = torch.randn(2, 3, 4, 5)
    for pair in product([("zero",), ("const",), X], repeat=2):
        assert TreeActivation((name, *pair), 3)(x).shape == x.shape


def test_x_is_handed_through():
    x = torch.randn(1, 2, 3, 3)
    activation = TreeActivation(X, 2)
    assert activation(x) is x
    assert activation.steps == 0
    assert not list(activation.parameters())


def test_parameters_exist_only_where_used_and_are_named_by_place():
    tree = ("mix", ("scale", ("shift", X)), ("add", ("const",), ("sin", X)))
    activation = TreeActivation(tree, 4)
    assert {name: p.mean().item() for name, p in activation.named_parameters()} == {
        "p_mix": 1.0,
        "p0_scale": 1.0,
        "p00_shift": 0.0,
        "p10_const": 1.0,
    }
    assert activation.steps == 5  # mix, scale, shift, add, sin
    assert not list(TreeActivation(("mul", ("sin", X), X), 4).parameters())


def test_tree_against_numpy_with_parameters_per_channel():
    tree = ("mix", ("scale", ("sin", X)), ("shift", X))
    activation = TreeActivation(tree, 2).double()
    s, t, b = np.array([0.5, -2.0]), np.array([1.0, 0.25]), np.array([0.3, 1.7])
    with torch.no_grad():
        for name, value in (("p0_scale", s), ("p1_shift", t), ("p_mix", b)):
            getattr(activation, name).copy_(torch.from_numpy(value).view(1, 2, 1, 1))
    x = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    n = x.numpy()
    s, t, b = (v.reshape(1, 2, 1, 1) for v in (s, t, b))
    expected = b * (s * np.sin(n)) + (1 - b) * (n + t)
    np.testing.assert_allclose(activation(x).detach().numpy(), expected, rtol=1e-12)


def test_equal_subtrees_are_computed_once_unless_they_learn():
    calls = []
    forms = dict(FORMS, sin=Form("sin", 1, lambda x: calls.append(1) or torch.sin(x)))
    twice = TreeActivation(("mul", ("sin", X), ("sin", X)), 1, forms)
    x = torch.randn(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    twice(x).sum().backward()
    assert len(calls) == 1
    torch.testing.assert_close(x.grad, 2 * torch.sin(x.detach()) * torch.cos(x.detach()))
    learning = TreeActivation(("mul", ("scale", X), ("scale", X)), 1)
    assert [name for name, _ in learning.named_parameters()] == ["p0_scale", "p1_scale"]


def test_expression_parameters_are_told_apart():
    net = nn.Sequential(Site(TreeActivation(("scale", X), 3)), BinaryConv2d(3, 3, 1))
    assert [id(p) for p in expression_parameters(net)] == [id(net[0].activation.p_scale)]


def test_names_and_printing():
    tree = ("mul", ("sin", X), X)
    assert names_in(tree) == ["mul", "sin", "x", "x"]
    assert printed(tree) == "mul(sin(x), x)"
    assert "mul(sin(x), x)" in repr(TreeActivation(tree, 1))


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        (("sine", X), "Did you mean 'sin'"),
        (("mul", X), "2 arguments for 'mul', got 1"),
        (("x", X), "0 arguments for 'x', got 1"),
        (("sin", "x"), "a tree like"),
        ((), "a tree like"),
    ],
)
def test_bad_trees_say_why(tree, match):
    with pytest.raises(NetworkError, match=match):
        TreeActivation(tree, 1)


def test_sampled_points_hold_an_exact_zero():
    a, slope = sampled(X)
    assert a[300] == 0.0
    assert (a[0], a[-1], len(a)) == (-3.0, 3.0, 601)
    assert slope.unique().tolist() == [1.0]
    assert sampled(("zero",))[1].unique().tolist() == [0.0]


@pytest.mark.parametrize(
    ("tree", "constant"),
    [
        (X, False),
        (("zero",), True),
        (("const",), True),
        (("square", X), True),
        (("neg", ("expabs", X)), True),
        (("relu", X), True),
        (("min0", X), False),  # +1 at 0 and above
        (("ln", X), False),
        (("sub", X, X), True),
    ],
)
def test_constant_sign(tree, constant):
    assert constant_sign(tree) is constant


def test_points_that_are_not_finite_have_no_sign():
    forms = dict(FORMS, bad=Form("bad", 1, lambda x: torch.where(x < 0, -torch.inf * x * 0, x)))
    assert constant_sign(("bad", X), forms)
    forms = dict(FORMS, bad=Form("bad", 1, lambda x: x * torch.nan))
    assert constant_sign(("bad", X), forms)
    assert len(behaviour(("bad", X), forms)) == 16


def test_behaviour_merges_equal_functions_and_parts_others():
    assert behaviour(X) == behaviour(("scale", X)) == behaviour(("neg", ("neg", X))) == behaviour(("shift", X))
    assert behaviour(("mul", X, ("square", X))) == behaviour(("cube", X))
    assert behaviour(X) != behaviour(("sin", X))
    assert behaviour(("square", X)) != behaviour(("neg", ("square", X)))
    by_hand = np.array([-1] * 300 + [1] * 301, dtype="i1").tobytes() + np.full(601, 1000, dtype="<i8").tobytes()
    assert behaviour(X) == hashlib.sha256(by_hand).hexdigest()[:16]
    with torch.device("meta"):
        assert behaviour(("scale", X)) == behaviour(X)


def test_deep_copy_computes_the_same():
    activation = TreeActivation(("gate", ("scale", X), X), 2)
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(copy.deepcopy(activation)(x), activation(x))
