"""What start lines say of augmentations, for several stages and for every kind of data set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evobnn.cli.augmented import behind, explained
from evobnn.experiment.final import FinalSettings
from evobnn.training import Plan, Recipe, Stage


def test_augmentations_of_all_stages_in_order() -> None:
    assert behind(["none"]) == behind(["none", "none"]) == ""
    assert behind(["shift1"]) == behind(["shift1", "shift1"]) == ", augmentation shift1"
    assert behind(["none", "shift1", "none"]) == ", augmentation none, then shift1"


@pytest.mark.parametrize(
    ("texts", "name", "said"),
    [
        (["auto"], "cifar10", ["auto is shift2-flip: an eighth of 16 pixels, and cifar10 may be mirrored"]),
        (["auto"], "mnist", ["auto is shift2: an eighth of 16 pixels, and mnist may not be mirrored"]),
        (["auto-cutout2"] * 2, "mnist", ["auto is shift2: an eighth of 16 pixels, and mnist may not be mirrored"]),
        (["none", "shift4-flip"], "cifar10", []),
        (["shift4-flip"], "folder", []),
        (
            ["flip", "shift5"],
            "mnist",
            [
                "flip does not suit mnist: a mirror image is another sign; --set recipe.augmentation=auto takes shift2",
                "shift5 does not suit mnist: a shift of 5 is more than a quarter of 16 pixels; "
                "--set recipe.augmentation=auto takes shift2",
            ],
        ),
    ],
)
def test_lines_for_a_new_training(tiny: Any, texts: list[str], name: str, said: list[str]) -> None:
    plan = Plan("mine", tuple(Stage(Recipe(augmentation=text)) for text in texts))
    settings = FinalSettings("@net = x", replace(tiny, dataset=replace(tiny.dataset, name=name)), plan)
    assert list(explained(plan, settings, 16)) == said
