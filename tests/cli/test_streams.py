"""Standard streams that cannot encode, are closed, full or not read: stand-ins, silence or one sentence."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evobnn.cli.entry import run
from evobnn.cli.streams import spelt, standin

ROOT = Path(__file__).parents[2]
GENOME = "normal[2 = conv3(0) + zero(1)] @net = add(sin(x), zero)"


def alone(code: str, *, shell: str = "", folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, its streams directed as a shell would."""
    command = f'"{sys.executable}" -c "$CODE" {shell}'
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CODE": code}
    return subprocess.run(["sh", "-c", command], env=env, cwd=folder, capture_output=True, text=True, timeout=120)


PRINTING = """
import sys
from evobnn.cli.streams import guarded
with guarded():
    print("front ± 2"); print("note: ± 3", file=sys.stderr); sys.stdout.flush()
    with open("data", "w") as data:
        assert data.fileno() > 2, data.fileno()
        print("more"); sys.stdout.flush()
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp866", "latin-1", "cp437", "koi8-r"])
def test_what_cannot_be_encoded_has_a_stand_in(monkeypatch: pytest.MonkeyPatch, encoding: str, a_run: Path) -> None:
    for arguments in (
        ["front", str(a_run)],
        ["show", f"{a_run}:0"],
        ["tabulate"],
        ["front", "nö ±"],
        ["compare", "-h"],
    ):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2))
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            code = run(arguments)
        assert code == (2 if arguments[1:] == ["nö ±"] else 0)
        out.flush()
        err.flush()
        text = (out.buffer.getvalue() + err.buffer.getvalue()).decode(encoding)  # type: ignore[attr-defined]
        assert "Traceback" not in text and text
        if arguments[0] == "front" and encoding == "ascii" and code == 0:
            table = [line for line in text.splitlines() if (" +- " in line and "|" in line) or "---" in line]
            assert len(table) >= 2 and len({len(line.rstrip()) for line in table}) == 1, "columns are straight"
        assert (out.errors, err.errors) == ("strict", "strict")


def test_stand_ins() -> None:
    for character, other in {"±": "+-", "…": "...", "–": "-", "█": "#", "│": "|", "┴": "+", "·": ".", "⣀": "*"}.items():
        assert standin(character) == other
    assert standin("ж") == "?"
    assert spelt("a ± b – ж", "ascii") == "a +- b - ?" and spelt("a ± b – ж", "utf-8") == "a ± b – ж"
    assert spelt("é ± ж", "latin-1") == "é ± ?"


@pytest.mark.parametrize("shell", [">&-", "2>&-", ">&- 2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full", "| true"])
def test_streams_that_are_closed_or_not_read_change_nothing(tmp_path: Path, shell: str) -> None:
    done = alone(PRINTING, shell=shell, folder=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr + done.stdout, done.stderr
    assert (tmp_path / "data").read_text() == ""
    unseen = ">&-" in shell.split("2>")[0] or "|" in shell
    assert done.stdout == ("" if unseen else "front ± 2\nmore\n")
    assert done.stderr == ("" if "2>" in shell else "note: ± 3\n")


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    code = "import sys; from evobnn.cli.entry import main; main(['--version'])"
    done = alone(code, shell="> /dev/full")
    assert done.returncode == 2
    assert done.stderr == (
        "Expected to write the output, got 'No space left on device'. Free some space, or send it elsewhere.\n"
    )


def test_a_name_that_is_no_text_keeps_its_bytes() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="evobnn.standins")
    out.write("r\udcff.csv ±")
    out.flush()
    assert out.buffer.getvalue() == b"r\xff.csv \xc2\xb1"  # type: ignore[attr-defined]
