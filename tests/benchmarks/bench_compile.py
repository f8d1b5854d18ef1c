"""What compiling the loops of the default search costs: CPU seconds (user and system) on a fresh cache, and with one.

`compile` is the process that compiles, alone. `workers` are so many processes that begin to train at once: what they
take together on a fresh cache beyond what they take when all is compiled is what compiling costs them. `prepare` is
what a second start pays to see that nothing is to be done, `load` what each worker pays to have the loops. All of it
for this processor and, on x86, as for one with AVX2 only.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import Spread, heading, write

from evobnn.nn.fast import compiling

AVX2 = "haswell"
TRAIN = "from evobnn.nn.fast.lanes.calls import loops; loops()[0].addresses()"
SECOND = f"""
import time
from evobnn.nn.fast.compiling import prepare
begun = time.process_time()
prepare()
print(time.process_time() - begun)
begun = time.process_time()
{TRAIN}
print(time.process_time() - begun)
"""


def spent(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> float:
    """Return the CPU seconds of processes that run side by side, and of those that they start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for command in commands]
    if any([process.wait() for process in running]):
        raise SystemExit("a process failed: see above")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(processor: str, workers: int) -> dict[str, float]:
    """Return each figure once, in CPU seconds."""
    environment = {**os.environ, **({"NUMBA_CPU_NAME": processor} if processor else {})}
    alone = [sys.executable, "-P", "-c", compiling._CHILD, str(Path(compiling.__file__).parent)]
    training = workers * [[sys.executable, "-c", TRAIN]]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        whole = spent([alone], {**environment, "NUMBA_CACHE_DIR": first})
        fresh = spent(training, {**environment, "NUMBA_CACHE_DIR": second})
        again = spent(training, {**environment, "NUMBA_CACHE_DIR": second})
        command = [sys.executable, "-c", SECOND]
        told = subprocess.run(
            command, env={**environment, "NUMBA_CACHE_DIR": first}, capture_output=True, text=True, check=True
        )
        prepare, load = map(float, told.stdout.split())
    return {"compile": whole, "workers": fresh - again, "prepare": prepare, "load": load}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="of every figure (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="processes that begin at once (default: 2)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(f"{heading()}\nCPU seconds, median of {given.repeats} (range); {given.workers} workers")
    names = ("compile", "workers", "prepare", "load")
    print(f"\n{'processor':<12} " + " ".join(f"{name:>22}" for name in names))
    rows: list[dict[str, Any]] = []
    for processor in ("", AVX2) if platform.machine() in ("x86_64", "AMD64") else ("",):
        found = [measured(processor, given.workers) for _ in range(given.repeats)]
        spreads = {name: Spread(tuple(one[name] for one in found)) for name in names}
        print(f"{processor or 'this one':<12} " + " ".join(f"{spreads[name]!s:>22}" for name in names), flush=True)
        rows.append({"processor": processor or "this one", **{name: spreads[name].plain() for name in names}})
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
