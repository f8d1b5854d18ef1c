"""`evobnn compare`: arms against each other, seed by seed, at the same number of trained epochs or evaluations.

Every finished search is a line of `results.jsonl`; what is there is not run again, so a stopped comparison goes on, and
a finished one can be given more seeds or arms. What follows from the lines is written at the end: `report.json`,
`report.md`, `forest.png` and `curves.png`, the same for any number of jobs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evobnn import __version__, _jsonl
from evobnn._checks import check_at_least
from evobnn._seeding import generator
from evobnn.analysis.pictures.curves import FORMAT, REPORT, RESULTS, VERSION, as_bands, read_results, save_curves
from evobnn.analysis.pictures.forest import as_differences, save_forest
from evobnn.errors import EvobnnError, ExperimentError, RunError, SearchError, message
from evobnn.evaluation import Additions
from evobnn.experiment.needs import check_function, check_strategy
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import to_text
from evobnn.machine.workers import Workers, default_jobs
from evobnn.runs import Progress
from evobnn.runs.on_table import load_table
from evobnn.runs.setup import Options, check_trained, make_bench, make_search, search_bench, with_recipe
from evobnn.snapshot import lock
from evobnn.studies.compare.account import EPOCHS, Trace
from evobnn.studies.compare.arms import Arm, assigned
from evobnn.studies.compare.in_folders import arm_in_folder
from evobnn.studies.compare.on_table import TableJob, checked, run_table_job, search_on_table
from evobnn.studies.compare.peers import PEERS
from evobnn.studies.compare.phases import fitted, frozen
from evobnn.studies.compare.report import FACTORS, Report, judge, measured_by
from evobnn.studies.compare.text import as_markdown
from evobnn.studies.compare.yardsticks import dearest, floor, trained_rows

CHUNK = 5
"""Searches on a table that a worker does in one go."""

Done = dict[tuple[str, int], Trace | str]
"""By arm and seed, the account of a search, or why there is none."""
Told = Callable[[str, int, int], None]
"""Called with what is going on, the searches that are done, and those planned."""


@dataclass(frozen=True)
class Question:
    """What a comparison asks.

    Attributes:
        experiment: the base of all arms; with a `table` searches look evaluations up in it.
        arms: what is compared, the reference first.
        seeds: number of paired seeds, from the experiment's on.
        budget: of every search, in the unit.
        unit: what the budget counts, see `evobnn.studies.compare.account.Prices`.
    """

    experiment: Experiment
    arms: tuple[Arm, ...]
    seeds: int
    budget: int
    unit: str = EPOCHS

    def __post_init__(self) -> None:
        check_at_least("--seeds", self.seeds, 2)
        check_at_least("--budget", self.budget, 1)
        if len(self.arms) < 2:
            raise ExperimentError(message("at least 2 arms to compare", str(len(self.arms)), "Name another one."))

    @property
    def all_seeds(self) -> range:
        """Root seeds, rising."""
        return range(self.experiment.seed, self.experiment.seed + self.seeds)

    def said(self) -> dict[str, Any]:
        """Return all that decides a result but arms and seeds, in plain values."""
        table = load_table(self.experiment.table) if self.experiment.table else None
        neutral = replace(self.experiment, seed=0, preset="compare", horizon=0, table="")
        return {
            "experiment": to_text(neutral),
            "budget": self.budget,
            **({} if self.unit == EPOCHS else {"unit": self.unit}),
            "table": {"name": table.name, "fingerprint": table.fingerprint} if table else None,
            **({"best_known": table.best_known} if table else {}),
            "evobnn": __version__,
        }

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits over `said`."""
        return hashlib.sha256(json.dumps(self.said(), sort_keys=True).encode()).hexdigest()[:16]


