"""How fast a network is here by several engines, which take turns so that a busy moment hits them all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evobnn._seeding import generator
from evobnn.deploy.compiled import Compiler
from evobnn.deploy.engines import ENGINES, AbsentError, Engine, Turn
from evobnn.deploy.latency import CTimer
from evobnn.deploy.timed import Timed, of_genome
from evobnn.deploy.timing import SCALAR, Spent, Timing, simd_flags, time_c, timing_of
from evobnn.evaluation import Bench
from evobnn.experiment import Experiment
from evobnn.training import torch_threads

BATCHES = (1, 64)
"""Images at a time. The C and OpenVINO take one after another."""
ROUNDS, LEAST = 5, 4
"""Rounds, in each of which every engine has a turn; and how many passes a turn has at least."""
BASES = ("C, SIMD", "C, scalar")
"""What ratios refer to: the first of these that runs here."""
NETWORKS = 4
"""Random networks of a space that are timed whole, beside its extremes."""


@dataclass(frozen=True)
class Measured:
    """What an engine took, a timing for each batch; or why it was not run here."""

    engine: str
    timings: tuple[Timing, ...] = ()
    absent: str = ""


def bench(
    timed: Timed,
    compiler: Compiler | None,
    seconds: float = 1.0,
    batches: Sequence[int] = BATCHES,
    engines: Mapping[str, Engine] = ENGINES,
) -> list[Measured]:
    """Return how long a network takes by each engine.

    Arguments:
        timed: the network.
        compiler: of C, or None where there is none.
        seconds: for which each engine runs each batch, all rounds together.
        batches: images at a time.
        engines: by name.
    """
    turns, absent = dict[str, Turn](), dict[str, str]()
    with torch_threads(1), tempfile.TemporaryDirectory() as at:
        for number, (name, engine) in enumerate(engines.items()):
            (place := Path(at) / str(number)).mkdir()
            try:
                turns[name] = engine(timed, place, compiler)
            except AbsentError as error:
                absent[name] = str(error)
        spent = {n: in_turns(turns, timed, n, seconds) for n in batches}
    base = next((name for name in BASES if name in turns), None)

    def timing(name: str, n: int) -> Timing:
        return timing_of(n, spent[n][name], spent[n][base] if base else None)

    return [
        Measured(name, absent=absent[name])
        if name in absent
        else Measured(name, tuple(timing(name, n) for n in batches))
        for name in engines
    ]


def base_of(measured: Sequence[Measured]) -> str | None:
    """Return what the ratios of timings refer to."""
    return next((name for name in BASES for one in measured if one.engine == name and one.timings), None)


def in_turns(
    turns: Mapping[str, Turn], timed: Timed, batch: int, seconds: float, rounds: int = ROUNDS
) -> dict[str, list[Spent]]:
    """Return what the passes of each engine took, round after round; each has so many seconds in all."""
    found: dict[str, list[Spent]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn(timed.images[:batch], seconds / rounds, LEAST))
    return found


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
