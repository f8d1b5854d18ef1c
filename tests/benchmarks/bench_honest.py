"""What counts say of speed: OPs, MACs and the sum over the table of layer times, beside what whole networks take in C.

Networks are sampled from a preset's space, their weights random, their norms with the moments of images. The rank
correlation of each predictor with the measured milliseconds is Kendall's tau with its 95 % bootstrap interval over
networks. What was measured stands in `--rows`, a line a network: a second call goes on from there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from draws import drawn
from figures import heading, write

from evobnn._seeding import generator
from evobnn.analysis.pictures.predictions import Predictor, save_predictors
from evobnn.deploy.compiled import Compiler
from evobnn.deploy.latency import CTimer
from evobnn.deploy.timed import of_genome
from evobnn.deploy.timing import busy, time_c
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
    """A network: what it was measured as, what counts say, and milliseconds by the clock with both quartiles."""

    genome: str
    of: str
    ops: float
    macs: float
    layers: float
    low: float
    milliseconds: float
    high: float


def measured(
    bench: Bench,
    experiment: Experiment,
    timer: CTimer,
    count: int,
    seconds: float,
    of: str,
    known: Mapping[str, Measured],
) -> Iterator[Measured]:
    """Yield so many networks, those that are known as they are."""
    compiler = timer.found()
    for text, genome in drawn(bench, generator(0, "honest"), count).items():
        if text in known and known[text].of == of:
            yield known[text]
            continue
        timed, cost = of_genome(bench, genome, experiment.dataset, None), bench.cost(genome)
        wall = time_c(compiler, timed.graph(), timed.images[:1], timer.options(compiler), seconds).wall
        macs = float(cost.real_macs + cost.binary_macs)
        yield Measured(text, of, float(cost.ops), macs, bench.milliseconds(genome), *wall)


def read(path: Path) -> dict[str, Measured]:
    """Return the networks of a file by their genome; a line that was cut off is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            one = Measured(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[one.genome] = one
    return found


def named(timer: CTimer, compiler: Compiler, preset: str, table: str, seconds: float) -> str:
    """Return all that a measurement depends on beside its network."""
    return ", ".join([preset, compiler.version, *timer.options(compiler), f"layer times {table}", f"{seconds:g} s"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mnist5k", help="of whose space networks are (default: mnist5k)")
    parser.add_argument("--networks", type=int, default=40, help="sampled, all of them different (default: 40)")
    parser.add_argument("--seconds", type=float, default=0.5, help="for which each is run (default: 0.5)")
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
    known, rows = read(given.rows), list[Measured]()
    with given.rows.open("a", encoding="utf-8") as file:
        if file.tell() and not given.rows.read_bytes().endswith(b"\n"):  # of a call that was killed
            file.write("\n")
        for one in measured(bench, experiment, timer, given.networks, given.seconds, of, known):
            if one is not known.get(one.genome):
                print(json.dumps(asdict(one)), file=file, flush=True)
            rows.append(one)
            print(f"{len(rows):>4}  {one.milliseconds:.4f} ms, layers {one.layers:.4f} ms", flush=True)
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
