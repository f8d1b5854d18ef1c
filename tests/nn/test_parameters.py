"""Latent weights that are settled, parameters that do not decay, and pairs of kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.nn import (
    BinaryConv2d,
    RealConv2d,
    Site,
    TreeActivation,
    binary_convolutions,
    kernel_pairs,
    settle_latent_,
    undecayed_parameters,
)
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS
from evobnn.nn.cells.prelu import PReLU

NAMES = list(WEIGHTS_QUANTISERS)


def convolutions():
    """Return a network with one convolution of every quantiser, a real twin, and one that is real on purpose."""
    torch.manual_seed(0)
    binary = [BinaryConv2d(4, 4, 3, scale=name) for name in NAMES]
    return nn.Sequential(*binary, BinaryConv2d(4, 4, 3, scale="bnas", real=True), RealConv2d(4, 4, 3))


def stretched():
    """Return that network with weights of deviation 2, and a copy of them."""
    network = convolutions()
    with torch.no_grad():
        for conv in network:
            conv.weight.copy_(2 * torch.randn_like(conv.weight))
    return network, [conv.weight.detach().clone() for conv in network]


@pytest.mark.parametrize("clip", [0.0, 1.3])
@pytest.mark.parametrize("given", ["network", "list"])
def test_weights_are_settled_as_their_quantiser_says(given, clip):
    network, before = stretched()
    with torch.no_grad():
        settle_latent_(network if given == "network" else binary_convolutions(network), clip)
    for name, conv, raw in zip([*NAMES, "twin", "real"], network, before, strict=True):
        w = raw.numpy().astype(np.float64)
        if name == "bnas":
            expected = np.clip(w - w.mean(1, keepdims=True), -1, 1)
        elif name in NAMES and clip:
            expected = np.clip(w, -clip, clip)
        else:
            expected = w
        np.testing.assert_allclose(conv.weight.detach(), expected, atol=1e-6)
    assert list(network[5].state_dict()) == ["weight", "alpha"]


def test_settling_is_clipping_where_no_quantiser_asks_for_more():
    settled, clipped = (nn.Sequential(BinaryConv2d(4, 4, 3), BinaryConv2d(4, 2, 1, scale="mean")) for _ in range(2))
    clipped.load_state_dict(settled.state_dict())
    with torch.no_grad():
        settle_latent_(settled, 0.2)
        for weight in (conv.weight for conv in clipped):
            weight.clamp_(-0.2, 0.2)
    for ours, theirs in zip(settled.parameters(), clipped.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.abs().max() == np.float32(0.2)


def test_modules_are_found_in_order_in_every_mode():
    network = convolutions()
    assert binary_convolutions(network) == list(network)[:-1]
    assert binary_convolutions(network[0]) == [network[0]]
    assert binary_convolutions(nn.ReLU()) == []


def test_what_does_not_decay():
    site = Site(TreeActivation(("scale", ("x",)), 4), shift=True, channels=4)
    network = nn.Sequential(
        nn.BatchNorm2d(4), site, BinaryConv2d(4, 4, 3, scale="learnable"), PReLU(4), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
    )
    found = {id(parameter) for parameter in undecayed_parameters(network)}
    names = {name for name, parameter in network.named_parameters() if id(parameter) in found}
    assert names == {"1.activation.p_scale", "1.shift.p_shift", "2.alpha", "3.weight"}
    assert len(undecayed_parameters(network)) == len(found) == 4
    assert undecayed_parameters(nn.Sequential(BinaryConv2d(1, 1, 1), nn.BatchNorm2d(1))) == []


def test_kernel_pairs_are_the_latent_weight_and_what_the_forward_pass_sees():
    network = convolutions()
    pairs = kernel_pairs(network)
    assert len(pairs) == len(NAMES)
    for name, conv, (latent, binary) in zip(NAMES, network, pairs, strict=False):
        assert latent is conv.weight
        assert torch.equal(binary, conv.binary_weight())
        assert binary.requires_grad is (name == "learnable")


def test_the_gradient_of_a_kernel_loss_by_hand():
    """Of Σ (w - alpha sign(w))² with alpha = mean|w| it is 2 (w - alpha sign(w)), by finite differences too."""
    conv = BinaryConv2d(2, 1, 1, scale="mean").double()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([0.5, -1.5]).view(1, 2, 1, 1))
    ((latent, binary),) = kernel_pairs(conv)
    assert binary.flatten().tolist() == [1.0, -1.0]
    (latent - binary).square().sum().backward()
    assert conv.weight.grad.flatten().tolist() == [-1.0, -1.0]

    def loss(w):
        return np.square(w - np.abs(w).mean() * np.sign(w)).sum()

    w, checked = np.array([0.5, -1.5]), 0
    for place in np.eye(2):
        slope = (loss(w + 1e-6 * place) - loss(w - 1e-6 * place)) / 2e-6
        assert slope == pytest.approx(float(place @ conv.weight.grad.flatten().numpy()), abs=1e-6)
        checked += 1
    assert checked == 2


def test_a_learned_scale_feels_the_kernel_loss():
    conv = BinaryConv2d(2, 1, 1, scale="learnable", first_scale=0.25)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([0.5, -1.5]).view(1, 2, 1, 1))
    ((latent, binary),) = kernel_pairs(conv)
    (latent - binary).square().sum().backward()
    assert conv.weight.grad.flatten().tolist() == [0.5, -2.5]
    assert conv.alpha.grad.item() == -2 * (0.25 + 1.25)  # -2 Σ sign(w) (w - alpha sign(w))
