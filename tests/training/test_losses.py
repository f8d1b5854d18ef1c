"""Losses against NumPy in double precision, and the kernel loss on an example done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evobnn.nn import BinaryConv2d, kernel_pairs
from evobnn.training import centre_loss, cross_entropy, distillation, kernel_reconstruction

Array = NDArray[np.float64]


def softmax(x: Array) -> Array:
    shifted = np.exp(x - x.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def tensors(*arrays: Array) -> list[torch.Tensor]:
    return [torch.from_numpy(a).float().requires_grad_() for a in arrays]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_labels_and_of_shares(rng: np.random.Generator, smoothing: float) -> None:
    logits, labels = rng.normal(size=(5, 4)) * 3, rng.integers(4, size=5)
    one_hot = np.eye(4)[labels]
    shares = 0.7 * one_hot + 0.3 * one_hot[::-1]
    log_q = np.log(softmax(logits))
    looked = 0
    for given, q in ((torch.from_numpy(labels), one_hot), (torch.from_numpy(shares).float(), shares)):
        smooth = (1 - smoothing) * q + smoothing / 4
        expected = -(smooth * log_q).sum(1).mean()
        found = cross_entropy(torch.from_numpy(logits).float(), given, smoothing)
        assert float(found) == pytest.approx(expected, rel=1e-5)
        looked += 1
    assert looked == 2


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_and_its_gradient(rng: np.random.Generator, temperature: float) -> None:
    a, b = rng.normal(size=(2, 6, 3)) * 2
    p, q = softmax(b / temperature), softmax(a / temperature)
    student, teacher = tensors(a, b)
    found = distillation(student, teacher, temperature)
    assert found.item() == pytest.approx(temperature**2 * (p * np.log(p / q)).sum(1).mean(), rel=1e-5)
    found.backward()
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), temperature * (q - p) / 6, rtol=1e-4, atol=1e-7)
    assert teacher.grad is None


def test_a_pupil_that_knows_it_all_learns_nothing() -> None:
    logits = torch.tensor([[3.0, -1.0], [0.0, 1000.0]])
    assert distillation(logits, logits, 2.0).item() == 0.0


def conv_of(filters: list[list[float]], scale: str = "mean") -> BinaryConv2d:
    """Return a 1x1 convolution with these filters over two channels."""
    conv = BinaryConv2d(2, len(filters), 1, scale=scale)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(filters).view(len(filters), 2, 1, 1))
    return conv


def test_the_kernel_loss_by_hand() -> None:
    """Filter (1, -3) has alpha 2 and becomes (2, -2): squares 1 and 1. Filter (0.5, 0.5) is its own reconstruction."""
    pairs = kernel_pairs(conv_of([[1.0, -3.0], [0.5, 0.5]]))
    assert [tuple(binary.flatten().tolist()) for _, binary in pairs] == [(2.0, -2.0, 0.5, 0.5)]
    loss = kernel_reconstruction(pairs)
    assert loss.item() == (1.0 + 1.0 + 0.0 + 0.0) / 4
    loss.backward()
    grad = pairs[0][0].grad
    assert grad is not None
    assert grad.flatten().tolist() == [2 / 4 * (1 - 2), 2 / 4 * (-3 + 2), 0.0, 0.0]


def test_layers_add_up_and_none_is_nothing() -> None:
    one, other = conv_of([[1.0, -3.0]]), conv_of([[0.0, 4.0], [0.0, 0.0]])
    pairs = [*kernel_pairs(one), *kernel_pairs(other)]
    assert kernel_reconstruction(pairs).item() == 1.0 + (4.0 + 4.0 + 0.0 + 0.0) / 4
    assert kernel_reconstruction([]).item() == 0.0


def test_an_amplitude_that_is_mean_magnitude_adds_nothing_to_the_gradient(rng: np.random.Generator) -> None:
    """As `kernel_reconstruction` says: through alpha the gradient cancels, so a constant one loses nothing."""
    (h,) = tensors(rng.normal(size=(3, 8)))
    grads = []
    for alpha in (h.abs().mean(1, keepdim=True), h.abs().mean(1, keepdim=True).detach()):
        loss = kernel_reconstruction([(h, alpha * h.detach().sign())])
        grads.append(torch.autograd.grad(loss, h)[0])
    torch.testing.assert_close(*grads)


def test_the_centre_loss_and_its_gradient(rng: np.random.Generator) -> None:
    f, labels = rng.normal(size=(7, 3)), np.array([0, 2, 2, 0, 5, 2, 0])  # class 5 once, classes 1, 3, 4 not at all
    means = np.stack([f[labels == label].mean(0) for label in labels])
    (features,) = tensors(f)
    loss = centre_loss(features, torch.from_numpy(labels))
    assert loss.item() == pytest.approx(0.5 * ((f - means) ** 2).sum() / 7, rel=1e-5)
    loss.backward()
    assert features.grad is not None
    np.testing.assert_allclose(features.grad.numpy(), (f - means) / 7, rtol=1e-4, atol=1e-7)
    assert features.grad[4].abs().max() < 1e-7


def test_a_class_in_one_place_costs_nothing() -> None:
    assert centre_loss(torch.ones(4, 2), torch.tensor([1, 1, 1, 1])).item() == 0.0
