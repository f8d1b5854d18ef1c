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
"""Rounds that are timed."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds per image.

    batch   images of a round
    rounds  how many were timed
    wall    first quartile, median, third quartile by the clock
    cpu     the same of the process's time on processors
    """

    batch: int
    rounds: int
    wall: tuple[float, float, float]
    cpu: tuple[float, float, float]


def timing_of(batch: int, wall: Sequence[float], cpu: Sequence[float]) -> Timing:
    """Return what rounds of so many images took, from seconds a round.

    >>> timing_of(2, [0.002, 0.004, 0.006], [0.002, 0.002, 0.002]).wall
    (1.5, 2.0, 2.5)
    """

    def quartiles(seconds: Sequence[float]) -> tuple[float, float, float]:
        low, middle, high = np.percentile(np.asarray(seconds) * 1000.0 / batch, (25, 50, 75)).tolist()
        return low, middle, high

    return Timing(batch, len(wall), quartiles(wall), quartiles(cpu))


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
    numbers = _run(compiler, graph, images, flags, seconds, marks=False).reshape(-1, 2)
    return timing_of(len(images), numbers[:, 0].tolist(), numbers[:, 1].tolist())


def time_stages(compiler: Compiler, graph: Graph, images: Array, flags: tuple[str, ...], seconds: float) -> list[float]:
    """Return the median milliseconds of each of a graph's `stages` for one image.

    Raises NetworkError where it does not compile or run.
    """
    count = len(stages(graph))
    numbers = _run(compiler, graph, images[:1], flags, seconds, marks=True).reshape(-1, count + 1)
    spent = np.median(numbers, axis=0) * 1000.0
    return [float(value) for value in np.maximum(spent[:count] - spent[count], 0.0)]


def _run(
    compiler: Compiler, graph: Graph, images: Array, flags: tuple[str, ...], seconds: float, *, marks: bool
) -> Array:
    classes = graph.values[graph.output].shape[0]
    code = source(graph, Described([str(number) for number in range(classes)]), marks=marks)
    names = (f"-DEVOBNN_STAGES={len(stages(graph))}",) if marks else ()
    with tempfile.TemporaryDirectory() as at:
        place = Path(at)
        driver = resources.files("evobnn.deploy.c").joinpath("runtime/times.c").read_text(encoding="utf-8")
        for name, text in (("model.h", code.header), ("model.c", code.code), ("times.c", driver)):
            (place / name).write_text(text, encoding="utf-8")
        program = built(compiler, place, place / "times.c", place, (*flags, *names))
        command = [str(program), str(len(images)), str(LEAST), str(MOST), str(seconds)]
        pixels = np.ascontiguousarray(images).tobytes()
        done = subprocess.run(command, input=pixels, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode or not done.stdout:
        got = f"exit code {done.returncode} and {len(done.stdout)} bytes"
        raise NetworkError(message("times from the compiled C", got, REPORT))
    return np.frombuffer(done.stdout, np.float64)
