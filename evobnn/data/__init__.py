"""What is learned from: real images as published, cut once, kept as bytes.

A search trains and scores thousands of networks on the same images, so these are prepared once: a published set is
read from the user's files (`sources`), its training images are cut class by class into a training and a validation part
with a fixed seed and perhaps resampled (`dataset`, `resample`), and the result is laid down as `.npy` files (`store`)
that every worker opens without copying. Test images never enter those files, nor are they read to make them: what a
search cannot see it cannot overfit. `load_test` alone reads them, and `reads_of_test` counts it. Folders of images
(`folder`, `pictures`) are decoded once, or, where that would be too much, in every epoch (`streams`).

Arrays and map-style data sets that a program hands in (`arrays`, `items`) are kept in the cache (`cache`, `kept`) and
read from there as any other set.

What people have is seldom what a format says: `walk` and `parts` know folders, `heads` files, `plain` arrays, and
`information` tells whether images show anything. What is odd is refused with what to do, or said (`notes`).

A training reads from a `Loader` (`loaders`): the whole set as one uint8 tensor (`batches`) or a stream of files; a
trained network is given raw images (`raw`). Batches and augmentations (`augment`) are functions of tensors and a
generator; these five files alone need torch. A fingerprint of pixels, labels and class names stands in the protocol of
every evaluation, so two errors are compared only if both were measured on the same images.
"""

from __future__ import annotations

from evobnn.data.dataset import DatasetSpec, Images, Split, fingerprint, split
from evobnn.data.formats.pictures import IN_MEMORY_BYTES
from evobnn.data.sources import SOURCES, Source, check_test, decoded_bytes, load_test, load_train, reads_of_test
from evobnn.data.store import PreparedData, open_split, prepare

__all__ = [
    "IN_MEMORY_BYTES",
    "SOURCES",
    "DatasetSpec",
    "Images",
    "PreparedData",
    "Source",
    "Split",
    "check_test",
    "decoded_bytes",
    "fingerprint",
    "load_test",
    "load_train",
    "open_split",
    "prepare",
    "reads_of_test",
    "split",
]
