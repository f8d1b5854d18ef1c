"""`evobnn tabulate`: train every network of a small space with several seeds, once and for all.

A search on such a table takes milliseconds, so that a claim about searches rests on hundreds of them. The trainings go
into a journal as they come in; after a stop the next call goes on where this one ended, and the table holds what was
trained so far. Where the experiment has `halving.rungs`, each training goes its whole way and is scored at every rung,
so that searches on the table can halve.
"""

from __future__ import annotations

import math
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from evobnn._jsonl import writing
from evobnn._seeding import generator
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import WHOLE, Bench, Job, Protocol, Stretch, run_job
from evobnn.evaluation.pace import Pace
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import to_text
from evobnn.genome import Expression, Genome
from evobnn.machine.facts import cores, versions
from evobnn.machine.workers import LOST, Workers
from evobnn.records import Evaluation, Status
from evobnn.runs.setup import Options, check_trained, jobs_for, search_bench, with_recipe
from evobnn.snapshot import Journal, JournalEntry, lock, read_journal
from evobnn.spaces import key
from evobnn.spaces.enumeration import every
from evobnn.studies.fidelity.heritability import intraclass
from evobnn.studies.tables.climb import early_error, is_climbed, run_climb
from evobnn.studies.tables.specs import TABLE, TableSpec
from evobnn.tables import Row, Table, read_table, write_table, wrong_images

JOURNAL, RUNGS = "journal.jsonl", "rungs"


