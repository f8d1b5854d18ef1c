"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def known(what: str) -> Callable[[str | None], str | None]:
    """Return the callback that refuses a name which is not there: of a `source`, `recipe` or `table`, see `named`."""

    def check(value: str | None) -> str | None:
        from evobnn.cli import named

        if value is not None:
            getattr(named, f"check_{what}")(value)
        return value

    return check


RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name below populations/.")]
Subject = Annotated[str, typer.Argument(metavar="RUN:ID | GENOME", help="One of a run, or a genome's text in quotes.")]
Generations = Annotated[
    int | None, typer.Option(help="Total number of generations to reach; generation 0 is the start population.")
]
Budget = Annotated[str | None, typer.Option(help="Stop at a generation's end after this time: 90s, 10m, 2h.")]
Jobs = Annotated[int | None, typer.Option(help="Worker processes. (default: as many as this machine feeds)")]
Backend = Annotated[str | None, typer.Option(help="Of joblib: loky, or dask or ray on a cluster. (default: loky)")]
Device = Annotated[str | None, typer.Option(help="Torch device, such as cpu or cuda:0. (default: cpu)")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the published files of the data set.")]
Timeout = Annotated[str | None, typer.Option(help="Give one training up after this time; ends repeatability.")]
Patience = Annotated[
    int | None, typer.Option(metavar="N", help="Stop where N generations in a row bring no more hypervolume.")
]
Target = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help="Stop at hypervolume=0.8 or more, error=0.1 or less. Repeatable: all."),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="MODULE:OBJECT", help="Bring along additions or an evaluation function of yours. Repeatable."
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        callback=known("source"), help="Preset or TOML file whose space and network a genome's text is read in."
    ),
]
