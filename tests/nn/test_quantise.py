"""Binary weights and their gradients against formulas in double precision, by hand, and in bfloat16 convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.errors import NetworkError
from evobnn.nn import BinaryConv2d, ConvStyle, Site, anneal, binary_weight, profile, settle_latent_, sign
from evobnn.nn.binary.layers import binary_conv
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS, centre_and_clamp_
from evobnn.spaces.template import SCALES

NAMES = list(WEIGHTS_QUANTISERS)
FILTERS = (1, 2, 3)
"""Dimensions of a filter."""


def np_sign(w):
    return np.where(w >= 0, 1.0, -1.0)


def np_mean(values):
    return values.mean(FILTERS, keepdims=True)


def np_through_the_mean(w, g):
    n = w[0].size
    total = (np_sign(w) * g).sum(FILTERS, keepdims=True)
    return np_mean(np.abs(w)) * g * (np.abs(w) <= 1) + np_sign(w) / n * total


def np_standardised(w, g, t):
    n = w[0].size
    deviation = w.std(FILTERS, ddof=1, keepdims=True)
    v = (w - np_mean(w)) / deviation
    s = 2.0 ** np.round(np.log2(np_mean(np.abs(v))))
    gv = s * g * max(1 / t, 1) * t * (1 - np.tanh(t * v) ** 2)
    gw = (gv - np_mean(gv) - v * (gv * v).sum(FILTERS, keepdims=True) / (n - 1)) / deviation
    return s * np_sign(v), gw


def expected(name, w, g, alpha, progress):
    """Return (w_b, gw) in double precision."""
    mean = np_mean(np.abs(w))
    return {
        "none": lambda: (np_sign(w), g),
        "mean": lambda: (mean * np_sign(w), mean * g),
        "xnor": lambda: (mean * np_sign(w), np_through_the_mean(w, g)),
        "bnas": lambda: (mean * np_sign(w), np_through_the_mean(w, g) * (1 - 1 / w.shape[1]) * w[0].size),
        "standardised": lambda: np_standardised(w, g, 10.0 ** (4 * progress - 3)),
        "learnable": lambda: (alpha * np_sign(w), alpha * g),
    }[name]()


def planted(shape=(5, 4, 3, 3), seed=0):
    """Return weights and a gradient, float64; among the weights are zeros of both signs, ±1, and some beyond."""
    rng = np.random.default_rng(seed)
    w, g = rng.normal(0, 0.4, shape), rng.normal(0, 1, shape)
    w[0].flat[:8] = [0.0, -0.0, 1.0, -1.0, 1.7, -2.0, 1e-310, -1e-310]
    w[1] *= 0.01
    w[2].flat[0] = 30.0  # in this filter the standardised scale is not 1
    return w, g


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_every_quantiser_follows_its_formulas(name, progress):
    w, g = planted()
    alpha = np.linspace(-0.5, 2, len(w)).reshape(-1, 1, 1, 1)
    value, gradient = expected(name, w, g, alpha, progress)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        own = torch.tensor(w, dtype=dtype, requires_grad=True)
        scales = torch.tensor(alpha, dtype=dtype, requires_grad=True)
        out = binary_weight(own, name, scales, progress)
        out.backward(torch.tensor(g, dtype=dtype))
        assert (out.dtype, out.shape) == (dtype, own.shape)
        where = slice(None) if dtype == torch.float64 else slice(1, None)  # 1e-310 is 0 in float32
        np.testing.assert_allclose(out.detach()[where], value[where], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(
            own.grad[where], gradient[where], rtol=tolerance, atol=tolerance * np.abs(gradient).max()
        )
        if name == "learnable":
            galpha = (np_sign(w) * g).sum(FILTERS, keepdims=True)
            np.testing.assert_allclose(scales.grad[where], galpha[where], rtol=tolerance, atol=1e-5)
        else:
            assert scales.grad is None


def test_the_gradient_of_bnas_by_hand():
    """Two filters of two weights: n = 2, C = 2, so (1 - 1/C) n = 1."""
    w = torch.tensor([[0.5, -0.25], [-1.0, 0.5]]).view(2, 2, 1, 1).requires_grad_()
    out = binary_weight(w, "bnas")
    assert out.flatten().tolist() == [0.375, -0.375, -0.75, 0.75]
    out.backward(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 2, 1, 1))
    # filter 0: alpha 3/8, (1/n) Σ sign(w) g = (1 - 2) / 2 = -1/2; filter 1: alpha 3/4, (4 - 3) / 2 = 1/2
    assert w.grad.flatten().tolist() == [0.375 - 0.5, 0.75 + 0.5, 2.25 - 0.5, 3.0 + 0.5]


def test_bnas_is_xnor_times_what_the_number_of_weights_says():
    w, g = (torch.tensor(values) for values in planted((3, 4, 3, 3)))
    grads = []
    for name in ("bnas", "xnor"):
        own = w.clone().requires_grad_()
        binary_weight(own, name).backward(g)
        grads.append(own.grad)
    torch.testing.assert_close(grads[0], grads[1] * (1 - 1 / 4) * 36)


@pytest.mark.parametrize("name", ["xnor", "standardised"])
def test_gradients_agree_with_pytorchs_of_a_smooth_stand_in(name):
    """The stand-in has the value of the formula, and the slope that the formula wants, by its own derivative."""
    w, g = (torch.tensor(values) for values in planted((3, 4, 3, 3), seed=4))
    w[w == 0] = 0.1  # PyTorch's |w| has no slope at 0
    ours, theirs = w.clone().requires_grad_(), w.clone().requires_grad_()
    binary_weight(ours, name, None, 1.0).backward(g)
    v, scale = theirs, theirs.abs().mean(FILTERS, keepdim=True)
    smooth = F.hardtanh(v, -1.0 - 1e-12, 1.0 + 1e-12)
    if name == "standardised":
        v = theirs - theirs.mean(FILTERS, keepdim=True)
        v = v / (v.square().sum(FILTERS, keepdim=True) / 35).sqrt()
        scale = torch.exp2(v.detach().abs().mean(FILTERS, keepdim=True).log2().round())
        smooth = torch.tanh(10.0 * v)
    value = np.abs(scale.detach().numpy()) * np_sign(v.detach().numpy())
    (scale * (smooth + (torch.tensor(np_sign(v.detach().numpy())) - smooth).detach())).backward(g)
    assert binary_weight(w, name).allclose(torch.tensor(value))
    assert theirs.grad.abs().max() > 0.1
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_filters_have_two_values_of_one_magnitude(name):
    w = torch.tensor(planted((6, 3, 5, 5))[0], dtype=torch.float32)
    alpha = torch.linspace(0.5, 2, 6).view(6, 1, 1, 1)
    filters = 0
    for values in binary_weight(w, name, alpha):
        low, high = values.unique().tolist()
        assert low == -high < 0
        filters += 1
    assert filters == 6
    if name == "none":
        assert binary_weight(w, name).unique().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("constant", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_give_numbers_all_the_same(name, constant):
    w = torch.full((2, 3, 3, 3), constant, requires_grad=True)
    out = binary_weight(w, name, torch.ones(2, 1, 1, 1))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(w.grad).all()
    wanted = {"none": 1.0, "learnable": 1.0, "standardised": 0.0}
    if name != "standardised" or constant == 0.0:
        assert out.unique().tolist() == pytest.approx([wanted.get(name, constant)])


def test_standardised_scales_are_powers_of_two():
    w = torch.randn(400, 2, 3, 3, generator=torch.Generator().manual_seed(0)).pow(7)
    scales = binary_weight(w, "standardised").abs().amax(FILTERS)
    mantissas, exponents = torch.frexp(scales)
    assert mantissas.unique().tolist() == [0.5]
    assert len(exponents.unique()) > 1


def test_names_are_those_that_a_template_takes():
    assert tuple(WEIGHTS_QUANTISERS) == SCALES
    assert {ConvStyle(scale=name).scale for name in NAMES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_that_a_quantiser_cannot_work_with(name):
    if name == "bnas":
        with pytest.raises(NetworkError, match="2 input channels .* 'bnas', got 1 x 3 x 3"):
            BinaryConv2d(4, 4, 3, groups=4, scale=name)
    else:
        BinaryConv2d(4, 4, 3, groups=4, scale=name)
    if name in ("bnas", "standardised"):
        with pytest.raises(NetworkError, match="per filter"):
            BinaryConv2d(1, 4, 1, scale=name)
    else:
        BinaryConv2d(1, 4, 1, scale=name)
    with pytest.raises(NetworkError, match="Did you mean 'standardised'"):
        BinaryConv2d(1, 4, 1, scale="standardized")


def test_bnas_weights_are_centred_and_clamped_when_they_are_drawn():
    torch.manual_seed(0)
    conv = BinaryConv2d(2, 40, 1, scale="bnas")  # deviation 1: some are clamped
    state = torch.get_rng_state()
    torch.manual_seed(0)
    plain = BinaryConv2d(2, 40, 1)
    assert torch.equal(state, torch.get_rng_state())  # what is drawn next does not depend on the quantiser
    raw = plain.weight.detach()
    assert torch.equal(conv.weight, (raw - raw.mean(1, keepdim=True)).clamp(-1, 1))
    assert conv.weight.abs().max() == 1
    w = torch.tensor([3.0, 1.0, -0.5, 0.5]).view(2, 2, 1, 1)
    centre_and_clamp_(w)
    assert w.flatten().tolist() == [1.0, -1.0, -0.5, 0.5]


def test_learned_scales_begin_at_the_mean_or_where_they_are_told():
    conv = BinaryConv2d(3, 5, 3, scale="learnable")
    assert conv.alpha.shape == (5, 1, 1, 1)
    torch.testing.assert_close(conv.alpha, conv.weight.abs().mean(FILTERS, keepdim=True))
    told = binary_conv(3, 5, 3, ConvStyle(scale="learnable", first_scale=1.0))
    assert told.alpha.unique().tolist() == [1.0]
    assert sorted(told.state_dict()) == ["alpha", "weight"]
    for name in NAMES[:-1]:
        assert list(BinaryConv2d(3, 5, 3, scale=name).state_dict()) == ["weight"]


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_short_convolutions_multiply_exact_sums_by_scales(name, groups, rectify):
    """In bf16 sums of signs are exact here, so outputs are those of 32 bit; gradients are rounded to 8 bits."""
    torch.manual_seed(3)
    how = {"groups": groups, "padding": "minus_one", "scale": name, "rectify": rectify}
    short, full = (BinaryConv2d(8, 6, 3, precision=precision, **how) for precision in ("bf16", "fp32"))
    full.load_state_dict(short.state_dict())
    for conv in (short, full):
        conv.progress = 0.7
        if name == "learnable":
            with torch.no_grad():
                conv.alpha[0] *= -1
    x = sign(torch.randn(4, 8, 6, 6))
    incoming = torch.randn(4, 6, 6, 6)
    found = []
    for conv in (short, full):
        own = x.clone().requires_grad_()
        out = conv(own)
        if rectify:  # a sum of ±alpha in 32 bit is not quite 0 where that of ±1 is
            out = out * (out > 1e-5)
        out.backward(incoming)
        found.append((out, own.grad, conv.weight.grad, *([conv.alpha.grad] if name == "learnable" else [])))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    assert len(found[0]) == 3 + (name == "learnable")
    for ours, theirs in zip(found[0][1:], found[1][1:], strict=True):
        assert ours.dtype == torch.float32
        assert theirs.any()
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()
        assert F.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.9998


@pytest.mark.parametrize("name", NAMES)
def test_all_but_plain_signs_store_a_number_per_filter(name):
    cost = profile(BinaryConv2d(4, 6, 3, scale=name), (4, 5, 5))
    assert cost.bits == 6 * 4 * 9 + 32 * (0 if name == "none" else 6)
    assert cost.parameters == 6 * 4 * 9 + (6 if name == "learnable" else 0)
    twin = profile(BinaryConv2d(4, 6, 3, scale=name, real=True), (4, 5, 5))
    assert (twin.bits, twin.binary_macs) == (32 * 6 * 4 * 9, 0)
    assert twin.real_macs == cost.binary_macs


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_every_quantiser_learns(name, precision):
    """A network learns the parity of three signs: not linear in the input, so both convolutions have to take part."""
    torch.manual_seed(0)
    conv = {"padding": "minus_one", "scale": name, "precision": precision}
    net = nn.Sequential(
        *(nn.BatchNorm2d(4), Site(precision=precision), BinaryConv2d(4, 32, 1, **conv)),
        *(nn.BatchNorm2d(32), Site(precision=precision), BinaryConv2d(32, 8, 1, **conv)),
        *(nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2)),
    )
    x = torch.randn(256, 4, 1, 1)
    labels = (x[:, :3].sign().prod(1).flatten() > 0).long()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    first = last = float("nan")
    for step in range(150):
        anneal(net, step / 150)
        loss = F.cross_entropy(net(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            settle_latent_(net, 1.3)
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert first > 0.6
    assert last < 0.45
