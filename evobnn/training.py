"""Brief training: a network, tensors, a recipe and a seed in; a learning curve and a validation score out.

Knows no genome. The data are whole tensors in memory; batches and augmentation are functions of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._checks import check_at_least, check_between, check_name
from evobnn._seeding import child_seed
from evobnn.data.batches import AUGMENTATIONS, Tensors, epoch_batches, normalise
from evobnn.nn import PRECISIONS, SURROGATES, all_finite, clip_latent_, expression_parameters, latent_weights, watch

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "onecycle")
WEIGHTS = ("binary", "real")


@dataclass(frozen=True)
class Recipe:
    """How to train: fields of the protocol.

    Attributes:
        epochs: passes over the training part.
        batch: images per step.
        optimiser: `adam`, `adamw` or `sgd` (Nesterov momentum 0.9).
        learning_rate: at its highest.
        schedule: `constant`, `cosine` (to 0) or `onecycle` (linear up over the first quarter, cosine to 0).
        weight_decay: of convolution and linear weights; norms, biases and expressions have none.
        surrogate: gradient behind every sign, a name of `evobnn.nn.SURROGATES`.
        clip: half-width of the surrogate's support.
        latent_clip: latent weights are kept in [-latent_clip, latent_clip]; 0 for no bound.
        gradient_norm: bound on the norm of the whole gradient; 0 for none.
        augmentation: a name of `evobnn.data.batches.AUGMENTATIONS`.
        precision: of binary convolutions, `fp32` or `bf16` (see `evobnn.nn.BinaryConv2d`); the rest is fp32.
        weights: `binary`, or `real` for real weights behind binary activations, with which BATS searches (Bulat et al.
            2020, section 3.3); whoever builds the network reads it, and costs stay those of the binary network.
        threads: torch threads of one training.
    """

    epochs: int = 8
    batch: int = 64
    optimiser: str = "adam"
    learning_rate: float = 5e-3
    schedule: str = "onecycle"
    weight_decay: float = 0.0
    surrogate: str = "clipped_identity"
    clip: float = 1.0
    latent_clip: float = 1.3
    gradient_norm: float = 5.0
    augmentation: str = "none"
    precision: str = "fp32"
    weights: str = "binary"
    threads: int = 1

    def __post_init__(self) -> None:
        check_at_least("recipe.epochs", self.epochs, 1)
        check_at_least("recipe.batch", self.batch, 2)
        check_at_least("recipe.threads", self.threads, 1)
        check_name("recipe.optimiser", self.optimiser, OPTIMISERS)
        check_name("recipe.schedule", self.schedule, SCHEDULES)
        check_name("recipe.surrogate", self.surrogate, SURROGATES)
        check_name("recipe.augmentation", self.augmentation, AUGMENTATIONS)
        check_name("recipe.precision", self.precision, PRECISIONS)
        check_name("recipe.weights", self.weights, WEIGHTS)
        check_between("recipe.learning_rate", self.learning_rate, 1e-9, 100.0)
        check_between("recipe.clip", self.clip, 1e-3, 1e3)
        for name in ("weight_decay", "latent_clip", "gradient_norm"):
            check_between(f"recipe.{name}", getattr(self, name), 0.0, 1e6)


@dataclass(frozen=True)
class Epoch:
    """One point of the learning curve: means over the epoch's images; `validation_error` in [0, 1]."""

    training_loss: float
    validation_loss: float
    validation_error: float


