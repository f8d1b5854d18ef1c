"""Where images come from: one table from a data set's name to how its published files are found and read.

Nothing is downloaded. `digits` comes with scikit-learn; every other set is read from a folder that the user names, in
the form in which its publisher hands it out. To add a set, add a `find`, a `load` and a row of `SOURCES`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn._checks import check_name
from evobnn._seeding import generator
from evobnn.data.cifar import read_batch, read_class_names
from evobnn.data.dataset import Images, stratified
from evobnn.data.idx import read_idx
from evobnn.errors import DataError, message

_DIGITS = tuple("0123456789")
_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_IDX_STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_CIFAR_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
_MOST_CLASSES = 10_000


@dataclass(frozen=True, eq=False)
class Published:
    """A data set as its publisher cut it. A search sees parts of `train`; `test` is for final training alone."""

    train: Images
    test: Images


@dataclass(frozen=True)
class Source:
    """A data set by name: what it is, whose it is, and how it is read.

    `find` returns the files below the folder that the user named, DataError if one is missing; `load` reads exactly
    those. A source that comes with a package needs no folder, finds no files and is handed none.
    """

    name: str
    description: str
    licence: str
    needs_folder: bool
    find: Callable[[Path], tuple[Path, ...]]
    load: Callable[[tuple[Path, ...]], Published]


def _no_files(folder: Path) -> tuple[Path, ...]:
    return ()


def _load_digits(files: tuple[Path, ...]) -> Published:
    from sklearn.datasets import load_digits  # a second and 100 MiB: only when asked for

    bunch = load_digits()
    grey = np.floor(bunch.images * (255 / 16) + 0.5).astype(np.uint8)  # 0..16 to 0..255
    images = Images(grey[:, None], bunch.target.astype(np.int64), _DIGITS)
    # Published without a test part: a fifth is set apart once and for all, whatever an experiment's split_seed.
    test = stratified(images.labels, round(len(images) / 5), generator(0, "digits", "test"))
    train = np.setdiff1d(np.arange(len(images), dtype=np.int64), test)
    return Published(images.select(train), images.select(test))


def _find_idx(name: str, subfolders: tuple[str, ...], folder: Path) -> tuple[Path, ...]:
    places = [folder, *(folder / sub for sub in subfolders)]
    here = next((p for p in places if any(_idx_file(p, stem) for stem in _IDX_STEMS)), folder)
    found = [(stem, _idx_file(here, stem)) for stem in _IDX_STEMS]
    missing = [stem for stem, path in found if path is None]
    if missing:
        raise DataError(
            message(
                f"the four IDX files of {name}, gzipped or not, in {folder} or its {' or '.join(subfolders)}",
                f"no {' and no '.join(missing)}" + (f" in {here}" if here != folder else ""),
                f"Pass --data-dir the folder that holds {', '.join(_IDX_STEMS)}.",
            )
        )
    return tuple(path for _, path in found if path is not None)


def _idx_file(folder: Path, stem: str) -> Path | None:
    candidates = (folder / stem, folder / f"{stem}.gz", folder / stem.replace("-idx", ".idx"))
    return next((path for path in candidates if path.is_file()), None)


def _load_idx(class_names: tuple[str, ...], files: tuple[Path, ...]) -> Published:
    return Published(_idx_images(files[0], files[1], class_names), _idx_images(files[2], files[3], class_names))


def _idx_images(image_file: Path, label_file: Path, class_names: tuple[str, ...]) -> Images:
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels) or not images.size:
        raise DataError(
            message(
                f"as many labels in {label_file} as images in {image_file}, and at least one",
                f"{len(labels)} labels and {len(images)} images",
                "Take both files from the same data set.",
            )
        )
    _check_labels(label_file, labels, len(class_names))
    return Images(images[:, None], labels.astype(np.int64), class_names)


def _find_cifar(folder: Path) -> tuple[Path, ...]:
    places = (folder, folder / "cifar-10-batches-py")
    here = next((p for p in places if any((p / name).is_file() for name in _CIFAR_FILES)), folder)
    missing = [name for name in _CIFAR_FILES if not (here / name).is_file()]
    if missing:
        raise DataError(
            message(
                f"CIFAR-10's {', '.join(_CIFAR_FILES)} (batches of 10,000 rows of 3,072 bytes) in {folder} "
                "or its cifar-10-batches-py",
                f"no {' and no '.join(missing)}" + (f" in {here}" if here != folder else ""),
                "Pass --data-dir the folder into which cifar-10-python.tar.gz was unpacked.",
            )
        )
    return tuple(here / name for name in _CIFAR_FILES)


def _load_cifar(files: tuple[Path, ...]) -> Published:
    *batches, meta = files
    class_names, rows = read_class_names(meta)
    parts = []
    for path in batches:
        images, labels = read_batch(path, rows)
        _check_labels(path, labels, len(class_names))
        parts.append((images, labels))
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*parts[:-1], strict=True))
    return Published(Images(train_images, train_labels, class_names), Images(*parts[-1], class_names))


def _find_npz(place: Path) -> tuple[Path, ...]:
    files = [place] if place.is_file() else sorted(place.glob("*.npz"))
    if len(files) != 1 or files[0].suffix != ".npz":
        raise DataError(
            message(
                f"one .npz file with {', '.join(_NPZ_KEYS)} at {place}",
                ", ".join(path.name for path in files) or "none",
                "Pass --data-dir the file itself, or a folder that holds exactly one.",
            )
        )
    return (files[0],)


def _load_npz(files: tuple[Path, ...]) -> Published:
    (path,) = files
    again = f"Write it with numpy.savez({path.name!r}, {', '.join(f'{key}=…' for key in _NPZ_KEYS)})."
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in _NPZ_KEYS if key not in archive.files]
            if missing:
                found = f"only {', '.join(archive.files) or 'nothing'}"
                raise DataError(message(f"the arrays {', '.join(_NPZ_KEYS)} in {path}", found, again))
            arrays = {key: archive[key] for key in _NPZ_KEYS}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(message(f"a complete .npz archive of plain numbers in {path}", str(error), again)) from error
    except TypeError as error:  # np.load returns a lone .npy as an array, which is no context manager
        raise DataError(message(f"an .npz archive in {path}", "a single array", again)) from error
    labels = {part: _npz_labels(path, f"y_{part}", arrays[f"y_{part}"], again) for part in ("train", "test")}
    class_names = tuple(str(label) for label in range(1 + max(int(values.max()) for values in labels.values())))
    train, test = (
        Images(_npz_images(path, f"x_{part}", arrays[f"x_{part}"], again), labels[part], class_names)
        for part in ("train", "test")
    )
    if train.shape != test.shape:
        wanted = f"test images of the shape of the training images, {train.shape}, in {path}"
        raise DataError(message(wanted, str(test.shape), again))
    return Published(train, test)


def _npz_labels(path: Path, key: str, labels: npt.NDArray[np.generic], again: str) -> npt.NDArray[np.int64]:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or flat.dtype.kind not in "iu" or not flat.size:
        wanted = f"whole numbers of shape (N,) or (N, 1) under '{key}' in {path}"
        raise DataError(message(wanted, f"{labels.dtype} of shape {labels.shape}", again))
    _check_labels(path, flat, _MOST_CLASSES)
    return flat.astype(np.int64)


def _npz_images(path: Path, key: str, images: npt.NDArray[np.generic], again: str) -> npt.NDArray[np.uint8]:
    """Bring (N, H, W), (N, H, W, C) or (N, C, H, W) to the last form; an axis of at most 4 holds the channels."""
    if images.dtype == np.uint8 and images.ndim == 3:
        return images[:, None].astype(np.uint8)
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] <= 4:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.uint8)
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[1] <= 4:
        return images.astype(np.uint8)
    wanted = f"uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with at most 4 channels under '{key}' in {path}"
    raise DataError(message(wanted, f"{images.dtype} of shape {images.shape}", again))


def _check_labels(path: Path, labels: npt.NDArray[Any], classes: int) -> None:
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        wanted = f"labels from 0 to {classes - 1} in {path}"
        do = "Check that the file belongs to this data set."
        raise DataError(message(wanted, f"labels from {int(labels.min())} to {int(labels.max())}", do))


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="digits",
            description="1,797 scans of handwritten digits, 8x8 grey: the UCI set 'Optical Recognition of Handwritten "
            "Digits' (Alpaydin and Kaynak 1998), as it comes with scikit-learn",
            licence="CC BY 4.0",
            needs_folder=False,
            find=_no_files,
            load=_load_digits,
        ),
        Source(
            name="mnist",
            description="70,000 handwritten digits, 28x28 grey, four IDX files (LeCun, Cortes and Burges 1998)",
            licence="see its publishers' page; to be cited",
            needs_folder=True,
            find=partial(_find_idx, "mnist", ("mnist", "MNIST/raw")),
            load=partial(_load_idx, _DIGITS),
        ),
        Source(
            name="fashion-mnist",
            description="70,000 pictures of clothing, 28x28 grey, four IDX files (Xiao, Rasul and Vollgraf 2017)",
            licence="MIT",
            needs_folder=True,
            find=partial(_find_idx, "fashion-mnist", ("fashion-mnist", "FashionMNIST/raw")),
            load=partial(_load_idx, _FASHION),
        ),
        Source(
            name="cifar10",
            description="60,000 colour photographs of ten classes, 3x32x32, seven Python batches (Krizhevsky 2009)",
            licence="none stated by its publisher; to be cited",
            needs_folder=True,
            find=_find_cifar,
            load=_load_cifar,
        ),
        Source(
            name="npz",
            description="your own uint8 images: one .npz file with x_train, y_train, x_test and y_test",
            licence="yours",
            needs_folder=True,
            find=_find_npz,
            load=_load_npz,
        ),
    )
}


def source_files(name: str, data_dir: Path | None) -> tuple[Path, ...]:
    """Return the files that `load(name, data_dir)` would read, without reading them.

    Raises DataError for a name that is not in `SOURCES` (with the closest one), for a folder that is needed and not
    given or not there, and for a missing file.
    """
    source = SOURCES[check_name("data set", name, SOURCES, DataError)]
    if not source.needs_folder:
        return ()
    if data_dir is None or not data_dir.exists():
        got = "no folder" if data_dir is None else f"{data_dir}, which does not exist"
        raise DataError(message(f"a folder with the published files of {name}", got, "Name it with --data-dir."))
    return source.find(data_dir)


def load(name: str, data_dir: Path | None = None) -> Published:
    """Return the published training and test images of a data set; raises DataError as `source_files` and on damage."""
    files = source_files(name, data_dir)
    return SOURCES[name].load(files)
