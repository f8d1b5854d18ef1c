"""The fast path against the modules it stands for, in double precision where sums must be exact."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evobnn.nn import ConvStyle, Site, TreeActivation, all_finite, fuse, watch
from evobnn.nn.binary.layers import BinaryConv2d, batch_norm
from evobnn.nn.cells.blocks import FreeSkip
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.fast.layer import ONE, batch_normalised, can, sign_convolution
from evobnn.nn.fast.loops import enter, moments, signs

IMAGES, CHANNELS, FILTERS, SIDE = 5, 6, 7, 9


def maps(seed: int = 0, images: int = IMAGES, channels: int = CHANNELS, side: int = SIDE) -> Tensor:
    return torch.randn(images, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 + 0.3


def pair(layer: nn.Module, *, fast_type: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """Return the layer in double precision, module by module, and a copy that goes the fast way."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9)))
    fast = copy.deepcopy(layer).to(fast_type)
    fuse(fast)
    return layer.double(), fast


def agree(slow: nn.Module, fast: nn.Module, x: Tensor, *, tolerance: float = 2e-5) -> bool:
    """Compare output, gradients of input and parameters, and buffers after one step forward and backward; return
    whether there was a parameter to compare.
    """
    left, right = x.double().requires_grad_(), x.clone().requires_grad_()
    one, other = slow(left), fast(right)
    torch.testing.assert_close(other.double(), one, rtol=tolerance, atol=tolerance)
    grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(3))
    one.backward(grad.double())
    other.backward(grad)
    assert left.grad is not None and right.grad is not None
    torch.testing.assert_close(right.grad.double(), left.grad, rtol=1e-3, atol=tolerance * 10)
    compared = 0
    for (name, p), (_, q) in zip(slow.named_parameters(), fast.named_parameters(), strict=True):
        assert p.grad is not None and q.grad is not None, name
        torch.testing.assert_close(q.grad.double(), p.grad, rtol=1e-3, atol=tolerance * 50, msg=name)
        compared += 1
    for (name, p), (_, q) in zip(slow.named_buffers(), fast.named_buffers(), strict=True):
        torch.testing.assert_close(q.double(), p, rtol=1e-5, atol=1e-5, msg=name)
    return compared > 0


SHAPES = list(product(("zero", "minus_one"), ((1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 1, 1), (3, 1, 2), (5, 2, 2))))


@pytest.mark.parametrize(("padding", "shape"), SHAPES)
@pytest.mark.parametrize("surrogate", ["clipped_identity", "approxsign"])
def test_a_layer_with_norm_site_convolution_and_relu(padding: str, shape: tuple[int, int, int], surrogate: str) -> None:
    kernel, stride, dilation = shape
    torch.manual_seed(1)
    layer = binary_layer(
        CHANNELS, FILTERS, kernel, lambda c: Site(None, surrogate, 1.3), ConvStyle(padding), stride=stride,
        dilation=dilation,
    )  # fmt: skip
    slow, fast = pair(layer)
    assert can(maps(), fast.site, fast.conv)  # type: ignore[arg-type]
    assert agree(slow, fast, maps())
    with torch.no_grad():  # whole numbers come out as such
        assert torch.equal(fast(maps()), fast(maps()).round())


@pytest.mark.parametrize("scale", ["none", "mean"])
def test_a_layer_whose_norm_stands_behind(scale: str) -> None:
    torch.manual_seed(2)
    slow, fast = pair(normed_layer(CHANNELS, FILTERS, 3, lambda c: Site(), ConvStyle("zero", scale), stride=2))
    assert agree(slow, fast, maps())
    for layer in (slow, fast):
        layer.eval()
        layer.zero_grad()
    assert agree(slow, fast, maps(4))


def test_a_norm_behind_a_filter_without_a_scale() -> None:
    """Latent weights of 0 make alpha 0: the norm then sees zeros, and nothing becomes NaN."""
    layer = normed_layer(CHANNELS, FILTERS, 3, lambda c: Site(), ConvStyle("zero", "mean"))
    with torch.no_grad():
        layer.conv.weight[0].zero_()
    fuse(layer)
    x = maps().requires_grad_()
    out = layer(x)
    out.square().sum().backward()
    assert torch.equal(out[:, 0], torch.zeros_like(out[:, 0]))
    assert all(bool(p.grad.isfinite().all()) for p in layer.parameters() if p.grad is not None)
    assert x.grad is not None and bool(x.grad.isfinite().all())


