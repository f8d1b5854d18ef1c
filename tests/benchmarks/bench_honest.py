"""What counts say of speed: OPs, MACs and the sum over the table of layer times, beside what whole networks take in C.

Networks are sampled from a preset's space, their weights random, their norms with the moments of images. The rank
correlation of each predictor with the measured milliseconds is Kendall's tau with its 95 % bootstrap interval over
networks. The networks take turns, and the turn that took least is what a network takes: a shared processor runs at one
of two paces for some seconds, and others' work only ever adds. What was measured stands in `--rows`, a line for each
turn: a second call goes on from there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from draws import drawn
from figures import heading, write

from evobnn._seeding import generator
from evobnn.analysis.pictures.predictions import Predictor, save_predictors
from evobnn.deploy.compiled import Compiler
from evobnn.deploy.latency import CTimer
from evobnn.deploy.timed import Timed, of_genome
from evobnn.deploy.timing import busy, program, run_program
from evobnn.errors import NetworkError
from evobnn.evaluation import Additions, Bench
from evobnn.experiment import Experiment
from evobnn.runs import Options
from evobnn.runs.chosen import experiment as chosen
from evobnn.runs.setup import make_bench
from evobnn.studies.statistics import kendall

PREDICTORS = {"ops": "OPs", "macs": "MACs", "layers": "sum over layers (ms)"}
SETTINGS = ['objectives=["error","latency"]', "recipe.kernels=torch", "recipe.precision=fp32"]


@dataclass(frozen=True)
class Measured:
    """A turn of a network: what it was measured as, what counts say, and the median milliseconds of an image."""

    genome: str
    of: str
    turn: int
    ops: float
    macs: float
    layers: float
    milliseconds: float


def measured(
    bench: Bench,
    experiment: Experiment,
    timer: CTimer,
    count: int,
    turns: int,
    seconds: float,
    of: str,
    known: Mapping[tuple[str, int], Measured],
    place: Path,
) -> Iterator[Measured]:
    """Yield the turns of so many networks, those that are known as they are; programs are compiled in `place`."""
    compiler = timer.found()
    ready: dict[str, tuple[Path, Timed]] = {}
    for turn in range(turns):
        for text, genome in drawn(bench, generator(0, "honest"), count).items():
            if (one := known.get((text, turn))) is not None and one.of == of:
                yield one
                continue
            if text not in ready:
                (own := place / str(len(ready))).mkdir()
                timed = of_genome(bench, genome, experiment.dataset, None)
                ready[text] = program(compiler, timed.graph(), timer.options(compiler), own), timed
            path, timed = ready[text]
            cost = bench.cost(genome)
            took = 1000 * median(run_program(path, timed.images[:1], seconds).wall)
            macs = float(cost.real_macs + cost.binary_macs)
            yield Measured(text, of, turn, float(cost.ops), macs, bench.milliseconds(genome), took)


def together(turns: Sequence[Measured]) -> list[Measured]:
    """Return each network with the turn that took least."""
    of: dict[str, list[Measured]] = {}
    for one in turns:
        of.setdefault(one.genome, []).append(one)
    return [replace(own[0], milliseconds=min(one.milliseconds for one in own)) for own in of.values()]


def read(path: Path) -> dict[tuple[str, int], Measured]:
    """Return what a file holds, by genome and turn; a line that was cut off is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            one = Measured(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[one.genome, one.turn] = one
    return found


def named(timer: CTimer, compiler: Compiler, preset: str, table: str, seconds: float) -> str:
    """Return all that a measurement depends on beside its network."""
    return ", ".join([preset, compiler.version, *timer.options(compiler), f"layer times {table}", f"{seconds:g} s"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mnist5k", help="of whose space networks are (default: mnist5k)")
    parser.add_argument("--networks", type=int, default=40, help="sampled, all of them different (default: 40)")
    parser.add_argument("--turns", type=int, default=7, help="of each network (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn (default: 0.1)")
    parser.add_argument("--scalar", action="store_true", help="C without vectors, and its own table of layer times")
    parser.add_argument("--compiler", help="of C (default: $CC, cc, gcc or clang)")
    parser.add_argument(
        "--rows", type=Path, default=Path("honest.jsonl"), help="what was measured, to go on from there"
    )
    parser.add_argument("--picture", type=Path, default=Path("honest.png"), help="where it is drawn")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    timer = CTimer(given.compiler, portable=given.scalar)
    try:
        compiler = timer.found()
    except NetworkError as error:
        print(error)
        return
    print(heading())
    if sentence := busy():
        print(sentence)
    experiment = chosen(given.preset, None, SETTINGS)
    bench = make_bench(experiment, Options(jobs=1, additions=Additions(timer=timer)))
    assert bench.latency is not None
    of = named(timer, compiler, given.preset, bench.latency.times.fingerprint(), given.seconds)
    known, found = read(given.rows), list[Measured]()
    with TemporaryDirectory() as place, given.rows.open("a", encoding="utf-8") as file:
        if file.tell() and not given.rows.read_bytes().endswith(b"\n"):  # of a call that was killed
            file.write("\n")
        size = given.networks, given.turns, given.seconds
        for one in measured(bench, experiment, timer, *size, of, known, Path(place)):
            if one is not known.get((one.genome, one.turn)):
                print(json.dumps(asdict(one)), file=file, flush=True)
            found.append(one)
    rows = together(found)
    for number, one in enumerate(rows, 1):
        print(f"{number:>4}  {one.milliseconds:.4f} ms, layers {one.layers:.4f} ms")
    took = [one.milliseconds for one in rows]
    shares = np.percentile([100 * one.layers / one.milliseconds for one in rows], (0, 5, 50, 95, 100))
    print(f"\n{of}\n{len(rows)} networks, {min(took):.4f} to {max(took):.4f} ms")
    print("sums over layers in % of what networks take, from least to most:", *(f"{share:.0f}" for share in shares))
    predictors, told = list[Predictor](), list[dict[str, Any]]()
    for name, label in PREDICTORS.items():
        values = [getattr(one, name) for one in rows]
        tau = kendall(values, took, generator(0, "honest", name))
        print(f"{label:<22} tau {tau.estimate:.3f} ({tau.low:.3f} to {tau.high:.3f})")
        predictors.append(Predictor(label, values, (tau.estimate, tau.low, tau.high), same=name == "layers"))
        told.append({"predictor": name, "tau": asdict(tau)})
    save_predictors(given.picture, predictors, took, "measured, one thread (ms)")
    write(given.json, vars(given), told)


if __name__ == "__main__":
    main()
