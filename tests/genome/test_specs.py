"""What names mean (`evobnn.genome`) agrees with how they are computed (`evobnn.nn`)."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch

from evobnn.genome import (
    BATS_OPERATIONS,
    BINARY,
    BNAS_OPERATIONS,
    CPNAS_OPERATIONS,
    FORMS,
    OPERATIONS,
    UNARY,
    OpSpec,
    groups,
)
from evobnn.nn import FORMS as COMPUTED
from evobnn.nn import OPS, BinaryConv2d, ConvStyle, Site, largest_divisor, profile

POINTS = torch.tensor([-2.3, -1.1, -0.4, 0.3, 0.9, 1.7], dtype=torch.float64)


def test_names_and_their_order_are_the_same_on_both_sides():
    assert list(FORMS) == list(COMPUTED)
    assert list(OPERATIONS) == list(OPS)
    assert [spec.name for spec in (*FORMS.values(), *OPERATIONS.values())] == [*FORMS, *OPERATIONS]


def test_gaaf_has_22_unary_and_11_binary_forms():
    assert (len(UNARY), len(BINARY), len(FORMS)) == (22, 11, 33)
    assert {name for name, spec in UNARY.items() if spec.arity == 0} == {"x", "zero", "const"}
    assert {spec.arity for spec in BINARY.values()} == {2}


@pytest.mark.parametrize("name", list(FORMS))
def test_arity_and_learnable_parts_are_the_same_on_both_sides(name):
    spec, computed = FORMS[name], COMPUTED[name]
    assert (spec.name, spec.arity) == (computed.name, computed.arity)
    assert len(spec.learnable) == len(computed.parameters)
    assert all(symbol in spec.formula for symbol in spec.learnable)


@pytest.mark.parametrize("name", list(BINARY))
def test_exactly_the_commuting_forms_commute(name):
    p, q = (side.flatten() for side in torch.meshgrid(POINTS, POINTS + 0.05, indexing="ij"))
    learned = [torch.tensor(0.3, dtype=torch.float64)] * len(COMPUTED[name].parameters)
    there, back = COMPUTED[name].compute(p, q, *learned), COMPUTED[name].compute(q, p, *learned)
    assert torch.equal(there, back) is FORMS[name].commutes


def built(name, channels=3):
    """Return the operation with batch norms that have a bias, as after some training."""
    torch.manual_seed(1)
    op = OPS[name](channels, 1, lambda _: Site(), ConvStyle("minus_one", "mean"))
    for parameter_name, parameter in op.named_parameters():
        if parameter_name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return op.eval()


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_exactly_the_zero_preserving_operations_keep_zeros(name):
    with torch.no_grad():
        out = built(name)(torch.zeros(2, 3, 6, 6))
    assert (not out.any()) is OPERATIONS[name].zero_preserving


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_exactly_zeroise_gives_zeros_for_every_input(name):
    with torch.no_grad():
        out = built(name)(torch.randn(2, 3, 6, 6))
    assert (not out.any()) is OPERATIONS[name].nothing


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_binary_kernel_and_dilation_are_those_of_the_module(name):
    spec = OPERATIONS[name]
    convs = [module for module in built(name).modules() if isinstance(module, BinaryConv2d)]
    found = [(conv.kernel, conv.dilation) for conv in convs]
    assert found == [(spec.kernel, spec.dilation)] * spec.binary + [(1, 1)] * spec.separable


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_multiply_accumulates_are_those_that_are_counted(name, stride):
    spec = OPERATIONS[name]
    checked = 0
    for channels in (1, 2, 3, 4, 7, 12, 14, 25, 36, 60):
        with torch.device("meta"):
            module = OPS[name](channels, stride, lambda _: Site(), ConvStyle("zero", "none"))
        found = profile(module, (channels, 6, 6))
        assert (found.binary_macs, found.real_macs) == (spec.macs(channels, stride) * (6 // stride) ** 2, 0)
        assert spec.binary_at(stride) is any(isinstance(one, Site) for one in module.modules())
        checked += 1
    assert checked == 10


@pytest.mark.parametrize(
    ("name", "stride", "macs"),
    [
        ("zero", 1, 0),
        ("max3", 2, 0),
        ("conv3", 1, 9 * 6 * 6),
        ("dil5", 2, 25 * 6 * 6),
        ("gconv3", 1, 9 * 6),  # six groups of one channel
        ("sep5", 1, 25 * 6 + 6 * 6),
        ("skip", 1, 0),
        ("identity", 2, 6 * 3 + 6 * 3),  # twice 6 channels to 3
    ],
)
def test_multiply_accumulates_of_six_channels_by_hand(name, stride, macs):
    assert OPERATIONS[name].macs(6, stride) == macs


def test_groups_are_the_largest_divisor_up_to_twelve():
    by_hand = {1: 1, 6: 6, 7: 7, 8: 8, 12: 12, 13: 1, 14: 7, 16: 8, 24: 12, 26: 2, 36: 12, 72: 12, 100: 10}
    assert {channels: groups(channels) for channels in by_hand} == by_hand
    assert all(groups(channels) == largest_divisor(channels, 12) for channels in range(1, 300))


def test_each_published_system_has_its_operations():
    assert (len(BNAS_OPERATIONS), len(BATS_OPERATIONS), len(CPNAS_OPERATIONS)) == (7, 8, 8)
    assert {*BNAS_OPERATIONS, *BATS_OPERATIONS, *CPNAS_OPERATIONS} == set(OPERATIONS)
    assert set(BNAS_OPERATIONS) & set(BATS_OPERATIONS) & set(CPNAS_OPERATIONS) == {"zero", "max3", "avg3"}


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("zero", 1, 1.0),
        ("conv3", 8, (7 + 8 + 7) / (3 * 8)),
        ("conv3", 1, 1 / 3),
        ("conv5", 8, (5 * 8 - 2 * (1 + 2)) / (5 * 8)),
        ("conv5", 4, (5 * 4 - 2 * (1 + 2)) / (5 * 4)),
        ("dil3", 4, (2 + 4 + 2) / (3 * 4)),
        ("dil5", 8, (5 * 8 - 2 * (2 + 4)) / (5 * 8)),
        ("dil5", 4, (0 + 2 + 4 + 2 + 0) / (5 * 4)),  # the outermost taps never meet a map of 4
        ("dil5", 2, 2 / (5 * 2)),
        ("max3", 2, (1 + 2 + 1) / (3 * 2)),
    ],
)
def test_taps_inside_by_hand(name, size, line):
    assert OPERATIONS[name].taps_inside(size) == pytest.approx(line**2)


@pytest.mark.parametrize("name", ["conv3", "conv5", "dil3", "dil5"])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_taps_inside_as_a_convolution_counts_them(name, size):
    spec = OPERATIONS[name]
    ones = torch.ones(1, 1, size, size)
    window = torch.ones(1, 1, spec.kernel, spec.kernel)
    reach = spec.dilation * (spec.kernel // 2)
    inside = torch.nn.functional.conv2d(ones, window, padding=reach, dilation=spec.dilation)
    assert spec.taps_inside(size) == pytest.approx(inside.mean().item() / spec.kernel**2)


def test_specs_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        OPERATIONS["conv3"].kernel = 5
    with pytest.raises(FrozenInstanceError):
        FORMS["sin"].arity = 2
    assert OpSpec("own", 0, "identity").zero_preserving
