"""Real processes, killed at random moments: what goes on from there ends bit for bit as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.experiment.final import FinalSettings
from evobnn.experiment.recipes import plan_from_table
from evobnn.runs import Options
from evobnn.runs.final import create
from evobnn.runs.final import session as module
from evobnn.runs.final.folder import seed_folder
from tests.final.conftest import STAGES, proceed

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from evobnn.runs import Options
from evobnn.runs.final import FinalSession
FinalSession(Path(sys.argv[1]), Options(jobs=1)).proceed()
"""
EPOCHS = {2: 24, 12: 40}


def killed(folder: Path, rng: random.Random) -> bool:
    """Go on in a process, kill it at a random moment after its first new epoch; tell whether it was still at work."""
    path = folder / "seed-0" / "metrics.jsonl"

    def lines() -> int:
        return path.read_bytes().count(b"\n") if path.exists() else 0

    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wanted, end = lines() + rng.randint(1, 4), time.monotonic() + 120
    while process.poll() is None and lines() < wanted:
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.05))
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return alive


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, 12])
def test_kills_at_random_moments_leave_no_trace(
    settings: FinalSettings, undrawn: None, tmp_path: Path, kills: int
) -> None:
    first, second = STAGES["stages"]
    epochs = EPOCHS[kills]
    stages = [{**first, "epochs": epochs // 4}, {**second, "epochs": epochs - epochs // 4}]
    plan = plan_from_table({**STAGES, "stages": stages}, "tiny", "tests")
    one = replace(settings, seeds=(0,), plan=plan)
    whole, folder = (create(one, Options(jobs=1), tmp_path) for _ in range(2))
    proceed(whole)
    rng = random.Random(kills)
    landed = sum(killed(folder, rng) for _ in range(kills))
    assert landed == kills
    assert 0 < len(seed_folder(folder, 0).lines()) < epochs
    assert not (folder / "seed-0" / "test.json").exists()
    proceed(folder)
    here, there = (seed_folder(place, 0) for place in (folder, whole))
    assert (here.path / "weights.safetensors").read_bytes() == (there.path / "weights.safetensors").read_bytes()
    lines, wanted = ([replace(line, seconds=0.0) for line in home.lines()] for home in (here, there))
    assert len(wanted) == epochs and lines == wanted
    assert here.tested() == there.tested() is not None
    assert module.read_starts(folder)[-1]["settings"] and len(module.read_starts(folder)) == kills + 1
