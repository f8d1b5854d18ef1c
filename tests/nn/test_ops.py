"""The seven operations: shapes at both strides, pools against NumPy, zeros, and no third value inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.nn.layers import BinaryConv2d, ConvStyle, Site
from evobnn.nn.ops import OPS, MeanPool, Zero, preprocess

POOLS = {"max3": np.max, "avg3": np.mean}
CONVS = {"conv3": (3, 1), "conv5": (5, 1), "dil3": (3, 2), "dil5": (5, 2)}


def site(channels):
    return Site()


def test_names_are_those_of_bnas():
    assert list(OPS) == ["zero", *POOLS, *CONVS]


@pytest.mark.parametrize("name", list(OPS))
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
@pytest.mark.parametrize("conv", [ConvStyle(), ConvStyle("minus_one", "mean"), ConvStyle(real=True)])
def test_shapes_forward_and_backward(name, stride, size, conv):
    op = OPS[name](6, stride, site, conv)
    x = torch.randn(2, 6, *size, requires_grad=True)
    y = op(x)
    assert y.shape == (2, 6, -(-size[0] // stride), -(-size[1] // stride))
    if name == "zero":
        assert not y.any()
        assert not y.requires_grad
        return
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in op.parameters())


@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_leave_padding_out(name, stride):
    x = -1.0 - np.random.default_rng(0).random((5, 6))  # below the 0 of a padding
    got = OPS[name](1, stride, site, ConvStyle())(torch.from_numpy(x)[None, None])[0, 0].numpy()
    checked = 0
    for i, j in np.ndindex(got.shape):
        top, left = i * stride - 1, j * stride - 1
        window = x[max(top, 0) : top + 3, max(left, 0) : left + 3]
        assert got[i, j] == pytest.approx(POOLS[name](window))
        checked += 1
    assert checked == -(-5 // stride) * -(-6 // stride)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2), (3, 2), (5, 6), (8, 8)])
@pytest.mark.parametrize("last", [False, True])
def test_mean_pool_is_pytorchs_without_padding_in_values_and_gradients(stride, size, last):
    ours, theirs = MeanPool(stride), nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    seen = x.contiguous(memory_format=torch.channels_last) if last else x
    before = seen.detach().clone()
    y, expected = ours(seen), theirs(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-14)
    weights = torch.randn(y.shape, dtype=torch.float64)
    found, wanted = (torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0] for out in (y, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    assert torch.equal(seen, before)  # nothing is written into the input


def test_mean_pool_gradient_is_its_finite_difference():
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MeanPool(), (x,))


def test_mean_pool_keeps_channels_last_and_prints_its_stride():
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    assert MeanPool()(x).is_contiguous(memory_format=torch.channels_last)
    assert repr(MeanPool(2)) == "MeanPool(stride=2)"


@pytest.mark.parametrize("name", list(CONVS))
def test_convs_are_norm_site_and_a_conv_with_relu(name):
    op = OPS[name](4, 2, site, ConvStyle("minus_one", "mean"))
    assert [part for part, _ in op.named_children()] == ["norm", "site", "conv"]
    conv = op.conv
    assert conv.rectify
    assert (conv.kernel, conv.dilation, conv.stride) == (*CONVS[name], 2)
    assert (conv.padding, conv.scale, conv.real) == ("minus_one", "mean", False)
    seen = []
    conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
    assert op(torch.randn(2, 4, 6, 6)).min() == 0  # ReLU
    assert seen == [[-1.0, 1.0]]


def test_each_conv_gets_a_site_of_its_own():
    made = []

    def counting(channels):
        made.append(channels)
        return Site(nn.Identity())

    OPS["conv3"](5, 1, counting, ConvStyle())
    preprocess(7, 5, counting, ConvStyle())
    OPS["max3"](5, 1, counting, ConvStyle())
    assert made == [5, 7]


def test_preprocessing_after_a_reduction():
    pre = preprocess(6, 4, site, ConvStyle(), kernel=3, stride=2, affine=False)
    assert pre(torch.randn(2, 6, 8, 8)).shape == (2, 4, 4, 4)
    assert not pre.norm.affine
    plain = preprocess(6, 4, site, ConvStyle())
    assert plain(torch.randn(2, 6, 8, 8)).shape == (2, 4, 8, 8)
    assert isinstance(plain.conv, BinaryConv2d)
    assert plain.norm.affine


def test_zero_prints_its_stride():
    assert repr(Zero(2)) == "Zero(stride=2)"
