"""The seven operations: shapes at both strides, pools against NumPy, zeros, and no third value inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.nn.layers import BinaryConv2d, ConvStyle, Site
from evobnn.nn.ops import OPS, Zero, preprocess

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


@pytest.mark.parametrize("name", list(CONVS))
def test_convs_are_norm_site_conv_relu(name):
    op = OPS[name](4, 2, site, ConvStyle("minus_one", "mean"))
    assert [part for part, _ in op.named_children()] == ["norm", "site", "conv", "relu"]
    conv = op.conv
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
