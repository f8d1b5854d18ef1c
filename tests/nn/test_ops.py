"""All operations: shapes at both strides, no third value inside, the twin; BNAS's seven: pools against NumPy, zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.ops import OPS, MeanPool, Zero, preprocess

POOLS = {"max3": np.max, "avg3": np.mean}
CONVS = {"conv3": (3, 1), "conv5": (5, 1), "dil3": (3, 2), "dil5": (5, 2)}
BATS = ["skip", "gconv3", "gconv5", "gdil3", "gdil5"]
CPNAS = ["identity", "cdil3", "cdil5", "sep3", "sep5"]
BINARY = {**dict.fromkeys(CONVS, 1), **dict.fromkeys(BATS, 1), **dict.fromkeys(CPNAS, 1), "sep3": 2, "sep5": 2}
HALVES = ("skip", "identity")  # nothing at stride 1, two convolutions at stride 2


def site(channels):
    return Site()


def test_names_are_those_of_bnas_and_what_bats_and_cpnas_add():
    assert list(OPS) == ["zero", *POOLS, *CONVS, *BATS, *CPNAS]


@pytest.mark.parametrize("name", list(OPS))
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
@pytest.mark.parametrize("conv", [ConvStyle(), ConvStyle("minus_one", "mean"), ConvStyle(real=True)])
def test_shapes_forward_and_backward(name, stride, size, conv):
    op = OPS[name](6, stride, site, conv)
    x = torch.randn(2, 6, *size, requires_grad=True)
    y = op(x)
    assert y.shape == (2, 6, -(-size[0] // stride), -(-size[1] // stride))
    if name == "zero":
        assert not y.any()
        assert not y.requires_grad
        return
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in op.parameters())


@pytest.mark.parametrize("name", list(BINARY))
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [8, 5, 1])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("padding", ["zero", "minus_one"])
def test_every_binary_convolution_sees_two_values_and_learns(name, stride, channels, precision, padding):
    torch.manual_seed(4)
    op = OPS[name](channels, stride, lambda _: Site(precision=precision), ConvStyle(padding, precision=precision))
    op = op.to(memory_format=torch.channels_last)
    convs = [module for module in op.modules() if isinstance(module, BinaryConv2d)]
    halved = (0 if stride == 1 else min(channels, 2)) if name in HALVES else None
    assert len(convs) == (BINARY[name] if halved is None else halved)
    assert not any(isinstance(module, nn.Conv2d) for module in op.modules())
    seen = []
    for conv in convs:
        conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float().unique().tolist()))
    x = torch.randn(8, channels, 9, 7).to(memory_format=torch.channels_last).requires_grad_()
    out = op(x)
    assert seen == [[-1.0, 1.0]] * len(convs)
    assert out.dtype == torch.float32
    if channels > 1:
        assert out.is_contiguous(memory_format=torch.channels_last)
    (out * torch.randn(out.shape)).sum().backward()
    gradients = {key: p.grad for key, p in op.named_parameters()}
    assert all(g is not None and torch.isfinite(g).all() and g.any() for g in gradients.values())
    assert x.grad.any()
    assert bool(gradients) is (halved != 0)


@pytest.mark.parametrize("name", list(BINARY))
@pytest.mark.parametrize("stride", [1, 2])
def test_twin_and_meta_have_the_same_parameters_and_the_twin_no_signs(name, stride):
    def built(real, device):
        with torch.device(device):
            return OPS[name](6, stride, lambda _: Site(real=real), ConvStyle(real=real))

    binary, twin, meta = built(False, "cpu"), built(True, "cpu"), built(False, "meta")
    shapes = [{key: p.shape for key, p in op.named_parameters()} for op in (binary, twin, meta)]
    assert shapes[0] == shapes[1] == shapes[2]
    x = torch.randn(2, 6, 7, 7)
    assert meta(x.to("meta")).shape == binary(x).shape == twin(x).shape
    twin.load_state_dict(binary.state_dict())
    assert all(conv.real for conv in twin.modules() if isinstance(conv, BinaryConv2d))
    if shapes[0]:
        assert not torch.equal(twin(x), binary(x))


@pytest.mark.parametrize("name", list(BINARY))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_real_weights_behind_binary_activations(name, precision):
    op = OPS[name](6, 2, lambda _: Site(precision=precision), ConvStyle(real=True, precision=precision))
    seen = []
    for module in op.modules():
        if isinstance(module, BinaryConv2d):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float().unique().tolist()))
    out = op(torch.randn(4, 6, 7, 7))
    out.mul(torch.randn(out.shape)).sum().backward()
    assert seen
    assert all(values == [-1.0, 1.0] for values in seen)
    assert out.dtype == torch.float32
    assert all(p.grad.any() for p in op.parameters())


@pytest.mark.parametrize("name", [*BATS, *CPNAS])
@pytest.mark.parametrize("stride", [1, 2])
def test_memory_format_changes_nothing_but_the_last_bits(name, stride):
    torch.manual_seed(2)
    op = OPS[name](8, stride, site, ConvStyle("minus_one", "mean"))
    x = torch.randn(4, 8, 7, 9)
    weights, found = torch.randn(op(x).shape), []
    for form in (torch.contiguous_format, torch.channels_last):
        own = x.clone(memory_format=form).requires_grad_()
        out = op(own)
        (out * weights).sum().backward()
        found.append((out, own.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_leave_padding_out(name, stride):
    x = -1.0 - np.random.default_rng(0).random((5, 6))  # below the 0 of a padding
    got = OPS[name](1, stride, site, ConvStyle())(torch.from_numpy(x)[None, None])[0, 0].numpy()
    checked = 0
    for i, j in np.ndindex(got.shape):
        top, left = i * stride - 1, j * stride - 1
        window = x[max(top, 0) : top + 3, max(left, 0) : left + 3]
        assert got[i, j] == pytest.approx(POOLS[name](window))
        checked += 1
    assert checked == -(-5 // stride) * -(-6 // stride)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2), (3, 2), (5, 6), (8, 8)])
@pytest.mark.parametrize("last", [False, True])
def test_mean_pool_is_pytorchs_without_padding_in_values_and_gradients(stride, size, last):
    ours, theirs = MeanPool(stride), nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    seen = x.contiguous(memory_format=torch.channels_last) if last else x
    before = seen.detach().clone()
    y, expected = ours(seen), theirs(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-14)
    weights = torch.randn(y.shape, dtype=torch.float64)
    found, wanted = (torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0] for out in (y, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    assert torch.equal(seen, before)  # nothing is written into the input


def test_mean_pool_gradient_is_its_finite_difference():
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MeanPool(), (x,))


def test_mean_pool_keeps_channels_last_and_prints_its_stride():
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    assert MeanPool()(x).is_contiguous(memory_format=torch.channels_last)
    assert repr(MeanPool(2)) == "MeanPool(stride=2)"


@pytest.mark.parametrize("name", list(CONVS))
def test_convs_are_norm_site_and_a_conv_with_relu(name):
    op = OPS[name](4, 2, site, ConvStyle("minus_one", "mean"))
    assert [part for part, _ in op.named_children()] == ["norm", "site", "conv"]
    conv = op.conv
    assert conv.rectify
    assert (conv.kernel, conv.dilation, conv.stride) == (*CONVS[name], 2)
    assert (conv.padding, conv.scale, conv.real) == ("minus_one", "mean", False)
    seen = []
    conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
    assert op(torch.randn(2, 4, 6, 6)).min() == 0  # ReLU
    assert seen == [[-1.0, 1.0]]


def test_each_conv_gets_a_site_of_its_own():
    made = []

    def counting(channels):
        made.append(channels)
        return Site(nn.Identity())

    OPS["conv3"](5, 1, counting, ConvStyle())
    preprocess(7, 5, counting, ConvStyle())
    OPS["max3"](5, 1, counting, ConvStyle())
    assert made == [5, 7]


def test_preprocessing_after_a_reduction():
    pre = preprocess(6, 4, site, ConvStyle(), kernel=3, stride=2, affine=False)
    assert pre(torch.randn(2, 6, 8, 8)).shape == (2, 4, 4, 4)
    assert not pre.norm.affine
    plain = preprocess(6, 4, site, ConvStyle())
    assert plain(torch.randn(2, 6, 8, 8)).shape == (2, 4, 8, 8)
    assert isinstance(plain.conv, BinaryConv2d)
    assert plain.norm.affine


def test_zero_prints_its_stride():
    assert repr(Zero(2)) == "Zero(stride=2)"
