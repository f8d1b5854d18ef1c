"""One recipe at work on one network, epoch after epoch: the same steps for brief trainings and for long ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from evobnn._seeding import child_seed
from evobnn.data.augment import augmentation, mixup
from evobnn.data.batches import epoch_batches, normalise
from evobnn.data.loaders import Loader
from evobnn.nn import (
    WEIGHTS_QUANTISERS,
    all_finite,
    anneal,
    binary_convolutions,
    features,
    kernel_pairs,
    set_drop_path,
    settle_latent_,
    watch,
)
from evobnn.training.average import Average
from evobnn.training.epoch import Epoch, Unfinished
from evobnn.training.losses import centre_loss, cross_entropy, distillation, kernel_reconstruction
from evobnn.training.optimiser import make_optimiser, moments, prepare_step, restore_moments
from evobnn.training.recipe import Recipe
from evobnn.training.schedule import drop_path_at, rate_at
from evobnn.training.scoring import score

GENERATORS = ("order", "augmentation", "mixup", "drop-path")
"""What is drawn in a training, each from a generator of its own on the CPU."""


SCORED = {"torch": 512, "fused": 64}
"""Images of a batch that is scored, by kernels: as many as a cache holds, or so many that calls do not count."""


class Loop:
    """A recipe, a network, and everything that changes between the epochs: optimiser, averages, generators.

    Arguments:
        network: on the device of `loader`, trained in place, in its binary or real modes.
        loader: the images.
        recipe: how.
        seed: of everything drawn.
        teacher: a network whose logits are learned from, if the recipe distils; not trained.

    Attributes:
        epoch: number of finished epochs; whoever restores a training sets it.
        rate: learning rate of the last step of the last of them.
        optimiser, average, generators: its state, besides the network's own.
    """

    def __init__(
        self, network: nn.Module, loader: Loader, recipe: Recipe, seed: int, teacher: nn.Module | None = None
    ) -> None:
        self.network, self.loader, self.recipe, self.teacher = network, loader, recipe, teacher
        self.epoch, self.rate = 0, 0.0
        self.optimiser = make_optimiser(network, recipe)
        self.average = Average(network, recipe.ema) if recipe.ema else None
        self.generators = {name: torch.Generator().manual_seed(child_seed(seed, name)) for name in GENERATORS}
        self._augment = augmentation(recipe.augmentation, loader.mean)
        self._parameters = list(network.parameters())
        self._settled = [
            conv
            for conv in binary_convolutions(network)
            if not conv.real and (recipe.latent_clip or WEIGHTS_QUANTISERS[conv.scale].settle_)
        ]
        self._classes = 0

    def advance(
        self, deadline: float | None = None, clock: Callable[[], float] = time.monotonic, *, scored: bool = True
    ) -> Epoch:
        """Train for one epoch, score the network, and return what came of it; torch's threads are the caller's affair.

        Arguments:
            deadline: reading of `clock` in seconds after which it gives up, checked between batches.
            clock: for tests.
            scored: or do not score it; signs are then watched on the last images of the epoch.

        Raises:
            Unfinished: out of time, or diverged: a parameter, gradient norm or value before a sign that is not finite.
        """
        self._switch(self.epoch)
        batches = self._batches()
        first, steps = self.epoch * len(batches), self.recipe.epochs * len(batches)
        where = f"epoch {self.epoch + 1} of {self.recipe.epochs}"
        found = self._passed(batches, self.recipe, first, steps, where, deadline, clock, scored)
        self.epoch += 1
        return found

    def branch(self, deadline: float | None = None, clock: Callable[[], float] = time.monotonic) -> Epoch:
        """Train for the recipe's `decay` while the rate falls linearly to 0, score the network, and return what came of
        it; arguments as of `advance`.

        What the last epoch annealed or dropped stays as it was. The trunk is gone on with from the `tensors` of before.
        """
        self._switch(self.epoch - 1)
        epochs = [self._batches() for _ in range(math.ceil(self.recipe.decay))]
        steps = max(1, round(self.recipe.decay * len(epochs[0])))
        batches = [batch for one in epochs for batch in one][:steps]
        where = f"the branch behind epoch {self.epoch} of {self.recipe.epochs}"
        return self._passed(batches, replace(self.recipe, schedule="linear"), 0, steps, where, deadline, clock)

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of all that changes between the epochs, by name: `network.…` the weights, `optimiser.…` its
        moments, `average.…` where there is one, `generator.…` what draws.
        """
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self.network.state_dict(),
            "optimiser": moments(self.network, self.optimiser),
            "average": self.average.tensors if self.average is not None else {},
            "generator": {name: generator.get_state() for name, generator in self.generators.items()},
        }
        return {f"{part}.{name}": t.detach().clone() for part, there in parts.items() for name, t in there.items()}

    def restore(self, tensors: Mapping[str, Tensor], epoch: int) -> None:
        """Let a loop that was just made go on where another one was after `epoch` when it gave these tensors."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}, "average": {}, "generator": {}}
        for full, tensor in tensors.items():
            part, _, name = full.partition(".")
            parts.setdefault(part, {})[name] = tensor
        self.network.load_state_dict(parts["network"])
        restore_moments(self.network, self.optimiser, parts["optimiser"])
        if self.average is not None:
            self.average.restore(parts["average"])
        for name, generator in self.generators.items():
            generator.set_state(parts["generator"][name].cpu())
        self.epoch = epoch

    def _switch(self, epoch: int) -> None:
        """Set the network to train as it does in an epoch."""
        self.network.train()
        anneal(self.network, epoch / self.recipe.epochs)
        if self.recipe.drop_path:
            set_drop_path(self.network, drop_path_at(self.recipe, epoch), self.generators["drop-path"])

    def _batches(self) -> list[Tensor]:
        return epoch_batches(self.loader.count, self.recipe.batch, self.generators["order"])

    def _passed(
        self, batches: Sequence[Tensor], recipe: Recipe, step: int, steps: int, where: str, deadline: float | None,
        clock: Callable[[], float], wanted: bool = True,
    ) -> Epoch:  # fmt: skip
        """Take a step for each batch, from number `step` of `steps` in the recipe's schedule, and score the network."""
        loader, seen = self.loader, 0
        total = torch.zeros((), device=loader.device)
        norms: list[Tensor] = []
        for images, labels in loader.epoch(batches):
            if deadline is not None and clock() > deadline:
                raise Unfinished("timeout", f"out of time in {where}")
            prepare_step(self.optimiser, recipe, step, steps)
            loss, norm = self._step(images, labels)
            norms.append(norm)
            total += loss * len(labels)
            step, seen = step + 1, seen + len(labels)
        problem = _not_finite(self._parameters, norms)
        if problem:
            raise Unfinished("diverged", f"{problem} in {where}")
        scored = self._scored(images, wanted)
        if not all_finite(self.network) or not math.isfinite(scored[0] or 0.0):
            what = "a non-finite value before a sign" if not all_finite(self.network) else "a non-finite loss"
            raise Unfinished("diverged", f"{what} after {where}")
        self.rate = rate_at(recipe, step - 1, steps)
        return Epoch(float(total) / seen, *scored)

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step and return the loss and the norm of the gradient before it was bounded."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._differentiated(self._augment(images, self.generators["augmentation"]), labels)
        norm = nn.utils.clip_grad_norm_(self._parameters, self.recipe.gradient_norm or math.inf)
        self.optimiser.step()
        if self._settled:
            with torch.no_grad():
                settle_latent_(self._settled, self.recipe.latent_clip)
        if self.average is not None:
            self.average.update()
        return loss, norm

    def _differentiated(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add the gradient of what the recipe minimises to that of the parameters, and return its value."""
        loss = self._loss(images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return what the recipe minimises, for uint8 images (N, C, H, W) and labels (N,)."""
        recipe, network = self.recipe, self.network
        x = normalise(images, self.loader.mean, self.loader.deviation)
        targets = labels
        if recipe.mixup:
            self._classes = self._classes or self._count_classes(x)
            x, targets = mixup(x, labels, self._classes, recipe.mixup, self.generators["mixup"])
        found, logits = features(network, x) if recipe.centre_loss else (None, network(x))
        loss = cross_entropy(logits, targets, recipe.label_smoothing)
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher(x)
            share = recipe.distillation
            loss = (1.0 - share) * loss + share * distillation(logits, taught, recipe.temperature)
        if recipe.kernel_loss:
            loss = loss + recipe.kernel_loss * kernel_reconstruction(kernel_pairs(network))
        if found is not None:
            loss = loss + recipe.centre_loss * centre_loss(found, labels)
        return loss

    @torch.no_grad()
    def _count_classes(self, x: Tensor) -> int:
        """Return the number of logits; the network stays as it is."""
        self.network.eval()
        classes: int = self.network(x[:1]).shape[1]
        self.network.train()
        return classes

    def _scored(self, images: Tensor, wanted: bool) -> tuple[float, float] | tuple[None, None]:
        """Return loss and error on the validation part, with averaged weights where there are any, while every sign is
        watched; without such images, or where nobody wants to know, watch it on the last ones of the epoch.
        """
        with watch(self.network), self.average.applied() if self.average is not None else nullcontext():
            if wanted and self.loader.validation_count:
                return score(self.network, self.loader, SCORED[self.recipe.kernels])
            self.network.eval()
            with torch.no_grad():
                self.network(normalise(images, self.loader.mean, self.loader.deviation))
        return None, None


def _not_finite(parameters: list[nn.Parameter], norms: list[Tensor]) -> str:
    """Return what is not finite, or an empty text."""
    if not torch.isfinite(torch.stack(norms)).all():
        return "a non-finite gradient norm"
    if not all(bool(torch.isfinite(p).all()) for p in parameters):
        return "a non-finite parameter"
    return ""


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads in the block; sums depend on it in the last bits, so the protocol fixes it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
