"""How fast a network is here: PyTorch, the compiled C, and whatever else runs its graph, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evobnn._seeding import generator
from evobnn.data.batches import normalise
from evobnn.deploy import compiled
from evobnn.deploy.graph import Graph
from evobnn.deploy.latency import CTimer
from evobnn.deploy.ops import Array
from evobnn.deploy.timed import Timed, of_genome
from evobnn.deploy.timing import LEAST, MOST, SCALAR, Timing, simd_flags, time_c, timing_of
from evobnn.errors import NetworkError
from evobnn.evaluation import Bench
from evobnn.experiment import Experiment
from evobnn.training import torch_threads

BATCHES = (1, 64)
"""Images at a time. The C takes one after another."""
WARM = 3
NETWORKS = 4
"""Random networks of a space that are timed whole, beside its extremes."""


@dataclass(frozen=True)
class Measured:
    """What an engine took, a timing for each batch; or why it was not run here."""

    engine: str
    timings: tuple[Timing, ...] = ()
    absent: str = ""


Run = Callable[[Array], object]
"""Computes the logits of images, uint8 (N, C, H, W), on one thread."""

Engine = Callable[[Timed, Graph], Run]
"""Makes what runs a network; raises NetworkError with the reason where it cannot be run here."""


def _torch(timed: Timed, graph: Graph) -> Run:
    mean, deviation = torch.from_numpy(np.array(timed.mean)), torch.from_numpy(np.array(timed.deviation))

    def run(images: Array) -> object:
        with torch.inference_mode():
            return timed.network(normalise(torch.from_numpy(images), mean, deviation))

    return run


ENGINES: dict[str, Engine] = {"torch": _torch}
"""What runs inside this process, by name: whoever prints a graph for a library adds it here."""


def bench(
    timed: Timed,
    graph: Graph,
    compiler: compiled.Compiler | None,
    seconds: float = 1.0,
    batches: Sequence[int] = BATCHES,
    engines: Mapping[str, Engine] = ENGINES,
) -> list[Measured]:
    """Return how long a network takes by each engine, then by its C, scalar and with SIMD.

    Arguments:
        timed: the network.
        graph: of it, folded.
        compiler: of C, or None where there is none.
        seconds: for which each batch is run; at least 20 times.
        batches: images at a time.
        engines: by name.
    """
    found = []
    with torch_threads(1):
        for name, engine in engines.items():
            try:
                run = engine(timed, graph)
            except NetworkError as error:
                found.append(Measured(name, absent=str(error)))
                continue
            found.append(Measured(name, tuple(time_run(run, timed.images[:n], seconds) for n in batches)))
    for name, flags in c_builds(compiler).items():
        if compiler is None or flags is None:
            why = "there is no C compiler" if compiler is None else "the C has no SIMD for this processor"
            found.append(Measured(name, absent=why))
            continue
        timings = tuple(time_c(compiler, graph, timed.images[:n], flags, seconds) for n in batches)
        found.append(Measured(name, timings))
    return found


def c_builds(compiler: compiled.Compiler | None) -> dict[str, tuple[str, ...] | None]:
    """Return the options of the C by name; None for what cannot be run here."""
    if compiler is None:
        return {"C, scalar": None, "C, SIMD": None}
    return {"C, scalar": SCALAR, "C, SIMD": simd_flags(compiler)}


def time_run(run: Run, images: Array, seconds: float) -> Timing:
    """Return how long a batch of images takes in this process."""
    for _ in range(WARM):
        run(images)
    wall, cpu = list[float](), list[float]()
    begun = time.perf_counter()
    while len(wall) < MOST and (len(wall) < LEAST or time.perf_counter() - begun < seconds):
        before, spent = time.perf_counter(), time.process_time()
        run(images)
        wall.append(time.perf_counter() - before)
        cpu.append(time.process_time() - spent)
    return timing_of(len(images), wall, cpu)


def whole_networks(
    place: Bench, experiment: Experiment, timer: CTimer, data_dir: Path | None, seconds: float
) -> Iterator[tuple[float, float]]:
    """Yield milliseconds of some networks of a bench's space: the sum over their layers, and what one image takes.

    Raises NetworkError where there is no C compiler.
    """
    compiler = timer.found()
    flags = simd_flags(compiler) or SCALAR
    rng = generator(0, "whole networks")
    for genome in (*place.extremes(), *(place.space.sample(rng) for _ in range(NETWORKS))):
        timed = of_genome(place, genome, experiment.dataset, data_dir)
        yield place.milliseconds(genome), time_c(compiler, timed.graph(), timed.images[:1], flags, seconds).wall[1]
