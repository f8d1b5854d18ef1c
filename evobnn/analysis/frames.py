"""What a run folder holds, as tables. The functions take values that were read; only `load_run` opens files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evobnn.errors import EvobnnError, RunError, message
from evobnn.pareto import Axis, axes_of, nondominated, violation
from evobnn.records import Individual
from evobnn.snapshot import Generation, Rescored, latest_rescored, read_generations, read_rescored
from evobnn.snapshot.archive import Archive, archive, objective_names, of_members
from evobnn.tables import COSTS, Table

# --- Tables ---------------------------------------------------------------------------------------------------------


def individuals_frame(generations: Sequence[Generation]) -> pd.DataFrame:
    """Return one row per individual of the archive, by id.

    Columns: id, genome, key, born (generation), origin, parents (tuple of ids), status (`ok`, or how its first failed
    evaluation ended; empty if nothing was measured), n (evaluations), one for each objective (mean over the n; NaN
    unless all ended `ok`), one for each measure (mean over the evaluations that have it; a measure called like a
    column before it is left out; named as in `Evaluation.known_measures`), behaviour, on_front, survivor (of the
    newest generation).

    >>> from evobnn.analysis import individuals_frame
    >>> run = evobnn.load_run("populations/digits")
    >>> sorted(set(individuals_frame(run.generations)["origin"]))
    ['mate', 'mate+mutate', 'mutate', 'sample', 'seed']
    """
    survivors = generations[-1].survivors if generations else ()
    return individuals_of(archive(generations), {one.individual.id for one in survivors})


def individuals_of(
    archive: Archive, surviving: Collection[int] = (), only: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return the table of `individuals_frame` for an archive, or of those with the ids in `only`."""
    names, front = archive.names, set(archive.front)
    members = archive.members if only is None else {number: archive.members[number] for number in only}
    fixed = ["id", "genome", "key", "born", "origin", "parents", "status", "n", *names]
    last = ["behaviour", "on_front", "survivor"]
    seen = {measure: None for m in members.values() for e in m.evaluations for measure in e.known_measures}
    measures = [name for name in seen if name not in {*fixed, *last}]
    rows = []
    for number, member in members.items():
        who, evaluations = member.individual, member.evaluations
        known = [e.known_measures for e in evaluations]
        row: dict[str, Any] = {"id": number, "genome": who.genome, "key": who.key, "born": who.born}
        row |= {"origin": who.origin, "parents": who.parents}
        row |= {"status": str(member.status or ""), "n": len(evaluations)}
        row |= {name: member.objectives[name] if member.objectives else math.nan for name in names}
        row |= {name: _mean([one[name] for one in known if name in one]) for name in measures}
        row |= {"behaviour": next((e.behaviour for e in evaluations if e.behaviour), "")}
        rows.append({**row, "on_front": number in front, "survivor": number in surviving})
    return pd.DataFrame(rows, columns=[*fixed, *measures, *last])


def measured_of(archive: Archive) -> pd.DataFrame:
    """Return id, objectives and on_front of everyone in an archive who was measured, as in `individuals_frame`."""
    known = {number: one.objectives for number, one in archive.members.items() if one.objectives is not None}
    columns = {name: np.array([own[name] for own in known.values()]) for name in archive.names}
    return pd.DataFrame({"id": list(known), **columns, "on_front": np.isin(list(known), archive.front)})


def evaluations_frame(generations: Sequence[Generation]) -> pd.DataFrame:
    """Return one row per result in the order of asking.

    Columns: generation, id, key, repeat, status, one for each objective (NaN unless `ok`), message, behaviour, one for
    each measure (one called like a column before it is left out).

    >>> from evobnn.analysis import evaluations_frame
    >>> run = evobnn.load_run("populations/digits")
    >>> evaluations_frame(run.generations)["status"].unique().tolist()
    ['ok']
    """
    names = objective_names(generations)
    fixed = ["generation", "id", "key", "repeat", "status", *names, "message", "behaviour"]
    results = [(g.number, r) for g in generations for r in g.results]
    measures = [m for m in {m: None for _, r in results for m in r.evaluation.known_measures} if m not in fixed]
    rows = []
    for number, result in results:
        who, evaluation = result.request.individual, result.evaluation
        row: dict[str, Any] = {"generation": number, "id": who.id, "key": who.key, "repeat": result.request.repeat}
        row |= {"status": str(evaluation.status), "message": evaluation.message, "behaviour": evaluation.behaviour}
        row |= {name: evaluation.objectives.get(name, math.nan) for name in names}
        known = evaluation.known_measures
        rows.append(row | {name: known.get(name, math.nan) for name in measures})
    return pd.DataFrame(rows, columns=[*fixed, *measures])


