"""Tables and lines in narrow terminals: columns are left out by importance, no cell becomes a tower."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from evobnn.cli import console as module
from evobnn.cli.console import Fitted, line, table
from tests.cli.conftest import Call


def printed(made: Fitted, width: int, *, terminal: bool = True) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, markup=False)
    made.show(out, "--json")
    return [text.rstrip() for text in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def example() -> Fitted:
    made = table("genome", "error", "ops", "bits", first=(0, 2))
    made.add_row("add(sin(x), mul(x, cos(x)))", "12.34 %", "1,796", "21,636")
    made.add_row("x", "9.00 %", "12", "·")
    return made


def test_columns_go_by_importance_and_are_named() -> None:
    wide = printed(example(), 60)
    assert wide[0].split() == ["genome", "error", "ops", "bits"] and len(wide) == 4
    narrow = printed(example(), 30)
    assert narrow[0].split() == ["genome", "ops"]
    assert narrow[2].split()[-1] == "1,796" and narrow[3].split() == ["x", "12"]
    assert " ".join(narrow[4:]) == "Left out for want of room: error; bits. Widen the terminal, or see --json."
    assert max(map(len, narrow)) <= 30
    tiny = printed(example(), 12)
    assert tiny[0].split() == ["geno…", "ops"] or tiny[0].split() == ["genome"]
    assert max(map(len, tiny)) <= 12


def test_a_pipe_gets_every_column() -> None:
    piped = printed(example(), 30, terminal=False)
    assert piped[0].split() == ["genome", "error", "ops", "bits"]
    assert any(row.endswith("12.34 %   1,796   21,636") for row in piped)


@pytest.mark.parametrize("arguments", [("front", "digits-1"), ("summary", "digits-1:0"), ("tabulate",)])
def test_commands_fit_thirty_columns(
    evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module.Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")  # one that is dumb always has 80 columns
    out = re.sub(r"\x1b\[[\d;]*m", "", evobnn(*arguments).out)
    rows = out[: out.index("Left out for want of room")].splitlines()
    head = next(number for number, row in enumerate(rows) if row.startswith("───"))
    assert len(rows[head:]) > 1 and max(map(len, rows[head:])) <= 30
    body = [row.split() for row in rows[head + 1 :] if row.strip()]
    assert body and all(len(cells) > 1 or len(cells[0]) > 4 for cells in body), "no towers"


def test_a_line_keeps_where_it_stands_and_the_time_left() -> None:
    text = "generation 3/20: 45/120, 0 reused, 0 failed, best 12.30 %, hv 0.123, 1:35 left"
    assert line(text, 80) == text
    assert line(text, 50) == "generation 3/20: 45/120, 0 reused, 1:35 left"
    assert line(text, 35) == "generation 3/20: 45/120, 1:35 left"
    assert line(text, 30) == "3/20: 45/120, 1:35 left"
    assert line(text, 20) == "3/20: 45/120, 1:35 …"
