"""Room for workers: a core and memory for each, as far as the control group lets them, and where they train on a card
some of its memory; and what one took in the end.

A control group is how Linux, and every container on it, bounds what a process and its children take together. Its files
are read here in both versions; what they do not bound is unbounded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from evobnn.errors import DeviceError, message

MEMORY_PER_WORKER = 450 * 2**20
"""Bytes that a worker holds at most, on digits: measured were 300 to 315 MiB, with `recipe.kernels = fused` up to 440.
Of those some 110 MiB are libraries that all workers share. What a training keeps of larger images comes on top.
"""
BARE_WORKER = 300 * 2**20
"""Bytes of it that are there without any training."""
CARD_PER_WORKER = 1024 * 2**20
"""Bytes of a card's memory that a worker takes besides images and training. An estimate, not measured: some 600 MiB for
CUDA's context and the kernels of torch's libraries, the rest for what these work in and the allocator rounds up.
"""
MOST_ON_A_CARD = 16
"""Workers that share a card at most. An estimate: brief trainings leave most of a card idle, but they take turns on it,
and the more of them there are the less another one brings.
"""

CGROUP, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_VERSION_2 = "memory.max", "memory.current", "inactive_file"
_VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
_NO_BOUND = 2**60
"""Version 1 writes "no bound" as a number of about 2^63."""


@dataclass(frozen=True)
class Bound:
    """A bound on memory in bytes, and how much of it nobody uses: file contents that can be dropped count as unused."""

    limit: int
    left: int


@dataclass(frozen=True)
class Card:
    """A card that trains: torch's name for it, and the bytes of its memory that nobody uses."""

    device: str
    free: int


@dataclass(frozen=True)
class Need:
    """Bytes that a worker takes at most: of the machine's memory and, where it trains on a card, of that one's."""

    memory: int = MEMORY_PER_WORKER
    card: int = CARD_PER_WORKER


def need_of(training: int = 0, images: int = 0, *, on_card: bool = False) -> Need:
    """Return what a worker takes whose training keeps so many bytes at a time and reads images of so many.

    On a CPU images are mapped, and their pages are the same for all workers. On a card each worker has its own copy,
    and what the training keeps is there.
    """
    if on_card:
        return Need(card=CARD_PER_WORKER + images + training)
    return Need(max(MEMORY_PER_WORKER, BARE_WORKER + training))


@dataclass(frozen=True)
class Room:
    """What there is: cores that this process may use, the machine's free memory in bytes, the control group's bound,
    the card that trains; and what each worker needs of it.
    """

    cores: int
    free: int
    bound: Bound | None = None
    card: Card | None = None
    need: Need = Need()

    @property
    def usable(self) -> int:
        """Bytes that this process and its workers may still take."""
        return self.free if self.bound is None else min(self.free, self.bound.left)

    @property
    def fed(self) -> int:
        """Workers that the memory feeds."""
        return max(0, self.usable) // self.need.memory

    @property
    def fed_by_card(self) -> int | None:
        """Workers that the card's memory feeds; None without a card."""
        return None if self.card is None else max(0, self.card.free) // self.need.card

    @property
    def jobs(self) -> int:
        """Workers to start, at least one."""
        bounds = [self.cores, self.fed]
        if self.fed_by_card is not None:
            bounds += [self.fed_by_card, MOST_ON_A_CARD]
        return max(1, min(bounds))

    @property
    def reason(self) -> str:
        """Why as many, in a line."""
        source = "free memory" if self.usable == self.free else "the control group's memory"
        feeds = [(self.fed, source, self.need.memory)]
        most = self.cores
        if self.card is not None and self.fed_by_card is not None:
            feeds.append((self.fed_by_card, f"free memory of {self.card.device}", self.need.card))
            most = min(most, MOST_ON_A_CARD)
        least, source, size = min(feeds, key=lambda one: one[0])
        if least < most:
            return f"{source} feeds {_workers(least, size)}, fewer than the {self.cores} cores"
        if most < self.cores:
            return f"at most {most} share a card, fewer than the {self.cores} cores"
        return "a core for each; " + ", ".join(f"{where} would feed {_workers(n, size)}" for n, where, size in feeds)


def _workers(count: int, size: int) -> str:
    about = "" if size == MEMORY_PER_WORKER else "about "
    return f"{count} worker{'s' * (count != 1)} of {about}{size // 2**20} MiB"


def card_of(device: str) -> Card | None:
    """Return the card that a device names, with its memory as it is now, or None for a device that is no card of CUDA.

    Raises:
        DeviceError: no such card, or no driver for it.
    """
    if device.partition(":")[0] != "cuda":
        return None
    import torch  # takes a second, and only whoever computes on a card is here

    try:
        free, _ = torch.cuda.mem_get_info(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise no_such_device(device) from error
    return Card(device, free)


def no_such_device(device: str) -> DeviceError:
    """Return the error on a device on which torch cannot compute here."""
    import torch

    known = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return DeviceError(message(f"a device that is there ({', '.join(known)})", f"'{device}'", "Choose one of these."))


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """Return the most bytes that this process has held at a time, pages that it shares with others included."""
    try:
        return int(status.read_text().partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError, IndexError):  # not Linux, where what comes next begins with the peak of the parent
        return _peak_told()


def _peak_told() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().peak_wset)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory_bound(root: Path = CGROUP, own: Path = OWN) -> Bound | None:
    """Return the bound on memory that leaves least, of this process's control group and those around it, or None."""
    return min(_bounds(root, own), key=lambda bound: bound.left, default=None)


def _bounds(root: Path, own: Path) -> Iterator[Bound]:
    for controllers, path in _groups(own):
        if controllers == "":
            tops, files = [root, root / "unified"], _VERSION_2
        elif "memory" in controllers.split(","):
            tops, files = [root / "memory"], _VERSION_1
        else:
            continue
        inner = Path(path.lstrip("/"))
        for folder in (top / part for top in tops for part in (inner, *inner.parents)):
            limit, used = _number(folder / files[0]), _number(folder / files[1])
            if limit is not None and used is not None and limit < _NO_BOUND:
                yield Bound(limit, limit - used + _stated(folder / "memory.stat", files[2]))


def _groups(own: Path) -> list[tuple[str, str]]:
    """Return controllers and path of each group; within a container a path may be that of the machine outside."""
    try:
        lines = own.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return [("", "/"), ("memory", "/")]
    return [(parts[1], parts[2]) for line in lines if len(parts := line.split(":", 2)) == 3]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, not ours to read, or "max"
        return None


def _stated(path: Path, name: str) -> int:
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name} "))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
