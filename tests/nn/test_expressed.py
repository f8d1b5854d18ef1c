"""Expressions on the fast path against the modules in double precision, form by form and as trees."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit
from scipy import special
from torch import Tensor, nn

from evobnn.nn import ConvStyle, Site, TreeActivation, all_finite, fuse, watch
from evobnn.nn.binary.forms import FORMS, Form, Tree
from evobnn.nn.binary.layers import batch_norm
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.fast.elementary import (
    arctangent,
    complement,
    cosine,
    error_function,
    exponential,
    logarithm,
    sigmoid,
    sine,
)
from evobnn.nn.fast.expressed import can, expressed
from evobnn.nn.fast.programs import CODES
from tests.nn.conftest import rounding

CHANNELS = 6
X: Tree = ("x",)


def maps(seed: int, *, scale: float = 1.5, images: int = 5, side: int = 9) -> Tensor:
    return torch.randn(images, CHANNELS, side, side, generator=torch.Generator().manual_seed(seed)) * scale


def of(name: str) -> Tree:
    """Return a tree with the form at its root and, where it has two arguments, different ones."""
    arity = FORMS[name].arity
    return (name, *((), (X,), (("scale", X), ("shift", X)))[arity])


def check_close(tree: Tree, x: Tensor, *, norm: nn.BatchNorm2d | None = None, tolerance: float = 2e-5) -> None:
    """Compare value and gradients of the fast path with those of modules in double precision."""
    torch.manual_seed(4)
    tolerance *= rounding()
    fast = TreeActivation(tree, CHANNELS)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    slow, other = copy.deepcopy(fast).double(), copy.deepcopy(norm)
    left, right = x.double().requires_grad_(), x.clone().requires_grad_()
    assert can(fast, right)
    one = slow(left if norm is None else norm.double()(left))
    two = expressed(right, other, fast)
    torch.testing.assert_close(two.double(), one, rtol=tolerance, atol=tolerance, equal_nan=True)
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    if one.requires_grad:
        torch.autograd.backward(one, grad.double())
    torch.autograd.backward(two, grad)
    assert right.grad is not None
    wanted = torch.zeros_like(left) if left.grad is None else left.grad
    torch.testing.assert_close(right.grad.double(), wanted, rtol=1e-3, atol=10 * tolerance, equal_nan=True)
    for mine, theirs in ((fast, slow), (other, norm)):
        for (name, p), (_, q) in zip(_parameters(mine), _parameters(theirs), strict=True):
            assert p.grad is not None, name
            exact = torch.zeros_like(q) if q.grad is None else q.grad  # nothing comes back through a constant
            torch.testing.assert_close(p.grad.double(), exact, rtol=1e-3, atol=50 * tolerance, msg=name)
    if norm is not None and other is not None:
        torch.testing.assert_close(other.running_var.double(), norm.running_var, rtol=1e-5, atol=1e-5)  # type: ignore[union-attr]


def _parameters(module: nn.Module | None) -> list[tuple[str, nn.Parameter]]:
    return [] if module is None else list(module.named_parameters())


def test_every_form_but_the_input_has_a_code() -> None:
    assert [*CODES] == [name for name in FORMS if name != "x"]


@pytest.mark.parametrize("name", [*CODES])
def test_a_form(name: str) -> None:
    x = maps(1)
    if name in {"tan", "div", "ratio"}:  # their poles are as steep as can be
        x = x.clamp(-1.2, 1.2) if name == "tan" else x.abs() + 0.5
    check_close(of(name), x)


@pytest.mark.parametrize("name", ["abs", "relu", "min0", "sqrt", "expabs", "ln"])
def test_a_kink_has_the_slope_that_pytorch_gives_it(name: str) -> None:
    x = maps(2)
    x[:, :, ::2] = 0.0
    check_close((name, X), x)


@pytest.mark.parametrize("name", ["max", "min", "expdiff", "gaussdiff"])
def test_equal_arguments(name: str) -> None:
    check_close((name, X, ("abs", X)), maps(3))


TREES: tuple[Tree, ...] = (
    ("mul", ("sin", ("scale", X)), ("mix", ("cube", X), ("const",))),
    ("add", ("erf", ("square", X)), ("square", X)),
    ("const",),
    ("zero",),
    ("sub", ("const",), ("scale", ("shift", ("scale", X)))),
)


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("training", [True, False])
def test_a_tree_behind_a_batch_norm(tree: Tree, training: bool) -> None:
    torch.manual_seed(6)
    norm = batch_norm(CHANNELS).train(training)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    check_close(tree, maps(4) + 1.0, norm=norm)


def test_maps_of_many_pieces_with_a_short_last_one() -> None:
    check_close(TREES[0], maps(5, scale=0.5, images=41, side=33), tolerance=2e-4)


def test_a_map_of_more_channels_than_a_piece_has_places() -> None:
    x = torch.randn(2, 2500, 1, 2, generator=torch.Generator().manual_seed(1))
    fast = TreeActivation(("add", ("scale", X), ("sin", X)), 2500)
    torch.testing.assert_close(expressed(x, None, fast), fast(x), rtol=1e-5, atol=1e-5)


def test_two_threads_agree_with_one() -> None:
    x, grad = maps(6, images=64, side=24), maps(7, images=64, side=24)
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            fast = TreeActivation(("gate", ("scale", X), X), CHANNELS)
            entered = x.clone().requires_grad_()
            torch.autograd.backward(expressed(entered, None, fast), grad)
            found.append((entered.grad, next(fast.parameters()).grad))
        finally:
            torch.set_num_threads(before)
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_far_from_0_and_what_is_not_finite(name: str) -> None:
    x = maps(8, images=1, side=4)
    x[0, 0, 0, 0], x[0, 1, 0, 0], x[0, 2, 0, 0] = 1e6, float("inf"), float("nan")
    check_close((name, X), x)


@pytest.mark.parametrize("name", [name for name in CODES if FORMS[name].arity == 1])
def test_nan_stays(name: str) -> None:
    x = torch.full((1, CHANNELS, 2, 2), float("nan"))
    assert expressed(x, None, TreeActivation((name, X), CHANNELS)).isnan().all()


def test_what_goes_another_way() -> None:
    own = {**FORMS, "sin": Form("sin", 1, lambda x: torch.sin(2 * x)), "tenfold": Form("tenfold", 1, lambda x: 10 * x)}
    x = maps(9)
    assert can(TreeActivation(("sin", X), CHANNELS), x)
    assert not can(TreeActivation(("sin", X), CHANNELS, own), x)  # of the same name only
    assert not can(TreeActivation(("tenfold", X), CHANNELS, own), x)
    assert not can(TreeActivation(("sin", X), CHANNELS), x.double())
    assert not can(None, x)
    assert not can(nn.ReLU(), x)


ELEMENTARY: dict[str, tuple[Any, Any]] = {
    "exp": (exponential, np.exp),
    "log": (logarithm, np.log),
    "sin": (sine, np.sin),
    "cos": (cosine, np.cos),
    "atan": (arctangent, np.arctan),
    "sigmoid": (sigmoid, special.expit),
    "erf": (error_function, special.erf),
    "erfc": (complement, special.erfc),
}
PLANTED = [0.0, 1e-30, 1e-8, 0.1, 0.41421357, 0.5, 1.0, 1.4142135, 2.4142137, 3.1415927, 3.9, 4.1, 8.0, 80.0, 8191.0]


@pytest.mark.parametrize("name", [*ELEMENTARY])
def test_elementary_functions_on_planted_and_random_numbers(name: str) -> None:
    function, exact = ELEMENTARY[name]

    @njit
    def along(x: Any, out: Any) -> None:
        for i in range(len(x)):
            out[i] = function(x[i])

    drawn = np.random.default_rng(0).standard_normal(2000)
    x = np.concatenate([np.array(PLANTED), -np.array(PLANTED), drawn, 30 * drawn]).astype(np.float32)
    x = np.abs(x) + np.float32(1e-8) if name == "log" else x[x < 88] if name == "exp" else x
    out = np.empty_like(x)
    along(x, out)
    right = exact(x.astype(np.float64))
    relative = {"exp": 1e-5, "erfc": 1e-4, "sigmoid": 1e-5}.get(name, 5e-7)
    np.testing.assert_allclose(out, right, rtol=relative, atol=2e-7)
    if name in {"atan", "erf", "sin"}:  # the sign at the origin is what a binary network lives on
        near = np.abs(x) < 3
        assert (np.sign(out[near]) == np.sign(x[near])).all()


def layers(tree: Tree, *, behind: bool, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Return a layer of modules in double precision, and the same one on the fast path."""
    torch.manual_seed(2)

    def site(channels: int) -> Site:
        return Site(TreeActivation(tree, channels), clip=1.3)

    style = ConvStyle("zero", "mean" if behind else "none")  # a scaled sum of 0 may pass the ReLU of modules
    make = normed_layer if behind else binary_layer
    slow = make(CHANNELS, 4, 3, site, style, stride=stride)
    with torch.no_grad():
        for parameter in slow.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    fast = copy.deepcopy(slow)
    fuse(fast)
    return slow.double(), fast


