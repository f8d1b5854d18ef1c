"""CP-NAS's operations: their order, that the second sign still learns, and that groups are really depthwise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.ops import OPS


def site(channels):
    return Site()


@pytest.mark.parametrize(("name", "kernel"), [("cdil3", 3), ("cdil5", 5)])
def test_dilated_convolutions_end_in_a_norm(name, kernel):
    op = OPS[name](4, 2, site, ConvStyle("minus_one", "mean"))
    assert [part for part, _ in op.named_children()] == ["site", "conv", "norm"]
    assert (op.conv.kernel, op.conv.dilation, op.conv.stride, op.conv.groups) == (kernel, 2, 2, 1)
    assert not op.conv.rectify
    out = op(torch.randn(8, 4, 9, 9))
    assert out.shape == (8, 4, 5, 5)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var((0, 2, 3), correction=0), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("name", "kernel"), [("sep3", 3), ("sep5", 5)])
def test_a_separable_one_is_a_depthwise_and_a_1x1_with_a_site_and_a_norm_each(name, kernel):
    op = OPS[name](6, 2, site, ConvStyle())
    assert [part for part, _ in op.named_children()] == ["depthwise", "pointwise"]
    for half in op:
        assert [part for part, _ in half.named_children()] == ["site", "conv", "norm"]
    depthwise, pointwise = op.depthwise.conv, op.pointwise.conv
    assert (depthwise.kernel, depthwise.groups, depthwise.stride, depthwise.dilation) == (kernel, 6, 2, 1)
    assert (pointwise.kernel, pointwise.groups, pointwise.stride) == (1, 1, 1)
    assert sum(p.numel() for p in op.parameters()) == 6 * kernel**2 + 6 * 6 + 2 * (2 * 6)


def test_the_depthwise_half_does_not_mix_channels():
    conv = OPS["sep3"](3, 1, site, ConvStyle()).depthwise.conv
    x = torch.ones(1, 3, 5, 5)
    x[0, 1] = -1.0
    changed = x.clone()
    changed[0, 1, 2, 2] = 1.0
    difference = (conv(changed) - conv(x)).abs().amax((0, 2, 3))
    assert difference.tolist() == [0, 2, 0]


@pytest.mark.parametrize("name", ["sep3", "sep5"])
def test_the_norm_between_lets_the_gradient_through_the_second_sign(name):
    """Without it whole numbers of 1 and more reach a sign whose gradient ends at 1."""
    torch.manual_seed(0)
    op = OPS[name](4, 1, site, ConvStyle("minus_one"))
    x = torch.randn(8, 4, 8, 8)
    op(x).mul(torch.randn(8, 4, 8, 8)).sum().backward()
    assert op.depthwise.conv.weight.grad.abs().min() > 0
    bare = nn.Sequential(op.depthwise.site, op.depthwise.conv, op.pointwise)
    bare.zero_grad()
    bare(x).mul(torch.randn(8, 4, 8, 8)).sum().backward()
    assert not op.depthwise.conv.weight.grad.any()


def test_identity_is_nothing_or_a_reduction():
    assert isinstance(OPS["identity"](5, 1, site, ConvStyle()), nn.Identity)
    halved = OPS["identity"](5, 2, site, ConvStyle())
    assert [name for name, _ in halved.named_children()] == ["site", "conv", "norm"]
    assert halved(torch.randn(2, 5, 7, 7)).shape == (2, 5, 4, 4)
    assert sum(p.numel() for p in halved.parameters()) == 5 * 5 + 2 * 5
    assert all(isinstance(conv, BinaryConv2d) for conv in halved.conv.children())
