"""Run folders as people name them: a path, or a name below `populations/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evobnn.errors import RunError, closest, message
from evobnn.snapshot import read_starts

ROOT = Path("populations")


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, whole or damaged."""
    return (folder / "experiment.toml").is_file() or (folder / "generation-0000.jsonl").is_file()


def is_one(text: str) -> bool:
    """Tell whether a text names a run: its folder, or its name below `populations/`."""
    return bool(text) and any(is_run(folder) for folder in (Path(text), ROOT / text))


def find(text: str) -> Path:
    """Return the folder of a run.

    Raises:
        RunError: there is none, with the closest of those that exist.
    """
    for folder in (Path(text), ROOT / text):
        if text and is_run(folder):
            return folder
    place = Path(text)
    got = f"{place}, which has no experiment.toml" if text and place.is_dir() else f"'{text}', which does not exist"
    raise RunError(message("the folder of a run", got, _hint(place)))


def known_runs(root: Path = ROOT) -> list[Path]:
    """Return the runs in a folder, by name."""
    return sorted(child for child in root.iterdir() if is_run(child)) if root.is_dir() else []


def last_start(folder: Path) -> dict[str, Any]:
    """Return how the run was last started, as `starts.jsonl` says; empty where nothing whole is written there."""
    starts = read_starts(folder)
    return starts[-1] if starts else {}


def _hint(place: Path) -> str:
    runs = {str(run): run for run in known_runs()}
    runs |= {str(run): run for run in (known_runs(place.parent) if place.parent != Path(".") else [])}
    if not runs:
        return f"There is none in {ROOT}/ yet; 'evobnn evolve' makes one."
    names = {run.name: path for path, run in runs.items()}
    near = closest(place.name, names)
    if near:
        return f"Did you mean '{names[near]}'?"
    return f"Known: {', '.join(list(runs)[:8])}{', …' if len(runs) > 8 else ''}."
