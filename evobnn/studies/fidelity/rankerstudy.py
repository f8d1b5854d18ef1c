"""`evobnn fidelity --rankers`: what ranks genomes at a small part of a training's cost, measured side by side.

Every genome that was measured is a line of `rankers.jsonl`; what is there is not measured again, so a stopped study
goes on. What follows from the lines is written at the end: `rankers.json` and `rankers.md`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from evobnn import __version__, _jsonl
from evobnn.errors import RunError, SearchError, message
from evobnn.evaluation.pace import Pace
from evobnn.experiment.text import to_text
from evobnn.machine.facts import machine, versions
from evobnn.machine.workers import Workers
from evobnn.runs.setup import Options, jobs_for, with_recipe
from evobnn.snapshot import lock
from evobnn.studies.compare.compare import plain
from evobnn.studies.fidelity.looked import Looked, LookJob, look
from evobnn.studies.fidelity.ranked import LEAST, Sample
from evobnn.studies.fidelity.rankers import RANKERS
from evobnn.studies.fidelity.rankertext import as_markdown
from evobnn.studies.fidelity.rankings import Measured, Rankings, judge

RESULTS, REPORT, TEXT = "rankers.jsonl", "rankers.json", "rankers.md"
FORMAT, VERSION = "evobnn-rankers", 2
TIMED = 5
"""Genomes of a table that are trained to see how long it takes."""

_MEND = "Take the line out; its genome is then measured again."


def study(
    sample: Sample,
    options: Options,
    seeds: int = 1,
    folder: Path | None = None,
    told: Callable[[int, int, float], None] = lambda done, planned, seconds_left: None,
) -> Rankings:
    """Measure what is missing, write what follows, and return it.

    Arguments:
        sample: which genomes.
        options: how this process works.
        seeds: trainings of each genome, whose mean error rankers are held against; on a table its own errors are.
        folder: new, empty, or that of the same study; None to keep nothing.
        told: called with (genomes done, planned, seconds left).

    Raises:
        RunError: the folder holds another study.
        SearchError: fewer than 6 genomes could be measured.
    """
    trainings = {name: seeds for name in sample.genomes}
    if sample.recorded:
        trainings = {name: int(number < TIMED) for number, name in enumerate(sample.genomes)}
    if folder is not None:
        with _jsonl.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    with nullcontext() if folder is None else lock(folder):
        version, known = (VERSION, {}) if folder is None else _known(sample, 0 if sample.recorded else seeds, folder)
        for name, looked in _look(sample, trainings, known, options, told):
            known[name] = looked
            if folder is not None:
                _jsonl.append(folder / RESULTS, _jsonl.alone(_row(name, sample, looked), version))
        report = _judged(sample, known, seeds, options)
        if folder is not None:
            text = json.dumps(plain(dataclasses.asdict(report)), indent=1, allow_nan=False)
            _jsonl.write_text(folder / REPORT, text + "\n")
            _jsonl.write_text(folder / TEXT, as_markdown(report))
    return report


def _look(
    sample: Sample,
    trainings: Mapping[str, int],
    known: Mapping[str, Looked],
    options: Options,
    told: Callable[[int, int, float], None],
) -> Iterator[tuple[str, Looked]]:
    """Yield what is missing as it ends. What was lost with its worker tells nothing: the next call tries it again."""
    names = [name for name in sample.genomes if name not in known]
    planned, root = len(sample.genomes), sample.experiment.seed
    told(planned - len(names), planned, math.nan)
    jobs = [LookJob(sample.bench, str(sample.genomes[name]), root, trainings[name]) for name in names]
    sizes = [1.0 + trainings[name] * sample.bench.protocol.recipe.epochs for name in names]
    with Workers(jobs_for(sample.bench, options), options.backend) as workers:
        pace = Pace(workers.jobs)
        pace.begin(sizes, time.monotonic())
        for done, outcome in enumerate(workers.run(look, jobs), planned - len(names) + 1):
            now = time.monotonic()
            took = None if outcome.lost else sum((*outcome.value.seconds.values(), *outcome.value.trained))
            pace.ended(sizes[outcome.index], took, now)
            if not outcome.lost:
                yield names[outcome.index], outcome.value
            told(done, planned, pace.seconds())


def _judged(sample: Sample, known: Mapping[str, Looked], seeds: int, options: Options) -> Rankings:
    good = [name for name in sample.genomes if name in known and not known[name].failed]
    if len(good) < LEAST:
        failed = next((one.failed for name in sample.genomes if (one := known.get(name)) and one.failed), "lost")
        got = f"{len(good)}; the first failure: {failed}"
        raise SearchError(message(f"at least {LEAST} genomes that can be measured", got, "Ask for more genomes."))
    trained = [second for name in good for second in known[name].trained]
    errors = [sample.recorded[name] if sample.recorded else math.fsum(known[name].errors) / seeds for name in good]
    found = Measured(
        np.round(errors, 12),  # what differs by less is rounding, and must not rank
        {name: [known[one].values[name] for one in good] for name in RANKERS},
        {name: np.array([known[one].seconds[name] for one in good]) for name in RANKERS},
        [sample.topology(name) for name in good],
        [sample.expressions(name) for name in good],
        [sample.convolutions(name) for name in good],
        float(np.median(trained)) if trained else math.nan,
    )
    question = {
        "name": sample.name,
        "table": sample.table,
        "seeds": 0 if sample.recorded else seeds,
        "experiment": to_text(with_recipe(sample.experiment, sample.bench)),
        "data": sample.bench.prepared.name,
        "versions": versions("torch", "numpy"),
        "machine": {**machine(options.device), "device": options.device},
    }
    return judge(found, question, len(sample.genomes) - len(good), sample.experiment.seed)


# --- The folder -----------------------------------------------------------------------------------------------------


def _known(sample: Sample, seeds: int, folder: Path) -> tuple[int, dict[str, Looked]]:
    """Return the version in which the folder is gone on with, and what it holds; make its first line where there is
    none.
    """
    settings = with_recipe(sample.experiment, sample.bench)
    said = {
        "settings": settings.fingerprint(),
        "protocol": sample.bench.protocol.fingerprint(),
        "table": sample.table,
        "seeds": seeds,
    }
    path = folder / RESULTS
    if not path.is_file():
        top = {"format": FORMAT, "version": VERSION, **said, "evobnn": __version__}
        _jsonl.write_text(path, _jsonl.alone(top, VERSION))
        return VERSION, {}
    header, rows = _jsonl.read_alone(path, FORMAT, VERSION, "Name the folder of such a study, or a new one.", _MEND)
    if changed := [name for name, value in said.items() if header.get(name) != value]:
        do = "Name another folder with --out, or ask the same again."
        raise RunError(message(f"the same study in {folder}", f"one of other {', '.join(changed)}", do))
    found = {}
    for number, row in rows:
        with _jsonl.line(path, number, _MEND):
            _jsonl.take(row, key=str, genome=str, values=dict, seconds=dict, errors=list, trained=list, failed=str)
            found[row["key"]] = _looked(row)
    return header["version"], found


def _looked(row: Mapping[str, Any]) -> Looked:
    if not row["failed"] and (set(row["values"]) != set(RANKERS) or set(row["seconds"]) != set(RANKERS)):
        raise ValueError("other rankers than there are")
    values = {
        name: tuple(-math.inf if value is None else float(value) for value in values)
        for name, values in row["values"].items()
    }
    return Looked(values, row["seconds"], tuple(row["errors"]), tuple(row["trained"]), row["failed"])


def _row(name: str, sample: Sample, looked: Looked) -> dict[str, Any]:
    """Return a line; a number that is not finite is null."""
    return {"key": name, "genome": str(sample.genomes[name]), **plain(dataclasses.asdict(looked))}
