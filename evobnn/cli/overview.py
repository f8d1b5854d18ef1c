"""`evobnn front RUN --picture`: the front and its best member in one picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from evobnn.analysis import Run
from evobnn.analysis.pictures.overview import save_overview
from evobnn.cli.fronts import COSTS, winner
from evobnn.errors import ExperimentError, RunError, message
from evobnn.runs import subject
from evobnn.runs.portrait import Portrait


def draw(run: Run, path: Path, lines: Mapping[str, float]) -> None:
    """Draw a run's front and its best member into a PNG file.

    Raises:
        RunError: a run without the objective `error` or without a cost, without a front, or a file that cannot be
            written.
    """
    cost = next((name for name in run.objectives if name in COSTS), None)
    best = winner(run)
    if "error" not in run.objectives or cost is None or best is None:
        expected = f"a run with a front of error and one of {', '.join(COSTS)}"
        raise RunError(message(expected, f"{run.path} with {', '.join(run.objectives)}", "Draw another run."))
    portrait = Portrait(subject.find(f"{run.path}:{best}", "", None))
    kinds = portrait.bench.space.kinds
    site, tree = portrait.canonical.expressions[0]
    cell = (f"The {kinds[0]} cell of the best, id {best}", portrait.edges(kinds[0])) if kinds else None
    where = f" in {site} cells" if site in kinds else f" at {site}" if "/" in site else ""
    function = (f"Before every sign{where}: {tree}", portrait.curve(tree))
    save_overview(path, run.front(), run.individuals(), cell, function, cost=cost, lines=lines)


def parsed_lines(texts: Sequence[str]) -> dict[str, float]:
    """Return errors by name of texts such as `logistic regression=0.12`; raise ExperimentError for any other."""
    found = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.rpartition("="))
        if not name or not re.fullmatch(r"0?\.\d+|[01](\.0*)?", number):
            do = "Write --line 'logistic regression=0.12'."
            raise ExperimentError(message("--line NAME=ERROR, a share from 0 to 1", f"'{text}'", do))
        found[name] = float(number)
    return found
