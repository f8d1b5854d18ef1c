"""Images that came as arrays, kept in the cache below their fingerprint, from where a name finds them again.

A set is a folder `kept-<fingerprint>/` with two `.npy` files for each part, and `meta.json`. The fingerprint is exact
over pixels, labels and class names of both parts, and each part is compared with its own when it is read: what was
changed on the disk, or is another set, never passes. Of a set that is kept `kept_test` and `check_kept_test` alone open
the test part.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.data.cache import cache_roots, written
from evobnn.data.dataset import Images, fingerprint
from evobnn.errors import DataError, message

_FORMAT = 1
_PARTS = ("train", "test")
_KINDS = ("images", "labels")
_AGAIN = "In Python, hand in the same arrays again: evobnn.Arrays(...).dataset() keeps them"


def fingerprint_of_parts(train: Images, test: Images) -> str:
    """Return 16 hexadecimal digits over the fingerprints of both parts."""
    return _joined([fingerprint(train), fingerprint(test)])


def keep(train: Images, test: Images, cache: Path | None = None) -> Path:
    """Return the folder that holds both parts, written now unless they are there, whole, already.

    `cache` defaults to that of `evobnn.data.prepare`; name another one as the data folder (`--data-dir`) later. Of
    processes that keep the same at the same time each succeeds. Raises DataError where nothing can be written.
    """
    parts = dict(zip(_PARTS, (train, test), strict=True))
    prints = {name: fingerprint(part) for name, part in parts.items()}
    meta = {"format": _FORMAT, "class_names": list(train.class_names), "fingerprints": prints}

    def fill(folder: Path) -> None:
        for name, part in parts.items():
            for kind in _KINDS:
                np.save(folder / f"{name}-{kind}.npy", getattr(part, kind), allow_pickle=False)
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")

    roots, name = cache_roots() if cache is None else [cache], _name(_joined(list(prints.values())))
    for root in roots:
        if (root / name).is_dir():
            try:
                _check_whole(root / name)
            except DataError:
                break  # damaged: written again below
            return root / name
    return written(roots, name, fill, _check_whole)


def find_kept(wanted: str, data_dir: Path | None = None) -> Path:
    """Return the folder of the set with this fingerprint: below `data_dir`, if one is named, or in the cache.

    Raises DataError where no fingerprint is given, or nothing is kept under it.
    """
    if not wanted:
        do = "In Python take the data set that evobnn.Arrays(...).dataset() returns."
        raise DataError(message("dataset.fingerprint with dataset.name = 'arrays', to tell which", "none", do))
    roots = [*([data_dir] if data_dir else []), *cache_roots()]
    for root in roots:
        if (root / _name(wanted)).is_dir():
            return root / _name(wanted)
    places = " or ".join(map(str, roots))
    raise DataError(message(f"the arrays with fingerprint {wanted} in {places}", "none", f"{_AGAIN}."))


def kept_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of both parts, none of them opened; DataError if one is missing."""
    files = (*(folder / f"{part}-{kind}.npy" for part in _PARTS for kind in _KINDS), folder / "meta.json")
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise _damaged(folder, f"no {' and no '.join(missing)}")
    return files


def kept_train(folder: Path) -> Images:
    """Return the training part, memory-mapped and compared with its fingerprint; DataError where it is another."""
    return _part(folder, "train")


def kept_test(folder: Path) -> Images:
    """Return the test part in the same way."""
    return _part(folder, "test")


def check_kept_test(folder: Path) -> None:
    """Raise what `kept_test` would raise of labels, types and shapes, without reading a pixel."""
    _opened(folder, "test", _meta(folder))


def _check_whole(folder: Path) -> None:
    for part in _PARTS:
        _part(folder, part)


def _part(folder: Path, part: str) -> Images:
    meta = _meta(folder)
    images = _opened(folder, part, meta)
    if fingerprint(images) != meta["fingerprints"][part]:
        raise _damaged(folder, f"other images, labels or class names in its {part} part")
    return images


def _opened(folder: Path, part: str, meta: dict[str, Any]) -> Images:
    try:
        images, labels = (np.load(folder / f"{part}-{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in _KINDS)
        return Images(images, labels, tuple(meta["class_names"]))
    except Exception as error:  # a damaged file can fail in any way
        raise _damaged(folder, (str(error) or type(error).__name__).splitlines()[0]) from error


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        names, parts = meta["class_names"], [meta["fingerprints"][part] for part in _PARTS]
        sound = meta["format"] == _FORMAT and all(isinstance(text, str) for text in [*names, *parts])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(folder, f"no description in meta.json ({error})") from error
    if not sound or folder.name != _name(_joined(parts)):
        raise _damaged(folder, "the description of others in meta.json")
    return dict(meta)


def _name(wanted: str) -> str:
    return f"kept-{wanted}"


def _joined(parts: list[str]) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _damaged(folder: Path, got: str) -> DataError:
    wanted = f"the arrays with fingerprint {folder.name.rpartition('-')[2]} in {folder}"
    return DataError(message(wanted, got, f"{_AGAIN} in the place of these."))
