"""What decays, what each step sets, and that moments can be taken out and put back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.data.batches import normalise
from evobnn.training import OPTIMISERS, Recipe, make_optimiser, momentum_at, rate_at
from evobnn.training.optimiser import moments, prepare_step, restore_moments
from tests.training.toys import digest, images, network


def step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    data = images()
    loss = F.cross_entropy(net(normalise(data.train_images, data.mean, data.deviation)), data.train_labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def test_learned_scales_and_shifts_do_not_decay_whatever_their_shape() -> None:
    net = network(scale="learnable", shift=True)
    groups = make_optimiser(net, Recipe(weight_decay=0.1)).param_groups
    names = {id(p): name for name, p in net.named_parameters()}
    decaying, spared = ({names[id(p)] for p in group["params"]} for group in groups)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert decaying | spared == set(names.values())
    assert all(name.endswith("weight") for name in decaying)
    assert not any("alpha" in name or "shift" in name or "scale" in name for name in decaying)
    assert sum("alpha" in name for name in spared) == 5  # two convolutions per block and one shortcut
    assert sum("shift" in name for name in spared) == 5


@pytest.mark.parametrize(
    ("optimiser", "fields", "expected"),
    [
        ("sgd", {}, {"momentum": 0.9, "nesterov": True}),
        ("sgd", {"momentum": 0.0}, {"momentum": 0.0, "nesterov": False}),
        ("adam", {}, {"betas": (0.9, 0.999)}),
        ("adamw", {"momentum": 0.8}, {"betas": (0.8, 0.999)}),
    ],
)
def test_momentum_goes_where_the_optimiser_keeps_it(
    optimiser: str, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    groups = make_optimiser(network(), Recipe(optimiser=optimiser, **fields)).param_groups
    assert len(groups) == 2
    for group in groups:
        assert {name: group[name] for name in expected} == expected


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_step_sets_rate_and_moving_momentum(optimiser: str) -> None:
    recipe = Recipe(optimiser=optimiser, schedule="bnas", momentum=0.95, low_momentum=0.85)
    made = make_optimiser(network(), recipe)
    looked = 0
    for k in range(10):
        prepare_step(made, recipe, k, 10)
        for group in made.param_groups:
            assert group["lr"] == rate_at(recipe, k, 10)
            momentum = group["momentum"] if optimiser == "sgd" else group["betas"][0]
            assert momentum == momentum_at(recipe, k, 10)
            looked += 1
    assert looked == 20


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_moments_survive_being_taken_out(optimiser: str) -> None:
    """Three steps and three more are six, though the second half is taken by another optimiser of another network."""
    recipe = Recipe(optimiser=optimiser, weight_decay=1e-3, learning_rate=0.01)
    whole, first, second = network(), network(), network()
    one, half = make_optimiser(whole, recipe), make_optimiser(first, recipe)
    for _ in range(6):
        step(whole, one)
    for _ in range(3):
        step(first, half)
    kept = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in moments(first, half).items()}
    assert any(name.endswith("momentum_buffer" if optimiser == "sgd" else "exp_avg_sq") for name in kept)
    second.load_state_dict(first.state_dict())
    rest = make_optimiser(second, recipe)
    restore_moments(second, rest, kept)
    for name, tensor in moments(second, rest).items():
        parameter = dict(second.named_parameters())[name.rpartition(".")[0]]
        assert tensor.shape != parameter.shape or tensor.stride() == parameter.stride(), name
    for _ in range(3):
        step(second, rest)
    assert digest(second.state_dict()) == digest(whole.state_dict())
    step(first, make_optimiser(first, replace(recipe)))
    assert digest(first.state_dict()) != digest(whole.state_dict())
