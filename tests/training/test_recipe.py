"""Recipes are plain data: they survive JSON and TOML, and say what is wrong with them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

import pytest
import tomli_w
from pydantic import TypeAdapter

from evobnn.errors import ExperimentError
from evobnn.training import LATER, Recipe

FULL: dict[str, Any] = {
    "schedule": "steps",
    "milestones": (0.25, 0.5),
    "factors": (0.5, 0.1),
    "quantiser": "xnor",
    "shift": True,
    "mixup": 0.2,
    "ema": 0.99,
    "surrogate": "annealed_tanh",
    "augmentation": "shift4-flip-cutout8",
}


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(**FULL)])
def test_json_and_toml_give_it_back(recipe: Recipe) -> None:
    text = json.dumps(asdict(recipe))
    assert TypeAdapter(Recipe).validate_json(text, strict=True) == recipe
    assert Recipe(**json.loads(text)) == recipe
    assert tomli_w.dumps(json.loads(text)).count("\n") >= len(fields(Recipe))
    assert hash(recipe) == hash(Recipe(**json.loads(text)))


def test_fields_that_came_later_stand_for_how_it_was() -> None:
    """The first recipes had these fields only; what they trained is what a recipe trains that says nothing else."""
    first = {
        *("epochs", "batch", "optimiser", "learning_rate", "schedule", "weight_decay", "surrogate", "clip"),
        *("latent_clip", "gradient_norm", "augmentation", "precision", "threads"),
    }
    said = asdict(Recipe())
    assert set(LATER) == set(said) - first
    assert {name: said[name] for name in LATER} == LATER


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule": "step"}, "'steps'"),
        ({"cycles": 0}, "recipe.cycles"),
        ({"schedule": "steps", "milestones": (0.5,)}, "1 milestones and 0 factors"),
        ({"schedule": "steps", "milestones": (0.5, 0.5), "factors": (1.0, 0.1)}, "recipe.milestones that rise"),
        ({"schedule": "steps", "milestones": (1.5,), "factors": (0.1,)}, "recipe.milestones"),
        ({"schedule": "steps", "milestones": (0.5,), "factors": (math.nan,)}, "recipe.factors"),
        ({"low_momentum": 0.95}, "recipe.low_momentum between 0 and 0.9"),
        ({"momentum": 1.0}, "recipe.momentum"),
        ({"ema": 1.0}, "recipe.ema"),
        ({"label_smoothing": -0.1}, "recipe.label_smoothing"),
        ({"drop_path": 1.0}, "recipe.drop_path"),
        ({"distillation": 1.1}, "recipe.distillation"),
        ({"temperature": 0.0}, "recipe.temperature"),
        ({"mixup": -1.0}, "recipe.mixup"),
        ({"mixup": 0.2, "centre_loss": 0.1}, "recipe.centre_loss = 0 with mixup"),
        ({"kernel_loss": math.inf}, "recipe.kernel_loss"),
        ({"quantiser": "xnorr"}, "'xnor'"),
        ({"activations": "reel"}, "'real'"),
        ({"augmentation": "shift4-flipp"}, "recipe.augmentation"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_callers_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words.replace(".", r"\.").replace("(", r"\(")) as caught:
        Recipe(**change)
    assert str(caught.value).startswith("Expected ")
