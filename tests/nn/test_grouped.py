"""BATS's layer against NumPy: shuffle, grouped convolution, PReLU, residual; and how groups are chosen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.errors import NetworkError
from evobnn.nn.binary.layers import ConvStyle
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.grouped import ChannelShuffle, ResidualLayer, largest_divisor, shuffled, shuffled_anywhere
from evobnn.nn.cells.ops import OPS
from evobnn.nn.cells.prelu import PReLU

GROUPED = {"gconv3": (3, 1), "gconv5": (5, 1), "gdil3": (3, 2), "gdil5": (5, 2)}


def site(channels):
    return Site()


def shuffle_of(x, groups):
    """Return x with the channels written in `groups` rows and read by columns, one channel at a time."""
    each = x.shape[1] // groups
    out = np.empty_like(x)
    for i in range(groups):
        for j in range(each):
            out[:, j * groups + i] = x[:, i * each + j]
    return out


def conv_of(x, weight, groups, fill, dilation, stride):
    """Return a grouped convolution of the same size, one tap at a time."""
    out_channels, each, kernel, _ = weight.shape
    border = dilation * (kernel - 1) // 2
    h, w = x.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (border,) * 2, (border,) * 2), constant_values=fill)
    out = np.zeros((len(x), out_channels, -(-h // stride), -(-w // stride)))
    for o in range(out_channels):
        first = o // (out_channels // groups) * each
        for c in range(each):
            for i, j in np.ndindex(kernel, kernel):
                rows, columns = (slice(k * dilation, k * dilation + side, stride) for k, side in ((i, h), (j, w)))
                out[:, o] += weight[o, c, i, j] * x[:, first + c, rows, columns]
    return out


@pytest.mark.parametrize(
    ("number", "most", "expected"),
    [(36, 12, 12), (16, 12, 8), (13, 12, 1), (1, 12, 1), (7, 12, 7), (144, 12, 12), (10, 4, 2), (8, 4, 4), (9, 4, 3)],
)
def test_largest_divisor(number, most, expected):
    assert largest_divisor(number, most) == expected
    assert largest_divisor(number, most) == max(d for d in range(1, most + 1) if number % d == 0)


def test_largest_divisor_of_nothing():
    with pytest.raises(NetworkError, match="number"):
        largest_divisor(0, 4)
    with pytest.raises(NetworkError, match="most"):
        largest_divisor(4, 0)


@pytest.mark.parametrize(("channels", "groups"), [(8, 4), (12, 4), (6, 2), (6, 3), (6, 1), (6, 6)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shuffle_is_numpys_and_its_gradient_the_way_back(channels, groups, last, dtype):
    x = torch.randn(2, channels, 3, 5).to(dtype)
    form = torch.channels_last if last else torch.contiguous_format
    seen = x.clone(memory_format=form).requires_grad_()
    out = ChannelShuffle(channels, groups)(seen)
    assert torch.equal(out.float(), torch.from_numpy(shuffle_of(x.float().numpy(), groups)))
    assert out.is_contiguous(memory_format=form)
    weights = torch.randn(x.shape).to(dtype)
    out.backward(weights)
    back = shuffle_of(weights.float().numpy(), channels // groups)
    assert torch.equal(seen.grad.float(), torch.from_numpy(back))


@pytest.mark.parametrize("last", [False, True])
def test_shuffle_off_the_cpu_is_the_same(last):
    x = torch.randn(2, 12, 3, 5).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    for groups in (2, 3, 4, 12):
        out = shuffled_anywhere(x, groups)
        assert torch.equal(out, torch.from_numpy(shuffle_of(x.numpy(), groups)))
        assert out.is_contiguous(memory_format=torch.channels_last) is last
    expanded = torch.ones(()).expand(2, 12, 3, 5)  # the gradient of a sum
    assert torch.equal(shuffled_anywhere(expanded, 4), torch.ones(2, 12, 3, 5))


@pytest.mark.parametrize("last", [False, True])
def test_shuffle_off_the_cpu_keeps_shape_and_format(last):
    form = torch.channels_last if last else torch.contiguous_format
    x = torch.empty(2, 8, 3, 5, device="meta").contiguous(memory_format=form)
    out = shuffled(x, 4)
    assert out.shape == x.shape
    assert out.is_contiguous(memory_format=form)


def test_a_shuffle_of_four_channels_by_hand():
    x = torch.tensor([10.0, 11, 20, 21]).view(1, 4, 1, 1)
    assert ChannelShuffle(4, 2)(x).flatten().tolist() == [10, 20, 11, 21]
    assert repr(ChannelShuffle(4, 2)) == "ChannelShuffle(groups=2)"
    with pytest.raises(NetworkError, match="groups that divide 6 channels, got 4"):
        ChannelShuffle(6, 4)


@pytest.mark.parametrize("last", [False, True])
def test_prelu_is_pytorchs(last):
    ours, theirs = PReLU(5), nn.PReLU(5)
    assert torch.equal(ours.weight, torch.full((5,), 0.25))
    with torch.no_grad():
        for slopes in (ours.weight, theirs.weight):
            slopes.copy_(torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0]))
    x = torch.randint(-3, 4, (3, 5, 4, 4)).float()  # zeros among them: sums of ±1 often are
    assert (x == 0).any()
    weights = torch.randn(x.shape)
    found = []
    for module in (ours, theirs):
        own = x.contiguous(memory_format=torch.channels_last) if last else x.clone()
        out = module(own.requires_grad_())
        out.backward(weights)
        found.append((out, own.grad, module.weight.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][0].is_contiguous(memory_format=torch.channels_last) is last


def test_prelu_gradients_are_finite_differences():
    module = PReLU(3).double()
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64)
    x = (x + 0.1 * x.sign()).requires_grad_()  # away from the kink
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(module, {"weight": w}, x), (x, module.weight)
    )


@pytest.mark.parametrize("name", list(GROUPED))
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 6), (7, 5)])
@pytest.mark.parametrize("channels", [12, 10, 5])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_a_layer_is_norm_sign_conv_prelu_shuffle_and_input(name, stride, size, channels, padding):
    torch.manual_seed(3)
    layer = OPS[name](channels, stride, site, ConvStyle(padding, "mean"))
    with torch.no_grad():
        layer.prelu.weight.copy_(torch.rand(channels))
    x = torch.randn(3, channels, *size)
    out = layer(x)
    values = x.numpy().astype(np.float64)
    mean, variance = values.mean((0, 2, 3), keepdims=True), values.var((0, 2, 3), keepdims=True)
    signs = np.where((values - mean) / np.sqrt(variance + 1e-5) >= 0, 1.0, -1.0)
    latent = layer.conv.weight.detach().numpy().astype(np.float64)
    weight = np.where(latent >= 0, 1.0, -1.0) * np.abs(latent).mean((1, 2, 3), keepdims=True)
    kernel, dilation = GROUPED[name]
    groups = {12: 12, 10: 10, 5: 5}[channels]
    fill = 0.0 if padding == "zero" else -1.0
    summed = conv_of(signs, weight, groups, fill, dilation, stride)
    assert summed.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))
    slopes = layer.prelu.weight.detach().numpy().reshape(1, -1, 1, 1)
    rectified = np.where(summed > 0, summed, slopes * summed)
    expected = shuffle_of(rectified, {12: 4, 10: 2, 5: 1}[channels]) + (values if stride == 1 else 0)
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    assert latent.shape == (channels, channels // groups, kernel, kernel)


@pytest.mark.parametrize(
    ("channels", "groups", "shuffle"), [(36, 12, 4), (16, 8, 4), (14, 7, 2), (13, 1, 1), (1, 1, 1)]
)
def test_groups_are_the_largest_divisor_and_are_shown(channels, groups, shuffle):
    layer = OPS["gconv3"](channels, 1, site, ConvStyle())
    assert (layer.groups, layer.conv.groups, layer.shuffle.groups) == (groups, groups, shuffle)
    assert f"groups={groups}, plus the input" in repr(layer)
    assert layer(torch.randn(2, channels, 4, 4)).shape == (2, channels, 4, 4)


def test_the_input_is_left_as_it_was_and_added_once():
    layer = OPS["gconv3"](4, 1, site, ConvStyle()).eval()
    x = torch.randn(2, 4, 5, 5)
    before = x.clone()
    inner = layer.shuffle(layer.prelu(layer.conv(layer.site(layer.norm(x)))))
    assert torch.equal(layer(x), inner + before)
    assert torch.equal(x, before)
    wider = ResidualLayer(4, 8, 1, site, ConvStyle())
    assert not wider.residual
    assert wider(x).shape == (2, 8, 5, 5)


def test_skip_is_nothing_or_a_reduction():
    assert isinstance(OPS["skip"](5, 1, site, ConvStyle()), nn.Identity)
    halved = OPS["skip"](5, 2, site, ConvStyle())
    assert [name for name, _ in halved.named_children()] == ["norm", "site", "conv", "prelu"]
    assert halved(torch.randn(2, 5, 7, 7)).shape == (2, 5, 4, 4)
    assert sum(p.numel() for p in halved.parameters()) == 2 * 5 + 5 * 5 + 5


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(NetworkError, match="channels that 4 groups divide"):
        ResidualLayer(6, 6, 3, site, ConvStyle(), groups=4)
