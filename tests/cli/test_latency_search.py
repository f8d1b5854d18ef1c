"""A search by latency typed in: the same bytes by one worker and by two, and after a kill. Times are made up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, which is not there"),
]

ROOT = Path(__file__).parents[2]
CODE = """
import os
import sys
from zlib import crc32

from evobnn.cli.entry import run
from evobnn.deploy import latency
from evobnn.machine import facts


def made_up(compiler, flags, layers, shape):
    return {name: (1 + crc32(name.encode()) % 97) / 1e5 for name in layers}


latency.measured_layers = made_up
if name := os.environ.get("EVOBNN_TEST_PROCESSOR"):
    facts.processor = lambda: name
sys.exit(run(sys.argv[1:]))
"""
SEARCH = ("evolve", "digits", *TINY, "--set", 'objectives=["error","latency"]', "--population", "4", "--seed", "5")


def started(place: Path, arguments: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    own = {"PYTHONPATH": str(ROOT), "EVOBNN_CACHE": str(place / "cache"), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments], cwd=place, env={**os.environ, **own}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def decisive(run: Path) -> dict[str, bytes]:
    names = ["latency.json", "front.csv", *(f"generation-{n:04}.jsonl" for n in range(3))]
    return {name: (run / name).read_bytes() for name in names}


def test_one_worker_two_and_a_kill_give_the_same_bytes(tmp_path: Path) -> None:
    one = said(started(tmp_path, [*SEARCH, "--generations", "2", "--jobs", "1", "--out", "one"]))
    assert "layers on" in one and "latency" in one
    said(started(tmp_path, [*SEARCH, "--generations", "2", "--jobs", "2", "--out", "two"]))

    process = started(tmp_path, [*SEARCH, "--generations", "2", "--jobs", "2", "--out", "killed"])
    journal, end = tmp_path / "killed" / "journal.jsonl", time.monotonic() + 200
    while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (tmp_path / "killed" / "generation-0002.jsonl").exists()
    assert "Latencies are those" not in said(
        started(tmp_path, ["resume", "killed", "--generations", "2", "--jobs", "1"])
    )
    wanted = decisive(tmp_path / "one")
    assert decisive(tmp_path / "two") == wanted and decisive(tmp_path / "killed") == wanted

    shutil.rmtree(tmp_path / "cache")
    further = ["resume", "two", "--generations", "3", "--jobs", "1"]
    told = said(started(tmp_path, further, EVOBNN_TEST_PROCESSOR="another processor"))
    assert "not of the processor here" in told
    assert decisive(tmp_path / "two") == {**wanted, "front.csv": (tmp_path / "two" / "front.csv").read_bytes()}
    assert not list((tmp_path / "cache").glob("latency-*.json"))