def log_frame(generations: Sequence[Generation]) -> pd.DataFrame:
    """Return one row per generation: `generation`, then whatever the logbook's rows hold.

    >>> from evobnn.analysis import log_frame
    >>> log = log_frame(evobnn.load_run("populations/digits").generations)
    >>> log["generation"].tolist()[:3]
    [0, 1, 2]
    """
    return pd.DataFrame([{"generation": g.number, **g.log} for g in generations])


def front_frame(generations: Sequence[Generation], rescored: Mapping[int, Rescored] | None = None) -> pd.DataFrame:
    """Return the archive's front and whatever else was measured afresh, sorted by the second objective, then the first,
    then the id.

    Columns: id, genome, one for each objective (mean over the search's n repeats), n, then from `rescored` (by id)
    `<objective>_rescored` and `<objective>_rescored_sd` (mean and standard deviation over fresh repeats, NaN of a
    single one), n_rescored (fresh repeats that ended `ok`) and still_nondominated: whether no other member dominates it
    by the fresh means.
    Where there are no fresh scores these are NaN, 0 and <NA>; a member that failed on one, or whose fresh means exceed
    a bound of the run, is not non-dominated.

    >>> from evobnn.analysis import front_frame
    >>> run = evobnn.load_run("populations/digits")
    >>> front_frame(run.generations, run.rescored).equals(run.front())
    True
    """
    return front_of(archive(generations), rescored or {})


def front_of(archive: Archive, rescored: Mapping[int, Rescored] = {}) -> pd.DataFrame:
    """Return the table of `front_frame` for an archive."""
    names, constraints, members = archive.names, archive.constraints, archive.members
    fresh = of_members(members, rescored)
    within = {i for i in fresh if not violation(members[i].objectives or {}, constraints)}
    ids = archive.ordered({*archive.front, *within})
    whole = [i for i in ids if i in fresh and set(names) <= set(fresh[i].objectives)]
    scored = [i for i in whole if not violation(fresh[i].objectives, constraints)]
    mask = nondominated(
        np.array([[fresh[i].objectives[n] for n in names] for i in scored]).reshape(len(scored), len(names))
    )
    still = dict(zip(scored, mask.tolist(), strict=True))
    columns = ["id", "genome", *names, "n"]
    columns += [name + end for name in names for end in ("_rescored", "_rescored_sd")]
    rows = []
    for number in ids:
        member, score = members[number], fresh.get(number)
        row: dict[str, Any] = {"id": number, "genome": member.individual.genome, "n": len(member.evaluations)}
        row |= member.objectives or {}
        for name in names:
            row[f"{name}_rescored"] = score.objectives.get(name, math.nan) if score else math.nan
            several = score is not None and len(score.values.get(name, ())) > 1
            row[f"{name}_rescored_sd"] = score.deviation.get(name, math.nan) if score and several else math.nan
        row["n_rescored"] = min((len(score.values.get(name, ())) for name in names), default=0) if score else 0
        row["still_nondominated"] = still.get(number, False) if score else pd.NA
        rows.append(row)
    frame = pd.DataFrame(rows, columns=[*columns, "n_rescored", "still_nondominated"])
    frame["still_nondominated"] = frame["still_nondominated"].astype("boolean")
    return frame


def with_zeros(front: pd.DataFrame) -> pd.DataFrame:
    """Return a front as older versions wrote it: a single fresh score had the standard deviation 0."""
    single = front["n_rescored"] == 1
    return front.assign(**{str(n): front[n].mask(single, 0.0) for n in front if str(n).endswith("_rescored_sd")})


