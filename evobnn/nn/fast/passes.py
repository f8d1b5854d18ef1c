"""Compiled loops called on maps, by as many threads as torch has; and a batch norm as two numbers for each channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evobnn.nn.fast.maps import Floats, running, scales

_WORTH_THREADS = 1 << 17  # entries of a map


@cache
def kernels() -> Any:
    """Return the compiled loops; imported when they are first needed, as Numba takes half a second."""
    from evobnn.nn.fast import loops as kernels

    return kernels


@cache
def programs() -> Any:
    """Return the interpreter of expressions, likewise."""
    from evobnn.nn.fast import programs

    return programs


def run(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel, with as many threads as torch has: each takes its share of the images of all maps. What a kernel
    returns is sums, and these are added in the order of the shares, so that equal numbers of threads give equal bytes.
    """
    images, threads = len(arguments[0]), torch.get_num_threads()
    if alone(arguments[0].size):
        return kernel(*arguments)
    bounds = [images * i // threads for i in range(threads + 1)]
    shares = [
        [one[low:high] if isinstance(one, np.ndarray) and one.ndim == 4 else one for one in arguments]
        for low, high in pairwise(bounds)
        if high > low
    ]
    others = [_pool(threads).submit(kernel, *share) for share in shares[1:]]
    found = [kernel(*shares[0]), *(other.result() for other in others)]
    return None if found[0] is None else tuple(sum(parts) for parts in zip(*found, strict=True))


def alone(entries: int) -> bool:
    """Tell whether one thread does a map of so many entries alone."""
    return torch.get_num_threads() == 1 or entries < _WORTH_THREADS


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, "evobnn-kernels")


class Norm:
    """A batch norm of one pass over z = alpha x, as y = a x + b, and what its backward pass needs. In training it takes
    the moments of the batch and updates the running ones, else it takes these.
    """

    def __init__(self, norm: nn.BatchNorm2d, x: npt.NDArray[Any], alpha: Floats | None = None) -> None:
        channels = x.shape[3]
        self.alpha = np.ones(channels, np.float32) if alpha is None else alpha
        self.count = x.size // channels if norm.training else 0
        self.gain, bias = scales(norm, channels)
        sums = run(kernels().moments, x) if self.count else (np.zeros(channels), np.zeros(channels))
        moments, share = running(norm), norm.momentum or 0.0
        told = kernels().settled(*sums, self.count, self.alpha, self.gain, bias, *moments, norm.eps, share)
        self.a, self.b, self.middle, self.inverse = told

    def backward(self, total: Any, products: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the gradients of gain and bias, and k1 and k0 of `kernels.leave`, from the sums of g and of g x."""
        rest = self.count, self.alpha, self.gain, self.middle, self.inverse
        steep, k1, k0 = kernels().tilted(total, products, *rest)
        return steep, total, k1, k0
