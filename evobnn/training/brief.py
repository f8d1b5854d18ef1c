"""Brief training: a network, images, a recipe and a seed in; a learning curve and a validation score out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from evobnn.data.feeds import Feed
from evobnn.errors import DataError, ExperimentError, message
from evobnn.training.loop import Loop
from evobnn.training.recipe import Recipe
from evobnn.training.threads import torch_threads


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


def check_alone(recipe: Recipe) -> None:
    """Raise ExperimentError for a recipe that cannot stand alone because it needs a teacher."""
    if recipe.distillation:
        expected, do = "recipe.distillation = 0 in a training of one stage", "Teach in the second stage of a plan."
        raise ExperimentError(message(expected, f"{recipe.distillation:g}", do))


def train(
    network: nn.Module,
    data: Feed,
    recipe: Recipe,
    seed: int,
    *,
    deadline: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainResult:
    """Train `network` in place and return its learning curve.

    Arguments:
        network: on the device of `data`, in the modes that the recipe asks for.
        data: the images; a part of them is set apart for validation.
        recipe: how. One that averages the weights leaves the averaged ones in the network.
        seed: of the order of images, of augmentation and of everything else that is drawn; the weights are drawn
            before.
        deadline: reading of `clock` in seconds after which the training gives up, checked between batches.
        clock: for tests.

    A non-finite parameter or gradient norm, or a non-finite value before a sign, ends it as `diverged`; looked for at
    the end of every epoch.

    Raises:
        ExperimentError: a recipe that needs a teacher.
        DataError: no validation images.
    """
    check_alone(recipe)
    if not data.validation_count:
        raise DataError(message("validation images to score with", "none", "Set dataset.validation above 0."))
    with torch_threads(recipe.threads):
        loop = Loop(network, data, recipe, seed)
        curve: list[Epoch] = []
        for _ in range(recipe.epochs):
            passed = loop.advance(deadline, clock)
            if passed.ended or passed.validation_loss is None or passed.validation_error is None:
                return TrainResult(tuple(curve), passed.ended, passed.message)
            curve.append(Epoch(passed.training_loss, passed.validation_loss, passed.validation_error))
        if loop.average is not None:
            loop.average.settle()
        return TrainResult(tuple(curve))
