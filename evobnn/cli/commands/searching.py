"""Searching: new runs, and runs that go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evobnn.cli.commands.arguments import (
    Backend,
    Budget,
    DataDir,
    Device,
    Generations,
    Jobs,
    Patience,
    RunArgument,
    Target,
    Timeout,
    With,
    known,
)
from evobnn.experiment.presets import DEFAULT_PRESET


def evolve(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=known("source"),
            metavar="[PRESET | FILE.toml]",
            help=f"What to search. (default: {DEFAULT_PRESET})",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set; without a preset, the one of this name.")] = None,
    data_dir: DataDir = None,
    population: Annotated[int | None, typer.Option(help="Individuals of a generation.")] = None,
    generations: Generations = None,
    budget: Budget = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. (default: populations/PRESET-NUMBER)")] = None,
    seed_from: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Start from a saved run; RUN:cells or RUN:expressions for half. Repeatable."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting of the preset. Repeatable."),
    ] = None,
    timeout: Timeout = None,
    recorded: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="Look evaluations up in a table of recorded trainings."),
    ] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="Bound ops, bits, … or error: bits=200k, ops=1.5M. Repeatable."),
    ] = None,
    patience: Patience = None,
    target: Target = None,
    brought: With = None,
) -> None:
    """Start a new search and show its front."""
    from evobnn.cli.options import options as common

    shorthand = {"dataset.name": dataset, "strategy.population": population, "seed": seed}
    settings = [f"{path}={value}" for path, value in shorthand.items() if value is not None]
    options = common(
        generations=generations, budget=budget, jobs=jobs, backend=backend, device=device, data_dir=data_dir,
        timeout=timeout, brought=brought,
    )  # fmt: skip
    from evobnn.experiment.constraints import parse_bounds

    bounds = parse_bounds(at_most or [])
    from evobnn.cli import search
    from evobnn.runs import chosen

    own = options.additions
    experiment = chosen.experiment(what, dataset, [*settings, *(assignments or [])], recorded, bounds, own)
    search.evolve(experiment, options, out, seed_from or [], search.ends(experiment, patience, target or []))


def resume(
    run: RunArgument,
    generations: Generations = None,
    budget: Budget = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
    timeout: Timeout = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what ended in an error in the unfinished generation.")
    ] = False,
    patience: Patience = None,
    target: Target = None,
    brought: With = None,
) -> None:
    """Go on with a run: after a stop, a crash, or to a higher --generations. Options are those of its last start."""
    from evobnn.cli.options import options as common
    from evobnn.runs import named as runs

    folder = runs.find(run)
    options = common(
        runs.last_start(folder), generations=generations, budget=budget, jobs=jobs, backend=backend, device=device,
        data_dir=data_dir, timeout=timeout, retry_failed=retry_failed, brought=brought,
    )  # fmt: skip
    from evobnn.cli import search

    search.resume(folder, options, patience, target or [])
