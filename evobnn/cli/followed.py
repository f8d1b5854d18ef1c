"""A study that goes on where it was stopped, with a line that tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from evobnn._jsonl import torn_lines
from evobnn.cli.console import console, note
from evobnn.cli.words import STOPPED, duration

Found = TypeVar("Found")
Report = Callable[[int, int, float], None]
"""Called with what is done, what is planned, and the seconds left."""


def followed(study: Callable[[Report], Found], unit: str, saved: str, results: Path | None) -> Found:
    """Return what a study finds; a stop by Ctrl-C is told, and ends the command with its exit code.

    Arguments:
        study: from what it reports to.
        unit: of what is done, in the plural.
        saved: what a stop leaves in the results.
        results: its file, of which torn lines are told; None where nothing is kept.
    """
    for sentence in torn_lines(results) if results else ():
        note(sentence)
    try:
        with console(stderr=True).status("starting") as status:
            return study(lambda done, planned, left: status.update(f"{done}/{planned} {unit}, {duration(left)} left"))
    except KeyboardInterrupt as stop:
        kept = f"{saved} is saved. Go on with the same command"
        note(f"stopped; {kept if results else 'nothing was kept, as no folder was named with --out'}.")
        raise typer.Exit(STOPPED) from stop
