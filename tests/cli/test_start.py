"""How the command line starts: nothing heavy where nothing is computed; what `evolve` says of its workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evobnn.machine.room import Card, Room
from evobnn.nn.fast import compiling
from evobnn.nn.fast.place import NOWHERE, Place
from evobnn.runs import Session
from tests.cli.conftest import TINY, Call


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are stopped as soon as they begin."""

    def proceed(session: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "proceed", proceed)


def test_the_number_of_jobs_is_explained_where_it_was_chosen(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.evaluation.room.room", lambda *given: Room(9, 2**40, None, Card("cuda:0", 5 * 2**30)))
    out = evobnn("evolve", "digits", *TINY).out
    assert "work   5 jobs (loky) on cpu, fp32\njobs   5: free memory of cuda:0 feeds 5 workers of about 1024 MiB" in out
    assert "fewer than the 9 cores\n" in out


def test_one_thread_where_the_system_does_not_start_one_for_each_core(
    evobnn: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenBLAS and OpenMP would end the process."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "2")
    assert evobnn("presets").code == 0
    assert [os.environ[name] for name in names] == ["2", "2"]

    def refused(count: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("evobnn._processes.start_threads", refused)
    assert evobnn("presets").code == 0
    assert [os.environ[name] for name in names] == ["1", "1"]


def test_the_first_search_says_that_it_compiles(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiling, "mark", lambda: tmp_path / "loops.all")
    monkeypatch.setattr(compiling, "_CHILD", "print('0 9'); print('4 9'); print('9 9')")
    told, fused = "loops  compiling once on this machine\nloops  compiled in 0 s\n", ["--set", "recipe.kernels=fused"]
    assert told in evobnn("evolve", "digits", *TINY, *fused).out
    assert "loops" not in evobnn("evolve", "digits", *TINY, "--set", "recipe.kernels=torch").out
    (tmp_path / "loops.all").touch()
    assert "loops" not in evobnn("evolve", "digits", *TINY, *fused).out


def test_a_place_for_loops_that_cannot_be_is_said_once(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.cli.loops.place", lambda: Place(None, said=NOWHERE))
    assert evobnn("evolve", "digits", *TINY, "--set", "recipe.kernels=fused").err.count(f"note: {NOWHERE}") == 1
    assert NOWHERE not in evobnn("evolve", "digits", *TINY, "--set", "recipe.kernels=torch").err


def test_a_number_that_was_asked_for_is_not(evobnn: Call, stopped: None) -> None:
    out = evobnn("evolve", "--jobs", 3, *TINY).out
    assert "work   3 jobs (loky) on cpu, fp32\n" in out and "\njobs " not in out


HEAVY = ("torch", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "numba", "joblib", "deap", "PIL")
LISTED, REFUSED, VERSION = ("presets", "recipes", "tabulate", "--help", "evolve --help"), 2, "--version"
MISSPELT = (
    *("evolv", "evolve --poplation 3", "evolve digist", "evolve nosuch.toml", "evolve --budget 10x", "evolve --jobs 0"),
    *("presets digist", "recipes standrad", "tabulate gaaf2", "compare digist", "fidelity digist", "front digits-9"),
    *("resume digits-9", "check digits-9", "show digits-1:3 --preset digist", "summary x --preset digist"),
    *("evaluate x --preset digist", "train x --preset digist", "train x --recipe standrad", "evolve --dataset"),
)
ASKING = """
import contextlib, io, json, sys
from evobnn.cli.entry import run
heavy, lines = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for line in lines:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(line.split())
    print(json.dumps([line, code, out.getvalue(), err.getvalue(), [name for name in heavy if name in sys.modules]]))
"""


def test_lists_help_and_slips_load_nothing_heavy(tmp_path: Path) -> None:
    lines = (*LISTED, VERSION, *MISSPELT)
    asked = [sys.executable, "-c", ASKING, json.dumps(HEAVY), json.dumps(lines)]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line, *_ in found] == list(lines)
    for line, code, out, err, loaded in found:
        assert not loaded, (line, loaded)
        assert code == (REFUSED if line in MISSPELT else 0), (line, code, err)
        assert (err if line in MISSPELT else out).strip(), line
        assert not (out if line in MISSPELT else err), line
