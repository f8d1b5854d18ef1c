"""The benchmarks compare like with like: their reference computes what evobnn computes, and is the one it always was."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.errors import EvobnnError
from evobnn.experiment import preset_table
from evobnn.experiment.settings import from_table
from evobnn.nn import BinaryConv2d, settle_latent_
from evobnn.training.optimiser import make_optimiser

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> type:
    """Import the benchmarks as they import each other: their folder stands first on the path."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    class Found:
        def __getattr__(self, name: str) -> ModuleType:
            return importlib.import_module(name)

    return Found()  # type: ignore[return-value]


def our_step(network: nn.Module, case, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # noqa: ANN001
    """Take evobnn's step, in any precision."""
    recipe = case.recipe
    optimiser = make_optimiser(network, recipe)
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
    optimiser.step()
    with torch.no_grad():
        settle_latent_([m for m in network.modules() if isinstance(m, BinaryConv2d)], recipe.latent_clip)
    return loss.detach()


@pytest.mark.parametrize("name", ["digits", "cells16", "resnet16"])
def test_the_reference_is_the_same_function_with_the_same_step(found, name: str) -> None:
    """In double precision, where no sum rounds across a sign."""
    case = found.pairs.CASES[name]
    ours = found.pairs.decoded(case, "fp32", "torch")
    plain = found.pairs.plain_like(case, ours).double().train()
    ours = ours.double().train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, *case.shape, generator=generator, dtype=torch.float64)
    labels = torch.arange(6)
    trainer = found.plain.Trainer(
        plain, case.recipe.learning_rate, case.recipe.gradient_norm, case.recipe.latent_clip
    )
    before = ours.head.linear.weight.detach().clone()
    with torch.no_grad():
        torch.testing.assert_close(plain(images), ours(images), rtol=1e-9, atol=1e-9)
    losses = [trainer.step(images, labels), our_step(ours, case, images, labels)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-9)
    assert not torch.equal(before, ours.head.linear.weight)
    theirs = dict(plain.named_parameters())
    for key, parameter in ours.named_parameters():
        torch.testing.assert_close(theirs[key], parameter, rtol=1e-6, atol=1e-6, msg=key)
    assert len(theirs) == len(list(ours.parameters())) > 20
