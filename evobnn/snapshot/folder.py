"""The folder of a run: made, locked, looked through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from evobnn import _jsonl
from evobnn._jsonl import writing
from evobnn.errors import RunError, message


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Be the only writer of a run folder for the length of the block; never waits.

    Raises:
        RunError: another process writes this run, or the folder cannot be written.
    """
    held = FileLock(folder / ".lock", timeout=0)
    try:
        held.acquire()
    except Timeout as error:
        raise RunError(
            message(f"to be the only writer of {folder}", "another process that is writing this run",
                    "Wait until it ends or stop it, or start a new run in another folder.")
        ) from error  # fmt: skip
    except OSError as error:
        raise _jsonl.unwritable(folder, error) from error
    try:
        yield
    finally:
        held.release()


def is_being_written(folder: Path) -> bool:
    """Tell whether another process holds the lock of a run folder; neither waits nor holds it itself for longer than
    the question takes. False where the folder cannot be looked at.
    """
    path = folder / ".lock"
    if not path.is_file():
        return False
    try:
        import fcntl
    except ImportError:  # Windows
        return _is_held(path)
    try:
        with open(path, "rb") as file:  # for reading: the run may be somebody else's
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def new_folder(root: Path, preset: str, name: Path | None = None) -> Path:
    """Make and return an empty run folder: `name`, or else `root/<preset>-<first free number from 1>`.

    Two processes that ask at the same time get different numbers.

    Raises:
        RunError: `name` exists and is not empty, or the folder cannot be made.
    """
    with writing(name or root):
        if name is not None:
            name.mkdir(parents=True, exist_ok=True)
            if any(child.name != ".lock" for child in name.iterdir()):
                raise RunError(
                    message("a run folder that is new or empty", f"{name}, which has files in it",
                            f"Continue it with 'evobnn resume {name}', rename it, or name another folder with --out.")
                )  # fmt: skip
            return name
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            with suppress(FileExistsError):
                folder = root / f"{preset}-{number}"
                folder.mkdir()
                return folder
            number += 1


def numbered(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    """Return (number, path) of the files whose names match, in the order of their numbers."""
    try:
        children = list(folder.iterdir())
    except OSError as error:
        raise RunError(
            message("a run folder", f"{folder} ('{error.strerror}')", "Name a folder below populations/.")
        ) from error
    return sorted((int(found[1]), path) for path in children if (found := pattern.fullmatch(path.name)))
