"""What is learned from: real images as published, cut once, kept as bytes.

A search trains and scores thousands of networks on the same images, so these are prepared once: a published set is
read from the user's files (`sources`), its training images are cut class by class into a training and a validation part
with a fixed seed and perhaps resampled (`dataset`, `resample`), and the result is laid down as `.npy` files (`store`)
that every worker opens without copying. Test images never enter those files: what a search cannot see it cannot
overfit. On the training side the whole set is one uint8 tensor, and batches and augmentations are functions of tensors
and a generator (`batches`, the only file here that needs torch). A fingerprint of pixels, labels and class names stands
in the protocol of every evaluation, so two errors are compared only if both were measured on the same images.
"""

from __future__ import annotations

from evobnn.data.dataset import DatasetSpec, Images, Split, fingerprint, split
from evobnn.data.sources import SOURCES, Published, Source, load
from evobnn.data.store import PreparedData, open_split, prepare

__all__ = [
    "SOURCES",
    "DatasetSpec",
    "Images",
    "PreparedData",
    "Published",
    "Source",
    "Split",
    "fingerprint",
    "load",
    "open_split",
    "prepare",
    "split",
]
