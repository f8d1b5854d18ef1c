"""What people name: a run folder by path or below `populations/`, a preset, a TOML file. Nothing heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evobnn._checks import check_name
from evobnn.errors import ExperimentError, RunError, closest, message
from evobnn.experiment.presets import preset_names, preset_table, read_toml
from evobnn.experiment.shipped import table_file
from evobnn.snapshot import read_starts

ROOT = Path("populations")
RELAXED_TEXT = "relaxed.toml"
"""What decides a search by `evobnn relax`: a folder that holds it has genotypes to breed on, and is no other run."""


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, whole or damaged."""
    return (folder / "experiment.toml").is_file() or (folder / "generation-0000.jsonl").is_file()


def is_one(text: str) -> bool:
    """Tell whether a text names a run: its folder, or its name below `populations/`."""
    return bool(text) and any(is_run(folder) for folder in (Path(text), ROOT / text))


def is_there(text: str) -> bool:
    """Tell whether a name means anything at all: a path, a folder below `populations/`, or a table that is there."""
    return bool(text) and (Path(text).exists() or (ROOT / text).exists() or table_file(text) is not None)


def find(text: str, *, relaxed: bool = False) -> Path:
    """Return the folder of a run, or where these will do of genotypes that `evobnn relax` found.

    Raises:
        RunError: there is none, with the closest of those that exist.
    """
    for folder in (Path(text), ROOT / text):
        if text and is_run(folder):
            if not relaxed and (folder / RELAXED_TEXT).is_file():
                do = f"Write 'evobnn relax {folder}', or 'evobnn evolve --seed-from {folder}'."
                raise RunError(message("the folder of an evolved run", f"{folder}, which 'evobnn relax' made", do))
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


def settings_of(what: str) -> dict[str, Any]:
    """Return the settings of a preset or of a TOML file.

    Raises:
        ExperimentError: no such preset or file, a run, or a file that is not understood.
    """
    check_source(what)
    path = Path(what)
    if not _is_file(path):
        return preset_table(what)
    from evobnn.experiment.text import load

    load(path)  # refuses what is not understood, in the words of the file
    return {"preset": path.stem, **read_toml(path)}


def check_source(what: str) -> None:
    """Raise ExperimentError for what is neither a preset nor a TOML file, before anything heavy is loaded."""
    path = Path(what)
    if is_run(path) or (is_run(ROOT / what) and what not in preset_names()):
        path = path if is_run(path) else ROOT / what
        do = f"Go on with 'evobnn resume {path}', or take its settings: 'evobnn evolve {path}/experiment.toml'."
        raise ExperimentError(message("a preset or a TOML file", f"the run {path}", do))
    if _is_file(path):
        read_toml(path)
    else:
        check_name("preset", what, preset_names())


def _is_file(path: Path) -> bool:
    return path.suffix == ".toml" or path.is_file()
