"""What a search costs, so that it can be compared with searches that train one network at a time.

A *path-epoch* is one network of the space, a single path, trained on all training images once. Beside it stand
multiply-accumulates, by the same rule as everywhere (a training step is three forward passes; validation is not
counted), and CPU seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from evobnn.evaluation import Bench
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.supernet.build import whole


@dataclass(frozen=True)
class Cost:
    """What was spent: path-epochs, multiply-accumulates, and seconds of all of the process's threads together."""

    path_epochs: float = 0.0
    macs: float = 0.0
    cpu_seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.path_epochs + other.path_epochs, self.macs + other.macs, self.cpu_seconds + other.cpu_seconds)


def mixed_epoch(space: Space, weights: float, alpha: float) -> float:
    """Return the path-epochs of an epoch of a mixed network: operations per edge, Zeroise included, times the shares of
    all training images that steps of the weights and of alpha saw.
    """
    kinds = space.free_kinds
    return sum(len(space.offered[kind]) for kind in kinds) / len(kinds) * (weights + alpha)


def drawn_epoch(share: float) -> float:
    """Return the path-epochs of one draw of CP-NAS: child and parent, each trained once on this share of the images."""
    return 2.0 * share


def mixed_macs(bench: Bench, images: int) -> float:
    """Return the multiply-accumulates of training the mixed network, all operations on all edges, on so many images."""
    return path_macs(bench, whole(bench.space), images)


def path_macs(bench: Bench, genome: Genome, images: int) -> float:
    """Return the multiply-accumulates of training the network of a genome on so many images."""
    cost = bench.cost(genome)
    return 3.0 * (cost.binary_macs + cost.real_macs) * images
