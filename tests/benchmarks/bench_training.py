"""Training steps of evobnn beside a plain PyTorch reference: images per second, and how many times the reference's.

Both have the same network, weights, images, batch, optimiser and number of threads. They take turns in one process:
reference, evobnn, reference, evobnn, …; each pair of neighbours is a block and gives one ratio of wall times, and what
is printed is the median of the blocks' ratios with their range. The reference is `plain.py`, fixed by its hash. `kept`
is what a step keeps for its backward pass.

`--epoch` adds whole epochs of digits with scoring, one of them with the reference behind a DataLoader. The last table
says how exact bfloat16 is: the share of sums that differ from integer arithmetic.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from figures import Spread, heading, write
from pairs import CASES, Case, Ours, Reference, loader_of, saved_bytes
from plain import batches_in_memory, batches_of_loader
from torch import Tensor
from torch.nn import functional as F

from evobnn.errors import EvobnnError, message
from evobnn.nn import BinaryConv2d, Site, fuse
from evobnn.nn.fast.layer import sign_convolution

REFERENCE = "d09b9c1aaae79b8a46fbc6c18a02f9d2fca18d7b95baa49b3b24caffa44663cc"
"""SHA-256 of `plain.py`, which every ratio recorded so far refers to."""

VARIANTS = {
    "fp32 torch": ("fp32", "torch"),
    "fp32 fused": ("fp32", "fused"),
    "fp32 auto": ("fp32", "auto"),
    "bf16 torch": ("bf16", "torch"),
    "bf16 fused": ("bf16", "fused"),
}
"""Precision and kernels by name; `auto` is what the rule of `nn.fast.quickest` takes, with which the line ends."""

CHANNELS = (16, 36, 64, 144, 512)
"""Of 3x3 convolutions with 144, 324, 576, 1,296 and 4,608 terms."""

FLIPPED = 0.1
"""Nats by which first losses may differ."""

MIB = 2**20


def check_reference() -> None:
    """Raise EvobnnError where the reference is not the one that it has always been."""
    found = hashlib.sha256(Path(__file__).with_name("plain.py").read_bytes()).hexdigest()
    if found != REFERENCE:
        do = "Put it back; a better reference makes new ratios, which nothing recorded can be compared with."
        raise EvobnnError(message(f"plain.py with the SHA-256 {REFERENCE}", found, do))


@dataclass(frozen=True)
class Blocks:
    """Seconds of the reference and of its rival, block by block: wall and processor time."""

    reference: tuple[tuple[float, float], ...]
    rival: tuple[tuple[float, float], ...]

    def ratio(self, clock: int = 0) -> Spread:
        """Return how many times as fast the rival is, by wall time or, with 1, by processor time."""
        pairs = zip(self.reference, self.rival, strict=True)
        return Spread(tuple(one[clock] / other[clock] for one, other in pairs))

    def plain(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {
            "ratio": self.ratio().plain(),
            "ratio_of_processor_time": self.ratio(1).plain(),
            "reference_seconds": [wall for wall, _ in self.reference],
            "seconds": [wall for wall, _ in self.rival],
        }


def in_turns(reference: Callable[[], object], rival: Callable[[], object], blocks: int) -> Blocks:
    """Time both in turns, once unmeasured and then `blocks` times."""
    reference(), rival()
    pairs = [(timed(reference), timed(rival)) for _ in range(blocks)]
    return Blocks(tuple(one for one, _ in pairs), tuple(other for _, other in pairs))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of a call: by the clock, and of this process's threads."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def steps_row(name: str, case: Case, variant: str, blocks: int, steps: int) -> dict[str, Any]:
    """Time steps of one variant against the reference and print a line.

    Raises:
        ValueError: in float32 the first losses differ by more than rounding can do that flips a sign here and there,
            which 19 layers amplify; `tests/test_benchmarks.py` holds the two together more closely.
    """
    loader = loader_of(case)
    reference, ours = Reference(case, loader), Ours(case, loader, *VARIANTS[variant])
    losses = [float(side.run(1)) for side in (reference, ours)]
    if variant.startswith("fp32") and abs(losses[0] - losses[1]) > FLIPPED:
        raise ValueError(f"Expected the same first loss from the same weights, got {losses}. Mend one of the two.")
    x = reference.images[: case.batch]
    kept = [saved_bytes(side.network, x) / MIB for side in (reference, ours)]
    found = in_turns(lambda: reference.run(steps), lambda: ours.run(steps), blocks)
    rates = [steps * case.batch / median(wall for wall, _ in times) for times in (found.reference, found.rival)]
    print(
        f"{name:<9} {variant:<11} {rates[0]:>10.1f} {rates[1]:>10.1f}   {found.ratio()!s:<24}"
        f" {kept[0]:>7.1f} {kept[1]:>7.1f}" + (f"  {ours.recipe.kernels}" if variant.endswith("auto") else ""),
        flush=True,
    )
    told = {"case": name, "variant": variant, "batch": case.batch, "steps": steps}
    rate = {"reference_images_per_second": rates[0], "images_per_second": rates[1]}
    return {**told, **rate, "kept_mib": {"reference": kept[0], "evobnn": kept[1]}, **found.plain()}


def epoch_rows(blocks: int) -> list[dict[str, Any]]:
    """Time epochs of the digits with scoring: the reference with its images in memory against everything else."""
    case = CASES["digits"]
    loader = loader_of(case)
    reference = Reference(case, loader)

    def plainly(source: Callable[..., Any]) -> Callable[[], float]:
        def work() -> float:
            reference.trainer.epoch(source(reference.images, reference.labels, case.batch))
            return reference.trainer.error(*reference.validation)

        return work

    def of(variant: str) -> Callable[[], object]:
        ours = Ours(case, loader, *VARIANTS[variant])

        def work() -> object:
            ours.loop.epoch = 0
            return ours.loop.advance()

        return work

    in_memory = plainly(batches_in_memory)
    rivals = {"reference, DataLoader": plainly(batches_of_loader), **{name: of(name) for name in VARIANTS}}
    rows = []
    print(f"\n{'epoch of digits':<22} reference s   its s   ratio (range)")
    for name, rival in rivals.items():
        found = in_turns(in_memory, rival, blocks)
        seconds = [median(wall for wall, _ in times) for times in (found.reference, found.rival)]
        print(f"{name:<22} {seconds[0]:>11.3f} {seconds[1]:>7.3f}   {found.ratio()}", flush=True)
        rows.append({"case": "epoch", "variant": name, **found.plain()})
    return rows


@torch.no_grad()
def wrong_share(channels: int, precision: str, kernels: str) -> float:
    """Return the share of outputs of a 3x3 convolution that differ from integer arithmetic.

    90 % of the inputs and of the weights are +1, as signs behind a ReLU may be; the border is -1.
    """
    generator = torch.Generator().manual_seed(channels)

    def signs(*shape: int) -> Tensor:
        return torch.where(torch.rand(shape, generator=generator) < 0.9, 1.0, -1.0)

    x, w = signs(2, channels, 24, 24), signs(32, channels, 3, 3)
    conv = BinaryConv2d(channels, 32, 3, padding="minus_one", precision=precision)
    conv.weight.copy_(w)
    fuse(conv, kernels == "fused")
    site = Site(precision=precision)
    last = x.to(memory_format=torch.channels_last)
    found = sign_convolution(last, None, site, conv) if kernels == "fused" else conv(site(last))
    wanted = F.conv2d(F.pad(x, (1, 1, 1, 1), value=-1.0).double(), w.double())  # whole numbers: exact in double
    return float((found.double() != wanted).double().mean())


def exactness_rows() -> list[dict[str, Any]]:
    """Print and return which share of sums is wrong, by terms and variant."""
    exact = {variant: how for variant, how in VARIANTS.items() if "auto" not in how}
    print(f"\nsums that differ from integer arithmetic, 90 % ones\n{'terms':>7}  " + "  ".join(exact))
    rows = []
    for channels in CHANNELS:
        shares = {variant: wrong_share(channels, *how) for variant, how in exact.items()}
        print(f"{9 * channels:>7}  " + "  ".join(f"{share:>10.1%}" for share in shares.values()), flush=True)
        rows.append({"case": "exactness", "terms": 9 * channels, "wrong": shares})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for and print it."""
    names = [*CASES, "exactness"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help=f"of {', '.join(names)}")
    parser.add_argument("--variant", action="append", choices=sorted(VARIANTS), help="default: all")
    parser.add_argument("--blocks", type=int, default=5, help="pairs of timings (default: 5)")
    parser.add_argument("--steps", type=int, default=0, help="of one timing (default: so many that it takes a while)")
    parser.add_argument("--batch", type=int, default=0, help="images of a step (default: 64, of digits 32)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: 1)")
    parser.add_argument("--epoch", action="store_true", help="also epochs of the digits, with a DataLoader")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    check_reference()
    torch.set_num_threads(given.threads)
    print(f"{heading()}\nthreads: {given.threads}; median of {given.blocks} blocks (range)")
    rows: list[dict[str, Any]] = []
    chosen = {name: case for name, case in CASES.items() if not given.only or name in given.only}
    if chosen:
        print(f"\n{'':<21} {'images/s':>15} {'':<32}{'kept, MiB':>15}")
        print(f"{'case':<9} {'variant':<11} {'reference':>10} {'evobnn':>10}   {'ratio':<24} {'ref.':>7} {'evobnn':>7}")
    for name, case in chosen.items():
        for variant in given.variant or VARIANTS:
            sized = replace(case, batch=given.batch or case.batch)
            rows.append(steps_row(name, sized, variant, given.blocks, given.steps or case.steps))
    rows += epoch_rows(given.blocks) if given.epoch else []
    rows += exactness_rows() if not given.only or "exactness" in given.only else []
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
