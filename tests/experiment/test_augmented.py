"""Where `auto` becomes an augmentation: when a text is read, or else when the images are; never later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.experiment import Experiment
from evobnn.experiment.final import FinalSettings, from_text, to_text
from evobnn.experiment.recipes import load_plan
from evobnn.experiment.text import from_table, load
from evobnn.experiment.text import to_text as experiment_text
from evobnn.runs import Options, Session, create
from evobnn.runs.setup import make_bench, settled
from evobnn.training import Recipe


def read(name: str, size: int, text: str = "auto") -> str:
    table = {"dataset": {"name": name, "size": size}, "recipe": {"augmentation": text}}
    return from_table(table, "here").recipe.augmentation


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [
        ("digits", 0, "shift1"),
        ("digits", 16, "shift2"),
        ("mnist", 0, "shift4"),
        ("mnist", 14, "shift2"),
        ("mnist5k", 14, "shift2"),
        ("fashion-mnist", 0, "shift4-flip"),
        ("fashion-mnist", 14, "shift2-flip"),
        ("cifar10", 0, "shift4-flip"),
        ("cifar10", 16, "shift2-flip"),
        ("cifar100", 16, "shift2-flip"),
        ("folder", 24, "shift3"),
        ("npz", 64, "shift8"),
        ("npz", 0, "auto"),  # only the images can tell
    ],
)
def test_a_text_that_is_read_says_what_auto_is(name: str, size: int, found: str) -> None:
    assert read(name, size) == found
    assert read(name, size, "shift4-flip") == "shift4-flip"


def test_auto_is_identified_by_what_it_is() -> None:
    one, other = (from_table({"recipe": {"augmentation": text}}, "here") for text in ("auto", "shift1"))
    assert one == other and one.fingerprint() == other.fingerprint()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with one `.npz` of 12x20 pixels: an eighth is 1.5, hence 2."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (40, 12, 20), dtype=np.uint8) for name in ("x_train", "x_test")}
    np.savez(tmp_path / "mine.npz", **arrays, y_train=np.arange(40) % 2, y_test=np.arange(40) % 2)
    return tmp_path


@pytest.fixture
def own(tiny: Any) -> Callable[[str], Experiment]:
    """An experiment on one's own images, whose size nobody has told, with an augmentation."""
    dataset = dataclasses.replace(tiny.dataset, name="npz", train_limit=0, validation_limit=0)

    def with_augmentation(text: str) -> Experiment:
        recipe = dataclasses.replace(tiny.recipe, augmentation=text, batch=10)
        made: Experiment = dataclasses.replace(tiny, dataset=dataset, recipe=recipe)
        return made

    return with_augmentation


def test_images_say_what_their_spec_does_not(images: Path, own: Callable[[str], Experiment], tmp_path: Path) -> None:
    options = Options(jobs=1, data_dir=images)
    for text, found in (("auto", "shift2"), ("auto-flip", "shift2-flip")):
        asked, plain = own(text), own(found)
        bench = make_bench(asked, options)
        assert bench.protocol.recipe.augmentation == found
        assert bench.protocol.fingerprint() == make_bench(plain, options).protocol.fingerprint()
        assert settled(asked, bench) == plain
        folder = create(asked, options, tmp_path, tmp_path / f"run-{found}")
        assert load(folder / "experiment.toml") == plain
        (folder / "experiment.toml").write_text(experiment_text(asked))  # as a person may write it
        assert Session(folder, options).experiment.fingerprint() == plain.fingerprint()


def test_a_run_of_which_a_person_wrote_auto_is_that_of_what_it_is(tiny: Any, tmp_path: Path) -> None:
    """A recipe that Python made, on digits: no text was read."""
    asked = dataclasses.replace(tiny, recipe=dataclasses.replace(tiny.recipe, augmentation="auto"))
    folder = create(asked, Options(jobs=1), tmp_path)
    assert 'augmentation = "shift1"' in (folder / "experiment.toml").read_text()


def test_a_plan_is_settled_by_shape_and_data_set(tiny: Any) -> None:
    def of(name: str, shape: tuple[int, int, int]) -> str:
        dataset = dataclasses.replace(tiny.dataset, name=name)
        plan = load_plan("standard", assignments=["recipe.threads=1"])
        asked = FinalSettings("@net = x", dataclasses.replace(tiny, dataset=dataset), plan)
        found = asked.for_images(shape)
        assert found.experiment.recipe == found.plan.stages[0].recipe
        assert from_text(to_text(found), "here") == found
        return found.plan.stages[0].recipe.augmentation

    assert of("digits", (1, 8, 8)) == "shift1"
    assert of("cifar10", (3, 32, 32)) == "shift4-flip"
    assert of("fashion-mnist", (1, 28, 20)) == "shift3-flip"
    assert of("folder", (3, 48, 32)) == "shift4"
    kept = FinalSettings("@net = x", tiny, load_plan("two-stage-reversed"))
    assert kept.for_images((1, 8, 8)) == kept


def test_every_stage_of_a_plan_is_settled(tiny: Any) -> None:
    plan = load_plan("two-stage", assignments=["recipe.augmentation=auto-cutout2"])
    found = FinalSettings("@net = x", tiny, plan).for_images((1, 8, 8)).plan
    assert [stage.recipe.augmentation for stage in found.stages] == ["shift1-cutout2"] * 2


def test_which_recipes_choose_by_data_set() -> None:
    """Those of papers keep what was published; presets train for a few epochs, and with what was tried on them."""
    published = {
        "bnas": "shift4-flip",
        "bnas-imagenet": "shift16-flip-jitter40",
        "child-parent": "shift4-flip",
        "gaaf": "shift4-flip",
        "two-stage": "shift4-flip",
        "two-stage-reversed": "shift4-flip-cutout16",
    }
    assert {name: load_plan(name).stages[0].recipe.augmentation for name in published} == published
    assert load_plan("standard").stages[0].recipe.augmentation == "auto"
    assert Recipe().augmentation == "none"
