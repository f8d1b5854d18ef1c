"""The figures of one epoch, and how an epoch ends that is not finished."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One point of the learning curve.

    Attributes:
        training_loss: what is minimised, mean over the epoch's images.
        validation_loss, validation_error: mean cross-entropy in nats, and 1 - accuracy, with averaged weights where
            there are any; None where the network was not scored.
    """

    training_loss: float
    validation_loss: float | None
    validation_error: float | None


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch of a training; the same training yields the same records.

    Attributes:
        stage: from 0.
        epoch: from 1, over all stages.
        rate: learning rate of its last step.
        training_loss, validation_loss, validation_error: see `Epoch`.
    """

    stage: int
    epoch: int
    rate: float
    training_loss: float
    validation_loss: float | None
    validation_error: float | None


class Unfinished(Exception):  # noqa: N818 - a way to end, like `Status.DIVERGED`
    """An epoch that was not finished: `ended` is `diverged` or `timeout`; the text says why."""

    def __init__(self, ended: str, why: str) -> None:
        super().__init__(why)
        self.ended = ended
