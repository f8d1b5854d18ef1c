"""`evobnn fidelity`: does brief training tell the truth? The same genomes are trained briefly and at length.

Every training that has ended is a line of `results.jsonl`; what is there is not trained again, so a stopped study goes
on, and a finished one can be given more genomes, regimes or seeds. What follows from the lines is written at the end:
`report.json`, `report.md` and two pictures.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evobnn import __version__, _jsonl
from evobnn.analysis.pictures.agreement import Series, save_errors, save_taus
from evobnn.errors import RunError, SearchError, message
from evobnn.evaluation import Protocol, run_job
from evobnn.evaluation.estimates import sizes_of
from evobnn.evaluation.pace import Pace
from evobnn.experiment.text import to_text
from evobnn.machine.facts import machine, versions
from evobnn.machine.workers import Outcome, Workers
from evobnn.records import Status
from evobnn.runs.setup import Options, jobs_for, with_recipe
from evobnn.snapshot import lock
from evobnn.studies.compare.compare import plain
from evobnn.studies.fidelity.agreement import Agreement, Sample, Score, judge, sample
from evobnn.studies.fidelity.question import LEAST, Plan, Question, Task, job, numbers, plan, tasks
from evobnn.studies.fidelity.text import as_markdown, label

RESULTS, REPORT, TAUS, ERRORS = "results.jsonl", "report.json", "taus.png", "errors.png"
FORMAT, VERSION = "evobnn-fidelity", 2

_MEND = "Take the line out; its training is then done again."


@dataclass(frozen=True)
class Ended:
    """How a training ended: wall time, and its error in [0, 1], or why there is none."""

    seconds: float
    error: float = float("nan")
    failed: str = ""


def measure(
    question: Question,
    options: Options,
    folder: Path | None = None,
    told: Callable[[int, int, float], None] = lambda done, planned, seconds_left: None,
) -> Agreement:
    """Train what is missing, write what follows, and return the report.

    Arguments:
        question: what is asked.
        options: how this process works.
        folder: new, empty, or that of the same question with other genomes, regimes or seeds; None to keep nothing.
        told: called with (trainings done, planned, seconds left).

    Raises:
        EvobnnError: as `plan`; or the folder holds another question's trainings.
        SearchError: fewer than 6 genomes trained well in every regime.
    """
    whole = plan(question, options)
    if folder is not None:
        with _jsonl.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    with nullcontext() if folder is None else lock(folder):
        version, known = (VERSION, {}) if folder is None else _known(question, whole, folder)
        for task, ended in _train(question, whole, known, options, told):
            known[task] = ended
            if folder is not None:
                row = _row(task, str(whole.genomes[task.key]), ended)
                _jsonl.append(folder / RESULTS, _jsonl.alone(row, version))
        found = _sampled(question, whole, known)
        report = judge(found, question.own, _said(question, whole, options), question.experiment.seed)
        if folder is not None:
            _write(folder, report, found, question)
    return report


def _train(
    question: Question,
    whole: Plan,
    known: dict[Task, Ended],
    options: Options,
    told: Callable[[int, int, float], None],
) -> Iterator[tuple[Task, Ended]]:
    """Yield what is missing as it ends. What was lost with its worker tells nothing: the next call tries it again."""
    planned = tasks(question, whole)
    missing = [task for task in planned if task not in known]
    told(len(planned) - len(missing), len(planned), float("nan"))
    count = min(jobs_for(bench, options) for bench in whole.benches.values())
    with Workers(count, options.backend) as workers:
        jobs = [job(question, whole, task) for task in missing]
        sizes, pace = sizes_of(jobs), Pace(workers.jobs)
        pace.begin(sizes, time.monotonic())
        for done, outcome in enumerate(workers.run(run_job, jobs), len(planned) - len(missing) + 1):
            task = missing[outcome.index]
            pace.ended(sizes[outcome.index], None if outcome.lost else outcome.value.seconds, time.monotonic())
            if not outcome.lost:
                yield task, _ended(outcome)
            told(done, len(planned), pace.seconds())


def _ended(outcome: Outcome) -> Ended:
    found = outcome.value
    if found.status is Status.OK:
        return Ended(found.seconds, found.objectives["error"])
    return Ended(found.seconds, failed=f"{found.status}: {found.message}")


def _sampled(question: Question, whole: Plan, known: Mapping[Task, Ended]) -> Sample:
    """Return errors and seconds as arrays; raise SearchError where too few genomes are left."""
    none = Ended(float("nan"), failed="lost with its worker")
    errors, seconds = {}, {}
    for regime in (question.long, *question.briefs):
        rows = [
            [known.get(Task(name, regime.epochs, regime.width, n), none) for n in numbers(question, regime)]
            for name in whole.genomes
        ]
        errors[regime] = np.array([[one.error for one in row] for row in rows])
        seconds[regime] = np.array([[one.seconds for one in row] for row in rows])
    found = sample(errors, seconds, question.long)
    good = len(found.target)
    if good < LEAST:
        reasons = [known.get(task, none).failed for task in tasks(question, whole)]
        why = next(reason for reason in reasons if reason)
        expected = f"at least {LEAST} genomes that train well in every regime"
        raise SearchError(message(expected, f"{good}; the first failure: {why}", "Ask for more genomes."))
    return found


# --- The folder -----------------------------------------------------------------------------------------------------


def _protocol(question: Question, whole: Plan) -> Protocol:
    return whole.benches[question.settings.network.width].protocol


def _header(question: Question, whole: Plan) -> dict[str, Any]:
    """Return the first line; what it names decides every training, and the rest is in the lines."""
    settings = with_recipe(question.settings, whole.benches[question.own.width])
    protocol = _protocol(question, whole).fingerprint()
    top = {"format": FORMAT, "version": VERSION, "settings": settings.fingerprint(), "protocol": protocol}
    return {**top, "experiment": to_text(settings), "evobnn": __version__}


def _known(question: Question, whole: Plan, folder: Path) -> tuple[int, dict[Task, Ended]]:
    """Return the version in which the folder is gone on with, and what it holds already; make its first line where
    there is none.

    Raises:
        RunError: it holds trainings of other settings, data or versions of what computes, or no trainings at all.
    """
    path, header = folder / RESULTS, _header(question, whole)
    if not path.is_file():
        _jsonl.write_text(path, _jsonl.alone(header, VERSION))
        return VERSION, {}
    before, found = read_results(path)
    changed = ""
    if before.get("protocol") != header["protocol"]:
        changed = _protocol(question, whole).changed_since(str(before.get("protocol")))
    if before.get("settings") != header["settings"]:
        changed = "other settings"
    if changed:
        do = "Name another folder with --out, or ask the same again."
        raise RunError(message(f"the trainings of this protocol in {folder}", f"some with {changed}", do))
    return before["version"], found


def read_results(path: Path) -> tuple[dict[str, Any], dict[Task, Ended]]:
    """Return the first line of a `results.jsonl` and the trainings in it. A line that is torn by a kill is skipped.

    Raises:
        RunError: no such file, the first line is not that of such a study, or a line is not what is written here.
    """
    do = "Name the folder of such a study, or a new one."
    header, rows = _jsonl.read_alone(path, FORMAT, VERSION, do, _MEND)
    found: dict[Task, Ended] = {}
    for number, row in rows:
        with _jsonl.line(path, number, _MEND):
            ended = {"failed": str} if "failed" in row else {"error": float}
            kinds: dict[str, type] = {"genome": str, "key": str, "epochs": int, "width": int, "repeat": int}
            _jsonl.take(row, **kinds, seconds=float, **ended)
            task = Task(row["key"], row["epochs"], row["width"], row["repeat"])
            found[task] = Ended(row["seconds"], row.get("error", float("nan")), row.get("failed", ""))
    return header, found


def _row(task: Task, genome: str, ended: Ended) -> dict[str, Any]:
    how = {"failed": ended.failed} if ended.failed else {"error": ended.error}
    return {"genome": genome, **dataclasses.asdict(task), "seconds": round(ended.seconds, 4), **how}


def _said(question: Question, whole: Plan, options: Options) -> dict[str, Any]:
    """Return what was asked, where and with what, for the report."""
    prepared = whole.benches[question.own.width].prepared
    return {
        "experiment": to_text(with_recipe(question.settings, whole.benches[question.own.width])),
        "genomes": question.genomes,
        "seeds": question.seeds,
        "regimes": [dataclasses.asdict(regime) for regime in (question.long, *question.briefs)],
        "data": {"name": prepared.name, "train": prepared.train_count, "validation": prepared.validation_count},
        "versions": versions("torch", "numpy"),
        "machine": {**machine(options.device), "device": options.device},
    }


def _write(folder: Path, report: Agreement, found: Sample, question: Question) -> None:
    """Write report and pictures."""
    _jsonl.write_text(folder / REPORT, json.dumps(plain(dataclasses.asdict(report)), indent=1, allow_nan=False) + "\n")
    pictures = f"\n![tau against cost]({TAUS})\n\n![error of brief and long trainings]({ERRORS})\n"
    _jsonl.write_text(folder / "report.md", as_markdown(report) + pictures)
    panels = {"all genomes": _series(report, "tau"), "better half": _series(report, "tau_better")}
    ceilings = [(one.estimate, one.low, one.high) for one in (report.long.tau, report.long.tau_better)]
    save_taus(folder / TAUS, panels, ceilings)
    own, long = question.own, question.long
    names = (
        f"{label(own.epochs, own.width)}, one training",
        f"{label(long.epochs, long.width)}, mean of {long.repeats}",
    )
    save_errors(folder / ERRORS, found.errors[own][:, 0], found.target, found.better, names)


def _series(report: Agreement, which: str) -> list[Series]:
    """Return a line of points for each width, and one for the means of each regime with repeats."""

    def series(name: str, scores: Sequence[Score], labels: Sequence[str], *, means: bool) -> Series:
        taus = [getattr(one, which) for one in scores]
        low, high = [tau.low for tau in taus], [tau.high for tau in taus]
        cost = [one.seconds_share for one in scores]
        return Series(name, cost, [tau.estimate for tau in taus], low, high, labels, means)

    found = []
    for width in dict.fromkeys(one.width for one in report.scores):
        single = [one for one in report.scores if one.width == width and one.repeats == 1]
        found.append(series(f"width {width}", single, [str(one.epochs) for one in single], means=False))
        for epochs in (one.epochs for one in single):
            some = [one for one in report.scores if (one.width, one.epochs) == (width, epochs)]
            names = ["", *(f"{epochs}x{one.repeats}" for one in some[1:])]
            if len(some) > 1:
                found.append(series(f"width {width}, mean of trainings", some, names, means=True))
    return found
