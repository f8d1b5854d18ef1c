"""`evobnn train` and `evobnn recipes`: what they print, going on, and every slip in one message before any training."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evobnn.cli.entry import run
from evobnn.data import reads_of_test as reads
from evobnn.experiment.final import open_settings
from evobnn.experiment.presets import recipe_names
from evobnn.runs.final import session as module
from tests.cli.conftest import Call, Called

GENOME = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2)] @normal = add(sin(x), x) @reduction = x"
)
SMALL = (
    "--preset",
    "digits",
    "--set",
    "dataset.train_limit=100",
    "--set",
    "dataset.validation_limit=60",
    "--channels",
    "2",
    "--threads",
    "1",
)
BRIEF = (GENOME, *SMALL, "--epochs", "2", "--set", "recipe.batch=50")


@pytest.fixture
def training(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`evobnn` in an empty folder, without the picture."""
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    return evobnn


def test_recipes_are_listed_and_printed(evobnn: Call) -> None:
    done = evobnn("recipes")
    assert (done.code, done.err) == (0, "")
    assert [line.split(":")[0] for line in done.out.splitlines()] == list(recipe_names())
    assert evobnn("recipes", "gaaf").out.startswith("# gaaf: ")


def test_a_training_from_a_genome(training: Call) -> None:
    count = reads()
    done = training("train", *BRIEF, "--seeds", 2)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["training", "data", "network", "recipe", "work"]
    assert "train-digits-1, seeds 0, 1" in lines[0] and "100 images to train, 60 to validate" in lines[1]
    assert "% of the MACs binary" in lines[2] and "brief: 2 epochs in 1 stage, batch 50" in lines[3]
    epochs = [line for line in lines if re.match(r"seed \d, epoch \d/2, loss .*, error .* left$", line)]
    assert len(epochs) == 4 and epochs[-1].endswith("0:00 left")
    result = json.loads(Path("populations/train-digits-1/result.json").read_text())
    mean, sd = result["test_error"]["mean"], result["test_error"]["sd"]
    assert f"test accuracy {100 * (1 - mean):.2f} ± {100 * sd:.2f} % on 359 test images, n = 2." in done.out
    assert reads() == count + 2


def test_a_training_of_an_individual_takes_the_space_and_data_of_its_run(training: Call, a_run: Path) -> None:
    done = training("train", "digits-1:0", "--threads", 1, "--recipe", "two-stage", "--epochs", 2, "--set",
                    "recipe.batch=50")  # fmt: skip
    assert (done.code, done.err) == (0, ""), done.err
    settings = open_settings(Path("populations/train-digits-1"))
    assert settings.experiment.network.width == 2 and settings.experiment.dataset.train_limit == 100
    assert [stage.recipe.weights for stage in settings.plan.stages] == ["real", "binary"]
    assert "recipe   two-stage: 2 epochs in 2 stages, batch 50" in done.out


