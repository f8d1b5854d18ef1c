"""The loops of the default search, compiled once on a machine and before anybody trains: in a process of its own, while
data are prepared. Where they were compiled already, nothing happens, and Numba is not even imported.

One process compiles, by a lock beside what it writes; others wait for it and then load. A file beside them says that
they are all there, for these sources, versions and this processor.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evobnn.nn.fast.place import edition, place

Report = Callable[[int, int, float], None]
"""Called with how many parts are compiled, of how many, and after how many seconds; first with 0, last with all."""

OLD = 30 * 86400.0
"""Seconds after which what other editions of the package compiled is removed."""
_CHILD = """\
import sys, types
bare = types.ModuleType("evobnn.nn")
bare.__path__ = sys.argv[1:]
sys.modules["evobnn.nn"] = bare
from evobnn.nn.fast.compiling import main
main()
"""
"""What another process runs: the loops without the package they are in, whose `__init__` imports torch."""

_started: subprocess.Popen[str] | None = None
_tried: set[Path] = set()
"""What this process has compiled, or let compile, whether it could be kept or not."""


def _nobody(done: int, total: int, seconds: float) -> None:
    pass


@cache
def mark() -> Path | None:
    """Return the file that says that everything is compiled, there or not; None where nothing can be kept."""
    folder = place().folder
    if folder is None:
        return None
    binding: Any = importlib.import_module("llvmlite.binding")  # loads no Numba
    named, told = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    processor = named or binding.get_host_cpu_name(), told, binding.get_host_cpu_features().flatten()
    options = sorted((name, value) for name, value in os.environ.items() if name.startswith("NUMBA_OPT"))
    key = hashlib.sha256(repr((processor, options)).encode()).hexdigest()[:16]
    return folder / edition() / f"{key}.all"


def missing() -> bool:
    """Tell whether loops are to be compiled that can be kept; not where Numba is not installed."""
    try:
        if find_spec("numba") is None:
            return False
        found = mark()
    except (ImportError, PackageNotFoundError, OSError):
        return False  # whoever needs the loops says what is wrong
    return found is not None and not found.is_file()


def begin() -> None:
    """Start compiling in another process, unless it was started or is not needed; returns at once."""
    global _started
    if _started is None and sys.executable and missing() and mark() not in _tried:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        with suppress(OSError):  # no process can be started: `prepare` compiles in this one
            _started = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(Path(__file__).parents[1])],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )


def prepare(report: Report = _nobody) -> bool:
    """Return when the loops of the default search are compiled, and whether they had to be.

    Costs next to nothing where they were. What goes wrong is said by whoever needs them.
    """
    global _started
    found = mark() if _started is not None or missing() else None
    if found is None or found in _tried:
        return False
    began = time.monotonic()
    begin()
    _tried.add(found)
    child, _started = _started, None
    if child is None:
        return ready(report)
    total = 0
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            done, total = map(int, line.split())
            if done < total:
                report(done, total, time.monotonic() - began)
    if total:
        report(total, total, time.monotonic() - began)
    return True


def ready(report: Report = _nobody) -> bool:
    """Compile here and now what `prepare` has compiled elsewhere, unless it is; whether it had to be."""
    if not missing():
        return False
    found = mark()
    assert found is not None
    with _locked(found.with_suffix(".lock")):
        if found.is_file():
            return False  # another process was quicker
        began, parts = time.monotonic(), list(_parts())
        report(0, len(parts), 0.0)
        with _uncollected():
            for done, compile_one in enumerate(parts, 1):
                compile_one()
                report(done, len(parts), time.monotonic() - began)
        if not getattr(sys.modules.get("evobnn.nn.fast.kept"), "unkept", ()):
            found.touch()
        _forget_old(found.parent)
    return True


def _forget_old(present: Path) -> None:
    """Remove the folders of other editions that were made long ago."""
    for folder in present.parent.glob("evobnn-loops-*"):
        if folder != present and time.time() - folder.stat().st_mtime > OLD:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock  # which takes a while, and only where something is compiled

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold Python's collector back: compiling makes much, and little of it is garbage."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _parts() -> Iterator[Callable[[], object]]:
    """Yield what compiles or loads one loop each, those first that others call."""
    layer, pools = (importlib.import_module(f"evobnn.nn.fast.lanes.{name}") for name in ("layer", "pools"))
    yield from (part.compile for part in _apart())
    for function, arguments in (*layer.SIGNATURES, *pools.SIGNATURES):
        yield partial(function.compile, arguments)


def _apart() -> list[Any]:
    formloops, layer = (importlib.import_module(f"evobnn.nn.fast.{name}") for name in ("formloops", "lanes.layer"))
    return [*(part for part, _ in (*formloops.FORWARD, *formloops.BACKWARD)), *layer.PARTS]


def main() -> None:
    """Compile, and print how many are done, of how many, line by line."""
    ready(lambda done, total, seconds: print(done, total, flush=True))
