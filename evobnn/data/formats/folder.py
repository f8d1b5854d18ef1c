"""Image files in one folder per class: which files there are, of which class, and which of them are the test part.

    DIR/train/CLASS/…  DIR/test/CLASS/…    cut by the user; where there is no `test`, `val` or `validation` will do
    DIR/train/CLASS/…  or  DIR/CLASS/…     a fifth, class by class and the same for ever, is set apart as test part

Parts are known by other names as well (`parts`): Training, TEST, valid, dev, eval, test_set. The folders' names,
sorted, are the classes; images lie at any depth below, nothing hidden counts, and each real file counts once (`walk`).
Names alone are looked at here, so that a search which cuts and draws from the training files never opens one of the
test part. What is there and not used is said (`notes`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evobnn.data.dataset import Labels, fifth_apart
from evobnn.data.notes import say, some
from evobnn.data.parts import FOLD, TEST, TRAIN, VALIDATION, part_of, rank
from evobnn.data.walk import Found, files_below, folders, is_hidden
from evobnn.errors import DataError, message

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"),
    ".webp",
)
_LAY = "Lay the images of each class in a folder of its name, below DIR/train and DIR/test or below DIR itself."
_TIDY = ("__macosx", "__pycache__")


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

    What lies there and is not used is said in one line each time. Raises DataError for fewer than two class folders, a
    class folder without an image, parts of a data set in the place of classes, a file that is in two classes or in both
    parts, a class of the test part that the training part has not, and a class of which no image would be left to learn
    from.
    """
    root, apart = _roots(place)
    classes = folders(root)
    _check_no_parts_within(root, classes)
    roots = {name: os.path.realpath(root / name) for name in classes}
    tests = {name: os.path.realpath(apart / name) for name in folders(apart)} if apart else {}
    above = {os.path.realpath(one) for one in (place, root, apart) if one}
    train = _listed(root, roots, above | {*roots.values(), *tests.values()})
    if len(train.class_names) < 2:
        found = f"only {train.class_names[0]!r}" if train.class_names else "none"
        do = _deeper(root, classes) or _LAY
        raise DataError(message(f"at least two folders of images, one for each class, in {root}", found, do))
    test = _listed(apart, tests, above | {*roots.values(), *tests.values()}) if apart else None
    _check_once([train, test] if test else [train])
    _say_unused(place, root, apart)
    _say_left_out(place, [train, test] if test else [train])
    if apart and test:
        return train.files, _of_classes(test.files, train.class_names, apart)
    return _fifth_apart(root, train.files)


@dataclass(frozen=True)
class _Listed:
    """What lies in the class folders of a part: its images, other files, and how many links lead to what is known."""

    found: tuple[Found, ...]
    files: Files
    others: tuple[str, ...]
    twice: int

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.files.class_names


def _roots(place: Path) -> tuple[Path, Path | None]:
    """Return the folder of the training classes, and that of the test classes if there is one."""
    names = folders(place)
    parts = {name: part for name in names if (part := part_of(name))}
    filled = [name for name in parts if folders(place / name)]
    trains = sorted((name for name in filled if parts[name] == TRAIN), key=lambda name: (name != "train", name))
    tests = sorted((name for name in filled if parts[name] in (TEST, VALIDATION)), key=rank)
    if len(trains) > 1 and trains[0] != "train":
        do = "Call the one to be learnt from `train`, or lay them together."
        raise DataError(message(f"one folder of training images in {place}", some(trains), do))
    if trains:
        return _descended(place / trains[0]), _descended(place / tests[0]) if tests else None
    others = [name for name in names if name not in parts]
    flat = [name for name in parts if name not in filled]
    if filled or len(flat) > 1 or (flat and parts[flat[0]] != TRAIN and len(others) > 1):
        wanted = f"class folders in {place / 'train'}, beside those of the test part"
        seen = f"none there, but {some(sorted(parts))}" if "train" not in names else f"none, but {some(sorted(parts))}"
        do = "Lay those of one part together below DIR/train." if FOLD in parts.values() else _LAY
        raise DataError(message(wanted, seen, f"{do} A class of such a name needs another one."))
    if flat:
        say(
            f"The folder {flat[0]} in {place} is taken for a class: nothing else there looks like a part of a data set."
        )
    return place, None


def _descended(root: Path) -> Path:
    """Return the folder itself, or what it holds alone under a name of the same part, as `train/train`."""
    inner = folders(root)
    while len(inner) == 1 and part_of(inner[0]) == part_of(root.name):
        root = root / inner[0]
        inner = folders(root)
    return root


