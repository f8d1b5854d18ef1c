"""Labels and grey values as people write them: refused with the line that makes them right, and right after it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn._processes import EvobnnWarning
from evobnn.data import DatasetSpec, check_test, load_test, load_train, prepare, reads_of_test
from evobnn.data.plain import plain_images, plain_labels
from evobnn.errors import DataError
from tests.data.test_sources import STEMS, idx, write_idx, write_npz
from tests.data.written import pixels, write, write_folder

NPZ = DatasetSpec("npz")
Y = np.arange(12) % 3
X = np.random.default_rng(3).integers(0, 256, (12, 6, 6), dtype=np.uint8)


def followed(advice: str, name: str, array: np.ndarray) -> Any:
    """Run the line that a message recommends."""
    line = advice.split(f"{name} = ")[1].split(", of both")[0].split(", both parts")[0].rstrip(".")
    return eval(line, {"numpy": np, name: array})  # the advice of this package


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.eye(3)[Y], "float64 of shape (12, 3). These look like one column for each class"),
        (np.eye(3, dtype=int)[Y], "one column for each class"),
        (np.eye(3, dtype=bool)[Y], "one column for each class"),
        (Y.astype(float), "got float64 of shape (12,)"),
        (Y[:, None].astype(np.float32), "got float32 of shape (12, 1)"),
        (Y / 2, "Number the values"),
        (np.array(["ant", "bee", "cat"])[Y], "Number the texts"),
        (np.array([b"ant", b"bee", b"cat"])[Y], "Number the texts"),
        (Y + 1, "3 different labels from 1 to 3, none of them 0"),
        (Y * 3000, "3 different labels from 0 to 6000, none of them 1"),
        (np.array([0, 2, 7])[Y], "3 different labels from 0 to 7, none of them 1"),
        (Y - 1, "labels from -1 to 1"),
        (Y + 2000, "none of them 0"),
    ],
)
def test_the_advice_for_labels_makes_them_right(tmp_path: Path, labels: np.ndarray, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load_train(NPZ, write_npz(tmp_path / "own.npz", y_train=labels))
    assert said in str(caught.value) and "'y_train' in" in str(caught.value)
    mended = followed(str(caught.value).partition("; those of")[0], "y", labels)
    train = load_train(NPZ, write_npz(tmp_path / "own.npz", y_train=mended))
    assert train.labels.tolist() == Y.tolist()
    assert train.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.linspace(0, 1, 12), r"y = \(y > 0.5\).astype\('int64'\)"),
        (Y.astype(bool), r"y = y.astype\('int64'\)"),
        (np.where(Y, np.nan, 1.0), "without a label"),
        (np.linspace(0, 90, 12), "a quantity is not a class"),
        (np.zeros(12, int), "several classes under 'y_train' .* got 0 for all"),
        (np.full(12, 5), "got 5 for all"),
        (np.zeros((12, 2, 2), int), "one number from 0"),
        (np.array([{"a"}] * 12, dtype=object), r"got objects. Texts: numpy.unique\(y.astype\(str\)"),
    ],
)
def test_other_labels_are_refused_with_what_to_do(tmp_path: Path, labels: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_train(NPZ, write_npz(tmp_path / "own.npz", y_train=labels))


@pytest.mark.parametrize(
    ("images", "loss"),
    [
        (X / 255, 0),
        ((X / 255).astype(np.float32), 0),
        (X.astype(float), 0),
        (X.astype(np.int64), 0),
        (X.astype(np.uint16) * 16, 0),
        (X.astype(np.uint16) * 257, 0),
        ((X - 120.0) / 60, 4),
        (X.reshape(12, 36), 0),
        (X > 127, 255),
        (np.repeat(X[:, None], 7, axis=1), 0),
    ],
)
def test_the_advice_for_images_makes_them_right(tmp_path: Path, images: np.ndarray, loss: int) -> None:
    with pytest.raises(DataError) as caught:
        plain_images("'x_train'", images)
    if images.ndim == 4:
        assert "keep 4 of them at most" in str(caught.value)
        return
    mended = plain_images("x", followed(str(caught.value), "x", images))
    wanted = X if loss < 255 else np.where(X > 127, 255, 0)
    assert np.abs(mended[:, 0].astype(int) - wanted).max() <= loss


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y_test": np.full(6, 3)}, "labels from 0 to 2 under 'y_test'"),
        ({"y_test": np.array(["a"] * 6)}, "under 'y_test' in .*Number the texts"),
        ({"y_test": np.zeros(5, int)}, "one label for each of 6 test images in .*got 5"),
        ({"x_test": np.zeros((6, 5, 6), np.uint8)}, r"shape of the training images, \(1, 6, 5\), .*got \(1, 5, 6\)"),
        ({"x_test": np.zeros((6, 6, 5))}, "uint8 .* under 'x_test' .*got float64"),
    ],
)
def test_an_npz_test_part_is_checked_without_its_pixels(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    reads = reads_of_test()
    check_test(NPZ, write_npz(tmp_path / "whole.npz"))
    with pytest.raises(DataError, match=said):
        check_test(NPZ, write_npz(tmp_path / "own.npz", **changes))
    assert reads_of_test() == reads


def test_pixels_of_the_test_part_are_not_read_to_check_it(tmp_path: Path) -> None:
    train, test = np.zeros((12, 99, 99), np.uint8), np.full((6, 99, 99), 0xC3, np.uint8)
    path = write_npz(tmp_path / "own.npz", x_train=train, x_test=test)
    content = bytearray(path.read_bytes())
    start = content.index(test.tobytes())
    content[start : start + test.size] = b"\xc4" * test.size  # the archive's own sum no longer fits
    path.write_bytes(content)
    check_test(NPZ, path)
    with pytest.raises(DataError, match="complete .npz archive"):
        load_test(NPZ, path)


@pytest.mark.parametrize(
    ("stem", "content", "said"),
    [
        (STEMS[3], idx(np.full(10, 12)), "labels from 0 to 9 .*got labels from 12 to 12"),
        (STEMS[3], idx(np.zeros(9)), "got 9 labels and 10 images"),
        (STEMS[2], idx(np.zeros((10, 4, 5))), r"shape of the training images, \(5, 4\), .*got \(4, 5\)"),
        (STEMS[2], gzip.compress(idx(np.zeros((10, 5, 4))), mtime=0)[:18], "complete IDX file|IDX header"),
    ],
)
def test_an_idx_test_part_is_checked(tmp_path: Path, stem: str, content: bytes, said: str) -> None:
    write_idx(tmp_path)
    check_test(DatasetSpec("mnist"), tmp_path)
    (tmp_path / stem).write_bytes(content)
    with pytest.raises(DataError, match=said):
        check_test(DatasetSpec("mnist"), tmp_path)


def test_sizes_of_test_images_are_checked_where_they_matter(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", 2)
    check_test(DatasetSpec("folder"), tmp_path)
    write(tmp_path / "test" / "bee" / "odd.png", pixels(1, 8, 10))
    with pytest.raises(DataError, match=r"images of one size .*odd\.png"):
        check_test(DatasetSpec("folder"), tmp_path)
    check_test(DatasetSpec("folder", size=8), tmp_path)
    check_test(DatasetSpec())


def test_published_sets_with_classes_missing_are_said_and_with_one_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / STEMS[1]).write_bytes(idx(np.arange(20) % 4 + 1))
    with pytest.warns(EvobnnWarning, match="No training image is of class 0, 5, 6, 7, 8 and 1 more: of 10 outputs"):
        prepare(DatasetSpec("mnist"), tmp_path, tmp_path / "cache")
    (tmp_path / STEMS[1]).write_bytes(idx(np.full(20, 7)))
    with pytest.raises(DataError, match="of several classes, got class 7 for all"):
        prepare(DatasetSpec("mnist"), tmp_path, tmp_path / "cache")


def test_labels_that_were_right_stay_as_they_are() -> None:
    looped = 0
    for dtype in (np.uint8, np.int8, np.int32, np.int64, np.uint64):
        assert plain_labels("y", Y.astype(dtype)[:, None]).tolist() == Y.tolist()
        looped += 1
    assert looped == 5
