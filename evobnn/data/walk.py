"""Which files lie below a folder: at every depth, nothing hidden, through links, each real folder and file once.

Hidden are names that begin with a dot, folders that begin with two underscores (`.ipynb_checkpoints`, `__MACOSX`), and
what systems leave behind (`Thumbs.db`, `@eaDir`): they hold copies and previews of the images beside them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from evobnn.errors import DataError, message

_SYSTEM = (
    "$recycle.bin",
    "@eadir",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
)


@dataclass(frozen=True)
class Found:
    """A file: `path` as it was come to, `real` without links."""

    path: str
    real: str


def is_hidden(name: str, folder: bool) -> bool:
    """Tell whether a folder or a file of this name is passed over."""
    return name.startswith((".", "__") if folder else ".") or name.lower() in _SYSTEM


def folders(root: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the folders in `root` that are not hidden, sorted; none where it is no folder."""
    if not os.path.isdir(root):
        return ()
    with os.scandir(root) as entries:
        return tuple(sorted(e.name for e in entries if not is_hidden(e.name, True) and _is_folder(e)))


def files_below(
    root: str, wanted: Callable[[str], bool], apart: Collection[str] = ()
) -> tuple[list[Found], list[str], int]:
    """Return the files below `root` in the order of their paths, those that were not wanted, and how many links lead to
    what is there already.

    Arguments:
        root: a folder, perhaps a link to one.
        wanted: by a file's name.
        apart: real paths of folders that are not gone into, as those of the other classes.

    Of several ways to one file or folder the one without a link counts, else the first in the alphabet.

    Raises:
        DataError: for a link to nothing whose name is wanted.
        OSError: for a folder that cannot be read.
    """
    found: dict[str, str] = {}
    others: list[str] = []
    twice = 0
    visited = set(apart) - {os.path.realpath(root)}
    ahead = [(root, os.path.realpath(root))]
    linked: list[tuple[str, str]] = []  # gone to when everything that is no link has been seen
    while ahead or linked:
        folder, real = ahead.pop() if ahead else linked.pop(0)
        if real in visited:
            twice += 1
            continue
        visited.add(real)
        for name, path, is_link, is_folder in _entries(folder):
            at = os.path.realpath(path) if is_link else path if folder == real else os.path.join(real, name)
            if is_folder and is_link and f"{real}{os.sep}".startswith(os.path.join(at, "")):
                twice += 1  # a loop
            elif is_folder:
                (linked if is_link else ahead).append((path, at))
            elif not wanted(name):
                others.append(path)
            elif is_link and not os.path.isfile(path):
                raise DataError(
                    message(f"an image behind the link {path}", "nothing there", "Mend or remove the link.")
                )
            elif at in found:
                twice += 1
                found[at] = min(found[at], path, key=lambda one: (os.path.islink(one), one))
            else:
                found[at] = path
        linked.sort()
    listed = sorted((Found(path, real) for real, path in found.items()), key=lambda one: one.path)
    return listed, sorted(others), twice


def _entries(folder: str) -> Iterator[tuple[str, str, bool, bool]]:
    """Yield name, path, whether it is a link and whether a folder, of all that is not hidden."""
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = _is_folder(entry)
            if not is_hidden(entry.name, is_folder):
                yield entry.name, os.path.join(folder, entry.name), entry.is_symlink(), is_folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        if entry.is_symlink():
            return False  # a link to itself
        raise
