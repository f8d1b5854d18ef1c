"""DARTS of the first order (Liu, Simonyan, Yang, ICLR 2019, section 2.3, xi = 0), on which BNAS and BATS build.

Each step sets alpha by a batch of the second half, then the weights by one of the first. Alpha sees the binarised
weights, as every forward pass does; the latent weights are what is set. Nothing is unrolled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._seeding import Generator, child_seed, generator
from evobnn.data.augment import augmentation
from evobnn.data.batches import Tensors, normalise
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Bench
from evobnn.evaluation.evaluation import tensors_of
from evobnn.genome import Genome
from evobnn.nn import anneal, binary_convolutions, settle_latent_
from evobnn.relax.derive import plain
from evobnn.relax.formulas import Table, alpha_rate, cosine_rate
from evobnn.relax.halves import Batch, check_halves, halved, pairs, steps_of
from evobnn.relax.mixed import Mixed
from evobnn.relax.settings import EXPRESSIONS, Descent
from evobnn.supernet import build
from evobnn.supernet.build import whole
from evobnn.supernet.paths import expressed
from evobnn.supernet.select import express
from evobnn.training.fusedstep import FusedOptimiser
from evobnn.training.loop import SCORED
from evobnn.training.optimiser import moments, restore_moments
from evobnn.training.scoring import score

BETAS = (0.5, 0.999)
"""Of Adam for alpha."""


class Relaxation:
    """A mixed network, its two optimisers, and the images in two halves.

    Arguments:
        bench: whose recipe says what is binary.
        settings: of the descent.
        root: seed of everything drawn.

    Attributes:
        mixed: the network, with alpha.
        data: the halves, see `evobnn.relax.halves`.
    """

    def __init__(self, bench: Bench, settings: Descent, root: int) -> None:
        data = tensors_of(bench.prepared.folder, bench.device)
        check_halves(data.count, settings.batch)
        self.bench, self.settings, self.root = bench, settings, root
        self.data: Tensors = halved(data, root)
        self.supernet = build(bench, root, settings.expressions, EXPRESSIONS)
        self.mixed = Mixed(self.supernet, settings.alpha_start, root)
        express(self.supernet, plain(bench.space))
        self._augment = augmentation(bench.protocol.recipe.augmentation, data.mean)

    def begin(self) -> None:
        """Make the optimisers, once it is settled which parameters learn."""
        one, steps = self.settings, self.settings.epochs * steps_of(self.data, self.settings.batch)
        sgd = {"lr": one.learning_rate, "momentum": one.momentum, "weight_decay": one.weight_decay, "nesterov": False}
        adam = {"lr": alpha_rate(one.travel, steps), "betas": BETAS, "eps": 1e-8, "weight_decay": one.alpha_decay}
        self._weights = FusedOptimiser("sgd", [{"params": self.mixed.weights, **sgd}])
        self._alpha = FusedOptimiser("adam", [{"params": list(self.mixed.alphas.values()), **adam}])
        self._latent = [conv for conv in binary_convolutions(self.mixed) if not conv.real]

    def steps(self, epoch: int) -> Iterator[tuple[Batch, Batch]]:
        """Yield a batch of the first half and one of the second for each step of an epoch, augmented, with the network
        set to train and the rate to that of the epoch.
        """
        one = self.settings
        self.mixed.train()
        anneal(self.mixed, epoch / one.epochs)
        self._weights.param_groups[0]["lr"] = cosine_rate(epoch, one.epochs, one.learning_rate, one.lowest_rate)
        draw = torch.Generator().manual_seed(child_seed(self.root, "relax", "augmentation", epoch))
        rng = generator(self.root, "relax", "expressions", epoch)
        for first, second in pairs(self.data, one.batch, child_seed(self.root, "relax", "order", epoch)):
            if self.supernet.expressions:
                express(self.supernet, self._expressed(rng))
            yield (self._augment(first[0], draw), first[1]), (self._augment(second[0], draw), second[1])

    def set_alpha(self, batch: Batch, bonus: Tensor | None = None) -> None:
        """Take a step of alpha along the gradient of the cross-entropy of a batch, less a bonus."""
        self._alpha.zero_grad()
        with self.mixed.only_alpha():
            loss = self._loss(batch)
            (loss if bonus is None else loss - bonus).backward()  # type: ignore[no-untyped-call]
        self._alpha.step()

    def set_weights(self, batch: Batch) -> Tensor:
        """Take a step of the weights along the gradient of the cross-entropy of a batch, and return that, times the
        images.
        """
        self._weights.zero_grad()
        with self.mixed.only_weights():
            loss = self._loss(batch)
            loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.gradient_norm:
            nn.utils.clip_grad_norm_(self.mixed.weights, self.settings.gradient_norm)
        self._weights.step()
        with torch.no_grad():
            settle_latent_(self._latent, self.bench.protocol.recipe.latent_clip)
        return loss.detach() * len(batch[1])

    def _expressed(self, rng: Generator) -> Genome:
        space = self.bench.space
        found = expressed(self.bench, whole(space), self.supernet.expressions, rng)
        return plain(space) if found is None else found

    def _loss(self, batch: Batch) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.mixed(normalise(images, self.data.mean, self.data.deviation)), labels)

    def scored(self) -> tuple[float, float]:
        """Return loss in nats and error of the mixed network on the second half, with the plain sign where expressions
        are searched.

        Raises:
            ExperimentError: alpha or the loss is no finite number.
        """
        if self.supernet.expressions:
            express(self.supernet, plain(self.bench.space))
        loss, error = score(self.mixed, self.data, SCORED[self.bench.protocol.recipe.kernels])
        if not (math.isfinite(loss) and all(bool(torch.isfinite(t).all()) for t in self.mixed.tables().values())):
            do = "Lower relax.learning_rate or relax.travel."
            raise ExperimentError(message("a mixed network that can be trained", "one that diverged", do))
        return loss, error

    def shares(self) -> dict[str, Table]:
        """Return the shares of all operations, by kind of cell."""
        return {kind: table.detach().double().cpu().numpy() for kind, table in self.mixed.shares().items()}

    def alphas(self) -> dict[str, Table]:
        """Return alpha, by kind of cell."""
        return {kind: table.detach().double().cpu().numpy() for kind, table in self.mixed.tables().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of all that changes between epochs, by name."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self.mixed.state_dict(),
            "weights": moments(self.mixed, self._weights),
            "alpha": moments(self.mixed, self._alpha),
        }
        return {f"{part}.{name}": t.detach().clone() for part, there in parts.items() for name, t in there.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on where a search was that gave these tensors; nothing happens for none."""
        if not tensors:
            return
        parts: dict[str, Any] = {"network": {}, "weights": {}, "alpha": {}}
        for full, tensor in tensors.items():
            part, _, name = full.partition(".")
            parts[part][name] = tensor
        self.mixed.load_state_dict(parts["network"])
        restore_moments(self.mixed, self._weights, parts["weights"])
        restore_moments(self.mixed, self._alpha, parts["alpha"])
