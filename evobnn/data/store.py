"""The prepared data set on disk: read, cut and resampled once by the parent, opened by every worker as it is.

Each prepared set is a folder `<name>-<key>/` below the cache. The key comes from the spec and from what the source
files look like (path, size, time of change), so that it is known before anything is read. Four `.npy` files hold the
training and validation images and labels; `meta.json` is written last. The folder appears by one rename: it is there
whole or not at all. Anything in the cache may be deleted at any time; it is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.data.dataset import DatasetSpec, Images, Split, fingerprint, split
from evobnn.data.sources import load, source_files
from evobnn.errors import DataError, message

_FORMAT = 1
_PARTS = ("train", "validation")


@dataclass(frozen=True)
class PreparedData:
    """A prepared data set in plain values, small enough to travel to a worker.

    `folder` holds the files; `fingerprint` is of the training and validation arrays and class names, exactly; `shape`
    is (channels, height, width); the counts are images.
    """

    folder: str
    fingerprint: str
    name: str
    shape: tuple[int, int, int]
    classes: int
    train_count: int
    validation_count: int


def prepare(spec: DatasetSpec, data_dir: Path | None = None, cache: Path | None = None) -> PreparedData:
    """Return the prepared data set for `spec`, made now or found finished.

    `data_dir` is the folder with the published files. `cache` defaults to $EVOBNN_CACHE, else ~/.cache/evobnn, else,
    where neither can be written, a folder for temporary files. Raises DataError for bad data, as `sources.load` does,
    and where no cache can be written.
    """
    name = f"{spec.name}-{_key(spec, source_files(spec.name, data_dir))}"
    roots = _cache_roots() if cache is None else [cache]
    for root in roots:
        if (root / name / "meta.json").is_file():
            try:
                return _described(root / name)
            except DataError:
                break  # damaged: made again below
    cut = split(load(spec.name, data_dir).train, spec)
    refusals = []
    for root in roots:
        try:
            return _described(_write(root, name, spec.name, cut))
        except OSError as error:
            refusals.append(f"{root}: {error.strerror or error}")
    raise DataError(
        message(
            "a folder in which the prepared images can be kept",
            "; ".join(refusals),
            "Set EVOBNN_CACHE to a folder that can be written and has room.",
        )
    )


@lru_cache(maxsize=8)
def open_split(folder: str) -> Split:
    """Return the parts of a prepared set, memory-mapped and read-only; opened once in each process.

    Raises DataError where the folder is not there or its arrays are not what `meta.json` says.
    """
    path = Path(folder)
    meta = _meta(path)
    names = tuple(str(name) for name in meta["class_names"])
    return Split(**{part: Images(*_arrays(path, part, meta), names) for part in _PARTS})


def _arrays(folder: Path, part: str, meta: dict[str, Any]) -> tuple[Any, Any]:
    arrays = []
    for kind in ("images", "labels"):
        path = folder / f"{part}-{kind}.npy"
        wanted = f"{part} {kind} of shape {meta['shapes'][path.stem]} in {path}"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(message(wanted, str(error), _make_again(folder))) from error
        if list(array.shape) != meta["shapes"][path.stem]:
            raise DataError(message(wanted, f"shape {list(array.shape)}", _make_again(folder)))
        arrays.append(array)
    return arrays[0], arrays[1]


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            message(f"the description of a prepared data set in {path}", str(error), _make_again(folder))
        ) from error
    wanted = {"format", "name", "fingerprint", "class_names", "shapes"}
    if not isinstance(meta, dict) or set(meta) != wanted or meta["format"] != _FORMAT:
        raise DataError(message(f"format {_FORMAT} of a prepared data set in {path}", "another", _make_again(folder)))
    return meta


def _described(folder: Path) -> PreparedData:
    opened = open_split(str(folder))
    meta = _meta(folder)
    return PreparedData(
        folder=str(folder),
        fingerprint=meta["fingerprint"],
        name=meta["name"],
        shape=opened.train.shape,
        classes=len(opened.train.class_names),
        train_count=len(opened.train),
        validation_count=len(opened.validation),
    )


def _write(root: Path, name: str, source: str, cut: Split) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    final = root / name
    unfinished = Path(tempfile.mkdtemp(dir=root, prefix=f".{name}-"))
    try:
        shapes = {}
        for part, images in (("train", cut.train), ("validation", cut.validation)):
            for kind, array in (("images", images.images), ("labels", images.labels)):
                np.save(unfinished / f"{part}-{kind}.npy", array, allow_pickle=False)
                shapes[f"{part}-{kind}"] = list(array.shape)
        meta = {
            "format": _FORMAT,
            "name": source,
            "fingerprint": fingerprint(cut.train, cut.validation),
            "class_names": list(cut.train.class_names),
            "shapes": shapes,
        }
        (unfinished / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        _replace(unfinished, final)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return final


def _replace(unfinished: Path, final: Path) -> None:
    try:
        os.rename(unfinished, final)
    except OSError:
        if not final.is_dir():
            raise
        try:
            _described(final)  # another process was quicker, and made the same
        except DataError:
            shutil.rmtree(final)
            os.rename(unfinished, final)


def _key(spec: DatasetSpec, files: tuple[Path, ...]) -> str:
    looks = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    versions = [version("numpy"), "" if files else version("scikit-learn")]
    return hashlib.sha256(json.dumps([_FORMAT, asdict(spec), looks, versions]).encode()).hexdigest()[:16]


def _cache_roots() -> list[Path]:
    named = os.environ.get("EVOBNN_CACHE")
    try:
        first = Path(named) if named else Path.home() / ".cache" / "evobnn"
    except RuntimeError:  # no home directory
        return [_temporary_root()]
    return [first, _temporary_root()]


def _temporary_root() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"evobnn-{user}"


def _make_again(folder: Path) -> str:
    return f"Delete {folder}; it is made again at the next start."
