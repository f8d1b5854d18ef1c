"""How many workers there is room for: from numbers, and from files as Linux writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest

from evobnn import _room
from evobnn._room import MEMORY_PER_WORKER, Bound, Room, memory_bound, peak_memory

GIB, EACH = 2**30, MEMORY_PER_WORKER
NONE = "9223372036854771712\n"
"""No bound, as version 1 writes it."""


def bound(left: int) -> Bound:
    return Bound(100 * GIB, left)


@pytest.mark.parametrize(
    ("room", "fed", "jobs"),
    [
        (Room(8, 0), 0, 1),
        (Room(8, EACH - 1), 0, 1),
        (Room(8, 3 * EACH), 3, 3),
        (Room(8, 2**40), 2**40 // EACH, 8),
        (Room(1, 2**40), 2**40 // EACH, 1),
        (Room(8, 2**40, bound(2 * EACH)), 2, 2),
        (Room(8, 2 * EACH, bound(2**40)), 2, 2),
        (Room(8, 2**40, bound(-1)), 0, 1),
    ],
)
def test_jobs_are_the_least_of_cores_and_memory(room: Room, fed: int, jobs: int) -> None:
    assert (room.fed, room.jobs) == (fed, jobs)


def test_the_reason_names_what_decided() -> None:
    each = f"{EACH // 2**20} MiB"
    assert Room(2, 9 * EACH).reason == f"a core for each; free memory would feed 9 workers of {each}"
    assert Room(4, 3 * EACH).reason == f"free memory feeds 3 workers of {each}, fewer than the 4 cores"
    tight = Room(4, 9 * EACH, bound(EACH)).reason
    assert tight == f"the control group's memory feeds 1 worker of {each}, fewer than the 4 cores"


def planted(folder: Path, own: str | None, files: dict[str, str]) -> Bound | None:
    """Return the bound found among these files."""
    root = folder / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    if own is not None:
        (folder / "own").write_text(own)
    return memory_bound(root, folder / "own")


V2, V1 = "0::/\n", "12:cpu,cpuacct:/\n4:memory:/\n1:name=systemd:/\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        (V2, {"memory.max": "1000\n", "memory.current": "300\n"}, Bound(1000, 700)),
        (
            V2,
            {"memory.max": "1000\n", "memory.current": "900\n", "memory.stat": "anon 500\ninactive_file 350\nslab 4\n"},
            Bound(1000, 450),
        ),
        (V2, {"memory.max": "max\n", "memory.current": "300\n"}, None),
        (V2, {"memory.max": "1000\n"}, None),
        (V2, {"memory.max": "many\n", "memory.current": "300\n"}, None),
        (V2, {}, None),
        (
            "0::/a/b\n",
            {
                "memory.max": "9000\n", "memory.current": "1000\n",
                "a/memory.max": "5000\n", "a/memory.current": "4900\n",
                "a/b/memory.max": "600\n", "a/b/memory.current": "100\n",
            },
            Bound(5000, 100),
        ),
        ("0::/of/the/machine\n", {"memory.max": "1000\n", "memory.current": "300\n"}, Bound(1000, 700)),
        (
            V1,
            {
                "memory/memory.limit_in_bytes": "2000\n", "memory/memory.usage_in_bytes": "1500\n",
                "memory/memory.stat": "inactive_file 7\ntotal_inactive_file 100\n",
            },
            Bound(2000, 600),
        ),
        (V1, {"memory/memory.limit_in_bytes": NONE, "memory/memory.usage_in_bytes": "1500\n"}, None),
        (
            "4:memory:/job/1\n",
            {
                "memory/memory.limit_in_bytes": NONE, "memory/memory.usage_in_bytes": "1500\n",
                "memory/job/1/memory.limit_in_bytes": "800\n", "memory/job/1/memory.usage_in_bytes": "800\n",
            },
            Bound(800, 0),
        ),
        ("0::/a\n", {"unified/a/memory.max": "50\n", "unified/a/memory.current": "20\n"}, Bound(50, 30)),
        ("nonsense\n\n3:memory\n", {"memory.max": "1000\n", "memory.current": "300\n"}, None),
        (None, {"memory.max": "1000\n", "memory.current": "300\n"}, Bound(1000, 700)),
        (None, {"memory/memory.limit_in_bytes": "2000\n", "memory/memory.usage_in_bytes": "500\n"}, Bound(2000, 1500)),
        (
            V2,
            {"memory.max": "1000\n", "memory.current": "900\n", "memory.stat": "inactive_file\ninactive_file x\n"},
            Bound(1000, 100),
        ),
    ],
)  # fmt: skip
def test_the_bound_of_control_groups(
    tmp_path: Path, own: str | None, files: dict[str, str], expected: Bound | None
) -> None:
    assert planted(tmp_path, own, files) == expected


def test_this_machine_has_files_that_can_be_read() -> None:
    found = memory_bound()
    assert found is None or found.left <= found.limit < _room._NO_BOUND


# --- What one took --------------------------------------------------------------------------------------------------


def test_the_peak_as_linux_tells_it_and_without(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmHWM:\t     321 kB\nVmRSS:\t 300 kB\n")
    assert peak_memory(status) == 321 * 1024
    held = psutil.Process().memory_info().rss
    status.write_text("Name:\tpython\n")
    for path in (status, tmp_path / "none"):
        assert peak_memory(path) > held / 2


def test_the_peak_stays_when_memory_is_given_back() -> None:
    before = peak_memory()
    block = np.ones(before + 2**26, np.uint8)
    most = peak_memory()
    assert most > 0.99 * len(block)
    del block
    assert peak_memory() == pytest.approx(most, rel=0.01)  # the kernel counts in rough steps
