"""What comes with evobnn under a name, listed; and whether a name is there, seen before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

from evobnn._checks import check_name
from evobnn.errors import closest
from evobnn.experiment.presets import (
    preset_names,
    preset_summary,
    preset_table,
    read_toml,
    recipe_names,
    recipe_summary,
    recipe_text,
)
from evobnn.experiment.shipped import is_table, table_file, table_names
from evobnn.runs.named import check_source
from evobnn.studies.tables.specs import TABLES


def list_presets() -> None:
    """Print one line for each preset."""
    for known in preset_names():
        print(preset_summary(known))


def show_preset(name: str) -> None:
    """Print every setting of a preset, those that its file leaves out included."""
    table = preset_table(name)
    from evobnn.experiment.text import from_table, to_text

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


def check_recipe(what: str) -> None:
    """Raise ExperimentError for what is neither a recipe nor a TOML file, before anything heavy is loaded."""
    if Path(what).suffix == ".toml":
        read_toml(Path(what), "a recipe")
    else:
        check_name("recipe", what, recipe_names())


def check_table(what: str) -> None:
    """Raise ExperimentError for a table that evobnn does not know how to make, before anything heavy is loaded."""
    check_name("table", what, TABLES)


def check_measured(what: str) -> None:
    """Raise ExperimentError for what is no preset, TOML file or table that is there."""
    if is_table(what):
        return
    if closest(what, preset_names()) is None and closest(what, table_names()) is not None:
        check_name("table", what, table_names())
    check_source(what)


__all__ = [
    "check_measured",
    "check_recipe",
    "check_source",
    "check_table",
    "list_presets",
    "list_recipes",
    "list_tables",
    "show_preset",
    "show_recipe",
]
