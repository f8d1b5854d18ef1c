"""One evaluation with inherited weights: a genome's network is copied out of the shared one and validated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from evobnn.data.batches import epoch_batches, normalise
from evobnn.data.loaders import Loader
from evobnn.errors import EvobnnError, RunError, message
from evobnn.evaluation import Bench, Phenotype, Stretch, evaluate
from evobnn.evaluation.evaluation import tensors_of
from evobnn.nn import all_finite, watch
from evobnn.records import Evaluation, Status
from evobnn.supernet.copy import copied
from evobnn.supernet.train import finished, training
from evobnn.training import TrainResult, score
from evobnn.training.epoch import Epoch
from evobnn.training.loop import SCORED, torch_threads


@dataclass(frozen=True)
class Heir:
    """One such evaluation as it travels to a worker.

    Attributes:
        bench: where and how.
        genome: as text.
        root: seed of the run.
        folder: of the run, with the finished shared network.
    """

    bench: Bench
    genome: str
    root: int
    folder: str


def run_heir(heir: Heir) -> Evaluation:
    """Evaluate with inherited weights; the function that workers import. Never raises on account of the genome."""
    try:
        genome = heir.bench.space.parse(heir.genome)
    except EvobnnError as error:
        return Evaluation(Status.INVALID, message=str(error))
    return evaluate(heir.bench, genome, 0, by=partial(_validated, root=heir.root, folder=heir.folder))


def _validated(one: Phenotype, seed: int, stretch: Stretch, *, root: int, folder: str) -> TrainResult:
    bench = one.bench
    weights = _weights(folder, training(bench, root))
    with torch_threads(bench.protocol.recipe.threads):
        return validated(bench, one, weights)


@lru_cache(maxsize=2)
def _weights(folder: str, name: str) -> Mapping[str, Tensor]:
    """Return the finished network of a run folder, read once in a process."""
    found = finished(Path(folder), name)
    if found is None:
        raise RunError(message(f"a finished shared network in {folder}", "none of this run", "Resume the run."))
    return found


def validated(bench: Bench, one: Phenotype, weights: Mapping[str, Tensor]) -> TrainResult:
    """Return loss and error on the validation images with shared weights; there is no training loss (NaN)."""
    data = tensors_of(bench.prepared.folder, bench.device)
    network = copied(bench, one.canonical, weights)
    if bench.protocol.shared.recalibrate:
        recalibrate(network, data, bench.protocol.recipe.batch, bench.protocol.shared.recalibrate)
    with watch(network):
        loss, error = score(network, data, SCORED[bench.protocol.recipe.kernels])
    if not (all_finite(network) and math.isfinite(loss)):
        return TrainResult((), "diverged", "a non-finite value with inherited weights")
    return TrainResult((Epoch(math.nan, loss, error),))


def recalibrate(network: nn.Module, data: Loader, batch: int, count: int) -> None:
    """Measure the moments of all batch norms anew, as means over `count` batches of training images, always the same.

    Batch i counts 1/(i + 1) where those before it count the rest. (PyTorch's own way, momentum None, is none that the
    fused layers know.)
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    batches = epoch_batches(data.count, batch, torch.Generator().manual_seed(0))[:count]
    network.train()
    with torch.no_grad():
        for number, (images, _) in enumerate(data.epoch(batches)):
            for norm in norms:
                norm.momentum = 1.0 / (number + 1)
            network(normalise(images, data.mean, data.deviation))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
