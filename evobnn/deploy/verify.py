"""Whether a graph says what PyTorch says, site by site: a sign may differ only where rounding can turn it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evobnn.deploy.forms import computed
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.ops import Array, Expression, Site
from evobnn.deploy.reference import apply, evaluate

ULPS = 16
"""By how many units in the last place of a map's largest number a number may be off before its sign."""
TRIES = 9
"""At so many places around a number it is looked whether its sign can turn."""


@dataclass(frozen=True)
class Agreement:
    """What a comparison found.

    images    how many were compared
    bits      how many signs of sites
    flips     how many of them differ, all where rounding can turn them
    wrong     the paths of sites with signs that differ elsewhere, each with their number
    logits    the largest difference of a logit, given the same signs
    """

    images: int
    bits: int
    flips: int
    wrong: tuple[tuple[str, int], ...]
    logits: float


@dataclass(frozen=True)
class Answered:
    """What a file said when it was run.

    compared  images of which every sign was compared with the reference's
    bits      how many signs these are
    flips     how many of them differ, all where rounding can turn them
    images    of which the class was compared with PyTorch's
    same      how many are in it
    turned    how many signs rounding turned in the others
    """

    compared: int
    bits: int
    flips: int
    images: int = 0
    same: int = 0
    turned: int = 0


def compared(graph: Graph, images: Array, signs: dict[str, Array], logits: Array) -> Agreement:
    """Compare a graph with the signs of another back end, which go on in place of its own: nothing spreads.

    Arguments:
        graph: folded or not.
        images: uint8 (N, C, H, W).
        signs: of each site by the path of its module, bool (N, C, H, W).
        logits: (N, classes).
    """
    found = {"bits": 0, "flips": 0}
    wrong: dict[str, int] = {}

    def watch(node: Node, inputs: list[Array], output: Array) -> Array | None:
        if not isinstance(node.op, Site):
            return None
        other = signs[node.path]
        found["bits"] += output.size
        differs = output != other
        if differs.any():
            explained = differs & turns(node.op, inputs[0], other)
            found["flips"] += int(explained.sum())
            if (rest := int((differs & ~explained).sum())) > 0:
                wrong[node.path] = rest
        return other

    own = evaluate(graph, images, watch)
    largest = float(abs(own - logits).max()) if own.size else 0.0
    return Agreement(len(images), found["bits"], found["flips"], tuple(wrong.items()), largest)


def turns(site: Site, x: Array, wanted: Array) -> Array:
    """Return where a number within rounding of x has the wanted sign; bool, shaped as x."""
    there = np.zeros(x.shape, bool)
    if not site.exact:
        reach = np.float32(ULPS * np.finfo(np.float32).eps) * abs(x).max()
        for share in np.linspace(-1.0, 1.0, TRIES, dtype=np.float32):
            there |= apply(site, [x + share * reach]) == wanted
    if site.direct:
        there |= _turns_inside(site, x, wanted) & _directly(site, x)
    return there


def _directly(site: Site, x: Array) -> Array:
    """Return where a number is evaluated directly; bool, shaped as x."""
    if site.table is None:
        return np.ones(x.shape, bool)
    low, high = (end.reshape(1, -1, *(1,) * (x.ndim - 2)) for end in (site.table.low, site.table.high))
    found: Array = (x < low) | (x > high)
    return found


def _turns_inside(site: Site, x: Array, wanted: Array) -> Array:
    """Return where rounding on the way turns the sign: every step of the function is off by a random part of `ULPS`.

    Some functions are 0 but for rounding on whole intervals; there each library has signs of its own. Some libraries
    also take numbers for 0 that are smaller than the least normal one.
    """
    draw = np.random.default_rng(0)

    def rounded(values: Array) -> Array:
        share = draw.uniform(-ULPS, ULPS, x.shape) * np.finfo(np.float32).eps
        found: Array = (values * (1 + share)).astype(np.float32)
        return found

    there = np.zeros(x.shape, bool)
    with np.errstate(all="ignore"):
        for change in (_flushed, *(rounded,) * TRIES):
            value = x
            for op in site.direct:
                value = computed(op, value, change) if isinstance(op, Expression) else change(apply(op, [value]))
            there |= (value >= 0) == wanted
    return there


def _flushed(values: Array) -> Array:
    return np.where(abs(values) < np.finfo(np.float32).tiny, np.float32(0), values)


def signs_of(graph: Graph, images: Array) -> tuple[dict[str, Array], Array]:
    """Return the signs of every site of a graph, by its path, and the logits."""
    found: dict[str, Array] = {}

    def watch(node: Node, inputs: list[Array], output: Array) -> None:
        if isinstance(node.op, Site):
            found[node.path] = output

    logits = evaluate(graph, images, watch)
    return found, logits
