"""The binary convolution against F.conv2d on signed tensors, and sites that binarise and watch."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from evobnn.errors import NetworkError
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle, batch_norm
from evobnn.nn.binary.site import Site, all_finite, watch


class SeenByConv(TorchFunctionMode):
    """Keeps the distinct values of what every F.conv2d is called with, and its padding."""

    def __init__(self):
        super().__init__()
        self.inputs, self.weights, self.paddings = [], [], []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.conv2d:
            self.inputs.append(args[0].unique().tolist())
            self.weights.append(args[1].unique().tolist())
            self.paddings.append(args[4])
        return func(*args, **(kwargs or {}))


def plus_minus(*shape):
    return torch.where(torch.rand(shape) < 0.5, -1.0, 1.0)


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize("scale", ["none", "mean"])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_binary_conv_is_a_conv_of_signed_tensors(padding, scale, kernel, dilation, groups, stride):
    torch.manual_seed(0)
    conv = BinaryConv2d(4, 6, kernel, stride=stride, dilation=dilation, groups=groups, padding=padding, scale=scale)
    x = plus_minus(2, 4, 7, 8)
    border = dilation * (kernel - 1) // 2
    weight = torch.where(conv.weight >= 0, 1.0, -1.0)
    if scale == "mean":
        weight = weight * conv.weight.abs().mean((1, 2, 3), keepdim=True)
    padded = F.pad(x, (border,) * 4, value=0.0 if padding == "zero" else -1.0)
    expected = F.conv2d(padded, weight, None, stride, 0, dilation, groups)
    with SeenByConv() as seen:
        y = conv(x)
    assert y.shape == (2, 6, -(-7 // stride), -(-8 // stride))
    torch.testing.assert_close(y, expected)
    assert seen.inputs == [[-1.0, 1.0]]
    if padding == "minus_one":
        assert seen.paddings == [0]  # so no third value comes in behind our back
    if scale == "none":
        assert seen.weights == [[-1.0, 1.0]]


def test_gradient_reaches_the_latent_weight_and_the_input():
    conv = BinaryConv2d(3, 3, 3, padding="minus_one")
    x = plus_minus(2, 3, 4, 4).requires_grad_()
    conv(x).sum().backward()
    assert conv.weight.grad.abs().sum() > 0
    assert x.grad.abs().sum() > 0


def test_real_twin_uses_the_latent_weight_itself():
    conv = BinaryConv2d(3, 5, 3, scale="mean", real=True)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, padding=1))
    assert "real" in repr(conv)


def test_latent_weights_are_kaiming_normal():
    torch.manual_seed(0)
    weight = BinaryConv2d(64, 128, 3).weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kernel": 2}, "odd kernel"),
        ({"groups": 3}, "groups divide"),
        ({"padding": "minusone"}, "minus_one"),
        ({"scale": "means"}, "mean"),
        ({"stride": 0}, "stride"),
    ],
)
def test_what_cannot_be_built_says_why(change, match):
    arguments = {"in_channels": 4, "out_channels": 4, "kernel": 3} | change
    with pytest.raises(NetworkError, match=match):
        BinaryConv2d(**arguments)


def test_conv_style_checks_its_names():
    assert ConvStyle() == ConvStyle("zero", "none", False)
    with pytest.raises(NetworkError, match="minus_one"):
        ConvStyle(padding="minus")


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


def test_site_is_sign_of_activation_with_the_chain_rule():
    x = torch.tensor([0.4, -0.4, 0.6, -0.0, 0.5], requires_grad=True)
    y = Site(Double(), clip=1.0)(x)
    y.sum().backward()
    assert y.tolist() == [1, -1, 1, 1, 1]
    assert x.grad.tolist() == [2, 2, 0, 2, 0]  # 1[|2x| < 1] * 2
    bare = torch.tensor([0.5], requires_grad=True)
    Site(surrogate="approxsign")(bare).backward()
    assert bare.grad.item() == 1.0  # 2 - 2 * 0.5


def test_real_site_is_hardtanh():
    x = torch.tensor([0.2, -3.0, 3.0])
    torch.testing.assert_close(Site(Double(), clip=1.3, real=True)(x), torch.tensor([0.4, -1.3, 1.3]))


def test_site_refuses_what_makes_no_sense():
    with pytest.raises(NetworkError, match="approxsign"):
        Site(surrogate="aproxsign")
    with pytest.raises(NetworkError, match="clip"):
        Site(clip=0.0)


def test_watching_sees_what_signs_hide():
    net = nn.Sequential(Site(), nn.Identity(), Site(Double()))
    bad = torch.tensor([1.0, float("nan")])
    assert net(bad).abs().tolist() == [1, 1]
    assert all_finite(net)  # nobody watched
    with watch(net):
        net(torch.ones(2))
        assert all_finite(net)
        net(bad)
        net(torch.ones(2))
    assert not all_finite(net)  # what was seen stays
    assert not net[0].watching
    with watch(net):
        net(torch.ones(2))
    assert all_finite(net)  # a new block forgets


def test_batch_norm_equals_pytorchs():
    ours, theirs = batch_norm(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)
    assert not list(batch_norm(3, affine=False).parameters())
    ours.load_state_dict(ours.state_dict())


def test_batch_norm_is_loaded_from_a_plain_dict_too():
    ours, other = batch_norm(3), batch_norm(3)
    ours(torch.randn(4, 3, 5, 5))
    other.load_state_dict(dict(ours.state_dict()))  # as safetensors hands it over, without torch's metadata
    assert torch.equal(ours.running_mean, other.running_mean)
    nn.Sequential(other).load_state_dict({f"0.{name}": tensor for name, tensor in ours.state_dict().items()})
    assert sorted(ours.state_dict()) == ["bias", "running_mean", "running_var", "weight"]


@pytest.mark.parametrize("real", [False, True])
def test_rectify_is_a_relu_with_its_gradient(real):
    torch.manual_seed(0)
    plain = BinaryConv2d(3, 5, 3, padding="minus_one", scale="mean", real=real)
    rectified = BinaryConv2d(3, 5, 3, padding="minus_one", scale="mean", real=real, rectify=True)
    rectified.load_state_dict(plain.state_dict())
    x, y = plus_minus(2, 3, 6, 6).requires_grad_(), None
    grads = []
    for conv, after in ((plain, torch.relu), (rectified, lambda out: out)):
        y = after(conv(x))
        grads.append(torch.autograd.grad(y.square().sum(), (x, conv.weight)))
        assert y.min() == 0 < y.max()
    assert torch.equal(torch.relu(plain(x)), rectified(x))
    assert len(grads) == 2
    torch.testing.assert_close(*grads)
    assert "relu" in repr(rectified)
    assert "relu" not in repr(plain)
