"""`evobnn train`: one network to its end, from a run, from a genome's text, or from where a training was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from evobnn.cli import augmented
from evobnn.cli.brought import additions
from evobnn.cli.console import console, note, table
from evobnn.cli.loops import compile_first
from evobnn.cli.progress import EpochLine
from evobnn.cli.words import STOPPED, counted, duration, first_names, percent, trainings, whole
from evobnn.experiment.asked import Asked
from evobnn.runs.final import FinalSession
from evobnn.runs.final.face import opened
from evobnn.training import Plan


def train(what: str, asked: Asked, device: str | None, data_dir: Path | None, brought: Sequence[str] = ()) -> None:
    """Train what is named, or go on with a training folder, and print what it yielded."""
    _proceed(*opened(what, asked, device, data_dir, additions(brought), brought))


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
