"""Recipes by name: how a network is trained to the end, as data and not code.

A file begins with a comment line that says what it is. Its section `recipe` holds what all stages share, a field that
it does not name is as in `evobnn.training.Recipe`; each `[[stages]]` adds to it or says otherwise, and may say with
which weights it starts (`start`, see `evobnn.training.Stage`). Without `[[stages]]` there is one stage.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evobnn.errors import ExperimentError, message, unknown_name
from evobnn.experiment.precision import native_precision
from evobnn.experiment.presets import BRIEF, override, read_toml, recipe_text
from evobnn.experiment.settings import refuse_unknown, validated
from evobnn.nn.fast.quickest import AUTO, KERNELS
from evobnn.training import Plan, Recipe, Stage


def load_plan(
    name_or_path: str, brief: Recipe | None = None, assignments: Sequence[str] = (), epochs: int | None = None,
    kernels: str = KERNELS[0],
) -> Plan:  # fmt: skip
    """Return the plan of a recipe by name, or in a TOML file.

    Arguments:
        name_or_path: a name of `recipe_names`, or the path of a file.
        brief: what `brief` stands for; None for a recipe of defaults.
        assignments: `recipe.key=value` texts, applied to every stage.
        epochs: of all stages together, divided among them in proportion; None for those of the recipe.
        kernels: what `recipe.kernels = "auto"` stands for.

    Raises:
        ExperimentError: no such recipe or file, a setting that is not understood, fewer epochs than stages.
    """
    if name_or_path == BRIEF:
        name, source, table = BRIEF, "the recipe brief", {"recipe": dataclasses.asdict(brief or Recipe())}
    elif Path(name_or_path).suffix == ".toml":
        path = Path(name_or_path)
        name, source, table = path.stem, str(path), read_toml(path, "a recipe")
    else:
        name, source, table = name_or_path, f"the recipe {name_or_path}", tomllib.loads(recipe_text(name_or_path))
    plan = plan_from_table(_changed(table, assignments), name, source, kernels)
    if epochs is None:
        return plan
    if isinstance(epochs, bool) or epochs < len(plan.stages):
        at_least = f"{len(plan.stages)}, one for each stage of the recipe {name}"
        raise ExperimentError(message(f"--epochs of at least {at_least}", str(epochs), "Give more epochs."))
    return plan.with_epochs(epochs)


def plan_from_table(table: Mapping[str, Any], name: str, source: str, kernels: str = KERNELS[0]) -> Plan:
    """Return the plan of a recipe file's table; every unknown key and wrong type is named with its path.

    Raises:
        ExperimentError: naming `source` where the table itself is of another form.
    """
    for section in table:
        if section not in ("recipe", "stages"):
            raise ExperimentError(unknown_name(f"section in {source}", section, ("recipe", "stages")))
    shared, stages = table.get("recipe", {}), table.get("stages", [{}])
    if not isinstance(shared, Mapping):
        raise ExperimentError(message(f"recipe as a section in {source}", repr(shared), "Write [recipe] above it."))
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, Mapping) for stage in stages):
        do = "Write [[stages]] above the settings of each."
        raise ExperimentError(message(f"stages as a list of sections in {source}", repr(stages), do))
    refuse_unknown(shared, Recipe, "recipe.")
    return Plan(name, tuple(_stage({**shared, **stage}, f"stages.{at}.", kernels) for at, stage in enumerate(stages)))


def plan_table(plan: Plan) -> dict[str, Any]:
    """Return the table of a plan as a recipe file has it, with every field: what all stages share stands once."""
    rows = [{"start": stage.start, **stage.recipe.said()} for stage in plan.stages]
    shared = {k: value for k, value in rows[0].items() if k != "start" and all(r.get(k) == value for r in rows)}
    own = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    table: dict[str, Any] = json.loads(json.dumps({"recipe": shared, "stages": own}))
    return table


def _stage(table: Mapping[str, Any], path: str, kernels: str) -> Stage:
    """Return the stage of a table of a recipe's fields and `start`."""
    given = dict(table)
    chosen = {"start": given.pop("start")} if "start" in given else {}
    refuse_unknown(given, Recipe, path)
    for name, stands_for in (("precision", native_precision()), ("kernels", kernels)):
        if given.get(name) == AUTO:
            given[name] = stands_for
    recipe: Recipe = validated(Recipe, given, path)
    return Stage(recipe, **chosen)


def _changed(table: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return the table with `recipe.key=value` texts applied to every stage."""
    changed = override({"recipe": table.get("recipe", {})}, assignments)
    named = {re.split(r"[.=]", text.strip(), maxsplit=2)[1].strip() for text in assignments if "." in text}
    stages = table.get("stages")
    if not isinstance(stages, list):
        return {**table, **changed}
    kept = [{k: v for k, v in one.items() if k not in named} if isinstance(one, dict) else one for one in stages]
    return {**table, **changed, "stages": kept}
