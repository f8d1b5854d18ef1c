"""What a final training reads: tensors of a prepared set, or a stream of a folder that is too large for memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from evobnn.data import IN_MEMORY_BYTES, DatasetSpec, Images, PreparedData, Split, decoded_bytes, open_split
from evobnn.data.batches import all_tensors, to_tensors
from evobnn.data.dataset import cut
from evobnn.data.formats.pictures import Frame, Pictures
from evobnn.data.loaders import Loader
from evobnn.data.sources import train_part
from evobnn.data.streams import stream_folder
from evobnn.errors import ExperimentError, message
from evobnn.machine.facts import cores


def is_streamed(spec: DatasetSpec, data_dir: Path | None, all_images: bool) -> bool:
    """Tell whether the images are decoded anew in every epoch: those of a folder that would not fit into memory."""
    return spec.name == "folder" and decoded_bytes(spec, data_dir, whole=all_images) > IN_MEMORY_BYTES


def frame_of(spec: DatasetSpec, data_dir: Path | None) -> Frame | None:
    """Return to what the files of a folder of images are decoded; None for any other data set."""
    part = train_part(spec, data_dir) if spec.name == "folder" else None
    return part.frame if isinstance(part, Pictures) else None


def listed(spec: DatasetSpec, data_dir: Path | None) -> PreparedData:
    """Return what is known of a folder of images that is streamed: all but prepared files.

    The fingerprint is that of the list: names, sizes and classes of the files that are trained and validated on.

    Raises:
        DataError: as `evobnn.data.streams.stream_folder`, apart from damaged images.
    """
    part = train_part(spec, data_dir)
    assert isinstance(part, Pictures)  # a folder's
    train, validation = cut(part.labels, spec)
    digest = hashlib.sha256(f"({part.frame.text}, {part.class_names!r})".encode())
    for indices in (train, validation):
        for index in indices.tolist():
            path = Path(part.files.paths[index])
            digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size} {part.labels[index]}\n".encode())
    names, counts = part.class_names, (len(train), len(validation))
    return PreparedData("", digest.hexdigest()[:16], spec.name, part.frame.shape, len(names), *counts, names)


def loader_of(
    prepared: PreparedData, spec: DatasetSpec, device: str, data_dir: Path | None, *, all_images: bool = False
) -> Loader:
    """Return the images to learn from and to validate on, on the device.

    Arguments:
        prepared: the set; without a folder it is streamed.
        spec: of the set.
        device: where batches are put.
        data_dir: folder with the published files, for a stream.
        all_images: learn from the validation part too, behind the training part; nothing is validated then.
    """
    if not prepared.folder:
        return stream_folder(spec, data_dir, device, cores(), whole=all_images)
    split = open_split(prepared.folder)
    return all_tensors(whole(split), device) if all_images else to_tensors(split, device)


def whole(split: Split) -> Images:
    """Return the training images and behind them those of the validation part."""
    images = np.concatenate([split.train.images, split.validation.images])
    labels = np.concatenate([split.train.labels, split.validation.labels])
    return Images(images, labels, split.train.class_names)


def check_stream(spec: DatasetSpec, all_images: bool) -> None:
    """Raise ExperimentError where a stream cannot take all images because the data set is limited."""
    if all_images and (spec.train_limit or spec.validation_limit):
        got = f"train_limit = {spec.train_limit}, validation_limit = {spec.validation_limit}"
        do = "Leave --all-images out, or set both limits to 0."
        raise ExperimentError(message("no limits with --all-images on a folder that is streamed", got, do))
