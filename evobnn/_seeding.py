"""Randomness is an argument: child seeds from one root, generator states as JSON, and a guard for global streams."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np

Generator = np.random.Generator
T = TypeVar("T")


def child_seed(root: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**63) that depends only on the root and the words of `purpose`.

    The words are hashed with SHA-256, so the order of evaluation, the worker and PYTHONHASHSEED play no part.
    """
    text = "\x1f".join(str(word) for word in (root, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(root: int, *purpose: str | int) -> Generator:
    """Return NumPy's PCG64 generator seeded by `child_seed(root, *purpose)`."""
    return np.random.Generator(np.random.PCG64(child_seed(root, *purpose)))


def state_of(rng: Generator) -> dict[str, Any]:
    """Return the state of a PCG64 generator as plain numbers and strings, ready for JSON."""
    return dict(rng.bit_generator.state)


def generator_from(state: dict[str, Any]) -> Generator:
    """Return a generator that continues where `state_of` was taken."""
    bits = np.random.PCG64()
    bits.state = cast(Any, state)
    return np.random.Generator(bits)


@contextmanager
def guarded(seed: int) -> Iterator[None]:
    """Seed the global `random` and `numpy.random` streams for the block and put them back afterwards.

    DEAP's operators draw from `random`, its NSGA-III from `numpy.random`. Not safe for threads.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def pick(rng: Generator, options: Sequence[T]) -> T:
    """Return a uniformly drawn element of a non-empty sequence."""
    return options[int(rng.integers(len(options)))]
