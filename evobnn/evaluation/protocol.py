"""What a fitness value depends on besides genome and seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from evobnn._checks import check_at_least
from evobnn.data import DatasetSpec, PreparedData
from evobnn.data.dataset import LATER as LATER_IN_DATASET
from evobnn.decode import DECODER_VERSION, Surround, check_size
from evobnn.errors import ExperimentError, message
from evobnn.evaluation.additions import Additions
from evobnn.evaluation.shared import SCORES, Shared
from evobnn.nn import check_kernels
from evobnn.nn.fast.layer import SLOPES
from evobnn.spaces import Template
from evobnn.training import LATER, Recipe, check_alone

SUMS = ("exact", "scaled")
"""What a binary convolution with scaled weights adds up: ±1, multiplied by alpha behind, so that a sum of 0 is 0; or
±alpha, as the layers in PyTorch's operations did before, where a sum of 0 is rounding and gradients behind it chance.
"""

OPERATIONS_VERSION = 1
"""Raised when an operation or form of the built-in tables begins to compute something else under its name."""


_LATER: dict[str, dict[str, Any]] = {
    "dataset": LATER_IN_DATASET,
    "network": {"macro": "bnas", "style": "cifar"},
    "recipe": LATER,
}
"""Fields that came later, with the value that every protocol before them had: so it is no part of the fingerprint."""


@dataclass(frozen=True)
class Protocol:
    """Everything a fitness value depends on besides the genome and the seed.

    Attributes:
        dataset: which images, and how they are cut.
        network: how cells are stacked.
        recipe: how to train.
        max_macs: bound on the multiply-accumulates of a whole training (forward and backward counted as three times
            forward); above it a genome is `invalid` before training; 0 for none.
        data: fingerprint of the prepared images.
        additions: operations and forms beside the built-in ones.
        evaluation: name and version of the user's function that evaluates; empty where networks are trained.
        latency: fingerprint of the table of layer times, where a quantity is `latency`; else empty.
        score: one of `SCORES`: where the scores of a search come from; those on fresh seeds come from trainings.
        shared: the shared network, where scores are inherited from it.
        sums: one of `SUMS`: `exact`, or `scaled` for what was recorded before and is only looked up.
    """

    dataset: DatasetSpec
    network: Template
    recipe: Recipe
    max_macs: float = 0.0
    data: str = ""
    additions: Additions = field(default_factory=Additions)
    sums: str = SUMS[0]
    evaluation: str = ""
    latency: str = ""
    score: str = SCORES[0]
    shared: Shared = Shared()

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits over all fields and the versions of decoder, operation table and torch.

        Of additions the names, specs and full names of the functions count, not what these compute. A protocol that
        could be said before a field existed keeps the fingerprint that it had then.
        """
        said: dict[str, Any] = {
            "dataset": asdict(self.dataset),
            "network": asdict(self.network),
            "recipe": asdict(self.recipe),
            "max_macs": self.max_macs,
            "data": self.data,
        }
        for part, fields_of in _LATER.items():
            for name, before in fields_of.items():
                if said[part][name] == before:
                    del said[part][name]
        if self.additions:
            said["additions"] = self.additions.described()
        if self.evaluation:
            said["evaluation"] = self.evaluation
        if self.latency:
            said["latency"] = self.latency
        if self.inherits:
            said |= {"score": self.score, "shared": asdict(self.shared)}
        if self.sums == SUMS[0] and self.adds_up_scaled:
            said["sums"] = self.sums
        versions = [DECODER_VERSION, OPERATIONS_VERSION, torch.__version__.split("+")[0]]
        text = json.dumps([said, versions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def inherits(self) -> bool:
        """Whether the scores of a search come from a shared network."""
        return self.score != SCORES[0]

    @property
    def adds_up_scaled(self) -> bool:
        """Whether some layer with scaled weights is computed module by module in float32, where `sums` matter: grouped
        convolutions and operations of a user's own always are.
        """
        recipe, network = self.recipe, self.network
        if recipe.weights == "real" or (recipe.quantiser or network.scale) == "none":
            return False
        ungrouped = network.macro in ("bnas", "resnet") and not self.additions.operations
        fused = recipe.kernels == "fused" and recipe.surrogate in SLOPES
        return not (ungrouped and (fused or recipe.precision == "bf16"))

    def changed_since(self, fingerprint: str) -> str:
        """Return in what a protocol of this fingerprint differs from the present one, for people, as far as that can
        be told.
        """
        if replace(self, sums=SUMS[1]).fingerprint() == fingerprint:
            return (
                "sums of ±alpha, in which a 0 is rounding, where evobnn adds up ±1 now and multiplies by alpha behind"
            )
        return "other data, settings or versions of evobnn or torch"

    def surround(self, shape: tuple[int, int, int], classes: int) -> Surround:
        """Return what `decode` needs to know besides the genome."""
        recipe = self.recipe
        network = replace(self.network, scale=recipe.quantiser) if recipe.quantiser else self.network
        return Surround(
            network, shape, classes, recipe.surrogate, recipe.clip, recipe.precision, recipe.shift, recipe.kernels
        )


def check_jobs_fit(protocol: Protocol, prepared: PreparedData) -> None:
    """Raise, before any training, where the recipe and the data cannot go together, or its kernels are not there."""
    check_kernels(protocol.recipe.kernels)
    check_at_least("recipe.batch", protocol.recipe.batch, 2)
    check_alone(protocol.recipe)
    check_size(protocol.network, prepared.shape)
    if protocol.recipe.batch > prepared.train_count:
        raise ExperimentError(
            message(
                f"a batch of at most the {prepared.train_count} training images",
                str(protocol.recipe.batch),
                "Lower recipe.batch or raise dataset.train_limit.",
            )
        )
