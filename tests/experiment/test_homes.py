"""Where settings live, and what a setting that was looked for elsewhere is told."""

from __future__ import annotations

from typing import Any

import pytest

from evobnn.errors import ExperimentError
from evobnn.experiment.homes import homes
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_table


def test_every_setting_has_its_home() -> None:
    at = homes(Experiment)
    assert at["epochs"] == ("recipe.epochs", "shared.epochs") and at["seed"] == ("seed",)
    assert at["population"] == ("strategy.population",)
    assert at["weights"] == ("recipe.weights",)
    assert all(path.rpartition(".")[2] == name for name, paths in at.items() for path in paths)


EPOCHS = "Did you mean 'recipe.epochs' or 'shared.epochs'?"


@pytest.mark.parametrize(
    ("table", "got", "hint"),
    [
        ({"epochs": 3}, "epochs", EPOCHS),
        ({"epoch": 3}, "epoch", EPOCHS),
        ({"population": 3}, "population", "Did you mean 'strategy.population'?"),
        ({"weights": "real"}, "weights", "Did you mean 'recipe.weights'?"),
        ({"xyzzy": {"max_macs": 3}}, "xyzzy.max_macs", "Did you mean 'max_macs'?"),
        ({"xyzzy": 3}, "xyzzy", "Choose one of these."),
        ({"xyzzy": {"foo": 3}}, "xyzzy", "Choose one of these."),
        ({"noise": {"epochs": 3}}, "noise.epochs", EPOCHS),
        ({"noise": {"repeat": 3}}, "noise.repeat", "Did you mean 'noise.repeats'?"),
        ({"strategy": {"width": 3}}, "strategy.width", "Did you mean 'network.width'?"),
        ({"strategy": {"forgets": True}}, "strategy.forgets", "It is a setting of 'gaaf'; choose that with"),
        ({"pressures": {"diversity": {"epochs": 3}}}, "pressures.diversity.epochs", EPOCHS),
        ({"stratgy": {"name": "gaaf"}}, "stratgy", "Did you mean 'strategy'?"),
        ({"foo": 3}, "foo", "Choose one of these."),
    ],
)
def test_a_setting_in_another_place_is_pointed_at_where_it_lives(table: dict[str, Any], got: str, hint: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        from_table(table, "here")
    assert str(caught.value).startswith(f"Expected the name of a known setting, got '{got}'. {hint}")
    assert " Known: " in str(caught.value)
