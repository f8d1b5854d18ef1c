"""`evobnn train`: one network to its end, from a run, from a genome's text, or from where a training was stopped."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from evobnn._checks import check_at_least
from evobnn.cli import augmented
from evobnn.cli.brought import additions
from evobnn.cli.console import console, note, table
from evobnn.cli.loops import compile_first
from evobnn.cli.progress import EpochLine
from evobnn.cli.summary import sized
from evobnn.cli.words import STOPPED, counted, duration, first_names, percent, trainings, whole
from evobnn.data import DatasetSpec
from evobnn.errors import ExperimentError, closest, message
from evobnn.evaluation import OBJECTIVES
from evobnn.experiment import Experiment, preset_names
from evobnn.experiment.final import FinalSettings
from evobnn.experiment.homes import homes
from evobnn.experiment.presets import BRIEF, DEFAULT_PRESET, override
from evobnn.experiment.recipes import load_plan
from evobnn.experiment.settings import EvaluationSettings
from evobnn.experiment.text import from_table, quickest_kernels, to_text
from evobnn.machine.facts import cores
from evobnn.runs import Options, subject
from evobnn.runs import named as runs
from evobnn.runs.final import FinalSession, create, named
from evobnn.snapshot import read_starts
from evobnn.training import Plan

SECTIONS = ("recipe", "network", "dataset")


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; None where nothing is said. See the options of `evobnn train`."""

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


def train(what: str, asked: Asked, device: str | None, data_dir: Path | None, brought: Sequence[str] = ()) -> None:
    """Train what is named, or go on with a training folder, and print what it yielded."""
    own, plan = additions(brought), None

    def options() -> Options:
        return Options(1, device=device or "cpu", data_dir=data_dir, additions=own, brought=tuple(brought))

    folder = named.find(what)
    if folder is not None:
        _refuse_settings(what, asked)
        before = next(reversed(read_starts(folder)), {})
        there = before.get("data_dir")
        data_dir = data_dir or (Path(there) if there else None)
        device, brought = device or str(before.get("device", "cpu")), brought or before.get("with", ())
    else:
        found = subject.find(what, _preset(asked), data_dir, own)
        data_dir, new = found.data_dir, settings(found.text, found.experiment, asked)
        folder, plan = create(new, options(), runs.ROOT, asked.out), new.plan
    _proceed(FinalSession(folder, options()), plan)


def settings(genome: str, experiment: Experiment, asked: Asked) -> FinalSettings:
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


def _whole(before: DatasetSpec, name: str) -> DatasetSpec:
    """Return a data set as published: without limits and resampling, split as before."""
    if name == before.name:
        return dataclasses.replace(before, size=0, train_limit=0, validation_limit=0)
    return DatasetSpec(name, validation=before.validation, split_seed=before.split_seed)


def _preset(asked: Asked) -> str:
    """Return the preset in which a genome's text is read: the one named, the data set's, or the default one."""
    if asked.preset is not None:
        return asked.preset
    return asked.dataset if asked.dataset in preset_names() else DEFAULT_PRESET


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


def _refuse_settings(what: str, asked: Asked) -> None:
    """Raise where a training folder is named together with settings, which are those with which it was begun."""
    given = [one.name for one in dataclasses.fields(Asked) if getattr(asked, one.name) != one.default]
    if given:
        options = ", ".join("--set" if name == "assignments" else f"--{name.replace('_', '-')}" for name in given)
        do = "Leave them out to go on; start another training from the genome to change them."
        raise ExperimentError(message(f"no settings beside the training folder {what}", options, do))


def _proceed(session: FinalSession, asked: Plan | None) -> None:
    folder = session.folder
    _print_start(session, asked)
    try:
        fused = any(stage.recipe.kernels == "fused" for stage in session.settings.plan.stages)
        compile_first(fused and session.place.bench.device == "cpu")
        with EpochLine() as line:
            session.report, session.say = line.report, line.say
            result = session.proceed()
    except KeyboardInterrupt as stop:
        note(f"stopped; every finished epoch is saved. Go on with:\n  evobnn train {folder}")
        raise typer.Exit(STOPPED) from stop
    print()
    _print_result(result, f"{folder}/result.json")
    print(f"\nfiles    {folder}/: result.json, curve.png, seed-*/ with metrics.jsonl and weights.safetensors")


def _print_start(session: FinalSession, asked: Plan | None) -> None:
    """Print what is about to happen, in five or six lines; more where what was `asked` for needs a word."""
    settings, place = session.settings, session.place
    shape, cost = "x".join(map(str, place.prepared.shape)), place.phenotype.cost
    recipe = settings.plan.stages[0].recipe
    network = settings.experiment.network
    what = "block" if network.macro == "resnet" else "cell"
    seeds = f"seed{'' if len(settings.seeds) == 1 else 's'} {', '.join(map(str, settings.seeds))}"
    print(f"training {session.folder}, {seeds}")
    print(
        f"data     {place.prepared.name}, {shape}, {place.prepared.classes} classes: {place.train_count:,} images to "
        f"train, {place.validation_count:,} to validate"
    )
    if names := first_names(place.prepared.class_names):
        print(f"         classes {names}")
    print(
        f"network  {counted(network.cells, what)} of width {network.width}: {whole(cost.ops)} operations, "
        f"{cost.bits:,} bits, {percent(cost.binary_share, 1)} of the MACs binary"
    )
    stages = counted(len(settings.plan.stages), "stage")
    shown = augmented.behind([stage.recipe.augmentation for stage in settings.plan.stages])
    print(
        f"recipe   {settings.plan.name}: {counted(settings.plan.epochs, 'epoch')} in {stages}, "
        f"batch {recipe.batch}{shown}"
    )
    for line in augmented.explained(asked, settings, min(place.prepared.shape[1:])) if asked else ():
        print(f"         {line}")
    print(f"work     {place.bench.device}, {counted(recipe.threads, 'thread')}, {recipe.precision}", flush=True)


def _print_result(result: Mapping[str, Any], whole: str) -> None:
    shown = table("seed", "epochs", "validation error", "test accuracy", "time", first=(0, 3, 2, 1))
    for row in result["seeds"]:
        if "failed" in row:
            shown.add_row(str(row["seed"]), str(row["epochs"]), "failed", "–", duration(row["seconds"]))
            continue
        shown.add_row(
            str(row["seed"]),
            str(row["epochs"]),
            "–" if row["validation_error"] is None else percent(row["validation_error"]),
            percent(1.0 - row["test_error"]),
            duration(row["seconds"]),
        )
    out = console()
    shown.show(out, whole)
    error = result["test_error"]
    sd = "" if error["sd"] is None else f" ± {100 * error['sd']:.2f}"
    of = f"{result['data']['test']:,} test images, {trainings(result['n'])}"
    out.print(f"test accuracy {100 * (1.0 - error['mean']):.2f}{sd} % on {of}.", soft_wrap=True)
