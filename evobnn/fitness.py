"""One evaluation: decode a genome, train it briefly, measure it. What goes wrong becomes a status, not an exception."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evobnn._checks import check_at_least, check_name
from evobnn._room import no_such_device
from evobnn._seeding import child_seed
from evobnn.data import DatasetSpec, PreparedData, open_split
from evobnn.data.batches import Tensors, to_tensors
from evobnn.decode import DECODER_VERSION, Surround, check_size, decode
from evobnn.decode import Additions as Additions
from evobnn.errors import EvobnnError, ExperimentError, message
from evobnn.genome import Genome, X
from evobnn.nn import FORMS, Form, NetworkCost, behaviour, constant_sign, set_modes
from evobnn.nn.cost import count
from evobnn.nn.hollow import unfilled
from evobnn.records import RUNG, Evaluation, Status, rung_measures
from evobnn.spaces import Space, Template, canonical, embed, key, lost_signal
from evobnn.spaces.canonical import is_plain
from evobnn.training import (
    ALONE,
    LATER,
    Edges,
    Heritage,
    Recipe,
    TrainResult,
    check_alone,
    inherit_,
    load_trunk,
    save_trunk,
    train,
)

OPERATIONS_VERSION = 1
"""Raised when an operation or form of the built-in tables begins to compute something else under its name."""


@dataclass(frozen=True)
class Measured:
    """What an objective may look at."""

    result: TrainResult
    cost: NetworkCost


@dataclass(frozen=True)
class Objective:
    """A quantity to be minimised.

    Attributes:
        name: as written in experiments and files.
        unit: for people.
        measure: from a finished training to the value.
        axis: `linear` or `log10`: how hypervolume measures it.
    """

    name: str
    unit: str
    measure: Callable[[Measured], float]
    axis: str = "log10"


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("error", "1 - validation accuracy", lambda m: m.result.validation_error, "linear"),
        Objective("ops", "operations per image, 64 binary ones counted as one", lambda m: m.cost.ops),
        Objective("bits", "bits kept for inference", lambda m: float(m.cost.bits)),
        Objective("parameters", "trainable numbers", lambda m: float(m.cost.parameters)),
        Objective(
            "elementwise",
            "elementwise operations per image: norms, activations, pools, additions",
            lambda m: float(m.cost.other),
        ),
    )
}


_LATER: dict[str, dict[str, Any]] = {
    "dataset": {"skip_damaged": False},
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
    """

    dataset: DatasetSpec
    network: Template
    recipe: Recipe
    max_macs: float = 0.0
    data: str = ""
    additions: Additions = field(default_factory=Additions)

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
        versions = [DECODER_VERSION, OPERATIONS_VERSION, torch.__version__.split("+")[0]]
        text = json.dumps([said, versions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def surround(self, shape: tuple[int, int, int], classes: int) -> Surround:
        """Return what `decode` needs to know besides the genome."""
        recipe = self.recipe
        network = replace(self.network, scale=recipe.quantiser) if recipe.quantiser else self.network
        return Surround(
            network, shape, classes, recipe.surrogate, recipe.clip, recipe.precision, recipe.shift, recipe.kernels
        )


@dataclass(frozen=True)
class Bench:
    """Where evaluations happen: space, protocol and prepared data; small enough to be sent with every one.

    Attributes:
        objectives: names, in order.
        device: torch device of the training.
        timeout: seconds after which one training gives up; 0 for none. A net, not a bound to rely on.
    """

    space: Space
    protocol: Protocol
    prepared: PreparedData
    objectives: tuple[str, ...] = ("error", "ops")
    device: str = "cpu"
    timeout: float = 0.0

    def __post_init__(self) -> None:
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise ExperimentError(message("different objectives", str(list(self.objectives)), "Name each once."))
        for name in self.objectives:
            check_name("objective", name, OBJECTIVES)
        for what, offered, known in (
            ("operation", self.space.operations, self.additions.operation_specs),
            ("form", self.space.forms, self.additions.form_specs),
        ):
            for name in offered:
                if name not in known:
                    raise ExperimentError(
                        message(f"a way to compute every {what} of the space", f"none for '{name}'", "Add it.")
                    )

    @property
    def additions(self) -> Additions:
        """Operations and forms beside the built-in ones."""
        return self.protocol.additions

    @property
    def surround(self) -> Surround:
        """What `decode` needs to know besides the genome."""
        return self.protocol.surround(self.prepared.shape, self.prepared.classes)

    def network(
        self, genome: Genome, *, real: bool = False, published: bool = False, weights: str = "binary"
    ) -> nn.Module:
        """Return the network of a genome, as `decode` builds it, with the additions' operations and forms."""
        return decode(
            self.space,
            genome,
            self.surround,
            real=real,
            published=published,
            weights=weights,
            ops=self.additions.builders,
            forms=self.additions.computed_forms,
        )

    def cost(self, genome: Genome) -> NetworkCost:
        """Return the counts of the genome's binary network, for which no weight is drawn and nothing computed.

        Counted once for each canonical form, as long as it is among the newest `_COSTS`.
        """
        self.space.check_buildable(genome)
        name = str(canonical(self.space, genome))
        if name not in self._costs:
            with unfilled():
                network = self.network(genome)
            if len(self._costs) == _COSTS:
                del self._costs[next(iter(self._costs))]
            self._costs[name] = count(network, self.prepared.shape, self.additions.all_counters)
        return self._costs[name]

    @cached_property
    def _costs(self) -> dict[str, NetworkCost]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_costs"}

    def edges(self, genome: Genome) -> Edges:
        """Return the edges of each cell of the genome's network as `source operation target`, as they are built."""
        cells = canonical(self.space, genome).cell_by_kind
        built = [cells[kind].edges for kind in self.protocol.network.kinds if kind in cells]
        return [[f"{source} {operation} {target}" for source, target, operation in edges] for edges in built]

    def infeasible(self, genome: Genome) -> str:
        """Return why the genome is `invalid` untrained, or an empty text: no path, or a sign that never changes.

        An expression without learnable parts whose sign is constant on 601 points of [-3, 3] passes nothing on; one
        with learnable parts is trained.
        """
        reason = lost_signal(self.space, self.protocol.network, genome)
        if reason:
            return reason
        for site, expression in canonical(self.space, genome).expressions:
            if is_plain(expression, self.space.forms) and _constant(expression.nested(), self._own_forms):
                return f"the sign of @{site} = {expression} is constant on [-3, 3]"
        return ""

    @property
    def _own_forms(self) -> tuple[Form, ...]:
        return tuple(form for _, form in self.additions.forms.values())

    def seed(self, root: int, genome: Genome, repeat: int) -> int:
        """Return the seed of one evaluation: from root seed, key and repeat, never from worker or order."""
        return child_seed(root, "evaluation", key(self.space, genome), repeat)

    def training(self, seed: int) -> str:
        """Return what names the training of this seed in files that hold a part of it."""
        return f"{self.protocol.fingerprint()} {seed}"

    def extremes(self) -> tuple[Genome, Genome]:
        """Return the cheapest and the dearest genome of the space under this template, by `ops`."""
        *candidates, dearest = self._candidates()
        return min(candidates, key=lambda genome: self.cost(genome).ops), dearest

    def _candidates(self) -> Iterator[Genome]:
        """Yield those that may be the cheapest (which input is cheaper to read is the template's affair), then the
        dearest.
        """
        bare = self.protocol.network.skip == "none" and len(self.space.free_kinds) > 1
        for source, reducing in product((0, 1), (0, 1) if bare else (None,)):
            least, dearest = self.space.extremes(source, reducing)
            yield least
        yield dearest

    def anchors(self) -> tuple[Genome, ...]:
        """Return the cells of both extremes with the plain sign wherever the expression is free and can be plain; one
        genome where the two are then the same.
        """
        plain = embed(self.space.shape, self.space.alphabet, X, self.space.forms)
        found = []
        for genome in self.extremes():
            for site in self.space.free_sites if plain is not None else ():
                genome = genome.with_expression(site, plain or X)
            found.append(genome)
        return tuple(dict.fromkeys(found))

    def axes(self) -> dict[str, tuple[float, float, str]]:
        """Return (low, high, scale) of every objective, the same for all runs in this space and protocol: error from 0
        to chance, costs between the analytic cheapest and dearest genome. Where all genomes cost the same, low is high.
        """
        *candidates, dearest = map(self.cost, self._candidates())
        chance = 1.0 - 1.0 / self.prepared.classes
        no_training = TrainResult(())
        found: dict[str, tuple[float, float, str]] = {}
        for name in self.objectives:
            objective = OBJECTIVES[name]
            if name == "error":
                found[name] = (0.0, chance, objective.axis)
            else:
                low = min(objective.measure(Measured(no_training, cost)) for cost in candidates)
                found[name] = (low, objective.measure(Measured(no_training, dearest)), objective.axis)
        return found


_COSTS = 1000
"""Most counts that a bench keeps."""


@cache
def _constant(tree: tuple[Any, ...], own: tuple[Form, ...]) -> bool:
    return constant_sign(tree, {**FORMS, **{form.name: form for form in own}})


def check_device(device: str) -> str:
    """Return `device` if torch can compute on it; raise DeviceError otherwise."""
    try:
        torch.empty(1, device=device).add_(1.0).item()  # an item, because the meta device adds but holds nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise no_such_device(device) from error
    return device


@lru_cache(maxsize=4)
def _tensors(folder: str, device: str) -> Tensors:
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


def evaluate(
    bench: Bench,
    genome: Genome,
    seed: int,
    *,
    twin: bool = False,
    catch: bool = True,
    stretch: Stretch = WHOLE,
    heritage: Heritage = ALONE,
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
        heritage: trained weights to begin with wherever both networks are the same, and where its own are kept; not
            for the twin.
    """
    started = time.perf_counter()
    try:
        found = _evaluate(bench, genome, seed, stretch, heritage)
    except Exception as error:
        if not catch:
            raise
        found = Evaluation(
            Status.ERROR, message=f"{type(error).__name__}: {error}"[:500], traceback=traceback.format_exc()
        )
    measures = found.measures
    if twin and found.status is Status.OK:
        measures = {**measures, **_parent(bench, genome, seed)}
    if stretch.epochs:
        measures = {**measures, RUNG: stretch.epochs}
    return Evaluation(
        found.status,
        found.objectives,
        found.message,
        measures,
        found.behaviour,
        time.perf_counter() - started,
        found.traceback,
        heritage.parent,
    )


def _evaluate(bench: Bench, genome: Genome, seed: int, stretch: Stretch, heritage: Heritage) -> Evaluation:
    reason = bench.infeasible(genome)
    if reason:
        return Evaluation(Status.INVALID, message=reason)
    cost = bench.cost(genome)
    recipe = bench.protocol.recipe
    macs = 3.0 * (cost.binary_macs + cost.real_macs) * bench.prepared.train_count * recipe.length
    if bench.protocol.max_macs and macs > bench.protocol.max_macs:
        bound = f"more than max_macs = {bench.protocol.max_macs:.3g}"
        return Evaluation(Status.INVALID, message=f"its training takes {macs:.3g} multiply-accumulates, {bound}")
    counts = _counts(cost)
    fingerprint = _behaviour(bench, genome)
    result = _trained(bench, genome, seed, real=False, stretch=stretch, heritage=heritage)
    if result.ended != "finished":
        return Evaluation(Status(result.ended), message=result.message, measures=counts, behaviour=fingerprint)
    measured = Measured(result, cost)
    objectives = {name: OBJECTIVES[name].measure(measured) for name in bench.objectives}
    measures = {"loss": result.validation_loss, "training_loss": result.curve[-1].training_loss, **counts}
    if stretch.epochs:
        reached = f"scored after epoch {stretch.epochs} of {recipe.epochs}"
        there = {**measures, **rung_measures(stretch.epochs, objectives)}
        return Evaluation(Status.PRUNED, message=reached, measures=there, behaviour=fingerprint)
    return Evaluation(Status.OK, objectives, "", measures, fingerprint)


def _trained(
    bench: Bench, genome: Genome, seed: int, *, real: bool, stretch: Stretch = WHOLE, heritage: Heritage = ALONE
) -> TrainResult:
    """Train the network of a genome, or its real-valued twin, from the weights that this seed draws for both, but for
    those that it inherits.
    """
    recipe = bench.protocol.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "weights"))
        network = bench.network(genome, real=real, weights=recipe.weights)
    if heritage.file:
        inherit_(network, bench.edges(genome), heritage.weights())
    if recipe.activations == "real":
        set_modes(network, "real", "real" if real else recipe.weights)
    data = _tensors(bench.prepared.folder, bench.device)
    network = network.to(bench.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    deadline = time.monotonic() + bench.timeout if bench.timeout else None
    begun, keep = None, None
    if stretch.file:
        path, training = Path(stretch.file), bench.training(seed)
        begun, keep = load_trunk(path, training), partial(save_trunk, path=path, training=training)
    epochs = stretch.epochs or None
    result = train(
        network, data, recipe, seed, epochs=epochs, begun=begun, keep=keep, deadline=deadline, every_epoch=False
    )
    if heritage.keep and result.ended == "finished":
        heritage.hand_on(network, bench.edges(genome), result.curve, bench.training(seed))
    return result


def _parent(bench: Bench, genome: Genome, seed: int) -> dict[str, float]:
    """Return the error of the real-valued twin as a measure; nothing where its training fails in any way."""
    try:
        result = _trained(bench, genome, seed, real=True)
    except Exception:
        return {}
    return {"parent_error": result.validation_error} if result.ended == "finished" else {}


def _counts(cost: NetworkCost) -> Mapping[str, float]:
    """Return the counts that every evaluation records."""
    return {
        "ops": cost.ops,
        "binary_macs": cost.binary_macs,
        "real_macs": cost.real_macs,
        "binary_share": cost.binary_share,
        "bits": cost.bits,
        "parameters": cost.parameters,
        "other": cost.other,
    }


def _behaviour(bench: Bench, genome: Genome) -> str:
    """Return the fingerprints of the expressions, as `class:digits` joined by blanks."""
    live, forms = canonical(bench.space, genome).expressions, bench.additions.computed_forms
    return " ".join(f"{site}:{behaviour(expression.nested(), forms)}" for site, expression in live)


@dataclass(frozen=True)
class Job:
    """One evaluation as it travels to a worker: small and picklable. What follows the seed is as in `evaluate`."""

    bench: Bench
    genome: str
    seed: int
    twin: bool = False
    stretch: Stretch = WHOLE
    heritage: Heritage = ALONE


def run_job(job: Job) -> Evaluation:
    """Evaluate a job; the function that workers import. Never raises on account of the genome."""
    try:
        genome = job.bench.space.parse(job.genome)
    except EvobnnError as error:
        return Evaluation(Status.INVALID, message=str(error))
    return evaluate(job.bench, genome, job.seed, twin=job.twin, stretch=job.stretch, heritage=job.heritage)


def check_jobs_fit(protocol: Protocol, prepared: PreparedData) -> None:
    """Raise, before any training, where the recipe and the data cannot go together."""
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