def table_frame(table: Table) -> pd.DataFrame:
    """Return one row per genome of a table of recorded trainings, in the order of its file.

    Columns: key, genome, status (`ok`, `invalid` where the genome is never worth a training, or how its trainings
    failed), n (trainings), error (their mean, a share of the validation images; NaN where there is none), error_sd
    (sample deviation; NaN below two), ops, bits, parameters, elementwise (NaN where the table does not say).

    >>> from evobnn.analysis import table_frame
    >>> from evobnn.records import Status
    >>> from evobnn.tables import Row, Table
    >>> row = Row("6fd7", "@net = sin(x)", Status.OK, ops=9132.0, bits=4096, errors=(30, 42))
    >>> table_frame(Table("mine", "", "", images=360, seeds=(0, 1), rows={"6fd7": row}))["error"].tolist()
    [0.1]
    """
    rows = []
    for row in table.rows.values():
        errors = np.array(row.errors) / table.images
        said: dict[str, Any] = {"key": row.key, "genome": row.genome, "status": str(row.status), "n": len(errors)}
        said["error"] = errors.mean() if len(errors) else math.nan
        said["error_sd"] = errors.std(ddof=1) if len(errors) > 1 else math.nan
        rows.append(said | {cost: getattr(row, cost) for cost in COSTS})
    return pd.DataFrame(rows, columns=["key", "genome", "status", "n", "error", "error_sd", *COSTS])


def front_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV that depends on its values only: floats by `repr`, nothing for NaN and <NA>, LF.

    >>> from evobnn.analysis import front_csv
    >>> front_csv(evobnn.load_run("populations/digits").front()).splitlines()[0][:19]
    'id,genome,error,ops'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([_csv(value) for value in row])
    return text.getvalue()


def _csv(value: Any) -> str:
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else repr(float(value))
    return str(value)


def _mean(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else float(np.mean(values))


# --- A run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run folder as it was when it was read.

    Attributes:
        path: the folder.
        generations: the good ones from 0 on.
        messages: one for each file that is damaged or comes after damage.
        rescored: fresh scores by id, from the newest file of such.
    """

    path: Path
    generations: tuple[Generation, ...]
    messages: tuple[str, ...] = ()
    rescored: Mapping[int, Rescored] = field(default_factory=dict)

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """The names of the objectives in order."""
        return objective_names(self.generations)

    @cached_property
    def archive(self) -> Archive:
        """Everything that was evaluated, by individual, and its front."""
        return archive(self.generations)

    @property
    def surviving(self) -> set[int]:
        """The ids of the newest generation's survivors."""
        return {one.individual.id for one in self.generations[-1].survivors} if self.generations else set()

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the hypervolume, as the newest header says; () where it says nothing."""
        return axes_of(self.generations[-1].header)

    def individuals(self) -> pd.DataFrame:
        """Return the table of `individuals_frame`."""
        return individuals_of(self.archive, self.surviving)

    def evaluations(self) -> pd.DataFrame:
        """Return the table of `evaluations_frame`."""
        return evaluations_frame(self.generations)

    def log(self) -> pd.DataFrame:
        """Return the table of `log_frame`."""
        return log_frame(self.generations)

    def front(self) -> pd.DataFrame:
        """Return the table of `front_frame`, with the fresh scores."""
        return front_of(self.archive, self.rescored)

    def individual(self, number: int) -> Individual:
        """Return the individual with this id; raise EvobnnError where the run has none."""
        members = self.archive.members
        if number not in members:
            known = f"{min(members)} to {max(members)}" if members else "none"
            raise EvobnnError(message(f"the id of an individual of {self.path} ({known})", str(number), "Name one."))
        return members[number].individual


def load_run(path: str | Path) -> Run:
    """Read a run folder, without changing anything in it.

    Raises:
        RunError: it is no folder, has no good generation 0, or was written by a newer version. Damage after
            generation 0 is told in `Run.messages`.
    """
    folder = Path(path)
    generations, messages = read_generations(folder)
    if not generations:
        if messages:  # each says what was expected and what to do
            raise RunError(messages[0])
        got = f"{folder}, which has no generation-0000.jsonl"
        raise RunError(message("a run folder with at least one good generation", got, "Name another folder."))
    return run_of(folder, generations, messages)


def run_of(folder: Path, generations: Sequence[Generation], messages: Sequence[str] = ()) -> Run:
    """Return the run of a folder whose generations are at hand, with the fresh scores that the folder holds."""
    rescored: tuple[Rescored, ...] = ()
    newest = latest_rescored(folder)
    if newest is not None:
        try:
            rescored = read_rescored(newest)
        except RunError as error:
            messages = [*messages, str(error)]
    return Run(folder, tuple(generations), tuple(messages), {row.id: row for row in rescored})
