"""Each kind of operation against PyTorch's own functions on the same numbers, awkward sizes included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from evobnn.deploy.forms import FORMS as COMPUTED
from evobnn.deploy.forms import computed
from evobnn.deploy.ops import (
    AveragePool,
    BinaryConvolution,
    Convolution,
    Expression,
    Gather,
    Linear,
    MaxPool,
    MeanOfParts,
    Prelu,
    Signed,
    Site,
    Subsample,
    Table,
)
from evobnn.deploy.reference import apply, table_bits
from evobnn.deploy.windows import packed
from evobnn.errors import NetworkError
from evobnn.nn import FORMS, BinaryConv2d, TreeActivation
from evobnn.nn.cells.blocks import FreeSkip
from evobnn.nn.cells.ops import MeanPool
from evobnn.nn.cells.reduction import diagonal

SIZES = [(1, 1), (2, 5), (7, 4), (8, 8)]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_add_up_in_pytorchs_order(size: tuple[int, int], stride: int) -> None:
    x = numbers(2, 3, *size)
    there = torch.from_numpy(x)
    assert np.array_equal(apply(MaxPool(3, stride, 1), [x]), F.max_pool2d(there, 3, stride, 1).numpy())
    found = apply(AveragePool(3, stride, 1, columns=stride == 1), [x])
    assert np.allclose(found, MeanPool(stride)(there).numpy(), rtol=2e-7, atol=1e-7)
    halved = apply(Gather((0, 1, 2, 0, 1)), [apply(AveragePool(2, 2), [x])])
    assert np.allclose(halved, FreeSkip(3, 5)(there).numpy(), rtol=2e-7, atol=1e-7)
    for parts in (1, 2, 3):
        wanted = F.adaptive_avg_pool2d(there, parts).numpy()
        assert np.allclose(apply(MeanOfParts(parts), [x]), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("groups, dilation, stride", [(1, 1, 1), (2, 2, 1), (4, 1, 2), (1, 2, 2)])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_binary_sums_are_exact(groups: int, dilation: int, stride: int, padding: str) -> None:
    conv = BinaryConv2d(4, 8, 3, groups=groups, dilation=dilation, stride=stride, padding=padding)
    bits = numbers(2, 4, 6, 5) >= 0
    with torch.no_grad():
        wanted = conv(torch.where(torch.from_numpy(bits), 1.0, -1.0)).numpy()
    zeros = padding == "zero"
    op = BinaryConvolution(conv.weight.detach().numpy() >= 0, stride, dilation, groups, conv.border, zeros)
    found = apply(op, [bits])
    assert found.dtype == np.int32 and np.array_equal(found, wanted)


def test_bits_are_packed_from_the_lowest_on() -> None:
    bits = np.zeros((1, 70), bool)
    bits[0, [0, 1, 64, 69]] = True
    assert packed(bits).tolist() == [[3, 1 + 32]]


@pytest.mark.parametrize("groups", [1, 2])
def test_real_convolutions_and_their_order_of_sums(groups: int) -> None:
    x, weight, bias = numbers(2, 4, 5, 6), numbers(6, 4 // groups, 3, 2), numbers(6)
    op = Convolution(weight, bias, (2, 1), (1, 0, 1, 1), 1, groups)
    there = F.pad(torch.from_numpy(x), (0, 1, 1, 1))
    wanted = F.conv2d(there, torch.from_numpy(weight), torch.from_numpy(bias), (2, 1), groups=groups)
    assert np.allclose(apply(op, [x]), wanted.numpy(), atol=1e-5)
    # 1e8 + 1 - 1e8 is 0 in float32, from left to right; any other order would give 1.
    line = np.array([1e8, 1.0, -1e8], np.float32).reshape(1, 3, 1, 1)
    ones = np.ones((1, 3, 1, 1), np.float32)
    assert apply(Convolution(ones), [line]).item() == 0.0
    assert apply(Linear(ones.reshape(1, 3), np.zeros(1, np.float32)), [line]).item() == 0.0


@pytest.mark.parametrize("size", SIZES)
def test_pixels_that_a_reduction_picks(size: tuple[int, int]) -> None:
    x = numbers(1, 2, *size)
    even, odd = diagonal(torch.from_numpy(x))
    assert np.array_equal(apply(Subsample(2), [x]), even.numpy())
    assert np.array_equal(apply(Subsample(2, 1), [x]), odd.numpy())


def test_signs_at_zero_and_as_numbers() -> None:
    x = np.array([0.0, -0.0, -1e-45, 1e-45], np.float32).reshape(1, 1, 2, 2)
    bits = apply(Site(), [x])
    assert bits.reshape(-1).tolist() == [True, True, False, True]
    assert apply(Signed(), [bits]).reshape(-1).tolist() == [1.0, 1.0, -1.0, 1.0]
    assert apply(Prelu(np.array([0.5], np.float32)), [x - 4]).reshape(-1).tolist() == [-2.0] * 4


def test_tables_hold_in_their_range_and_nowhere_else() -> None:
    f = np.float32
    inside = Table(np.array([True]), np.array([[-1], [2]], f), np.array([-3], f), np.array([3], f))
    x = np.array([-9, -3, -1.5, -1, 1.9, 2, 3, 9], f).reshape(1, 1, 1, 8)
    assert table_bits(inside, x).reshape(-1).tolist() == [True, True, True, False, False, True, True, True]
    site = Site((Expression(("neg", ("x",))),), inside)
    assert apply(site, [x]).reshape(-1).tolist() == [True, True, True, False, False, True, True, False]


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_pytorchs(name: str) -> None:
    form = FORMS[name]
    tree = (name, *[("x",), ("sin", ("x",))][: form.arity])
    activation = TreeActivation(tree, 2)
    with torch.no_grad():
        for parameter in activation.parameters():
            parameter.copy_(torch.tensor([0.3, -1.7]).view(1, 2, 1, 1))
    parameters = {key: value.detach().numpy().reshape(-1) for key, value in activation.named_parameters()}
    x = np.concatenate((np.linspace(-4, 4, 101), [0.0, -0.0, 1e-8, -1e-20, 30.0, -30.0])).astype(np.float32)
    x = np.stack((x, x))[None, :, :, None]
    with torch.no_grad():
        wanted = activation(torch.from_numpy(x)).numpy()
    found = computed(Expression(tree, parameters), x)
    assert found.shape == x.shape and set(COMPUTED) == set(FORMS)
    assert np.allclose(found, wanted, rtol=5e-6, atol=1e-7, equal_nan=True)


def test_a_form_of_ones_own_cannot_be_evaluated() -> None:
    with pytest.raises(NetworkError, match="got 'mine', a form of your own"):
        computed(Expression(("sin", ("mine", ("x",)))), numbers(1, 1, 1, 1))
