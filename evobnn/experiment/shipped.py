"""Where recorded tables lie: those made here, then those that came with evobnn. Nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("populations/tables")
"""Where tables are made, below the present folder."""
FILE = "table.jsonl"

_PACKAGE = Path(__file__).resolve().parents[1]


def folders() -> tuple[Path, ...]:
    """Return the folders in which tables are looked for by name, in this order.

    The last is that of an installed package. A checkout has none: its tables lie once, in the first.
    """
    return ROOT, _PACKAGE / "recorded"


def table_file(name: str) -> Path | None:
    """Return the file of the table of this name, or None where there is none."""
    return next((path for folder in folders() if (path := folder / name / FILE).is_file()), None)


def is_table(what: str) -> bool:
    """Tell whether a text names a table: a path to its file or folder, or the name of one that is there."""
    path = Path(what)
    return (path.suffix == ".jsonl" and path.is_file()) or (path / FILE).is_file() or table_file(what) is not None


def table_names() -> list[str]:
    """Return the names of the tables that are there, sorted."""
    return sorted({path.parent.name for folder in folders() for path in folder.glob(f"*/{FILE}")})
