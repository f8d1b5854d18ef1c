"""Searching as BNAS, BATS and CP-NAS were published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evobnn.cli.commands.arguments import DataDir, Device


def relax(
    what: Annotated[
        str,
        typer.Argument(metavar="bnas | bats | cpnas | FOLDER", help="Whose search, or the folder of a stopped one."),
    ],
    dataset: Annotated[str | None, typer.Option(help="Data set. (default: digits; of the joint space mnist5k)")] = None,
    space: Annotated[str | None, typer.Option(help="Space with cells to search. (default: the paper's own)")] = None,
    data_dir: DataDir = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Change a setting: relax.epochs, relax.temperature, … of the search, or any of the preset. "
            "Repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Its folder; goes on with the same search there. (default: populations/relax-NAME-NUMBER)"),
    ] = None,
) -> None:
    """Search by relaxation: BNAS, BATS or CP-NAS as published; genotypes for 'evobnn evolve --seed-from'."""
    from evobnn.cli import relax
    from evobnn.cli.options import options as common

    options = common(
        generations=None, budget=None, jobs=1, backend=None, device=device, data_dir=data_dir, timeout=None
    )
    settings = [*([] if seed is None else [f"seed={seed}"]), *(assignments or [])]
    relax.relax(what, dataset, space, settings, options, out)