def test_bf16_behind_a_norm_is_exact_forward_and_close_backward() -> None:
    found = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(12)
        style = ConvStyle("zero", "mean", False, precision)
        layer = normed_layer(16, 16, 3, lambda c: Site(precision=precision), style)  # noqa: B023
        fuse(layer)
        x = maps(1, channels=16).requires_grad_()
        out = layer(x)
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        assert x.grad is not None and layer.conv.weight.grad is not None
        found.append((out, x.grad, layer.conv.weight.grad, layer.norm.weight.grad))
    assert torch.equal(found[0][0], found[1][0])
    for a, b in zip(found[0][1:], found[1][1:], strict=True):
        assert float((a - b).norm() / a.norm()) < 0.01


def test_a_norm_that_is_not_affine_and_one_that_does_not_train() -> None:
    torch.manual_seed(3)
    layer = binary_layer(CHANNELS, FILTERS, 3, lambda c: Site(), ConvStyle("minus_one"), affine=False)
    slow, fast = pair(layer)
    assert agree(slow, fast, maps())
    slow.eval()
    fast.eval()
    slow.zero_grad()
    fast.zero_grad()
    assert agree(slow, fast, maps(4))


def test_a_shift_and_an_expression_before_the_sign() -> None:
    def site(channels: int) -> nn.Module:
        tree = ("mul", ("sin", ("x",)), ("scale", ("x",)))
        return Site(TreeActivation(tree, channels), shift=True, channels=channels)

    torch.manual_seed(5)
    slow, fast = pair(binary_layer(CHANNELS, FILTERS, 3, site, ConvStyle("zero")))
    assert agree(slow, fast, maps(), tolerance=1e-4)


@pytest.mark.parametrize("scale", ["mean", "xnor", "learnable", "standardised", "bnas"])
def test_scales(scale: str) -> None:
    """Scales multiply whole numbers: in double precision the slow path's ±alpha does not sum to exactly 0, so that its
    ReLU would pass what the fast one stops; hence without one.
    """
    torch.manual_seed(6)
    layer = nn.Sequential(normed_layer(CHANNELS, FILTERS, 3, lambda c: Site(), ConvStyle("minus_one", scale)))
    slow, fast = pair(layer)
    assert agree(slow, fast, maps(), tolerance=1e-4)


def test_a_relu_on_a_sum_of_zero_passes_nothing() -> None:
    conv = BinaryConv2d(2, 1, 1, scale="mean", rectify=True)
    fuse(conv)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([0.3, 0.7]).view(1, 2, 1, 1))
    x = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).requires_grad_()
    out = sign_convolution(x, None, Site(), conv)
    out.backward(torch.ones_like(out))
    assert out.item() == 0.0
    assert x.grad is not None and torch.equal(x.grad, torch.zeros_like(x))


