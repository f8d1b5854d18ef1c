"""Where the program starts and ends: the one place that turns exceptions into messages and exit codes.

0: done. 1: `check` found problems, or a bug (with its traceback). 2: something that the caller can mend, in one
message. 130: stopped by Ctrl-C. That a standard stream is closed, or that nobody reads it to its end, changes none of
them (`evobnn.cli.streams`); output that a full disk does not take is something to mend.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import typer

from evobnn.cli.app import app
from evobnn.cli.streams import OUTPUT, guarded
from evobnn.cli.words import STOPPED
from evobnn.errors import EvobnnError, closest, message

WIDTH = 100
_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_POSSIBLE = re.compile(r" \(Possible options: .*\)$")


# A thread of torch that waits for the others gives its core back soon: on a machine that does other work too, trainings
# with several threads are then a fifth faster, and no slower on one that does not. It is read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")


THREADS_AROUND = 3
"""Threads at once besides two for each core: one of each library."""


def _hold_threads() -> None:
    """Hold OpenBLAS and OpenMP to one thread, before they are loaded, where the system does not start as many as they
    would: they end the process then.
    """
    from evobnn._processes import start_threads

    try:
        start_threads(2 * (os.cpu_count() or 1) + THREADS_AROUND)
    except RuntimeError:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = "1"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `evobnn` with these arguments, or with those of the process, and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Return the exit code of `evobnn` with these arguments; everything expected is told in one message on stderr."""
    with guarded(), _notes():
        _hold_threads()
        return _ended(arguments)


def _ended(arguments: Sequence[str]) -> int:
    try:
        code = app(list(arguments), prog_name="evobnn", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except EvobnnError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped; what had finished is saved.", file=sys.stderr)
        return STOPPED
    except OSError as error:
        if error.filename == OUTPUT:
            got, do = f"'{error.strerror}'", "Free some space, or send it elsewhere."
            return _refuse(message("to write the output", got, do))
        where = f" ({error.filename})" if error.filename else ""
        do = "Check the disk and your rights; what was there is untouched."
        return _refuse(message("to read and write files", f"'{error.strerror or error}'{where}", do))
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of click's, which typer keeps in different places
            raise
        return _refuse(_usage(error))


@contextmanager
def _notes() -> Iterator[None]:
    """Print evobnn's own warnings as notes, each once, and none of joblib's, which say the same of processes."""
    before = warnings.showwarning
    said: set[str] = set()  # Python forgets what it has shown wherever filters change

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        from evobnn._processes import EvobnnWarning  # seldom needed, and the start is to be quick

        if issubclass(category, EvobnnWarning):
            if str(message) not in said:
                print(f"note: {message}", file=sys.stderr, flush=True)
            said.add(str(message))
        elif not str(message).endswith("joblib will operate in serial mode"):
            before(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _refuse(sentence: str) -> int:
    """Print a message, wrapped at blanks in a terminal; lines that point at a place stay as they are."""
    with suppress(OSError):
        width = min(shutil.get_terminal_size().columns, WIDTH) if sys.stderr.isatty() else 10**6
        for line in sentence.splitlines():
            print(line if line.startswith(" ") else textwrap.fill(line, width, **_WHOLE), file=sys.stderr)
    return 2


def _usage(error: Exception) -> str:
    """Return what was wrong with the arguments and where to read about them."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "evobnn"
    sentence = str(error.format_message()).strip()  # type: ignore[attr-defined]
    near = closest(getattr(error, "option_name", ""), getattr(error, "possibilities", None) or ())
    sentence = _POSSIBLE.sub(f". Did you mean '{near}'?" if near else "", sentence)
    return f"{sentence}{'' if sentence[-1:] in '.?!' else '.'} See '{command} --help'."
