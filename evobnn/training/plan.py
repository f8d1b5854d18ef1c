"""Trainings of several stages, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from evobnn._checks import check_at_least, check_name
from evobnn.errors import ExperimentError, message, unknown_name
from evobnn.training.recipe import Recipe

STARTS = ("previous", "fresh")
BUILT = ("quantiser", "shift", "surrogate", "clip", "precision", "kernels")
"""Fields of a recipe that the network is built with, once for all stages."""


@dataclass(frozen=True)
class Stage:
    """A recipe, and the weights with which it begins.

    Attributes:
        recipe: how to train.
        start: `previous` for the weights that the stage before left (the averaged ones where it averages), `fresh` for
            those that the network was given with. The same for the first stage. The optimiser begins anew in any case.
    """

    recipe: Recipe
    start: str = "previous"

    def __post_init__(self) -> None:
        check_name("stage.start", self.start, STARTS)


@dataclass(frozen=True)
class Plan:
    """Stages in their order.

    Attributes:
        name: for people and files.
        stages: at least one.

    Raises:
        ExperimentError: no stage, stages that ask for differently built networks, or a teacher for the first stage.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise ExperimentError(message(f"a stage in the plan '{self.name}'", "none", "Give at least one recipe."))
        first = self.stages[0].recipe
        for number, stage in enumerate(self.stages[1:], 2):
            for name in BUILT:
                said, wanted = getattr(stage.recipe, name), getattr(first, name)
                if said != wanted:
                    expected = f"recipe.{name} = {wanted!r} in all stages of '{self.name}', as in the first"
                    do = "The network is built once: give all stages the same."
                    raise ExperimentError(message(expected, f"{said!r} in stage {number}", do))
        if first.distillation:
            expected = "recipe.distillation = 0 in the first stage"
            do = "The teacher is the stage before: set it in a later stage."
            raise ExperimentError(message(expected, f"{first.distillation:g}", do))

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.recipe.epochs for stage in self.stages)

    def with_epochs(self, total: int) -> Plan:
        """Return the plan with `total` epochs, divided among the stages in proportion, each getting at least one.

        Raises:
            ExperimentError: fewer epochs than stages.
        """
        check_at_least(f"epochs of the plan '{self.name}'", total, len(self.stages))
        parts = divided(total, [stage.recipe.epochs for stage in self.stages])
        stages = (
            replace(stage, recipe=replace(stage.recipe, epochs=part))
            for stage, part in zip(self.stages, parts, strict=True)
        )
        return replace(self, stages=tuple(stages))

    def changed(self, **settings: Any) -> Plan:
        """Return the plan with these fields of the recipe changed in every stage.

        Raises:
            ExperimentError: a recipe has no such field, or the changed one makes no sense.
        """
        known = [one.name for one in fields(Recipe)]
        for name in settings:
            if name not in known:
                raise ExperimentError(unknown_name("setting of a recipe", name, known))
        return replace(self, stages=tuple(replace(s, recipe=replace(s.recipe, **settings)) for s in self.stages))


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """Return whole numbers >= 1 that sum to `total`, as near to the proportions of `weights` as that goes.

    Exact arithmetic; where two are equally far off, the earlier one is changed. `total` is at least their number.
    """
    whole = sum(weights)
    parts = [max(1, total * weight // whole) for weight in weights]
    while sum(parts) != total:
        short = [total * weight - part * whole for weight, part in zip(weights, parts, strict=True)]
        if sum(parts) < total:
            parts[short.index(max(short))] += 1
        else:
            parts[min((s, i) for i, s in enumerate(short) if parts[i] > 1)[1]] -= 1
    return parts
