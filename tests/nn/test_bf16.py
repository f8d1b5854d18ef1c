"""Precision bf16: where its sums are exact, how far its gradients may be off, and that its signs are the same.

bfloat16 has 8 significant bits: whole numbers up to 256 are exact, even ones up to 512, and rounding moves a number by
at most 2^-8 of itself.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.errors import NetworkError
from evobnn.nn.binary import bfloat16
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle
from evobnn.nn.binary.signs import SURROGATES, sign
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.ops import OPS

EXACT = [  # in_channels per group, kernel: terms of a sum
    (256, 1),  # 256
    (255, 1),  # 255
    (512, 1),  # 512, even
    (27, 3),  # 243
    (28, 3),  # 252
    (56, 3),  # 504, even
    (9, 5),  # 225
    (10, 5),  # 250
    (20, 5),  # 500, even
]


def mostly_plus(*shape, seed=0):
    """Return ±1 of which nine in ten are +1: sums are large, as those of trained networks are."""
    generator = torch.Generator().manual_seed(seed)
    return torch.where(torch.rand(shape, generator=generator) < 0.9, 1.0, -1.0)


def integer_conv(x, w, padding, stride, dilation, groups):
    """Return the convolution in whole numbers: int64 throughout, tap by tap."""
    kernel = w.shape[-1]
    border = dilation * (kernel - 1) // 2
    fill = 0 if padding == "zero" else -1
    x = np.pad(x.numpy().astype(np.int64), ((0, 0), (0, 0), (border,) * 2, (border,) * 2), constant_values=fill)
    w = w.numpy().astype(np.int64)
    height, width = (-(-(side - 2 * border) // stride) for side in x.shape[2:])
    parts = []
    for xs, ws in zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True):
        total = 0
        for i, j in product(range(kernel), repeat=2):
            seen = xs[:, :, i * dilation :: stride, j * dilation :: stride][:, :, :height, :width]
            total = total + np.einsum("nchw,oc->nohw", seen, ws[:, :, i, j])
        parts.append(total)
    return torch.from_numpy(np.concatenate(parts, 1))


def conv_of(channels, kernel, *, out=6, seed=1, **how):
    conv = BinaryConv2d(channels, out, kernel, **how)
    with torch.no_grad():
        conv.weight.copy_(mostly_plus(*conv.weight.shape, seed=seed) * (0.1 + torch.rand_like(conv.weight)))
    return conv


def test_integer_conv_by_hand():
    x, w = torch.tensor([[[[1.0, -1.0, 1.0]]]]), torch.ones(1, 1, 3, 3)
    assert integer_conv(x, w, "zero", 1, 1, 1).tolist() == [[[[0, 1, 0]]]]
    assert integer_conv(x, w, "minus_one", 1, 1, 1).tolist() == [[[[0 - 7, 1 - 6, 0 - 7]]]]
    assert integer_conv(x, w, "zero", 2, 1, 1).tolist() == [[[[0, 0]]]]
    assert integer_conv(x, w, "zero", 1, 2, 1).tolist() == [[[[2, -1, 2]]]]


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("channels", "kernel"), EXACT)
def test_sums_of_256_terms_or_of_512_if_even_are_exact(channels, kernel, dilation, stride, padding):
    terms = channels * kernel**2
    assert terms <= 256 or (terms <= 512 and terms % 2 == 0)
    conv = conv_of(channels, kernel, stride=stride, dilation=dilation, padding=padding, precision="bf16")
    x = mostly_plus(2, channels, 9, 8)
    expected = integer_conv(x, sign(conv.weight), padding, stride, dilation, 1)
    assert expected.abs().max() > terms / 3  # correlated
    y = conv(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, expected.float())


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_all_signs_equal_reach_the_largest_sums(padding):
    checked = 0
    for channels, kernel in EXACT:
        conv = conv_of(channels, kernel, padding=padding, precision="bf16")
        with torch.no_grad():
            conv.weight.fill_(0.5)
        y = conv(torch.ones(1, channels, 9, 9))
        assert y.max() == channels * kernel**2
        assert torch.equal(y, integer_conv(torch.ones(1, channels, 9, 9), sign(conv.weight), padding, 1, 1, 1).float())
        checked += 1
    assert checked == len(EXACT)


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("scale", ["none", "mean"])
@pytest.mark.parametrize("groups", [1, 2])
def test_scale_relu_and_groups_come_after_exact_sums(groups, scale, rectify):
    conv = conv_of(28 * groups, 3, groups=groups, padding="minus_one", scale=scale, rectify=rectify, precision="bf16")
    x = mostly_plus(2, 28 * groups, 7, 7) * mostly_plus(28 * groups, 1, 1, seed=5)
    expected = integer_conv(x, sign(conv.weight), "minus_one", 1, 1, groups).float()
    assert expected.min() < 0 < expected.max()
    if rectify:
        expected = expected.relu()
    if scale == "mean":
        expected = expected * conv.weight.detach().abs().mean((1, 2, 3)).view(1, -1, 1, 1)
    assert torch.equal(conv(x), expected)
    assert torch.equal(conv(x.to(torch.bfloat16, memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("scale", ["none", "mean"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize(("channels", "groups"), [(24, 12), (10, 5), (48, 12), (52, 13)])
def test_groups_with_zeros_between_them_give_the_same(channels, groups, padding, stride, scale, monkeypatch):
    """Up to DENSE channels a grouped convolution is computed as an ungrouped one: same sums, gradients within their
    rounding, 2^-7 of the sum of absolute values.
    """
    assert (channels <= bfloat16.DENSE) is (channels != 52)
    how = {"groups": groups, "padding": padding, "stride": stride, "scale": scale, "precision": "bf16"}
    conv = conv_of(channels, 3, out=2 * channels, **how)
    x = mostly_plus(3, channels, 7, 6)
    incoming = torch.randn(conv(x).shape, generator=torch.Generator().manual_seed(2))
    found = []
    for most in (bfloat16.DENSE, 0):
        monkeypatch.setattr(bfloat16, "DENSE", most)
        own = x.clone().requires_grad_()
        out = conv(own)
        conv.weight.grad = None
        out.backward(incoming)
        assert conv.weight.grad.shape == conv.weight.shape
        found.append((out, own.grad, conv.weight.grad))
    exact = integer_conv(x, sign(conv.weight), padding, stride, 1, groups).float()
    if scale == "mean":
        exact = exact * conv.weight.detach().abs().mean((1, 2, 3)).view(1, -1, 1, 1)
    assert torch.equal(found[0][0], exact)
    assert torch.equal(found[1][0], exact)
    for ours, theirs in zip(found[0][1:], found[1][1:], strict=True):
        assert ours.any()
        torch.testing.assert_close(ours, theirs, rtol=2**-7, atol=2**-7 * float(theirs.abs().max()))


def test_one_channel_per_group_stays_in_32_bit():
    short, full = (
        conv_of(6, 5, groups=6, padding="minus_one", precision=precision, scale="mean")
        for precision in ("bf16", "fp32")
    )
    full.load_state_dict(short.state_dict())
    x = mostly_plus(2, 6, 7, 7)
    ours, theirs = x.to(torch.bfloat16).requires_grad_(), x.clone().requires_grad_()
    out, expected = short(ours), full(theirs)
    assert out.dtype == torch.float32
    assert torch.equal(out, expected)
    incoming = torch.randn(out.shape)
    out.backward(incoming)
    expected.backward(incoming)
    assert torch.equal(short.weight.grad, full.weight.grad)
    assert torch.equal(ours.grad, theirs.grad.to(torch.bfloat16))


def test_wider_sums_are_rounded_and_no_more():
    conv = conv_of(144, 3, precision="bf16")  # 1296 terms
    x = mostly_plus(4, 144, 8, 8)
    exact = integer_conv(x, sign(conv.weight), "zero", 1, 1, 1).float()
    y = conv(x)
    assert (y != exact).float().mean() > 0.2
    assert ((y - exact).abs() <= exact.abs() * 2**-8).all()


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("scale", ["none", "mean"])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 2)])
def test_gradients_are_rounded_twice(stride, dilation, groups, padding, scale, rectify):
    """The incoming gradient and the result are rounded, 2^-8 each; where oneDNN has bfloat16, sums in between are kept
    in 32 bit. So an element is off by at most 2^-7 (and 2^-16) of the sum of the absolute values of its terms.

    Elsewhere PyTorch convolves, and rounds more often: after each tap that it adds to the gradient of an input, and
    after each image that it adds to that of a weight.
    """
    in_32_bit = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    taps, images = 9, 4
    how = {"stride": stride, "dilation": dilation, "groups": groups, "padding": padding, "rectify": rectify}
    short = conv_of(16, 3, precision="bf16", scale=scale, **how)
    full = conv_of(16, 3, **how)  # scaled from outside: sums of ±alpha in fp32 are not quite 0 where those of ±1 are
    full.load_state_dict(short.state_dict())
    alpha = full.weight.detach().abs().mean((1, 2, 3)).view(1, -1, 1, 1) if scale == "mean" else 1.0
    x = mostly_plus(images, 16, 9, 8) * mostly_plus(16, 1, 1, seed=5)
    found = []
    incoming = torch.randn(full(x).shape, generator=torch.Generator().manual_seed(2))
    for conv, outside in ((short, 1.0), (full, alpha)):
        own = x.clone().requires_grad_()
        (conv(own) * outside).backward(incoming)
        found.append((own.grad, conv.weight.grad))
    assert {grad.dtype for pair in found for grad in pair} == {torch.float32}

    absolute = BinaryConv2d(16, 6, 3, **how | {"padding": "zero", "rectify": False})
    with torch.no_grad():
        absolute.weight.fill_(1.0)
    bound, weights_bound = ((1 + 2**-8) ** (2 if in_32_bit else 1 + times) - 1 for times in (taps, images))
    ones = torch.ones_like(x).requires_grad_()
    absolute(ones).backward(incoming.abs() * alpha)
    weight_bound = (
        (incoming.abs() * alpha).sum((0, 2, 3)).view(-1, 1, 1, 1)
    )  # every |term| of a filter's tap, padding included
    assert ((found[0][0] - found[1][0]).abs() <= bound * ones.grad).all()
    assert ((found[0][1] - found[1][1]).abs() <= weights_bound * weight_bound).all()
    assert (found[1][0] != 0).any()
    assert (found[1][1] != 0).any()
    # and close in the sense in which people say so: lengths and directions agree
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 2**-6 * theirs.norm()
        assert torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 1 - 1e-4


def test_gradients_keep_channels_last():
    conv = conv_of(8, 3, padding="minus_one", precision="bf16", rectify=True)
    x = mostly_plus(2, 8, 6, 6).to(memory_format=torch.channels_last).requires_grad_()
    y = conv(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.sum().backward()
    assert conv.weight.grad.abs().sum() > 0


def test_the_real_twin_stays_in_32_bit():
    x = torch.randn(2, 8, 6, 6)
    short, full = (BinaryConv2d(8, 4, 3, real=True, precision=precision) for precision in ("bf16", "fp32"))
    full.load_state_dict(short.state_dict())
    assert torch.equal(short(x), full(x))


TINY = 1e-40  # subnormal in float32
PLANTED = [0.0, -0.0, TINY, -TINY, 1e-45, -1e-45, 0.25, -0.25, 1.0, -1.0, 1e38, -1e38, float("inf"), -float("inf")]


@pytest.mark.parametrize("surrogate", list(SURROGATES))
def test_a_short_site_gives_the_same_signs_and_gradients(surrogate):
    results = []
    for precision in ("fp32", "bf16"):
        x = torch.tensor(
            PLANTED + torch.randn(500, generator=torch.Generator().manual_seed(0)).tolist(), requires_grad=True
        )
        y = Site(surrogate=surrogate, precision=precision)(x)
        y.backward(torch.linspace(-2, 2, len(x)).to(torch.bfloat16).to(y.dtype))
        results.append((y, x.grad))
    (full, full_grad), (short, short_grad) = results
    assert (full.dtype, short.dtype) == (torch.float32, torch.bfloat16)
    assert short.float().tolist() == full.tolist() == sign(x).tolist()
    assert short[:6].tolist() == [1, 1, 1, -1, 1, -1]
    assert torch.equal(full_grad, short_grad)


def test_whole_layers_agree_where_sums_are_exact():
    compared = 0
    for name in ("conv3", "conv5", "dil3", "dil5"):
        pair = []
        for precision in ("fp32", "bf16"):
            torch.manual_seed(0)
            style = ConvStyle("minus_one", "none", precision=precision)
            pair.append(OPS[name](10, 1, lambda _, p=precision: Site(nn.Identity(), precision=p), style))
        x = torch.randn(2, 10, 8, 8)
        assert torch.equal(pair[0](x), pair[1](x))
        compared += 1
    assert compared == 4


def test_unknown_precisions_name_the_closest():
    for build in (
        lambda: BinaryConv2d(1, 1, 1, precision="bf1"),
        lambda: Site(precision="bf1"),
        lambda: ConvStyle(precision="bf1"),
    ):
        with pytest.raises(NetworkError, match="Did you mean 'bf16'"):
            build()
