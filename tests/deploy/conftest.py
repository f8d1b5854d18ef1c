"""Small networks of every macro with norms, scales and expressions as a training might leave them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.decode import Surround, decode
from evobnn.deploy.graph import Graph
from evobnn.deploy.lower import Lowered, lower
from evobnn.deploy.passes import fold_sites, watched_ranges
from evobnn.nn import Site
from evobnn.spaces import Template
from evobnn.spaces.choice import Choice
from evobnn.spaces.gaaf import gaaf
from evobnn.spaces.joint import joint

MEAN, DEVIATION = 120.0, 60.0

GENOMES: dict[str, tuple[str, int, int, dict[str, Any], Choice | None]] = {
    # macro: genome, side, channels of the images, template, choice
    "bnas": (
        "normal[2 = conv3(0) + max3(1); 3 = avg3(1) + dil3(2); 4 = conv5(0) + zero(1); 5 = dil5(2) + conv3(3)] "
        "reduction[2 = conv3(0) + max3(1); 3 = avg3(1) + zero(2); 4 = conv5(0) + conv3(2); 5 = zero(0) + zero(1)] "
        "@net = mul(sin(x), shift(x))",
        *(9, 1, {"skip": "published", "padding": "zero", "scale": "learnable", "head": 2}, Choice()),
    ),
    "bats": (
        "normal[2 = gconv3(0) + skip(1); 3 = gdil3(1) + avg3(2); 4 = gconv5(0) + max3(2); 5 = gdil5(1) + skip(3)] "
        "reduction[2 = skip(0) + gconv3(1); 3 = skip(1) + max3(2); 4 = avg3(0) + gconv3(2); 5 = zero(0) + skip(2)] "
        "@net = add(x, scale(sin(x)))",
        *(8, 3, {"skip": "free", "padding": "minus_one", "scale": "mean", "head": 2}, Choice(topology="bats")),
    ),
    "cpnas": (
        "normal[2 = sep3(0) + identity(1); 3 = cdil3(1) + avg3(2); 4 = sep5(0) + max3(2); 5 = cdil5(1) + identity(3)] "
        "reduction[2 = identity(0) + sep3(1); 3 = identity(1) + max3(2); 4 = avg3(0) + cdil3(1); 5 = zero(0) + sep3(2)]"
        " @net = sub(square(x), const)",
        *(7, 1, {"skip": "none", "padding": "zero", "scale": "xnor", "head": 1}, Choice(topology="cpnas")),
    ),
    "imagenet": (
        "normal[2 = gconv3(0) + skip(1); 3 = gdil3(1) + avg3(2); 4 = zero(0) + max3(2); 5 = gconv3(1) + skip(3)] "
        "reduction[2 = skip(0) + gconv3(1); 3 = skip(1) + max3(2); 4 = avg3(0) + gconv3(2); 5 = zero(0) + skip(2)] "
        "@net = x",
        *(
            35,
            3,
            {"skip": "free", "padding": "minus_one", "style": "imagenet", "macro": "bats"},
            Choice(topology="bats"),
        ),
    ),
    "resnet": (
        "@net = mix(x, sin(x))",
        *(8, 3, {"skip": "none", "padding": "zero", "scale": "none", "stem": 1, "head": 1, "cells": 3}, None),
    ),
}


def settle(network: nn.Module, seed: int) -> nn.Module:
    """Give norms, scales, slopes and expressions values unlike those that they begin with; evaluation mode."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=draw) * 0.5)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=draw) * 2 + 0.3)
                for parameter in module.parameters():
                    parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.3)
        for name, parameter in network.named_parameters():
            if any(part in name for part in ("activation", "shift", "alpha", "prelu")):
                parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.3)
    return network.eval()


def network_of(macro: str, seed: int = 0) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return a network of a macro, settled, and the shape of its images."""
    genome, side, channels, more, choice = GENOMES[macro]
    template = Template(**{"cells": 2, "width": 6, "reductions": 1, "stem": 1, "macro": macro, **more})
    space = gaaf(template, side) if choice is None else joint(template, side, None, choice)
    shape = (channels, side, side)
    torch.manual_seed(seed)
    network = decode(space, space.parse(genome), Surround(template, shape, 10, shift=macro == "bats"))
    return settle(network, seed), shape


def lowered_network(network: nn.Module, shape: tuple[int, int, int]) -> Lowered:
    return lower(network, shape, np.full(shape[0], MEAN), np.full(shape[0], DEVIATION))


def pictures(shape: tuple[int, int, int], count: int, seed: int = 0) -> Any:
    """Return grey values (N, C, H, W) of which the first three images are black, white and one bright pixel."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    images[:2] = [[[[0]]], [[[255]]]]
    images[2:3] = 0
    images[2:3, :, 1, 2] = 255
    return images


def answers(network: nn.Module, images: Any) -> tuple[dict[str, Any], Any]:
    """Return the signs of each site by its path, bool, and the logits, as PyTorch has them."""
    found: dict[str, Any] = {}

    def keep(path: str) -> Any:
        return lambda module, given, output: found.__setitem__(path, output.numpy() > 0)

    hooks = [m.register_forward_hook(keep(path)) for path, m in network.named_modules() if isinstance(m, Site)]
    with torch.no_grad():
        logits = network((torch.from_numpy(images).float() - MEAN) / DEVIATION).numpy()
    for hook in hooks:
        hook.remove()
    return found, logits


@cache
def made_of(macro: str) -> tuple[nn.Module, Lowered]:
    """Return a network of a macro, and its graph."""
    network, shape = network_of(macro)
    return network, lowered_network(network, shape)


@cache
def folded_of(macro: str) -> Graph:
    """Return the graph of a macro's network, folded with what some images show."""
    lowered = made_of(macro)[1]
    seen = watched_ranges(lowered.graph, pictures(lowered.graph.input.shape, 4))
    return fold_sites(lowered, seen)[0]


@pytest.fixture(scope="session", params=GENOMES)
def macro(request: pytest.FixtureRequest) -> str:
    """Each of the networks above."""
    return str(request.param)


@pytest.fixture(scope="session")
def made(macro: str) -> tuple[nn.Module, Lowered]:
    """A network of each macro, and its graph."""
    return made_of(macro)


@pytest.fixture(scope="session")
def folded(macro: str) -> Graph:
    """The graph of a network of each macro, folded."""
    return folded_of(macro)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which is not there")
