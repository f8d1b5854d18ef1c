"""What is timed: a trained network, or one with random weights, whose times are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evobnn.data import DatasetSpec
from evobnn.deploy.graph import Graph, Shape
from evobnn.deploy.images import images_like
from evobnn.deploy.lower import Lowered, Rule, lower
from evobnn.deploy.moments import take_moments
from evobnn.deploy.ops import Array
from evobnn.deploy.passes import fold_sites, live, watched_ranges
from evobnn.deploy.twin import real_twin
from evobnn.evaluation import Additions, Bench
from evobnn.genome import Genome
from evobnn.runs import named as runs
from evobnn.runs import subject
from evobnn.runs.final.loading import load_network
from evobnn.runs.final.named import training_of
from evobnn.snapshot import read_starts

IMAGES = 64
"""On which ranges are watched and times are taken."""
MIDDLE, SPREAD = 128.0, 64.0
"""Mean and deviation of grey values where no training says them."""


@dataclass(frozen=True)
class Timed:
    """A network to be timed.

    Attributes:
        title: what it is, for people.
        network: readable modules in float32 on the CPU, in evaluation mode.
        mean, deviation: float32 (C,) in grey values: images become (image - mean) / deviation.
        images: uint8 (N, C, H, W), as many as the largest batch.
        real: whether they are of its data set, and no noise.
        rules: how modules of a user's own leave, see `evobnn.deploy.lower`.
    """

    title: str
    network: nn.Module
    mean: Array
    deviation: Array
    images: Array
    real: bool
    rules: Mapping[type[nn.Module], Rule] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def graph(self) -> Graph:
        """Return its graph, folded on the ranges that its images show."""
        return self._folded

    def unfolded(self) -> Graph:
        """Return its graph with the function of each site as the network has it."""
        return self._lowered.graph

    def twin(self) -> Graph:
        """Return the graph of its real-valued twin: the same shapes, float weights and ReLU at its sites."""
        return live(real_twin(self._lowered.graph))

    @cached_property
    def _lowered(self) -> Lowered:
        return lower(self.network, self.shape, self.mean, self.deviation, self.rules)

    @cached_property
    def _folded(self) -> Graph:
        return fold_sites(self._lowered, watched_ranges(self._lowered.graph, self.images))[0]


def find(what: str, preset: str, data_dir: Path | None, additions: Additions) -> Timed:
    """Return what `TRAINING`, `TRAINING:SEED`, `RUN:ID` or the text of a genome means.

    Raises:
        EvobnnError: none of these, or a training without weights.
    """
    head, colon, tail = what.rpartition(":")
    typed = subject.is_genome(what) and not Path(head if colon else what).exists()
    if typed or (colon and (runs.is_one(head) or not (tail.isascii() and tail.isdigit()))):
        return of_subject(subject.find(what, preset, data_dir, additions))
    training = training_of(head if colon else what)
    network = load_network(training, seed=int(tail) if colon else None, data_dir=data_dir, additions=additions)
    there = next(reversed(read_starts(training)), {}).get("data_dir")
    folder = data_dir or (Path(there) if there else None)
    images, real = images_like(network.settings.experiment.dataset, folder, network.shape, IMAGES)
    title = f"{training}, seed {network.seed}: {network.genome}"
    return Timed(title, network.network, network.mean.numpy(), network.deviation.numpy(), images, real)


def of_subject(found: subject.Subject) -> Timed:
    """Return the network of an individual or a genome, with random weights."""
    bench = readable_bench(found)
    title = f"{found.title}, with random weights, for a search keeps none: {found.text}"
    return of_genome(bench, bench.space.parse(found.text), found.experiment.dataset, found.data_dir, title)


def readable_bench(found: subject.Subject) -> Bench:
    """Return a bench that makes readable modules in float32 for an individual or a genome."""
    recipe = replace(found.experiment.recipe, kernels="torch", precision="fp32")
    return replace(found, experiment=replace(found.experiment, recipe=recipe)).paper_bench()


def random_network(bench: Bench, genome: Genome) -> tuple[nn.Module, Array, Array]:
    """Return the network of a genome with random weights, and how its images are normalised; the same every time."""
    bench.space.check_buildable(genome)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = bench.network(genome).eval()
    channels = bench.prepared.shape[0]
    return network, np.full(channels, MIDDLE, np.float32), np.full(channels, SPREAD, np.float32)


def of_genome(bench: Bench, genome: Genome, spec: DatasetSpec, data_dir: Path | None, title: str = "") -> Timed:
    """Return the network of a genome, with random weights; the bench makes readable modules."""
    network, mean, deviation = random_network(bench, genome)
    images, real = images_like(spec, data_dir, bench.prepared.shape, IMAGES)
    take_moments(network, images, mean, deviation)
    return Timed(title, network, mean, deviation, images, real)
