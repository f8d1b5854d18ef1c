"""How many workers there is room for: from numbers, and from files as Linux writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from evobnn.errors import DeviceError
from evobnn.machine import room as _room
from evobnn.machine.room import (
    BARE_WORKER,
    CARD_PER_WORKER,
    MEMORY_PER_WORKER,
    MOST_ON_A_CARD,
    Bound,
    Card,
    Need,
    Room,
    card_of,
    memory_bound,
    need_of,
    peak_memory,
)

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


# --- A card ---------------------------------------------------------------------------------------------------------

ON_CARD, AMPLE = CARD_PER_WORKER, 2**40


def on_card(cores: int, free: int, left: int, training: int = 0, images: int = 0) -> Room:
    return Room(cores, free, None, Card("cuda:1", left), need_of(training, images, on_card=True))


@pytest.mark.parametrize(
    ("room", "fed", "jobs"),
    [
        (on_card(8, AMPLE, 0), 0, 1),
        (on_card(8, AMPLE, ON_CARD - 1), 0, 1),
        (on_card(8, AMPLE, 3 * ON_CARD), 3, 3),
        (on_card(8, 2 * EACH, 3 * ON_CARD), 3, 2),
        (on_card(8, AMPLE, 30 * ON_CARD), 30, 8),
        (on_card(64, AMPLE, 30 * ON_CARD), 30, MOST_ON_A_CARD),
        (on_card(8, AMPLE, 6 * ON_CARD, ON_CARD, ON_CARD), 2, 2),
        (Room(64, AMPLE), None, 64),
    ],
)
def test_jobs_on_a_card_are_the_least_of_cores_and_both_memories(room: Room, fed: int | None, jobs: int) -> None:
    assert (room.fed_by_card, room.jobs) == (fed, jobs)


def test_the_reason_names_what_decided_on_a_card() -> None:
    each, there = f"{EACH // 2**20} MiB", f"about {ON_CARD // 2**20} MiB"
    both = f"free memory would feed 9 workers of {each}, free memory of cuda:1 would feed 5 workers of {there}"
    assert on_card(2, 9 * EACH, 5 * ON_CARD).reason == f"a core for each; {both}"
    short = f"free memory of cuda:1 feeds 1 worker of {there}, fewer than the 4 cores"
    assert on_card(4, 9 * EACH, ON_CARD).reason == short
    assert on_card(4, EACH, 2 * ON_CARD).reason == f"free memory feeds 1 worker of {each}, fewer than the 4 cores"
    many = on_card(64, AMPLE, AMPLE).reason
    assert many == f"at most {MOST_ON_A_CARD} share a card, fewer than the 64 cores"
    assert on_card(64, AMPLE, 3 * ON_CARD).reason.endswith("3 workers of about 1024 MiB, fewer than the 64 cores")


def test_a_worker_needs_more_memory_for_a_larger_training_and_on_a_card_the_card_s() -> None:
    assert need_of() == need_of(EACH - BARE_WORKER, GIB) == Need(EACH)
    assert need_of(GIB, GIB) == Need(BARE_WORKER + GIB)
    assert need_of(GIB, 7, on_card=True) == Need(EACH, ON_CARD + GIB + 7)
    large = Room(4, 3 * GIB, None, None, need_of(GIB))
    assert (large.fed, large.jobs) == (2, 2)
    assert large.reason == "free memory feeds 2 workers of about 1324 MiB, fewer than the 4 cores"


def test_the_memory_of_the_card_that_is_named_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"cuda": 5 * GIB, "cuda:1": 3 * GIB}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[device], 80 * GIB))
    assert card_of("cuda") == Card("cuda", 5 * GIB)
    assert card_of("cuda:1") == Card("cuda:1", 3 * GIB)
    assert card_of("cpu") is card_of("mps") is None


@pytest.mark.parametrize("error", [RuntimeError("no driver"), AssertionError("not compiled"), ValueError("what?")])
def test_a_card_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(device: str) -> tuple[int, int]:
        raise error

    monkeypatch.setattr(torch.cuda, "mem_get_info", fails)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"\(cpu, cuda:0, cuda:1\), got 'cuda:7'"):
        card_of("cuda:7")


def test_whatever_torch_raises_of_a_card_that_is_nowhere() -> None:
    with pytest.raises(DeviceError, match="Expected a device that is there .*'cuda:99'"):
        card_of("cuda:99")


# --- Control groups -------------------------------------------------------------------------------------------------


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
    """In a process of its own, which has held little before: here the block would have to be as large as the tests."""
    code = """
import numpy as np
from evobnn.machine.room import peak_memory
before = peak_memory()
block = np.ones(before + 2**26, np.uint8)
most = peak_memory()
size = len(block)
del block
print(size, most, peak_memory())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    size, most, after = map(int, done.stdout.split())
    assert most > 0.99 * size > 2**26
    assert after == pytest.approx(most, rel=0.01)  # the kernel counts in rough steps
