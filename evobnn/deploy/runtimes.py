"""The formats that packages run: what each needs, and whether its file says what the network says."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evobnn.deploy import onnx, openvino, qonnx
from evobnn.deploy.bits import Packed
from evobnn.deploy.compiled import REPORT
from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Array
from evobnn.deploy.verify import Answered, compared
from evobnn.errors import NetworkError, message

ROUNDING = 1e-4
"""By what share of the largest logit one may be off where all signs are the same."""

Answers = tuple[dict[str, Array], Array]
"""The signs of each site by its path, bool (N, C, H, W), and the logits, (N, classes)."""


@dataclass(frozen=True)
class Runtime:
    """A format and the packages that write and run it, which are those of the extra of its name.

    Attributes:
        modules: that are imported.
        write: puts files into a folder, and returns what is to be said of them.
        run: returns what they say, without signs unless they are asked for.
        compared: images of which all signs are compared.
        checked: images of which the classes are.
    """

    modules: tuple[str, ...]
    write: Callable[[Path, Packed], list[str]]
    run: Callable[..., Answers]
    compared: int = 64
    checked: int = 1000


RUNTIMES = {
    "onnx": Runtime(("onnx", "onnxruntime"), onnx.write, onnx.run),
    # Seconds an image, one after another.
    "qonnx": Runtime(("onnx", "onnxruntime", "qonnx", "tqdm"), qonnx.write, qonnx.run, 2, 32),
    "openvino": Runtime(("openvino",), openvino.write, openvino.run),
}
"""By the name of the format."""


def lacking(name: str) -> list[str]:
    """Return which packages of a format are not installed."""
    return [module for module in RUNTIMES[name].modules if importlib.util.find_spec(module) is None]


def require(name: str) -> None:
    """Raise NetworkError where a package of a format is not installed."""
    if missing := lacking(name):
        do = f"Run `pip install 'evobnn[{name}]'`, or leave {name} out of --to."
        raise NetworkError(message(f"the packages behind '{name}'", f"no {', '.join(missing)}", do))


def export(
    name: str, place: Path, packed: Packed, images: Array, wanted: Array, torch: Callable[[Array], Answers]
) -> tuple[Answered, list[str]]:
    """Write a network in a format, run it, and return what it answered and what is to be said.

    Arguments:
        name: of the format.
        place: the folder to write to.
        packed: the folded network.
        images: uint8 (N, C, H, W); as many are checked as the format has time for.
        wanted: PyTorch's classes of them.
        torch: what PyTorch says of images.

    Raises:
        NetworkError: the file says something that rounding does not explain.
    """
    runtime = RUNTIMES[name]
    said = runtime.write(place, packed)
    few = images[: runtime.compared]
    signs, logits = runtime.run(place, packed.graph, few, sites=True)
    flips, bits = explained(name, packed.graph, few, signs, logits)
    images, wanted = images[: runtime.checked], wanted[: runtime.checked]
    _, own = runtime.run(place, packed.graph, images, sites=False)
    other = np.flatnonzero(own.argmax(1) != wanted)
    count = 0
    if len(other):
        again = runtime.run(place, packed.graph, images[other], sites=True)
        count = turned(name, packed.graph, images[other], again, torch(images[other]))
    found = Answered(len(few), bits, flips, len(images), len(images) - len(other), count)
    return found, [*said, *_lines(name, found)]


def _lines(name: str, found: Answered) -> list[str]:
    but = f" but {found.flips:,}, which rounding turns" if found.flips else ""
    lines = [
        f"{name}: signs as the reference's on {found.compared} images: all of {found.bits:,}{but}.",
        f"{name}: {found.same:,} of {found.images:,} images in PyTorch's class.",
    ]
    if others := found.images - found.same:
        lines.append(f"{name}: in the other {others} rounding turned {found.turned:,} signs.")
    return lines


def explained(name: str, graph: Graph, images: Array, signs: dict[str, Array], logits: Array) -> tuple[int, int]:
    """Return how many signs differ from the reference's, all where rounding turns them, and of how many."""
    found = compared(graph, images, signs, logits)
    if found.wrong:
        path, count = found.wrong[0]
        raise NetworkError(message("the signs of the reference", f"{count} others from {name} at '{path}'", REPORT))
    if not found.logits <= ROUNDING * max(1.0, float(abs(logits).max())):
        raise NetworkError(message("the logits of the reference", f"{name} is off by {found.logits:g}", REPORT))
    return found.flips, found.bits


def turned(name: str, graph: Graph, images: Array, own: Answers, torch: Answers) -> int:
    """Return how many signs rounding turned in images of another class than PyTorch's, given the answers of both.

    Raises:
        NetworkError: a sign, or a class of an image without a turned sign, that rounding does not explain.
    """
    for who, answers in ((name, own), ("PyTorch", torch)):
        explained(who, graph, images, *answers)
    (signs, _), (theirs, wanted) = own, torch
    found = np.array([sum(int((signs[p][n] != theirs[p][n]).sum()) for p in signs) for n in range(len(images))])
    top = np.sort(wanted, 1)[:, -2:]
    close = top[:, 1] - top[:, 0] <= 2 * ROUNDING * np.maximum(1.0, abs(wanted).max(1))
    if ((found == 0) & ~close).any():
        raise NetworkError(message(f"PyTorch's class from {name}", "another one, and no sign that was turned", REPORT))
    return int(found.sum())
