"""The factorised reduction against NumPy: which pixels it looks at, at even and odd sides, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle
from evobnn.nn.binary.signs import sign
from evobnn.nn.cells.reduction import FactorisedReduction, diagonal

SIZES = [(2, 2), (4, 6), (5, 4), (4, 5), (7, 5), (1, 1), (1, 4), (3, 1)]


def picked(side, shift):
    """Return the lines at 2i + shift; where that is beyond the last, the last."""
    return [min(2 * i + shift, side - 1) for i in range(-(-side // 2))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels_of_the_diagonal(size, last, dtype):
    x = torch.arange(2 * 3 * size[0] * size[1]).to(dtype).view(2, 3, *size)  # small whole numbers: exact in 8 bits
    seen = x.contiguous(memory_format=torch.channels_last) if last else x
    pair = diagonal(seen)
    assert len(pair) == 2
    for shift, found in enumerate(pair):
        rows, columns = (picked(side, shift) for side in size)
        assert found.float().tolist() == x.float().numpy()[:, :, rows][:, :, :, columns].tolist()
        assert found.dtype == dtype
        assert found.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_go_back_to_the_pixels_they_came_from(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weights = [torch.randn(2, 3, -(-size[0] // 2), -(-size[1] // 2), dtype=torch.float64) for _ in range(2)]
    sum((part * w).sum() for part, w in zip(diagonal(x), weights, strict=True)).backward()
    expected, counted = np.zeros(x.shape), 0
    for shift, w in enumerate(weights):
        for i, row in enumerate(picked(size[0], shift)):
            for j, column in enumerate(picked(size[1], shift)):
                expected[:, :, row, column] += w[:, :, i, j].numpy()
                counted += 1
    assert counted == 2 * weights[0][0, 0].numel()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(diagonal, (x,))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(4, 6), (3, 5), (3, 1)])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_two_halves_of_the_channels_see_pixels_one_apart(size, channels, padding):
    reduction = FactorisedReduction(*channels, ConvStyle(padding))
    x = sign(torch.randn(2, channels[0], *size))
    out = reduction(x)
    assert out.shape == (2, channels[1], -(-size[0] // 2), -(-size[1] // 2))
    first = channels[1] - channels[1] // 2
    parts = [(reduction.even, 0, slice(0, first)), (reduction.odd, 1, slice(first, None))][: min(channels[1], 2)]
    for conv, shift, filters in parts:
        rows, columns = (picked(side, shift) for side in size)
        pixels = x.numpy()[:, :, rows][:, :, :, columns]
        expected = np.einsum("nchw,oc->nohw", pixels, np.sign(conv.weight.detach().numpy()[:, :, 0, 0]))
        assert np.array_equal(out[:, filters].detach().numpy(), expected)
    assert sum(p.numel() for p in reduction.parameters()) == channels[0] * channels[1]


def test_a_shift_of_the_image_by_one_pixel_swaps_the_roles():
    reduction = FactorisedReduction(4, 4, ConvStyle())
    with torch.no_grad():
        reduction.odd.weight.copy_(reduction.even.weight)
    x = sign(torch.randn(1, 4, 8, 8))
    moved = torch.roll(x, (-1, -1), (2, 3))
    assert torch.equal(reduction(x)[:, 2:], reduction(moved)[:, :2])


def test_every_convolution_sees_two_values_at_odd_sides_too():
    seen = []
    for padding in ("zero", "minus_one"):
        reduction = FactorisedReduction(3, 4, ConvStyle(padding))
        for conv in reduction.children():
            assert isinstance(conv, BinaryConv2d)
            conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
        reduction(sign(torch.randn(2, 3, 7, 9)))
    assert seen == [[-1.0, 1.0]] * 4