@dataclass(frozen=True)
class Plan:
    """What a table consists of.

    Attributes:
        bench: where trainings happen.
        genomes: by key, in the order of the table.
        refused: why a genome is not trained, by key.
        baselines: keys of the genomes that get more seeds whatever their rank.
    """

    bench: Bench
    genomes: Mapping[str, Genome]
    refused: Mapping[str, str]
    baselines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One training: which genome, with which seed, with its real-valued twin or without."""

    key: str
    seed: int
    twin: bool


def plan(spec: TableSpec, experiment: Experiment, options: Options) -> Plan:
    """Return every genome of the experiment's space with the reason why it is not trained, if there is one.

    Raises:
        GenomeError: a space that is too large, or a baseline that cannot be read.
        ExperimentError: a baseline that is not in the space.
    """
    check_trained(experiment)
    bench = search_bench(experiment, options)
    genomes = dict(every(bench.space))
    refused = {name: reason for name, genome in genomes.items() if (reason := bench.infeasible(genome))}
    topologies = list(dict.fromkeys(genome.cells for name, genome in genomes.items() if name not in refused))
    if spec.drawn:
        generator(0, "topologies").shuffle(topologies)
    if spec.drawn or spec.topologies:
        place = {cells: number for number, cells in enumerate(topologies[: spec.topologies or None])}
        genomes = {name: genome for name, genome in genomes.items() if genome.cells in place}
        genomes = dict(sorted(genomes.items(), key=lambda pair: place[pair[1].cells]))
        if spec.whole:
            plainest = bench.space.plainest()
            wide = set(topologies[: spec.whole])
            genomes = {name: one for name, one in genomes.items() if one.cells in wide or _is_plain(one, plainest)}
        refused = {name: reason for name, reason in refused.items() if name in genomes}
    baselines = {key(bench.space, bench.space.parse(text)): text for text in spec.baselines}
    if strange := [text for name, text in baselines.items() if name not in genomes]:
        expected = f"baselines out of the space of the table {spec.name}"
        raise ExperimentError(message(expected, strange[0], "Leave it out or widen the space."))
    return Plan(bench, genomes, refused, tuple(baselines))


def missing(spec: TableSpec, plan: Plan, known: Mapping[tuple[str, int], Evaluation]) -> list[Task]:
    """Return the trainings to be done next: first `seeds` of all, then `more` of the best; empty when all is done."""
    trained = [name for name in plan.genomes if name not in plan.refused]
    first = [Task(name, seed, seed < spec.twins) for seed in range(spec.seeds) for name in trained]
    if spec.drawn:
        plainest = plan.bench.space.plainest()
        rank = {name: (not _is_plain(plan.genomes[name], plainest), number) for number, name in enumerate(trained)}
        first.sort(key=lambda task: rank[task.key])
    left = [task for task in first if (task.key, task.seed) not in known]
    if left or spec.more <= spec.seeds:
        return left
    chosen = _best(spec, plan, known)
    more = [Task(name, seed, False) for seed in range(spec.seeds, spec.more) for name in chosen]
    return [task for task in more if (task.key, task.seed) not in known]


def _is_plain(genome: Genome, plainest: Expression) -> bool:
    return all(expression == plainest for _, expression in genome.expressions)


def _best(spec: TableSpec, plan: Plan, known: Mapping[tuple[str, int], Evaluation]) -> list[str]:
    """Return the keys that get more seeds: the best by mean over the first ones, and the baselines."""
    means: dict[str, float] = {}
    for name in plan.genomes:
        found = [known[name, seed] for seed in range(spec.seeds) if (name, seed) in known]
        if found and all(one.status is Status.OK for one in found):
            means[name] = math.fsum(one.objectives["error"] for one in found) / len(found)
    ranked = sorted(means, key=lambda name: (means[name], name))[: spec.best]
    return list(dict.fromkeys([*ranked, *(name for name in plan.baselines if name in means)]))


def tabulate(
    spec: TableSpec,
    options: Options,
    folder: Path,
    report: Callable[[int, int, float], None] = lambda done, planned, seconds_left: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Table:
    """Train what is missing, until all is done or the budget is used, and return the table as it is then.

    Arguments:
        spec: what to tabulate.
        options: jobs, backend, device, data folder; `budget`, from this call on, stops after a training, one at least;
            what others are in the middle of is given up.
        folder: of the table; holds `table.jsonl` and the journal. A table without its journal is gone on from as well.
        report: called with (trainings done, planned in this stage, seconds left) after each.
        say: called with a sentence on every line of the journal that is not what was written.

    Raises:
        ExperimentError: the folder holds trainings of another protocol, or a baseline is not in the space.
        RunError: the folder cannot be written, or another process writes it.
    """
    started = time.monotonic()
    experiment = spec.experiment()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    whole = plan(spec, experiment, options)
    protocol, rungs = whole.bench.protocol, experiment.halving.rungs
    untrained = _untrained(whole)  # before the trainings, so that little is left to do when the time is up

    def out_of_time() -> bool:
        return options.budget is not None and time.monotonic() - started >= options.budget

    with lock(folder), Workers(jobs_for(whole.bench, options), options.backend) as workers:
        known = _known(folder, protocol, rungs, say)
        journal = Journal(folder / JOURNAL)
        pace = Pace(workers.jobs)
        train = partial(run_climb, rungs=rungs) if rungs else run_job
        stopped = False
        while not stopped and (todo := missing(spec, whole, known)):
            sizes = [2.0 if task.twin else 1.0 for task in todo]
            pace.begin(sizes, time.monotonic())
            jobs = [_job(whole, experiment, task, folder) for task in todo]
            for done, outcome in enumerate(workers.run(train, jobs), 1):
                task = todo[outcome.index]
                lost = Evaluation(Status.ERROR, message=outcome.lost)
                found = outcome.value if outcome.value is not None else lost
                journal.append(_entry(task, protocol.fingerprint(), found))
                known[task.key, task.seed] = found
                took = None if outcome.value is None else found.seconds
                pace.ended(sizes[outcome.index], took, time.monotonic())
                report(done, len(todo), pace.seconds())
                if stopped := out_of_time():
                    break
        shutil.rmtree(folder / RUNGS, ignore_errors=True)
        table = as_table(spec, experiment, whole, known, untrained)
        write_table(folder / TABLE, table)
    return table


def _known(
    folder: Path, protocol: Protocol, rungs: Sequence[int], say: Callable[[str], None]
) -> dict[tuple[str, int], Evaluation]:
    """Return what is trained already: by the journal, and by a table that came without one.

    What was lost with its worker tells nothing of the genome and is tried again; so is what was not scored at a rung.
    """
    entries, notes = read_journal(folder / JOURNAL)
    for sentence in notes:
        say(sentence)
    table = read_table(folder / TABLE) if (folder / TABLE).is_file() else None
    _check_protocol(folder, protocol, [*(entry.protocol for entry in entries), *([table.protocol] if table else [])])
    told = {} if table is None else _told(table)
    told |= {(one.key, one.repeat): one.evaluation for one in entries if one.evaluation.message != LOST}
    return {place: found for place, found in told.items() if is_climbed(found, rungs)}


def _check_protocol(folder: Path, protocol: Protocol, found: Sequence[str]) -> None:
    own = protocol.fingerprint()
    strange = next((one for one in found if one != own), None)
    if strange is not None:
        got = f"some of {strange}, with {protocol.changed_since(strange)}"
        raise ExperimentError(
            message(f"trainings of the protocol {own} in {folder}", got, "Tabulate into another folder.")
        )


def _told(table: Table) -> dict[tuple[str, int], Evaluation]:
    """Return the trainings that a table tells of, as far as a row is made from them."""
    found: dict[tuple[str, int], Evaluation] = {}
    for row in table.rows.values():
        costs = {"ops": row.ops, "bits": row.bits, "parameters": row.parameters, "other": row.elementwise}
        counts = {name: float(value) for name, value in costs.items() if value is not None}
        for column, wrong in enumerate(row.errors):
            twin = row.parent[column] if row.parent else None
            parent = {} if twin is None else {"parent_error": twin / table.images}
            parent |= {early_error(r): c[column] / table.images for r, c in zip(table.rungs, row.early, strict=False)}
            objectives = {"error": wrong / table.images}
            found[row.key, table.seeds[column]] = Evaluation(
                Status.OK, objectives, measures={**(counts if len(counts) == len(costs) else {}), **parent}
            )
    return found


def _job(plan: Plan, experiment: Experiment, task: Task, folder: Path) -> Job:
    genome = plan.genomes[task.key]
    waits = folder.resolve() / RUNGS / f"{task.key}-{task.seed}.trunk"
    stretch = Stretch(file=str(waits)) if experiment.halving else WHOLE
    seed = plan.bench.seed(experiment.seed, genome, task.seed)
    return Job(plan.bench, str(genome), seed, twin=task.twin, stretch=stretch)


def _entry(task: Task, protocol: str, evaluation: Evaluation) -> JournalEntry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return JournalEntry(task.key, protocol, task.seed, "table", 0, 0, 1, evaluation, now)


def _untrained(plan: Plan) -> dict[str, Row]:
    """Return the rows of the genomes that are not trained, by key: counting what they cost takes milliseconds each."""
    return {
        name: Row(name, str(genome), Status.INVALID, **_counts(plan, genome), message=plan.refused[name])
        for name, genome in plan.genomes.items()
        if name in plan.refused
    }


def as_table(
    spec: TableSpec,
    experiment: Experiment,
    plan: Plan,
    known: Mapping[tuple[str, int], Evaluation],
    untrained: Mapping[str, Row] | None = None,
) -> Table:
    """Return the table of what is known; genomes without any training yet are left out, and of a drawn table those that
    lack some of theirs. `untrained` are the rows of those that are never trained, where they are at hand.
    """
    untrained = _untrained(plan) if untrained is None else untrained
    images, rungs = plan.bench.prepared.validation_count, experiment.halving.rungs
    rows: dict[str, Row] = {}
    for name, genome in plan.genomes.items():
        row = untrained.get(name) or _row(plan, name, genome, known, images, max(spec.seeds, spec.more), rungs)
        if row is not None and not (spec.drawn and 0 < len(row.errors) < spec.seeds):
            rows[name] = row
    complete = [row.errors[: spec.seeds] for row in rows.values() if len(row.errors) >= spec.seeds]
    return Table(
        name=spec.name,
        experiment=to_text(with_recipe(experiment, plan.bench)),
        protocol=plan.bench.protocol.fingerprint(),
        images=images,
        seeds=tuple(range(max(spec.seeds, spec.more))),
        rows=rows,
        versions=versions("torch", "numpy", "scikit-learn"),
        machine={
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": cores(),
            "device": plan.bench.device,
        },
        data={
            "fingerprint": plan.bench.prepared.fingerprint,
            "shape": list(plan.bench.prepared.shape),
            "classes": plan.bench.prepared.classes,
            "train": plan.bench.prepared.train_count,
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        intraclass=_correlation(complete),
        rungs=rungs,
    )


def _correlation(rows: Sequence[Sequence[int]]) -> tuple[float, ...]:
    if len(rows) < 2 or len(rows[0]) < 2:
        return ()
    found = intraclass([[float(value) for value in row] for row in rows])
    return tuple(round(value, 4) for value in found) if all(map(math.isfinite, found)) else ()


def _row(
    plan: Plan, name: str, genome: Genome, known: Mapping[tuple[str, int], Evaluation], images: int, most: int,
    rungs: Sequence[int],
) -> Row | None:  # fmt: skip
    """Return the row of a genome; one training that failed makes the genome fail, as in a search."""
    found = _until_gap(known.get((name, seed)) for seed in range(most))
    if not found:
        return None
    failed = next((one for one in found if one.status is not Status.OK), None)
    if failed is not None:
        return Row(name, str(genome), failed.status, **_counts(plan, genome), message=failed.message)
    counts = _counts(plan, genome, found[0].measures)
    errors = tuple(wrong_images(one.objectives["error"], images) for one in found)
    early = tuple(tuple(wrong_images(one.measures[early_error(rung)], images) for one in found) for rung in rungs[:-1])
    parents = [one.measures.get("parent_error") for one in found]
    parent = tuple(None if value is None else wrong_images(value, images) for value in parents)
    return Row(
        name,
        str(genome),
        Status.OK,
        **counts,
        errors=errors,
        parent=parent if any(v is not None for v in parent) else (),
        early=early,
    )


def _counts(plan: Plan, genome: Genome, measures: Mapping[str, float] = {}) -> dict[str, Any]:
    """Return what a row says of costs, from the measures of an evaluation; a failed one may have none."""
    if "ops" not in measures:
        cost = plan.bench.cost(genome)
        measures = {"ops": cost.ops, "bits": cost.bits, "parameters": cost.parameters, "other": cost.other}
    whole = {name: int(measures[name]) for name in ("bits", "parameters")}
    return {"ops": measures["ops"], **whole, "elementwise": float(measures["other"])}


def _until_gap(evaluations: Iterable[Evaluation | None]) -> list[Evaluation]:
    """Return the evaluations up to the first that is missing."""
    found = []
    for one in evaluations:
        if one is None:
            break
        found.append(one)
    return found
