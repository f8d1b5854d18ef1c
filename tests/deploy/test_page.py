"""docs/deploy.md: its program compiles and answers, and its messages are those that the package has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np

import evobnn
from tests.deploy.conftest import needs_compiler

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


@needs_compiler
def test_the_program_shown_names_the_class(trained: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"^```c$\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (flags,) = re.findall(r"^cc (.+) model.c main.c -lm -o digits$", PAGE, re.MULTILINE)
    folder = evobnn.export(trained, to=["c"], out=tmp_path / "c", compiler="gcc").folder
    (folder / "main.c").write_text(program)
    warnings = ["-pedantic", "-Wall", "-Wextra", "-Werror"]
    options = [flag for flag in flags.split() if flag != "-O3"]
    command = ["gcc", *options, *warnings, "model.c", "main.c", "-lm", "-o", "digits"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    network = evobnn.load_network(trained)
    images = np.random.default_rng(2).integers(0, 256, (6, *network.shape), dtype=np.uint8)
    for image, name in zip(images, network.predict(images, names=True), strict=True):
        done = subprocess.run([folder / "digits"], input=image.tobytes(), capture_output=True, check=True, timeout=60)
        assert done.stdout.decode() == f"{name}\n"
    assert subprocess.run([folder / "digits"], input=b"short", check=False, timeout=60).returncode == 1


def test_the_messages_shown_are_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "evobnn").rglob("*.py"))
    shown = re.findall(r"^\| Expected (.+?)(?:, got| '| …)", PAGE.partition("## When it says no")[2], re.MULTILINE)
    assert len(shown) == 6
    for text in shown:
        assert f'"{text}' in code, text


def test_the_formats_shown_are_all() -> None:
    table = PAGE.partition("## What leaves")[2].partition("\n\nFirst")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == evobnn.export.__globals__["FORMATS"]
