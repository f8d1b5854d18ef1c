"""Layers by counting bits: several panels, several words, odd sizes, against modules in double precision."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn import ConvStyle, Site, fuse
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.fast import layer as fused
from evobnn.nn.fast.counted import How, counted
from evobnn.nn.fast.lanes.geometry import plan

CLIP = np.array([1.3, 1.0, 0.0], np.float32)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stepped(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return output, gradients of input and parameters, and buffers after a step forward and backward."""
    x = x.clone().requires_grad_()
    out = layer(x)
    out.backward(drawn(*out.shape, seed=3).to(out.dtype))
    assert x.grad is not None
    found = [out.detach(), x.grad, *(p.grad for p in layer.parameters() if p.grad is not None), *layer.buffers()]
    return [one.double() for one in found]


def agree(layer: nn.Module, x: Tensor) -> bool:
    """Compare a step with that of the modules in double precision; return whether there was something to compare."""
    fast = copy.deepcopy(layer)
    fuse(fast)
    slow = stepped(layer.double(), x.double())
    quick = stepped(fast, x.contiguous(memory_format=torch.channels_last))
    for one, other in zip(slow, quick, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-4, atol=3e-4)
    return len(slow) > 4


@pytest.mark.parametrize(("images", "channels", "filters"), [(33, 20, 5), (70, 3, 33), (16, 17, 2), (1, 1, 1)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 2, 1), (3, 1, 1), (3, 2, 2), (5, 2, 1)])
def test_panels_words_and_remainders(
    images: int, channels: int, filters: int, kernel: int, stride: int, dilation: int
) -> None:
    torch.manual_seed(0)
    how = {"stride": stride, "dilation": dilation}
    layer = binary_layer(channels, filters, kernel, lambda c: Site(None, clip=1.3), ConvStyle("minus_one"), **how)
    assert agree(layer, drawn(images, channels, 7, 6))


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_a_norm_behind(padding: str) -> None:
    torch.manual_seed(0)
    style = ConvStyle(padding, scale="mean")
    assert agree(normed_layer(6, 18, 3, lambda c: Site(None, clip=1.3), style, stride=2), drawn(35, 6, 9, 5))


def test_both_ways_of_the_fast_path_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = binary_layer(6, 8, 3, lambda c: Site(None, clip=1.3), ConvStyle())
    fuse(layer)
    x = drawn(9, 6, 8, 8).contiguous(memory_format=torch.channels_last)
    other = copy.deepcopy(layer)
    small = stepped(layer, x)
    monkeypatch.setattr(fused, "_COUNTED", (0, 0))
    for one, two in zip(small, stepped(other, x), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "filler"), list(product((144, 512), (0.0, -1.0))))
def test_sums_are_whole_numbers_whatever_their_size(channels: int, filler: float) -> None:
    """1,296 and 4,608 terms, nine in ten of them +1."""
    generator = torch.Generator().manual_seed(1)
    x, w = (
        torch.where(torch.rand(shape, generator=generator) < 0.9, 1.0, -1.0)
        for shape in ((3, channels, 6, 6), (5, channels, 3, 3))
    )
    how = How(1, 1, filler, scaled=False, rectify=False, behind=False, learning=False)
    found = counted(x, None, None, w, CLIP, how)
    wanted = F.conv2d(F.pad(x, (1, 1, 1, 1), value=filler).double(), w.double())
    assert wanted.abs().max() > 0.5 * 9 * channels
    assert torch.equal(found.double(), wanted)


def test_nobody_learns_the_same_comes_out() -> None:
    torch.manual_seed(0)
    layer = binary_layer(5, 7, 3, lambda c: Site(None, clip=1.3), ConvStyle())
    fuse(layer)
    x = drawn(100, 5, 8, 8).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        unasked = copy.deepcopy(layer)(x)
    assert torch.equal(unasked, layer(x))


def test_a_plan_has_a_place_of_its_own_for_every_pixel() -> None:
    for height, width, kernel, stride, dilation in product((1, 5, 8), (2, 7), (1, 3, 5), (1, 2, 3), (1, 2)):
        found = plan(height, width, kernel, stride, dilation)
        assert len(np.unique(found.place)) == found.place.size == height * width
        assert len(np.unique(found.goal)) == found.goal.size == -(-height // stride) * -(-width // stride)
        assert found.goal.max() < found.run
        assert found.run - 1 + found.taps.max() < found.places
