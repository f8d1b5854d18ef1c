"""What a training reads: parts put together, and a folder of images that would not fit into memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evobnn.data import DatasetSpec, Images, Split
from evobnn.data.streams import Streamed
from evobnn.errors import DataError, ExperimentError
from evobnn.experiment.final import FinalSettings
from evobnn.runs import Options
from evobnn.runs.final import FinalSession, create, images
from evobnn.runs.final.folder import seed_folder
from evobnn.runs.final.images import whole
from evobnn.runs.final.setup import correct


def test_the_validation_part_comes_behind_the_training_part() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    labels = np.array([0, 1, 0, 1, 0, 1])
    split = Split(Images(pixels[:4], labels[:4], ("a", "b")), Images(pixels[4:], labels[4:], ("a", "b")))
    both = whole(split)
    assert both.images.ravel().tolist() == [0, 1, 2, 3, 4, 5] and both.labels.tolist() == labels.tolist()


def test_correct_counts_by_hand() -> None:
    """A network whose logits are the pixel and 100: class 0 above 100, class 1 below, and the first where equal."""

    class Threshold(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            value = x.flatten(1)
            return torch.cat([value, torch.zeros_like(value)], 1)

    class Fed:
        mean, deviation, device = torch.tensor([100.0]), torch.tensor([2.0]), torch.device("cpu")

    pixels = np.array([101, 99, 100, 255, 0], dtype=np.uint8).reshape(5, 1, 1, 1)
    given = Images(pixels, np.array([0, 1, 0, 1, 0]), ("above", "below"))
    assert correct(Threshold(), given, Fed(), batch=2) == 3  # type: ignore[arg-type]


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder of 60 grey images of two classes to learn from and 12 to test, dark and bright with noise."""
    for part, count in (("train", 30), ("test", 6)):
        for name, level in (("bright", 170), ("dark", 60)):
            home = tmp_path / "pictures" / part / name
            home.mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(-40, 40, (8, 8)) + level
                Image.fromarray(noise.astype(np.uint8)).save(home / f"{number:02}.png")
    return tmp_path / "pictures"


@pytest.fixture
def of_folder(settings: FinalSettings) -> FinalSettings:
    dataset = DatasetSpec("folder", size=8, validation=0.2)
    plan = settings.plan.changed(batch=16)
    return replace(settings, seeds=(0,), plan=plan, experiment=replace(settings.experiment, dataset=dataset))


@pytest.mark.parametrize("all_images", [False, True])
def test_a_stream_trains_to_the_same_weights(
    of_folder: FinalSettings, pictures: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    all_images: bool,
) -> None:  # fmt: skip
    options = Options(jobs=1, data_dir=pictures)
    one = replace(of_folder, all_images=all_images)
    kept = create(one, options, tmp_path)
    prepared = FinalSession(kept, options).proceed()
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(images, "cores", lambda: 0)
    streamed = create(one, options, tmp_path)
    session = FinalSession(streamed, options)
    assert isinstance(session.place.loader, Streamed)
    result = session.proceed()
    assert result["data"] == prepared["data"] | {"fingerprint": result["data"]["fingerprint"]}
    assert result["data"]["train"] == (60 if all_images else 48)
    if not all_images:  # otherwise the images stand in another order
        homes = (seed_folder(streamed, 0), seed_folder(kept, 0))
        weights = [(home.path / "weights.safetensors").read_bytes() for home in homes]
        assert weights[0] == weights[1]
        assert homes[0].tested() == homes[1].tested()


def test_a_file_more_is_another_set(
    of_folder: FinalSettings, pictures: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = of_folder.experiment.dataset
    before = images.listed(spec, pictures)
    assert images.listed(spec, pictures) == before
    assert (before.folder, before.classes, before.shape) == ("", 2, (1, 8, 8))
    (pictures / "train" / "dark" / "more.png").write_bytes((pictures / "train" / "dark" / "00.png").read_bytes())
    assert images.listed(spec, pictures).fingerprint != before.fingerprint


def test_a_stream_takes_all_images_or_limits(
    of_folder: FinalSettings, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 100)
    limited = replace(of_folder.experiment.dataset, train_limit=40)
    one = replace(of_folder, all_images=True, experiment=replace(of_folder.experiment, dataset=limited))
    with pytest.raises(ExperimentError, match="no limits with --all-images"):
        create(one, Options(jobs=1, data_dir=pictures), tmp_path)


def test_a_damaged_test_image_costs_only_the_test(
    of_folder: FinalSettings, pictures: Path, undrawn: None, tmp_path: Path
) -> None:
    options = Options(jobs=1, data_dir=pictures)
    path = pictures / "test" / "dark" / "03.png"
    good = path.read_bytes()
    path.write_bytes(good[:40])
    folder = create(of_folder, options, tmp_path)
    with pytest.raises(DataError, match=r"03\.png"):
        FinalSession(folder, options).proceed()
    weights = (folder / "seed-0" / "weights.safetensors").read_bytes()
    assert not (folder / "seed-0" / "test.json").exists()
    path.write_bytes(good)
    assert FinalSession(folder, options).proceed()["n"] == 1
    assert (folder / "seed-0" / "weights.safetensors").read_bytes() == weights
