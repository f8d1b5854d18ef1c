"""Whole networks: stem, liveness of cells, a training step that learns, construction on the meta device."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.latent import settle_latent_
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle, RealConv2d
from evobnn.nn.binary.site import Site, all_finite, watch
from evobnn.nn.cells.blocks import SKIPS, CellBlock
from evobnn.nn.cells.ops import OPS, preprocess
from evobnn.nn.counting.cost import profile
from evobnn.nn.networks.macros import MACROS
from evobnn.nn.networks.network import Head, Network, stem

STYLE = ConvStyle("minus_one")


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
            settle_latent_(net, 1.0)
        losses.append(loss.item())
    assert len(losses) == 25
    assert losses[-1] < 0.2 * losses[0]
    assert all(p.grad is not None for p in net.parameters())
    with watch(net), torch.no_grad():
        assert torch.isfinite(net.eval()(x)).all()
    assert all_finite(net)


@pytest.mark.parametrize(("macro", "names"), [("bats", ("gconv3", "skip")), ("cpnas", ("sep3", "identity"))])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_networks_of_other_systems_learn_two_patterns(macro, names, precision):
    torch.manual_seed(0)
    conv, made, cells, older = ConvStyle("minus_one", "mean", precision=precision), MACROS[macro], [], 6

    def site(channels):
        return Site(precision=precision)

    for width, stride in ((4, 1), (8, 2)):
        before = [made.preprocess(n, width, site, conv, larger=False, affine=True) for n in (6, older)]
        wiring = [(0, 2, names[0], stride), (1, 2, names[1], stride), (2, 3, names[0], 1), (1, 3, names[0], stride)]
        edges = [(s, t, OPS[name](width, step, site, conv)) for s, t, name, step in wiring]
        cells.append(CellBlock(*before, edges, 2, None, channels=width, stride=stride))
        older = 2 * width
    net = Network(made.stem(1, 6), cells, Head(older, 2)).to(memory_format=torch.channels_last)
    y = torch.arange(64) % 2
    x = torch.randn(64, 1, 9, 9) + 2.0 * (2 * y - 1).view(-1, 1, 1, 1) * torch.linspace(-1, 1, 9)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert len(losses) == 25
    assert losses[-1] < 0.3 * losses[0]


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


def test_for_large_images_the_first_cell_sees_both_starts():
    """s0 is one size larger than s1: its preprocessing halves it."""
    seen = []

    class Pre(nn.Module):
        def __init__(self, stride):
            super().__init__()
            self.stride = stride

        def forward(self, x):
            seen.append(tuple(x.shape[1:]))
            return x[:, :3, :: self.stride, :: self.stride]

    def cell(larger):
        wiring = [(0, 2, nn.ReLU()), (1, 2, nn.ReLU())]
        return CellBlock(Pre(2 if larger else 1), Pre(1), wiring, 1, None, channels=3)

    first, second = nn.Conv2d(3, 5, 1, stride=4), nn.Conv2d(5, 4, 1, stride=2)
    net = Network(first, [cell(True), cell(False), cell(False)], Head(3, 2), second)
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, 2)
    assert seen == [(5, 8, 8), (4, 4, 4), (4, 4, 4), (3, 4, 4), (3, 4, 4), (3, 4, 4)]


@pytest.mark.parametrize(("source", "runs"), [(0, False), (1, True)])
def test_a_second_start_that_no_cell_reads_is_not_run(source, runs):
    def cell(source):
        return CellBlock(nn.Identity(), nn.Identity(), [(source, 2, nn.ReLU())], 1, None, channels=3)

    net = Network(nn.Identity(), [cell(source), cell(1)], Head(3, 2), Fails())
    if runs:
        with pytest.raises(RuntimeError, match="dead"):
            net(torch.randn(2, 3, 4, 4))
    else:
        assert net(torch.randn(2, 3, 4, 4)).shape == (2, 2)


@pytest.mark.parametrize("macro", list(MACROS))
@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("dead", [0, 1, 2, 3])
def test_without_skips_dead_cells_leave_no_trace(macro, size, large, dead):
    """normal, reduction, normal, reduction, normal: one cell that nobody reads, of any kind, node 2 often empty."""
    made, kinds, width, size = MACROS[macro], (1, 2, 1, 2, 1), 4, 4 * size if large else size
    first, second = made.large_stem(1, 6) if large else (made.stem(1, 6), None)
    older = previous = 6
    larger, cells = large, []
    for k, stride in enumerate(kinds):
        width *= stride
        before = [
            made.preprocess(older, width, lambda _: Site(), STYLE, larger=larger, affine=True),
            made.preprocess(previous, width, lambda _: Site(), STYLE, larger=False, affine=True),
        ]
        sources = [1] if k == dead + 2 else [0] if k == dead + 1 else [0, 1]
        if k == len(kinds) - 1 and dead == k - 1:
            sources = [0]
        wiring = [(s, 3, OPS["sep3"](width, stride, lambda _: Site(), STYLE)) for s in sources]
        cells.append(CellBlock(*before, wiring, 2, None, channels=width, stride=stride))
        older, previous, larger = previous, 2 * width, stride == 2
    net = Network(first, cells, Head(previous, 3), second)
    assert net.live == tuple(k != dead for k in range(5))
    assert net(torch.randn(2, 1, size, size)).shape == (2, 3)
    layers = [layer for layer in profile(net, (1, size, size)).layers if layer.name.startswith(f"cells.{dead}.")]
    assert layers
    assert {layer.kind for layer in layers} == {"unused"}


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
