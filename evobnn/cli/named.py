"""What comes with evobnn under a name, listed; and whether a name is there, seen before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evobnn._checks import check_name
from evobnn.cli import runs
from evobnn.errors import ExperimentError, message
from evobnn.experiment.presets import (
    preset_names,
    preset_summary,
    preset_table,
    read_toml,
    recipe_names,
    recipe_summary,
    recipe_text,
)
from evobnn.experiment.shipped import table_file
from evobnn.studies.tablespecs import TABLES


def list_presets() -> None:
    """Print one line for each preset."""
    for known in preset_names():
        print(preset_summary(known))


def show_preset(name: str) -> None:
    """Print every setting of a preset, those that its file leaves out included."""
    table = preset_table(name)
    from evobnn.experiment.settings import from_table, to_text

    print(to_text(from_table(table, name)), end="")


def list_recipes() -> None:
    """Print one line for each recipe."""
    for known in recipe_names():
        print(recipe_summary(known))


def show_recipe(name: str) -> None:
    """Print the file of a recipe."""
    print(recipe_text(name), end="")


def list_tables() -> None:
    """Print the tables that evobnn knows how to make, and which of them are there."""
    from evobnn.cli.console import console, table

    shown = table("table", "here", "what", left=3, first=(0, 2), prose=2)
    for name, spec in TABLES.items():
        shown.add_row(name, "yes" if table_file(name) else "no", spec.summary)
    shown.show(console())


def settings_of(what: str) -> dict[str, Any]:
    """Return the settings of a preset or of a TOML file.

    Raises:
        ExperimentError: no such preset or file, a run, or a file that is not understood.
    """
    check_source(what)
    path = Path(what)
    if not _is_file(path):
        return preset_table(what)
    from evobnn.experiment.settings import load

    load(path)  # refuses what is not understood, in the words of the file
    return {"preset": path.stem, **read_toml(path)}


def check_source(what: str) -> None:
    """Raise ExperimentError for what is neither a preset nor a TOML file, before anything heavy is loaded."""
    path = Path(what)
    if runs.is_run(path) or (runs.is_run(runs.ROOT / what) and what not in preset_names()):
        path = path if runs.is_run(path) else runs.ROOT / what
        do = f"Go on with 'evobnn resume {path}', or take its settings: 'evobnn evolve {path}/experiment.toml'."
        raise ExperimentError(message("a preset or a TOML file", f"the run {path}", do))
    if _is_file(path):
        read_toml(path)
    else:
        check_name("preset", what, preset_names())


def check_recipe(what: str) -> None:
    """Raise ExperimentError for what is neither a recipe nor a TOML file, before anything heavy is loaded."""
    if Path(what).suffix == ".toml":
        read_toml(Path(what), "a recipe")
    else:
        check_name("recipe", what, recipe_names())


def check_table(what: str) -> None:
    """Raise ExperimentError for a table that evobnn does not know how to make, before anything heavy is loaded."""
    check_name("table", what, TABLES)


def _is_file(path: Path) -> bool:
    return path.suffix == ".toml" or path.is_file()
