"""Where the program starts and ends: the one place that turns exceptions into messages and exit codes.

0: done. 1: `check` found problems, or a bug (with its traceback). 2: something that the caller can mend, in one
message. 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from evobnn.cli.app import app
from evobnn.cli.words import STOPPED
from evobnn.errors import EvobnnError, message

WIDTH = 100
_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_POSSIBLE = re.compile(r" \(Possible options: ([^,)]+).*\)$")


# A thread of torch that waits for the others gives its core back soon: on a machine that does other work too, trainings
# with several threads are then a fifth faster, and no slower on one that does not. It is read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `evobnn` with these arguments, or with those of the process, and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Return the exit code of `evobnn` with these arguments; everything expected is told in one message on stderr."""
    try:
        code = app(list(arguments), prog_name="evobnn", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except EvobnnError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped; what had finished is saved.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        _leave_the_pipe()
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        do = "Check the disk and your rights; what was there is untouched."
        return _refuse(message("to read and write files", f"'{error.strerror or error}'{where}", do))
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of click's, which typer keeps in different places
            raise
        return _refuse(_usage(error))


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
    sentence = _POSSIBLE.sub(r". Did you mean '\1'?", sentence)
    return f"{sentence}{'' if sentence[-1:] in '.?!' else '.'} See '{command} --help'."


def _leave_the_pipe() -> None:
    """Let nothing more be written where nobody reads, so that the interpreter ends quietly."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