def _check_no_parts_within(root: Path, classes: Sequence[str]) -> None:
    """Raise where every class is cut into parts, and say where all hold the same folders, which may be the classes."""
    within = [folders(root / name) for name in classes]
    if len(within) < 2 or not within[0]:
        return
    cut = [{part_of(name) for name in inner} for inner in within]
    if all(TRAIN in found and found & {TEST, VALIDATION} for found in cut):
        got = f"{some(within[0])} in each of {some(list(classes))}"
        do = "Turn it round: DIR/train/CLASS and DIR/test/CLASS."
        raise DataError(message(f"class folders in {root} that are not cut into parts themselves", got, do))
    if len(within[0]) > 1 and all(inner == within[0] for inner in within):
        say(f"All classes in {root} hold the same folders {some(within[0])}; the classes are {some(list(classes))}.")


def _deeper(root: Path, classes: Sequence[str]) -> str:
    """Return the advice to name the only folder itself, where the classes seem to lie below it."""
    inner = folders(root / classes[0]) if len(classes) == 1 else ()
    return f"It holds {some(inner)}; if these are meant, pass --data-dir {root / classes[0]}." if len(inner) > 1 else ""


def _fifth_apart(root: Path, train: Files) -> tuple[Files, Files]:
    rest, test = fifth_apart(train.labels, "folder")
    left = train.select(rest)
    lost = sorted(set(range(len(train.class_names))) - set(left.labels.tolist()))
    if lost or not len(test):
        raise DataError(
            message(
                f"images of every class in {root} to learn from after a fifth is set apart as test part",
                f"none of {', '.join(train.class_names[label] for label in lost)}" if lost else f"{len(train)} in all",
                "Add images, or lay the test images in a folder of their own beside `train`.",
            )
        )
    return left, train.select(test)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _listed(root: Path, classes: dict[str, str], taken: set[str]) -> _Listed:
    """Return what the class folders of a part hold, `classes` from name to real path, without going into `taken`."""
    found: list[Found] = []
    others: list[str] = []
    counts = []
    twice = 0
    for name, real in classes.items():
        own, rest, again = files_below(os.path.join(root, name), _is_image, taken - {real})
        found += own
        others += rest
        counts.append(len(own))
        twice += again
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        raise DataError(
            message(
                f"images ({', '.join(SUFFIXES)}) in every class folder of {root}",
                f"none in {', '.join(empty)}",
                "Add images to the folder or remove it.",
            )
        )
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    files = Files(tuple(one.path for one in found), labels, tuple(classes))
    return _Listed(tuple(found), files, tuple(others), twice)


def _check_once(parts: Sequence[_Listed]) -> None:
    """Raise where a real file is in two classes or in two parts, to which links can lead."""
    seen: dict[str, str] = {}
    for one in (one for part in parts for one in part.found):
        if seen.setdefault(one.real, one.path) != one.path:
            do = "Remove the link: what is tested on is not to be learnt from, and an image has one class."
            wanted = f"the file {one.real} in one class of one part"
            raise DataError(message(wanted, f"it as {seen[one.real]} and {one.path}", do))


def _say_unused(place: Path, root: Path, apart: Path | None) -> None:
    """Name what lies beside the folders that are read."""
    used = {one.relative_to(place).parts[0] for one in (root, apart) if one and one != place}
    names = [name for name in folders(place) if name not in used] if root != place else []
    unused = [name if folders(place / name) else f"{name} (without folders of classes)" for name in names]
    for at in dict.fromkeys((place, root)):
        inside = sorted(os.listdir(at))
        unused += [
            name for name in inside if name.startswith("__") and name.lower() not in _TIDY and (at / name).is_dir()
        ]
        loose = [name for name in inside if _is_image(name) and not is_hidden(name, False) and not (at / name).is_dir()]
        unused += [f"{len(loose):,} image{'s' * (len(loose) > 1)} in no class folder"] if loose else []
    if unused:
        beside = f" beside {' and '.join(sorted(used))}" if used else ""
        say(f"Not used in {place}{beside}: {some(unused)}.")


def _say_left_out(place: Path, parts: Sequence[_Listed]) -> None:
    """Say how many files are left out for their ending, and how many links for leading to what is there."""
    endings = Counter(os.path.splitext(path)[1].lower() or "no ending" for part in parts for path in part.others)
    if endings:
        counted = some([f"{count:,} with {ending}" for ending, count in endings.most_common()])
        say(f"Left out below {place} for their ending: {counted}. Read are {', '.join(SUFFIXES)}.")
    twice = sum(part.twice for part in parts)
    if twice:
        say(f"Passed over below {place}: {twice:,} link{'s' * (twice > 1)} to what is listed already.")


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
