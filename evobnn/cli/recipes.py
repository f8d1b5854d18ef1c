"""`evobnn recipes`: which recipes there are, or the file of one."""

from __future__ import annotations

from evobnn.cli.console import console
from evobnn.experiment.recipes import recipe_names, recipe_summary, recipe_text


def show(name: str | None) -> None:
    """Print one line for each recipe, or the file of the one that is named."""
    if name is not None:
        print(recipe_text(name), end="")
        return
    for known in recipe_names():
        console().print(recipe_summary(known), soft_wrap=True)
