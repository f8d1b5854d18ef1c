"""What a GPU makes of it: images per second in training as a part of the card's own rate, and evaluations a minute.

The first table: matrix products of 8192 x 8192 numbers, timed by events: what the card can do, without any network.
The second: training steps of GAAF's ResNet-18 at width 64, as a search takes them. An image takes three times the
multiply-accumulates of its forward pass, each two operations; `share` is that of the product's rate in the same
arithmetic. `tf32` is float32 as torch multiplies it unless told otherwise in convolutions, `fp32` all of its digits.
Steps are launched one by one, as the training loop does it: there are no CUDA graphs.
The third: random genomes of 32x32 cells on random images, evaluated by 1, 4 and 16 processes that share the card and
are warm; `taken` is what each of several takes of the card's memory.

Without a GPU that torch can use it says so and measures nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from bench_scaling import evaluated
from draws import drawn
from figures import Spread, heading, write
from pairs import CASES, CLASSES, Case, Ours, loader_of

from evobnn._seeding import generator
from evobnn.data import prepare
from evobnn.data.batches import Tensors
from evobnn.evaluation import Job, check_device
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.machine.room import card_of
from evobnn.machine.workers import Workers
from evobnn.runs import Options
from evobnn.runs.setup import assembled

FORWARD = 0.555e9
"""Multiply-accumulates of GAAF's ResNet-18 at width 64 for one image of 32x32; a step takes three times as many."""
SIZE = 8192
PRODUCTS = 20
"""Matrix products of one timing."""

ARITHMETIC: dict[str, tuple[torch.dtype, bool]] = {
    "bf16": (torch.bfloat16, True),
    "tf32": (torch.float32, True),
    "fp32": (torch.float32, False),
}
"""Numbers of a matrix product, and whether float32 may be rounded to 10 bits on its way in."""

CELLS = (
    *("network.cells=3", "network.width=16", "recipe.batch=64", "recipe.epochs=1"),
    *("recipe.precision=bf16", "recipe.kernels=torch"),
)
IMAGES = 2560
"""Of these a fifth validate."""
MIB = 2**20

Timer = Callable[[Callable[[], object], int], float]
"""From work and a number of times to the seconds of one."""


def event_seconds(work: Callable[[], object], times: int) -> float:
    """Return the seconds of one call by events before and behind `times` of them, after one that is not measured."""
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    work()
    torch.cuda.synchronize()
    begun.record()
    for _ in range(times):
        work()
    ended.record()
    torch.cuda.synchronize()
    return float(begun.elapsed_time(ended)) / 1000.0 / times


@contextmanager
def rounded(allowed: bool) -> Iterator[None]:
    """Let float32 be rounded on its way into products and convolutions, or not."""
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = allowed
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


def product_rate(name: str, device: str, blocks: int, timer: Timer = event_seconds, size: int = SIZE) -> Spread:
    """Return the floating point operations per second of a matrix product in one arithmetic."""
    dtype, allowed = ARITHMETIC[name]
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    with rounded(allowed):
        return Spread(tuple(2 * size**3 / timer(lambda: left @ right, PRODUCTS) for _ in range(blocks)))


def share(images_per_second: float, rate: float, forward: float = FORWARD) -> float:
    """Return the part of a rate that training takes: three times the forward pass, two operations each."""
    return images_per_second * 3 * 2 * forward / rate


def placed(loader: Tensors, device: str) -> Tensors:
    """Return the same images on a device."""
    return replace(loader, **{field.name: getattr(loader, field.name).to(device) for field in fields(loader)})


def training_rate(name: str, case: Case, device: str, blocks: int, timer: Timer = event_seconds) -> Spread:
    """Return the images per second of training steps in one arithmetic."""
    with rounded(ARITHMETIC[name][1]):
        ours = Ours(case, placed(loader_of(case), device), "bf16" if name == "bf16" else "fp32", "torch")
        return Spread(tuple(case.batch / timer(lambda: ours.run(1), case.steps) for _ in range(blocks)))


