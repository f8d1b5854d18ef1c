"""Scores with weights of a shared network: the settings of that network, which are a part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn._checks import check_at_least, check_name

SCORES = ("trained", "inherited")
"""Where a search's scores come from: a training of each genome, or the weights of one shared network. What is measured
on fresh seeds is trained in either case."""
SAMPLINGS = ("uniform", "fair", "sandwich")


@dataclass(frozen=True)
class Shared:
    """The shared network of a search, read where `score = "inherited"`.

    Attributes:
        epochs: passes over the training part in which it is trained, by the recipe in all else.
        sampling: what a step trains: `uniform`, one genome drawn from the space; `fair`, a round of as many drawn
            genomes as an edge has operations, in which each edge has all of them, on one batch, gradients added up
            (FairNAS); or `sandwich`, the dearest cells, the cheapest and two drawn genomes, likewise.
        expressions: how many expressions with learnable vectors have these at every site. They are drawn; those without
            vectors are trained all, those with others are scored with vectors as they begin.
        recalibrate: batches of training images by which the moments of a genome's batch norms are measured before it is
            scored; 0 for the moments that all genomes left.
    """

    epochs: int = 60
    sampling: str = SAMPLINGS[0]
    expressions: int = 32
    recalibrate: int = 0

    def __post_init__(self) -> None:
        check_at_least("shared.epochs", self.epochs, 1)
        check_name("shared.sampling", self.sampling, SAMPLINGS)
        check_at_least("shared.expressions", self.expressions, 0)
        check_at_least("shared.recalibrate", self.recalibrate, 0)
