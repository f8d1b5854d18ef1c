"""Experiments as text: TOML <-> dataclasses; what stands as `auto` is settled on the way in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evobnn.data.sources import SOURCES
from evobnn.data.suited import is_auto
from evobnn.errors import ExperimentError, message
from evobnn.experiment.augmented import augmented, told_side
from evobnn.experiment.precision import native_precision
from evobnn.experiment.presets import parsed, preset_table, read_toml
from evobnn.experiment.settings import Experiment, refuse_unknown, validated
from evobnn.experiment.written import FORMAT, OFF, written
from evobnn.nn.fast.quickest import AUTO, KERNELS, quickest


class GoneError(ExperimentError):
    """An option that was removed: nothing is wrong with the file, but no experiment of today is meant."""


def to_text(experiment: Experiment) -> str:
    """Return the experiment as TOML; equal experiments give equal bytes."""
    return written(experiment, OFF)


def from_text(text: str, source: str) -> Experiment:
    """Return the experiment of a TOML text; raise ExperimentError naming `source` for what is not understood."""
    return from_table(parsed(text, source), source)


def load(path: Path) -> Experiment:
    """Return the experiment in a file."""
    return from_table(read_toml(path), str(path))


def from_table(table: Mapping[str, Any], source: str) -> Experiment:
    """Return the experiment of a table of settings; every unknown key and wrong type is named with its path.

    What stands as `auto` is settled: recipe.precision and recipe.kernels for this machine, recipe.augmentation for the
    data set; the last stays where only the images can tell their size, until they are read.
    """
    given = _without_inherit(table, source)
    found = given.pop("format", FORMAT)
    if found != FORMAT:
        raise ExperimentError(
            message(f"format {FORMAT} in {source}", repr(found), "Use the version of evobnn that wrote it.")
        )
    refuse_unknown(given, Experiment, "")
    recipe = given.get("recipe")
    settled: dict[str, str] = {}
    if isinstance(recipe, Mapping):
        settled |= {"precision": native_precision()} if recipe.get("precision") == AUTO else {}
        settled |= {"kernels": KERNELS[0]} if recipe.get("kernels") == AUTO else {}
        given["recipe"] = {**recipe, **settled}
    experiment: Experiment = validated(Experiment, given, "")
    changed = experiment.recipe
    if "kernels" in settled:
        changed = dataclasses.replace(changed, kernels=quickest_kernels(experiment))
    if is_auto(changed.augmentation) and (side := told_side(experiment.dataset)):
        changed = augmented(changed, experiment.dataset.name, side)
    return experiment if changed == experiment.recipe else dataclasses.replace(experiment, recipe=changed)


def _without_inherit(table: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the settings but for `inherit.weights`, which is gone; raise GoneError where it says more than no.

    Experiments that say no had the fingerprint of those that say nothing.
    """
    if table.get("inherit", {}) not in ({}, {"weights": False}):
        expected = f"trainings that begin with weights of their own in {source}"
        got = "inherit.weights, an option that is gone"
        do = "Leave it out of a new search; 'evobnn front' and load_run still read a run that had it."
        raise GoneError(message(expected, got, do))
    return {name: value for name, value in table.items() if name != "inherit"}


def quickest_kernels(experiment: Experiment) -> str:
    """Return what `recipe.kernels = "auto"` stands for in this experiment on this machine: see
    `evobnn.nn.fast.quickest`.
    """
    source, size = SOURCES.get(experiment.dataset.name), experiment.dataset.size
    published = source.shape[1] if source is not None and source.shape is not None else 0
    return quickest(experiment.network.macro, experiment.network.width, size or published)


def preset(name: str) -> Experiment:
    """Return the experiment of a preset that comes with evobnn.

    >>> evobnn.preset("digits").recipe.epochs
    3
    """
    return from_table(preset_table(name), name)
