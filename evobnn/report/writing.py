"""One HTML file that loads nothing: data of runs, scripts and style, all of them in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import evobnn
from evobnn import _jsonl
from evobnn.analysis import Run
from evobnn.analysis.pictures import style
from evobnn.analysis.pictures.plots import OPERATION_COLOURS
from evobnn.errors import RunError, message
from evobnn.genome import FORMS, OPERATIONS
from evobnn.report.gather import Plain, gathered, opened
from evobnn.report.library import scripts
from evobnn.runs import named

SCRIPTS = ("words", "genome", "forms", "drawing", "curve", "data", "filters", "front", "below", "details", "main")
"""Files of `assets/`, in the order in which they are read."""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a browser lets the page load: nothing, from nowhere."""


def page(runs: Sequence[Plain]) -> str:
    """Return the page that shows runs, each as `gathered` returns it.

    Raises:
        EvobnnError: bokeh is not installed.
    """
    library = scripts(sum(len(run["columns"]["id"]) for run in runs))
    data = {"runs": _grouped(runs), "evobnn": evobnn.__version__, **_tables()}
    title = ", ".join(run["name"] for run in runs[:3]) + (" and others" if len(runs) > 3 else "")
    parts = {
        "policy": _POLICY,
        "title": escape(title),
        "style": _asset("style.css"),
        "data": embedded(data),
        "library": "\n".join(f"<script>{_inline(text)}</script>" for text in library),
        "scripts": "\n".join(f"<script>{_inline(_asset(f'{name}.js'))}</script>" for name in SCRIPTS),
    }
    head, *rest = _asset("page.html").split("{{")
    for part in rest:
        name, _, text = part.partition("}}")
        head += parts[name] + text
    return head


def write_report(*runs: Run | str | PathLike[str], out: str | PathLike[str] = "report.html") -> Path:
    """Write the page that shows one run, or several in one picture, and return its path. It takes what
    `evobnn.search` and `evobnn.load_run` return, folders, and names below `populations/`.

    Arguments:
        runs: at least one.
        out: the HTML file, which is replaced where it exists.

    Raises:
        RunError: no run, one that is damaged, or a file that cannot be written.
        EvobnnError: bokeh is not installed (the extra `report`).

    >>> evobnn.write_report("populations/digits", out="digits.html").stat().st_size < 5e6
    True
    """
    if not runs:
        raise RunError(message("at least one run", "none", "Name one."))
    folders = [named.find(str(run.path if isinstance(run, Run) else run)) for run in runs]
    told = [gathered(opened(folder, name)) for folder, name in zip(folders, names(folders), strict=True)]
    path = Path(out)
    _jsonl.write_bytes(path, page(told).encode("utf-8", "replace"))
    return path


def names(folders: Sequence[Path]) -> list[str]:
    """Return what to call runs: the last parts of their paths, as many as tell them apart."""
    paths = [folder.absolute() for folder in folders]
    found: list[str] = []
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        found = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(found)) == len(set(paths)):
            break
    seen: dict[str, int] = {}
    for number, name in enumerate(found):  # the same run twice is still two
        seen[name] = seen.get(name, 0) + 1
        found[number] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return found


def embedded(data: Mapping[str, Any]) -> str:
    """Return data as JSON that may stand in a script element, whatever texts are in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _grouped(runs: Sequence[Plain]) -> list[Plain]:
    """Return runs with the number of their group: those of one experiment but for the seed."""
    seen: dict[str, int] = {}
    keys = [run["experiment"] or f"unknown {number}" for number, run in enumerate(runs)]
    shown = [{name: value for name, value in run.items() if name != "experiment"} for run in runs]
    return [{**run, "group": seen.setdefault(key, len(seen))} for run, key in zip(shown, keys, strict=True)]


def _tables() -> Plain:
    """Return what names in genomes mean, and colours."""
    return {
        "operations": {
            name: {"summary": spec.summary, "nothing": spec.nothing, "keeps": spec.zero_preserving,
                   "colour": OPERATION_COLOURS.get(name, style.INK)}
            for name, spec in OPERATIONS.items()
        },
        "forms": {
            name: {"arity": spec.arity, "formula": spec.formula, "learnable": list(spec.learnable)}
            for name, spec in FORMS.items()
        },
        "colours": {"runs": list(style.COLOURS), "measured": style.MEASURED, "fresh": style.FRESH, "grey": style.GREY,
                    "ink": style.INK, "note": style.NOTE, "shade": style.SHADE, "grid": style.GRID},
    }  # fmt: skip


def _asset(name: str) -> str:
    return (resources.files("evobnn.report") / "assets" / name).read_text(encoding="utf-8")


def _inline(script: str) -> str:
    """Return a script that does not end its own element."""
    return script.replace("</script", r"<\/script").replace("<!--", r"<\!--")
