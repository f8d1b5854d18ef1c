"""What leaves the toolkit: a trained network, or, for its times alone, an individual of a run with random weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evobnn.analysis import Run
from evobnn.data.batches import normalise
from evobnn.deploy.graph import Shape
from evobnn.deploy.images import images_like
from evobnn.deploy.ops import Array
from evobnn.deploy.timed import random_network, readable_bench
from evobnn.errors import RunError, message
from evobnn.evaluation import Additions
from evobnn.experiment.presets import DEFAULT_PRESET
from evobnn.runs import named as runs
from evobnn.runs import subject
from evobnn.runs.final.loaded import BATCH
from evobnn.runs.final.loading import load_network
from evobnn.runs.final.named import training_of
from evobnn.snapshot import read_starts

NOISE = "The training images are not at hand: checked on noise, and folded without ranges that were seen."
UNTRAINED = "Untrained: random weights, for timing only; its classes mean nothing."


@dataclass(frozen=True)
class Leaving:
    """A network that is to leave.

    Attributes:
        name: of the folder that it leaves to, unless another one is named.
        network: readable modules in float32 on the CPU, in evaluation mode.
        mean, deviation: float32 (C,) in grey values: images become (image - mean) / deviation.
        class_names: of the logits, in their order.
        about: what is written beside it: genome, seed and accuracy, or `untrained`.
        images: to check it on, uint8 (N, C, H, W): of the training part, else noise.
        real: whether they are no noise.
        logits: PyTorch's, float32 (N, classes), of images.
        said: what is to be said of it, a sentence each.
    """

    name: str
    network: nn.Module
    mean: Array
    deviation: Array
    class_names: tuple[str, ...]
    about: Mapping[str, object]
    images: Array
    real: bool
    logits: Callable[[Array], Array]
    said: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width


def chosen(training: str | os.PathLike[str] | Run | None, untrained: str | None) -> None:
    """Raise RunError unless one of a training and an untrained network is named."""
    if (training is None) == (untrained is None):
        got = "neither" if training is None else f"both, '{training}' and '{untrained}'"
        do = "Write for example 'evobnn export train-digits-1', or for timing only '--untrained digits-1:0'."
        raise RunError(message("TRAINING or --untrained RUN:ID", got, do))


def trained(
    training: str | os.PathLike[str] | Run,
    seed: int | None,
    data_dir: Path | None,
    additions: Additions | None,
    count: int,
) -> Leaving:
    """Return the network of a training with so many images; raise EvobnnError where it has no weights."""
    training, seed = _named(training, seed)
    loaded = load_network(training, seed=seed, data_dir=data_dir, additions=additions)
    there = next(reversed(read_starts(training_of(training))), {}).get("data_dir")
    folder = data_dir or (Path(there) if there else None)
    spec = loaded.settings.experiment.dataset
    images, real = images_like(spec, folder, loaded.shape, count, loaded.settings.all_images)
    title = Path(training.path if isinstance(training, Run) else training).resolve().name
    return Leaving(
        f"{title}-seed-{loaded.seed}",
        *(loaded.network, loaded.mean.numpy(), loaded.deviation.numpy(), loaded.class_names),
        {"genome": str(loaded.genome), "seed": loaded.seed, **_accuracy(loaded.result, loaded.seed)},
        *(images, real, lambda images: loaded.logits(images).numpy()),
    )


def untrained(what: str, data_dir: Path | None, additions: Additions | None, count: int) -> Leaving:
    """Return `RUN:ID` with random weights and so many images; raise EvobnnError where there is no such individual."""
    head, _, tail = what.rpartition(":")
    if not (head and runs.is_one(head) and tail.isascii() and tail.isdigit()):
        do = "Write for example --untrained digits-1:0; 'evobnn front RUN' lists the ids of its front."
        raise RunError(message("RUN:ID, an individual of a run, behind --untrained", f"'{what}'", do))
    found = subject.find(what, DEFAULT_PRESET, data_dir, additions)
    bench = readable_bench(found)
    genome = bench.space.parse(found.text)
    network, mean, deviation = random_network(bench, genome)
    images, real = images_like(found.experiment.dataset, found.data_dir, bench.prepared.shape, count)
    names = bench.prepared.class_names or tuple(map(str, range(bench.prepared.classes)))

    def logits(pixels: Array) -> Array:
        with torch.no_grad():
            given = [torch.from_numpy(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
            values: Array = torch.cat([network(normalise(part, *moments)) for part in given]).numpy()
        return values

    moments = torch.from_numpy(mean), torch.from_numpy(deviation)
    about = {"genome": str(genome), "untrained": UNTRAINED}
    name = f"{Path(runs.find(head)).name}-{tail}-untrained"
    return Leaving(name, network, mean, deviation, names, about, images, real, logits, (UNTRAINED,))


def _named(training: str | os.PathLike[str] | Run, seed: int | None) -> tuple[str | os.PathLike[str] | Run, int | None]:
    """Return the training and the seed that `NAME:SEED` says; raise RunError for what has no weights."""
    if isinstance(training, Run):
        return training, seed
    text = os.fspath(training)
    head, colon, tail = text.rpartition(":")
    if not Path(text).exists() and subject.is_genome(text):
        do = "Train it first: 'evobnn train GENOME' makes such a folder."
        raise RunError(message("a training folder", "a genome, which has no weights", do))
    if not colon or not (tail.isascii() and tail.isdigit()):
        return training, seed
    if runs.is_one(head):
        do = (
            f"Train it with 'evobnn train {text}' and name the folder that this makes; or export it with random "
            f"weights, for timing only: 'evobnn export --untrained {text}'."
        )
        raise RunError(message("a training folder", f"individual {tail} of a run, which has no weights", do))
    if seed is not None and seed != int(tail):
        raise RunError(message("one seed", f"{tail} and {seed}", "Name it once."))
    return head, int(tail)


def _accuracy(result: Mapping[str, Any] | None, seed: int) -> dict[str, object]:
    rows = (result or {}).get("seeds", ())
    own = next((row for row in rows if isinstance(row, Mapping) and row.get("seed") == seed), {})
    return {"test_error": own["test_error"]} if own.get("test_error") is not None else {}