def test_bf16_is_the_modules_own_bf16() -> None:
    """On maps of one memory format: where oneDNN has no bfloat16, PyTorch adds taps in another order in each."""
    torch.manual_seed(7)
    layer = binary_layer(16, 16, 3, lambda c: Site(precision="bf16"), ConvStyle("minus_one", "mean", False, "bf16"))
    fast = copy.deepcopy(layer)
    fuse(fast)
    x = maps(1, channels=16).to(memory_format=torch.channels_last)
    left, right = x.clone().requires_grad_(), x.clone().requires_grad_()
    one, other = layer(left), fast(right)
    assert torch.equal(one, other)
    grad = torch.randn(one.shape).to(memory_format=torch.channels_last)
    one.backward(grad)
    other.backward(grad)
    assert left.grad is not None and right.grad is not None
    torch.testing.assert_close(right.grad, left.grad, rtol=1e-4, atol=1e-5)
    assert torch.equal(layer.conv.weight.grad, fast.conv.weight.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("short", [False, True])
def test_signs_of_awkward_values(short: bool) -> None:
    values = np.array([0.0, -0.0, 1e-45, -1e-45, np.inf, -np.inf, np.nan, 2.0], np.float32)
    x = values.reshape(1, 2, 4, 1)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    out = np.full((1, 4, 6, 1), 7, np.uint16 if short else np.float32)
    plus, minus, border = (np.uint16(1), np.uint16(2), np.uint16(3)) if short else map(np.float32, (1, -1, 5))
    signs(x, one, zero, out, 1, plus, minus, border)
    p, m = plus, minus
    assert out[0, 1:3, 1:5, 0].ravel().tolist() == [p, p, p, m, p, m, m, p]
    framed = out.copy()
    framed[0, 1:3, 1:5] = border
    assert (framed == border).all()


def test_gradients_are_rounded_to_bfloat16_as_torch_does() -> None:
    ties = torch.tensor([1.00390625, 1.01171875, -1.00390625, 0.0, -0.0, float("inf"), 3.0e38, 1e-40])
    values = torch.cat([ties, torch.randn(1000, generator=torch.Generator().manual_seed(0))]).view(1, 1, -1, 1)
    out = np.zeros(values.shape, np.uint16)
    enter(values.numpy(), values.numpy(), np.ones(1, np.float32), np.float32(-np.inf), out)
    kept = values > -float("inf")
    assert kept.all()
    assert np.array_equal(out, values.to(torch.bfloat16).view(torch.uint16).numpy())
    assert torch.tensor(1.0).to(torch.bfloat16).view(torch.uint16).item() == ONE


def test_moments_of_large_maps_stay_exact() -> None:
    x = np.full((8, 64, 64, 3), 1000.0, np.float32) + np.random.default_rng(0).normal(size=(8, 64, 64, 3)).astype("f4")
    total, squares = moments(x)
    exact = x.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(total, exact.sum(0), rtol=1e-7)
    np.testing.assert_allclose(squares, (exact**2).sum(0), rtol=1e-7)


def test_two_threads_repeat_themselves_and_agree_with_one() -> None:
    torch.manual_seed(8)
    layer = binary_layer(16, 16, 3, lambda c: Site(), ConvStyle("minus_one"))
    fuse(layer)
    x = maps(2, images=9, channels=16, side=40)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            fresh, given = copy.deepcopy(layer), x.clone().requires_grad_()
            fresh(given).square().sum().backward()
            found.append([given.grad, *(p.grad for p in fresh.parameters()), *fresh.buffers()])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(found[1], found[2], strict=True))
    for a, b in zip(found[0], found[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_a_norm_alone() -> None:
    slow, fast = batch_norm(CHANNELS).double(), batch_norm(CHANNELS)
    left, right = maps().double().requires_grad_(), maps().requires_grad_()
    one, other = slow(left), batch_normalised(right, fast)
    torch.testing.assert_close(other.double(), one, rtol=1e-5, atol=1e-5)
    (one**3).sum().backward()
    (other**3).sum().backward()
    assert left.grad is not None and right.grad is not None
    torch.testing.assert_close(right.grad.double(), left.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("activation", [None, ("expabs", ("x",)), ("cube", ("x",))])
def test_who_watches_gets_the_same_and_sees_what_is_not_finite(activation: Any) -> None:
    torch.manual_seed(10)
    layer = binary_layer(CHANNELS, FILTERS, 3, lambda c: Site(_tree(activation, c)), ConvStyle("zero"))
    fuse(layer)
    layer.eval()
    x = maps()
    fast = layer(x)
    with watch(layer):
        assert can(x, layer.site, layer.conv)
        assert torch.equal(layer(x), fast)
        assert all_finite(layer)
        layer(x.index_fill(0, torch.tensor([2]), 3e38))  # finite, but its sum is not
        assert all_finite(layer) == (activation != ("cube", ("x",)))
        layer(torch.where(x == x.max(), torch.nan, x))
        assert not all_finite(layer)


def _tree(activation: Any, channels: int) -> TreeActivation | None:
    return None if activation is None else TreeActivation(activation, channels)


def test_who_is_real_goes_the_slow_way() -> None:
    layer = binary_layer(CHANNELS, FILTERS, 3, lambda c: Site(), ConvStyle("zero"))
    fuse(layer)
    assert can(maps(), layer.site, layer.conv)
    layer.site.real = True
    assert not can(maps(), layer.site, layer.conv)
    fuse(layer, False)
    layer.site.real = False
    assert not can(maps(), layer.site, layer.conv)


@pytest.mark.parametrize("side", [8, 9])
def test_the_free_skip_in_both_memory_formats(side: int) -> None:
    skip, found = FreeSkip(3, 8), []
    for form in (torch.contiguous_format, torch.channels_last):
        x = maps(1, channels=3, side=side).contiguous(memory_format=form).requires_grad_()
        out = skip(x)
        (out * torch.arange(out.numel()).view(out.shape)).sum().backward()
        found.append((out, x.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] is not None and torch.equal(found[0][1], found[1][1])
