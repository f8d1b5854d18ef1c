"""The prepared set on disk: made once, whole or not at all, without a test image."""

from __future__ import annotations

import hashlib
import json
from collections import namedtuple
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.data import cache, store
from evobnn.data.dataset import LATER, DatasetSpec, fingerprint, split
from evobnn.data.sources import load_test, load_train, train_part
from evobnn.data.store import open_split, prepare
from evobnn.errors import DataError
from tests.data.written import damage, write_folder

MARKER = bytes([201, 7, 133, 90, 11, 250, 66, 31])
KINDS = ("images", "labels")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An .npz set of 40 + 8 images of 4x4 pixels in which every test image, and none other, begins with a marker."""
    rng = np.random.default_rng(0)
    test = rng.integers(0, 200, (8, 4, 4), dtype=np.uint8)
    test.reshape(8, 16)[:, :8] = np.frombuffer(MARKER, np.uint8)
    path = tmp_path / "own.npz"
    train = rng.integers(0, 200, (40, 4, 4), dtype=np.uint8)
    np.savez(path, x_train=train, y_train=np.arange(40) % 4, x_test=test, y_test=np.arange(8) % 4)
    return path


def test_prepared_data_describe_what_open_split_returns(archive: Path, tmp_path: Path) -> None:
    spec = DatasetSpec("npz", size=8, split_seed=5)
    prepared = prepare(spec, archive, tmp_path / "cache")
    expected = split(load_train(DatasetSpec("npz"), archive), spec)
    opened = open_split(prepared.folder)
    assert (prepared.name, prepared.shape, prepared.classes) == ("npz", (1, 8, 8), 4)
    assert (prepared.train_count, prepared.validation_count) == (30, 10)
    assert prepared.fingerprint == fingerprint(expected.train, expected.validation)
    assert prepared.fingerprint == fingerprint(opened.train, opened.validation)
    assert np.array_equal(opened.train.images, expected.train.images)
    assert np.array_equal(opened.validation.labels, expected.validation.labels)
    assert opened.train.class_names == expected.train.class_names


def test_opened_arrays_are_mapped_and_read_only(archive: Path, tmp_path: Path) -> None:
    prepared = prepare(DatasetSpec("npz"), archive, tmp_path / "cache")
    opened = open_split(prepared.folder)
    assert open_split(prepared.folder) is opened
    assert isinstance(opened.train.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.train.images[0] = 0


def test_no_test_image_reaches_the_folder(archive: Path, tmp_path: Path) -> None:
    assert MARKER in load_test(DatasetSpec("npz"), archive).images.tobytes()
    folder = Path(prepare(DatasetSpec("npz"), archive, tmp_path / "cache").folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["meta.json", *(f"{part}-{kind}.npy" for part in ("train", "validation") for kind in KINDS)]
    looped = 0
    for path in folder.iterdir():
        assert MARKER not in path.read_bytes()
        looped += 1
    assert looped == 5


def test_a_finished_folder_is_used_again(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(DatasetSpec("npz"), archive, tmp_path / "cache")
    monkeypatch.setattr(store, "train_part", lambda *_: pytest.fail("read the source again"))
    assert prepare(DatasetSpec("npz"), archive, tmp_path / "cache") == first
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [Path(first.folder).name]


def test_spec_and_source_decide_the_folder(archive: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    specs = [DatasetSpec("npz"), DatasetSpec("npz", size=8), DatasetSpec("npz", split_seed=1)]
    folders = {prepare(spec, archive, cache).folder for spec in specs}
    with np.load(archive) as arrays:
        changed = dict(arrays)
    changed["x_train"][0, 0, 0] ^= 1
    before = prepare(specs[0], archive, cache)
    np.savez(archive, **changed)
    after = prepare(specs[0], archive, cache)
    assert len({*folders, after.folder}) == 4
    assert after.fingerprint != before.fingerprint


def test_digits_need_no_folder(tmp_path: Path) -> None:
    prepared = prepare(DatasetSpec(), None, tmp_path)
    assert (prepared.train_count, prepared.validation_count, prepared.shape) == (1078, 360, (1, 8, 8))
    # Golden: scikit-learn's digits, cut by seed 0. It may change only together with a note in CHANGELOG.md.
    assert prepared.fingerprint == "dde3d108c0879ac7"


@pytest.mark.parametrize("damage", ["train-images.npy", "validation-labels.npy", "meta.json"])
def test_a_damaged_folder_is_refused_by_workers_and_made_again_by_the_parent(
    archive: Path, tmp_path: Path, damage: str
) -> None:
    first = prepare(DatasetSpec("npz"), archive, tmp_path / "cache")
    path = Path(first.folder) / damage
    path.write_bytes(path.read_bytes()[:-60])
    open_split.cache_clear()
    with pytest.raises(DataError, match=damage):
        open_split(first.folder)
    assert prepare(DatasetSpec("npz"), archive, tmp_path / "cache") == first
    assert len(open_split(first.folder).train) == 30


def test_shapes_are_checked_against_the_description(archive: Path, tmp_path: Path) -> None:
    folder = Path(prepare(DatasetSpec("npz"), archive, tmp_path / "cache").folder)
    np.save(folder / "train-labels.npy", np.zeros(29, np.int64))
    open_split.cache_clear()
    with pytest.raises(DataError, match=r"train labels of shape \[30\] .*got shape \[29\]"):
        open_split(str(folder))
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(DataError, match="format 1"):
        open_split(str(folder))


def test_a_quicker_process_wins_and_nothing_is_left_over(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, spec = tmp_path / "cache", DatasetSpec("npz")
    reached: list[str] = []

    def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(store, "train_part", train_part)
        reached.append(prepare(spec, archive, cache).folder)
        return train_part(*arguments)

    monkeypatch.setattr(store, "train_part", slow)
    assert reached == []
    assert prepare(spec, archive, cache).folder == reached[0]
    assert [str(path) for path in cache.iterdir()] == reached


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "named"))
    assert Path(prepare(DatasetSpec()).folder).parent == tmp_path / "named"
    monkeypatch.delenv("EVOBNN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Path(prepare(DatasetSpec()).folder).parent == tmp_path / "home" / ".cache" / "evobnn"


def test_a_cache_that_cannot_be_written_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert Path(prepare(DatasetSpec()).folder).is_relative_to(tmp_path / "temporary")
    with pytest.raises(DataError, match="a folder in which the prepared images can be kept, got .*file"):
        prepare(DatasetSpec(), None, tmp_path / "file" / "cache")


def test_a_full_disk_leaves_nothing_behind(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.np, "save", full)
    with pytest.raises(DataError, match="No space left on device"):
        prepare(DatasetSpec("npz"), archive, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_of_images_is_decoded_into_the_parts_of_its_split(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", 300, classes=("a", "b"))
    spec = DatasetSpec("folder", size=5, split_seed=2, train_limit=290, validation_limit=50)
    prepared = prepare(spec, tmp_path / "set", tmp_path / "cache")
    expected = split(load_train(spec, tmp_path / "set"), spec)
    opened = open_split(prepared.folder)
    assert (prepared.name, prepared.shape, prepared.classes) == ("folder", (3, 5, 5), 2)
    assert (prepared.train_count, prepared.validation_count) == (290, 50)
    looped = 0
    for part in ("train", "validation"):
        read, wanted = getattr(opened, part), getattr(expected, part)
        assert isinstance(read.images, np.memmap)
        assert np.array_equal(read.images, wanted.images) and np.array_equal(read.labels, wanted.labels)
        looped += 1
    assert looped == 2
    assert prepared.fingerprint == fingerprint(expected.train, expected.validation)
    assert "skipped" not in json.loads((Path(prepared.folder) / "meta.json").read_text())
    assert prepare(spec, tmp_path / "set", tmp_path / "cache") == prepared


def test_damaged_images_are_left_out_on_request_and_remembered(tmp_path: Path) -> None:
    place, cache = tmp_path / "set", tmp_path / "cache"
    paths = list(write_folder(place / "train", 8))
    write_folder(place / "test", 2)
    whole = open_split(prepare(DatasetSpec("folder"), place, cache).folder)
    broken = [paths[3], paths[17], paths[18]]
    for path in broken:
        damage(Path(path))
    with pytest.raises(DataError, match=r"complete .* image in .*dataset\.skip_damaged = true"):
        prepare(DatasetSpec("folder"), place, cache)
    assert len(list(cache.iterdir())) == 1
    skipping = DatasetSpec("folder", skip_damaged=True)
    with pytest.warns(UserWarning, match="3 of 24 images"):
        prepared = prepare(skipping, place, cache)
    assert sorted(json.loads((Path(prepared.folder) / "meta.json").read_text())["skipped"]) == sorted(broken)
    left = open_split(prepared.folder)
    assert prepared.train_count + prepared.validation_count == 21
    looped = 0
    for part in ("train", "validation"):
        before, after = (
            [(image.tobytes(), label) for image, label in zip(one.images, one.labels.tolist(), strict=True)]
            for one in (getattr(whole, part), getattr(left, part))
        )
        assert after == [pair for pair in before if pair in after]
        looped += 1
    assert looped == 2
    assert prepared.fingerprint == fingerprint(left.train, left.validation)
    assert prepare(skipping, place, cache) == prepared  # said once: a warning here would be an error


def test_a_part_without_one_sound_image_is_an_error(tmp_path: Path) -> None:
    for path in write_folder(tmp_path / "set"):
        damage(Path(path))
    with pytest.raises(DataError, match="images that can be decoded, got none among 18"):
        prepare(DatasetSpec("folder", skip_damaged=True), tmp_path / "set", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_fewer_images_than_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, 3, classes=tuple("abcdef"))
    with pytest.raises(
        DataError, match=r"at least as many training images as classes, 6, got 5 with .*train_limit = 5"
    ):
        prepare(DatasetSpec("folder", train_limit=5), tmp_path, tmp_path / "cache")


def test_a_disk_without_room_is_known_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "set")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage(10_000, 5_000, 5_000))
    monkeypatch.setattr(store, "decoded", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="18,432 bytes are needed and 5,000 free"):
        prepare(DatasetSpec("folder", size=16), tmp_path / "set", tmp_path / "cache")


def test_keys_are_those_of_before_skip_damaged_and_pillow(archive: Path, tmp_path: Path) -> None:
    spec = {key: value for key, value in asdict(DatasetSpec("npz")).items() if key not in LATER}
    assert list(spec) == ["name", "size", "validation", "train_limit", "validation_limit", "split_seed"]
    looks = [[str(archive.resolve()), archive.stat().st_size, archive.stat().st_mtime_ns]]
    text = json.dumps([1, spec, looks, [version("numpy"), ""]])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert Path(prepare(DatasetSpec("npz"), archive, tmp_path / "cache").folder).name == f"npz-{key}"


def test_the_decoder_and_the_wish_to_skip_decide_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "set")
    first = prepare(DatasetSpec("folder"), tmp_path / "set", tmp_path / "cache")
    other = prepare(DatasetSpec("folder", skip_damaged=True), tmp_path / "set", tmp_path / "cache")
    monkeypatch.setattr(store, "version", lambda name: "0.0" if name == "pillow" else version(name))
    newer = prepare(DatasetSpec("folder"), tmp_path / "set", tmp_path / "cache")
    assert len({first.folder, other.folder, newer.folder}) == 3
    assert first.fingerprint == other.fingerprint == newer.fingerprint
