"""Data straight from Python: NumPy arrays, or a map-style data set such as PyTorch's, as the data set of an experiment.

    images = Arrays(x_train, y_train, x_test, y_test)
    experiment = Experiment(dataset=images.dataset(validation=0.2))

`dataset` keeps the arrays in the cache (`kept`), so that search, final training, evaluation and `resume`, in this
process or another, find them by the fingerprint that stands in the experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.data.dataset import DatasetSpec, Images, fifth_apart
from evobnn.data.items import as_array, of_dataset
from evobnn.data.kept import fingerprint_of_parts, keep
from evobnn.data.plain import plain_test, plain_train
from evobnn.errors import DataError, message

NAME = "arrays"


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Arrays:
    """A data set that lies in memory, checked and copied when it is made.

    Arguments:
        x_train: uint8 images of shape (N, H, W), (N, H, W, C) or (N, C, H, W), at most 4 channels; array or tensor, or
            a list of them or of pictures. Floats and other types are refused with the line that makes them bytes.
        y_train: whole numbers of shape (N,) or (N, 1), 0 to K - 1 without a gap, two classes or more.
        x_test, y_test: what final training is tested on, in the end; a search never sees it. Without them a fifth of
            the images is set apart for it, once and for all.
        class_names: K texts; by default the numbers.

    Attributes:
        train, test: the parts in plain form, uint8 (N, C, H, W) and int64 (N,).

    Raises:
        DataError: anything else, with what to write.

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    >>> arrays = evobnn.Arrays(images, np.arange(40) % 2, class_names=("even", "odd"))
    >>> arrays.train.images.shape, arrays.test.images.shape
    ((32, 1, 8, 8), (8, 1, 8, 8))
    """

    train: Images
    test: Images

    def __init__(
        self, x_train: Any, y_train: Any = None, x_test: Any = None, y_test: Any = None, class_names: Sequence[str] = ()
    ) -> None:
        given = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        self._take({name: value for name, value in given.items() if value is not None}, class_names, _as_given(given))

    @classmethod
    def of(cls, train_dataset: Any, test_dataset: Any = None, class_names: Sequence[str] = ()) -> Arrays:
        """Return the images of map-style data sets, such as `torch.utils.data.Dataset`, whose items are (image, label).

        Each item is asked for once: of a random transform one outcome is taken, and another one, with another
        fingerprint, the next time. Images are Pillow's of mode L or RGB, arrays or tensors of bytes, so without
        `ToTensor`; all have one shape. Classes are called as the attribute `classes` says, if nothing else is given.
        """
        given: dict[str, Any] = {}
        for part, data in (("train", train_dataset), ("test", test_dataset)):
            if data is not None or part == "train":
                given[f"x_{part}"], given[f"y_{part}"] = of_dataset(f"{part}_dataset", data)
        what = {name: f"{name[0]}, the {_SAID[name[0]]} of {name[2:]}_dataset" for name in given}
        made = cls.__new__(cls)
        made._take(given, _names(class_names) or _classes(train_dataset), what)
        return made

    def _take(self, given: dict[str, Any], class_names: Sequence[str], what: dict[str, str]) -> None:
        missing = [name for name in ("x_train", "y_train") if name not in given]
        if missing or ("x_test" in given) != ("y_test" in given):
            wanted = "x_train and y_train, and x_test and y_test or neither of them"
            do = "Give images with their labels; of a data set whose items are (image, label) take evobnn.Arrays.of."
            raise DataError(message(wanted, f"only {', '.join(given) or 'nothing'}", do))
        arrays = {name: as_array(name, value) for name, value in given.items()}
        train = plain_train(arrays["x_train"], arrays["y_train"], what.__getitem__, _names(class_names))
        if "x_test" in arrays:
            parts = train, plain_test(arrays["x_test"], arrays["y_test"], train, what.__getitem__)
        else:
            parts = _fifth(train)
        for name, part in zip(("train", "test"), parts, strict=True):
            object.__setattr__(self, name, part)

    def __repr__(self) -> str:
        counts = f"{len(self.train):,} + {len(self.test):,} images of shape {self.train.shape}"
        return f"<Arrays {self.fingerprint}: {counts} in {len(self.train.class_names)} classes>"

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: equal for equal pixels, labels and class names of both parts, and else not."""
        return fingerprint_of_parts(self.train, self.test)

    def keep(self, cache: Path | None = None) -> Path:
        """Keep the arrays in the cache and return their folder; see `evobnn.data.kept.keep`."""
        return keep(self.train, self.test, cache)

    def dataset(
        self,
        *,
        size: int = 0,
        validation: float = 0.25,
        train_limit: int = 0,
        validation_limit: int = 0,
        split_seed: int = 0,
    ) -> DatasetSpec:
        """Keep the arrays in the cache and return the data set for an `Experiment`; arguments as in `DatasetSpec`."""
        spec = DatasetSpec(
            NAME, size, validation, train_limit, validation_limit, split_seed, fingerprint=self.fingerprint
        )
        self.keep()
        return spec


_SAID = {"x": "images", "y": "labels"}


def _as_given(given: dict[str, Any]) -> dict[str, str]:
    """Return what each is called in messages, whose advice speaks of arrays."""
    return {name: name if isinstance(value, np.ndarray) else f"numpy.asarray({name})" for name, value in given.items()}


def _classes(data: Any) -> Sequence[str]:
    """Return the names that a data set gives its classes; none where it does not say."""
    found = getattr(data, "classes", None)
    return found if isinstance(found, list | tuple) else ()


def _names(class_names: Any) -> tuple[str, ...]:
    """Return class names as texts; several for one class, as torchvision has them, are joined."""
    if isinstance(class_names, str) or not hasattr(class_names, "__iter__"):
        do = "Write class_names=['cat', 'dog']."
        raise DataError(message("a list of texts as class_names", repr(class_names), do))
    return tuple(", ".join(map(str, name)) if isinstance(name, list | tuple) else str(name) for name in class_names)


def _fifth(whole: Images) -> tuple[Images, Images]:
    """Return what is left when a fifth is set apart, and that."""
    rest, apart = fifth_apart(whole.labels, NAME)
    lost = sorted(set(range(len(whole.class_names))) - set(whole.labels[rest].tolist()))
    if lost or not len(apart):
        wanted = "images of every class in x_train to learn from after a fifth is set apart as test part"
        got = f"none of {', '.join(whole.class_names[label] for label in lost)}" if lost else f"{len(whole)} in all"
        raise DataError(message(wanted, got, "Add images, or give x_test and y_test."))
    return whole.select(rest), whole.select(apart)
