"""The table of sources, and the IDX and .npz readers on files that the test writes itself."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.data.dataset import DatasetSpec, split
from evobnn.data.sources import SOURCES, load_test, load_train, source_files
from evobnn.errors import DataError

DIGITS = DatasetSpec()
STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_parts(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    parts = []
    for count in (20, 10):
        parts += [rng.integers(0, 256, (count, 5, 4)), np.arange(count) % 10]
    return parts


def write_idx(folder: Path, zipped: bool = False, seed: int = 0) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    parts = idx_parts(seed)
    for stem, part in zip(STEMS, parts, strict=True):
        content = idx(part)
        (folder / (f"{stem}.gz" if zipped else stem)).write_bytes(gzip.compress(content) if zipped else content)
    return parts


def write_npz(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (12, 6, 5), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": rng.integers(0, 256, (6, 6, 5), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
    return path


def test_the_table_describes_every_source() -> None:
    assert list(SOURCES) == [
        "digits",
        "mnist5k",
        "mnist",
        "fashion-mnist",
        "cifar10",
        "cifar100",
        "npz",
        "folder",
        "arrays",
    ]
    looped = 0
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.description and source.licence
        assert source.needs_folder is (name not in ("digits", "mnist5k", "arrays"))
        looped += 1
    assert looped == 9


def test_digits_are_scaled_and_a_fifth_is_set_apart() -> None:
    train, test = load_train(DIGITS), load_test(DIGITS)
    assert (len(train), len(test)) == (1438, 359)
    assert train.shape == (1, 8, 8)
    values = np.unique(np.concatenate([train.images.ravel(), test.images.ravel()]))
    assert values.tolist() == [round(v * 255 / 16 + 1e-9) for v in range(17)]
    counts = np.bincount(test.labels)
    assert counts.min() >= 34 and counts.max() <= 37


def test_no_test_image_is_in_the_split_of_digits() -> None:
    parts = split(load_train(DIGITS), DatasetSpec(split_seed=9))
    seen = [image.tobytes() for part in (parts.train, parts.validation) for image in part.images]
    kept_apart = {image.tobytes() for image in load_test(DIGITS).images}
    assert len(kept_apart) == 359
    assert len(set(seen)) == len(seen) == 1438
    assert not kept_apart & set(seen)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "below"),
    [("mnist", ""), ("mnist", "mnist"), ("mnist", "MNIST/raw"), ("fashion-mnist", "")]
    + [("fashion-mnist", "fashion-mnist"), ("fashion-mnist", "FashionMNIST/raw")],
)
def test_idx_files_are_found_and_read(tmp_path: Path, name: str, below: str, zipped: bool) -> None:
    parts = write_idx(tmp_path / below, zipped)
    train, test = load_train(DatasetSpec(name), tmp_path), load_test(DatasetSpec(name), tmp_path)
    assert np.array_equal(train.images[:, 0], parts[0])
    assert np.array_equal(train.labels, parts[1])
    assert np.array_equal(test.images[:, 0], parts[2])
    assert np.array_equal(test.labels, parts[3])
    assert train.class_names[1] == {"mnist": "1", "fashion-mnist": "Trouser"}[name]


def test_each_name_takes_its_own_subfolder(tmp_path: Path) -> None:
    first, second = write_idx(tmp_path / "mnist", seed=1), write_idx(tmp_path / "fashion-mnist", seed=2)
    assert np.array_equal(load_train(DatasetSpec("mnist"), tmp_path).images[:, 0], first[0])
    assert np.array_equal(load_train(DatasetSpec("fashion-mnist"), tmp_path).images[:, 0], second[0])


@pytest.mark.parametrize(
    ("stem", "content", "said"),
    [
        (STEMS[0], idx(idx_parts()[0])[:-1], "20 x 5 x 4 = 400 values after the header .*got 399"),
        (STEMS[0], idx(idx_parts()[0]) + b"\0", "got 401"),
        (STEMS[0], idx(idx_parts()[1]), "magic number 2051 .*got 2049"),
        (STEMS[1], idx(idx_parts()[0]), "magic number 2049 .*got 2051"),
        (STEMS[1], b"\0\0", "header of 8 bytes .*got 2 bytes"),
        (STEMS[1], idx(np.arange(19) % 10), "got 19 labels and 20 images"),
        (STEMS[1], idx(np.full(20, 10)), "labels from 0 to 9 .*got labels from 10 to 10"),
        (STEMS[0], gzip.compress(idx(idx_parts()[0]))[:-9], "complete IDX file"),
        (STEMS[0], b"\x1f\x8bnot a gzip file at all", "complete IDX file"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path: Path, stem: str, content: bytes, said: str) -> None:
    write_idx(tmp_path)
    (tmp_path / stem).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        load_train(DatasetSpec("mnist"), tmp_path)
    assert str(tmp_path / stem) in str(caught.value)


def test_missing_idx_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte and no .*t10k-labels-idx1-ubyte\."):
        load_train(DatasetSpec("mnist"), tmp_path)
    write_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / STEMS[3]).unlink()
    with pytest.raises(DataError, match=f"got no {STEMS[3]} in .*mnist"):
        load_train(DatasetSpec("mnist"), tmp_path)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((12, 6, 5), "NHW"), ((12, 6, 5, 3), "NHWC"), ((12, 6, 5, 1), "NHWC"), ((12, 3, 6, 5), "NCHW")],
)
def test_npz_layouts_become_nchw(tmp_path: Path, shape: tuple[int, ...], layout: str) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = write_npz(tmp_path / "own.npz", x_train=array, x_test=array[:6], y_train=(np.arange(12) % 3)[:, None])
    wanted = {"NHW": lambda: array[:, None], "NHWC": lambda: np.moveaxis(array, 3, 1), "NCHW": lambda: array}[layout]()
    looped = 0
    for place in (path, tmp_path):
        train = load_train(DatasetSpec("npz"), place)
        assert np.array_equal(train.images, wanted)
        assert train.class_names == ("0", "1", "2")
        looped += 1
    assert looped == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y_test": None}, "the arrays x_train, y_train, x_test, y_test .*got only x_train, y_train, x_test"),
        ({"x_train": np.zeros((12, 6, 5))}, "uint8 .* under 'x_train' .*got float64"),
        ({"x_train": np.zeros((12, 9, 6, 5), np.uint8)}, "at most 4 channels"),
        ({"y_train": np.zeros(12)}, "whole numbers .* under 'y_train'"),
        ({"y_train": np.full(12, -1)}, "got labels from -1 to -1"),
        ({"y_train": np.full(12, 10**9)}, "labels from 0 to 9999"),
        ({"y_train": np.zeros(11, np.int64)}, "one for each image"),
        ({"y_train": np.array([object()] * 12)}, "of plain numbers"),
    ],
)
def test_npz_faults_are_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_train(DatasetSpec("npz"), write_npz(tmp_path / "own.npz", **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x_test": np.zeros((6, 7, 5), np.uint8)}, r"of the training images, \(1, 6, 5\), .*got \(1, 7, 5\)"),
        ({"y_test": np.full(6, 3)}, "labels from 0 to 2 under 'y_test' .*got labels from 3 to 3"),
        ({"y_test": np.zeros(5, np.int64)}, "one for each image"),
        ({"x_test": np.zeros((6, 6, 5))}, "uint8 .* under 'x_test' .*got float64"),
    ],
)
def test_an_npz_whose_parts_do_not_fit_fails_at_the_test_part(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write_npz(tmp_path / "own.npz", **changes)
    assert load_train(DatasetSpec("npz"), path).class_names == ("0", "1", "2")
    with pytest.raises(DataError, match=said):
        load_test(DatasetSpec("npz"), path)


def test_a_truncated_npz_a_lone_array_and_text_are_refused(tmp_path: Path) -> None:
    whole = write_npz(tmp_path / "own.npz").read_bytes()
    np.save(tmp_path / "lone.npy", np.zeros(3))
    contents = [whole[: len(whole) // 2], (tmp_path / "lone.npy").read_bytes(), b"images"]
    looped = 0
    for content in contents:
        (tmp_path / "own.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"own\.npz"):
            load_train(DatasetSpec("npz"), tmp_path / "own.npz")
        looped += 1
    assert looped == 3


def test_npz_needs_exactly_one_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none"):
        load_train(DatasetSpec("npz"), tmp_path)
    write_npz(tmp_path / "a.npz")
    write_npz(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"got a\.npz, b\.npz"):
        load_train(DatasetSpec("npz"), tmp_path)


def test_names_and_folders_are_checked_before_reading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'mnits'. Did you mean 'mnist'"):
        load_train(DatasetSpec("mnits"))
    with pytest.raises(DataError, match="published files of mnist, got no folder. Name it with --data-dir"):
        load_train(DatasetSpec("mnist"))
    with pytest.raises(DataError, match="nowhere, which does not exist"):
        source_files(DatasetSpec("cifar10"), tmp_path / "nowhere")
    assert source_files(DatasetSpec("digits"), None) == ()
