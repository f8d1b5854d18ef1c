"""What lies in `examples/` runs as it stands, and imports evobnn alone beside NumPy."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.experiment.final import FinalSettings
from evobnn.experiment.recipes import plan_from_table
from evobnn.runs import Options
from evobnn.runs.final import FinalSession, create
from evobnn.runs.final import session as module

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
GENOME = "normal[2 = conv3(0) + max3(1)] reduction[2 = conv3(0) + max3(1)] @normal = add(sin(x), x) @reduction = x"


def test_an_example_is_short_and_needs_evobnn_alone() -> None:
    assert EXAMPLES
    for path in EXAMPLES:
        text = path.read_text()
        assert len(text.splitlines()) <= 40
        modules: set[str] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module).partition(".")[0])
        assert modules - set(sys.stdlib_module_names) <= {"evobnn", "numpy"}


def test_load_and_predict(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    plan = plan_from_table({"recipe": {"epochs": 1, "batch": 50}}, "tiny", "tests")
    folder = create(FinalSettings(GENOME, tiny, plan), Options(jobs=1), tmp_path)
    FinalSession(folder, Options(jobs=1)).proceed()
    np.save(tmp_path / "images.npy", np.zeros((4, 1, 8, 8), np.uint8))
    for more, count in (([], 3), ([str(tmp_path / "images.npy")], 4)):
        monkeypatch.setattr(sys, "argv", ["load_and_predict.py", str(folder), *more])
        runpy.run_path(str(EXAMPLES[0].with_name("load_and_predict.py")))
        out = capsys.readouterr().out
        assert f"logits ({count}, 10)" in out and "images (1, 8, 8) classes ('0'," in out


TWO_WORKERS = {"own_evaluation": "failed: ", "own_objective": "energy"}
ONE = {"own_operation": "genome", "own_strategy": "genome", "search": "started from"}
"""What each prints, by the workers that it has, apart from the one that needs a training."""

ONE_BY_ONE = """
import runpy, sys

for path in list(sys.argv[1:]):
    name = path.rpartition("/")[2].removesuffix(".py")
    sys.argv = [path, name]
    print("begins", name)
    runpy.run_path(path, run_name="__main__")
    print("ends", name)
"""


def test_every_example_is_run_here() -> None:
    assert sorted(["load_and_predict", "out_of_the_toolkit", *TWO_WORKERS, *ONE]) == [path.stem for path in EXAMPLES]


@pytest.mark.slow
def test_scripts_that_have_two_workers(tmp_path: Path) -> None:
    paths = [str(path) for path in EXAMPLES if path.stem in TWO_WORKERS]
    command = [sys.executable, "-W", "error", "-c", ONE_BY_ONE, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name, said in TWO_WORKERS.items():
        assert said in done.stdout.partition(f"begins {name}")[2].partition(f"ends {name}")[0]
        assert (tmp_path / name / "front.csv").is_file()


@pytest.mark.parametrize("name", list(ONE))
def test_an_example_that_needs_no_workers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "out"])
    runpy.run_path(str(EXAMPLES[0].with_name(f"{name}.py")), run_name="__main__")
    assert ONE[name] in capsys.readouterr().out and (tmp_path / "out" / "front.csv").is_file()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, which is not there")
def test_out_of_the_toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    paths = [str(EXAMPLES[0].with_name(f"{name}.py")) for name in ("search", "out_of_the_toolkit")]
    for arguments in ([paths[0], "run"], [paths[1], "out", "run", "1"]):
        command = [sys.executable, "-W", "error", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    same, images = re.findall(r"PyTorch's class: (\d+) of (\d+) images", done.stdout)[0]
    assert same == images == "359"
    assert "bytes of constants" in done.stdout and (tmp_path / "out" / "c" / "bits.safetensors").is_file()
