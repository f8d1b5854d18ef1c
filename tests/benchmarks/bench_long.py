"""What a long search costs beside its evaluations: milliseconds per evaluation, thousand by thousand, and then seconds
and memory of `resume`, `front` and `load_run` on what it left.

Where other programs run, look at the milliseconds on the CPU: they are without waiting for it, and for the disk.

An evaluation is a toy that takes microseconds. The search goes on where one with the same options was stopped.
`--json FILE` writes the rows and the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import evobnn
from evobnn.records import Result
from evobnn.runs.callbacks import Callback, State
from evobnn.snapshot import Generation

ROOT = Path(__file__).parents[2]
THOUSAND = 1000
HELD = """import atexit, pathlib, time
from evobnn.machine.room import peak_memory
atexit.register(lambda: pathlib.Path({!r}).write_text(f"{{time.process_time()}} {{peak_memory()}}"))"""
"""Makes a program write down at its end its CPU seconds and how many bytes it held at most."""
COMMAND = "from evobnn.cli import main; main()"


def toy(genome: evobnn.Genome, seed: int) -> dict[str, float]:
    """Return a rugged error with noise, from neighbouring words of the genome, and millijoules by its convolutions."""
    words = str(genome).split()
    rugged = sum(zlib.crc32(f"{one} {other}".encode()) % 1009 for one, other in pairwise(words))
    wide = sum(4 if "5" in word else 1 for word in words if "conv" in word or "dil" in word)
    noise = (seed % 1009) / 1008
    return {"error": 0.1 + 0.7 * rugged / (1008 * len(words)) + 0.05 * noise, "mJ": 1.0 + wide + rugged % 97 / 97}


additions = evobnn.Additions(
    objectives={"mJ": evobnn.Objective("mJ", "mJ for one image", axis="log10", bounds=(1.0, 200.0))},
    evaluation=evobnn.EvaluationFunction(toy, "toy"),
)


class Clock(Callback):
    """Notes after each generation how many evaluations there are and what they took.

    Attributes:
        marks: (evaluations of the run, wall seconds outside of them, CPU seconds of everything), since the session
            began.
    """

    def __init__(self) -> None:
        self.marks: list[tuple[int, float, float]] = []
        self._count, self._seen, self._within = 0, 0, 0.0

    def on_result(self, result: Result) -> None:
        self._within += result.evaluation.seconds

    def on_generation(self, state: State) -> None:
        generations: Sequence[Generation] = state.generations[self._seen :]
        self._count += sum(len(one.results) for one in generations)
        self._seen = len(state.generations)
        self.marks.append((self._count, time.perf_counter() - self._within, time.process_time()))


def by_thousand(marks: Sequence[tuple[int, float, float]]) -> list[dict[str, float]]:
    """Return for every thousand of evaluations what one of them took in milliseconds, outside of it and on the CPU."""
    rows = []
    before = marks[0] if marks else (0, 0.0, 0.0)
    for mark in marks[1:]:
        if mark[0] // THOUSAND > before[0] // THOUSAND:
            count, outside, cpu = (now - then for now, then in zip(mark, before, strict=True))
            rows.append({"evaluations": mark[0], "outside": 1e3 * outside / count, "cpu": 1e3 * cpu / count})
            before = mark
    return rows


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of a run's files by kind."""
    found: dict[str, int] = {}
    for path in folder.iterdir():
        kind = path.name.partition("-")[0] if path.suffix == ".jsonl" else path.name
        found[kind] = found.get(kind, 0) + path.stat().st_size
    return dict(sorted(found.items()))


def spent(code: str, *arguments: str) -> dict[str, float]:
    """Return the seconds of a program that a fresh Python runs, those on the CPU, and the most MiB that it held; raise
    RuntimeError where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held"
        command = [sys.executable, "-c", f"{HELD.format(str(held))}\n{code}", *arguments]
        began = time.perf_counter()
        ended = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, check=False
        )
        seconds = time.perf_counter() - began
        if ended.returncode:
            raise RuntimeError(f"{code} {' '.join(arguments)}: expected exit code 0, got {ended.returncode}")
        cpu, most = map(float, held.read_text().split())
        return {"seconds": seconds, "cpu": cpu, "MiB": most / 2**20}


def searched(folder: Path, evaluations: int, batch: int, strategy: str, preset: str) -> Clock:
    """Search until there are so many evaluations, and return what the clock noted."""
    clock = Clock()
    settings: dict[str, Any] = {"strategy.population": batch, "noise.rescore": 1}
    evobnn.search(
        *(preset, None), objectives=("error", "mJ"), generations=-(-evaluations // batch) - 1, seed=1, jobs=1,
        strategy=strategy, settings=settings, out=folder, additions=additions, callbacks=[clock],
    )  # fmt: skip
    return clock


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, then resume by one generation, show the front, load the run; print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("populations/bench-long"))
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16, help="population, and evaluations of a generation")
    parser.add_argument("--strategy", default="nsga2")
    parser.add_argument("--preset", default="mnist5k")
    parser.add_argument("--json", type=Path, help="write the rows here")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    rows = by_thousand(searched(folder, given.evaluations, given.batch, given.strategy, given.preset).marks)
    print(f"{'evaluations':>11}  ms outside  ms on the CPU")
    for row in rows:
        print(f"{row['evaluations']:>11}  {row['outside']:>10.2f}  {row['cpu']:>13.2f}")
    bytes_of = sizes(folder)
    print("MiB   " + ", ".join(f"{name} {size / 2**20:.1f}" for name, size in bytes_of.items() if size > 2**16))
    last = len(list(folder.glob("generation-*.jsonl")))
    with_toy = ("--with", "tests.benchmarks.bench_long:additions")
    commands = {
        "resume": (COMMAND, "resume", str(folder), "--generations", str(last), "--jobs", "1", *with_toy),
        "front": (COMMAND, "front", str(folder)),
        "load_run": (f"import evobnn; evobnn.load_run({str(folder)!r})",),
    }
    took = {}
    print(f"{'':<8}  seconds      CPU      MiB")
    for name, command in commands.items():
        took[name] = spent(*command)
        print(f"{name:<8}  " + "  ".join(f"{value:>7.1f}" for value in took[name].values()), flush=True)
    if given.json:
        machine = {"processor": platform.machine(), "system": platform.system(), "python": platform.python_version()}
        told = {"machine": machine, "rows": rows, "bytes": bytes_of, "commands": took}
        given.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
