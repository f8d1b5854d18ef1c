"""What a search costs beside its evaluations: milliseconds per evaluation, by space, strategy, population and batch.

An evaluation is a look-up here: two numbers from the digits of the key. `--json FILE` writes the rows and the machine.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from evobnn.analysis import Axis, hypervolume, nondominated
from evobnn.evolution import STRATEGIES, Search, Strategy, run
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.spaces import Choice, Space, Template, gaaf, joint

BOUNDS = {"error": (0.0, 0.9, "linear"), "ops": (100.0, 10000.0, "log10")}
AXES = tuple(Axis(name, *bounds) for name, bounds in BOUNDS.items())
SHAPES = ((20, 20), (20, 10), (100, 100), (100, 10))
"""Population and evaluations of a generation, as far as a strategy tells them apart."""


def spaces() -> dict[str, Space]:
    """Return a space of expressions alone (encoding 2: encoding 1 has not enough keys) and the joint space."""
    residual = Template(cells=2, width=4, reductions=1, skip="none", scale="none", stem=1, macro="resnet")
    cells = Template(cells=2, width=2, reductions=1, skip="free", padding="minus_one", stem=1)
    return {"gaaf": gaaf(residual, 8, None, Choice(sites="net", encoding=2)), "joint": joint(cells, 8)}


def evaluated(requests: Sequence[Request]) -> list[Result]:
    """Return an error and operations that depend on the key, the error on the repeat as well."""
    results = []
    for request in requests:
        digits = int(request.individual.key, 16)
        error = 0.9 * (digits % 10007 + 100 * request.repeat) / 10500
        results.append(Result(request, Evaluation(Status.OK, {"error": error, "ops": 100.0 + digits // 10007 % 9900})))
    return results


def indicators(points: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Return what a run logs about the front of its archive."""
    return {"front": int(nondominated(points).sum()), "hypervolume": hypervolume(points, AXES)}


def made(name: str, population: int, batch: int) -> Strategy:
    """Return a strategy with this population; `batch` where its batch is a setting."""
    known = {field.name for field in fields(STRATEGIES[name])}
    return STRATEGIES[name](population=population, **({"children": batch} if "children" in known else {}))


def measured(space: Space, strategy: Strategy, evaluations: int) -> tuple[float, int]:
    """Return the seconds that a search of so many evaluations took, and how many it made."""
    search = Search(
        space, strategy, tuple(BOUNDS), 1, indicators=indicators, bounds=BOUNDS, horizon=evaluations // strategy.batch
    )
    count = 0

    def note(step: Any) -> None:
        nonlocal count
        count += len(step.results)

    began = time.process_time()
    run(search, evaluated, note, 10**9, stop=lambda: count >= evaluations)
    return time.process_time() - began, count


def main() -> None:
    """Measure and print; every row is one search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--strategy", action="append", choices=sorted(STRATEGIES), help="default: all")
    parser.add_argument("--space", action="append", choices=sorted(spaces()), help="default: all")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'space':<6} {'strategy':<10} population  batch  evaluations  seconds  ms/evaluation")
    for space_name, space in spaces().items():
        for name in STRATEGIES:
            if (given.space and space_name not in given.space) or (given.strategy and name not in given.strategy):
                continue
            seen = set()
            for population, batch in SHAPES:
                strategy = made(name, population, batch)
                if strategy in seen:
                    continue
                seen.add(strategy)
                profile = cProfile.Profile()
                if given.profile:
                    profile.enable()
                seconds, count = measured(space, strategy, given.evaluations)
                profile.disable()
                row = {"space": space_name, "strategy": name, "population": population, "batch": strategy.batch}
                rows.append({**row, "evaluations": count, "seconds": seconds, "ms": 1e3 * seconds / count})
                print(
                    f"{space_name:<6} {name:<10} {population:>10}  {strategy.batch:>5}  {count:>11}  {seconds:>7.2f}  "
                    f"{1e3 * seconds / count:>13.2f}",
                    flush=True,
                )
                if given.profile:
                    pstats.Stats(profile).sort_stats("tottime").print_stats(18)
    if given.json:
        machine = {"processor": platform.machine(), "system": platform.system(), "python": platform.python_version()}
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
