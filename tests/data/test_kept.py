"""Arrays kept in the cache: once, whole or not at all, found by nothing but their fingerprint, and by no other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.data import DatasetSpec, check_test, kept, load_test, load_train, prepare, reads_of_test
from evobnn.data.arrays import Arrays
from evobnn.data.sources import source_files
from evobnn.errors import DataError

X = np.random.default_rng(3).integers(0, 256, (40, 6, 5), dtype=np.uint8)
Y = np.arange(40) % 4
MADE = Arrays(X[:30], Y[:30], X[30:], Y[30:])
SPEC = DatasetSpec("arrays", fingerprint=MADE.fingerprint)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache, empty, in this process and in those that it starts."""
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache"


def test_keeping_twice_is_one_folder_that_is_not_written_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = MADE.keep()
    assert folder == cache / f"kept-{MADE.fingerprint}"
    assert sorted(source_files(SPEC, None)) == sorted(folder.iterdir()) and len(source_files(SPEC, None)) == 5
    monkeypatch.setattr("evobnn.data.kept.written", lambda *_: pytest.fail("written again"))
    assert Arrays(X[:30], Y[:30], X[30:], Y[30:]).keep() == folder
    assert list(cache.iterdir()) == [folder]


def test_a_cache_of_its_own_is_found_as_data_folder(cache: Path, tmp_path: Path) -> None:
    folder = MADE.keep(tmp_path / "mine")
    assert folder == tmp_path / "mine" / f"kept-{MADE.fingerprint}" and not cache.exists()
    with pytest.raises(DataError, match="got none"):
        load_train(SPEC)
    assert np.array_equal(load_train(SPEC, tmp_path / "mine").images[:, 0], X[:30])


def test_what_is_not_kept_is_asked_for_by_its_fingerprint(cache: Path) -> None:
    asked = rf"the arrays with fingerprint {MADE.fingerprint} in {cache} or .*, got none. .*evobnn\.Arrays\(\.\.\.\)"
    with pytest.raises(DataError, match=asked):
        prepare(SPEC)
    Arrays(X, Y, X[30:], Y[30:]).keep()  # others do not pass for these
    with pytest.raises(DataError, match=asked):
        prepare(SPEC)
    before = prepare(replace(SPEC, fingerprint=MADE.dataset().fingerprint))
    shutil.rmtree(cache)
    with pytest.raises(DataError, match=asked):
        prepare(SPEC)
    MADE.keep()
    assert prepare(SPEC).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "text", ["0123", "0123456789ABCDEF", "../../../../etc/x", "0123456789abcdeg", "0" * 17, "0" * 15 + "\n"]
)
def test_a_fingerprint_is_sixteen_digits_and_no_path(text: str) -> None:
    with pytest.raises(DataError, match=r"dataset\.fingerprint as 16 digits from 0 to f, got"):
        DatasetSpec("arrays", fingerprint=text)


def test_a_fingerprint_and_arrays_belong_together(cache: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.name = 'arrays' with dataset\.fingerprint, got 'digits'"):
        prepare(DatasetSpec(fingerprint="0123456789abcdef"))
    with pytest.raises(DataError, match=r"dataset\.fingerprint with dataset\.name = 'arrays', to tell which, got none"):
        prepare(DatasetSpec("arrays"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def said(folder: Path, **changes: Any) -> None:
    path = folder / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def swapped(folder: Path) -> None:
    """Lay another whole set in the place of this one."""
    other = Arrays(X, Y, X[30:], Y[30:]).keep(folder.parent / "other")
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    shutil.rmtree(other.parent)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a pixel": lambda folder: flip(folder / "train-images.npy"),
    "a label": lambda folder: flip(folder / "train-labels.npy"),
    "half of the images": lambda folder: (folder / "train-images.npy").write_bytes(
        (folder / "train-images.npy").read_bytes()[:400]
    ),
    "no images": lambda folder: (folder / "train-images.npy").write_bytes(b""),
    "floats": lambda folder: np.save(folder / "train-images.npy", X[:30, None] / 255),
    "names": lambda folder: said(folder, class_names=["a", "b", "c", "d"]),
    "fewer names": lambda folder: said(folder, class_names=["0"]),
    "a list": lambda folder: (folder / "meta.json").write_text("[]"),
    "a number": lambda folder: (folder / "meta.json").write_text("3"),
    "no text": lambda folder: (folder / "meta.json").write_bytes(b"\xff"),
    "another fingerprint": lambda folder: said(folder, fingerprints={"train": "0" * 16, "test": "0" * 16}),
    "numbers as names": lambda folder: said(folder, class_names=[0, 1, 2, 3]),
    "another format": lambda folder: said(folder, format=2),
    "another set": swapped,
    "a file less": lambda folder: (folder / "train-labels.npy").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_changed_is_refused_and_mended_by_handing_it_in_again(cache: Path, damage: str) -> None:
    folder = MADE.keep()
    DAMAGE[damage](folder)
    with pytest.raises(DataError, match=rf"the arrays with fingerprint {MADE.fingerprint} in .*in the place of these"):
        prepare(SPEC)
    assert MADE.keep() == folder
    assert np.array_equal(load_train(SPEC).images[:, 0], X[:30])
    assert list(cache.iterdir()) == [folder]


def test_a_changed_test_part_is_met_by_reading_it_alone(cache: Path) -> None:
    folder = MADE.keep()
    reads = reads_of_test()
    flip(folder / "test-images.npy")
    check_test(SPEC)  # no pixel is read for it
    assert len(load_train(SPEC)) == 30
    with pytest.raises(DataError, match="other images, labels or class names in its test part"):
        load_test(SPEC)
    assert reads_of_test() == reads + 1
    np.save(folder / "test-labels.npy", np.full(10, 4))
    with pytest.raises(DataError, match="labels from 0 to 3"):
        check_test(SPEC)


def test_no_test_image_is_opened_by_a_search(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MADE.keep()
    opened: list[str] = []
    load = np.load
    monkeypatch.setattr(kept.np, "load", lambda path, **options: (opened.append(path.name), load(path, **options))[1])
    folder = Path(prepare(SPEC).folder)
    assert opened[:2] == ["train-images.npy", "train-labels.npy"] and not [name for name in opened if "test" in name]
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    assert X[0].tobytes() in held
    assert not [image for image in X[30:] if image.tobytes() in held]


KEEPING = """
import sys, time
import numpy as np
from evobnn.data.arrays import Arrays
made = Arrays(*(np.load(sys.argv[1] + name) for name in ("/x.npy", "/y.npy")))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    print(made.keep())
"""


def test_processes_that_keep_or_mend_the_same_at_the_same_time_all_succeed(cache: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    made = Arrays(X, Y)
    folder = made.keep()
    (folder / "meta.json").write_text("{")
    command = [sys.executable, "-c", KEEPING, str(tmp_path)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(2)
        ]
        assert [one.stdout.readline() for one in running if one.stdout] == ["ready\n"] * 2
        for one in running:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        assert [one.communicate(timeout=60)[0] for one in running] == [f"{folder}\n" * 30] * 2
    assert [one.returncode for one in running] == [0, 0]
    assert list(cache.iterdir()) == [folder]
    assert np.array_equal(load_train(DatasetSpec("arrays", fingerprint=made.fingerprint)).images, made.train.images)
