"""Many trainings, one question: tables, comparisons, the fidelity of brief trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evobnn.cli.commands.arguments import Backend, DataDir, Device, Jobs, With, known
from evobnn.experiment.presets import DEFAULT_PRESET


def tabulate(
    name: Annotated[
        str | None,
        typer.Argument(callback=known("table"), metavar="[TABLE]", help="Which table; without one, they are listed."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Its folder. (default: populations/tables/TABLE)")] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after about this time: 90s, 10m, 2h.")] = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
) -> None:
    """Train every network of a small space with several seeds; goes on where it was stopped."""
    from evobnn.cli import named
    from evobnn.cli.options import options as common

    if name is None:
        named.list_tables()
        return
    options = common(
        generations=None, budget=budget, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None
    )
    from evobnn.cli import tables

    tables.make(name, options, out)


def table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="Its name, see 'evobnn tabulate', or a path.")],
    best: Annotated[int, typer.Option(min=1, help="How many of the best to show.")] = 15,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="GENOME",
            help="With whom each is compared. (default: the sine of BiPer, or the dearest cells with the plain sign)",
        ),
    ] = None,
    other: Annotated[str | None, typer.Option("--with", metavar="TABLE", help="Also rank correlation with it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
) -> None:
    """Show the best of a table, which of them cannot be told apart from a baseline, and from each other.

    Nothing is compared where no rows were trained more often than the others.
    """
    from evobnn.cli import tables

    tables.show(name, best, baseline, other, as_json=as_json)


def compare(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=known("source"),
            metavar="[PRESET | FILE.toml]",
            help=f"What all arms share. (default: {DEFAULT_PRESET}, or what the table holds)",
        ),
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="Look evaluations up in a table: milliseconds a search."),
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space to search.")] = None,
    strategies: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            help="Strategies, -halving behind one that is to halve; gaaf-published, and gaaf-archive beside it; on a "
            "table also optuna-tpe, optuna-nsga2 and pymoo-nsga2 of other packages, with -unfiltered as they come.",
        ),
    ] = "",
    pressures: Annotated[
        str, typer.Option(metavar="A,B,…", help="Pressures (experimental): each strategy without any, and with each.")
    ] = "",
    arms: Annotated[
        str,
        typer.Option(metavar="A,B,…", help="joint, topology, expressions, topology-then-expressions, random."),
    ] = "",
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            metavar="'NAME SECTION.KEY=VALUE …'",
            help="An arm with settings of its own, budget=0.5 among them for half of it; one with the name of a "
            "strategy is that strategy. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Paired searches of each arm. (default: 5; on a table 200)")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Of every search: trained epochs, '300 trainings' or '300 evaluations', which count alike however "
            "early they are stopped. (default: to the preset's horizon)"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; goes on with what is there. (default: populations/compare-PRESET-NUMBER)"),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting for all arms. Repeatable."),
    ] = None,
    brought: With = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
) -> None:
    """Compare searches at equal cost, seed by seed; the first arm is the reference."""
    from evobnn.cli.options import options as common

    options = common(
        generations=None, budget=None, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None,
        brought=brought,
    )  # fmt: skip
    from evobnn.cli import compare

    asked = compare.Asked(
        what, recorded, space, strategies, pressures, arms, own or [], seeds, budget, assignments or []
    )
    compare.show(asked, options, out)


def fidelity(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=known("measured"),
            metavar="[PRESET | FILE.toml | TABLE]",
            help=f"Whose protocol to judge; a table with --rankers. (default: {DEFAULT_PRESET})",
        ),
    ] = None,
    heritable: Annotated[
        bool, typer.Option("--heritability", help="How much of the error's variance is the genome's.")
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Experimental: do real or binary weights rank better what trains long?")
    ] = False,
    rankers: Annotated[
        bool, typer.Option("--rankers", help="What ranks genomes at a small part of a training's cost, side by side.")
    ] = False,
    brief: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Epochs of the brief trainings; 3x3 is 3 epochs, up to 3 times."),
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Widths of the briefly trained networks. (default: its own)")
    ] = None,
    genomes: Annotated[
        int | None,
        typer.Option(help="Random genomes. (default: 60; 30 of each sample; --rankers: 100, or 240 of a table)"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Long trainings of each genome. (default: 2; with other questions 3; --rankers: 1)"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of the long training. (default: 4 times the preset's; 12 with --weights)")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and trainings; goes on with what is there.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set; without a preset, the one of this name.")] = None,
    data_dir: DataDir = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting of the preset. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As an object, or a list of them.")] = False,
) -> None:
    """Judge a protocol: do brief trainings rank genomes as long ones do? Or another question."""
    from evobnn.cli.options import options as common

    options = common(
        generations=None, budget=None, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None
    )
    if rankers:
        from evobnn.cli import rankers as judged

        others = {"--heritability": heritable, "--weights": weights, "--brief": brief, "--widths": widths,
                  "--epochs": epochs}  # fmt: skip
        judged.check_alone(others)
        judged.show(what, dataset, assignments or [], options, genomes, seeds, out, as_json=as_json)
        return
    from evobnn.cli import studies

    studies.show(
        what, dataset, assignments or [], options, studies.Brief(brief, widths, out), heritable=heritable,
        weights=weights, genomes=genomes, seeds=seeds, epochs=epochs, as_json=as_json,
    )  # fmt: skip
