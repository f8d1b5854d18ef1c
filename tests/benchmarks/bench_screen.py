"""What a screen costs a proposal: CPU milliseconds of a generation's asking and telling, by how much a search has seen.

A search of a preset is asked and told without any training: errors are drawn around what the genes of a genome are
worth. `--train` adds what one training takes, for the scale. `--json FILE` writes the rows and the machine.
"""

from __future__ import annotations

import argparse
import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from figures import heading, write

import evobnn
from evobnn._seeding import generator
from evobnn.evaluation import Bench, Job, run_job
from evobnn.genome import Genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.runs.setup import Options, make_search, search_bench
from evobnn.scores import genes


def told(bench: Bench, seed: int, requests: Sequence[Request]) -> list[Result]:
    """Return errors that are sums over genes, with the noise of brief trainings, and counted costs."""
    found = []
    for request in requests:
        genome = bench.space.parse(request.individual.genome)
        worth = sum(
            zlib.crc32(one.encode()) % 100 - 50 for group in genes(bench.space, genome).values() for one in group
        )
        noise = generator(seed, request.individual.key, request.repeat).normal(0.0, 0.16)
        error = min(0.9, 0.3 * math.exp(worth / 200.0 + noise))
        values = {"error": error, **bench.counts(genome, [n for n in bench.objectives if n != "error"])}
        found.append(Result(request, Evaluation(Status.OK, {name: values[name] for name in bench.objectives})))
    return found


def measured(preset: str, screen: str, sizes: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Return a row for each size: what a proposal costs once the search has seen so many evaluations."""
    experiment = replace(evobnn.preset(preset), screen=screen, seed=seed, horizon=10**6)
    bench = search_bench(experiment, Options())
    search, seen, rows = make_search(experiment, bench), 0, []
    while len(rows) < len(sizes):
        began = time.process_time()
        asked = search.ask()
        spent = time.process_time() - began
        results = told(bench, seed, asked)
        began = time.process_time()
        search.tell(results)
        spent += time.process_time() - began
        if seen and seen + len(asked) > sizes[len(rows)]:
            each = 1e3 * spent / len(asked)
            rows.append({"preset": preset, "screen": screen, "seen": seen, "seed": seed, "ms": round(each, 2)})
        seen += len(asked)
    return rows


def training(preset: str, seed: int) -> float:
    """Return the milliseconds of one training of a random genome."""
    experiment = evobnn.preset(preset)
    bench = search_bench(experiment, Options())
    rng = generator(seed, "bench_screen")
    genome: Genome = next(g for g in iter(lambda: bench.space.sample(rng), None) if not bench.infeasible(g))
    began = time.process_time()
    run_job(Job(bench, str(genome), seed))
    return 1e3 * (time.process_time() - began)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure with and without, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="mnist5k")
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 300, 1000])
    parser.add_argument("--repeats", type=int, default=3, help="searches, with seeds from 0 on")
    parser.add_argument("--train", type=int, default=0, help="so many trainings beside them")
    parser.add_argument("--json", type=Path, help="write the rows here")
    given = parser.parse_args(arguments)
    print(heading())
    rows = []
    for seed in range(given.repeats):
        for screen in ("none", "model"):
            found = measured(given.preset, screen, given.sizes, seed)
            rows += found
            for row in found:
                print(
                    f"seed {seed}, screen {screen:5s}, {row['seen']:5d} seen: {row['ms']:8.1f} ms a proposal",
                    flush=True,
                )
    took = [training(given.preset, seed) for seed in range(given.train)]
    if took:
        print(f"one training: {sorted(round(one) for one in took)} ms")
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
