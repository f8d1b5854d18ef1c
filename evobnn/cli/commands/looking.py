"""Looking at runs, genomes, files and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evobnn.cli.commands.arguments import DataDir, Device, Preset, RunArgument, Subject, With
from evobnn.experiment.presets import DEFAULT_PRESET


def front(
    run: RunArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, floats in full.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of objects.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw it, and its best member's cell and function, into this PNG file.")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ERROR", help="A line across the picture: 'logistic regression=0.12'. Repeatable."),
    ] = None,
) -> None:
    """Show the front of a run: fresh scores beside those of the search."""
    from evobnn.runs import named as runs

    folder = runs.find(run)
    from evobnn.cli import fronts

    found = fronts.show(folder, as_csv=as_csv, as_json=as_json)
    if picture is not None:
        from evobnn.cli import overview

        overview.draw(found, picture, overview.parsed_lines(line or []))


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, or their names below populations/.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; one that exists is replaced. (default: RUN.html, or report.html)"),
    ] = None,
) -> None:
    """Write runs as one HTML page that loads nothing: the front to click through, cells, functions, lineage.

    Of several runs in one picture those of one experiment have attainment bands. A run in progress is shown so far.
    """
    from evobnn.runs import named

    folders = [named.find(run) for run in runs]
    from evobnn.cli import report

    report.write(folders, out)


def watch(
    run: RunArgument,
    once: Annotated[bool, typer.Option("--once", help="Print it and exit, as in a pipe.")] = False,
) -> None:
    """Show where a search stands, from its files alone, every second until it ends. Ctrl-C leaves the search alone."""
    from evobnn.runs import named

    folder = named.find(run)
    from evobnn.cli import watch

    watch.show(folder, once=once)


def show(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Also draw cells and expressions into this PNG file.")] = None,
    brought: With = None,
) -> None:
    """Show one genome: its cells, its expressions with their surrogate gradients, what each layer costs."""
    from evobnn.cli import portrait
    from evobnn.cli.brought import additions
    from evobnn.runs import subject

    portrait.show(subject.find(what, preset, data_dir, additions(brought or [])), as_json=as_json, picture=picture)


def summary(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    cells: Annotated[int | None, typer.Option(help="Cells (blocks). (default: the run's or preset's)")] = None,
    channels: Annotated[int | None, typer.Option(help="Width of the first cells. (default: the same)")] = None,
    depth: Annotated[int | None, typer.Option(help="Fold layers by their paths; 2 gives one row per cell.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Count also what the published code allocates or runs in vain.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
    brought: With = None,
) -> None:
    """Show what each layer of a network keeps and multiplies: weights by bit width, memory, MACs, totals."""
    from evobnn.cli import summary
    from evobnn.cli.brought import additions
    from evobnn.runs import subject

    found = subject.find(what, preset, data_dir, additions(brought or []))
    summary.show(found, cells=cells, channels=channels, depth=depth, published=published, as_json=as_json)


def evaluate(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    repeat: Annotated[int, typer.Option(min=0, help="Which of the genome's evaluations; decides the seed.")] = 0,
    data_dir: DataDir = None,
    device: Device = None,
    brought: With = None,
) -> None:
    """Evaluate one genome in this process and compare with what is recorded; what fails shows its traceback."""
    from evobnn.cli import evaluation
    from evobnn.cli.brought import additions
    from evobnn.runs import subject

    evaluation.show(subject.find(what, preset, data_dir, additions(brought or [])), repeat, device)


def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN | TRAINING | TABLE | STUDY",
            help="Folder of one, or its name below populations/; a table's name is enough.",
        ),
    ],
    brought: With = None,
) -> None:
    """Verify everything in a folder that can be verified; exit code 1 where something is wrong.

    While a search writes a run, that is said, and what the search has finished is verified.
    """
    from evobnn.runs import named as runs

    if not runs.is_one(what) and runs.is_there(what):
        from evobnn.cli import checks
        from evobnn.studies import verify

        if (found := verify.find(what)) is not None:
            raise typer.Exit(0 if checks.show_found(found) else 1)
    folder = runs.find(what)
    from evobnn.cli import checks
    from evobnn.cli.brought import additions

    if not checks.show(folder, additions(brought or [])):
        raise typer.Exit(1)


def presets(
    name: Annotated[str | None, typer.Argument(help="Print all settings of this one as TOML.")] = None,
) -> None:
    """List the presets, or print one."""
    from evobnn.cli import named

    if name is None:
        named.list_presets()
    else:
        named.show_preset(name)


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print the file of this one.")] = None,
) -> None:
    """List the recipes of `evobnn train`, or print one."""
    from evobnn.cli import named

    if name is None:
        named.list_recipes()
    else:
        named.show_recipe(name)


def bench(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[TRAINING[:SEED] | RUN:ID | GENOME]",
            help="A trained network, or one with random weights, whose times are the same.",
        ),
    ] = None,
    layers: Annotated[
        bool,
        typer.Option("--layers", help="Also each of its layers; without a network those of all of the preset's space."),
    ] = False,
    preset: Preset = DEFAULT_PRESET,
    compiler: Annotated[str | None, typer.Option(help="Of C. (default: $CC, cc, gcc or clang)")] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="For which each engine runs each batch.")] = 1.0,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
    brought: With = None,
) -> None:
    """Time a network on this machine, on one thread, 1 and 64 images at a time.

    The C of `evobnn export` with SIMD, scalar, and with the function of each site computed in place of its thresholds;
    PyTorch; and with the extras onnx and openvino the network and its real-valued twin by onnxruntime and OpenVINO.
    """
    from evobnn.cli import bench as command

    asked = command.Asked(layers, preset, compiler, seconds, data_dir, brought or [], as_json)
    command.show(what, asked)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
) -> None:
    """Show what this machine has, and which precision, kernels and number of jobs evobnn chooses on it and why."""
    from evobnn.cli import doctor

    doctor.show(as_json=as_json)
