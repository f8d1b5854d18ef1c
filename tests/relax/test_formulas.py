"""Each formula against an independent computation in NumPy on numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evobnn.nn import WEIGHTS_QUANTISERS
from evobnn.relax import formulas

ALPHAS = np.array([[0.0, 1.0, -2.0], [0.5, 0.5, 0.5], [3.0, 0.0, 0.1]])


def softmax(rows: np.ndarray) -> np.ndarray:
    return np.exp(rows) / np.exp(rows).sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.2])
def test_shares_are_a_softmax_sharpened_by_the_temperature(temperature: float) -> None:
    found = formulas.softened(torch.tensor(ALPHAS), temperature).numpy()
    np.testing.assert_allclose(found, softmax(ALPHAS / temperature), rtol=1e-12)


def test_a_low_temperature_sharpens() -> None:
    shares = [formulas.softened(torch.tensor(ALPHAS), t)[0].max().item() for t in (1.0, 0.5, 0.2)]
    assert shares == sorted(shares) and shares[0] < shares[2]


def test_entropy_is_that_of_the_shares() -> None:
    shares = softmax(ALPHAS)
    wanted = -(shares * np.log(shares)).sum(1)
    np.testing.assert_allclose(formulas.entropies(torch.tensor(ALPHAS)).numpy(), wanted, rtol=1e-12)
    assert wanted[1] == pytest.approx(np.log(3))


def test_the_mean_entropy_is_over_edges_of_both_kinds_and_as_released_knows_one_of_the_reduction() -> None:
    tables = {"normal": torch.tensor(ALPHAS), "reduction": torch.tensor(ALPHAS[:, ::-1].copy() * 2.0)}
    own = [-(s * np.log(s)).sum(1) for s in (softmax(ALPHAS), softmax(ALPHAS * 2.0))]
    assert formulas.mean_entropy(tables).item() == pytest.approx(np.concatenate(own).mean())
    wanted = (own[0].sum() + 3 * own[1][-1]) / 6
    assert formulas.mean_entropy(tables, as_released=True).item() == pytest.approx(wanted)
    assert abs(wanted - np.concatenate(own).mean()) > 0.01


def test_as_released_no_edge_of_the_reduction_but_the_last_is_regularised() -> None:
    tables = {kind: torch.tensor(ALPHAS, requires_grad=True) for kind in ("normal", "reduction")}
    formulas.mean_entropy(tables, as_released=True).backward()
    assert tables["normal"].grad[0].abs().max() > 0
    assert tables["reduction"].grad[:-1].abs().max() == 0 and tables["reduction"].grad[-1].abs().max() > 0


def test_the_reward_of_entropy_fades() -> None:
    assert formulas.fading(0, 7.7) == 1.0
    assert formulas.fading(10, 7.7) == pytest.approx(np.exp(-10 / 7.7))


def test_gamma_divides_zeroise_and_as_released_the_first_edge() -> None:
    shares, names = softmax(ALPHAS), ("conv3", "zero", "max3")
    np.testing.assert_allclose(formulas.divided(shares, names, 3.0), shares * np.array([1.0, 1 / 3, 1.0]))
    np.testing.assert_allclose(
        formulas.divided(shares, names, 3.0, as_released=True), shares * np.array([[1 / 3], [1.0], [1.0]])
    )
    np.testing.assert_array_equal(formulas.divided(shares, ("a", "b", "c"), 3.0), shares)
    np.testing.assert_array_equal(shares, softmax(ALPHAS))


def test_rates() -> None:
    assert formulas.cosine_rate(0, 50, 0.025, 0.001) == pytest.approx(0.025)
    assert formulas.cosine_rate(25, 50, 0.025, 0.001) == pytest.approx(0.013)
    assert formulas.cosine_rate(50, 50, 0.025, 0.001) == pytest.approx(0.001)
    assert formulas.alpha_rate(5.865, 50 * 391) == pytest.approx(3e-4)


def test_a_temperature_falls_in_equal_ratios_or_stays() -> None:
    found = [formulas.temperature_at(epoch, 3, 1.0, 0.25) for epoch in range(3)]
    assert found == pytest.approx([1.0, 0.5, 0.25])
    assert {formulas.temperature_at(epoch, 3, 0.5, 0.5) for epoch in range(3)} == {0.5}
    assert formulas.temperature_at(0, 1, 0.5, 0.1) == 0.5


@pytest.mark.parametrize(("beta", "wanted"), [(0.0, 0.4), (1.0, 0.7), (2.0, 1.0), (0.5, 0.55)])
def test_the_indicator(beta: float, wanted: float) -> None:
    assert formulas.indicator(0.4, 0.7, beta) == pytest.approx(wanted)


def test_with_a_beta_of_two_the_bad_child_of_equal_parents_is_rewarded() -> None:
    assert formulas.indicator(0.3, 0.7, 2.0) > formulas.indicator(0.5, 0.7, 2.0)
    assert formulas.indicator(0.3, 0.7, 0.0) < formulas.indicator(0.5, 0.7, 0.0)


def test_the_least_is_dropped_the_first_of_equal_ones() -> None:
    for means in ([0.5, 0.2, 0.9], [1.0, -1.0, 0.0], [0.2, 0.1, 0.1]):
        shares = np.exp(means) / np.exp(means).sum()
        assert formulas.dropped(means) == int(np.flatnonzero(shares == shares.min())[0]) == 1


def test_the_gradient_of_bnas_is_rescaled() -> None:
    rng = np.random.default_rng(3)
    w, g = rng.uniform(-0.9, 0.9, (2, 4, 3, 3)), rng.normal(size=(2, 4, 3, 3))
    latent = torch.tensor(w, requires_grad=True)
    signs, alpha = WEIGHTS_QUANTISERS["bnas"].parts(latent, 1.0)
    assert alpha is not None
    (signs * alpha).backward(torch.tensor(g))
    n = 4 * 3 * 3
    wanted = np.empty_like(w)
    for at in range(2):
        magnitude = np.abs(w[at]).mean()
        inner = (np.sign(w[at]) * g[at]).sum() / n
        wanted[at] = (magnitude * g[at] * (np.abs(w[at]) <= 1) + np.sign(w[at]) * inner) * (1 - 1 / 4) * n
    np.testing.assert_allclose(latent.grad.numpy(), wanted, rtol=1e-9)
