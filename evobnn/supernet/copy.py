"""Copying a genome out of the shared network: its own network, as `decode` makes it, with the shared weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evobnn.errors import RunError, message
from evobnn.evaluation import Bench
from evobnn.genome import Genome
from evobnn.nn import set_modes
from evobnn.supernet.build import Supernet
from evobnn.training import inherit_, placed

_OFFERED = re.compile(r"\.offered\.\d+\[")


def weights_of(supernet: Supernet) -> dict[str, Tensor]:
    """Return the shared weights by place (see `evobnn.training.inherit`); the tensors are the network's own."""
    state = placed(supernet.network, supernet.edges)
    return {_OFFERED.sub(".activation[", place): tensor for place, tensor in state.items()}


def copied(bench: Bench, genome: Genome, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a genome with weights of a shared network, on the device of the bench.

    It computes what the shared network does where the genome is selected. Vectors of an expression that the shared
    network does not keep are as they begin.

    Arguments:
        bench: of the shared network.
        genome: of its space.
        weights: by place, as `weights_of` returns them.

    Raises:
        RunError: weights of another space, template or recipe.
    """
    one, recipe = bench.phenotype(genome), bench.protocol.recipe
    with torch.random.fork_rng(devices=[]):
        network = one.network(weights=recipe.weights)
    if recipe.activations == "real":
        set_modes(network, "real", recipe.weights)
    taken = set(inherit_(network, one.edges, weights))
    missing = [place for place in placed(network, one.edges) if place not in taken and ".activation[" not in place]
    if missing:
        got = f"none for {missing[0]}"
        raise RunError(message("shared weights for every part of the genome's network", got, "Train them anew."))
    found: nn.Module = network.to(bench.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return found
