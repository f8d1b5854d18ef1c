"""The optimiser of a recipe: which weights decay, what each step sets, and its moments as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evobnn.nn import undecayed_parameters
from evobnn.training.fusedstep import FusedOptimiser
from evobnn.training.recipe import Recipe
from evobnn.training.schedule import momentum_at, rate_at

BETA = 0.999
"""Adam's second beta."""
EPSILON = 1e-8
"""What Adam adds to the root of its second moment."""


def make_optimiser(network: nn.Module, recipe: Recipe) -> FusedOptimiser:
    """Return the optimiser; only weights of convolutions and linear layers decay."""
    spared = {id(p) for p in undecayed_parameters(network)}
    parameters = list(network.parameters())
    decaying = [p for p in parameters if p.ndim > 1 and id(p) not in spared]
    chosen = {id(p) for p in decaying}
    groups: list[dict[str, Any]] = [
        {"params": decaying, "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]
    rate, momentum = recipe.learning_rate, recipe.momentum
    if recipe.optimiser == "sgd":
        moved: dict[str, Any] = {"momentum": momentum, "nesterov": momentum > 0.0}
    else:
        moved = {"betas": (momentum, BETA), "eps": EPSILON}
    return FusedOptimiser(recipe.optimiser, [{**group, "lr": rate, **moved} for group in groups])


def prepare_step(optimiser: FusedOptimiser, recipe: Recipe, step: int, steps: int) -> None:
    """Set the rate, and where it moves the momentum, of this step."""
    rate = rate_at(recipe, step, steps)
    for group in optimiser.param_groups:
        group["lr"] = rate
    if recipe.low_momentum:
        momentum = momentum_at(recipe, step, steps)
        moved: dict[str, Any] = {"momentum": momentum} if recipe.optimiser == "sgd" else {"betas": (momentum, BETA)}
        for group in optimiser.param_groups:
            group.update(moved)


def moments(network: nn.Module, optimiser: FusedOptimiser) -> dict[str, Tensor]:
    """Return what the optimiser remembers: `parameter name.key` -> tensor, not copied."""
    return {
        f"{name}.{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_moments(network: nn.Module, optimiser: FusedOptimiser, tensors: Mapping[str, Tensor]) -> None:
    """Let a newly made optimiser remember what `moments` returned.

    A moment gets the memory format of its parameter: the fused steps read both in the order in which they lie.
    """
    parameters = dict(network.named_parameters())
    for full, value in tensors.items():
        name, _, key = full.rpartition(".")
        parameter = parameters[name]
        if value.shape == parameter.shape:
            kept = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
        else:
            kept = value.to(parameter.device, copy=True)
        optimiser.state[parameter][key] = kept
