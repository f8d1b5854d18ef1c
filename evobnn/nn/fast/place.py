"""Where compiled loops are kept, chosen once by each process: code is loaded from there, so others must not write it.

Neither Numba nor torch is needed to tell.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BESIDE = Path(__file__).parent
"""The loops themselves; what is compiled lies in `__pycache__` beside them."""


SOURCES = (
    *("apart", "elementary", "formloops", "kept", "loops", "programs"),
    *("lanes/convolution", "lanes/layer", "lanes/pools"),
)
"""Modules whose text decides what is compiled, below this folder."""
ROOM = 16 * 2**20
"""Bytes that compiled loops take, several times over."""


@dataclass(frozen=True)
class Place:
    """A folder for compiled code.

    Attributes:
        folder: in which files can be written, or None where there is none at all.
        said: a sentence on what a person might not expect, or nothing.
    """

    folder: Path | None
    said: str = ""


@cache
def place() -> Place:
    """Return NUMBA_CACHE_DIR; else, and where it is no folder that can be written or is full, the package's own folder,
    else that of the user for prepared images, else one for temporary files, else none.
    """
    named = os.environ.get("NUMBA_CACHE_DIR", "")
    said = ""
    if named:
        if (written := writable(Path(named))) and _room(Path(named)):
            return Place(Path(named).absolute())
        fault = "has no room for them" if written else "is no folder that can be written"
        said = f"NUMBA_CACHE_DIR names {named}, which {fault}; "
    if writable(BESIDE / "__pycache__") and _room(BESIDE / "__pycache__"):
        kept = "compiled loops are kept beside the package." if named else ""
        return Place(BESIDE / "__pycache__", said + kept)
    for root in _roots():
        if writable(root / "loops", private=True) and _room(root / "loops"):
            kept = f"compiled loops are kept in {root / 'loops'}." if named else ""
            return Place(root / "loops", said=said + kept)
    return Place(None, said=said + NOWHERE)


NOWHERE = "no folder can keep compiled loops, so that every process compiles them anew; set NUMBA_CACHE_DIR to one."


@cache
def edition() -> str:
    """Return the name of the folder, in a place, for loops of these sources and this Numba. It knows of all sources,
    where Numba looks at that of one function, and not at those of others that it was compiled with.
    """
    here = Path(__file__).parent
    texts = [(here / f"{name}.py").read_bytes() for name in SOURCES]
    told = version("numba"), version("llvmlite"), platform.python_version(), str(here)
    return "evobnn-loops-" + hashlib.sha256(repr(told).encode() + b"".join(texts)).hexdigest()[:16]


def _roots() -> list[Path]:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    named = os.environ.get("EVOBNN_CACHE")
    roots = []
    with suppress(RuntimeError):  # no home directory
        roots.append(Path(named) if named else Path.home() / ".cache" / "evobnn")
    with suppress(FileNotFoundError):  # no folder for temporary files
        roots.append(Path(tempfile.gettempdir()) / f"evobnn-{user}")
    return [root.absolute() for root in roots]


def writable(folder: Path, *, private: bool = False) -> bool:
    """Tell whether files can be made in a folder, which is made if it is not there; `private` ones are made for nobody
    else, and must be one's own and closed to what others write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        if private and not _own(folder):
            return False
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _room(folder: Path) -> bool:
    """Tell whether compiled loops have room in a folder, or are all in it."""
    try:
        found = shutil.disk_usage(folder)
        enough = found.free >= ROOM or not found.total  # some file systems cannot tell
        return enough or any((folder / edition()).glob("*.all"))
    except (OSError, PackageNotFoundError):
        return False


def _own(folder: Path) -> bool:
    """Tell whether a folder is this user's, nobody else may write into it, and not everybody may put another one in its
    place.
    """
    if not hasattr(os, "getuid"):
        return True
    found, above = folder.lstat(), folder.parent.stat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    open_above = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not open_above
