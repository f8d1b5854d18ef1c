"""Recipes with the augmentation that suits a data set, in place of `auto`."""

from __future__ import annotations

from dataclasses import replace

from evobnn.data import DatasetSpec
from evobnn.data.sources import SOURCES
from evobnn.data.suited import is_auto, suited
from evobnn.training import Recipe


def augmented(recipe: Recipe, name: str, side: int) -> Recipe:
    """Return the recipe with `auto` written out in its augmentation.

    Arguments:
        recipe: any.
        name: of the data set.
        side: the shorter one of its images as they are trained on, in pixels.
    """
    if not is_auto(recipe.augmentation):
        return recipe
    return replace(recipe, augmentation=suited(recipe.augmentation, side, may_be_mirrored(name)))


def may_be_mirrored(name: str) -> bool | None:
    """Return whether a data set says that its images may be mirrored left to right; None where it cannot say."""
    source = SOURCES.get(name)
    return None if source is None else source.mirrored


def told_side(spec: DatasetSpec) -> int:
    """Return the shorter side of the images that a spec asks for, or 0 where only the images themselves can tell."""
    source = SOURCES.get(spec.name)
    published = min(source.shape[1:]) if source is not None and source.shape is not None else 0
    return spec.size or published
