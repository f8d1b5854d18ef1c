"""An experiment as TOML, and what of it is left out: settings that are off, settings that came later."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tomli_w

from evobnn.data.dataset import LATER as LATER_IN_DATASET
from evobnn.evaluation import Shared
from evobnn.evolution import Halving
from evobnn.training import LATER as LATER_IN_RECIPE

if TYPE_CHECKING:
    from evobnn.experiment.settings import Experiment

FORMAT = 1

OFF: dict[str, dict[str, Any]] = {
    "": {
        "halving": dataclasses.asdict(Halving()),
        "constraints": {},
        "evaluation": {"name": "", "version": ""},
        "screen": "none",
        "choose": "score",
        "refuse": "constant",
        "score": "trained",
        "shared": dataclasses.asdict(Shared()),
    },
    "dataset": {"fingerprint": ""},
}
"""By section, settings that are not written as long as they have the value given here."""

LATER: dict[str, dict[str, Any]] = {
    "": {"pressures": {}, "table": "", **OFF[""]},
    "space": {"topology": "bnas", "encoding": 1, "gamma": 1.0, "nodes": 4, "offered": (), "unary": (), "binary": ()},
    "dataset": LATER_IN_DATASET,
    "network": {"macro": "bnas", "style": "cifar"},
    "recipe": LATER_IN_RECIPE,
}
"""By section, settings that came later, with the value that every experiment before them had."""


def written(experiment: Experiment, without: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the TOML text without those settings of each section that have the value given here."""
    table = dataclasses.asdict(experiment) | {"recipe": experiment.recipe.said()}
    for section, values in without.items():
        place = table[section] if section else table
        for name, value in values.items():
            if place.get(name) == value:
                del place[name]
    flat = {name: value for name, value in table.items() if not isinstance(value, dict)}
    sections = {name: value for name, value in table.items() if isinstance(value, dict)}
    return tomli_w.dumps(json.loads(json.dumps({"format": FORMAT, **flat, **sections})))
