"""Cells of simple modules, whose output can be written down, and the two skips of a reduction."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.errors import NetworkError
from evobnn.nn.binary.layers import RealConv2d
from evobnn.nn.cells.blocks import SKIPS, CellBlock, FreeSkip, PublishedSkip
from evobnn.nn.cells.ops import Zero


class Times(nn.Module):
    """Multiplies by a number, so that a path through a cell shows as a product."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.calls = factor, 0

    def forward(self, x):
        self.calls += 1
        return self.factor * x


def ones(channels=1, size=4):
    return torch.ones(2, channels, size, size)


def per_channel(out):
    """Return the value of each channel, which must be constant over images and map."""
    assert torch.equal(out, out[:1, :, :1, :1].expand_as(out))
    return out[0, :, 0, 0].tolist()


def test_closed_form_of_a_cell():
    wiring = [
        (0, 2, Times(3)),
        (1, 2, Times(5)),
        (2, 3, Times(7)),
        (0, 3, Zero()),
        (1, 4, Times(1)),
        (3, 4, Times(-1)),
    ]
    cell = CellBlock(Times(2), Times(10), wiring, 3, None, channels=1)
    # node 2 = 3*2 + 5*10 = 56; node 3 = 7*56 = 392; node 4 = 10 - 392
    assert per_channel(cell(ones(), ones())) == [56, 392, -382]
    assert cell.reads == (True, True)
    assert cell.additions() == 2
    assert "3->4: ops.5" in repr(cell)


def test_three_edges_into_one_node_are_summed():
    cell = CellBlock(Times(1), Times(10), [(0, 2, Times(1)), (0, 2, Times(2)), (1, 2, Times(1))], 1, None, channels=1)
    assert per_channel(cell(ones(), ones())) == [13]


def test_skip_adds_the_previous_output_by_position():
    s1 = ones(2) * torch.tensor([100.0, 200.0]).view(1, 2, 1, 1)
    cell = CellBlock(Times(1), None, [(0, 2, Times(3)), (2, 3, Times(2))], 2, nn.Identity(), channels=1)
    assert per_channel(cell(ones(), s1)) == [103, 206]
    assert per_channel(s1) == [100, 200]  # the input was not written to
    assert cell.additions() == 2


def test_unread_preprocessing_is_not_run():
    pre1 = Times(10)
    cell = CellBlock(Times(2), pre1, [(0, 2, Times(1)), (1, 2, Zero())], 1, None, channels=1)
    assert per_channel(cell(ones(), ones())) == [2]
    assert pre1.calls == 0
    assert cell.reads == (True, False)


def test_node_without_edges_is_zeros_and_can_be_read():
    cell = CellBlock(Times(1), None, [(2, 3, Times(4)), (3, 4, nn.Sigmoid()), (0, 5, Times(9))], 4, None, channels=1)
    assert per_channel(cell(ones(), ones())) == [0, 0, 0.5, 9]


@pytest.mark.parametrize("wiring", [[], [(0, 2, Zero(2)), (1, 3, Zero(2))]])
@pytest.mark.parametrize("size", [4, 5])
def test_all_zero_cell(wiring, size):
    s1 = torch.randn(2, 2, size, size)
    bare = CellBlock(None, None, wiring, 2, None, channels=3, stride=2)
    out = bare(torch.randn(2, 2, 2 * size, 2 * size), s1)
    assert out.shape == (2, 6, -(-size // 2), -(-size // 2))
    assert not out.any()
    assert bare.reads == (False, True)
    skip = FreeSkip(2, 6)
    around = CellBlock(None, None, wiring, 2, skip, channels=3, stride=2)
    assert torch.equal(around(s1, s1), skip(s1))
    assert around.additions() == 0


def test_without_a_skip_only_what_is_read_decides():
    """An input that is not read may be of any size: it comes from a cell that was not run."""
    stale = torch.randn(2, 7, 9, 9)
    older = CellBlock(Times(2), None, [(0, 3, Times(3))], 2, None, channels=1)
    assert older.reads == (True, False)
    assert per_channel(older(ones(), stale)) == [0, 6]
    newer = CellBlock(None, Times(2), [(1, 2, Times(5))], 2, None, channels=1)
    assert newer.reads == (False, True)
    assert per_channel(newer(stale, ones())) == [10, 0]


def test_a_cell_that_reads_no_input_takes_its_size_from_the_previous_one():
    cell = CellBlock(None, None, [(2, 3, nn.Sigmoid())], 2, None, channels=1)
    assert cell.reads == (False, True)
    assert per_channel(cell(torch.randn(2, 7, 9, 9), ones(3))) == [0, 0.5]


def test_zeros_follow_memory_format_and_dtype():
    x = torch.randn(2, 4, 6, 6, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    cell = CellBlock(nn.Identity(), None, [(0, 3, Times(1))], 2, None, channels=4)
    out = cell(x, x)
    assert out.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out[:, :4].any()


def test_gradients_pass_through_sums_and_skip():
    cell = CellBlock(nn.Identity(), nn.Identity(), [(0, 2, nn.ReLU()), (1, 2, nn.ReLU())], 1, nn.Identity(), channels=1)
    s0, s1 = ones().requires_grad_(), ones().requires_grad_()
    cell(s0, s1).sum().backward()
    assert s0.grad.unique().tolist() == [1]
    assert s1.grad.unique().tolist() == [2]


@pytest.mark.parametrize(
    ("edge", "match"),
    [
        ((3, 2), "3 -> 2"),
        ((0, 1), "0 -> 1"),
        ((0, 4), "2 to 3"),
        ((-1, 2), "-1 -> 2"),
        ((1, 2), "preprocessing of input 1"),
    ],
)
def test_wiring_that_is_no_cell(edge, match):
    with pytest.raises(NetworkError, match=match):
        CellBlock(nn.Identity(), None, [(*edge, Times(1))], 2, None, channels=1)
    with pytest.raises(NetworkError, match="nodes"):
        CellBlock(None, None, [], 0, None, channels=1)


def test_free_skip_is_a_mean_and_repeats_channels():
    x = torch.arange(2 * 2 * 4 * 4.0).view(2, 2, 4, 4)
    out = FreeSkip(2, 5)(x)
    pooled = x.view(2, 2, 2, 2, 2, 2).mean((3, 5))
    assert torch.equal(out, pooled[:, [0, 1, 0, 1, 0]])
    assert torch.equal(FreeSkip(2, 1)(x), pooled[:, :1])
    assert torch.equal(FreeSkip(2, 2)(x), pooled)
    assert not list(FreeSkip(2, 5).parameters())
    odd = FreeSkip(1, 1)(torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]]))
    assert odd.tolist() == [[[[3.0, 4.5], [7.5, 9.0]]]]  # at the edge the mean of what is there


@pytest.mark.parametrize("size", [4, 5])
def test_published_skip_is_norm_and_real_conv(size):
    skip = SKIPS["published"](3, 8)
    assert isinstance(skip, PublishedSkip)
    assert isinstance(skip.conv, RealConv2d)
    assert sum(p.numel() for p in skip.parameters()) == 2 * 3 + 3 * 8 * 4 + 8
    x = torch.randn(2, 3, size, size)
    out = skip.eval()(x)
    padded = F.pad(skip.norm(x), (0, size % 2, 0, size % 2))
    torch.testing.assert_close(out, F.conv2d(padded, skip.conv.weight, skip.conv.bias, 2))
    assert out.shape == (2, 8, -(-size // 2), -(-size // 2))


def test_skips_by_name():
    assert list(SKIPS) == ["published", "free"]
    assert isinstance(SKIPS["free"](2, 4), FreeSkip)
