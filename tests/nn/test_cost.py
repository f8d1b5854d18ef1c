"""Costs counted by hand, as arithmetic a reader can follow."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from evobnn.errors import NetworkError
from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.blocks import CellBlock, FreeSkip, PublishedSkip
from evobnn.nn.cells.ops import OPS, preprocess
from evobnn.nn.counting.cost import COUNTERS, LayerCost, NetworkCost, profile
from evobnn.nn.networks.network import Head, Network, stem

X = ("x",)


def example(scale="none", real=False, skip=PublishedSkip):
    """Return stem 2 -> 6, one reduction cell of width 4 and two nodes, head 8 -> 3; made for (2, 8, 8)."""

    def site(channels):
        return Site(TreeActivation(("mul", ("scale", X), X), channels), real=real)

    conv = ConvStyle("minus_one", scale, real)
    wiring = [
        (0, 2, OPS["conv3"](4, 2, site, conv)),
        (0, 2, OPS["max3"](4, 2, site, conv)),
        (2, 3, OPS["dil3"](4, 1, site, conv)),
        (1, 3, OPS["zero"](4, 2, site, conv)),
    ]
    cell = CellBlock(
        preprocess(6, 4, site, conv), preprocess(6, 4, site, conv), wiring, 2, skip(6, 8), channels=4, stride=2
    )
    return Network(stem(2, 6), [cell], Head(8, 3))


BINARY_MACS = (8 * 8 * 4) * 6 + (4 * 4 * 4) * (4 * 9) * 2  # 1x1 preprocessing; conv3 and dil3
REAL_MACS = (8 * 8 * 6) * (2 * 9) + (4 * 4 * 8) * (6 * 4) + 3 * 8  # stem, skip, head
BINARY_WEIGHTS = 4 * 6 + 2 * (4 * 4 * 9)
SCALES = 4 + 4 + 4
NORMS = 2 * (2 + 6 + 4 + 4 + 6)  # stem, preprocessing, conv3, dil3, skip
EXPRESSIONS = 6 + 4 + 4
REAL_WEIGHTS = 6 * 2 * 9 + (8 * 6 * 4 + 8) + (3 * 8 + 3)
OTHER = (
    (8 * 8 * 2 + 8 * 8 * 6)  # stem: norm, ReLU
    + (8 * 8 * 6) * (1 + 2 + 1)  # preprocessing: norm, two forms, sign
    + 8 * 8 * 4  # its ReLU
    + (8 * 8 * 4) * (1 + 2 + 1)  # conv3
    + 4 * 4 * 4
    + (4 * 4 * 4) * (1 + 2 + 1)  # dil3
    + 4 * 4 * 4
    + 4 * 4 * 4  # max pool
    + 4 * 4 * 4  # the second edge of node 2
    + 8 * 8 * 6  # norm of the skip
    + 4 * 4 * 8  # adding the skip
    + 8  # mean of the head
)


def test_cost_counted_by_hand():
    cost = profile(example(), (2, 8, 8))
    assert cost.binary_macs == BINARY_MACS
    assert cost.real_macs == REAL_MACS
    assert cost.ops == REAL_MACS + BINARY_MACS / 64
    assert cost.binary_share == BINARY_MACS / (BINARY_MACS + REAL_MACS)
    assert cost.bits == BINARY_WEIGHTS + 32 * (NORMS + EXPRESSIONS + REAL_WEIGHTS)
    assert cost.other == OTHER
    unused = 2 * 6 + 6 + 4 * 6  # preprocessing of input 1: allocated, never run
    assert cost.parameters == BINARY_WEIGHTS + NORMS + EXPRESSIONS + REAL_WEIGHTS + unused


def test_scales_cost_bits_and_nothing_else():
    plain, scaled = profile(example(), (2, 8, 8)), profile(example("mean"), (2, 8, 8))
    assert scaled.bits - plain.bits == 32 * SCALES
    assert (scaled.ops, scaled.parameters) == (plain.ops, plain.parameters)


def test_real_twin_is_counted_as_real():
    cost = profile(example(real=True), (2, 8, 8))
    assert cost.binary_macs == 0
    assert cost.real_macs == REAL_MACS + BINARY_MACS
    assert cost.bits == 32 * (BINARY_WEIGHTS + NORMS + EXPRESSIONS + REAL_WEIGHTS)
    assert cost.binary_share == 0.0


def test_free_skip_is_free_of_macs_and_bits():
    cost = profile(example(skip=FreeSkip), (2, 8, 8))
    assert cost.real_macs == REAL_MACS - (4 * 4 * 8) * (6 * 4)
    skips = [layer for layer in cost.layers if layer.kind == "skip"]
    assert skips == [LayerCost("cells.0.skip", "skip", (8, 4, 4), other=8 * 4 * 4)]


@pytest.mark.parametrize("real", [False, True])
def test_published_skips_are_told_apart(real):
    cost = profile(example(real=real), (2, 8, 8))
    macs = (4 * 4 * 8) * (6 * 4)
    assert cost.skip_macs == macs
    assert cost.ops_without_skips == cost.ops - macs
    assert [layer.name for layer in cost.layers if layer.kind == "skip_conv"] == ["cells.0.skip.conv"]
    free = profile(example(real=real, skip=FreeSkip), (2, 8, 8))
    assert free.skip_macs == 0
    assert free.ops_without_skips == free.ops == cost.ops_without_skips


def counted(name, stride, channels=8, scale="mean", size=8):
    """Return the cost of one operation with an expression of one form and one vector at each site."""

    def site(channels):
        return Site(TreeActivation(("scale", X), channels))

    return profile(OPS[name](channels, stride, site, ConvStyle("minus_one", scale)), (channels, size, size))


@pytest.mark.parametrize(("stride", "pixels"), [(1, 64), (2, 16)])
def test_a_grouped_operation_by_hand(stride, pixels):
    cost = counted("gconv5", stride, channels=8)  # 8 groups of one channel
    assert cost.binary_macs == pixels * 8 * 25
    assert cost.real_macs == 0
    assert cost.bits == 8 * 25 + 32 * (2 * 8 + 8 + 8 + 8)  # norm, expression, scale per filter, slope per channel
    assert cost.parameters == 8 * 25 + 2 * 8 + 8 + 8
    residual = pixels * 8 if stride == 1 else 0
    assert cost.other == 64 * 8 * (1 + 1 + 1) + pixels * 8 + residual  # norm, form, sign; PReLU; input added
    assert {layer.kind for layer in cost.layers} == {
        "norm",
        "activation",
        "sign",
        "binary_conv",
        "relu",
        "shuffle",
        "sum",
    }


def test_the_number_of_groups_divides_the_work_and_is_reported():
    cost = counted("gconv3", 1, channels=36)  # 12 groups of three
    conv = next(layer for layer in cost.layers if layer.kind == "binary_conv")
    assert conv.groups == 12
    assert cost.binary_macs == 64 * 36 * 3 * 9
    assert {layer.groups for layer in cost.layers if layer is not conv} == {1}


@pytest.mark.parametrize(("stride", "pixels"), [(1, 64), (2, 16)])
def test_a_separable_operation_by_hand(stride, pixels):
    cost = counted("sep3", stride, channels=8)
    assert cost.binary_macs == pixels * (8 * 9 + 8 * 8)
    assert cost.bits == 8 * 9 + 8 * 8 + 32 * 2 * (8 + 8 + 2 * 8)
    assert cost.other == 64 * 8 * 2 + pixels * 8 * (1 + 2 + 1)  # form, sign; norm, form, sign; norm
    assert [layer.groups for layer in cost.layers if layer.kind == "binary_conv"] == [8, 1]


@pytest.mark.parametrize("name", ["skip", "identity"])
@pytest.mark.parametrize("channels", [8, 5])
def test_a_factorised_reduction_by_hand(name, channels):
    cost = counted(name, 2, channels, size=7)
    assert cost.binary_macs == 16 * channels**2
    ends = channels if name == "skip" else 0  # slopes
    assert cost.bits == channels**2 + 32 * (2 * channels + channels + channels + ends)
    pixels = {"skip": 49 * 3 + 16, "identity": 49 * 2 + 16}[name]  # norm, form, sign; PReLU | form, sign; norm
    assert cost.other == pixels * channels
    plain = counted(name, 1, channels)
    assert (plain.ops, plain.other, plain.bits, plain.parameters) == (0.0, 0, 0, 0)


def test_average_pooling_is_counted_by_its_output():
    assert profile(nn.AvgPool2d(2), (3, 8, 8)).other == 3 * 4 * 4


def test_layers_have_names_shapes_and_kinds():
    cost = profile(example(), (2, 8, 8))
    layers = {layer.name: layer for layer in cost.layers}
    assert len(layers) == len(cost.layers)
    assert layers["stem.conv"] == LayerCost(
        "stem.conv", "real_conv", (6, 8, 8), real_macs=384 * 18, real_numbers=108, parameters=108
    )
    assert layers["cells.0.ops.0.conv"] == LayerCost(
        "cells.0.ops.0.conv",
        "binary_conv",
        (4, 4, 4),
        binary_macs=64 * 36,
        other=64,  # its ReLU
        binary_weights=144,
        parameters=144,
    )
    assert layers["cells.0.ops.0.site.activation"].kind == "activation"
    assert layers["head.linear"].output_shape == (3,)
    assert {name for name, layer in layers.items() if layer.kind == "unused"} == {
        "cells.0.pre1.norm",
        "cells.0.pre1.site.activation",
        "cells.0.pre1.conv",
    }


def test_groups_divide_the_macs():
    cost = profile(BinaryConv2d(4, 6, 3, groups=2), (4, 5, 5))
    assert cost.binary_macs == 6 * 5 * 5 * 2 * 9
    assert cost.bits == 6 * 2 * 9


@pytest.mark.parametrize("real", [False, True])
def test_a_relu_inside_the_convolution_is_counted_beside_it(real):
    plain, rectified = (
        profile(BinaryConv2d(4, 6, 3, real=real, rectify=rectify), (4, 5, 5)) for rectify in (False, True)
    )
    assert (plain.other, rectified.other) == (0, 6 * 5 * 5)
    assert (plain.ops, plain.bits) == (rectified.ops, rectified.bits)


def test_precision_costs_the_same():
    assert profile(BinaryConv2d(4, 6, 3, precision="bf16"), (4, 5, 5)) == profile(BinaryConv2d(4, 6, 3), (4, 5, 5))


def test_parameters_are_those_of_the_network():
    net = example()
    assert profile(net, (2, 8, 8)).parameters == sum(p.numel() for p in net.parameters())


def test_meta_network_costs_the_same():
    with torch.device("meta"):
        meta = example("mean")
    assert profile(meta, (2, 8, 8)) == profile(example("mean"), (2, 8, 8))


def test_the_network_is_left_as_it_was():
    net, calls = example(), []
    net.cells[0].register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(net.state_dict())
    for module in net.modules():
        if isinstance(module, Site):
            module.watching = True
    profile(net, (2, 8, 8))
    assert net.training
    assert not calls
    assert {p.device.type for p in net.parameters()} == {"cpu"}
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert len(before) > 0
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert sum(len(m._forward_hooks) for m in net.modules()) == 1
    assert all(m.watching for m in net.modules() if isinstance(m, Site))


def test_a_module_that_runs_twice_is_stored_once():
    conv = BinaryConv2d(4, 4, 3)
    cost = profile(nn.Sequential(conv, nn.ReLU(), conv), (4, 5, 5))
    assert cost.binary_macs == 2 * (4 * 5 * 5) * 36
    assert cost.bits == cost.parameters == 144


def test_unknown_modules_are_not_counted_as_nothing():
    net = nn.Sequential(BinaryConv2d(4, 4, 3), nn.Softsign())
    with pytest.raises(NetworkError, match="Softsign at '1'"):
        profile(net, (4, 5, 5))
    counters = {**COUNTERS, nn.Softsign: lambda module, out: ("activation", {"other": out})}
    assert profile(net, (4, 5, 5), counters).other == 4 * 5 * 5


def test_shape_without_the_batch():
    with pytest.raises(NetworkError, match="batch"):
        profile(example(), (1, 2, 8, 8))


def test_an_empty_network_costs_nothing():
    cost = profile(nn.Sequential(nn.Identity()), (1, 2, 2))
    assert (cost.ops, cost.bits, cost.binary_share, cost.parameters) == (0.0, 0, 0.0, 0)
    assert NetworkCost(()).other == 0
