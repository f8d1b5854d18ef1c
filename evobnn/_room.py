"""Room for workers: a core and memory for each, as far as the control group lets them; and what one took in the end.

A control group is how Linux, and every container on it, bounds what a process and its children take together. Its files
are read here in both versions; what they do not bound is unbounded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

MEMORY_PER_WORKER = 450 * 2**20
"""Bytes that a worker holds at most, on digits: measured were 300 to 315 MiB, with `recipe.kernels = fused` up to 440.
Of those some 110 MiB are libraries that all workers share. What a training keeps of larger images comes on top.
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
class Room:
    """What there is: cores that this process may use, the machine's free memory in bytes, the control group's bound."""

    cores: int
    free: int
    bound: Bound | None = None

    @property
    def usable(self) -> int:
        """Bytes that this process and its workers may still take."""
        return self.free if self.bound is None else min(self.free, self.bound.left)

    @property
    def fed(self) -> int:
        """Workers that the memory feeds."""
        return max(0, self.usable) // MEMORY_PER_WORKER

    @property
    def jobs(self) -> int:
        """Workers to start, at least one."""
        return max(1, min(self.cores, self.fed))

    @property
    def reason(self) -> str:
        """Why as many, in a line."""
        source = "free memory" if self.usable == self.free else "the control group's memory"
        each = f"{self.fed} worker{'s' * (self.fed != 1)} of {MEMORY_PER_WORKER // 2**20} MiB"
        if self.fed < self.cores:
            return f"{source} feeds {each}, fewer than the {self.cores} cores"
        return f"a core for each; {source} would feed {each}"


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
        lines = own.read_text().splitlines()
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