@dataclass(frozen=True)
class TrainResult:
    """What a training yielded.

    Attributes:
        curve: one `Epoch` per finished epoch.
        ended: `finished`, `diverged` or `timeout`.
        message: why it did not finish.
    """

    curve: tuple[Epoch, ...]
    ended: str = "finished"
    message: str = ""

    @property
    def validation_error(self) -> float:
        """1 - validation accuracy after the last epoch, in [0, 1]."""
        return self.curve[-1].validation_error

    @property
    def validation_loss(self) -> float:
        """Mean cross-entropy in nats on the validation part after the last epoch."""
        return self.curve[-1].validation_loss


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads in the block; sums depend on it in the last bits, so the protocol fixes it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of step 0 <= step < steps."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warm = max(1, steps // 4) if recipe.schedule == "onecycle" else 0
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / (steps - warm)))


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser; only weights of convolutions and linear layers decay."""
    spared = {id(p) for p in expression_parameters(network)}
    parameters = list(network.parameters())
    decaying = [p for p in parameters if p.ndim > 1 and id(p) not in spared]
    chosen = {id(p) for p in decaying}
    groups = [
        {"params": decaying, "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.learning_rate, fused=True)


def score(network: nn.Module, data: Tensors, batch: int = 512) -> tuple[float, float]:
    """Return (mean cross-entropy in nats, error in [0, 1]) on the validation part, in evaluation mode."""
    network.eval()
    loss, wrong, count = 0.0, 0, len(data.validation_labels)
    with torch.no_grad():
        for start in range(0, count, batch):
            labels = data.validation_labels[start : start + batch]
            logits = network(normalise(data.validation_images[start : start + batch], data.mean, data.deviation))
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
    return loss / count, wrong / count


def train(
    network: nn.Module,
    data: Tensors,
    recipe: Recipe,
    seed: int,
    *,
    deadline: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainResult:
    """Train `network` in place and return its learning curve.

    Arguments:
        network: on the device of `data`.
        data: uint8 images (N, C, H, W), labels, and the training part's mean and deviation.
        recipe: how.
        seed: of the order of images and of augmentation; the weights are drawn before.
        deadline: reading of `clock` in seconds after which the training gives up, checked between batches.
        clock: for tests.

    A non-finite parameter or gradient norm, or a non-finite value before a sign, ends it as `diverged`; looked for at
    the end of every epoch.
    """
    with torch_threads(recipe.threads):
        return _train(network, data, recipe, seed, deadline, clock)


def _train(
    network: nn.Module,
    data: Tensors,
    recipe: Recipe,
    seed: int,
    deadline: float | None,
    clock: Callable[[], float],
) -> TrainResult:
    device = data.train_images.device
    order = torch.Generator().manual_seed(child_seed(seed, "order"))
    noise = torch.Generator().manual_seed(child_seed(seed, "augmentation"))
    augment = AUGMENTATIONS[recipe.augmentation]
    optimiser = make_optimiser(network, recipe)
    parameters = list(network.parameters())
    latent = latent_weights(network)
    count = len(data.train_labels)
    curve: list[Epoch] = []
    step, steps = 0, 0
    for epoch in range(recipe.epochs):
        network.train()
        batches = epoch_batches(count, recipe.batch, order)
        steps = steps or len(batches) * recipe.epochs
        total = torch.zeros((), device=device)
        norms: list[Tensor] = []
        for indices in batches:
            if deadline is not None and clock() > deadline:
                return TrainResult(tuple(curve), "timeout", f"out of time in epoch {epoch + 1} of {recipe.epochs}")
            for group in optimiser.param_groups:
                group["lr"] = rate_at(recipe, step, steps)
            where = indices.to(device)
            images = augment(data.train_images[where], noise)
            loss = F.cross_entropy(network(normalise(images, data.mean, data.deviation)), data.train_labels[where])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norms.append(nn.utils.clip_grad_norm_(parameters, recipe.gradient_norm or math.inf))
            optimiser.step()
            if recipe.latent_clip:
                with torch.no_grad():
                    clip_latent_(latent, recipe.latent_clip)
            total += loss.detach() * len(indices)
            step += 1
        problem = _not_finite(parameters, norms)
        if problem:
            return TrainResult(tuple(curve), "diverged", f"{problem} in epoch {epoch + 1} of {recipe.epochs}")
        with watch(network):
            validation_loss, validation_error = score(network, data)
        if not all_finite(network) or not math.isfinite(validation_loss):
            what = "a non-finite value before a sign" if not all_finite(network) else "a non-finite loss"
            return TrainResult(tuple(curve), "diverged", f"{what} after epoch {epoch + 1} of {recipe.epochs}")
        seen = sum(len(indices) for indices in batches)
        curve.append(Epoch(float(total) / seen, validation_loss, validation_error))
    return TrainResult(tuple(curve))


def _not_finite(parameters: list[nn.Parameter], norms: list[Tensor]) -> str:
    """Return what is not finite, or an empty text."""
    if not torch.isfinite(torch.stack(norms)).all():
        return "a non-finite gradient norm"
    if not all(bool(torch.isfinite(p).all()) for p in parameters):
        return "a non-finite parameter"
    return ""
