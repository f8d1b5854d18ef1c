"""`evobnn predict`: image files are read as those of the data set, and every slip is one message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evobnn as package
from evobnn.data import DatasetSpec, Images, load_test
from evobnn.data.resample import resize
from evobnn.runs.final import session as module
from tests.cli.conftest import Call
from tests.cli.test_train import BRIEF, check_refused


@pytest.fixture(scope="module")
def apart() -> Images:
    return load_test(DatasetSpec("digits"))


@pytest.fixture
def training(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`evobnn` beside the training `populations/train-digits-1` of 6x6 pixels."""
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    assert evobnn("train", *BRIEF, "--size", 6).code == 0
    return evobnn


def test_files_are_resampled_as_the_training_images_were(training: Call, apart: Images) -> None:
    for number in range(4):
        Image.fromarray(apart.images[number, 0]).convert("RGB" if number % 2 else "L").save(f"{number}.png")
    wide = np.zeros((8, 12), np.uint8)
    wide[:, 2:10] = apart.images[0, 0]
    Image.fromarray(wide).save("wide.png")  # its centre square is the first image
    names = [f"{number}.png" for number in range(4)]
    network = package.load_network("train-digits-1")
    wanted = network.logits(resize(apart.images[:4], 6)).softmax(1)

    done = training("predict", "train-digits-1", *names, "wide.png", "--json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert [row["file"] for row in rows] == [*names, "wide.png"]
    assert [row["index"] for row in rows] == [*wanted.argmax(1).tolist(), int(wanted[0].argmax())]
    assert [row["class"] for row in rows] == [str(row["index"]) for row in rows]
    assert [row["share"] for row in rows[:4]] == pytest.approx(wanted.max(1).values.tolist(), abs=1e-6)
    assert rows[4]["share"] == pytest.approx(rows[0]["share"], abs=1e-6)

    shown = training("predict", "populations/train-digits-1", *names, "--kernels", "recorded")
    assert (shown.code, shown.err) == (0, "")
    for row in rows[:4]:
        assert f"{row['file']}   {row['class']}" in shown.out and f"{100 * row['share']:.1f} %" in shown.out


def test_slips(training: Call, apart: Images) -> None:
    Image.fromarray(apart.images[0, 0]).save("whole.png")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:60])
    Path("text.png").write_text("seven")
    (here := Path("folder")).mkdir()
    before = {path: path.read_bytes() for path in Path("populations").rglob("*") if path.is_file()}
    for name in ("cut.png", "text.png", "none.png", str(here)):
        check_refused(training("predict", "train-digits-1", "whole.png", name), f"in {name}, got", "PNG")
    check_refused(training("predict", "train-digits-2", "whole.png"), "Did you mean 'populations/train-digits-1'?")
    check_refused(training("predict", "train-digits-1", "whole.png", "--seed", 3), "seed 3")
    check_refused(training("predict", "train-digits-1", "whole.png", "--kernels", "fast"), "recorded, torch")
    check_refused(training("predict", "train-digits-1"), "IMAGE")
    assert {path: path.read_bytes() for path in before} == before


def test_another_size_where_nothing_is_resampled(evobnn: Call, monkeypatch: pytest.MonkeyPatch, apart: Images) -> None:
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    assert evobnn("train", *BRIEF, "--out", "mine").code == 0
    Image.fromarray(resize(apart.images[:1], 16)[0, 0]).save("large.png")
    check_refused(evobnn("predict", "mine", "large.png"), "an image of 8x8 pixels in large.png, got 16x16", "--size N")


def test_a_folder_of_pictures_is_read_as_in_training(
    evobnn: Call, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Colour, transparency and size: each file becomes the bytes of which its training image is made."""
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    for label, name in enumerate(("cat", "dog")):
        for number in range(12):
            Path(f"pets/train/{name}").mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
            pixels[..., label] //= 3
            Image.fromarray(pixels).save(f"pets/train/{name}/{number}.png")
    arguments = ("--dataset", "folder", "--data-dir", "pets", "--size", 8)
    done = evobnn("train", *BRIEF[:1], "--preset", "digits", "--channels", 2, "--threads", 1, *arguments, "--epochs", 1,
                  "--set", "recipe.batch=4", "--out", "mine")  # fmt: skip
    assert done.code == 0, done.err
    network = package.load_network("mine")
    assert network.class_names == ("cat", "dog") and network.shape == (3, 8, 8)
    from evobnn.data.formats.single import read_image
    from evobnn.data.sources import load_train

    images = load_train(network.settings.experiment.dataset, Path("pets"))
    spec, beside = network.settings.experiment.dataset, network.metadata
    found = {
        read_image(path, network.shape, spec, beside.bits, beside.paper).tobytes()
        for path in Path("pets/train").rglob("*.png")
    }
    assert len(images) > 10 and {one.tobytes() for one in images.images} <= found