def test_going_on(training: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    save = module.checkpoint.save
    times = iter([True])

    def once(*given: object) -> object:
        if not next(times, False):
            raise KeyboardInterrupt
        return save(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module.checkpoint, "save", once)
    stopped = training("train", *BRIEF, "--epochs", 3)
    assert stopped.code == 130
    assert "Go on with:\n  evobnn train populations/train-digits-1" in stopped.err
    monkeypatch.setattr(module.checkpoint, "save", save)
    for name in ("train-digits-1", "populations/train-digits-1"):
        done = training("train", name)
        assert (done.code, done.err) == (0, "")
        assert "test accuracy" in done.out
        if name == "train-digits-1":
            assert "seed 0 goes on after epoch 1/3" in done.out
            assert "epoch 2/3" in done.out and "epoch 1/3," not in done.out
        else:
            assert "epoch 3/3" not in done.out  # nothing was left to do
    again = training("train", *BRIEF, "--epochs", 3, "--out", "populations/train-digits-1")
    assert again.code == 0


def test_all_images_and_a_whole_data_set(training: Call) -> None:
    done = training("train", GENOME, "--channels", 2, "--threads", 1, "--epochs", 1, "--dataset", "digits",
                    "--all-images", "--out", "mine")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "1,438 images to train, 0 to validate" in done.out
    assert "error" not in done.out.split("work")[1].splitlines()[1]  # the line of the epoch
    assert re.search(r"^0 +1 +– +\d", done.out, re.MULTILINE)


def test_what_is_asked_for_is_what_is_written(training: Call) -> None:
    done = training("train", *BRIEF, "--cells", 3, "--set", "network.stem=2", "--recipe", "standard", "--size", 6,
                    "--out", "mine")  # fmt: skip
    assert (done.code, done.err) == (0, ""), done.err
    settings = open_settings(Path("mine"))
    network = settings.experiment.network
    assert (network.cells, network.width, network.stem) == (3, 2, 2.0)
    assert settings.experiment.dataset.size == 6
    (stage,) = settings.plan.stages
    assert (stage.recipe.batch, stage.recipe.epochs, stage.recipe.threads) == (50, 2, 1)
    assert settings.plan.name == "standard"
    assert stage.recipe.augmentation == "shift1"  # of 6x6 pixels


QUICK = (GENOME, "--channels", 2, "--threads", 1, "--recipe", "standard", "--epochs", 1)
"""A quick training with a recipe of which the augmentation is `auto`."""


def test_the_start_says_what_auto_chose_and_the_files_hold_it(training: Call) -> None:
    done = training("train", *QUICK, *SMALL[:4], "--set", "recipe.batch=50", "--out", "mine")
    assert (done.code, done.err) == (0, ""), done.err
    assert "recipe   standard: 1 epoch in 1 stage, batch 50, augmentation shift1\n" in done.out
    assert "         auto is shift1: an eighth of 8 pixels, and digits may not be mirrored\n" in done.out
    assert json.loads(Path("mine/result.json").read_text())["augmentation"] == ["shift1"]
    assert 'augmentation = "shift1"' in Path("mine/training.toml").read_text()
    again = training("train", *QUICK, *SMALL[:4], "--set", "recipe.batch=50", "--out", "mine")
    assert again.code == 0 and "auto is shift1" in again.out
    on = training("train", "mine")
    assert on.code == 0 and "augmentation shift1\n" in on.out and "auto" not in on.out


def test_ones_own_images_are_mirrored_on_demand(training: Call, rng: np.random.Generator) -> None:
    arrays = {name: rng.integers(0, 256, (40, 16, 16), dtype=np.uint8) for name in ("x_train", "x_test")}
    Path("data").mkdir()
    np.savez("data/mine.npz", **arrays, y_train=np.arange(40) % 2, y_test=np.arange(40) % 2)
    arguments = (*QUICK, "--set", "recipe.batch=10", "--dataset", "npz", "--data-dir", "data")
    done = training("train", *arguments, "--out", "plain")
    assert (done.code, done.err) == (0, ""), done.err
    line = "auto is shift2: an eighth of 16 pixels; npz is not mirrored unless you say so: "
    assert f"         {line}--set recipe.augmentation=auto-flip\n" in done.out
    done = training("train", *arguments, "--set", "recipe.augmentation=auto-flip", "--out", "mirrored")
    assert ", augmentation shift2-flip\n" in done.out and "an eighth of 16 pixels, mirrored as you ask\n" in done.out
    (stage,) = open_settings(Path("mirrored")).plan.stages
    assert stage.recipe.augmentation == "shift2-flip"


def test_an_augmentation_that_does_not_suit_is_told_once(training: Call) -> None:
    """A recipe of a paper on images that its augmentation was not made for: the recipe stays, a line says it."""
    arguments = (GENOME, *SMALL, "--recipe", "two-stage", "--epochs", 2, "--set", "recipe.batch=50", "--out", "mine")
    done = training("train", *arguments)
    assert (done.code, done.err) == (0, ""), done.err
    assert "in 2 stages, batch 50, augmentation shift4-flip\n" in done.out
    wrong = "a shift of 4 is more than a quarter of 8 pixels, and a mirror image is another sign"
    line = f"shift4-flip does not suit digits: {wrong}; --set recipe.augmentation=auto takes shift1"
    assert done.out.count(f"         {line}\n") == 1
    assert "does not suit" not in training("train", "mine").out  # nothing can be changed any more


def check_refused(done: Called, *parts: str) -> None:
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert done.out == ""
    for part in parts:
        assert part in done.err, done.err
    assert not [path for path in Path("populations").glob("train-*") if path.name != "train-digits-1"]


SLIPS: dict[str, tuple[Sequence[object], Sequence[str]]] = {
    "a recipe": ([*BRIEF, "--recipe", "two-stages"], ["'two-stages'", "Did you mean 'two-stage'?"]),
    "a recipe's file": ([*BRIEF, "--recipe", "mine.toml"], ["mine.toml", "No such file"]),
    "a device": ([*BRIEF, "--device", "cuda:99"], ["cuda:99", "cpu"]),
    "a batch too large": ([*BRIEF, "--set", "recipe.batch=200"], ["at most the 100 training images", "200"]),
    "fewer images than classes": ([*BRIEF, "--set", "dataset.train_limit=6", "--set", "recipe.batch=2"],
                                  ["as many training images as classes, 10", "got 6"]),
    "no data": ([*BRIEF, "--dataset", "mnist"], ["mnist", "--data-dir"]),
    "a data set": ([*BRIEF, "--dataset", "mnits"], ["Did you mean 'mnist'?"]),
    "a run": (["digits-9:0"], ["digits-9", "Did you mean 'populations/digits-1'?"]),
    "an individual": (["digits-1:999"], ["999", "0 to "]),
    "a run without id": (["digits-1"], ["RUN:ID", "digits-1:0"]),
    "neither": (["something"], ["RUN:ID", "'something'"]),
    "a training": (["train-digts-1"], ["Did you mean 'populations/train-digits-1'?"]),
    "a preset": ([*BRIEF, "--preset", "digts"], ["Did you mean 'digits'?"]),
    "too few epochs": ([*BRIEF, "--recipe", "two-stage", "--epochs", 1],
                       ["--epochs of at least 2, one for each stage", "got 1"]),
    "no epochs": ([*BRIEF, "--epochs", 0], ["--epochs", "at least 1"]),
    "no seeds": ([*BRIEF, "--seeds", 0], ["--seeds", "at least 1"]),
    "no threads": ([*BRIEF, "--threads", 0], ["--threads", "at least 1"]),
    "cells that the template refuses": ([*BRIEF, "--cells", 1], ["--cells", "at least 2"]),
    "channels that the template refuses": ([GENOME, "--channels", 0], ["--channels", "at least 1"]),
    "cells without cells": (["@net = sin(x)", "--preset", "gaaf", "--cells", 4],
                            ["a space with cells for --cells", "'gaaf'", "network.cells"]),
    "a setting": ([*BRIEF, "--set", "recipe.epohcs=3"], ["Did you mean 'recipe.epochs'?"]),
    "a setting of the network": ([*BRIEF, "--set", "network.cels=3"], ["Did you mean 'network.cells'?"]),
    "a value": ([*BRIEF, "--set", "recipe.optimiser=adm"], ["Did you mean 'adam'?"]),
    "a section": ([*BRIEF, "--set", "recip.epochs=3"], ["Did you mean 'recipe'?"]),
    "a setting without its section": ([*BRIEF, "--set", "epochs=3"], ["Did you mean 'recipe.epochs'"]),
    "a section of a search": ([*BRIEF, "--set", "strategy.population=3"], ["recipe, network, dataset"]),
    "no equals sign": ([*BRIEF, "--set", "recipe.epochs"], ["section.key=value"]),
    "a genome that cannot learn": ([GENOME.replace("add(sin(x), x)", "square(x)"), *SMALL], ["is constant on [-3, 3]"]),
    "settings of a training": (["train-digits-1", "--epochs", 3, "--set", "recipe.clip=1"],
                               ["no settings beside the training folder", "--set, --epochs"]),
    "another training's folder": ([*BRIEF, "--seeds", 2, "--out", "populations/train-digits-1"],
                                  ["seeds = [0]", "evobnn train populations/train-digits-1"]),
    "a folder with other files": ([*BRIEF, "--out", "populations/digits-1"], ["which has other files in it"]),
    "a recipe to print": (["--recipe"], ["--recipe"]),
}  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished training, made once."""
    folder = tmp_path_factory.mktemp("trained") / "training"
    assert run(["train", *BRIEF, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def a_training(trained: Path, a_run: Path) -> dict[Path, bytes]:
    """A finished training beside a run, `populations/train-digits-1`, and the bytes of all that is there."""
    shutil.copytree(trained, a_run.parent / "train-digits-1")
    return {path: path.read_bytes() for path in Path("populations").rglob("*") if path.is_file()}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_in_one_message(training: Call, a_training: dict[Path, bytes], slip: str) -> None:
    arguments, parts = SLIPS[slip]
    check_refused(training("train", *arguments), *parts)
    assert {path: path.read_bytes() for path in a_training} == a_training


def test_recipes_that_are_not_there(evobnn: Call) -> None:
    check_refused(evobnn("recipes", "gaff"), "Did you mean 'gaaf'?")
    check_refused(evobnn("recipes", "brief"), "that of the run or preset")


def test_a_damaged_test_part_fails_at_the_end_alone(training: Call) -> None:
    """The pixels of the test part are damaged: preparing and training never look at them."""
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (200, 8, 8), dtype=np.uint8), np.arange(200) % 10
    Path("data").mkdir()
    test = np.full((100, 8, 8), 0xC3, dtype=np.uint8)
    np.savez("data/mine.npz", x_train=images, y_train=labels, x_test=test, y_test=labels[:100])
    content = Path("data/mine.npz").read_bytes()
    assert content.count(test.tobytes()) == 1
    Path("data/mine.npz").write_bytes(content.replace(test.tobytes(), b"\xc4" * test.size))
    count = reads()
    arguments = (GENOME, "--channels", 2, "--threads", 1, "--epochs", 1, "--dataset", "npz", "--data-dir", "data")
    done = training("train", *arguments)
    assert done.code == 2 and "Traceback" not in done.err
    assert "\nExpected " in done.err and "x_test" in done.err
    assert "epoch 1/1" in done.out
    assert "train populations/train-npz-1" in done.err  # how to go on
    home = Path("populations/train-npz-1/seed-0")
    weights = (home / "weights.safetensors").read_bytes()
    assert reads() == count + 1 and not (home / "test.json").exists()
    assert training("train", "train-npz-1").code == 2  # still damaged, and nothing is trained again
    assert (home / "weights.safetensors").read_bytes() == weights
