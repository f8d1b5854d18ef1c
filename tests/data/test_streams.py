"""A stream of files yields what the tensors of the same folder yield, whatever the number of workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from evobnn.data import DatasetSpec, load_train, open_split, prepare
from evobnn.data.batches import all_tensors, epoch_batches, to_tensors
from evobnn.data.loaders import Loader
from evobnn.data.streams import stream_folder
from evobnn.errors import DataError
from tests.data.written import damage, pixels, write, write_folder

SPEC = DatasetSpec("folder", size=6, split_seed=3)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Thirty training images of several sizes and six others."""
    write_folder(tmp_path / "set" / "train", 9)
    for number, name in enumerate(("ant", "bee", "cat")):
        write(tmp_path / "set" / "train" / name / "wide.png", pixels(50 + number, 9, 14))
    write_folder(tmp_path / "set" / "test", 2)
    return tmp_path / "set"


def batches_of(count: int, batch: int = 6, seed: int = 0) -> list[Tensor]:
    return epoch_batches(count, batch, torch.Generator().manual_seed(seed))


def assert_same_feed(one: Loader, other: Loader) -> None:
    """Compare everything that two feeds yield in two epochs of different order and in validation."""
    assert (one.count, one.validation_count, one.device) == (other.count, other.validation_count, other.device)
    assert torch.equal(one.mean, other.mean) and torch.equal(one.deviation, other.deviation)
    assert one.mean.dtype == other.mean.dtype == torch.float32
    passes: list[Any] = [(one.validation(4), other.validation(4))]
    for seed in (1, 2):
        batches = batches_of(one.count, seed=seed)
        passes.append((one.epoch(batches), other.epoch(batches)))
    looped = 0
    for pair in passes:
        for (images, labels), (others, names) in zip(*pair, strict=True):
            assert images.dtype == others.dtype == torch.uint8 and labels.dtype == names.dtype == torch.int64
            assert torch.equal(images, others) and torch.equal(labels, names)
            looped += 1
    assert looped == 2 * -(-one.count // 6) + -(-one.validation_count // 4)


def test_a_stream_equals_the_tensors_of_the_same_folder(place: Path, tmp_path: Path) -> None:
    tensors = to_tensors(open_split(prepare(SPEC, place, tmp_path / "cache").folder))
    assert (tensors.count, tensors.validation_count) == (22, 8)
    assert_same_feed(stream_folder(SPEC, place), tensors)


def test_two_workers_yield_what_none_yields(place: Path) -> None:
    assert_same_feed(stream_folder(SPEC, place, workers=2), stream_folder(SPEC, place, workers=0))


def test_workers_may_be_spawned(place: Path) -> None:
    spawned = stream_folder(SPEC, place, workers=1, context="spawn", checked=False, measured=1)
    here = stream_folder(SPEC, place)
    batches = batches_of(here.count)[:1]
    ((images, labels),) = spawned.epoch(batches)
    ((others, names),) = here.epoch(batches)
    assert torch.equal(images, others) and torch.equal(labels, names)


def test_limits_choose_the_same_images(place: Path, tmp_path: Path) -> None:
    spec = DatasetSpec("folder", size=6, train_limit=9, validation_limit=5)
    tensors = to_tensors(open_split(prepare(spec, place, tmp_path / "cache").folder))
    assert (tensors.count, tensors.validation_count) == (9, 5)
    assert_same_feed(stream_folder(spec, place), tensors)


def test_the_whole_training_part_has_no_validation(place: Path) -> None:
    tensors = all_tensors(load_train(SPEC, place))
    stream = stream_folder(SPEC, place, whole=True)
    assert (stream.count, stream.validation_count) == (30, 0)
    assert list(stream.validation(4)) == list(tensors.validation(4)) == []
    assert_same_feed(stream, tensors)


def test_the_order_of_batches_and_images_is_kept(place: Path) -> None:
    stream = stream_folder(SPEC, place, workers=2, whole=True)
    images = torch.from_numpy(load_train(SPEC, place).images)
    batches = [torch.tensor([29, 0, 29]), torch.tensor([5]), torch.arange(30).flip(0)]
    looped = 0
    for indices, (found, labels) in zip(batches, stream.epoch(batches), strict=True):
        assert torch.equal(found, images[indices])
        assert labels.tolist() == (indices // 10).tolist()
        looped += 1
    assert looped == 3


def test_moments_of_a_sample_come_from_evenly_spaced_images(place: Path) -> None:
    stream = stream_folder(SPEC, place, whole=True, measured=4)
    chosen = load_train(SPEC, place).images[[0, 7, 15, 22]].astype(np.float64)
    np.testing.assert_allclose(stream.mean.numpy(), chosen.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(stream.deviation.numpy(), chosen.std(axis=(0, 2, 3)), rtol=1e-6)


def test_the_global_generator_is_left_alone(place: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    stream = stream_folder(SPEC, place)
    assert len(list(stream.epoch(batches_of(stream.count)))) == 4
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_found_before_training_or_when_its_turn_comes(place: Path, workers: int) -> None:
    damage(place / "train" / "cat" / "007.png")
    with pytest.raises(DataError, match=r"cat.007\.png") as caught:
        stream_folder(SPEC, place, workers=workers, whole=True)
    assert "Traceback" not in str(caught.value)
    stream = stream_folder(SPEC, place, workers=workers, whole=True, checked=False, measured=2)
    batches = [torch.arange(0, 20), torch.arange(20, 30)]
    epoch = stream.epoch(batches)
    assert len(next(epoch)[1]) == 20
    with pytest.raises(DataError, match=r"cat.007\.png"):
        next(epoch)


def test_skipped_images_leave_the_others_on_their_side(place: Path, tmp_path: Path) -> None:
    whole = stream_folder(SPEC, place)
    broken = [whole.train_pictures.files.paths[4], whole.validation_pictures.files.paths[2]]
    for path in broken:
        damage(Path(path))
    spec = DatasetSpec("folder", size=6, split_seed=3, skip_damaged=True)
    with pytest.warns(UserWarning, match="^2 of 30 images"):
        stream = stream_folder(spec, place)
    assert [*stream.train_pictures.files.paths, *stream.validation_pictures.files.paths] == [
        path
        for part in (whole.train_pictures, whole.validation_pictures)
        for path in part.files.paths
        if path not in broken
    ]
    with pytest.warns(UserWarning, match="^2 of 30 images"):
        tensors = to_tensors(open_split(prepare(spec, place, tmp_path / "cache").folder))
    assert_same_feed(stream, tensors)


def test_no_test_image_is_opened(place: Path) -> None:
    for path in (place / "test").rglob("*.png"):
        path.write_bytes(b"garbage")
    assert stream_folder(SPEC, place).count == 22


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        (DatasetSpec("folder"), {}, "dataset.size"),
        (DatasetSpec("digits"), {}, "dataset.name = 'folder', got 'digits'"),
        (SPEC, {"workers": -1}, "workers to be a whole number of at least 0"),
        (SPEC, {"measured": 0}, "measured to be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_streamed_is_refused(tmp_path: Path, spec: DatasetSpec, options: Any, said: str) -> None:
    write_folder(tmp_path)
    with pytest.raises(DataError, match=said):
        stream_folder(spec, tmp_path, **options)


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    for path in write_folder(tmp_path):
        damage(Path(path))
    with pytest.raises(DataError, match="images that can be decoded, got none among"):
        stream_folder(DatasetSpec("folder", size=6, skip_damaged=True), tmp_path)
