"""Rows and totals of a network, against arithmetic a reader can follow."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import nn

from evobnn.decode import Surround, decode
from evobnn.errors import NetworkError
from evobnn.nn import BinaryConv2d, CellBlock, ConvStyle, Head, Network, Site, TreeActivation, profile, stem, summary
from evobnn.nn.cells.blocks import PublishedSkip
from evobnn.nn.cells.ops import OPS, preprocess
from evobnn.nn.counting.summary import Row, Window
from evobnn.spaces import PUBLISHED, bnas
from evobnn.spaces.bnas import CIFAR

SUMS = ("binary_weights", "real_numbers", "binary_macs", "real_macs", "parameters", "bits")
SHAPE = (4, 5, 5)


def site(channels):
    return Site(TreeActivation(("scale", ("x",)), channels))


def layered(**how):
    """Return batch norm, site, binary convolution, pool, head: made for (4, 5, 5)."""
    return nn.Sequential(
        OrderedDict(
            block=nn.Sequential(
                OrderedDict(
                    norm=nn.BatchNorm2d(4),
                    site=site(4),
                    conv=BinaryConv2d(4, 6, 3, stride=2, dilation=2, groups=2, scale="mean", **how),
                    pool=nn.MaxPool2d(3),
                )
            ),
            head=Head(6, 7),
        )
    )


PLAIN = ConvStyle("minus_one")


def stacked(conv=PLAIN):
    """Return stem 2 -> 6, one reduction cell of width 4 that reads input 0 alone, head 4 -> 3: made for (2, 8, 8).

    The preprocessing of input 1 is there and never runs.
    """
    wiring = [(0, 2, OPS["conv3"](4, 2, site, conv))]
    pre = (preprocess(6, 4, site, conv) for _ in range(2))
    cell = CellBlock(*pre, wiring, 1, PublishedSkip(6, 4), channels=4, stride=2)
    return Network(stem(2, 6), [cell], Head(4, 3))


def test_every_row_by_hand():
    weights, pixels = 6 * (4 // 2) * 3 * 3, 3 * 3  # of a map of 5x5, halved
    found = summary(layered(), SHAPE)
    assert found.rows == (
        Row("block.norm", "norm", 1, None, (), (4, 5, 5), 0, 2 * 4, 0, 0, 2 * 4),
        Row("block.site.activation", "activation", 1, None, (), (4, 5, 5), 0, 4, 0, 0, 4),
        Row(
            "block.conv", "binary_conv", 1, Window((3, 3), (2, 2), (2, 2), 2), (1,), (6, 3, 3),
            weights, 6, pixels * weights, 0, weights,
        ),  # the 6 are scales, kept and not trained
        Row("head.linear", "linear", 1, None, (32,), (7,), 0, 6 * 7 + 7, 0, 6 * 7, 6 * 7 + 7),
    )  # fmt: skip
    assert [row.bits for row in found.rows] == [32 * 8, 32 * 4, 108 + 32 * 6, 32 * 49]


def test_totals_by_hand():
    found = summary(layered(), SHAPE)
    assert (found.binary_weights, found.real_numbers) == (108, 8 + 4 + 6 + 49)
    assert found.numbers == 108 + 67
    assert found.bits == 108 + 32 * 67
    assert found.float_bits == 32 * (108 + 67)
    assert found.compression == (108 + 32 * 67) / (32 * 175)
    assert found.macs == 9 * 108 + 42
    assert found.cost.parameters == 108 + 8 + 4 + 49
    assert found.unused == 0
    norm, form, sign, pool, mean = 100, 100, 100, 6, 6
    assert found.cost.other == norm + form + sign + pool + mean


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 4, 5, 99])
@pytest.mark.parametrize("style", [PLAIN, ConvStyle("zero", "mean"), ConvStyle(real=True)])
def test_sums_over_rows_are_those_of_the_cost_at_every_depth(depth, style):
    network = stacked(style)
    cost = profile(network, (2, 8, 8))
    found = summary(network, (2, 8, 8), depth=depth)
    assert found.cost == cost
    assert found.rows
    sums = {name: sum(getattr(row, name) for row in found.rows) for name in SUMS}
    assert sums["bits"] == cost.bits == found.bits
    assert (sums["binary_macs"], sums["real_macs"]) == (cost.binary_macs, cost.real_macs)
    assert (sums["binary_weights"], sums["real_numbers"]) == (found.binary_weights, found.real_numbers)
    assert sums["parameters"] == cost.parameters == sum(p.numel() for p in network.parameters())
    assert found.macs == cost.binary_macs + cost.real_macs
    assert len({row.name for row in found.rows}) == len(found.rows)


def test_layers_fold_by_their_paths():
    network = stacked()
    rows = {row.name: row for row in summary(network, (2, 8, 8), depth=2).rows}
    assert list(rows) == ["stem.norm", "stem.conv", "cells.0", "head.linear"]
    cell, real = rows["cells.0"], rows["stem.conv"]
    assert (cell.kind, cell.window, cell.input_bits, cell.output_shape) == ("several", None, (1, 32), (4, 4, 4))
    assert cell.layers == 3 + 3 + 3 + 2  # norm, scale, convolution: of both inputs and the operation; the skip's two
    assert cell.binary_macs == 8 * 8 * 4 * 6 + 4 * 4 * 4 * (4 * 9)
    assert cell.real_macs == 4 * 4 * 4 * (6 * 4)
    assert (real.kind, real.layers, real.window) == ("real_conv", 1, Window((3, 3)))
    (whole, *_) = summary(network, (2, 8, 8), depth=1).rows
    assert (whole.name, whole.layers, whole.output_shape) == ("stem", 2, (6, 8, 8))
    head = summary(network, (2, 8, 8), depth=1).rows[-1]
    assert (head.name, head.kind, head.layers) == ("head", "linear", 1)  # its mean keeps nothing
    assert summary(network, (2, 8, 8), depth=9).rows == summary(network, (2, 8, 8)).rows


def test_what_never_runs_is_told_apart():
    found = summary(stacked(), (2, 8, 8))
    unused = [row for row in found.rows if row.kind == "unused"]
    assert [row.name for row in unused] == ["cells.0.pre1.norm", "cells.0.pre1.site.activation", "cells.0.pre1.conv"]
    assert {(row.bits, row.input_bits, row.output_shape) for row in unused} == {(0, (), ())}
    assert found.unused == sum(row.parameters for row in unused) == 2 * 6 + 6 + 4 * 6


def test_a_layer_that_runs_twice_is_one_row():
    conv = BinaryConv2d(4, 4, 3)
    once, twice = summary(conv, SHAPE), summary(nn.Sequential(OrderedDict(a=conv, b=conv)), SHAPE)
    assert [row.name for row in twice.rows] == ["a"]
    (single,) = once.rows
    (row,) = twice.rows
    assert (row.layers, row.window) == (1, Window((3, 3)))
    assert row.binary_macs == 2 * single.binary_macs == 2 * 25 * 4 * 36
    assert row.bits == single.bits == 144
    assert row.parameters == 144


def test_real_convolutions_have_windows_too():
    conv = nn.Conv2d(4, 4, (3, 1), stride=(2, 1), dilation=(1, 2), groups=4)
    (row,) = summary(conv, SHAPE).rows
    assert row.window == Window((3, 1), (2, 1), (1, 2), 4)
    assert row.input_bits == (32,)


def test_a_real_network_is_not_compressed():
    found = summary(layered(real=True), SHAPE)
    assert found.compression == 1.0
    assert {row.input_bits for row in found.rows} == {(), (32,)}
    assert found.binary_macs == found.binary_weights == 0


def test_binary_weights_alone_are_a_32nd():
    assert summary(BinaryConv2d(4, 6, 3), SHAPE).compression == 1 / 32


def test_a_network_that_keeps_nothing_has_no_rows():
    found = summary(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), SHAPE)
    assert found.rows == ()
    assert (found.numbers, found.bits, found.macs, found.compression) == (0, 0, 0, 1.0)
    assert found.cost.other == 100 + 4 * 2 * 2


def test_own_counters():
    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x * self.gain

    with pytest.raises(NetworkError, match="Gain at ''"):
        summary(Gain(), SHAPE)
    (row,) = summary(Gain(), SHAPE, counters={Gain: lambda m, out: ("gain", {"other": out, "real_numbers": 1})}).rows
    assert row == Row("", "gain", 1, None, (), SHAPE, 0, 1, 0, 0, 1)


@pytest.mark.parametrize("depth", [0, -1, True, 1.5])
def test_a_depth_that_is_none(depth):
    with pytest.raises(NetworkError, match="depth to be a whole number of at least 1"):
        summary(layered(), SHAPE, depth=depth)


def test_a_shape_with_a_batch():
    with pytest.raises(NetworkError, match="Leave the batch out"):
        summary(layered(), (1, *SHAPE))


def test_the_network_stays_as_it_is_and_may_be_on_meta():
    network = layered()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = summary(network, SHAPE)
    assert network.training
    assert len(before) > 3
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    with torch.device("meta"):
        assert summary(layered(), SHAPE) == found
    with pytest.raises(FrozenInstanceError):
        found.rows = ()


def test_bnas_a_has_a_row_for_every_cell_and_its_published_counts():
    with torch.device("meta"):
        network = decode(bnas(CIFAR, 32), PUBLISHED["bnas-cifar10"], Surround(CIFAR, (3, 32, 32), 10), published=True)
    found = summary(network, (3, 32, 32), depth=2)
    assert [row.name for row in found.rows] == [
        "stem.norm", "stem.conv", *(f"cells.{n}" for n in range(20)), "head.linear"
    ]  # fmt: skip
    assert found.cost.parameters == 5_578_252
    assert round(found.binary_macs / 1e6) == 697
    reductions = [row.name for row in found.rows if row.input_bits == (1, 32)]
    assert reductions == ["cells.6", "cells.13"]  # the real-valued convolutions of the published skip
    three = replace(CIFAR, cells=3, width=12)
    with torch.device("meta"):
        small = decode(bnas(three, 32), PUBLISHED["bnas-cifar10"], Surround(three, (3, 32, 32), 10))
    assert [row.output_shape for row in summary(small, (3, 32, 32), depth=2).rows[2:5]] == [
        (4 * 12, 32, 32), (4 * 24, 16, 16), (4 * 48, 8, 8)
    ]  # fmt: skip
