"""Images, the split and its fingerprint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evobnn._seeding import generator
from evobnn.data.dataset import DatasetSpec, Images, fingerprint, split, stratified
from evobnn.errors import DataError


def numbered(sizes: tuple[int, ...] = (40, 60, 100), channels: int = 1) -> Images:
    """Images of 2x2 pixels in which the first two pixels spell the image's own number, classes interleaved."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int64)
    images = np.zeros((len(labels), channels, 2, 2), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    return Images(images, labels, tuple(f"class {label}" for label in range(len(sizes))))


def numbers(images: Images) -> list[int]:
    return [int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in images.images]


@pytest.mark.parametrize("count", [0, 1, 7, 50, 199, 200])
def test_stratified_keeps_shares_to_within_one(count: int) -> None:
    labels = numbered().labels
    chosen = stratified(labels, count, generator(0, "test"))
    assert len(chosen) == len(set(chosen.tolist())) == count
    got = np.bincount(labels[chosen], minlength=3)
    assert np.all(np.abs(got - np.array([40, 60, 100]) * count / 200) < 1)


def test_split_is_stratified_disjoint_and_complete() -> None:
    images = numbered()
    parts = split(images, DatasetSpec(validation=0.25))
    assert np.bincount(parts.validation.labels).tolist() == [10, 15, 25]
    assert np.bincount(parts.train.labels).tolist() == [30, 45, 75]
    assert sorted(numbers(parts.train) + numbers(parts.validation)) == list(range(200))
    looped = 0
    for part in (parts.train, parts.validation):
        assert part.labels.tolist() == images.labels[numbers(part)].tolist()
        looped += 1
    assert looped == 2


def test_split_depends_on_its_seed_alone() -> None:
    images = numbered()
    first, again, other = (split(images, DatasetSpec(split_seed=seed)) for seed in (3, 3, 4))
    assert numbers(first.train) == numbers(again.train)
    assert numbers(first.validation) == numbers(again.validation)
    assert numbers(first.validation) != numbers(other.validation)


def test_limits_choose_from_their_own_part_and_leave_the_other() -> None:
    images = numbered()
    whole = split(images, DatasetSpec())
    limited = split(images, DatasetSpec(train_limit=30, validation_limit=20))
    assert np.bincount(limited.train.labels).tolist() == [6, 9, 15]
    assert np.bincount(limited.validation.labels).tolist() == [4, 6, 10]
    assert set(numbers(limited.train)) < set(numbers(whole.train))
    assert set(numbers(limited.validation)) < set(numbers(whole.validation))


def test_split_resamples() -> None:
    parts = split(numbered(channels=3), DatasetSpec(size=4))
    assert parts.train.shape == parts.validation.shape == (3, 4, 4)
    assert parts.train.images[:, :, 1, 3].tolist() == parts.train.images[:, :, 0, 2].tolist()


def test_fingerprint_sees_one_pixel_one_label_one_name_and_the_order() -> None:
    images = numbered()
    pixels, labels = images.images.copy(), images.labels.copy()
    pixels[-1, 0, 1, 1] += 1
    labels[0] = (labels[0] + 1) % 3
    others = [
        fingerprint(Images(pixels, images.labels, images.class_names)),
        fingerprint(Images(images.images, labels, images.class_names)),
        fingerprint(Images(images.images, images.labels, ("a", "b", "c"))),
        fingerprint(images, images),
        fingerprint(Images(images.images.reshape(200, 1, 1, 4), images.labels, images.class_names)),
    ]
    assert len({fingerprint(images), *others}) == 6
    assert len(fingerprint(images)) == 16


def test_fingerprint_ignores_memory_layout() -> None:
    images = numbered()
    turned = np.asfortranarray(images.images)
    assert not turned.flags.c_contiguous
    assert fingerprint(Images(turned, images.labels, images.class_names)) == fingerprint(images)


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (np.zeros((2, 1, 2, 2), np.float32), np.zeros(2, np.int64), "float32"),
        (np.zeros((2, 2, 2), np.uint8), np.zeros(2, np.int64), r"\(2, 2, 2\)"),
        (np.zeros((0, 1, 2, 2), np.uint8), np.zeros(0, np.int64), "at least one image"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64), r"\(2,\), one for each"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int32), "int32"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([0, 2]), "labels from 0 to 2"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([-1, 0]), "labels from -1 to 0"),
    ],
)
def test_images_that_do_not_fit_are_refused(pixels: Any, labels: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Images(pixels, labels, ("a", "b"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", -1), ("size", 5000), ("validation", 0.0), ("validation", 1.0), ("validation", float("nan"))]
    + [("train_limit", -1), ("validation_limit", -1), ("split_seed", -1), ("train_limit", True)],
)
def test_spec_names_the_field_that_is_wrong(field: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"dataset.{field}"):
        DatasetSpec(**{field: value})


def test_limits_beyond_the_part_are_refused() -> None:
    with pytest.raises(DataError, match=r"dataset.validation_limit of at most 50.*got 51"):
        split(numbered(), DatasetSpec(validation_limit=51))


def test_fewer_training_images_than_classes_are_refused() -> None:
    assert len(split(numbered(), DatasetSpec(train_limit=3)).train) == 3
    with pytest.raises(DataError, match="at least as many training images as classes, 3, got 2 with .*train_limit = 2"):
        split(numbered(), DatasetSpec(train_limit=2))


def test_images_of_the_wanted_size_stay_themselves() -> None:
    images = numbered()
    assert images.resized(0) is images.resized(2) is images
    assert images.resized(3).shape == (1, 3, 3)


def test_a_part_without_images_is_refused() -> None:
    with pytest.raises(DataError, match="at least one training and one validation image"):
        split(numbered((1, 1)), DatasetSpec(validation=0.1))
