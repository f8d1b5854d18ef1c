"""What is timed: a trained network, or one with random weights, whose times are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evobnn.data import DatasetSpec
from evobnn.deploy.graph import Graph, Shape
from evobnn.deploy.images import images_like
from evobnn.deploy.lower import Rule, lower
from evobnn.deploy.moments import take_moments
from evobnn.deploy.ops import Array
from evobnn.deploy.passes import fold_sites, watched_ranges
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
        twin: makes its real-valued twin, with random weights, for what compares with floats; or None.
        rules: how modules of a user's own leave, see `evobnn.deploy.lower`.
    """

    title: str
    network: nn.Module
    mean: Array
    deviation: Array
    images: Array
    real: bool
    twin: Callable[[], nn.Module] | None = None
    rules: Mapping[type[nn.Module], Rule] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def graph(self) -> Graph:
        """Return its graph, folded on the ranges that its images show."""
        lowered = lower(self.network, self.shape, self.mean, self.deviation, self.rules)
        folded, _ = fold_sites(lowered, watched_ranges(lowered.graph, self.images))
        return folded


def find(what: str, preset: str, data_dir: Path | None, additions: Additions) -> Timed:
    """Return what `TRAINING`, `TRAINING:SEED`, `RUN:ID` or the text of a genome means.

    Raises:
        EvobnnError: none of these, or a training without weights.
    """
    head, colon, tail = what.rpartition(":")
    if colon and (runs.is_one(head) or not (tail.isascii() and tail.isdigit())):
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
    experiment = found.experiment
    recipe = replace(experiment.recipe, kernels="torch", precision="fp32")
    bench = replace(found, experiment=replace(experiment, recipe=recipe)).paper_bench()
    title = f"{found.title}, with random weights, for a search keeps none: {found.text}"
    return of_genome(bench, bench.space.parse(found.text), experiment.dataset, found.data_dir, title)


def of_genome(bench: Bench, genome: Genome, spec: DatasetSpec, data_dir: Path | None, title: str = "") -> Timed:
    """Return the network of a genome, with random weights; the bench makes readable modules."""
    bench.space.check_buildable(genome)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = bench.network(genome).eval()
    shape = bench.prepared.shape
    images, real = images_like(spec, data_dir, shape, IMAGES)
    mean, deviation = (np.full(shape[0], value, np.float32) for value in (MIDDLE, SPREAD))
    take_moments(network, images, mean, deviation)
    return Timed(title, network, mean, deviation, images, real, partial(bench.network, genome, variant="twin"))
