"""Two-valued sign, surrogate gradients and binary weights against NumPy formulas at planted points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evobnn.errors import NetworkError
from evobnn.nn.binary.signs import SURROGATES, annealed_tanh, approxsign, clipped_identity, sign, steepness
from evobnn.nn.binary.weights import binary_weight

TINY = 1e-40  # subnormal in float32
PLANTED = [0.0, -0.0, TINY, -TINY, 0.25, -0.25, 1.0, -1.0, 1.3, -1.3, 0.999, -0.999, 1e3, -1e3, np.inf, -np.inf]
SIGNS = [1, 1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1]

GRADIENTS = {
    "clipped_identity": lambda x, c: (np.abs(x) < c).astype(x.dtype),
    "approxsign": lambda x, c: np.maximum(0.0, 2.0 - 2.0 * np.abs(x) / c),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_sign_has_two_values_and_keeps_the_dtype(dtype):
    y = sign(torch.tensor(PLANTED, dtype=dtype))
    assert y.dtype == dtype
    assert y.tolist() == SIGNS


def test_sign_of_nan_is_silently_plus_or_minus_one():
    assert sign(torch.tensor([float("nan"), -float("nan")])).abs().tolist() == [1.0, 1.0]


def test_sign_leaves_its_input_alone_and_keeps_channels_last():
    x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    before = x.clone()
    assert sign(x).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


def test_there_is_a_formula_for_every_surrogate():
    assert {
        "clipped_identity": clipped_identity,
        "approxsign": approxsign,
        "annealed_tanh": annealed_tanh,
    } == SURROGATES
    assert {*GRADIENTS, "annealed_tanh"} == SURROGATES.keys()


@pytest.mark.parametrize("clip", [1.0, 1.3])
@pytest.mark.parametrize("name", list(GRADIENTS))
def test_surrogates_follow_their_formulas(name, clip):
    x = np.array(PLANTED[:-2] + [clip, -clip], dtype=np.float32)
    g = np.linspace(-2, 3, len(x), dtype=np.float32)
    t = torch.tensor(x, requires_grad=True)
    y = SURROGATES[name](t, clip)
    y.backward(torch.tensor(g))
    assert y.tolist() == [*SIGNS[:-2], 1, -1]
    np.testing.assert_allclose(t.grad.numpy(), g * GRADIENTS[name](x, np.float32(clip)), rtol=1e-6, atol=5e-7)
    assert t.grad[-2:].tolist() == pytest.approx([0.0, 0.0], abs=5e-7)  # at the clip nothing passes


@pytest.mark.parametrize("name", list(GRADIENTS))
def test_area_below_the_slope_is_twice_the_clip(name):
    x = torch.linspace(-2, 2, 400_001, dtype=torch.float64, requires_grad=True)
    SURROGATES[name](x, 1.3).sum().backward()
    assert x.grad.sum().item() * 1e-5 == pytest.approx(2.6, abs=1e-4)


def test_the_steepness_grows_from_a_thousandth_to_ten():
    assert [steepness(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([1e-3, 1e-2, 0.1, 1.0, 10.0], rel=1e-12)


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.5, 0.75, 0.9, 1.0])
def test_annealed_tanh_follows_its_formula(progress):
    x = np.array([*PLANTED, *np.linspace(-3, 3, 25)], dtype=np.float32)
    g = np.linspace(-2, 3, len(x), dtype=np.float32)
    results = []
    for short, clip in ((False, 1.0), (True, 1.0), (False, 0.01)):
        own = torch.tensor(x, requires_grad=True)
        y = annealed_tanh(own, clip, short, progress)
        y.backward(torch.tensor(g).to(y.dtype))
        results.append((y.float().detach(), own.grad))
    t = 10.0 ** (-3 + 4 * progress)
    k = max(1 / t, 1.0)
    slope = k * t * (1 - np.tanh(t * x.astype(np.float64)) ** 2)
    (y, grad), (short_y, short_grad), (_, clipped_grad) = results
    assert y[: len(PLANTED)].tolist() == SIGNS
    np.testing.assert_allclose(grad, g * slope, rtol=1e-5, atol=5e-5)
    assert torch.equal(y, short_y)
    np.testing.assert_allclose(short_grad, grad, rtol=2**-8, atol=1e-6)  # the incoming gradient was rounded
    assert torch.equal(grad, clipped_grad)  # the clip plays no part


def test_untold_the_annealed_gradient_is_the_last_one():
    x = torch.tensor([0.0, 0.1, 0.5], requires_grad=True)
    annealed_tanh(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([10 * (1 - np.tanh(u) ** 2) for u in (0.0, 1.0, 5.0)], abs=1e-5)


def test_binary_weight_without_scale():
    w = torch.tensor([[[[0.5]], [[-0.0]]], [[[-2.0]], [[3.0]]]], requires_grad=True)
    y = binary_weight(w, "none")
    assert y.flatten().tolist() == [1, 1, -1, 1]
    y.backward(torch.full_like(w, 0.7))
    assert w.grad.unique().tolist() == pytest.approx([0.7])


def test_binary_weight_with_the_mean_of_each_filter():
    w = torch.tensor([[[[0.5]], [[-0.0]]], [[[-2.0]], [[3.0]]]], requires_grad=True)
    y = binary_weight(w, "mean")  # means 0.25 and 2.5
    assert y.flatten().tolist() == [0.25, 0.25, -2.5, 2.5]
    y.backward(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(2, 2, 1, 1))
    assert w.grad.flatten().tolist() == [0.25, 0.5, 7.5, 10.0]


def test_an_unknown_scale_names_the_closest():
    with pytest.raises(NetworkError, match="Did you mean 'mean'"):
        binary_weight(torch.ones(1, 1, 1, 1), "meen")
