"""Training images that show nothing are refused, and what is odd about others is said; prepared before or now."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evobnn._processes import EvobnnWarning
from evobnn.data import DatasetSpec, open_split, prepare
from evobnn.data.dataset import Images, Split
from evobnn.data.information import information
from evobnn.data.streams import stream_folder
from evobnn.errors import DataError
from tests.data.test_cifar import write_cifar
from tests.data.test_sources import STEMS, idx, write_idx, write_npz
from tests.data.written import write, write_folder

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)


def parts(train: np.ndarray, validation: np.ndarray | None = None) -> Split:
    both = [train, NOISE[:10] if validation is None else validation]
    return Split(*(Images(one, np.arange(len(one)) % 2, ("a", "b")) for one in both))


def one_spot(count: int) -> np.ndarray:
    images = np.full((count, 1, 16, 16), 7, dtype=np.uint8)
    images[np.arange(count), 0, np.arange(count) % 16, 3] = 8
    return images


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (np.zeros((20, 1, 8, 8), np.uint8), r"20 of 20 that are of one grey value, or nearly \(in all 0 to 0\)"),
        (np.full((20, 3, 8, 8), 200, np.uint8), "in all 200 to 200"),
        (np.arange(20, dtype=np.uint8).repeat(64).reshape(20, 1, 8, 8), "in all 0 to 19"),
        (one_spot(20), "in all 7 to 8"),
        (NOISE // 255, r"3\d of 40 that are .* \(in all 0 to 1\)"),
        (np.repeat(NOISE[:1], 20, axis=0), "training images that differ, got 20 times the same"),
    ],
)
def test_images_that_show_nothing_are_refused(train: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=f"{said}.*save them from 0 to 255"):
        information(parts(train))


@pytest.mark.parametrize("train", [NOISE, NOISE // 128, NOISE // 128 * 255, NOISE[:, :, :1]])
def test_images_that_show_something_pass(train: np.ndarray) -> None:
    said = information(parts(train), copies=False)
    assert said == ([] if train.max() > 1 else ["All grey values lie between 0 and 1, of 255: " + LOST])


LOST = "if the images have more, it was lost before."


def test_blank_images_a_small_range_and_copies_are_said() -> None:
    few = NOISE // 16
    few[3] = 0
    assert information(parts(few)) == [
        f"All grey values lie between 0 and 15, of 255: {LOST}",
        "1 of 40 training images are of one grey value, or nearly.",
    ]
    assert information(parts(NOISE, np.concatenate([NOISE[:2], 255 - NOISE[:8]]))) == [
        "2 of 10 validation images are copies of training images."
    ]


def test_every_kind_of_source_is_looked_at(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz", x_train=np.zeros((12, 6, 5), np.uint8))
    write_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / STEMS[0]).write_bytes(idx(np.full((20, 5, 4), 9)))
    for path in write_folder(tmp_path / "folder" / "train"):
        write(Path(path), np.zeros((8, 8), np.uint8))
    write_folder(tmp_path / "folder" / "test", 2)
    looped = 0
    for name, place in (("npz", "own.npz"), ("mnist", "mnist"), ("folder", "folder")):
        with pytest.raises(DataError, match="training images that show something"):
            prepare(DatasetSpec(name), tmp_path / place, tmp_path / "cache")
        looped += 1
    assert looped == 3
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(DataError, match="got 0 in every pixel"):
        stream_folder(DatasetSpec("folder", size=8), tmp_path / "folder")


def forget(folder: str, *files: str) -> None:
    """Make of a prepared set one from before images were looked at."""
    path = Path(folder) / "meta.json"
    meta = json.loads(path.read_text())
    for key in ("reading", "notes"):
        del meta[key]
    path.write_text(json.dumps(meta))
    open_split.cache_clear()


def test_data_that_were_read_rightly_keep_their_fingerprints(tmp_path: Path) -> None:
    write_folder(tmp_path / "set")
    write_npz(tmp_path / "own.npz")
    prepared = [prepare(DatasetSpec(*what), tmp_path / at, tmp_path / "cache") for what, at in (
        (("folder",), "set"), (("folder", 6), "set"), (("npz",), "own.npz"), (("npz", 6), "own.npz"),
    )]  # fmt: skip
    # Golden: as before files were looked at. Another fingerprint refuses every run there is.
    assert [one.fingerprint for one in prepared] == [
        *("1455709d257dc29f", "8788d1c97fd8a2a3", "0e5a719e9cefca8f", "107329b10b0a152f"),
    ]


def test_a_folder_prepared_before_is_made_again_with_the_same_fingerprint(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "train")
    write_folder(tmp_path / "set" / "test", 2)
    spec = DatasetSpec("folder")
    first = prepare(spec, tmp_path / "set", tmp_path / "cache")
    forget(first.folder)
    (Path(first.folder) / "train-images.npy").touch()
    wrong = np.load(Path(first.folder) / "train-images.npy") * 0
    np.save(Path(first.folder) / "train-images.npy", wrong)  # as where ink was laid on black
    again = prepare(spec, tmp_path / "set", tmp_path / "cache")
    assert again == first
    open_split.cache_clear()
    assert open_split(again.folder).train.images.any()
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_published_set_prepared_before_is_used_and_looked_at(tmp_path: Path) -> None:
    write_cifar(tmp_path / "set")
    spec = DatasetSpec("cifar10")
    first = prepare(spec, tmp_path / "set", tmp_path / "cache")
    forget(first.folder)
    before = {path.name: path.stat().st_mtime_ns for path in Path(first.folder).iterdir()}
    assert prepare(spec, tmp_path / "set", tmp_path / "cache") == first
    assert {path.name: path.stat().st_mtime_ns for path in Path(first.folder).iterdir()} == before
    images = np.load(Path(first.folder) / "train-images.npy")
    np.save(Path(first.folder) / "train-images.npy", images * 0)
    open_split.cache_clear()
    with pytest.raises(DataError, match="training images that show something"):
        prepare(spec, tmp_path / "set", tmp_path / "cache")


def test_what_was_said_when_a_set_was_made_is_said_again(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz", x_train=RNG.integers(0, 17, (12, 6, 5), dtype=np.uint8))
    looped = 0
    for _ in range(2):
        with pytest.warns(EvobnnWarning, match="^All grey values lie between 0 and 16"):
            prepare(DatasetSpec("npz"), tmp_path / "own.npz", tmp_path / "cache")
        looped += 1
    assert looped == 2
