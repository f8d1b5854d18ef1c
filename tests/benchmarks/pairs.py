"""Networks to be timed, each as the plain reference and as evobnn builds it, with the same weights and images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

import torch
from plain import CellNetwork, ResNet, Trainer
from torch import Tensor, nn

from evobnn.data import DatasetSpec, open_split, prepare
from evobnn.data.batches import Tensors, epoch_batches, normalise, to_tensors
from evobnn.decode import Surround, decode
from evobnn.genome import parse_genome
from evobnn.nn.fast.quickest import AUTO, quickest
from evobnn.spaces import Choice, Template, gaaf, joint
from evobnn.training import Loop, Recipe
from evobnn.training.optimiser import prepare_step

CLASSES = 10
NORMAL = "2 = conv3(0) + conv3(1); 3 = conv3(1) + conv5(2); 4 = conv3(0) + dil3(3); 5 = conv3(2) + conv3(4)"
REDUCTION = "2 = conv3(0) + conv3(1); 3 = conv3(1) + conv3(2); 4 = conv3(0) + conv3(3); 5 = conv3(2) + conv3(4)"
DENSE = f"normal[{NORMAL}] reduction[{REDUCTION}] @net = x"
"""Eight binary convolutions in every cell, six of them 3x3 in a normal one."""


@dataclass(frozen=True)
class Case:
    """A network, its images and its recipe.

    Attributes:
        template: how it is stacked; with the macro `bnas` the cells are those of `DENSE`.
        shape: (C, H, W) of the images; random bytes, or with `digits` the digits of scikit-learn.
        batch: images of a step.
        steps: of one timing, unless said otherwise.
        clip: half-width of the surrogate's support.
    """

    template: Template
    shape: tuple[int, int, int]
    batch: int
    steps: int
    clip: float = 1.0
    digits: bool = False

    @property
    def recipe(self) -> Recipe:
        """What all sides of the comparison train with, but for `precision` and `kernels`."""
        return Recipe(epochs=3, batch=self.batch, learning_rate=1e-3, schedule="constant", clip=self.clip)


_CELLS = Template(cells=3, width=36, reductions=1, skip="free", padding="minus_one", scale="mean", stem=0.75, head=2)
_GAAF = Template(cells=8, width=64, reductions=3, skip="none", padding="zero", scale="none", stem=1, macro="resnet")

CASES: dict[str, Case] = {
    "digits": Case(replace(_CELLS, cells=2, width=12), (1, 8, 8), 32, 40, digits=True),
    "cells16": Case(replace(_CELLS, width=16), (3, 32, 32), 64, 6),
    "cells36": Case(_CELLS, (3, 32, 32), 64, 3),
    "resnet16": Case(replace(_GAAF, width=16), (3, 32, 32), 64, 4, clip=1.3),
    "resnet64": Case(_GAAF, (3, 32, 32), 64, 2, clip=1.3),
}
"""By name; `digits` is the network of the preset of that name."""


def loader_of(case: Case) -> Tensors:
    """Return the images of a case: whole batches of random ones, or the digits with their validation part."""
    if case.digits:
        return to_tensors(open_split(prepare(DatasetSpec()).folder))
    generator = torch.Generator().manual_seed(0)
    count = 8 * case.batch
    images = torch.randint(0, 256, (count, *case.shape), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    mean, deviation = torch.full((case.shape[0],), 127.5), torch.full((case.shape[0],), 73.9)
    return Tensors(images, labels, images[:0], labels[:0], mean, deviation)


def decoded(case: Case, precision: str, kernels: str) -> nn.Module:
    """Return evobnn's network of a case; equal weights whatever the precision and kernels."""
    template, side = case.template, case.shape[1]
    resnet = template.macro == "resnet"
    space = gaaf(template, side, None, Choice(sites="net")) if resnet else joint(template, side)
    genome = parse_genome("@net = x" if resnet else DENSE)
    surround = Surround(template, case.shape, CLASSES, "clipped_identity", case.clip, precision, False, kernels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return decode(space, genome, surround)


def plain_like(case: Case, network: nn.Module) -> nn.Module:
    """Return the plain network of a case with the weights of evobnn's.

    Raises:
        ValueError: the two do not have the same parameters.
    """
    template = case.template
    style = {"padding": template.padding, "scaled": template.scale == "mean", "clip": case.clip, "head": template.head}
    made: nn.Module
    if template.macro == "resnet":
        made = ResNet(template.kinds, case.shape[0], CLASSES, width=template.width, **style)
    else:
        cells = {kind: cell.edges for kind, cell in parse_genome(DENSE).cells}
        made = CellNetwork(
            cells, template.kinds, case.shape[0], CLASSES, width=template.width, stem=template.stem_channels,
            skip=template.skip, **style,
        )  # fmt: skip
    missing, unexpected = made.load_state_dict(network.state_dict(), strict=False)
    left_over = [name for name in missing if not name.endswith("num_batches_tracked")] + unexpected
    if left_over:
        raise ValueError(f"Expected the same parameters in both networks, got others: {left_over}. Mend plain.py.")
    return made


class Reference:
    """The plain network with its step."""

    def __init__(self, case: Case, loader: Tensors) -> None:
        recipe = case.recipe
        self.network = plain_like(case, decoded(case, "fp32", "torch"))
        self.trainer = Trainer(self.network, recipe.learning_rate, recipe.gradient_norm, recipe.latent_clip)
        self.images, self.labels = normalise(loader.train_images, loader.mean, loader.deviation), loader.train_labels
        self.validation = normalise(loader.validation_images, loader.mean, loader.deviation), loader.validation_labels
        self._batches = _cycled(case, loader)

    def run(self, steps: int) -> Tensor:
        """Take steps; return the last loss."""
        loss = torch.zeros(())
        for _ in range(steps):
            indices = next(self._batches)
            loss = self.trainer.step(self.images[indices], self.labels[indices])
        return loss


class Ours:
    """evobnn's network with evobnn's step: `Loop`'s, as a search takes it."""

    def __init__(self, case: Case, loader: Tensors, precision: str, kernels: str) -> None:
        kernels = quickest(case.template.macro, case.template.width, case.shape[1]) if kernels == AUTO else kernels
        self.recipe = replace(case.recipe, precision=precision, kernels=kernels)
        network = decoded(case, precision, kernels).to(loader.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loop = Loop(self.network, loader, self.recipe, 1)
        self.network.train()
        self.loader, self._batches = loader, _cycled(case, loader)

    def run(self, steps: int) -> Tensor:
        """Take steps; return the last loss."""
        loss = torch.zeros(())
        for images, labels in self.loader.epoch([next(self._batches) for _ in range(steps)]):
            prepare_step(self.loop.optimiser, self.recipe, 0, 1)
            loss, _ = self.loop._step(images, labels)
        return loss


def _cycled(case: Case, loader: Tensors) -> Iterator[Tensor]:
    """Yield the same whole index batches for ever."""
    batches = epoch_batches(loader.count, case.batch, torch.Generator().manual_seed(0))
    return cycle([indices for indices in batches if len(indices) == case.batch])


def saved_bytes(network: nn.Module, images: Tensor) -> int:
    """Return how much a forward pass keeps for the backward pass besides the parameters: most of a training's memory.

    The bytes of all storages that are kept, each counted once.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(images).sum().backward()
    network.zero_grad()
    return sum(kept.values())
