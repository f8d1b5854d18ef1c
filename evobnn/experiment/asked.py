"""What is asked of a final training beside its genome, and the settings that follow from it.

Errors name what is asked for as the command line does.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from evobnn._checks import check_at_least
from evobnn.data import DatasetSpec
from evobnn.errors import ExperimentError, closest, message
from evobnn.evaluation import OBJECTIVES
from evobnn.experiment.final import FinalSettings
from evobnn.experiment.homes import homes
from evobnn.experiment.presets import BRIEF, DEFAULT_PRESET, override, preset_names
from evobnn.experiment.recipes import load_plan
from evobnn.experiment.settings import EvaluationSettings, Experiment
from evobnn.experiment.text import from_table, quickest_kernels, to_text
from evobnn.machine.facts import cores

SECTIONS = ("recipe", "network", "dataset")


@dataclass(frozen=True)
class Asked:
    """What is asked of a training; None where nothing is said. See `evobnn.train` and the options of `evobnn train`."""

    preset: str | None = None
    dataset: str | None = None
    size: int | None = None
    recipe: str | None = None
    assignments: tuple[str, ...] = ()
    cells: int | None = None
    channels: int | None = None
    epochs: int | None = None
    seeds: int | None = None
    threads: int | None = None
    all_images: bool = False
    out: Path | None = None

    @property
    def source(self) -> str:
        """The preset in which a genome's text is read: the one named, the data set's, or the default one."""
        if self.preset is not None:
            return self.preset
        return self.dataset if self.dataset in preset_names() else DEFAULT_PRESET


def final_settings(genome: str, experiment: Experiment, asked: Asked) -> FinalSettings:
    """Return what decides the training of a genome in a run's or preset's space, with what the command line changes.

    Raises:
        ExperimentError: a recipe, number or setting that is not understood or that the template refuses.
    """
    for name in ("cells", "channels", "seeds", "threads", "epochs"):
        if (value := getattr(asked, name)) is not None:
            check_at_least(f"--{name}", value, 1)
    if asked.cells is not None and experiment.network.macro == "resnet":
        do = "Leave it out; --set network.cells=N sets the number of residual blocks."
        raise ExperimentError(message("a space with cells for --cells", f"'{experiment.space.name}', without", do))
    experiment = trained(experiment)
    of_recipe, others = _parted(asked.assignments)
    if asked.dataset is not None:
        experiment = dataclasses.replace(experiment, dataset=_whole(experiment.dataset, asked.dataset))
    if asked.size is not None:
        others = [f"dataset.size={asked.size}", *others]
    experiment = sized(experiment, asked.cells, asked.channels)
    if others:
        experiment = from_table(override(tomllib.loads(to_text(experiment)), others), "the command line")
    plan = load_plan(asked.recipe or BRIEF, experiment.recipe, of_recipe, asked.epochs, quickest_kernels(experiment))
    if not any(text.partition("=")[0].strip() == "recipe.threads" for text in of_recipe) or asked.threads is not None:
        plan = plan.changed(threads=asked.threads or cores())
    return FinalSettings(genome, experiment, plan, tuple(range(asked.seeds or 1)), asked.all_images)


def trained(experiment: Experiment) -> Experiment:
    """Return an experiment without what no training needs: evaluation function, objectives of the user's own."""
    objectives = tuple(name for name in experiment.objectives if name in OBJECTIVES) or ("error",)
    bounds = {name: bound for name, bound in experiment.constraints.items() if name in OBJECTIVES and name != "error"}
    return dataclasses.replace(experiment, objectives=objectives, constraints=bounds, evaluation=EvaluationSettings())


def sized(experiment: Experiment, cells: int | None, channels: int | None) -> Experiment:
    """Return the experiment with a network of that many cells (blocks) and channels; None leaves what it has.

    A search on a table becomes one that trains, as its table knows networks of its own size alone.

    Raises:
        ExperimentError: a number that the template refuses, in the words of the command line.
    """
    network = experiment.network
    if cells is None and channels is None:
        return experiment
    if cells is not None:
        check_at_least("--cells", cells, network.reductions + 1)
        network = dataclasses.replace(network, cells=cells)
    if channels is not None:
        least = next(width for width in count(1) if 1.0 / width <= network.stem)
        check_at_least("--channels", channels, least)  # below it the stem would have less than one
        network = dataclasses.replace(network, width=channels)
    return dataclasses.replace(experiment, network=network, table="")


def _whole(before: DatasetSpec, name: str) -> DatasetSpec:
    """Return a data set as published: without limits and resampling, split as before."""
    if name == before.name:
        return dataclasses.replace(before, size=0, train_limit=0, validation_limit=0)
    return DatasetSpec(name, validation=before.validation, split_seed=before.split_seed)


def _parted(assignments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the assignments to the recipe and the others; raise ExperimentError for those that decide nothing here."""
    for text in assignments:
        path = text.partition("=")[0].strip()
        section = path.partition(".")[0]
        if section not in SECTIONS:
            there = [
                one for one in homes(Experiment).get(path.rpartition(".")[2], ()) if one.partition(".")[0] in SECTIONS
            ]
            near = closest(section, SECTIONS) or (there[0] if len(there) == 1 else None)
            do = f"Did you mean '{near}'?" if near else f"A training has the sections {', '.join(SECTIONS)}."
            raise ExperimentError(message("--set SECTION.KEY=VALUE of a training", f"'{text}'", do))
    of_recipe = [text for text in assignments if text.strip().startswith("recipe")]
    return of_recipe, [text for text in assignments if text not in of_recipe]
