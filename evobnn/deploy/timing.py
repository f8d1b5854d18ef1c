"""How long compiled C takes on this machine: a whole network image by image, or each of its stages."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from evobnn.deploy.c import Described, source
from evobnn.deploy.c.stages import stages
from evobnn.deploy.compiled import PATIENCE, REPORT, Compiler, built
from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Array
from evobnn.errors import NetworkError, message
from evobnn.machine.facts import cores

SCALAR = ("-O3", "-DEVOBNN_PORTABLE")
"""Options of a C compiler for C that any processor runs."""
NATIVE = ("-O3", "-march=native")
"""Options for all that this processor can do."""
LEAST, MOST = 20, 2000
"""Passes that are timed."""

Quartiles = tuple[float, float, float]
"""First quartile, median, third quartile."""


@dataclass(frozen=True)
class Spent:
    """Seconds of each pass over a batch of images: by the clock, and of the process on processors."""

    wall: Sequence[float]
    cpu: Sequence[float]


@dataclass(frozen=True)
class Timing:
    """Milliseconds per image, over rounds, of each of which the median pass counts.

    batch   images of a pass
    rounds  how many there were
    passes  in all of them
    wall    by the clock
    cpu     of the process's time on processors
    ratio   how many times as long as another engine it took, in each round; None without one
    """

    batch: int
    rounds: int
    passes: int
    wall: Quartiles
    cpu: Quartiles
    ratio: Quartiles | None = None


def timing_of(batch: int, rounds: Sequence[Spent], base: Sequence[Spent] | None = None) -> Timing:
    """Return what an image took, from the passes of so many images in each round, beside those of another engine.

    >>> timing_of(2, [Spent([0.002, 0.004, 0.018], [0.001]), Spent([0.008], [0.001])]).wall
    (2.5, 3.0, 3.5)
    """
    wall, cpu = (np.array([np.median(part) for part in kind]) for kind in zip(*map(_kinds, rounds), strict=True))
    ratio = None if base is None else wall / np.array([np.median(one.wall) for one in base])
    passes = sum(len(one.wall) for one in rounds)
    scale = 1000.0 / batch
    return Timing(
        *(batch, len(rounds), passes, _quartiles(wall * scale), _quartiles(cpu * scale)),
        None if ratio is None else _quartiles(ratio),
    )


def _kinds(one: Spent) -> tuple[Sequence[float], Sequence[float]]:
    return one.wall, one.cpu


def _quartiles(values: Array) -> Quartiles:
    low, middle, high = np.percentile(values, (25, 50, 75)).tolist()
    return low, middle, high


def simd_flags(compiler: Compiler) -> tuple[str, ...] | None:
    """Return the options for SIMD code on this processor; None where the C has none for it."""
    command = [*compiler.command, *NATIVE, "-dM", "-E", "-x", "c", os.devnull]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    macros = set(said.stdout.split())
    there = "__AVX2__" in macros or ("__ARM_NEON" in macros and "__aarch64__" in macros)
    return NATIVE if said.returncode == 0 and there else None


def busy(load: Callable[[], tuple[float, float, float]] | None = None, count: int | None = None) -> str:
    """Return that other work keeps this machine busy, so that times are too long; an empty text where it does not."""
    asked = load or getattr(os, "getloadavg", None)
    if asked is None:  # Windows
        return ""
    now, there = asked()[0], count or cores()
    if now + 1 <= there:
        return ""
    return f"This machine is busy: a load of {now:.1f} on {there} cores. Times are too long, and vary."


def time_c(compiler: Compiler, graph: Graph, images: Array, flags: tuple[str, ...], seconds: float) -> Timing:
    """Return how long the compiled C of a graph takes for a batch of images (N, C, H, W), one image after another.

    Raises NetworkError where it does not compile or run.
    """
    with tempfile.TemporaryDirectory() as at:
        path = program(compiler, graph, flags, Path(at))
        return timing_of(len(images), [run_program(path, images, seconds)])


def time_stages(compiler: Compiler, graph: Graph, images: Array, flags: tuple[str, ...], seconds: float) -> list[float]:
    """Return the median milliseconds of each of a graph's `stages` for one image.

    Raises NetworkError where it does not compile or run.
    """
    count = len(stages(graph))
    with tempfile.TemporaryDirectory() as at:
        path = program(compiler, graph, flags, Path(at), marks=True)
        numbers = _said(path, images[:1], seconds, LEAST).reshape(-1, count + 1)
    spent = np.median(numbers, axis=0) * 1000.0
    return [float(value) for value in np.maximum(spent[:count] - spent[count], 0.0)]


def program(compiler: Compiler, graph: Graph, flags: tuple[str, ...], place: Path, *, marks: bool = False) -> Path:
    """Compile the C of a graph in a folder with what times it, and with `marks` each of its `stages`.

    Raises NetworkError where it does not compile.
    """
    classes = graph.values[graph.output].shape[0]
    code = source(graph, Described([str(number) for number in range(classes)]), marks=marks)
    names = (f"-DEVOBNN_STAGES={len(stages(graph))}",) if marks else ()
    driver = resources.files("evobnn.deploy.c").joinpath("runtime/times.c").read_text(encoding="utf-8")
    for name, text in (("model.h", code.header), ("model.c", code.code), ("times.c", driver)):
        (place / name).write_text(text, encoding="utf-8")
    return built(compiler, place, place / "times.c", place, (*flags, *names))


def run_program(path: Path, images: Array, seconds: float, least: int = LEAST) -> Spent:
    """Return what the passes over a batch of images (N, C, H, W) take; raise NetworkError where it does not run."""
    numbers = _said(path, images, seconds, least).reshape(-1, 2)
    return Spent(numbers[:, 0].tolist(), numbers[:, 1].tolist())


def _said(path: Path, images: Array, seconds: float, least: int) -> Array:
    command = [str(path), str(len(images)), str(least), str(MOST), str(seconds)]
    pixels = np.ascontiguousarray(images).tobytes()
    done = subprocess.run(command, input=pixels, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode or not done.stdout:
        got = f"exit code {done.returncode} and {len(done.stdout)} bytes"
        raise NetworkError(message("times from the compiled C", got, REPORT))
    return np.frombuffer(done.stdout, np.float64)
