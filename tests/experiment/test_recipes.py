"""Recipes by name or file: every one is read, says what it is, and what is wrong in one is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.errors import ExperimentError
from evobnn.experiment.presets import BRIEF, recipe_names, recipe_summary, recipe_text
from evobnn.experiment.recipes import load_plan, plan_from_table, plan_table
from evobnn.training import Recipe

FILES = [name for name in recipe_names() if name != BRIEF]


def test_the_names_are_known() -> None:
    """Names stand in files and commands, and so are permanent."""
    assert set(recipe_names()) >= {
        "bnas", "bnas-imagenet", "brief", "child-parent", "gaaf", "standard", "two-stage", "two-stage-reversed",
    }  # fmt: skip


@pytest.mark.parametrize("name", recipe_names())
def test_each_says_what_it_is_and_can_be_read(name: str) -> None:
    summary = recipe_summary(name)
    assert summary.startswith(f"{name}: ") and len(summary) <= 120
    plan = load_plan(name)
    assert plan.name == name and plan.stages


@pytest.mark.parametrize("name", FILES)
def test_a_table_and_back(name: str) -> None:
    plan = load_plan(name)
    assert plan_from_table(plan_table(plan), name, "here") == plan
    assert recipe_text(name).startswith(f"# {name}: ")


def test_gaaf_is_the_published_schedule() -> None:
    """Section 1.5 of the fact sheet: 5e-3, from epoch 80 1e-3, 150 5e-4, 200 1e-4, 240 5e-5, 270 1e-5 of 300."""
    (stage,) = load_plan("gaaf").stages
    recipe = stage.recipe
    assert (recipe.optimiser, recipe.batch, recipe.epochs, recipe.clip, recipe.latent_clip) == (
        "adam",
        128,
        300,
        1.3,
        1.3,
    )
    assert [round(300 * share) for share in recipe.milestones] == [80, 150, 200, 240, 270]
    rates = [recipe.learning_rate * factor for factor in recipe.factors]
    assert rates == pytest.approx([1e-3, 5e-4, 1e-4, 5e-5, 1e-5])
    assert (recipe.quantiser, recipe.weight_decay, recipe.augmentation) == ("", 0.0, "shift4-flip")


def test_bnas_is_the_published_training() -> None:
    """Section 2.5 of the fact sheet."""
    (stage,) = load_plan("bnas").stages
    recipe = stage.recipe
    assert (recipe.epochs, recipe.batch, recipe.learning_rate, recipe.weight_decay) == (600, 256, 0.05, 3e-6)
    assert (recipe.momentum, recipe.low_momentum, recipe.drop_path) == (0.95, 0.85, 0.2)
    (stage,) = load_plan("bnas-imagenet").stages
    recipe = stage.recipe
    assert (recipe.epochs, recipe.cycles, recipe.label_smoothing, recipe.gradient_norm) == (250, 5, 0.1, 5.0)


def test_the_order_of_two_stages() -> None:
    for name, first in (("two-stage", ("binary", "real")), ("two-stage-reversed", ("real", "binary"))):
        one, two = (stage.recipe for stage in load_plan(name).stages)
        assert (one.activations, one.weights) == first
        assert (two.activations, two.weights) == ("binary", "binary")
    parent, child = load_plan("child-parent").stages
    assert (parent.recipe.activations, parent.recipe.weights) == ("real", "real")
    assert child.recipe.kernel_loss > 0 and child.recipe.centre_loss > 0 and child.recipe.distillation > 0
    assert child.start == "fresh"
    assert "Unconfirmed" in recipe_text("child-parent")


def test_brief_is_that_of_the_preset() -> None:
    mine = Recipe(epochs=5, learning_rate=0.02)
    assert [stage.recipe for stage in load_plan(BRIEF, mine).stages] == [mine]
    with pytest.raises(ExperimentError, match="that of the run or preset"):
        recipe_text(BRIEF)


def test_settings_for_all_stages() -> None:
    plan = load_plan("two-stage", assignments=["recipe.weight_decay=0.5", "recipe.batch=32"])
    assert [(s.recipe.weight_decay, s.recipe.batch) for s in plan.stages] == [(0.5, 32), (0.5, 32)]
    assert [s.recipe.weights for s in plan.stages] == ["real", "binary"]


def test_epochs_of_all_stages_together() -> None:
    assert [stage.recipe.epochs for stage in load_plan("two-stage", epochs=6).stages] == [3, 3]
    assert [stage.recipe.epochs for stage in load_plan("two-stage", epochs=2).stages] == [1, 1]
    assert load_plan("gaaf", epochs=1).epochs == 1
    for epochs in (1, 0, -3):
        with pytest.raises(ExperimentError, match=f"--epochs of at least 2, one for each stage .*, got {epochs}"):
            load_plan("two-stage", epochs=epochs)


def test_a_file_of_your_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("# mine\n[recipe]\nepochs = 3\n[[stages]]\nweights = 'real'\n[[stages]]\nstart = 'fresh'\n")
    plan = load_plan(str(path))
    assert plan.name == "mine" and plan.epochs == 6
    first, second = plan.stages
    assert first.recipe == replace(Recipe(), epochs=3, weights="real")
    assert (second.recipe, second.start) == (replace(Recipe(), epochs=3), "fresh")


WRONG = {
    "no TOML": ("recipe = ", "TOML in"),
    "a section": ("[recip]\nepochs = 1", "Did you mean 'recipe'?"),
    "a setting": ("[recipe]\nepohcs = 1", "Did you mean 'recipe.epochs'?"),
    "a setting of a stage": ("[[stages]]\n[[stages]]\nepohcs = 1", "Did you mean 'stages.1.epochs'?"),
    "a type": ("[recipe]\nepochs = 'many'", "epochs as: "),
    "a value": ("[recipe]\noptimiser = 'adm'", "Did you mean 'adam'?"),
    "a start": ("[[stages]]\n[[stages]]\nstart = 'frehs'", "Did you mean 'fresh'?"),
    "stages as a section": ("[stages]\nepochs = 1", "stages as a list of sections"),
    "no stage": ("stages = []", "stages as a list of sections"),
    "recipe as a number": ("recipe = 3", "recipe as a section"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, wrong: str) -> None:
    text, part = WRONG[wrong]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ExperimentError) as caught:
        load_plan(str(path))
    assert part in str(caught.value)


def test_files_and_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="Did you mean 'two-stage'"):
        load_plan("two-stages")
    with pytest.raises(ExperimentError, match=r"nowhere\.toml"):
        load_plan(str(tmp_path / "nowhere.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ExperimentError, match=r"bytes\.toml"):
        load_plan(str(tmp_path / "bytes.toml"))
