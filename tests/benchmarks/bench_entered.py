"""How much of evobnn one evaluation enters: its distinct functions and files, and how often a genome is prepared.

A random genome of the digits is evaluated twice in this process, as a worker does; the second time is counted. What is
computed once per process, as the images in memory, is not entered then.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from draws import drawn
from figures import heading, write

import evobnn
from evobnn._seeding import generator
from evobnn.evaluation import Job, run_job
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.runs import Options
from evobnn.runs.setup import make_bench

PACKAGE = str(Path(evobnn.__file__).parent) + os.sep
FOLLOWED = ("canonical", "simplify", "parse_genome", "decode")
"""Functions whose calls are counted one by one."""


@contextmanager
def entering() -> Iterator[Counter[CodeType]]:
    """Count the calls of every function of the package in the block; comprehensions and class bodies are none."""
    calls: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            calls[code] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def entered(kernels: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Return the figures of the second evaluation of a genome with these kernels."""
    table = override(preset_table("digits"), ["recipe.epochs=1", *settings, f"recipe.kernels={kernels}"])
    bench = make_bench(from_table(table, "digits"), Options(jobs=1))
    ((text, genome),) = drawn(bench, generator(1, "entered"), 1).items()
    job = Job(bench, text, bench.seed(1, genome, 0))
    run_job(job)
    job = pickle.loads(pickle.dumps(job))  # as it reaches a worker, whose bench knows of no genome yet
    with entering() as calls:
        found = run_job(job)
    functions = [code for code in calls if not code.co_name.startswith("<")]
    said = Counter[str]()
    for code in functions:
        said[code.co_name] += calls[code]
    return {
        "kernels": kernels,
        "status": str(found.status),
        "functions": len(functions),
        "files": len({code.co_filename for code in functions}),
        **{name: said[name] for name in FOLLOWED},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the preset")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    rows = [entered(kernels, given.set) for kernels in ("torch", "fused")]
    for name in rows[0]:
        print(f"{name:<18}" + "".join(f"{row[name]!s:>12}" for row in rows))
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
