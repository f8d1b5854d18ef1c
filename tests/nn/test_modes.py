"""Switching a built network between binary and real, telling it how far its training is, and shifts before signs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.errors import NetworkError
from evobnn.nn import (
    OPS,
    BinaryConv2d,
    CellBlock,
    ConvStyle,
    Head,
    Network,
    Site,
    TreeActivation,
    all_finite,
    anneal,
    expression_parameters,
    features,
    preprocess,
    profile,
    resnet,
    set_modes,
    stem,
    watch,
)
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS

X = ("x",)


def cells(scale="mean", precision="fp32", *, real=False, shift=False, surrogate="clipped_identity"):
    """Return stem 2 -> 6, one cell of width 4 with a convolution and an identity, head 8 -> 3; made for (2, 6, 6)."""
    torch.manual_seed(5)

    def site(channels):
        how = {"real": real, "precision": precision, "shift": shift, "channels": channels, "surrogate": surrogate}
        return Site(TreeActivation(("sin", ("scale", X)), channels), **how)

    conv = ConvStyle("minus_one", scale, real, precision)
    wiring = [(0, 2, OPS["conv3"](4, 1, site, conv)), (2, 3, OPS["identity"](4, 1, site, conv))]
    cell = CellBlock(preprocess(6, 4, site, conv), None, wiring, 2, None, channels=4)
    return Network(stem(2, 6), [cell], Head(8, 3))


def residual(scale="mean", precision="fp32", *, real=False, shift=False):
    """Return two residual blocks, the second a reduction, behind a stem 2 -> 4; made for (2, 6, 6)."""
    torch.manual_seed(6)

    def site(kind):
        how = {"real": real, "precision": precision, "shift": shift}
        return lambda channels: Site(None, channels=channels, **how)

    return resnet(2, 3, 4, ("normal", "reduction"), site, ConvStyle("zero", scale, real, precision))


NETWORKS = {"cells": cells, "resnet": residual}


def images(seed=0):
    return torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(seed))


def outcome(network):
    """Return logits and all gradients of one pass in training mode; statistics of norms are left as they were."""
    network = copy.deepcopy(network).train()
    logits = network(images())
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad for p in network.parameters() if p.grad is not None)]


def same(first, second):
    return len(first) == len(second) > 5 and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("scale", list(WEIGHTS_QUANTISERS))
@pytest.mark.parametrize("name", list(NETWORKS))
def test_there_and_back_nothing_has_changed(name, scale, precision):
    network = NETWORKS[name](scale, precision)
    before, state = outcome(network), copy.deepcopy(network.state_dict())
    identities = [id(tensor) for tensor in (*network.parameters(), *network.buffers())]
    found = []
    for activations, weights in (("real", "binary"), ("binary", "real"), ("real", "real"), ("binary", "binary")):
        set_modes(network, activations, weights)
        found.append(outcome(network))
    assert [same(before, other) for other in found] == [False, False, False, True]
    assert [id(tensor) for tensor in (*network.parameters(), *network.buffers())] == identities
    assert list(network.state_dict()) == list(state)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_both_real_is_the_twin(name, precision):
    twin, switched = (NETWORKS[name](precision=precision, real=real) for real in (True, False))
    set_modes(switched, "real", "real")
    assert same(outcome(twin), outcome(switched))
    assert profile(twin, (2, 6, 6)) == profile(switched, (2, 6, 6))
    set_modes(twin)
    assert same(outcome(twin), outcome(NETWORKS[name](precision=precision)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_each_half_can_be_real_alone(precision):
    site, conv = Site(clip=1.3, precision=precision), BinaryConv2d(2, 3, 3, scale="mean", precision=precision)
    network, x = nn.Sequential(site, conv), 2 * images()
    alpha = conv.weight.abs().mean((1, 2, 3), keepdim=True)
    signs = torch.where(conv.weight >= 0, 1.0, -1.0)
    expected = {
        ("binary", "real"): (torch.where(x >= 0, 1.0, -1.0), conv.weight),
        ("real", "binary"): (x.clamp(-1.3, 1.3), alpha * signs),
    }
    for modes, (inputs, weight) in expected.items():
        set_modes(network, *modes)
        rounded = precision == "bf16" and modes[0] == "real"  # to 8 bits on their way into the convolution
        tolerance = {"rtol": 0.02, "atol": 0.02} if rounded else {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(network(x), F.conv2d(inputs, weight, padding=1), **tolerance)
    assert len(expected) == 2


def test_sites_are_watched_in_every_mode():
    network = cells(shift=True)
    for activations in ("real", "binary"):
        set_modes(network, activations)
        with watch(network):
            network(images())
        assert all_finite(network)
        with watch(network):
            network(images() / 0.0)
        assert not all_finite(network)


def test_modes_have_two_names():
    for wrong in ({"activations": "reel"}, {"weights": "binry"}):
        with pytest.raises(NetworkError, match="Did you mean"):
            set_modes(cells(), **wrong)


def test_annealing_reaches_every_site_and_convolution():
    network = cells("standardised", surrogate="annealed_tanh")
    found = {}
    for progress in (1.0, 0.0, 0.5):
        anneal(network, progress)
        told = [m.progress for m in network.modules() if isinstance(m, (Site, BinaryConv2d))]
        assert told == [progress] * 4
        found[progress] = outcome(network)
    assert same(found[1.0], outcome(cells("standardised", surrogate="annealed_tanh")))  # untold: as at the end
    assert torch.equal(found[0.0][0], found[1.0][0])  # forward it is a sign all along
    assert not same(found[0.0], found[1.0])
    assert not same(found[0.5], found[1.0])
    for wrong in (-0.1, 1.01, float("nan")):
        with pytest.raises(NetworkError, match="progress between 0 and 1"):
            anneal(network, wrong)


def test_annealing_changes_nothing_elsewhere():
    network = cells()
    before = outcome(network)
    anneal(network, 0.2)
    assert same(before, outcome(network))


def test_a_shift_is_added_before_the_expression():
    site = Site(TreeActivation(("square", X), 3), shift=True, channels=3)
    with torch.no_grad():
        for parameter in site.parameters():
            assert parameter.shape == (1, 3, 1, 1)
            assert not parameter.any()
            parameter += torch.tensor([0.0, 0.5, -3.0]).view(1, 3, 1, 1)
    x = torch.full((1, 3, 1, 1), 0.25, requires_grad=True)
    y = site(x)
    y.sum().backward()
    assert y.flatten().tolist() == [1, 1, 1]
    assert x.grad.flatten().tolist() == [0.5, 1.5, 0.0]  # 2 (x + t) inside the clip
    assert next(site.parameters()).grad.flatten().tolist() == [0.5, 1.5, 0.0]
    bare = Site(shift=True, channels=3)
    with torch.no_grad():
        next(bare.parameters()).copy_(torch.tensor([-0.5, -0.25, 0.0]).view(1, 3, 1, 1))
    assert bare(x).flatten().tolist() == [-1, 1, 1]  # sign(-0.0) is +1 too


def test_a_new_shift_changes_no_output_and_is_counted():
    plain, shifted = cells(), cells(shift=True)
    own = {id(p) for p in expression_parameters(shifted)}
    offsets = {name: p for name, p in shifted.named_parameters() if ".shift." in name}
    assert [p.numel() for p in offsets.values()] == [6, 4]  # preprocessing and convolution
    assert {id(p) for p in offsets.values()} <= own
    assert sorted(set(shifted.state_dict()) - set(plain.state_dict())) == sorted(offsets)
    shifted.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(plain(images()), shifted(images()))
    before, after = (profile(network, (2, 6, 6)) for network in (plain, shifted))
    assert after.bits - before.bits == 32 * 10
    assert after.parameters - before.parameters == 10
    assert after.other - before.other == 36 * 10
    assert after.ops == before.ops


def test_a_shift_needs_its_channels():
    with pytest.raises(NetworkError, match="channels of a shift"):
        Site(shift=True)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_features_are_what_the_last_linear_layer_is_handed(name):
    network = NETWORKS[name]().eval()
    seen, logits = features(network, images())
    assert torch.equal(logits, network(images()))
    assert seen.shape == (8, 8)
    assert torch.equal(network.head.linear(seen), logits)
    seen.sum().backward()
    assert sum(p.grad is not None and bool(p.grad.any()) for p in network.parameters()) > 3
    assert network.head.linear.weight.grad is None
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in network.modules())


def test_features_leave_no_hook_behind_a_failure():
    network = cells()
    with pytest.raises(RuntimeError):
        features(network, torch.zeros(8, 5, 6, 6))
    assert not any(m._forward_pre_hooks for m in network.modules())
    with pytest.raises(NetworkError, match="linear layer, got Sequential"):
        features(nn.Sequential(nn.ReLU()), images())
