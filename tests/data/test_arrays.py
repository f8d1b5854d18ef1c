"""Arrays and map-style data sets from Python: the right images, or the message that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import evobnn
from evobnn.data import DatasetSpec, load_test, load_train, open_split, prepare
from evobnn.data.arrays import Arrays
from evobnn.errors import DataError
from tests.data.test_plain import followed

X = np.random.default_rng(3).integers(0, 256, (20, 6, 5), dtype=np.uint8)
Y = np.arange(20) % 3
COLOUR = np.random.default_rng(4).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
NCHW = COLOUR.transpose(0, 3, 1, 2)


class Listed(Dataset[Any]):
    """A map-style data set of what is given."""

    def __init__(self, images: Any, labels: Any = Y, classes: Any = None) -> None:
        self.images, self.labels = images, labels
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[Any, Any]:
        return self.images[position], self.labels[position]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(zip(X, Y, strict=True))

    def __len__(self) -> int:
        return 20


def strided(images: np.ndarray) -> np.ndarray:
    """Return an equal array whose every axis runs backwards in memory with a gap."""
    backwards = np.repeat(np.repeat(images, 2, axis=0), 2, axis=1)[::-1, ::-1][::2, ::2]
    return np.ascontiguousarray(backwards)[::-1, ::-1]


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        (X, X[:, None]),
        (X[..., None], X[:, None]),
        (X[:, None], X[:, None]),
        (COLOUR, NCHW),
        (NCHW, NCHW),
        (np.asfortranarray(COLOUR), NCHW),
        (np.asfortranarray(X), X[:, None]),
        (strided(X), X[:, None]),
        (torch.from_numpy(NCHW.copy()), NCHW),
        (torch.from_numpy(X.copy())[None].expand(3, -1, -1, -1).transpose(0, 1), np.repeat(X[:, None], 3, axis=1)),
        (list(X), X[:, None]),
        (tuple(torch.from_numpy(image) for image in NCHW.copy()), NCHW),
        ([Image.fromarray(image) for image in COLOUR], NCHW),
    ],
)
def test_images_of_every_layout_become_nchw(images: Any, wanted: np.ndarray) -> None:
    made = Arrays(images, Y, images[:9], Y[:9])
    assert np.array_equal(made.train.images, wanted) and made.train.images.flags.c_contiguous
    assert np.array_equal(made.test.images, wanted[:9])
    assert made.fingerprint == Arrays(wanted, Y, wanted[:9], Y[:9]).fingerprint


@pytest.mark.parametrize(
    "labels",
    [
        Y.tolist(), Y[:, None], Y.astype(">i4"), Y.astype(np.uint8), torch.from_numpy(Y), list(torch.from_numpy(Y)),
        [np.int16(label) for label in Y], np.repeat(Y, 2)[::2],
    ],
)  # fmt: skip
def test_labels_of_every_whole_type_are_taken(labels: Any) -> None:
    made = Arrays(X, labels, X[:9], labels[:9])
    assert made.train.labels.tolist() == Y.tolist() and made.train.labels.dtype == np.int64
    assert made.train.class_names == ("0", "1", "2")
    assert made.test.labels.tolist() == Y[:9].tolist()


def test_a_map_that_is_read_only_is_taken_and_what_changes_later_plays_no_part(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    assert np.array_equal(Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), Y, X, Y).train.images[:, 0], X)
    own = X.copy()
    made = Arrays(own, Y, own, Y)
    own[:] = 0
    assert np.array_equal(made.train.images[:, 0], X)


@pytest.mark.parametrize("images", [X / 255, X.astype(">f4"), X.astype(">u2") * 256, X > 127, X.reshape(20, 30)])
def test_other_images_are_refused_with_the_line_that_makes_them_right(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="at most 4 channels under x_train, got .* of shape") as caught:
        Arrays(images, Y)
    wanted = (X > 127) * 255 if images.dtype == bool else X
    mended = followed(str(caught.value).replace("height, width", "6, 5"), "x", images)
    assert np.array_equal(Arrays(mended, Y, X, Y).train.images[:, 0], wanted)


ONES = np.ones(20, int)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x_train": (X / 255).tolist()}, r"under numpy.asarray\(x_train\), got float64 .*x \* 255"),
        ({"x_train": X.tolist()}, r"under numpy.asarray\(x_train\), got int64 .*x.astype\('uint8'\)"),
        ({"x_train": torch.from_numpy(X / 255)}, r"under numpy.asarray\(x_train\), got float64"),
        ({"x_train": torch.zeros(20, 6, 5, dtype=torch.bfloat16)}, "NumPy makes an array of under x_train, got .*16"),
        ({"x_train": [*X[:19], X[19, :5]]}, r"shape \(6, 5\) as x_train\[19\], .*got uint8 of shape \(5, 5\)"),
        ({"x_train": [[1, 2], [3]]}, "NumPy makes an array of under x_train, got .*inhomogeneous"),
        ({"x_train": np.where(X > 250, np.nan, X)}, "Some values are no numbers"),
        ({"x_train": X - 120.0}, r"x - x.min\(\)"),
        ({"x_train": np.array([{"a": 1}] * 20)}, r"got object of shape \(20,\)"),
        ({"x_train": X.astype(object)}, "Grey values are numbers from 0 to 255"),
        ({"x_train": np.ma.array(X, mask=X > 9)}, r"without a mask under x_train, got a masked array. .*filled\(0\)"),
        ({"x_train": X[:0], "y_train": Y[:0]}, r"uint8 of shape \(0, 6, 5\). It holds no pixel"),
        ({"x_train": []}, r"got float64 of shape \(0,\). Give every image height and width"),
        ({"x_train": X[:, None, None]}, "height and width"),
        ({"x_train": Listed(X), "y_train": None}, "only x_train. .*evobnn.Arrays.of"),
        ({"y_train": np.eye(3)[Y]}, r"under y_train, got float64 of shape \(20, 3\). .*argmax"),
        ({"y_train": np.array(["ant", "bee"])[ONES]}, r"numpy.unique\(y, return_inverse=True\)\[1\]"),
        ({"y_train": Y.astype(bool)}, r"Write y = y.astype\('int64'\)"),
        ({"y_train": Y + 1}, "none of them 0"),
        ({"y_train": Y[:19]}, "20 labels under y_train, one for each image under x_train, got 19"),
        ({"y_train": ONES}, "several classes under y_train, got 1 for all"),
        ({"y_train": np.array([0, None] * 10)}, "got object of shape"),
        ({"y_train": 3}, r"got int64 of shape \(\)"),
        ({"x_test": X}, "only x_train, y_train, x_test"),
        ({"y_test": Y}, "only x_train, y_train, y_test"),
        ({"x_test": X, "y_test": Y + 1}, "labels from 0 to 2 under y_test, got labels from 1 to 3"),
        ({"x_test": X[:, 1:], "y_test": Y}, r"training images, \(1, 6, 5\), under x_test, got \(1, 5, 5\)"),
        ({"x_test": COLOUR, "y_test": Y}, r"\(1, 6, 5\), under x_test, got \(3, 6, 5\)"),
        ({"x_test": X, "y_test": Y[:19]}, "one for each image under x_test, got 19"),
        ({"x_test": X / 255, "y_test": Y}, r"under x_test, got float64 of shape \(20, 6, 5\)"),
        ({"class_names": ["a", "b"]}, "a name for each of the 3 classes under y_train, got 2: a, b"),
        ({"class_names": "abc"}, "a list of texts as class_names, got 'abc'"),
        ({"class_names": 3}, "a list of texts as class_names, got 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Arrays(**{"x_train": X, "y_train": Y, **given})


def test_every_pixel_label_and_name_of_both_parts_is_in_the_fingerprint() -> None:
    names = ["a", "b", "c"]
    other, moved = X.copy(), Y.copy()
    other[7, 2, 3] ^= 1
    moved[7] = 0
    made = [
        Arrays(X, Y, X, Y), Arrays(other, Y, X, Y), Arrays(X, moved, X, Y), Arrays(X, Y, other, Y),
        Arrays(X, Y, X, moved), Arrays(X, Y, X, Y, names), Arrays(X, Y), Arrays(X[:, :, :, None], Y, X[:19], Y[:19]),
    ]  # fmt: skip
    assert len({one.fingerprint for one in made}) == 8
    assert repr(made[0]) == f"<Arrays {made[0].fingerprint}: 20 + 20 images of shape (1, 6, 5) in 3 classes>"


def test_without_a_test_part_a_fifth_is_set_apart_class_by_class() -> None:
    x, y = np.arange(60, dtype=np.uint8).repeat(4).reshape(60, 2, 2), np.arange(60) % 3
    made = Arrays(x, y)
    assert (np.bincount(made.train.labels).tolist(), np.bincount(made.test.labels).tolist()) == ([16] * 3, [4] * 3)
    seen = np.concatenate([made.train.images[:, 0, 0, 0], made.test.images[:, 0, 0, 0]])
    assert sorted(seen.tolist()) == list(range(60))
    assert made.fingerprint == Arrays(x, y).fingerprint
    with pytest.raises(DataError, match="after a fifth is set apart as test part, got 2 in all"):
        Arrays(x[:2], [0, 1])
    with pytest.raises(DataError, match="learn from after a fifth is set apart as test part, got none of ant"):
        Arrays(x[:5], range(5), class_names=("ant", "bee", "cat", "dog", "emu"))


def test_the_data_set_finds_what_was_handed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path))
    made = evobnn.Arrays(COLOUR, Y, COLOUR[:8], Y[:8], class_names=("ant", "bee", "cat"))
    spec = made.dataset(size=4, validation=0.4, split_seed=3, train_limit=11, validation_limit=7)
    assert spec == DatasetSpec("arrays", 4, 0.4, 11, 7, 3, fingerprint=made.fingerprint)
    prepared = prepare(spec)
    assert (prepared.shape, prepared.train_count, prepared.validation_count) == ((3, 4, 4), 11, 7)
    assert prepared.class_names == ("ant", "bee", "cat")
    assert isinstance(open_split(prepared.folder).train.images, np.memmap)
    plain = DatasetSpec("arrays", fingerprint=made.fingerprint)
    assert np.array_equal(load_train(plain).images, NCHW)
    assert np.array_equal(load_test(plain).images, NCHW[:8])
    assert load_test(plain).labels.tolist() == Y[:8].tolist()


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        ([Image.fromarray(image) for image in X], X[:, None]),
        ([Image.fromarray(image) for image in COLOUR], NCHW),
        (list(torch.from_numpy(X.copy())), X[:, None]),
        (list(torch.from_numpy(NCHW.copy())), NCHW),
        (list(COLOUR), NCHW),
        (torch.from_numpy(X.copy()).requires_grad_(False), X[:, None]),
    ],
)
@pytest.mark.parametrize("labels", [Y, torch.from_numpy(Y), Y.tolist(), torch.from_numpy(Y)[:, None]])
def test_a_data_set_of_pairs_is_the_same_as_its_arrays(images: Any, wanted: np.ndarray, labels: Any) -> None:
    made = Arrays.of(Listed(images, labels), Subset(Listed(images, labels), range(9)))
    assert made.fingerprint == Arrays(wanted, Y, wanted[:9], Y[:9]).fingerprint


def test_classes_are_called_as_the_data_set_says() -> None:
    names = ("ant", "bee", "cat")
    assert Arrays.of(Listed(X, Y, list(names))).train.class_names == names
    given = Arrays.of(Listed(X, Y, list(names)), class_names=np.array(["d", "e", "f"]))
    assert given.train.class_names == ("d", "e", "f")
    several = Arrays.of(Listed(X, Y, [("tench", "Tinca tinca"), ("a",), "b"])).train.class_names
    assert several == ("tench, Tinca tinca", "a", "b")
    assert Arrays.of(Listed(X, Y, 3)).train.class_names == ("0", "1", "2")  # a number of classes is no name
    with pytest.raises(DataError, match="a name for each of the 3 classes under y, .* got 2: a, b"):
        Arrays.of(Listed(X, Y, ["a", "b"]))


def test_each_item_is_asked_for_once() -> None:
    asked: list[int] = []

    class Counting(Listed):
        def __getitem__(self, position: int) -> tuple[Any, Any]:
            asked.append(position)
            return super().__getitem__(position)

    Arrays.of(Counting(X))
    assert asked == list(range(20))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Stream(), "a map-style data set, .* as train_dataset, got Stream. .* take Arrays"),
        (DataLoader(Listed(X)), "got DataLoader. Of a DataLoader take its .dataset"),
        (iter([]), "got list_iterator"),
        (None, "got NoneType"),
        (Listed([]), "images in train_dataset, got none"),
        (X, r"a pair \(image, label\) as train_dataset\[0\], got ndarray of 6"),
        ([{"image": X[0], "label": 0}], r"as train_dataset\[0\], got dict of 2"),
        (TensorDataset(torch.from_numpy(X.copy())), "got tuple of 1"),
        (Listed([*X[:7], X[7, :, 1:], *X[8:]]), r"shape \(6, 5\) as the image of train_dataset\[7\], .*\(6, 4\)"),
        (Listed([*X[:7], X[7] / 255, *X[8:]]), r"the image of train_dataset\[7\], .*got float64"),
        (Listed(X / 255), "whole grey values in train_dataset, got float64. Leave ToTensor and Normalize out"),
        (Listed(X > 127), r"under x, the images of train_dataset, got bool .*x.astype\('uint8'\) \* 255"),
        (Listed(X[:, 0, 0]), r"under x, the images of train_dataset, got uint8 of shape \(20,\)"),
        (Listed([Image.fromarray(COLOUR[0]).convert("P")] * 20), r"L or RGB as the image of train_dataset\[0\], got P"),
        (Listed([Image.fromarray(X[0]).convert("1")] * 20), "got 1. Take image.convert"),
        (Listed([Image.fromarray(X[0].astype(np.uint16))] * 20), "got I;16. .*more than 8 bits"),
        (Listed(X, Y.astype(float)), "under y, the labels of train_dataset, got float64"),
        (Listed(X, np.eye(3)[Y]), r"y, the labels of train_dataset, got float64 .*y.argmax\(axis=1\)"),
        (Listed(X, [["ant", "bear"][n] for n in Y % 2]), "got <U4 .*Number the texts"),
        (Listed(X, Y + 1), "under y, the labels of train_dataset, got 3 different labels from 1 to 3"),
        (Listed(X, [None] * 20), "under y, the labels of train_dataset, got object"),
    ],
)  # fmt: skip
def test_other_data_sets_are_refused_with_what_to_do(data: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Arrays.of(data)
    with pytest.raises(DataError):
        Arrays.of(Listed(X), data) if data is not None else Arrays.of(data)
