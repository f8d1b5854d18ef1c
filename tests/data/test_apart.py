"""The test part is read apart and counted: no source opens it to prepare, to split or to load what is trained on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evobnn.data import DatasetSpec, load_test, load_train, prepare, sources
from evobnn.data.formats.folder import list_folder
from evobnn.errors import DataError
from tests.data.test_cifar import write_cifar, write_cifar100
from tests.data.test_sources import STEMS, write_idx, write_npz
from tests.data.written import write_folder


def write_both_parts(folder: Path) -> None:
    write_folder(folder / "train")
    write_folder(folder / "test", 2)


def write_archive(folder: Path) -> None:
    folder.mkdir()
    write_npz(folder / "own.npz")


def spoil_npz(path: Path) -> None:
    """Overwrite the stored bytes of the two test arrays inside the archive."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        for key in ("x_test.npy", "y_test.npy"):
            start = content.index(archive.read(key))
            content[start : start + len(archive.read(key))] = b"\xee" * len(archive.read(key))
    path.write_bytes(content)


# By source: how it is written, and which files hold its test part; that of an archive is spoilt inside it.
WRITTEN: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "mnist": (write_idx, STEMS[2:]),
    "fashion-mnist": (write_idx, STEMS[2:]),
    "cifar10": (write_cifar, ("test_batch",)),
    "cifar100": (write_cifar100, ("test",)),
    "npz": (write_archive, ()),
    "folder": (write_both_parts, tuple(f"test/{name}/{n:03d}.png" for name in ("ant", "bee", "cat") for n in (0, 1))),
}


def test_every_source_that_has_files_is_here() -> None:
    assert set(WRITTEN) == {name for name, source in sources.SOURCES.items() if source.needs_folder}


@pytest.mark.parametrize("name", WRITTEN)
def test_garbage_in_the_test_part_is_met_by_load_test_alone(tmp_path: Path, name: str) -> None:
    spec = DatasetSpec(name)
    write, files = WRITTEN[name]
    write(tmp_path / "set")
    before = prepare(spec, tmp_path / "set", tmp_path / "first")
    assert len(load_test(spec, tmp_path / "set")) > 0
    for file in files:
        (tmp_path / "set" / file).write_bytes(b"garbage")
    if name == "npz":
        spoil_npz(tmp_path / "set" / "own.npz")
    reads = sources.reads_of_test()
    after = prepare(spec, tmp_path / "set", tmp_path / "second")
    train = load_train(spec, tmp_path / "set")
    assert after.fingerprint == before.fingerprint
    assert len(train) == after.train_count + after.validation_count
    assert sources.reads_of_test() == reads
    with pytest.raises(DataError) as caught:
        load_test(spec, tmp_path / "set")
    assert str(tmp_path / "set" / (files[0] if files else "own.npz")) in str(caught.value)
    assert sources.reads_of_test() == reads + 1


def test_the_fifth_of_a_folder_without_a_test_part_is_not_opened(tmp_path: Path) -> None:
    written = write_folder(tmp_path / "set")
    whole = load_train(DatasetSpec("folder"), tmp_path / "set")
    _, test = list_folder(tmp_path / "set")
    assert len(test) == 6
    for path in test.paths:
        Path(path).write_bytes(b"garbage")
    prepared = prepare(DatasetSpec("folder"), tmp_path / "set", tmp_path / "cache")
    assert prepared.train_count + prepared.validation_count == len(written) - 6
    assert np.array_equal(load_train(DatasetSpec("folder"), tmp_path / "set").images, whole.images)
    with pytest.raises(DataError, match=r"00[0-9]\.png"):
        load_test(DatasetSpec("folder"), tmp_path / "set")


def test_the_readings_of_digits_are_counted_too(tmp_path: Path) -> None:
    reads = sources.reads_of_test()
    prepare(DatasetSpec(), None, tmp_path)
    load_train(DatasetSpec())
    assert sources.reads_of_test() == reads
    load_test(DatasetSpec())
    assert sources.reads_of_test() == reads + 1


WATCHED = """
import json, sys
from pathlib import Path
from evobnn.data import DatasetSpec, load_test, load_train, prepare
opened = []
sys.addaudithook(lambda event, found: opened.append(str(found[0])) if event == "open" else None)
root = Path(sys.argv[1])
for name in sys.argv[2:]:
    prepare(DatasetSpec(name), root / name, root / "cache")
    load_train(DatasetSpec(name), root / name)
before = len(opened)
for name in sys.argv[2:]:
    load_test(DatasetSpec(name), root / name)
print(json.dumps([opened[:before], opened[before:]]))
"""


def test_no_file_of_a_test_part_is_opened_by_a_search(tmp_path: Path) -> None:
    separate = {name: files for name, (_, files) in WRITTEN.items() if files}
    for name in separate:
        WRITTEN[name][0](tmp_path / name)
    apart = {str(tmp_path / name / file) for name, files in separate.items() for file in files}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path), *separate],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    searched, finished = (set(paths) for paths in json.loads(done.stdout))
    assert len(apart) == 12
    assert not apart & searched
    assert apart <= finished
    assert str(tmp_path / "mnist" / STEMS[0]) in searched


def test_the_members_of_an_archive_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_npz(tmp_path / "own.npz")
    read: list[str] = []
    whole = zipfile.ZipFile.open

    def noted(self: zipfile.ZipFile, name: object, *rest: object, **options: object) -> io.BufferedIOBase:
        read.append(name if isinstance(name, str) else name.filename)  # type: ignore[attr-defined]
        return whole(self, name, *rest, **options)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(zipfile.ZipFile, "open", noted)
    prepare(DatasetSpec("npz"), path, tmp_path / "cache")
    assert set(read) == {"x_train.npy", "y_train.npy"}
    load_test(DatasetSpec("npz"), path)
    assert {"x_test.npy", "y_test.npy"} < set(read)
