"""`evobnn report`: runs as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evobnn.cli.console import note
from evobnn.report import write_report
from evobnn.snapshot import is_being_written


def write(folders: Sequence[Path], out: Path | None) -> None:
    """Write the page and say where it is and how large."""
    for folder in folders:
        if is_being_written(folder):
            note(f"a search is writing {folder}; this is what it has found so far.")
    path = write_report(*folders, out=out or default(folders))
    size = path.stat().st_size / 1e6
    print(f"{path}  {size:.1f} MB; open it in a browser, it loads nothing")


def default(folders: Sequence[Path]) -> Path:
    """Return the file of a report whose name nobody said: in the current folder, never in that of a run."""
    return Path(f"{folders[0].resolve().name}.html" if len(folders) == 1 else "report.html")
