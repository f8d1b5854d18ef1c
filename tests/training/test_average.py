"""The running mean of weights against NumPy, and the exchange with which a network is scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.training import Average
from tests.training.toys import digest, network


def changed(net: nn.Module, rng: np.random.Generator) -> None:
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.copy_(torch.from_numpy(rng.normal(size=tensor.shape)))


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_it_follows_its_formula_for_weights_and_moments(rng: np.random.Generator, decay: float) -> None:
    net = network()
    average = Average(net, decay)
    expected = {name: tensor.numpy().astype(np.float64) for name, tensor in net.state_dict().items()}
    assert any("running_var" in name for name in expected)
    for _ in range(5):
        changed(net, rng)
        average.update()
        for name, tensor in net.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor.numpy()
    assert set(average.tensors) == set(expected)
    for name, tensor in average.tensors.items():
        np.testing.assert_allclose(tensor.numpy(), expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_it_begins_as_the_weights_and_counts_are_left_alone() -> None:
    net = nn.BatchNorm2d(3)
    average = Average(net, 0.9)
    assert digest(average.tensors) == digest({n: t for n, t in net.state_dict().items() if t.is_floating_point()})
    assert "num_batches_tracked" not in average.tensors


def test_the_network_computes_with_it_and_then_without_it(rng: np.random.Generator) -> None:
    net, other = network(), network()
    average = Average(net, 0.9)
    changed(net, rng)
    before = digest(net.state_dict())
    layout = [p.stride() for p in net.parameters()]
    with average.applied():
        assert digest(net.state_dict()) == digest(other.state_dict())
    assert digest(net.state_dict()) == before
    with pytest.raises(ArithmeticError), average.applied():
        raise ArithmeticError
    assert digest(net.state_dict()) == before
    average.settle()
    assert digest(net.state_dict()) == digest(other.state_dict())
    assert [p.stride() for p in net.parameters()] == layout
