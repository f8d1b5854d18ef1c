"""What comes with evobnn as text: presets and recipes by name, and settings laid over a table.

Nothing heavy is imported here, so that a list of names, or a name that is misspelt, takes no longer than reading it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from evobnn._checks import check_name
from evobnn.errors import ExperimentError, message

DEFAULT_PRESET = "mnist5k"
"""What is meant where nobody names a preset."""
BRIEF = "brief"
"""The recipe of the run or preset itself: not a file."""

_BRIEF_SUMMARY = "brief: the recipe of the run or preset, as its search trains; usually with more --epochs."


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that come with evobnn."""
    return _names("presets")


def preset_table(name: str) -> dict[str, Any]:
    """Return the settings of a preset as a table."""
    check_name("preset", name, preset_names())
    return {"preset": name, **tomllib.loads(_text("presets", name))}


def preset_summary(name: str) -> str:
    """Return the first comment line of a preset."""
    return _first_line(_text("presets", name))


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with evobnn, `brief` among them."""
    return tuple(sorted([BRIEF, *_names("recipes")]))


def recipe_summary(name: str) -> str:
    """Return the first comment line of a recipe."""
    check_name("recipe", name, recipe_names())
    return _BRIEF_SUMMARY if name == BRIEF else _first_line(_text("recipes", name))


def recipe_text(name: str) -> str:
    """Return the file of a recipe.

    Raises:
        ExperimentError: no such name, or `brief`, which is none.
    """
    check_name("recipe", name, recipe_names())
    if name == BRIEF:
        do = "See 'evobnn presets NAME' for the recipe of a preset."
        raise ExperimentError(message("a recipe with a file", f"'{BRIEF}', which is that of the run or preset", do))
    return _text("recipes", name)


def parsed(text: str, source: str) -> dict[str, Any]:
    """Return the table of a TOML text; raise ExperimentError naming `source` where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(message(f"TOML in {source}", str(error), "Mend the file.")) from error


def read_toml(path: Path, what: str = "an experiment") -> dict[str, Any]:
    """Return the table of a TOML file; raise ExperimentError where it cannot be read, saying `what` it was to be."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(message(f"{what} in {path}", str(error), "Name an existing TOML file.")) from error
    return parsed(text, str(path))


def override(table: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return the table with `section.key=value` texts applied; a value is read as TOML, several with commas between
    them as a list, anything else is taken as text.
    """
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path.strip():
            raise ExperimentError(message("--set section.key=value", f"'{assignment}'", "Write it with an '='."))
        table = laid_over(table, {path.strip(): _value(value.strip())})
    return laid_over(table, {})


def laid_over(table: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with settings by path, such as `recipe.epochs`, in the place of its own."""
    changed: dict[str, Any] = json.loads(json.dumps(table))
    for path, value in settings.items():
        *sections, last = path.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ExperimentError(message(f"{section} to be a section", f"'{path}'", "See `evobnn presets`."))
        place[last] = list(value) if isinstance(value, tuple) else value
    return changed


def _value(text: str) -> Any:
    for written in (text, f"[{text}]") if "," in text else (text,):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {written}")["value"]
    return text


def _names(kind: str) -> tuple[str, ...]:
    """Return the names of the TOML files of a kind, sorted."""
    entries = (resources.files("evobnn") / kind).iterdir()
    return tuple(sorted(entry.name[:-5] for entry in entries if entry.name.endswith(".toml")))


def _text(kind: str, name: str) -> str:
    return (resources.files("evobnn") / kind / f"{name}.toml").read_text(encoding="utf-8")


def _first_line(text: str) -> str:
    return text.splitlines()[0].lstrip("# ")
