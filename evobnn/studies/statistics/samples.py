"""What samples are held to before anything is computed of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evobnn.errors import EvobnnError, message

Floats = NDArray[np.float64]


def paired(least: int, *samples: ArrayLike) -> list[Floats]:
    """Return the samples as vectors of one length of at least `least`."""
    found = [finite(np.asarray(sample, dtype=float)) for sample in samples]
    lengths = [one.shape for one in found]
    if any(len(shape) != 1 for shape in lengths) or len(set(lengths)) != 1:
        raise EvobnnError(
            message("samples of one length, paired by seed", f"shapes {lengths}", "Leave out a seed in all of them.")
        )
    if len(found[0]) < least:
        raise EvobnnError(message(f"at least {least} pairs", str(len(found[0])), "Run more seeds."))
    return found


def finite(values: Floats) -> Floats:
    """Return the values; raise EvobnnError where one is not finite."""
    if not np.all(np.isfinite(values)):
        bad = str(values[~np.isfinite(values)][0])
        raise EvobnnError(message("finite numbers", bad, "Leave a failed run out, with its partners."))
    return values