def check(question: Question, options: Options) -> None:
    """See, before anything is run, that every arm can be: its settings, space, strategy, pressures and budget.

    Raises:
        EvobnnError: what is wrong, with the name of the arm.
    """
    options = with_peers(options)
    check_function(question.experiment, options.additions)
    own = options.additions.strategies
    bench = search_bench(question.experiment, options)
    base, whole = with_recipe(question.experiment, bench), bench.space
    if "error" not in base.objectives:
        raise ExperimentError(message("error among the objectives", str(list(base.objectives)), "Add it."))
    if not base.table and base.noise.rescore < 1:
        raise ExperimentError(message("noise.rescore of at least 1", "0", "Only fresh scores are compared."))
    for arm in question.arms:
        try:
            experiment = assigned(base, arm)
            check_trained(experiment)  # a shared network is nothing that its budgets count
            check_strategy(experiment, options.additions, options.brought)
            experiment = checked(experiment, own) if base.table else experiment
            first = arm.phases[0]
            genome = whole.sample(generator(base.seed, "compare", "check")) if first.given == "cells" else None
            searched = frozen(experiment, whole, first.given, genome)
            if base.table:
                search_on_table(searched, search_bench(searched, options), own)
            elif searched.strategy["name"] in PEERS:
                do = "Name one with --table, see 'evobnn tabulate'."
                raise ExperimentError(message("a table to search with another package", "trainings", do))
            else:
                make_search(searched, search_bench(searched, options), own)
            share = round(question.budget * arm.share * first.share)
            fitted(searched, share, question.unit, own, shrink=len(arm.phases) > 1)
        except EvobnnError as error:
            raise type(error)(f"In the arm {arm.name}: {error}") from error


def with_peers(options: Options) -> Options:
    """Return the options with optimisers of other packages beside the user's own strategies."""
    return replace(options, additions=Additions(strategies=PEERS) + options.additions)


def compare(
    question: Question, folder: Path, options: Options, told: Told = lambda what, done, planned: None
) -> Report:
    """Run what is missing, write what follows, and return the report.

    Arguments:
        question: what is asked.
        folder: new, empty, or that of the same question with other seeds or arms.
        options: how this process works.
        told: see `Told`.

    Raises:
        EvobnnError: as `check`; or the folder holds the results of another question.
    """
    check(question, options)
    options = with_peers(options)
    question = replace(question, experiment=with_recipe(question.experiment, make_bench(question.experiment, options)))
    with _jsonl.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        version, done = _known(question, folder)
        missing = [(arm, seed) for arm in question.arms for seed in question.all_seeds if (arm.name, seed) not in done]
        planned = len(question.arms) * question.seeds
        told("starting", planned - len(missing), planned)
        searches = _on_table if question.experiment.table else _in_folders
        for arm, seed, found in searches(question, missing, folder, options, told):
            _jsonl.append(folder / RESULTS, _jsonl.alone(_row(arm, seed, found), version))
            done[arm.name, seed] = found
            told(arm.name, sum((a.name, s) in done for a in question.arms for s in question.all_seeds), planned)
        return _written(question, done, folder)


def _on_table(
    question: Question, missing: Sequence[tuple[Arm, int]], folder: Path, options: Options, told: Told
) -> Iterator[tuple[Arm, int, Trace | str]]:
    """Yield what is missing as it is found, in any order."""
    jobs = []
    for arm in question.arms:
        seeds = [seed for one, seed in missing if one is arm]
        for start in range(0, len(seeds), CHUNK):
            chunk = tuple(seeds[start : start + CHUNK])
            own = options.additions.strategies
            jobs.append(TableJob(question.experiment, arm, chunk, question.budget, question.unit, own))
    count = min(options.jobs or default_jobs(), max(1, len(jobs)))
    with Workers(count, options.backend) as workers:
        for outcome in workers.run(run_table_job, jobs):
            if outcome.value is None:
                got = f"those of {jobs[outcome.index].arm.name} lost: {outcome.lost}"
                raise RunError(message("every search to come back", got, "Run the same again: it goes on from here."))
            for seed, found in outcome.value:
                yield jobs[outcome.index].arm, seed, found


def _in_folders(
    question: Question, missing: Sequence[tuple[Arm, int]], folder: Path, options: Options, told: Told
) -> Iterator[tuple[Arm, int, Trace | str]]:
    """Yield what is missing seed by seed, so that what there is of a stopped comparison is paired."""
    planned = len(question.arms) * question.seeds
    factors = set(FACTORS) <= {arm.name for arm in question.arms}
    for number, (arm, seed) in enumerate(sorted(missing, key=lambda pair: pair[1])):
        place = folder / f"{arm.name}-{seed}"
        before = planned - len(missing) + number

        def report(now: Progress, name: str = place.name, done: int = before) -> None:
            told(f"{name}, generation {now.generation}: {now.done}/{now.planned}", done, planned)

        begin = factors and arm.name == "joint"
        try:
            found: Trace | str = arm_in_folder(
                question.experiment, arm, seed, question.budget, place, options, report,
                unit=question.unit, start_afresh=begin,
            )  # fmt: skip
        except SearchError as error:
            found = str(error)
        yield arm, seed, found


