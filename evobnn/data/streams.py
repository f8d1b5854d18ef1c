"""Image folders too large for memory: files in, batches out, decoded again in every epoch by a `DataLoader`'s workers.

Which images are training and which validation is decided by the list of files exactly as for a prepared set (`cut`),
and each image is decoded by the same function (`pictures.decode`), so that a stream yields what the tensors of the same
folder would. Workers are sent paths, batch by batch, and keep nothing; order and values do not depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evobnn._checks import check_at_least
from evobnn.data.batches import grey_counts, placed_moments
from evobnn.data.dataset import DatasetSpec, cut
from evobnn.data.formats.pictures import DamagedImageError, Frame, Pictures, decode, warn_of_skipped
from evobnn.data.information import information_of_counts
from evobnn.data.notes import say
from evobnn.data.sources import train_part
from evobnn.errors import DataError, message

_CHECKED = 64


@dataclass(frozen=True)
class _Decoded(Dataset[Any]):
    """From a path to its pixels, or to the reason why there are none."""

    frame: Frame

    def __getitem__(self, path: str) -> Tensor | str:
        try:
            return torch.from_numpy(decode(path, self.frame))
        except DamagedImageError as error:
            return str(error)


def _stacked(items: list[Tensor | str]) -> Tensor | str:
    """Return uint8 (B, C, H, W), or the first reason why not."""
    tensors = [item for item in items if isinstance(item, Tensor)]
    return torch.stack(tensors) if len(tensors) == len(items) else next(x for x in items if isinstance(x, str))


def _reasons(items: list[Tensor | str]) -> list[str]:
    """Return for each item why it could not be decoded, or an empty text."""
    return [item if isinstance(item, str) else "" for item in items]


@dataclass(frozen=True)
class Loading:
    """How files are read: worker processes (0: none), and how these are started (None: as Python does by default)."""

    workers: int = 0
    context: str | None = None

    def passed(self, frame: Frame, batches: Iterable[Sequence[str]], collate: Any, pinned: bool = False) -> Any:
        """Return an iterable over the collated batches of paths, in their order."""
        return DataLoader(
            _Decoded(frame),
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=self.workers,
            multiprocessing_context=self.context if self.workers else None,
            collate_fn=collate,
            pin_memory=pinned,
            generator=torch.Generator(),  # the global one stays untouched
        )


@dataclass(frozen=True, eq=False)
class Streamed:
    """Training and validation images as files; a `Loader` (`loaders`).

    `mean` and `deviation` are float32 of shape (C,) in grey values; a damaged file met on the way raises
    DamagedImageError with its path.
    """

    train_pictures: Pictures
    validation_pictures: Pictures
    mean: Tensor
    deviation: Tensor
    loading: Loading

    @property
    def count(self) -> int:
        """Training images."""
        return len(self.train_pictures)

    @property
    def validation_count(self) -> int:
        """Validation images, perhaps 0."""
        return len(self.validation_pictures)

    @property
    def device(self) -> torch.device:
        """Where batches are put."""
        return self.mean.device

    def epoch(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the training images and labels at each of the index batches, in that order."""
        yield from self._pass(self.train_pictures, [indices.cpu().numpy() for indices in batches])

    def validation(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the validation images and labels, `batch` at a time, in order."""
        yield from self._pass(self.validation_pictures, _in_order(self.validation_count, batch))

    def _pass(self, pictures: Pictures, batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[tuple[Tensor, Tensor]]:
        if not batches:
            return
        pinned = self.device.type == "cuda"
        images = self.loading.passed(pictures.frame, _paths(pictures, batches), _stacked, pinned)
        for indices, found in zip(batches, images, strict=True):
            if isinstance(found, str):
                raise DamagedImageError(found)
            labels = torch.from_numpy(pictures.labels[indices])
            yield found.to(self.device, non_blocking=True), labels.to(self.device)


def stream_folder(
    spec: DatasetSpec,
    data_dir: Path | None,
    device: torch.device | str = "cpu",
    workers: int = 0,
    *,
    whole: bool = False,
    checked: bool = True,
    measured: int = 10_000,
    context: str | None = None,
) -> Streamed:
    """Return the training and validation part of a folder of images as a stream; no test image is opened.

    Arguments:
        spec: of a `folder`, with a size; the parts are those of `store.prepare`.
        data_dir: the folder.
        device: where batches are put.
        workers: processes that decode; 0 decodes in this one.
        whole: all training images without limit, and no validation part: for the last training.
        checked: decode every image once before anything trains, which takes as long as an epoch's reading; damaged ones
            are an error, or left out with `spec.skip_damaged` and named by one warning. Without it a damaged image is
            an error when its turn comes.
        measured: mean and deviation come from at most so many training images, evenly spaced in their list.
        context: `fork`, `spawn` or `forkserver`; None for Python's default.

    Raises:
        DataError: another source, no size, and as `sources.load_train`.
    """
    check_at_least("workers", workers, 0, DataError)
    check_at_least("measured", measured, 1, DataError)
    part = train_part(spec, data_dir)
    if not isinstance(part, Pictures):
        raise DataError(message("dataset.name = 'folder'", f"'{spec.name}'", "Prepare it; only folders stream."))
    if not spec.size:
        raise DataError(message("dataset.size for a stream", "0", "Give height and width in pixels."))
    for note in part.notes:
        say(note)
    every = np.arange(len(part), dtype=np.int64)
    train, validation = (part.select(one) for one in ((every, every[:0]) if whole else cut(part.labels, spec)))
    loading = Loading(workers, context)
    if checked:
        skipped: list[str] = []
        train = _readable(train, loading, spec.skip_damaged, skipped)
        validation = _readable(validation, loading, spec.skip_damaged, skipped)
        warn_of_skipped(skipped, len(skipped) + len(train) + len(validation))
    counts = _sampled_counts(train, loading, measured)
    for note in information_of_counts(counts):
        say(note)
    return Streamed(train, validation, *placed_moments(counts, device), loading)


def _readable(pictures: Pictures, loading: Loading, skip_damaged: bool, skipped: list[str]) -> Pictures:
    """Return those that can be decoded, adding the paths of the others to `skipped` or raising for the first."""
    batches = _in_order(len(pictures), _CHECKED)
    kept: list[int] = []
    for indices, reasons in zip(
        batches, loading.passed(pictures.frame, _paths(pictures, batches), _reasons), strict=True
    ):
        for index, reason in zip(indices, reasons, strict=True):
            if not reason:
                kept.append(int(index))
            elif skip_damaged:
                skipped.append(pictures.files.paths[index])
            else:
                raise DamagedImageError(reason)
    if len(pictures) and not kept:
        raise DataError(message("images that can be decoded", f"none among {len(pictures)}", "Check the files."))
    return pictures.select(np.array(kept, dtype=np.int64))


def _sampled_counts(pictures: Pictures, loading: Loading, most: int) -> npt.NDArray[np.int64]:
    """Return the counts of grey values, (C, 256), over at most `most` pictures, evenly spaced."""
    count = min(most, len(pictures))
    chosen = pictures.select(np.arange(count, dtype=np.int64) * len(pictures) // max(1, count))
    batches = _in_order(count, _CHECKED)
    counts = np.zeros((pictures.frame.shape[0], 256), dtype=np.int64)
    for found in loading.passed(pictures.frame, _paths(chosen, batches), _stacked):
        if isinstance(found, str):
            raise DamagedImageError(found)
        counts += grey_counts(found.numpy())
    return counts


def _in_order(count: int, batch: int) -> list[npt.NDArray[np.int64]]:
    return [np.arange(start, min(start + batch, count)) for start in range(0, count, batch)]


def _paths(pictures: Pictures, batches: Sequence[npt.NDArray[np.int64]]) -> list[list[str]]:
    return [[pictures.files.paths[index] for index in indices] for indices in batches]
