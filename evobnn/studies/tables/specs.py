"""Which tables evobnn knows how to make, as data. Nothing heavy is imported here, so that they are listed at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evobnn._checks import check_at_least
from evobnn.errors import ExperimentError, message
from evobnn.experiment.presets import preset_table

if TYPE_CHECKING:
    from evobnn.experiment.settings import Experiment

TABLE = "table.jsonl"
"""File of a table in its folder."""


@dataclass(frozen=True)
class TableSpec:
    """What to tabulate.

    Attributes:
        name: of the table and its folder.
        summary: for people.
        preset: with which the settings begin.
        settings: laid over the preset, section by section.
        seeds: trainings of every genome.
        best: so many of the best by their mean, and the baselines, are trained with `more` seeds.
        more: seeds of those.
        baselines: genomes as text that get `more` seeds whatever their rank.
        twins: seeds with which the real-valued twin is trained as well.
        topologies: only so many are tabulated, the first in which something can be trained; 0 for all.
        drawn: topologies stand in an order that is drawn, and are trained one after another with all seeds, the plain
            sign of all of them first: what is done at any time is a random sample of the whole table.
        whole: of drawn topologies only the first so many get every expression, the others the plain sign; 0 for all.
    """

    name: str
    summary: str
    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    best: int = 0
    more: int = 0
    baselines: tuple[str, ...] = ()
    twins: int = 0
    topologies: int = 0
    drawn: bool = False
    whole: int = 0

    def __post_init__(self) -> None:
        check_at_least("seeds", self.seeds, 1)
        for name in ("best", "more", "twins", "topologies", "whole"):
            check_at_least(name, getattr(self, name), 0)

    def experiment(self) -> Experiment:
        """Return the experiment whose space and protocol are tabulated; raise ExperimentError for one without error."""
        plain = {"screen": "none", "choose": "score"}  # how a search picks and names is no part of what is recorded
        table = preset_table(self.preset) | plain
        for name, value in self.settings.items():
            merged = isinstance(value, Mapping) and isinstance(table.get(name), Mapping)
            table[name] = {**table[name], **value} if merged else value
        from evobnn.experiment.text import from_table

        found = from_table({**table, "preset": self.name}, f"the table {self.name}")
        if "error" not in found.objectives:
            got = ", ".join(found.objectives)
            raise ExperimentError(message(f"the objective error in the table {self.name}", got, "Add it."))
        return found


_PLAIN = ("@net = add(x, zero)", "@net = add(sin(x), zero)", "@net = add(shift(x), zero)")
_RESNET = {
    "macro": "resnet", "cells": 2, "reductions": 1, "width": 8, "stem": 1.0, "head": 2, "skip": "none",
    "padding": "zero", "scale": "none",
}  # fmt: skip
_JOINT = {
    "objectives": ["error", "ops"],
    "space": {
        "sites": "net",
        "nodes": 2,
        "offered": ["zero", "max3", "conv3"],
        "unary": ["x", "zero", "sin", "tan", "shift", "abs"],
        "binary": ["add"],
    },
    "network": {"cells": 1, "reductions": 0, "width": 8},
    "recipe": {"epochs": 3, "batch": 64, "learning_rate": 0.02, "kernels": "torch"},
}
_GAAF_RECIPE = {"kernels": "torch", "clip": 1.3, "latent_clip": 1.3, "learning_rate": 0.02, "batch": 64}

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec(
            "gaaf1-digits",
            "every function of GAAF's encoding 1 on a binary ResNet of 5 sites, width 8; digits",
            "digits",
            {
                "objectives": ["error"],
                "space": {"name": "gaaf", "sites": "net"},
                "network": _RESNET,
                "recipe": {**_GAAF_RECIPE, "epochs": 3},
            },
            best=150,
            more=15,
            baselines=_PLAIN,
        ),
        TableSpec(
            "gaaf1-mnist14",
            "the same on MNIST at 14x14 pixels, 2,000 images to learn from and 10,000 to validate",
            "mnist",
            {
                "objectives": ["error"],
                "space": {"name": "gaaf", "sites": "net"},
                "dataset": {"size": 14, "validation": 1 / 6, "train_limit": 2000, "validation_limit": 10000},
                "network": _RESNET,
                "recipe": {**_GAAF_RECIPE, "epochs": 2, "batch": 32},
            },
            best=150,
            more=15,
            baselines=_PLAIN,
        ),
        TableSpec(
            "joint-digits",
            "16 expressions on 164 topologies: cells of two nodes with zero, max3 and conv3; digits",
            "digits",
            _JOINT,
            best=150,
            more=15,
            twins=1,
        ),
        TableSpec(
            "joint-halving",
            "the same expressions on 40 of these topologies, 8 epochs each, scored after 1, 2, 4 and 8",
            "digits",
            {
                **_JOINT,
                "recipe": {"epochs": 8, "batch": 64, "learning_rate": 0.02, "schedule": "trunk", "kernels": "fused"},
                "halving": {"rungs": [1, 2, 4, 8]},
                "noise": {"repeats": 1, "rescore": 1},
            },
            seeds=4,
            topologies=40,
        ),
        TableSpec(
            "joint-mnist5k",
            "16 assignments of functions on drawn topologies: cells of one node with five operations; mnist5k",
            "mnist5k",
            {
                "objectives": ["error", "ops"],
                "space": {
                    "nodes": 1,
                    "offered": ["zero", "max3", "avg3", "conv3", "conv5"],
                    "unary": ["x", "sin"],
                    "binary": ["mix"],
                },
            },
            best=150,
            more=10,
            topologies=300,
            drawn=True,
            whole=100,
        ),
    )
}
"""The tables that come with evobnn, by name."""