@pytest.mark.parametrize("tree", [("mul", ("sin", ("scale", X)), ("mix", X, ("const",))), ("erf", X), ("const",)])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_a_whole_layer_with_an_expression(tree: Tree, behind: bool, training: bool) -> None:
    slow, fast = layers(tree, behind=behind)
    x = maps(1, images=37)
    for layer in (slow, fast):
        layer.train(training)
    left, right = x.double().requires_grad_(), x.clone().requires_grad_()
    one, two = slow(left), fast(right)
    assert two.grad_fn.name() == "_CountedBackward"
    assert "AccumulateGrad" in two.grad_fn.next_functions[0][0].name()  # nothing between it and the input
    torch.testing.assert_close(two.double(), one, rtol=2e-5, atol=2e-5)
    grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(3))
    torch.autograd.backward(one, grad.double())
    torch.autograd.backward(two, grad)
    assert right.grad is not None
    exact = torch.zeros_like(left) if left.grad is None else left.grad
    torch.testing.assert_close(right.grad.double(), exact, rtol=1e-3, atol=2e-4)
    for (name, p), (_, q) in zip(fast.named_parameters(), slow.named_parameters(), strict=True):
        assert p.grad is not None, name
        exact = torch.zeros_like(q) if q.grad is None else q.grad
        torch.testing.assert_close(p.grad.double(), exact, rtol=1e-3, atol=2e-3, msg=name)


def test_a_watched_layer_notes_what_its_expression_puts_out() -> None:
    slow, fast = layers(("square", X), behind=False)
    for layer in (slow, fast):
        watch(layer)
    x = maps(1)
    torch.testing.assert_close(fast(x).double(), slow(x.double()), rtol=2e-5, atol=2e-5)
    assert all_finite(fast)


def test_a_larger_map_has_the_expression_in_front_of_the_librarys_convolution() -> None:
    slow, fast = layers(("erf", X), behind=False)
    x = maps(1, images=2, side=20)
    out = fast(x)
    assert out.grad_fn.next_functions[0][0].name() == "_ExpressedBackward"
    torch.testing.assert_close(out.double(), slow(x.double()), rtol=2e-5, atol=2e-5)
