"""Image files in one folder per class: which files there are, of which class, and which of them are the test part.

    DIR/train/CLASS/…  DIR/test/CLASS/…    cut by the user; `val` or `validation` will do where there is no `test`
    DIR/train/CLASS/…  or  DIR/CLASS/…     a fifth, class by class and the same for ever, is set apart as test part

The folders' names, sorted, are the classes; images lie at any depth below. Names alone are looked at here, so that a
search which cuts and draws from the training files never opens one of the test part.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evobnn._seeding import generator
from evobnn.data.dataset import Labels, stratified
from evobnn.errors import DataError, message

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
TEST_FOLDERS = ("test", "val", "validation")
_LAY = "Lay the images of each class in a folder of its name, below DIR/train and DIR/test or below DIR itself."


@dataclass(frozen=True, eq=False)
class Files:
    """Image files with labels: `labels` is int64 of shape (N,), each an index into `class_names`."""

    paths: tuple[str, ...]
    labels: Labels
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, indices: npt.NDArray[np.int64]) -> Files:
        """Return the files at `indices`, in that order."""
        return Files(tuple(self.paths[index] for index in indices), self.labels[indices], self.class_names)


def list_folder(place: Path) -> tuple[Files, Files]:
    """Return the training files and the test files below `place`, each ordered by class and then by name.

    Raises DataError for fewer than two class folders, a class folder without an image, a class of the test part that
    the training part has not, and a class of which no image would be left to learn from.
    """
    inner = place / "train"
    root = inner if _class_folders(inner) else place
    beside = [name for name in TEST_FOLDERS if _class_folders(place / name)]
    classes = _class_folders(root)
    if root == place and (beside or ("train" in classes and set(TEST_FOLDERS) & set(classes))):
        raise DataError(message(f"class folders in {inner}, beside those of the test part", "none", _LAY))
    train = _listed(root, classes)
    if len(train.class_names) < 2:
        found = f"only {train.class_names[0]!r}" if train.class_names else "none"
        raise DataError(message(f"at least two folders of images, one for each class, in {root}", found, _LAY))
    if beside:
        apart = place / beside[0]
        return train, _of_classes(_listed(apart, _class_folders(apart)), train.class_names, apart)
    count = round(len(train) / 5)
    test = stratified(train.labels, count, generator(0, "folder", "test"))
    left = train.select(np.setdiff1d(np.arange(len(train), dtype=np.int64), test))
    lost = sorted(set(range(len(train.class_names))) - set(left.labels.tolist()))
    if lost or not count:
        raise DataError(
            message(
                f"images of every class in {root} to learn from after a fifth is set apart as test part",
                f"none of {', '.join(train.class_names[label] for label in lost)}" if lost else f"{len(train)} in all",
                "Add images, or lay the test images in a folder of their own beside `train`.",
            )
        )
    return left, train.select(test)


def _class_folders(root: Path) -> tuple[str, ...]:
    """Return the names of the folders in `root`, sorted; none where it is no folder. Hidden ones do not count."""
    if not root.is_dir():
        return ()
    with os.scandir(root) as entries:
        return tuple(sorted(e.name for e in entries if e.is_dir() and not e.name.startswith((".", "__"))))


def _listed(root: Path, class_names: tuple[str, ...]) -> Files:
    paths: list[str] = []
    counts = []
    for name in class_names:
        found = [
            os.path.join(folder, file)
            for folder, _, files in os.walk(root / name, followlinks=True)
            for file in files
            if file.lower().endswith(SUFFIXES) and not file.startswith(".")
        ]
        paths += sorted(found)
        counts.append(len(found))
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if empty:
        raise DataError(
            message(
                f"images ({', '.join(SUFFIXES)}) in every class folder of {root}",
                f"none in {', '.join(empty)}",
                "Add images to the folder or remove it.",
            )
        )
    labels = np.repeat(np.arange(len(class_names), dtype=np.int64), counts)
    return Files(tuple(paths), labels, class_names)


def _of_classes(files: Files, class_names: tuple[str, ...], root: Path) -> Files:
    """Return the files with labels that count in `class_names`."""
    unknown = [name for name in files.class_names if name not in class_names]
    if unknown:
        raise DataError(
            message(
                f"folders in {root} named like the classes of the training part",
                f"{', '.join(unknown)} beside {', '.join(class_names)}",
                "Give both parts the same class folders.",
            )
        )
    numbers = np.array([class_names.index(name) for name in files.class_names], dtype=np.int64)
    return Files(files.paths, numbers[files.labels], class_names)