def training_rows(device: str, batches: Sequence[int], steps: int, blocks: int) -> list[dict[str, Any]]:
    """Print and return the first two tables."""
    rates = {name: product_rate(name, device, blocks) for name in ARITHMETIC}
    print(f"\n{SIZE}x{SIZE}  Tflop/s")
    for name, rate in rates.items():
        print(f"{name:<9}  {Spread(tuple(value / 1e12 for value in rate.values))}", flush=True)
    rows: list[dict[str, Any]] = [{"case": "product", "variant": n, **rate.plain()} for n, rate in rates.items()]
    print(f"\n{'resnet64':<9} {'batch':>5}  {'share':>6}  images/s")
    for name, rate in rates.items():
        for batch in batches:
            torch.cuda.empty_cache()
            case = replace(CASES["resnet64"], batch=batch, steps=steps)
            try:
                found = training_rate(name, case, device, blocks)
            except torch.OutOfMemoryError:
                print(f"{name:<9} {batch:>5}  more memory than the card has", flush=True)
                continue
            part = share(found.median, rate.median)
            print(f"{name:<9} {batch:>5}  {part:>6.1%}  {found}", flush=True)
            rows.append({"case": "resnet64", "variant": name, "batch": batch, "share": part, **found.plain()})
    return rows


def listed(place: Path, device: str, assignments: Sequence[str], count: int) -> list[Job]:
    """Return evaluations of random genomes on random images that are written below `place`."""
    rng, parts = np.random.default_rng(0), {}
    for part, number in (("train", IMAGES), ("test", CLASSES)):
        parts[f"x_{part}"] = rng.integers(256, size=(number, 3, 32, 32), dtype=np.uint8)
        parts[f"y_{part}"] = np.arange(number) % CLASSES
    np.savez(place / "random.npz", **parts)
    experiment = from_table(override(preset_table("npz"), [*CELLS, *assignments]), "npz")
    images = prepare(experiment.dataset, place / "random.npz", place / "cache")
    bench = assembled(experiment, images, Options(jobs=1, device=device))
    genomes = drawn(bench, generator(1, "gpu"), count)
    return [Job(bench, text, bench.seed(1, genome, 0)) for text, genome in genomes.items()]


def sharing_rows(device: str, counts: Sequence[int], jobs: Sequence[Job], repeats: int) -> list[dict[str, Any]]:
    """Print and return evaluations a minute by the number of processes."""
    rows: list[dict[str, Any]] = []
    print(f"\nprocesses  times  taken, MiB  {len(jobs)} evaluations, a minute")
    for count in counts:
        before = card_of(device)
        with Workers(count) as workers:
            evaluated(workers, (list(jobs) * (2 * count))[: 2 * count])
            timings = [evaluated(workers, jobs) for _ in range(repeats)]
            after = card_of(device)
        pace = Spread(tuple(60.0 * len(jobs) / seconds for seconds, _ in timings))
        ended = Counter(str(one.status) for _, found in timings for one in found)
        taken = (before.free - after.free) / count / MIB if before and after and count > 1 else None
        times = pace.median / rows[0]["median"] if rows else 1.0
        told = f"{count:>9}  {times:>5.2f}  {'' if taken is None else round(taken):>10}  {pace}"
        print(told + (f"  {dict(ended)}" if set(ended) != {"ok"} else ""), flush=True)
        row = {"case": "sharing", "processes": count, "times": times, "taken_mib": taken, "ended": ended}
        rows.append({**row, "host_mib": workers.peak_memory / MIB, **pace.plain()})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or say that there is nothing to measure on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0", help="which card (default: cuda:0)")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024], help="(default: 64 256 1024)")
    parser.add_argument("--steps", type=int, default=20, help="training steps of one timing (default: 20)")
    parser.add_argument("--blocks", type=int, default=5, help="timings of a rate (default: 5)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 16], help="(default: 1 4 16)")
    parser.add_argument("--evaluations", type=int, default=32, help="on the list (default: 32)")
    parser.add_argument("--repeats", type=int, default=3, help="of the list (default: 3)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the cells")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("There is no GPU that torch can use, so nothing is measured here.")
        return
    torch.cuda.set_device(check_device(given.device))
    card = torch.cuda.get_device_name(given.device)
    print(f"{heading()}\n{card}, CUDA {torch.version.cuda}; median (range)")
    rows = training_rows(given.device, given.batches, given.steps, given.blocks)
    torch.cuda.empty_cache()
    with TemporaryDirectory() as place:
        jobs = listed(Path(place), given.device, given.set, given.evaluations)
        rows += sharing_rows(given.device, given.processes, jobs, given.repeats)
    write(given.json, {**vars(given), "card": card}, rows)


if __name__ == "__main__":
    main()
