"""What a first word from the command line costs: CPU seconds beside those of a small typer program, in turns.

The small program has two commands and prints its help and one table by rich. It and every case run one after the
other, round after round; a ratio divides CPU seconds, user and system, by those of the small program in that round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from figures import Spread, heading, write

SMALL = '''
from typing import Annotated
import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def shown(context: typer.Context, name: Annotated[str | None, typer.Argument(help="Which row.")] = None) -> None:
    """Show the help and a table."""
    from rich.console import Console
    from rich.table import Table

    print(context.parent.get_help())
    made = Table("name", "what")
    for row in ("one", "two", "three"):
        made.add_row(row, "a row of a table")
    Console().print(made)


@app.command()
def other(count: Annotated[int, typer.Option(help="How many.")] = 1) -> None:
    """Do something else."""


app()
'''
BESIDE = "the small program"
CASES: tuple[tuple[str, int], ...] = (
    ("--version", 0),
    ("--help", 0),
    ("evolve --help", 0),
    ("evolve --poplation 3", 2),
    ("evolv", 2),
    ("presets", 0),
    ("recipes", 0),
    ("tabulate", 0),
    ("evolve digist", 2),
    ("presets digits", 0),
    ("evolve --set foo=1", 2),
)
"""Arguments, and the exit code."""


def spent(command: Sequence[str], code: int = 0) -> float:
    """Return the CPU seconds of a program that ends with this code.

    Raises:
        RuntimeError: it ended with another.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != code:
        raise RuntimeError(f"Expected exit code {code}, got {child.returncode} from {' '.join(command)}.")
    return used.ru_utime + used.ru_stime


def measured(repeats: int, cases: Sequence[tuple[str, int]] = CASES) -> dict[str, list[float]]:
    """Return the CPU seconds of the small program and of every case, round after round."""
    found: dict[str, list[float]] = {name: [] for name in (BESIDE, *(line for line, _ in cases))}
    with TemporaryDirectory() as place:
        small = Path(place) / "small.py"
        small.write_text(SMALL, encoding="utf-8")
        commands = {BESIDE: ([sys.executable, str(small), "shown"], 0)}
        commands |= {line: ([sys.executable, "-m", "evobnn", *line.split()], code) for line, code in cases}
        for command in commands.values():
            spent(*command)  # so that everything is compiled and in the cache of files
        for _ in range(repeats):
            for name, command in commands.items():
                found[name].append(spent(*command))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument("--only", action="append", choices=[line for line, _ in CASES], help="default: all")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    cases = [one for one in CASES if not given.only or one[0] in given.only]
    found = measured(given.repeats, cases)
    print(f"\n{'':<28} CPU s, median of {given.repeats}   ratio")
    rows = []
    for name, values in found.items():
        seconds, ratio = Spread(tuple(values)), Spread(tuple(a / b for a, b in zip(values, found[BESIDE], strict=True)))
        rows.append({"case": name, "cpu_seconds": seconds.plain(), "ratio": ratio.plain()})
        print(f"{name if name == BESIDE else f'evobnn {name}':<28} {seconds}   {ratio}")
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
