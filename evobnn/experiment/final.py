"""What decides a final training: genome, data, network, plan and seeds; `training.toml` and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from evobnn._checks import check_at_least
from evobnn.errors import ExperimentError, RunError, message, unknown_name
from evobnn.experiment import Experiment
from evobnn.experiment.augmented import augmented
from evobnn.experiment.presets import parsed
from evobnn.experiment.recipes import plan_from_table, plan_table
from evobnn.experiment.text import from_table
from evobnn.training import Plan

TRAINING = "training.toml"
FORMAT = 1
_OWN = ("format", "genome", "recipe_name", "seeds", "all_images")
_OF_EXPERIMENT = ("preset", "space", "dataset", "network")
_OF_PLAN = ("recipe", "stages")


@dataclass(frozen=True)
class FinalSettings:
    """Everything that decides the weights at the end, beside versions and device.

    Attributes:
        genome: as text.
        experiment: its space, data set and network template hold; nothing else of it counts.
        plan: the recipe with all its stages.
        seeds: one training each.
        all_images: also learn from the validation part; there are no validation figures then.
    """

    genome: str
    experiment: Experiment
    plan: Plan
    seeds: tuple[int, ...] = (0,)
    all_images: bool = False

    def __post_init__(self) -> None:
        for seed in self.seeds:
            check_at_least("seeds", seed, 0)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ExperimentError(message("different seeds", str(list(self.seeds)), "Name each once."))
        settled = replace(Experiment(), **{name: getattr(self.experiment, name) for name in _OF_EXPERIMENT})
        object.__setattr__(self, "experiment", replace(settled, recipe=self.plan.stages[0].recipe))

    def for_images(self, shape: tuple[int, int, int]) -> FinalSettings:
        """Return the settings with what `auto` stands for as augmentation of images of this shape (C, H, W)."""
        name, side = self.experiment.dataset.name, min(shape[1:])
        stages = tuple(replace(one, recipe=augmented(one.recipe, name, side)) for one in self.plan.stages)
        return replace(self, plan=replace(self.plan, stages=stages))

    @property
    def ends(self) -> tuple[int, ...]:
        """The epoch, counted from 1, with which each stage ends."""
        found = [stage.recipe.epochs for stage in self.plan.stages]
        return tuple(sum(found[: place + 1]) for place in range(len(found)))


def to_text(settings: FinalSettings) -> str:
    """Return the settings as TOML; equal settings give equal bytes."""
    experiment = dataclasses.asdict(settings.experiment)
    if not experiment["dataset"]["fingerprint"]:
        del experiment["dataset"]["fingerprint"]  # as in trainings from before there was one
    table = {
        "format": FORMAT,
        "preset": experiment["preset"],
        "genome": settings.genome,
        "recipe_name": settings.plan.name,
        "seeds": settings.seeds,
        "all_images": settings.all_images,
        **{name: experiment[name] for name in _OF_EXPERIMENT if name != "preset"},
        **plan_table(settings.plan),
    }
    return tomli_w.dumps(json.loads(json.dumps(table)))


def from_text(text: str, source: str) -> FinalSettings:
    """Return the settings of a TOML text; raise ExperimentError naming `source` for what is not understood."""
    table = parsed(text, source)
    if table.get("format") != FORMAT:
        got = repr(table.get("format"))
        raise ExperimentError(message(f"format {FORMAT} in {source}", got, "Use the version of evobnn that wrote it."))
    known = (*_OWN, *_OF_EXPERIMENT, *_OF_PLAN)
    for name in table:
        if name not in known:
            raise ExperimentError(unknown_name(f"setting in {source}", name, known))
    seeds, all_images = table.get("seeds"), table.get("all_images", False)
    if not isinstance(seeds, list) or not isinstance(all_images, bool):
        got = f"seeds = {seeds!r}, all_images = {all_images!r}"
        raise ExperimentError(message(f"seeds as a list and all_images as true or false in {source}", got, "Mend it."))
    return FinalSettings(
        _string(table, "genome", source),
        from_table({name: table[name] for name in _OF_EXPERIMENT if name in table}, source),
        plan_from_table(
            {name: table[name] for name in _OF_PLAN if name in table}, _string(table, "recipe_name", source), source
        ),
        tuple(seeds),
        all_images,
    )


def _string(table: Mapping[str, Any], name: str, source: str) -> str:
    if not isinstance(table.get(name), str):
        raise ExperimentError(message(f"{name} as a text in {source}", repr(table.get(name)), "Put it back."))
    return str(table[name])


def is_training(folder: Path) -> bool:
    """Tell whether a folder holds a final training, whole or not."""
    return (folder / TRAINING).is_file()


def open_settings(folder: Path) -> FinalSettings:
    """Return the settings of a training folder; raise RunError where it is none."""
    path = folder / TRAINING
    if not path.is_file():
        raise RunError(message(f"a training folder with {TRAINING}", f"{folder}", "Name one below populations/."))
    try:
        return from_text(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(message(f"the settings of a training in {path}", str(error), "Put the file back.")) from error
