"""Batches and augmentations as tensor functions, against NumPy."""

from __future__ import annotations

import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evobnn.data import open_split
from evobnn.data.augment import augmentation
from evobnn.data.batches import (
    all_tensors,
    channel_moments,
    epoch_batches,
    flip,
    grey_counts,
    images_tensors,
    normalise,
    shift,
    to_tensors,
)
from evobnn.data.dataset import Images, Split
from evobnn.errors import DataError
from evobnn.evaluation import Bench, evaluate, evaluation
from evobnn.records import Status

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/smaps")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images_of(count: int, channels: int = 3, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 256, (count, channels, 6, 5), dtype=np.uint8)
    return Images(pixels, np.arange(count) % 2, ("even", "odd"))


def numpy_shift(batch: np.ndarray, offsets: np.ndarray, pixels: int) -> np.ndarray:
    """Write every pixel that stays inside to its new place, one by one."""
    count, _, height, width = batch.shape
    moved = np.zeros_like(batch)
    for n in range(count):
        down, right = pixels - offsets[n, 0], pixels - offsets[n, 1]
        for y in range(height):
            for x in range(width):
                if 0 <= y + down < height and 0 <= x + right < width:
                    moved[n, :, y + down, x + right] = batch[n, :, y, x]
    return moved


def test_tensors_hold_the_split_and_the_moments_of_its_training_part() -> None:
    split = Split(images_of(50), images_of(9, seed=1))
    tensors = to_tensors(split)
    assert tensors.train_images.dtype == torch.uint8 and tensors.train_labels.dtype == torch.int64
    assert np.array_equal(tensors.validation_images.numpy(), split.validation.images)
    assert np.array_equal(tensors.train_labels.numpy(), split.train.labels)
    pixels = split.train.images.astype(np.float64)
    np.testing.assert_allclose(tensors.mean.numpy(), pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(tensors.deviation.numpy(), pixels.std(axis=(0, 2, 3)), rtol=1e-6)


def test_tensors_are_copies() -> None:
    split = Split(images_of(4), images_of(4))
    to_tensors(split).train_images.zero_()
    assert split.train.images.min() > 0


# --- Mapped files ---------------------------------------------------------------------------------------------------


def mapped(folder: Path) -> Split:
    """Write a split as a prepared set is, and return it memory-mapped."""
    parts = []
    for name, images in (("train", images_of(2000)), ("validation", images_of(9, seed=1))):
        arrays = []
        for kind in ("images", "labels"):
            np.save(folder / f"{name}-{kind}.npy", getattr(images, kind))
            arrays.append(np.load(folder / f"{name}-{kind}.npy", mmap_mode="r"))
        parts.append(Images(arrays[0], arrays[1], images.class_names))
    return Split(*parts)


def kilobytes(tensor: torch.Tensor, file: str, what: str) -> int:
    """Return one number of the region of memory in which a tensor lies, which must be a map of that file."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) .* (.*)$", line)
        if head and int(head[1], 16) <= tensor.data_ptr() < int(head[2], 16):
            assert head[3].endswith(file)
            return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))
    raise AssertionError("in no region")


@linux
def test_tensors_of_mapped_files_lie_in_the_files(tmp_path: Path) -> None:
    tensors = to_tensors(mapped(tmp_path))
    for part in ("train", "validation"):
        for kind in ("images", "labels"):
            tensor = getattr(tensors, f"{part}_{kind}")
            assert kilobytes(tensor, f"{part}-{kind}.npy", "Anonymous") == 0
    whole = all_tensors(mapped(tmp_path).train)
    assert kilobytes(whole.train_images, "train-images.npy", "Anonymous") == 0
    whole.train_images[0] = 0
    assert kilobytes(whole.train_images, "train-images.npy", "Anonymous") > 0, "such a write would be seen"


def test_writing_to_tensors_of_mapped_files_changes_neither_file_nor_array(tmp_path: Path) -> None:
    split = mapped(tmp_path)
    before = (tmp_path / "train-images.npy").read_bytes()
    first, second = to_tensors(split), to_tensors(split)
    first.train_images.zero_()
    assert (tmp_path / "train-images.npy").read_bytes() == before
    assert split.train.images.min() > 0 and second.train_images.min() > 0


@pytest.mark.parametrize("part", [slice(5, 20), slice(None, None, 2), np.arange(7)], ids=["part", "leaps", "chosen"])
def test_of_mapped_files_only_the_whole_is_taken_as_it_is(tmp_path: Path, part: Any) -> None:
    images = mapped(tmp_path).train
    some = Images(images.images[part], images.labels[part], images.class_names)
    pixels, labels = images_tensors(some)
    assert np.array_equal(pixels.numpy(), some.images) and np.array_equal(labels.numpy(), some.labels)


def test_a_mapped_file_that_was_deleted_is_copied(tmp_path: Path) -> None:
    split = mapped(tmp_path)
    expected = split.train.images.copy()
    (tmp_path / "train-images.npy").unlink()
    assert np.array_equal(to_tensors(split).train_images.numpy(), expected)


@linux
def test_a_training_writes_to_no_image(tiny_bench: Bench) -> None:
    genome = tiny_bench.space.extremes()[0]
    assert evaluate(tiny_bench, genome, 1).status is Status.OK
    tensors = to_tensors(open_split(tiny_bench.prepared.folder))
    data = evaluation.tensors_of(tiny_bench.prepared.folder, "cpu")
    assert kilobytes(data.train_images, "train-images.npy", "Anonymous") == 0
    assert torch.equal(data.train_images, tensors.train_images)


# --- Batches --------------------------------------------------------------------------------------------------------


def test_tensors_feed_batches_in_the_order_asked_for() -> None:
    tensors = to_tensors(Split(images_of(20), images_of(9, seed=1)))
    assert (tensors.count, tensors.validation_count, tensors.device) == (20, 9, torch.device("cpu"))
    batches = [torch.tensor([3, 19, 3, 4]), torch.tensor([0])]
    looped = 0
    for indices, (images, labels) in zip(batches, tensors.epoch(batches), strict=True):
        assert torch.equal(images, tensors.train_images[indices])
        assert torch.equal(labels, tensors.train_labels[indices])
        looped += 1
    assert looped == 2
    parts = list(tensors.validation(4))
    assert [len(labels) for _, labels in parts] == [4, 4, 1]
    assert torch.equal(torch.cat([images for images, _ in parts]), tensors.validation_images)
    assert torch.equal(torch.cat([labels for _, labels in parts]), tensors.validation_labels)


def test_all_images_may_be_learned_from() -> None:
    images = images_of(20)
    whole, cut = all_tensors(images), to_tensors(Split(images, images_of(4)))
    pixels, labels = images_tensors(images)
    assert torch.equal(whole.train_images, pixels) and torch.equal(whole.train_labels, labels)
    assert torch.equal(whole.mean, cut.mean) and torch.equal(whole.deviation, cut.deviation)
    assert (whole.count, whole.validation_count) == (20, 0)
    assert whole.validation_images.shape == (0, 3, 6, 5)
    assert list(whole.validation(4)) == []


def test_moments_of_parts_come_from_the_sum_of_their_counts() -> None:
    images = images_of(30)
    counts = grey_counts(images.images[:11]) + grey_counts(images.images[11:])
    assert counts.shape == (3, 256) and counts.sum() == 30 * 3 * 6 * 5
    assert channel_moments(counts) == channel_moments(images)


def test_counting_many_pixels_takes_little_memory() -> None:
    pixels = np.arange(3 * 2**20, dtype=np.uint32).astype(np.uint8).reshape(1024, 3, 32, 32)
    tracemalloc.start()
    try:
        counts = grey_counts(pixels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (counts == 2**20 // 256).all()
    assert peak < 2**20


def test_counts_of_large_images_are_complete() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 300, 301), dtype=np.uint8)
    expected = [np.bincount(pixels[:, channel].ravel(), minlength=256) for channel in range(2)]
    assert np.array_equal(grey_counts(pixels), expected)


def test_normalise_gives_mean_0_and_deviation_1() -> None:
    tensors = to_tensors(Split(images_of(64), images_of(4)))
    batch = normalise(tensors.train_images, tensors.mean, tensors.deviation)
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_normalise_by_hand_and_a_constant_channel() -> None:
    batch = torch.tensor([[[[10, 30]]]], dtype=torch.uint8)
    assert normalise(batch, torch.tensor([20.0]), torch.tensor([5.0])).tolist() == [[[[-2.0, 2.0]]]]
    constant = Images(np.full((2, 1, 2, 2), 7, np.uint8), np.array([0, 1]), ("a", "b"))
    tensors = to_tensors(Split(constant, constant))
    assert (tensors.mean.tolist(), tensors.deviation.tolist()) == ([7.0], [1.0])


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 4]), (8, 4, [4, 4]), (5, 5, [5]), (11, 4, [4, 4, 3]), (3, 2, [2])],
)
def test_epoch_batches_cover_every_index_once(count: int, batch: int, sizes: list[int]) -> None:
    batches = epoch_batches(count, batch, seeded())
    assert [len(indices) for indices in batches] == sizes
    drawn = torch.cat(batches).tolist()
    assert len(set(drawn)) == len(drawn) == sum(sizes) >= count - 1
    assert set(drawn) <= set(range(count))


def test_epoch_batches_are_shuffled_by_their_generator_alone() -> None:
    generator = seeded(1)
    first, second = (torch.cat(epoch_batches(100, 10, generator)).tolist() for _ in range(2))
    assert first == torch.cat(epoch_batches(100, 10, seeded(1))).tolist()
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize(("count", "batch", "said"), [(10, 11, "at most 10"), (10, 1, "at least 2"), (1, 2, "at most")])
def test_batches_that_cannot_be_are_refused(count: int, batch: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        epoch_batches(count, batch, seeded())


@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_shift_agrees_with_numpy(pixels: int) -> None:
    batch = torch.from_numpy(images_of(40).images)
    offsets = torch.randint(0, 2 * pixels + 1, (40, 2), generator=seeded(7)).numpy()
    moved = shift(batch, pixels, seeded(7))
    assert moved.dtype == torch.uint8 and moved.shape == batch.shape
    assert np.array_equal(moved.numpy(), numpy_shift(batch.numpy(), offsets, pixels))
    assert len(np.unique(offsets)) == 2 * pixels + 1
    assert len({tuple(pair) for pair in offsets.tolist()}) > 4


def test_flip_mirrors_about_half_and_leaves_the_rest() -> None:
    batch = torch.from_numpy(images_of(200).images)
    flipped = flip(batch, seeded())
    same = (flipped == batch).flatten(1).all(1)
    mirrored = (flipped == batch.flip(3)).flatten(1).all(1)
    assert torch.all(same ^ mirrored)
    assert 70 <= int(mirrored.sum()) <= 130


def test_every_augmentation_keeps_shape_and_type_and_replays() -> None:
    batch = torch.from_numpy(images_of(30).images)
    untouched = batch.clone()
    looped = 0
    for name in ("none", "shift1", "shift2", "shift4", "flip", "shift4-flip"):
        augment = augmentation(name)
        once, again = augment(batch, seeded(3)), augment(batch, seeded(3))
        assert once.shape == batch.shape and once.dtype == torch.uint8
        assert torch.equal(once, again)
        assert torch.equal(once, batch) is (name == "none")
        assert torch.equal(batch, untouched)
        looped += 1
    assert looped == 6
