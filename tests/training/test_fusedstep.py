"""The steps are those of `torch.optim`, byte for byte, and do not bring PyTorch's compiler along."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from evobnn.training.fusedstep import FusedOptimiser

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "sgd plain": (torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
    "adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "adamw": (torch.optim.AdamW, {"betas": (0.0, 0.99), "eps": 1e-6}),
}
SHAPES = [(6, 3, 3, 3), (6,), (5, 8), (4, 1, 5, 5), (1, 4, 1, 1), (7,)]


def groups(parameters: list[nn.Parameter], **settings: Any) -> list[dict[str, Any]]:
    halves = parameters[:3], parameters[3:]
    return [
        {"params": half, "lr": 0.1, "weight_decay": decay, **settings}
        for half, decay in zip(halves, (0.01, 0.0), strict=True)
    ]


def drawn() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    tensors = [torch.randn(shape, generator=generator) for shape in SHAPES]
    return [nn.Parameter(t.to(memory_format=torch.channels_last) if t.ndim == 4 else t) for t in tensors]


@pytest.mark.parametrize("kind", list(KINDS))
def test_steps_and_moments_equal_those_of_torch(kind: str) -> None:
    made, settings = KINDS[kind]
    ours, theirs = drawn(), drawn()
    one = FusedOptimiser(kind.split()[0], groups(ours, **settings))
    other = made(groups(theirs, **settings), fused=True)
    generator = torch.Generator().manual_seed(4)
    for step in range(12):
        for left, right in zip(ours[:-1], theirs[:-1], strict=True):  # the last never has a gradient
            left.grad = torch.randn(left.shape, generator=generator) * (step != 5)
            right.grad = left.grad.clone()
        for group in (*one.param_groups, *other.param_groups):
            group["lr"] = 0.1 / (step + 1)
        one.step()
        other.step()
    compared = 0
    for left, right, before in zip(ours, theirs, drawn(), strict=True):
        assert torch.equal(left, right) and left.stride() == right.stride()
        assert torch.equal(left, before) == (left is ours[-1])
        assert set(one.state[left]) == {name for name, value in other.state[right].items() if value is not None}
        for name, value in one.state[left].items():
            assert torch.equal(value, other.state[right][name])
            assert value.ndim == 0 or value.stride() == other.state[right][name].stride()
            compared += 1
    assert compared == 5 * {"sgd": 1, "sgd plain": 0}.get(kind, 3)


def test_gradients_are_let_go_or_filled() -> None:
    parameters = drawn()
    optimiser = FusedOptimiser("adam", groups(parameters, betas=(0.9, 0.999), eps=1e-8))
    parameters[0].grad = torch.ones_like(parameters[0])
    optimiser.zero_grad(set_to_none=False)
    assert parameters[0].grad.abs().sum() == 0
    optimiser.zero_grad()
    assert {parameter.grad for parameter in parameters} == {None}
    optimiser.step()
    assert not optimiser.state


def test_a_training_imports_no_compiler() -> None:
    code = """
import sys
import torch
from torch import nn
from evobnn.training import Recipe, make_optimiser
network = nn.Linear(3, 2)
before = set(sys.modules)
for name in ("sgd", "adam", "adamw"):
    optimiser = make_optimiser(network, Recipe(optimiser=name))
    network(torch.ones(4, 3)).sum().backward()
    optimiser.step()
print(*(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "torch._dynamo" not in done.stdout.split()
    assert len(done.stdout.split()) < 20
