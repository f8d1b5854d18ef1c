"""What surrounds the cells: stems and preprocessing of the three macros, their shapes, counts, and signs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle, RealConv2d
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.grouped import ResidualLayer
from evobnn.nn.counting.cost import profile
from evobnn.nn.networks.macros import MACROS


def site(channels):
    return Site()


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def after(module, shape):
    """Return the shape behind a module, without the batch."""
    return tuple(module(torch.randn(2, *shape)).shape[1:])


def half(side):
    return -(-side // 2)


def test_names():
    assert list(MACROS) == ["bnas", "bats", "cpnas"]


@pytest.mark.parametrize(
    ("name", "parts", "count"),
    [
        ("bnas", ["norm", "conv", "relu"], 2 * 3 + 3 * 12 * 9),
        ("bats", ["conv", "norm", "relu"], 3 * 12 * 9 + 2 * 12),
        ("cpnas", ["conv", "norm"], 3 * 12 * 9 + 2 * 12),
    ],
)
def test_stems_for_small_images(name, parts, count):
    stem = MACROS[name].stem(3, 12)
    assert [part for part, _ in stem.named_children()] == parts
    assert parameters(stem) == count
    assert after(stem, (3, 7, 8)) == (12, 7, 8)


@pytest.mark.parametrize("name", list(MACROS))
@pytest.mark.parametrize("size", [(32, 32), (33, 30), (7, 5), (1, 1)])
@pytest.mark.parametrize("width", [6, 5, 1])
def test_stems_for_large_images_quarter_the_size_and_halve_it_again(name, size, width):
    first, second = MACROS[name].large_stem(3, width)
    quarter = tuple(half(half(side)) for side in size)
    assert after(first, (3, *size)) == (width, *quarter)
    assert after(second, (width, *quarter)) == (width, *(half(side) for side in quarter))
    convs = [m for m in (*first.modules(), *second.modules()) if isinstance(m, nn.Conv2d)]
    assert [(type(c), c.stride, c.bias) for c in convs] == [(RealConv2d, (2, 2), None)] * 3


@pytest.mark.parametrize(
    ("width", "groups"),
    [(80, [1, 4, 4]), (60, [1, 3, 3]), (20, [1, 1, 1]), (36, [1, 1, 1]), (70, [1, 1, 2]), (100, [1, 5, 5])],
)
def test_groups_of_the_stem_of_bats_are_a_twentieth_of_the_width(width, groups):
    stems = MACROS["bats"].large_stem(3, width)
    assert [m.groups for stem in stems for m in stem.modules() if isinstance(m, RealConv2d)] == groups
    plain = MACROS["bnas"].large_stem(3, width)
    assert [m.groups for stem in plain for m in stem.modules() if isinstance(m, RealConv2d)] == [1, 1, 1]


def test_the_large_stem_by_hand():
    first, second = MACROS["bnas"].large_stem(3, 8)
    assert parameters(first) == 3 * 4 * 9 + 2 * 4 + 4 * 8 * 9 + 2 * 8
    assert parameters(second) == 8 * 8 * 9 + 2 * 8
    cost = profile(nn.Sequential(first, second), (3, 16, 16))
    assert cost.real_macs == 8 * 8 * 4 * (3 * 9) + 4 * 4 * 8 * (4 * 9) + 2 * 2 * 8 * (8 * 9)
    s0 = first(torch.randn(2, 3, 16, 16))
    before = s0.clone()
    second(s0)
    assert torch.equal(s0, before)  # the first cell reads it too


@pytest.mark.parametrize("name", list(MACROS))
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("larger", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 3)])
@pytest.mark.parametrize("channels", [(4, 6), (6, 6), (7, 3), (5, 1)])
def test_preprocessing_brings_an_input_to_size_and_width(name, affine, larger, size, channels):
    before = MACROS[name].preprocess(*channels, site, ConvStyle(), larger=larger, affine=affine)
    x = torch.randn(4, channels[0], *size, requires_grad=True)
    out = before(x)
    assert tuple(out.shape) == (4, channels[1], *(half(side) if larger else side for side in size))
    assert [m.affine for m in before.modules() if isinstance(m, nn.BatchNorm2d)] == [affine]
    (out * torch.randn(out.shape)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in before.parameters())
    assert x.grad is not None


@pytest.mark.parametrize(
    ("name", "larger", "parts", "count"),
    [
        ("bnas", False, ["norm", "site", "conv"], 2 * 8 + 8 * 6),
        ("bnas", True, ["norm", "site", "conv"], 2 * 8 + 8 * 6 * 9),
        ("bats", False, ["norm", "site", "conv", "prelu", "shuffle"], 2 * 8 + 8 * 6 + 6),
        ("bats", True, ["norm", "site", "conv", "prelu"], 2 * 8 + 8 * 6 + 6),
        ("cpnas", False, ["site", "conv", "norm"], 8 * 6 + 2 * 6),
        ("cpnas", True, ["site", "conv", "norm"], 8 * 6 + 2 * 6),
    ],
)
def test_preprocessing_by_hand(name, larger, parts, count):
    before = MACROS[name].preprocess(8, 6, site, ConvStyle(), larger=larger, affine=True)
    assert [part for part, _ in before.named_children()] == parts
    assert parameters(before) == count
    taps = 9 if (name, larger) == ("bnas", True) else 1
    pixels = 4 * 4 if larger else 8 * 8
    assert profile(before, (8, 8, 8)).binary_macs == pixels * 6 * 8 * taps


def test_only_bats_adds_the_input_and_only_where_it_fits():
    same = MACROS["bats"].preprocess(6, 6, site, ConvStyle(), larger=False, affine=True)
    assert isinstance(same, ResidualLayer)
    assert same.residual
    assert (same.groups, same.shuffle.groups) == (1, 1)
    x = torch.randn(2, 6, 4, 4)
    bare = same.prelu(same.conv(same.site(same.norm(x))))
    torch.testing.assert_close(same(x), bare + x)
    assert not MACROS["bats"].preprocess(6, 8, site, ConvStyle(), larger=False, affine=True).residual


@pytest.mark.parametrize("name", list(MACROS))
@pytest.mark.parametrize("style", ["cifar", "imagenet"])
def test_what_leaves_a_stem_still_has_both_signs_where_it_is_binarised(name, style):
    """A ReLU straight before a sign would leave +1 everywhere; so would it in the preprocessing."""
    macro, seen = MACROS[name], []
    torch.manual_seed(0)
    x = torch.rand(8, 3, 16, 16)
    outputs = [macro.stem(3, 6)(x)]
    if style == "imagenet":
        first, second = macro.large_stem(3, 6)
        outputs = [first(x), second(first(x))]
    for out in outputs:
        before = macro.preprocess(6, 4, site, ConvStyle(), larger=False, affine=True)
        before.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean().item()))
        before(out)
    assert len(seen) == len(outputs)
    assert all(abs(mean) < 0.7 for mean in seen)


@pytest.mark.parametrize("name", list(MACROS))
@pytest.mark.parametrize("larger", [False, True])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_every_binary_convolution_sees_two_values(name, larger, padding):
    before = MACROS[name].preprocess(5, 6, site, ConvStyle(padding), larger=larger, affine=True)
    convs = [module for module in before.modules() if isinstance(module, BinaryConv2d)]
    seen = []
    for conv in convs:
        conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
    before(torch.randn(4, 5, 7, 7))
    assert seen == [[-1.0, 1.0]] * len(convs)
    assert len(convs) == (2 if larger and name != "bnas" else 1)
