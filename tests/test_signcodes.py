"""Sign codes: closed forms, an independent version in NumPy, and what the numbers may not depend on."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from evobnn.errors import ExperimentError
from evobnn.evaluation import signcodes
from evobnn.evaluation.signcodes import (
    SIGNLESS,
    SignCodes,
    codes_of,
    drawn,
    entropy,
    read_sites,
    scores,
    sign_codes,
    some_images,
)
from evobnn.nn import ConvStyle, Site, TreeActivation, binary_layer, fuse

CELLS = (
    "normal[2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)] "
    "reduction[2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)]"
)


def site(*tree: Any) -> Site:
    return Site(TreeActivation(tree, 1) if tree else None)


def images(*values: float) -> Tensor:
    """Return images of a single pixel."""
    return torch.tensor(values).view(-1, 1, 1, 1)


# --- Closed forms ---------------------------------------------------------------------------------------------------


def test_entropy() -> None:
    assert [entropy(p) for p in (0.0, 1.0, 0.5)] == [0.0, 0.0, 1.0]
    assert entropy(0.25) == entropy(0.75) == pytest.approx(2.0 - 0.75 * math.log2(3))


def test_a_constant_sign_has_no_balance_and_is_stable() -> None:
    clean, noisy = images(-2.0, -1.0, 1.0, 2.0), images(2.0, 1.0, -1.0, -2.0)
    assert codes_of(site("square", ("x",)), clean, noisy) == (0.0, 1.0)


def test_a_plain_sign() -> None:
    assert codes_of(site(), images(-2.0, -1.0, 0.0, 2.0), images(-2.0, 1.0, 0.0, 2.0)) == (1.0, 0.75)
    assert codes_of(site(), images(-2.0, -1.0, -3.0, 2.0), images(2.0, 1.0, 3.0, -2.0)) == (entropy(0.25), 0.0)


def test_a_real_site_has_the_bits_of_the_binary_one() -> None:
    clean, noisy = images(-2.0, 0.0, -0.5, 3.0), images(-2.0, 0.0, 0.5, 3.0)
    assert codes_of(Site(real=True), clean, noisy) == codes_of(site(), clean, noisy) == (1.0, 0.75)


def test_balance_is_that_of_the_images_and_not_of_their_noisy_copies() -> None:
    assert codes_of(site(), images(-1.0, 1.0), images(1.0, 1.0)) == (1.0, 0.5)


def test_balance_is_that_of_all_bits_of_a_site() -> None:
    halves = torch.tensor([[-1.0, 1.0]] * 4).view(4, 1, 1, 2)  # each position constant, both together even
    assert codes_of(site(), halves, halves) == (1.0, 1.0)


def test_sites_count_alike_however_large_they_are() -> None:
    narrow = nn.Sequential(site(), nn.AvgPool2d(2), site("square", ("x",)))
    clean = torch.tensor([-1.0, 1.0, -1.0, 1.0]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    noisy = -clean
    assert codes_of(narrow, clean, noisy) == (0.5, 0.5)


def test_a_network_without_sites() -> None:
    assert codes_of(nn.Identity(), images(1.0, 2.0), images(1.0, 2.0)) == SIGNLESS == (0.0, 1.0)


def test_scores_are_sums_of_mean_ranks() -> None:
    found = [SignCodes(0.9, 0.5), SignCodes(0.9, 0.7), SignCodes(0.1, 0.6), SignCodes(0.5, -math.inf)]
    expected = sum(rankdata(values) for values in zip(*found, strict=True))
    assert scores(found).tolist() == expected.tolist() == [5.5, 7.5, 4.0, 3.0]


# --- An independent version -----------------------------------------------------------------------------------------


def numpy_codes(layers: list[tuple[np.ndarray, int]], clean: np.ndarray, noisy: np.ndarray) -> tuple[float, float]:
    """Return the codes of layers of BatchNorm -> sign -> convolution with these ±1 weights, zero padding -> ReLU."""
    x, n = np.concatenate([clean, noisy]).astype(np.float64), len(clean)
    balance, stability = [], []
    for weight, border in layers:
        mean, spread = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        signs = np.where((x - mean) / np.sqrt(spread + 1e-5) >= 0, 1.0, -1.0)
        p = (signs[:n] > 0).mean()
        balance.append(-p * np.log2(p) - (1 - p) * np.log2(1 - p))
        stability.append((signs[:n] == signs[n:]).mean())
        padded = np.pad(signs, ((0, 0), (0, 0), (border, border), (border, border)))
        size, (h, w) = weight.shape[2], x.shape[2:]
        windows = [padded[:, :, i : i + h, j : j + w] for i in range(size) for j in range(size)]
        sums = sum(
            np.einsum("nchw,oc->nohw", part, weight[:, :, k // size, k % size]) for k, part in enumerate(windows)
        )
        x = np.maximum(sums, 0.0)
    return float(np.mean(balance)), float(np.mean(stability))


def test_numpy_finds_the_same() -> None:
    torch.manual_seed(3)
    made = [binary_layer(2, 3, 3, lambda n: Site(), ConvStyle()), binary_layer(3, 4, 1, lambda n: Site(), ConvStyle()),
            binary_layer(4, 2, 3, lambda n: Site(), ConvStyle())]  # fmt: skip
    clean = torch.randn(6, 2, 5, 5)
    noisy = clean + 0.3 * torch.randn(6, 2, 5, 5)
    weights = [(np.where(one.conv.weight.detach().numpy() >= 0, 1.0, -1.0), one.conv.border) for one in made]
    expected = numpy_codes(weights, clean.numpy(), noisy.numpy())
    assert codes_of(nn.Sequential(*made), clean, noisy) == pytest.approx(expected, abs=1e-12)
    assert all(0.2 < one < 0.9999 for one in expected)


# --- A genome on its bench ------------------------------------------------------------------------------------------


def test_the_fast_path_has_the_same_codes_and_stays_as_it_was(tiny_bench: Any) -> None:
    genome = tiny_bench.space.parse(f"{CELLS} @normal = mul(sin(x), x) @reduction = shift(x)")
    network = drawn(tiny_bench, genome, 5).eval()
    clean, noisy = some_images(tiny_bench, 5), some_images(tiny_bench, 6)
    readable = codes_of(network, clean, noisy)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fuse(network)
    assert codes_of(network, clean, noisy) == readable
    assert (network.training, network.quick is not None) == (False, True)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_every_live_site_is_read_once(tiny_bench: Any) -> None:
    network = drawn(tiny_bench, tiny_bench.space.parse(f"{CELLS} @normal = x @reduction = x"), 5)
    shapes: list[tuple[int, ...]] = []
    read_sites(network, some_images(tiny_bench, 5, 10), lambda bits: shapes.append(tuple(bits.shape)))
    assert len(shapes) == sum(isinstance(module, Site) for module in network.modules()) > 4
    assert {shape[0] for shape in shapes} == {10}


def test_what_the_codes_depend_on(tiny_bench: Any) -> None:
    genome = tiny_bench.space.parse(f"{CELLS} @normal = mul(sin(x), cos(x)) @reduction = x")
    same = tiny_bench.space.parse(f"{CELLS} @normal = mul(cos(x), sin(x)) @reduction = x")
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    found = sign_codes(tiny_bench, genome, 7)
    assert sign_codes(replace(tiny_bench), same, 7) == found
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numbers)  # type: ignore[arg-type]
    assert all(0.0 < one < 1.0 for one in found)
    other = sign_codes(tiny_bench, genome, 8)
    assert other.balance != found.balance and other.stability != found.stability
    assert sign_codes(tiny_bench, genome, 7, noise=0.0).stability == 1.0
    assert sign_codes(tiny_bench, genome, 7, noise=0.5).stability < found.stability
    assert sign_codes(tiny_bench, genome, 7, images=1000) == sign_codes(tiny_bench, genome, 7, images=100)
    with pytest.raises(ExperimentError, match="images to be a whole number of at least 2, got 1"):
        sign_codes(tiny_bench, genome, 7, images=1)


def test_a_seed_decides_weights_images_and_noise(tiny_bench: Any) -> None:
    genome = tiny_bench.anchors()[1]
    one, same, other = (drawn(tiny_bench, genome, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["head.linear.weight"], other["head.linear.weight"])
    assert not torch.equal(some_images(tiny_bench, 1), some_images(tiny_bench, 2))


def test_images_are_different_ones_of_the_training_part(tiny_bench: Any) -> None:
    found = some_images(tiny_bench, 7, 1000)
    assert found.shape == (100, 1, 8, 8)
    assert (float(found.mean()), float(found.std(correction=0))) == (pytest.approx(0, abs=1e-5), pytest.approx(1))
    fewer = some_images(tiny_bench, 7)
    assert len(torch.unique(fewer.flatten(1), dim=0)) == 64
    assert torch.equal(fewer, found[:64])


def test_the_examples_run(cache: Any) -> None:
    assert doctest.testmod(signcodes) == (0, 7)
