"""Brief training: a network, images, a recipe and a seed in; a learning curve and a validation score out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from evobnn._checks import check_between
from evobnn.data.loaders import Loader
from evobnn.errors import DataError, ExperimentError, message
from evobnn.training.epoch import Epoch, Unfinished
from evobnn.training.loop import Loop, torch_threads
from evobnn.training.recipe import Recipe
from evobnn.training.trunk import Trunk


@dataclass(frozen=True)
class TrainResult:
    """What a training yielded.

    Attributes:
        curve: one `Epoch` per finished epoch, that of the branch in place of the last where scores come from one.
        ended: `finished`, `diverged` or `timeout`.
        message: why it did not finish.
    """

    curve: tuple[Epoch, ...]
    ended: str = "finished"
    message: str = ""

    @property
    def validation_error(self) -> float:
        """1 - validation accuracy after the last epoch, in [0, 1]."""
        return _scored(self.curve[-1].validation_error)

    @property
    def validation_loss(self) -> float:
        """Mean cross-entropy in nats on the validation part after the last epoch."""
        return _scored(self.curve[-1].validation_loss)


def _scored(value: float | None) -> float:
    assert value is not None  # the last epoch always is
    return value


def check_alone(recipe: Recipe) -> None:
    """Raise ExperimentError for a recipe that cannot stand alone because it needs a teacher."""
    if recipe.distillation:
        expected, do = "recipe.distillation = 0 in a training of one stage", "Teach in the second stage of a plan."
        raise ExperimentError(message(expected, f"{recipe.distillation:g}", do))


def train(
    network: nn.Module,
    data: Loader,
    recipe: Recipe,
    seed: int,
    *,
    epochs: int | None = None,
    begun: Trunk | None = None,
    keep: Callable[[Trunk], object] | None = None,
    deadline: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    every_epoch: bool = True,
) -> TrainResult:
    """Train `network` in place and return its learning curve.

    Arguments:
        network: on the device of `data`, in the modes that the recipe asks for.
        data: the images; a part of them is set apart for validation.
        recipe: how. One that averages the weights leaves the averaged ones in the network.
        seed: of the order of images, of augmentation and of everything else that is drawn; the weights are drawn
            before.
        epochs: after which a trunk is scored on a branch; None for all of the recipe's, as any other schedule needs.
        begun: the trunk of this very training to go on from; one that is longer than `epochs` is left alone.
        keep: is handed the trunk before the branch, where a longer training could go on from it.
        deadline: reading of `clock` in seconds after which the training gives up, checked between batches.
        clock: for tests.
        every_epoch: score the network after every epoch, or only at the end.

    A non-finite parameter or gradient norm, or a non-finite value before a sign, ends it as `diverged`; looked for at
    the end of every epoch.

    Raises:
        ExperimentError: a recipe that needs a teacher, or `epochs` that it cannot be stopped after.
        DataError: no validation images.
    """
    check_alone(recipe)
    last = recipe.epochs if epochs is None else _checked(epochs, recipe)
    if not data.validation_count:
        raise DataError(message("validation images to score with", "none", "Set dataset.validation above 0."))
    with torch_threads(recipe.threads):
        loop = Loop(network, data, recipe, seed)
        curve: tuple[Epoch, ...] = ()
        if begun is not None and len(begun.curve) <= last:
            loop.restore(begun.tensors, len(begun.curve))
            curve = begun.curve
        try:
            while loop.epoch < last:
                scored = every_epoch or (loop.epoch + 1 == last and not recipe.branches)
                curve += (loop.advance(deadline, clock, scored=scored),)
            if recipe.branches:
                if keep is not None and last < recipe.epochs:
                    keep(Trunk(loop.tensors(), curve))
                curve = (*curve[:-1], loop.branch(deadline, clock))
        except Unfinished as end:
            return TrainResult(curve, end.ended, str(end))
        if loop.average is not None:
            loop.average.settle()
        return TrainResult(curve)


def _checked(epochs: int, recipe: Recipe) -> int:
    check_between("epochs", epochs, 1, recipe.epochs)
    if epochs < recipe.epochs and not recipe.branches:
        expected, got = f"{recipe.epochs} epochs of the schedule {recipe.schedule}", str(epochs)
        raise ExperimentError(message(expected, got, "Set recipe.schedule = trunk to score before the end."))
    return epochs