# --- The folder -----------------------------------------------------------------------------------------------------


def _known(question: Question, folder: Path) -> tuple[int, Done]:
    """Return the version in which the folder is gone on with, and what it holds already; make its first line where
    there is none.

    Raises:
        RunError: it holds another question's results, or an arm of the same name with other settings.
    """
    path = folder / RESULTS
    header = {"format": FORMAT, "version": VERSION, "question": question.fingerprint(), **question.said()}
    if not path.is_file():
        _jsonl.write_text(path, _jsonl.alone(header, VERSION))
        return VERSION, {}
    before, rows = read_results(path)
    if before.get("question") != header["question"]:
        changed = [name for name in question.said() if before.get(name) != header[name]]
        do = "Name another folder with --out, or ask the same again."
        raise RunError(message(f"the results of this comparison in {folder}", f"another {' and '.join(changed)}", do))
    settings = {arm.name: arm.fingerprint() for arm in question.arms}
    done: Done = {}
    for row in rows:
        if settings.get(row["arm"], row["settings"]) != row["settings"]:
            got = f"the arm {row['arm']} with other settings"
            raise RunError(message(f"the results of these arms in {folder}", got, "Name the arm differently."))
        done[row["arm"], row["seed"]] = _from_row(row)
    return before["version"], done


def _row(arm: Arm, seed: int, found: Trace | str) -> dict[str, Any]:
    top = {"arm": arm.name, "settings": arm.fingerprint(), "seed": seed}
    return {**top, "failed": found} if isinstance(found, str) else {**top, **dataclasses.asdict(found)}


def _from_row(row: Mapping[str, Any]) -> Trace | str:
    if "failed" in row:
        return str(row["failed"])
    curves = {name: tuple(values) for name, values in row["curves"].items()}
    return Trace(tuple(row["epochs"]), curves, row["final"], row["start"], row["fixed"], row["best"])


def _written(question: Question, done: Done, folder: Path) -> Report:
    """Write the lines in order, the report and the pictures; return the report."""
    _in_order(question, folder)
    traces: dict[str, dict[int, Trace]] = {arm.name: {} for arm in question.arms}
    failed: dict[str, list[int]] = {arm.name: [] for arm in question.arms}
    for arm in question.arms:
        for seed in question.all_seeds:
            found = done[arm.name, seed]
            if isinstance(found, str):
                failed[arm.name].append(seed)
            else:
                traces[arm.name][seed] = found
    said = {**question.said(), "seeds": list(question.all_seeds), "epochs": question.experiment.recipe.epochs}
    shares = {arm.name: arm.share for arm in question.arms if arm.share != 1.0}
    said |= {"shares": shares} if shares else {}
    described = [
        (arm.name, arm.assignments, tuple(phase.given or "nothing" for phase in arm.phases)) for arm in question.arms
    ]
    last = max((trace.epochs[-1] for arm in traces.values() for trace in arm.values()), default=0.0)
    most = question.budget if question.unit == EPOCHS else math.ceil(last)
    report = judge(said, described, traces, failed, most, question.experiment.seed)
    if question.experiment.table:
        table = load_table(question.experiment.table)
        apart = dearest(question.experiment, question.all_seeds, question.budget, question.unit)
        report = measured_by(report, traces[question.arms[0].name], apart, floor(table), trained_rows(table))
    saved = plain(dataclasses.asdict(report))
    _jsonl.write_text(folder / REPORT, json.dumps(saved, indent=1, allow_nan=False) + "\n")
    _jsonl.write_text(folder / "report.md", as_markdown(report))
    save_forest(folder / "forest.png", as_differences(saved))
    save_curves(folder / "curves.png", as_bands(report.curves), report.reference)
    return report


def _in_order(question: Question, folder: Path) -> None:
    """Put the lines in the order of arms and seeds; those of other arms or seeds stay behind them."""
    header, rows = read_results(folder / RESULTS)
    places = {arm.name: number for number, arm in enumerate(question.arms)}
    rows.sort(key=lambda row: (places.get(row["arm"], len(places)), row["arm"], row["seed"]))
    _jsonl.write_text(folder / RESULTS, "".join(_jsonl.alone(row, header["version"]) for row in (header, *rows)))


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: None in place of what is not finite."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
