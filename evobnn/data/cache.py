"""The cache: where it is, and folders in it that appear by one rename, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from evobnn.errors import DataError, message

_TRIES = 3


def cache_roots() -> list[Path]:
    """Return where images are kept: the first of these folders that can be written."""
    named = os.environ.get("EVOBNN_CACHE")
    try:
        first = Path(named) if named else Path.home() / ".cache" / "evobnn"
    except RuntimeError:  # no home directory
        return [_temporary_root()]
    return [first, _temporary_root()]


def _temporary_root() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"evobnn-{user}"


def written(roots: Sequence[Path], name: str, fill: Callable[[Path], None], check: Callable[[Path], object]) -> Path:
    """Return the folder `name` below the first of the roots that can be written, filled now.

    Arguments:
        roots: folders, which need not exist.
        name: of the folder.
        fill: writes its files into an empty folder.
        check: raises DataError for a folder that is not whole. Whole ones of this name hold the same: where another
            process was quicker its folder stays; one that is not whole is replaced.

    Raises:
        DataError: none of the roots can be written, or what `fill` raises.
    """
    refusals = []
    for root in roots:
        try:
            return _written(root, name, fill, check)
        except OSError as error:
            refusals.append(f"{root}: {error.strerror or error}")
    raise DataError(
        message(
            "a folder in which the prepared images can be kept",
            "; ".join(refusals),
            "Set EVOBNN_CACHE to a folder that can be written and has room.",
        )
    )


def _written(root: Path, name: str, fill: Callable[[Path], None], check: Callable[[Path], object]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    final = root / name
    unfinished = Path(tempfile.mkdtemp(dir=root, prefix=f".{name}-"))
    try:
        fill(unfinished)
        _replace(unfinished, final, check)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return final


def _replace(unfinished: Path, final: Path, check: Callable[[Path], object]) -> None:
    for left in reversed(range(_TRIES)):
        try:
            os.rename(unfinished, final)
            return
        except OSError:
            if not left:
                raise
        if final.is_dir():
            try:
                check(final)  # another process was quicker, and made the same
                return
            except DataError:
                aside = unfinished.with_name(f"{unfinished.name}-damaged")
                with suppress(OSError):  # another process was quicker to take it away
                    os.rename(final, aside)  # in one step, so that nobody meets a half of it
                shutil.rmtree(aside, ignore_errors=True)
