"""The prepared data set on disk: read, cut and resampled once by the parent, opened by every worker as it is.

Each prepared set is a folder `<name>-<key>/` below the cache. The key comes from the spec and from what the source
files look like (path, size, time of change), so that it is known before anything is read. Four `.npy` files hold the
training and validation images and labels; `meta.json` is written last, and names the image files that were left out.
The folder appears by one rename: it is there whole or not at all. It may be deleted at any time; it is made again. So
is a set that was prepared when files were read in another way (`_READING`): read in the same way, it has the same
fingerprint.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evobnn.data.cache import cache_roots, written
from evobnn.data.dataset import LATER, DatasetSpec, Images, Split, cut, fingerprint, split
from evobnn.data.formats.pictures import DamagedImageError, Pictures, decoded, warn_of_skipped
from evobnn.data.information import information
from evobnn.data.notes import say
from evobnn.data.sources import SOURCES, source_files, train_part
from evobnn.errors import DataError, message

_FORMAT = 1
_READING = 2
"""How files of sets of `_REREAD` are read: 2 looks at bits, transparency and labels first."""
_REREAD = ("folder", "npz")
_PARTS = ("train", "validation")


@dataclass(frozen=True)
class PreparedData:
    """A prepared data set in plain values, small enough to travel to a worker.

    `folder` holds the files; `fingerprint` is of the training and validation arrays and class names, exactly; `shape`
    is (channels, height, width); the counts are images. `class_names` are empty where no files were looked at.
    """

    folder: str
    fingerprint: str
    name: str
    shape: tuple[int, int, int]
    classes: int
    train_count: int
    validation_count: int
    class_names: tuple[str, ...] = field(default=(), compare=False)  # they are in the fingerprint


def prepare(spec: DatasetSpec, data_dir: Path | None = None, cache: Path | None = None) -> PreparedData:
    """Return the prepared data set for `spec`, made now or found finished.

    `data_dir` is the folder with the published files. `cache` defaults to $EVOBNN_CACHE, else ~/.cache/evobnn, else,
    where neither can be written, a folder for temporary files. No test image is read. Of a folder of images only those
    that the spec chooses are decoded, one after the other to the disk; damaged ones are left out with
    `spec.skip_damaged` (the others fall on the same side as without), said once by a warning. Raises DataError for bad
    data, as `sources.load_train` does, and where no cache can be written.
    """
    name = f"{spec.name}-{_key(spec, source_files(spec, data_dir))}"
    roots = cache_roots() if cache is None else [cache]
    for root in roots:
        if (root / name / "meta.json").is_file():
            try:
                found = _described(root / name)
            except DataError:
                break  # damaged, or read in another way: made again below
            return _said(found)
    part = train_part(spec, data_dir)
    parts = split(part, spec) if isinstance(part, Images) else part
    return _said(_described(written(roots, name, partial(_fill, spec, parts), _described)))


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
    if not isinstance(meta, dict) or set(meta) - {"skipped", "reading", "notes"} != wanted or meta["format"] != _FORMAT:
        raise DataError(message(f"format {_FORMAT} of a prepared data set in {path}", "another", _make_again(folder)))
    return meta


def _said(prepared: PreparedData) -> PreparedData:
    """Say what a person should know of a prepared set; looked for now where that was not yet done when it was made."""
    notes = _meta(Path(prepared.folder)).get("notes")
    for note in information(open_split(prepared.folder), copies=False) if notes is None else notes:
        say(str(note))
    return prepared


def _described(folder: Path) -> PreparedData:
    meta = _meta(folder)
    if meta.get("reading", 1) != _READING and meta["name"] in _REREAD:
        wanted = f"a prepared data set in {folder} that was read as files are read now"
        raise DataError(message(wanted, "one from before", _make_again(folder)))
    opened = open_split(str(folder))
    return PreparedData(
        folder=str(folder),
        fingerprint=meta["fingerprint"],
        name=meta["name"],
        shape=opened.train.shape,
        classes=len(opened.train.class_names),
        train_count=len(opened.train),
        validation_count=len(opened.validation),
        class_names=opened.train.class_names,
    )


def _fill(spec: DatasetSpec, parts: Split | Pictures, folder: Path) -> None:
    skipped: list[str] = []
    if isinstance(parts, Split):
        written_parts = parts
        for part in _PARTS:
            images: Images = getattr(parts, part)
            np.save(folder / f"{part}-images.npy", images.images, allow_pickle=False)
            np.save(folder / f"{part}-labels.npy", images.labels, allow_pickle=False)
    else:
        written_parts, skipped = _decode(folder, parts, spec)
    meta: dict[str, Any] = {
        "format": _FORMAT,
        "name": spec.name,
        "fingerprint": fingerprint(written_parts.train, written_parts.validation),
        "class_names": list(written_parts.train.class_names),
        "shapes": {
            f"{part}-{kind}": list(getattr(getattr(written_parts, part), kind).shape)
            for part in _PARTS
            for kind in ("images", "labels")
        },
    }
    if skipped:
        meta["skipped"] = skipped
    seen = parts.notes if isinstance(parts, Pictures) else ()
    meta |= {"reading": _READING, "notes": [*seen, *information(written_parts)]}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _decode(folder: Path, pictures: Pictures, spec: DatasetSpec) -> tuple[Split, list[str]]:
    """Write the parts that `spec` cuts from `pictures`; return them memory-mapped, and the files left out."""
    parts = dict(zip(_PARTS, (pictures.select(part) for part in cut(pictures.labels, spec)), strict=True))
    needed, free = sum(part.bytes for part in parts.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} free")
    opened: dict[str, Images] = {}
    skipped: list[str] = []
    for name, part in parts.items():
        kept, damaged = _decode_part(folder / f"{name}-images.npy", part, spec.skip_damaged)
        np.save(folder / f"{name}-labels.npy", part.labels[kept], allow_pickle=False)
        skipped += [part.files.paths[position] for position in damaged]
        images = np.load(folder / f"{name}-images.npy", mmap_mode="r", allow_pickle=False)
        opened[name] = Images(images, part.labels[kept], part.class_names)
    warn_of_skipped(skipped, sum(map(len, parts.values())))
    return Split(**opened), skipped


def _decode_part(path: Path, part: Pictures, skip_damaged: bool) -> tuple[list[int], list[int]]:
    """Write the images of a part as one array, never more than a few hundred in memory; return kept and skipped.

    NumPy leaves room in an array's header for another number of images, which is known at the end.
    """
    kept: list[int] = []
    damaged: list[int] = []
    with path.open("wb") as file:
        start = _header(file, len(part), part.frame.shape)
        for position, pixels in decoded(part, skip_damaged):
            if isinstance(pixels, DamagedImageError):
                damaged.append(position)
            else:
                file.write(pixels.data)
                kept.append(position)
        if not kept:
            raise DataError(message("images that can be decoded", f"none among {len(part)}", "Check the files."))
        file.seek(0)
        if _header(file, len(kept), part.frame.shape) != start:
            raise DataError(message("room for the number of images", str(len(kept)), "Use another release of NumPy."))
    return kept, damaged


def _header(file: BinaryIO, count: int, shape: tuple[int, int, int]) -> int:
    described = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(file, described)
    return file.tell()


def _key(spec: DatasetSpec, files: tuple[Path, ...]) -> str:
    looks = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    source = SOURCES[spec.name]
    versions = [version("numpy"), version(source.package) if source.package else ""]
    if source.decoder:
        versions.append(version(source.decoder))
    said = {name: value for name, value in asdict(spec).items() if name not in LATER or value != LATER[name]}
    return hashlib.sha256(json.dumps([_FORMAT, said, looks, versions]).encode()).hexdigest()[:16]


def _make_again(folder: Path) -> str:
    return f"Delete {folder}; it is made again at the next start."
