"""One evaluation: decode a genome, train it briefly, measure it. What goes wrong becomes a status, not an exception."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from evobnn._seeding import child_seed
from evobnn.data import open_split
from evobnn.data.batches import Tensors, to_tensors
from evobnn.errors import EvobnnError
from evobnn.evaluation.bench import Bench
from evobnn.evaluation.phenotype import Phenotype
from evobnn.genome import Genome
from evobnn.machine.room import no_such_device
from evobnn.nn import set_modes
from evobnn.records import RUNG, Evaluation, Status, rung_measures
from evobnn.training import TrainResult, load_trunk, save_trunk, train


def check_device(device: str) -> str:
    """Return `device` if torch can compute on it; raise DeviceError otherwise."""
    try:
        torch.empty(1, device=device).add_(1.0).item()  # an item, because the meta device adds but holds nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise no_such_device(device) from error
    return device


@lru_cache(maxsize=4)
def tensors_of(folder: str, device: str) -> Tensors:
    """Return the prepared images in a folder on a device; the same object for the same folder, as long as it is among
    the last four.
    """
    return to_tensors(open_split(folder), device)


@dataclass(frozen=True)
class Stretch:
    """The part of a training that is done now.

    Attributes:
        epochs: of the recipe after which a branch is scored and the evaluation ends `pruned`; 0 for all of them.
        file: where the trunk waits between two stretches, a path; empty for nowhere. Only a cache: without it the
            training begins anew, and yields the same.
    """

    epochs: int = 0
    file: str = ""


WHOLE = Stretch()

Way = Callable[[Phenotype, int, Stretch], TrainResult]
"""Makes the binary network of a genome by this seed, as far as the stretch says, and scores it."""


def evaluate(
    bench: Bench,
    genome: Genome,
    seed: int,
    *,
    twin: bool = False,
    catch: bool = True,
    stretch: Stretch = WHOLE,
    by: Way | None = None,
) -> Evaluation:
    """Train one network and return what came of it.

    Arguments:
        bench: where and how.
        genome: any that the bench's space can build.
        seed: of weights, order and augmentation.
        twin: also train the real-valued twin with the same seed and recipe; if it finishes, its validation error
            stands in `measures` as `parent_error`. Nothing else depends on it.
        catch: turn an exception into the status `error`; otherwise let it through, for looking at one genome.
        stretch: how far to go this time.
        by: how the binary network is come by in place of a training; a training loss of NaN is no measure.
    """
    started = time.perf_counter()
    try:
        one = bench.phenotype(genome)
        found = _evaluate(one, seed, stretch, by or _binary)
    except Exception as error:
        if not catch:
            raise
        found = Evaluation(
            Status.ERROR, message=f"{type(error).__name__}: {error}"[:500], traceback=traceback.format_exc()
        )
    measures = found.measures
    if twin and found.status is Status.OK:
        measures = {**measures, **_parent(one, seed)}
    if stretch.epochs:
        measures = {**measures, RUNG: stretch.epochs}
    took = time.perf_counter() - started
    return replace(found, measures=measures, seconds=took)


def _evaluate(one: Phenotype, seed: int, stretch: Stretch, by: Way) -> Evaluation:
    if one.infeasible:
        return Evaluation(Status.INVALID, message=one.infeasible)
    bench, cost = one.bench, one.cost
    recipe = bench.protocol.recipe
    macs = 3.0 * (cost.binary_macs + cost.real_macs) * bench.prepared.train_count * recipe.length
    if bench.protocol.max_macs and macs > bench.protocol.max_macs:
        bound = f"more than max_macs = {bench.protocol.max_macs:.3g}"
        return Evaluation(Status.INVALID, message=f"its training takes {macs:.3g} multiply-accumulates, {bound}")
    counts = {**cost.recorded(), "other": cost.other}
    fingerprint = one.behaviour
    result = by(one, seed, stretch)
    if result.ended != "finished":
        return Evaluation(Status(result.ended), message=result.message, measures=counts, behaviour=fingerprint)
    objectives = bench.measured(one, result)
    lost = result.curve[-1].training_loss
    training = {} if math.isnan(lost) else {"training_loss": lost}
    measures = {"loss": result.validation_loss, **training, **counts}
    if stretch.epochs:
        reached = f"scored after epoch {stretch.epochs} of {recipe.epochs}"
        there = {**measures, **rung_measures(stretch.epochs, objectives)}
        return Evaluation(Status.PRUNED, message=reached, measures=there, behaviour=fingerprint)
    return Evaluation(Status.OK, objectives, "", measures, fingerprint)


def _binary(one: Phenotype, seed: int, stretch: Stretch) -> TrainResult:
    return _trained(one, seed, "binary", stretch=stretch)


def _trained(one: Phenotype, seed: int, variant: str, *, stretch: Stretch = WHOLE) -> TrainResult:
    """Train the network of a genome, or its real-valued twin, from the weights that this seed draws for both."""
    bench, recipe = one.bench, one.bench.protocol.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "weights"))
        network = one.network(variant=variant, weights=recipe.weights)
    if recipe.activations == "real":
        set_modes(network, "real", "real" if variant == "twin" else recipe.weights)
    data = tensors_of(bench.prepared.folder, bench.device)
    network = network.to(bench.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    deadline = time.monotonic() + bench.timeout if bench.timeout else None
    begun, keep = None, None
    if stretch.file:
        path, training = Path(stretch.file), bench.training(seed)
        begun, keep = load_trunk(path, training), partial(save_trunk, path=path, training=training)
    epochs = stretch.epochs or None
    return train(
        network, data, recipe, seed, epochs=epochs, begun=begun, keep=keep, deadline=deadline, every_epoch=False
    )


def _parent(one: Phenotype, seed: int) -> dict[str, float]:
    """Return the error of the real-valued twin as a measure; nothing where its training fails in any way."""
    try:
        result = _trained(one, seed, "twin")
    except Exception:
        return {}
    return {"parent_error": result.validation_error} if result.ended == "finished" else {}


@dataclass(frozen=True)
class Job:
    """One evaluation as it travels to a worker: small and picklable. What follows the seed is as in `evaluate`."""

    bench: Bench
    genome: str
    seed: int
    twin: bool = False
    stretch: Stretch = WHOLE


def run_job(job: Job) -> Evaluation:
    """Evaluate a job; the function that workers import. Never raises on account of the genome."""
    try:
        genome = job.bench.space.parse(job.genome)
    except EvobnnError as error:
        return Evaluation(Status.INVALID, message=str(error))
    return evaluate(job.bench, genome, job.seed, twin=job.twin, stretch=job.stretch)
