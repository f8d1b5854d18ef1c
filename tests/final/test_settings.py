"""`training.toml`: what decides a training, there and back, and everything in it that is not understood."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.errors import ExperimentError, RunError
from evobnn.experiment.final import FinalSettings, from_text, is_training, open_settings, to_text
from evobnn.experiment.presets import recipe_names
from evobnn.experiment.recipes import load_plan


def test_text_and_back(settings: FinalSettings) -> None:
    for one in (settings, replace(settings, all_images=True, seeds=(3,))):
        text = to_text(one)
        assert from_text(text, "here") == one
        assert to_text(from_text(text, "here")) == text


def test_the_text_says_all_that_decides(settings: FinalSettings) -> None:
    table = tomllib.loads(to_text(settings))
    assert table["genome"] == settings.genome
    assert (table["format"], table["seeds"], table["all_images"], table["recipe_name"]) == (1, [0, 1], False, "tiny")
    assert table["dataset"]["train_limit"] == 100 and table["network"]["width"] == 2
    assert table["recipe"]["threads"] == 1  # sums depend on it
    first, second = table["stages"]
    assert (first["epochs"], second["epochs"]) == (2, 4)
    assert (first["weights"], second["weights"]) == ("real", "binary")
    assert "batch" in table["recipe"] and "batch" not in first  # what all stages share stands once


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "brief"])
def test_every_recipe_survives_the_file(settings: FinalSettings, name: str) -> None:
    one = replace(settings, plan=load_plan(name))
    assert from_text(to_text(one), "here").plan == one.plan


def test_what_a_search_needs_besides_is_no_part_of_it(settings: FinalSettings) -> None:
    searched = replace(settings.experiment, seed=7, horizon=3, objectives=("error", "bits"), table="")
    assert replace(settings, experiment=searched) == settings


def test_the_epochs_with_which_stages_end(settings: FinalSettings) -> None:
    assert settings.ends == (2, 6)


WRONG = {
    "no TOML": ("genome = ", "TOML in here"),
    "another format": ("format = 2", "format 1"),
    "no seeds": ("format = 1\ngenome = 'x'", "seeds as a list"),
    "an unknown setting": ("format = 1\nseed = [1]", "Did you mean 'seeds'?"),
    "no genome": ("format = 1\nseeds = [0]", "genome as a text"),
    "a seed twice": ("format = 1\nseeds = [1, 1]\ngenome = 'x'\nrecipe_name = 'r'", "different seeds"),
    "no seed": ("format = 1\nseeds = []\ngenome = 'x'\nrecipe_name = 'r'", "different seeds"),
    "a seed below 0": ("format = 1\nseeds = [-1]\ngenome = 'x'\nrecipe_name = 'r'", "at least 0"),
    "a section": ("format = 1\nseeds = [0]\ngenome = 'x'\nrecipe_name = 'r'\n[netwrok]\ncells = 1", "'network'?"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_understood(wrong: str) -> None:
    text, part = WRONG[wrong]
    with pytest.raises(ExperimentError) as caught:
        from_text(text, "here")
    assert part in str(caught.value)


def test_a_folder_that_is_none(settings: FinalSettings, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a training folder with training\.toml"):
        open_settings(tmp_path)
    assert not is_training(tmp_path)
    (tmp_path / "training.toml").write_text(to_text(settings))
    assert is_training(tmp_path) and open_settings(tmp_path) == settings
    (tmp_path / "training.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match=r"training\.toml"):
        open_settings(tmp_path)
