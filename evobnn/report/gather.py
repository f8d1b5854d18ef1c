"""What a page shows of a run, as plain values that JSON can hold: columns by name, one entry an individual."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from evobnn.analysis import Run, load_run
from evobnn.errors import GenomeError, RunError
from evobnn.experiment.presets import read_toml
from evobnn.genome import parse_expression
from evobnn.report.about import about, number_in, section
from evobnn.report.failures import failures
from evobnn.snapshot import is_being_written, read_starts
from evobnn.snapshot.archive import Member
from evobnn.spaces import simplify

Plain = dict[str, Any]
HIDDEN = ("rung",)
"""Beginnings of the names of measures that describe how a training was stopped, not the network."""


@dataclass(frozen=True)
class Opened:
    """A run folder as it was when it was read.

    Attributes:
        run: its files, all of them whole.
        name: by which the page calls it.
        settings: of its `experiment.toml`, by section; empty where there is none.
        starts: how it was started, oldest first.
        running: whether a search is writing it now.
    """

    run: Run
    name: str
    settings: Plain = field(default_factory=dict)
    starts: Sequence[Plain] = ()
    running: bool = False


def opened(folder: Path, name: str = "") -> Opened:
    """Read the folder of a run; `name` is what the page calls it.

    Raises:
        RunError: no run, or one with a file that is damaged.
    """
    running = is_being_written(folder)
    run = load_run(folder)
    if run.messages:
        raise RunError(run.messages[0])
    path = folder / "experiment.toml"
    settings = read_toml(path) if path.is_file() else {}
    return Opened(run, name or folder.name, settings, read_starts(folder), running)


def gathered(found: Opened) -> Plain:
    """Return everything that a page shows of a run.

    >>> from evobnn.report import gathered
    >>> from evobnn.report.gather import opened
    >>> from pathlib import Path
    >>> shown = gathered(opened(Path("populations/digits")))
    >>> shown["objectives"], shown["state"], len(shown["columns"]["id"])
    (['error', 'ops'], 'finished', 92)
    """
    run, settings = found.run, found.settings
    recipe = section(settings, "recipe")
    start: Mapping[str, Any] = found.starts[-1] if found.starts else {}
    return {
        "name": found.name,
        "path": str(run.path),
        **_standing(found, start),
        "about": about(settings),
        "experiment": _alike(settings),
        "objectives": list(run.objectives),
        "axes": {axis.name: [axis.low, axis.high, axis.scale] for axis in run.axes},
        "constraints": dict(run.archive.constraints),
        "surrogate": [str(recipe.get("surrogate", "clipped_identity")), number_in(recipe, "clip", 1.0)],
        "train": _command(run.path, start),
        "columns": _columns(run),
        "fresh": _fresh(run),
        "simplified": _simplified(member.individual.genome for member in run.archive.members.values()),
        "hypervolume": _hypervolume(run),
        "failures": failures(run.generations),
    }


def _standing(found: Opened, start: Mapping[str, Any]) -> Plain:
    """Return how far the run is: its last generation, the total asked for, its evaluations, and one word for it."""
    generations = found.run.generations
    last, target = generations[-1].number, start.get("generations")
    reached = not isinstance(target, int) or last >= target
    return {
        "state": "running" if found.running else "finished" if reached else "stopped",
        "generation": last,
        "generations": target if isinstance(target, int) else last,
        "evaluations": sum(len(generation.results) for generation in generations),
        "networks": sum(bool(member.evaluations) for member in found.run.archive.members.values()),
    }


def _alike(settings: Mapping[str, Any]) -> str:
    """Return a text that is the same for runs of one experiment but for the seed; empty where nothing is known."""
    return json.dumps({**settings, "seed": None}, sort_keys=True, default=str) if settings else ""


def _command(path: Path, start: Mapping[str, Any]) -> list[str]:
    """Return what stands before and behind an id in the command that trains it to the end."""
    brought = [f"--with {shlex.quote(str(one))}" for one in start.get("with") or ()]
    return [f"evobnn train {shlex.quote(str(path))}:", "".join(f" {option}" for option in brought)]


def _columns(run: Run) -> Plain:
    """Return the columns of `Run.individuals`, words as numbers of `origins` and `statuses`, and what results tell:
    as which evaluation each was first asked for, and messages.
    """
    frame = run.individuals()
    names = list(frame.columns)
    objectives, last = list(run.objectives), names.index("behaviour")
    measures = [name for name in names[names.index("n") + 1 + len(objectives) : last] if not name.startswith(HIDDEN)]
    asked: dict[int, int] = {}
    for number, result in enumerate(result for generation in run.generations for result in generation.results):
        asked.setdefault(result.request.individual.id, number + 1)
    origins, statuses = (sorted(set(frame[name])) for name in ("origin", "status"))
    members = run.archive.members.values()
    return {
        **{name: frame[name].tolist() for name in ("id", "genome", "born")},
        "origin": frame["origin"].map(origins.index).tolist(),
        "origins": origins,
        "parents": [list(parents) for parents in frame["parents"]],
        "status": frame["status"].map(statuses.index).tolist(),
        "statuses": statuses,
        "n": frame["n"].tolist(),
        "asked": [asked.get(number) for number in frame["id"].tolist()],
        "front": frame["on_front"].astype(int).tolist(),
        "survivor": frame["survivor"].astype(int).tolist(),
        "objectives": {name: [_short(value) for value in frame[name].tolist()] for name in objectives},
        "measures": {name: [_short(value) for value in frame[name].tolist()] for name in measures},
        "messages": {m.individual.id: text for m in members if (text := _message(m))},
    }


def _message(member: Member) -> str:
    return next((one.message for one in member.evaluations if one.message), "")


def _fresh(run: Run) -> dict[int, Plain]:
    """Return the fresh scores by id: n, mean and standard deviation of each objective, and whether it is still on the
    front by these.
    """
    found: dict[int, Plain] = {}
    if not run.rescored:
        return found
    for row in run.front().to_dict("records"):
        score = run.rescored.get(int(row["id"]))
        if score is None:
            continue
        found[int(row["id"])] = {
            "n": int(row["n_rescored"]),
            "mean": {name: _short(score.objectives.get(name, math.nan)) for name in run.objectives},
            "sd": {name: _short(row[f"{name}_rescored_sd"]) for name in run.objectives},
            "holds": row["still_nondominated"] is True,
        }
    return found


def _simplified(genomes: Iterable[str]) -> dict[str, str]:
    """Return by the text of each expression its simplified form, where that is another; none of forms that evobnn does
    not know.
    """
    texts = {part.partition(" = ")[2] for genome in genomes for part in f" {genome}".split(" @")[1:]}
    found = {}
    for text in sorted(texts):
        with suppress(GenomeError):
            if (other := str(simplify(parse_expression(text)))) != text:
                found[text] = other
    return found


def _hypervolume(run: Run) -> list[list[Any]]:
    """Return evaluations so far, hypervolume and number of each generation; [] where it was not measured."""
    done = accumulate(len(generation.results) for generation in run.generations)
    rows = [
        [n, _short(g.log.get("hypervolume", math.nan)), g.number] for n, g in zip(done, run.generations, strict=True)
    ]
    return [row for row in rows if row[1] is not None]


def _short(value: Any) -> float | int | None:
    """Return a number in at most seven digits; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.7g}")
