"""Pools with the images innermost against PyTorch's, and the way between layouts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn.cells.blocks import FreeSkip
from evobnn.nn.cells.ops import MeanPool
from evobnn.nn.fast.lanes.calls import lanes_of, tensor_of
from evobnn.nn.fast.lanes.steps import MaxStep, MeanStep, SkipStep, Step, step_of


def drawn(*shape: int) -> Tensor:
    """Return small whole numbers, so that there are ties and sums are exact."""
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(sum(shape))).float()


def check(step: Step, slow: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Compare value and gradient of a step with PyTorch's."""
    left = x.clone().requires_grad_()
    wanted = slow(left)
    grad = drawn(*wanted.shape)
    wanted.backward(grad)
    lanes = lanes_of(x)
    found, kept = step.forward(lanes, True)
    torch.testing.assert_close(tensor_of(found), wanted.detach(), rtol=1e-6, atol=1e-6, equal_nan=True)
    there = np.full(found.shape, np.nan, np.float32)
    again, _ = step.forward(lanes, True, there)
    assert again is there and np.array_equal(again, found, equal_nan=True)
    gx, parameters = step.backward(lanes_of(grad), lanes, kept)
    torch.testing.assert_close(tensor_of(gx), left.grad, rtol=1e-6, atol=1e-5)
    assert parameters == ()


SIZES = [(1, 1), (1, 5), (2, 2), (3, 8), (7, 4), (8, 8)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("count", [1, 33])
def test_pools_of_nine(size: tuple[int, int], stride: int, count: int) -> None:
    x = drawn(count, 5, *size)
    check(MaxStep(nn.MaxPool2d(3, stride, padding=1)), lambda x: F.max_pool2d(x, 3, stride, padding=1), x)
    mean = F.avg_pool2d(x, 3, stride, padding=1, count_include_pad=False)
    check(
        MeanStep(MeanPool(stride)),
        lambda x: F.avg_pool2d(x, 3, stride, padding=1, count_include_pad=False) if mean.numel() else x,
        x,
    )


def test_not_a_number_wins_and_takes_the_gradient() -> None:
    x = drawn(3, 2, 4, 4)
    x[1, 0, 1, 2] = float("nan")
    x[2, 1] = -float("inf")
    check(MaxStep(nn.MaxPool2d(3, 1, padding=1)), lambda x: F.max_pool2d(x, 3, 1, padding=1), x[:2])
    found, _ = MaxStep(nn.MaxPool2d(3, 1, padding=1)).forward(lanes_of(x), True)
    assert np.isneginf(found[1, :, :, 2]).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [2, 3, 7])
def test_the_skip_around_a_reduction(size: tuple[int, int], channels: int) -> None:
    skip = FreeSkip(3, channels)
    check(SkipStep(skip), skip, drawn(9, 3, *size))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (33, 5, 3, 7), (16, 32, 2, 2), (5, 1, 8, 8), (2, 17, 1, 1)])
def test_there_and_back(shape: tuple[int, ...]) -> None:
    x = drawn(*shape)
    for form in (torch.contiguous_format, torch.channels_last):
        seen = x.contiguous(memory_format=form)
        lanes = lanes_of(seen)
        assert np.array_equal(lanes, x.permute(1, 2, 3, 0).numpy()) and lanes.flags.c_contiguous
        assert torch.equal(tensor_of(lanes), x) and tensor_of(lanes).is_contiguous()
        assert torch.equal(tensor_of(lanes, last=True), x)
        assert tensor_of(lanes, last=True).is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(lanes_of(x[:, :, :1]), x[:, :, :1].permute(1, 2, 3, 0).numpy())


def test_pools_of_another_kind_have_no_step() -> None:
    for pool in (nn.MaxPool2d(2, 2), nn.MaxPool2d(3, 3, padding=1), nn.MaxPool2d(3, 1, padding=1, dilation=2)):
        assert step_of(pool) is None
    assert step_of(nn.AvgPool2d(3)) is None
