"""Which image files there are, of which class, and which of them are set apart; no file is opened for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evobnn.data.folder import Files, list_folder
from evobnn.errors import DataError


def touch(root: Path, *names: str) -> None:
    """Make empty files: whoever opened them as images would fail."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def relative(files: Files, root: Path) -> list[tuple[str, str]]:
    return [
        (str(Path(path).relative_to(root)), files.class_names[label])
        for path, label in zip(files.paths, files.labels, strict=True)
    ]


@pytest.mark.parametrize("apart", ["test", "val", "validation"])
def test_a_cut_of_the_user_is_kept(tmp_path: Path, apart: str) -> None:
    touch(tmp_path / "train", "b/2.png", "b/1.JPG", "a/x.webp", "c/y.bmp", "c/z.jpeg")
    touch(tmp_path / apart, "c/1.png", "a/1.png")
    train, test = list_folder(tmp_path)
    assert relative(train, tmp_path / "train") == [
        ("a/x.webp", "a"),
        ("b/1.JPG", "b"),
        ("b/2.png", "b"),
        ("c/y.bmp", "c"),
        ("c/z.jpeg", "c"),
    ]
    assert relative(test, tmp_path / apart) == [("a/1.png", "a"), ("c/1.png", "c")]
    assert train.class_names == test.class_names == ("a", "b", "c")
    assert train.labels.dtype == test.labels.dtype == np.int64


def test_test_comes_before_val_and_an_unlabelled_folder_does_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/val.png", "test/unlabelled.png")
    assert Path(list_folder(tmp_path)[1].paths[0]).name == "val.png"
    touch(tmp_path, "test/a/test.png")
    assert Path(list_folder(tmp_path)[1].paths[0]).name == "test.png"


def test_images_at_any_depth_count_and_nothing_else_does(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a/deep/er/{n}.png" for n in range(9)), *(f"b/{n}.png" for n in range(9)))
    touch(tmp_path, "a/notes.txt", "a/.hidden.png", ".cache/1.png", "__MACOSX/1.png", "loose.png")
    train, test = list_folder(tmp_path)
    assert train.class_names == ("a", "b")
    assert len(train) + len(test) == 18


@pytest.mark.parametrize("inner", ["", "train"])
def test_without_a_test_folder_a_fifth_of_every_class_is_set_apart_for_ever(tmp_path: Path, inner: str) -> None:
    sizes = {"a": 50, "b": 20, "c": 31}
    for name, size in sizes.items():
        touch(tmp_path / inner, *(f"{name}/{n:02d}.png" for n in range(size)))
    train, test = list_folder(tmp_path)
    again, _ = list_folder(tmp_path)
    assert train.paths == again.paths
    assert len(test) == round(101 / 5)
    assert len(set(train.paths) | set(test.paths)) == 101 == len(train) + len(test)
    shares = np.bincount(test.labels) - np.array([10, 4, 6.2])
    assert np.all(np.abs(shares) < 1)
    assert list(train.paths) == sorted(train.paths)
    # Golden: another cut would let a search see images of the test part of before.
    assert [int(Path(path).stem) for path in test.paths] == [
        *(0, 5, 7, 9, 15, 16, 20, 22, 32, 44),
        *(0, 9, 11, 12),
        *(2, 6, 14, 15, 18, 22),
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "at least two folders of images, .*got none"),
        (("1.png", "2.png"), "got none"),
        (("train/1.png", "test/2.png"), "class folders in .*train, .*got none"),
        (("a/1.png",), "got only 'a'"),
        (("a/1.png", "b/1.txt", "c/.1.png"), "in every class folder of .*, got none in b, c"),
        (("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.txt"), "class folder of .*test, got none in b"),
        (("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/d/1.png"), "got d beside a, b"),
        (("training/a/1.png", "test/a/1.png"), "class folders in .*train, beside"),
        (("a/1.png", "b/1.png"), "got 2 in all"),
        ((*(f"f/{n}.png" for n in range(5)), *(f"{c}/1.png" for c in "abcde")), "every class .* apart .*got none of a"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        list_folder(tmp_path)
