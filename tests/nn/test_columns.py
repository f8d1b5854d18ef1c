"""Convolutions as products, against those of PyTorch in double precision."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evobnn.nn import ConvStyle, Site, fuse
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.fast import columns
from evobnn.nn.fast import layer as fused

LAST = torch.channels_last


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).contiguous(memory_format=LAST)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 1), (5, 1, 2)])
def test_forward_and_backward(kernel: int, stride: int, dilation: int) -> None:
    pad = dilation * (kernel - 1) // 2
    inner, weight = drawn(3, 4, 6, 5).requires_grad_(), drawn(7, 4, kernel, kernel, seed=1).requires_grad_()
    framed = F.pad(inner, (pad,) * 4, value=-1.0)
    wanted = F.conv2d(framed, weight, None, stride, 0, dilation)
    last = framed.detach().contiguous(memory_format=LAST), weight.detach().contiguous(memory_format=LAST)
    found = columns.convolution(*last, stride, dilation)
    torch.testing.assert_close(found, wanted)
    assert found.is_contiguous(memory_format=LAST)
    grad = drawn(*wanted.shape, seed=2)
    wanted.backward(grad)
    torch.testing.assert_close(columns.weight_gradient(grad, last[0], kernel, stride, dilation), weight.grad)
    if stride == 1:
        torch.testing.assert_close(columns.inner_gradient(grad, last[1], dilation), inner.grad)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_layer_of_the_fast_path_goes_this_way_and_means_the_same(
    stride: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    style = ConvStyle("minus_one", scale="mean", precision=precision)
    layer = binary_layer(12, 20, 3, lambda c: Site(None, clip=1.3), style, stride=stride)
    fuse(layer)
    monkeypatch.setattr(fused, "_COUNTED", (0, 0))
    x, found = drawn(9, 12, 4, 4).float().contiguous(memory_format=LAST), []
    for products in (1 << 30, 1):
        monkeypatch.setattr(columns, "PRODUCTS", products)
        own, seen = copy.deepcopy(layer), x.clone().requires_grad_()
        out = own(seen)
        out.backward(drawn(*out.shape, seed=5).float())
        found.append([out.detach(), seen.grad, *(p.grad for p in own.parameters())])
    tolerance = {"fp32": 1e-5, "bf16": 3e-2}[precision]
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance * float(one.abs().max()))


def test_only_few_pixels_and_many_channels_are_worth_it() -> None:
    assert columns.worth(16, torch.empty(512, 256, 3, 3))
    assert not columns.worth(17, torch.empty(512, 512, 3, 3))
    assert not columns.worth(16, torch.empty(256, 256, 3, 3))
