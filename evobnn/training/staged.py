"""A training that can be stopped after every epoch and gone on with, here or in another process, bit for bit.

What is needed for that is a `State`: tensors by name and facts that JSON can hold. On a CPU a training restored from it
ends with the same weights as one that was never stopped; on a GPU as far as the device repeats itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evobnn._seeding import child_seed
from evobnn.data.loaders import Loader
from evobnn.errors import EvobnnError, RunError, message
from evobnn.nn import set_drop_path, set_modes, settle_latent_
from evobnn.training.epoch import EpochRecord, Unfinished
from evobnn.training.loop import Loop, torch_threads
from evobnn.training.matching import check_tensors, first_difference
from evobnn.training.plan import Plan


class Diverged(EvobnnError):  # noqa: N818 - a way to end, like `Status.DIVERGED`
    """A training that met a number that is not finite: its weights are worth nothing any more."""


@dataclass(frozen=True, eq=False)
class State:
    """A training between two epochs.

    Attributes:
        tensors: copies, by name: `network.…` the weights, `optimiser.…` its moments, `average.…`, `teacher.…` and
            `fresh.…` (the weights at the start) where the plan has a use for them, `generator.…` what draws.
        facts: ready for JSON: plan, seed, stage, epochs finished in it and in all, records.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class StagedTraining:
    """A plan at work on a network.

    Arguments:
        network: built for `plan` with its weights drawn, on the device of `loader`; trained in place.
        loader: the images.
        plan: the stages.
        seed: of everything drawn but the weights.
    """

    def __init__(self, network: nn.Module, loader: Loader, plan: Plan, seed: int) -> None:
        self.network, self.loader, self.plan, self.seed = network, loader, plan, seed
        self.records: tuple[EpochRecord, ...] = ()
        self._diverged = ""
        later = [stage.start for stage in plan.stages[1:]]
        self._fresh = _copied(network.state_dict()) if "fresh" in later else {}
        self._begin(0, None)

    @property
    def epoch(self) -> int:
        """Number of finished epochs over all stages."""
        return len(self.records)

    @property
    def finished(self) -> bool:
        """Whether all epochs of all stages are done."""
        return self.epoch == self.plan.epochs

    def advance(self) -> EpochRecord:
        """Train for one epoch, and before it enter the next stage where one is done; return the record.

        Raises:
            Diverged: the training met a number that is not finite; it cannot go on.
            RunError: it is finished.
        """
        if self._diverged:
            raise Diverged(self._diverged)
        if self.finished:
            raise RunError(message("a training with epochs left", f"all {self.epoch} done", "Take its final network."))
        if self._loop.epoch == self._loop.recipe.epochs:
            self._enter(self._stage + 1)
        loop = self._loop
        try:
            with torch_threads(loop.recipe.threads):
                found = loop.advance()
                if loop.recipe.branches and loop.epoch == loop.recipe.epochs:
                    found = loop.branch()
        except Unfinished as end:
            stage = f", stage {self._stage + 1} of {len(self.plan.stages)}" if len(self.plan.stages) > 1 else ""
            do = "Lower recipe.learning_rate, or bound the gradient by recipe.gradient_norm."
            self._diverged = message("a training of finite numbers", f"{end}{stage}", do)
            raise Diverged(self._diverged) from None
        record = EpochRecord(self._stage, self.epoch + 1, loop.rate, *astuple(found))
        self.records += (record,)
        return record

    def final_network(self) -> nn.Module:
        """Return a copy of the network in evaluation mode, with the averaged weights where there are any."""
        if self._loop.average is None:
            return _still(self.network)
        with self._loop.average.applied():
            return _still(self.network)

    # --- Stages -----------------------------------------------------------------------------------------------------

    def _enter(self, number: int) -> None:
        """Leave the stage before behind, its averaged weights in the network, and begin another one."""
        stage, before = self.plan.stages[number], self._loop.recipe
        if self._loop.average is not None:
            self._loop.average.settle()
        teacher = _still(self.network) if stage.recipe.distillation else None
        if stage.start == "fresh":
            self.network.load_state_dict(self._fresh)
        self._begin(number, teacher)
        if stage.start == "previous" and before.weights == "real" and stage.recipe.weights == "binary":
            with torch.no_grad():
                settle_latent_(self.network, stage.recipe.latent_clip)

    def _begin(self, number: int, teacher: nn.Module | None) -> None:
        """Switch the network to the modes of a stage and make what trains it."""
        recipe = self.plan.stages[number].recipe
        set_drop_path(self.network, 0.0, torch.Generator())
        set_modes(self.network, recipe.activations, recipe.weights)
        seed = child_seed(self.seed, "stage", number) if number else self.seed
        self._stage, self._loop = number, Loop(self.network, self.loader, recipe, seed, teacher)

    # --- Stopping and going on --------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return what `restore` needs; later epochs do not change it.

        Raises:
            Diverged: there is nothing worth going on from.
        """
        if self._diverged:
            raise Diverged(self._diverged)
        loop = self._loop
        parts: dict[str, Mapping[str, Tensor]] = {
            "teacher": loop.teacher.state_dict() if loop.teacher is not None else {},
            "fresh": self._fresh if self._needs_fresh else {},
        }
        tensors = {f"{part}.{name}": t for part, there in parts.items() for name, t in _copied(there).items()}
        tensors |= loop.tensors()
        facts = {
            "plan": _plain(self.plan),
            "seed": self.seed,
            "stage": self._stage,
            "stage_epoch": loop.epoch,
            "epoch": self.epoch,
            "records": [asdict(record) for record in self.records],
        }
        return State(tensors, facts)

    @property
    def _needs_fresh(self) -> bool:
        return any(stage.start == "fresh" for stage in self.plan.stages[self._stage + 1 :])

    def restore(self, state: State) -> None:
        """Go on from where another training of the same network, images, plan and seed was when it gave this state.

        Raises:
            RunError: a state of another plan, seed or network, naming the first thing that differs; nothing is changed.
        """
        facts = state.facts
        for what, here in (("plan", _plain(self.plan)), ("seed", self.seed)):
            place, there, wanted = first_difference(facts[what], here, what)
            if place:
                do = "Go on with the plan and the seed that it began with, or begin anew in another folder."
                raise RunError(message(f"a checkpoint with {place} = {wanted!r}", repr(there), do))
        parts: dict[str, dict[str, Tensor]] = {}
        for full, tensor in state.tensors.items():
            part, _, name = full.partition(".")
            parts.setdefault(part, {})[name] = tensor
        check_tensors(parts.get("network", {}), self.network)
        number = facts["stage"]
        teacher = None
        if "teacher" in parts:
            teacher = _still(self.network)
            before = self.plan.stages[number - 1].recipe
            set_modes(teacher, before.activations, before.weights)
            teacher.load_state_dict(parts["teacher"])
        for name, tensor in parts.get("fresh", {}).items():
            self._fresh[name].copy_(tensor)
        self._begin(number, teacher)
        self._loop.restore(state.tensors, facts["stage_epoch"])
        self.records, self._diverged = tuple(EpochRecord(**row) for row in facts["records"]), ""


def _still(network: nn.Module) -> nn.Module:
    """Return a copy that drops no paths, wants no gradient and is in evaluation mode."""
    still = copy.deepcopy(network)
    set_drop_path(still, 0.0, torch.Generator())
    return still.eval().requires_grad_(False)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _plain(plan: Plan) -> Any:
    """Return the plan as JSON gives it back: tuples as lists."""
    stages = [{"recipe": stage.recipe.said(), "start": stage.start} for stage in plan.stages]
    return json.loads(json.dumps({"name": plan.name, "stages": stages}))
