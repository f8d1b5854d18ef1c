"""Whole networks: stem, liveness of cells, a training step that learns, construction on the meta device."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.nn.activations import TreeActivation
from evobnn.nn.blocks import SKIPS, CellBlock
from evobnn.nn.layers import BinaryConv2d, ConvStyle, RealConv2d, Site, all_finite, clip_latent_, watch
from evobnn.nn.network import Head, Network, stem
from evobnn.nn.ops import OPS, preprocess

STYLE = ConvStyle("minus_one")


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors on a busy machine: two threads wait for each other, one does not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(conv=STYLE, tree=("mix", ("sin", ("x",)), ("scale", ("x",))), skip="free"):
    """Return stem -> normal cell -> reduction cell -> head for (N, 1, 8, 8), width 4, two nodes, all seven ops."""

    def site(channels):
        return Site(TreeActivation(tree, channels), clip=1.3, real=conv.real)

    def op(name, channels, stride=1):
        return OPS[name](channels, stride, site, conv)

    first = [(0, 2, op("conv3", 4)), (1, 2, op("avg3", 4)), (0, 3, op("dil3", 4)), (2, 3, op("conv5", 4))]
    second = [(0, 2, op("max3", 8, 2)), (1, 2, op("dil5", 8, 2)), (0, 3, op("zero", 8, 2)), (2, 3, op("conv3", 8))]
    cells = [
        CellBlock(preprocess(12, 4, site, conv), preprocess(12, 4, site, conv), first, 2, None, channels=4),
        CellBlock(
            preprocess(12, 8, site, conv),
            preprocess(8, 8, site, conv),
            second,
            2,
            SKIPS[skip](8, 16),
            channels=8,
            stride=2,
        ),
    ]
    return Network(stem(1, 12), cells, Head(16, 10))


def test_stem_and_head():
    start = stem(3, 12)
    assert start(torch.randn(2, 3, 8, 8)).shape == (2, 12, 8, 8)
    assert start.conv.bias is None
    assert isinstance(start.conv, RealConv2d)
    assert stem(3, 12, bias=True).conv.bias is not None
    head = Head(4, 10)
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(head(x), F.linear(x.mean((2, 3)), head.linear.weight, head.linear.bias))


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("skip", list(SKIPS))
def test_a_network_learns_two_patterns(real, skip):
    torch.manual_seed(0)
    net = small(ConvStyle("minus_one", "mean", real=real), skip=skip)
    y = torch.arange(64) % 2
    x = torch.randn(64, 1, 8, 8) + 2.0 * (2 * y - 1).view(-1, 1, 1, 1) * torch.linspace(-1, 1, 8)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            clip_latent_(net, 1.0)
        losses.append(loss.item())
    assert len(losses) == 25
    assert losses[-1] < 0.2 * losses[0]
    assert all(p.grad is not None for p in net.parameters())
    with watch(net), torch.no_grad():
        assert torch.isfinite(net.eval()(x)).all()
    assert all_finite(net)


def test_every_binary_conv_sees_two_values():
    net, seen = small(), []
    for module in net.modules():
        if isinstance(module, BinaryConv2d):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
    net(torch.randn(4, 1, 8, 8))
    assert len(seen) == 9
    assert all(values == [-1.0, 1.0] for values in seen)


def test_real_layers_are_those_with_a_name_for_it():
    real = {type(m) for m in small(skip="published").modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert real == {RealConv2d, nn.Linear}


def test_twin_has_the_same_parameters():
    binary, real = small().state_dict(), small(ConvStyle("minus_one", real=True)).state_dict()
    assert {k: v.shape for k, v in binary.items()} == {k: v.shape for k, v in real.items()}


def test_meta_construction_has_the_same_parameters():
    with torch.device("meta"):
        meta = small()
    assert {p.device.type for p in meta.parameters()} == {"meta"}
    real = small()
    assert [(n, p.shape) for n, p in meta.named_parameters()] == [(n, p.shape) for n, p in real.named_parameters()]


def test_same_seed_same_weights():
    nets = []
    for _ in range(2):
        torch.manual_seed(7)
        nets.append(small())
    first, second = (net.state_dict() for net in nets)
    assert first
    assert all(torch.equal(first[key], second[key]) for key in first)


class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("a dead cell was run")


def test_cells_that_no_later_cell_reads_are_not_run():
    def cell(source, op):
        pre = [nn.Identity(), nn.Identity()]
        return CellBlock(*pre, [(source, 2, op)], 1, None, channels=3)

    net = Network(nn.Identity(), [cell(1, nn.ReLU()), cell(0, Fails()), cell(0, nn.ReLU())], Head(3, 2))
    assert net.live == (True, False, True)
    assert net(torch.randn(2, 3, 4, 4)).shape == (2, 2)
    assert Network(nn.Identity(), [cell(1, nn.ReLU()), cell(1, nn.ReLU())], Head(3, 2)).live == (True, True)
