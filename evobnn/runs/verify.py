"""Everything in a run folder that can be verified.

Each check is a generator of problems with their place, `file:line`; none means ok. A check that cannot be made here,
because the images are not at hand or versions differ, raises `CannotTellError`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from evobnn import _jsonl
from evobnn.analysis import front_csv, front_frame
from evobnn.analysis.frames import with_zeros
from evobnn.errors import DataError, EvobnnError
from evobnn.evaluation import LATENCY, Additions, Bench
from evobnn.evolution import Strategy
from evobnn.experiment import Experiment
from evobnn.experiment.needs import check_strategy
from evobnn.experiment.text import GoneError
from evobnn.records import FRESH, Evaluation, Individual, Result, Status, mean_objectives
from evobnn.runs.answers import Answer, CannotTellError, Problems, Remark, answered
from evobnn.runs.derived import fresh_scores
from evobnn.runs.latency import kept_times
from evobnn.runs.named import last_start
from evobnn.runs.setup import make_search, open_experiment
from evobnn.runs.subject import paper_bench
from evobnn.snapshot import (
    Generation,
    JournalEntry,
    generation_path,
    is_being_written,
    latest_rescored,
    read_generations,
    read_journal,
    read_rescored,
)
from evobnn.snapshot.journal import TORN
from evobnn.spaces import key

RETRIED = (Status.ERROR, Status.TIMEOUT)


@dataclass(frozen=True)
class Folder:
    """A run folder, each part read when a check first asks for it."""

    path: Path
    additions: Additions = field(default_factory=Additions)

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment; a problem of its own where it cannot be read."""
        try:
            return open_experiment(self.path)
        except GoneError as error:
            raise CannotTellError("its experiment.toml has an option that is gone") from error

    @cached_property
    def read(self) -> tuple[list[Generation], list[str]]:
        """The good generations, and what is damaged."""
        return read_generations(self.path)

    @property
    def generations(self) -> list[Generation]:
        """The good generations from 0 on."""
        return self.read[0]

    @cached_property
    def journal(self) -> list[tuple[int, JournalEntry]]:
        """The entries of the journal with the numbers of their lines."""
        path = self.path / "journal.jsonl"
        entries, notes = read_journal(path)
        damaged = {int(found[1]) for note in notes if (found := re.search(r", line (\d+), got", note))}
        numbers = (number for number in range(1, len(entries) + len(damaged) + 1) if number not in damaged)
        return list(zip(numbers, entries, strict=True))

    @property
    def brought(self) -> tuple[str, ...]:
        """What the run was last started `--with`."""
        return tuple(last_start(self.path).get("with", ()))

    @cached_property
    def strategy(self) -> Strategy:
        """The strategy of the experiment."""
        check_strategy(self.experiment, self.additions, self.brought)
        return self.experiment.make_strategy(self.additions.strategies)

    @cached_property
    def bench(self) -> Bench:
        """Space, protocol and objectives of the experiment."""
        folder = last_start(self.path).get("data_dir")
        try:
            place, times = Path(folder) if folder else None, kept_times(self.path, self.experiment)
            return paper_bench(self.experiment, place, self.additions, self.brought, times)
        except DataError as error:
            raise CannotTellError(str(error)) from error

    def results(self) -> Iterator[tuple[str, Result]]:
        """Yield every result with its place, in the order of asking."""
        for generation in self.generations:
            path = generation_path(self.path, generation.number)
            for line, result in enumerate(generation.results, 2 + len(generation.survivors)):
                yield f"{path}:{line}", result


def verify(folder: Path, additions: Additions | None = None) -> Iterator[Answer]:
    """Yield the answer to each of `CHECKS` for a run folder; they are right where none has problems. What the run
    needs of a user's own is brought along as `additions`.

    While a search writes the run, what it has finished is checked; a problem is looked for again before it counts, as
    files may have changed between two looks.
    """
    run, writing = Folder(folder, additions or Additions()), is_being_written(folder)
    for statement, check in CHECKS.items():
        answer = answered(statement, check, run)
        if writing and answer.is_wrong:
            run = Folder(folder, run.additions)
            answer = answered(statement, check, run)
        yield answer


# --- The checks -----------------------------------------------------------------------------------------------------


def _experiment(run: Folder) -> Problems:
    fingerprint = run.experiment.fingerprint()  # refuses what is not understood
    for generation in run.generations:
        if generation.header.get("experiment") != fingerprint:
            found = generation.header.get("experiment")
            yield f"{generation_path(run.path, generation.number)}:1 says {found}, the experiment is {fingerprint}"


def _protocol(run: Folder) -> Problems:
    headers = {json.dumps(generation.header, sort_keys=True): generation.number for generation in run.generations}
    if len(headers) == 1:
        _same_protocol(run)
    for number in sorted(headers.values())[1:]:
        yield f"{generation_path(run.path, number)}:1 has another header than generations before it"


def _generations(run: Folder) -> Problems:
    yield from run.read[1]
    if not run.generations:
        yield f"{run.path} has no good generation 0"


def _counts(run: Folder) -> Problems:
    for generation in run.generations:
        place, log = f"{generation_path(run.path, generation.number)}:1", generation.log
        ended = Counter(str(result.evaluation.status) for result in generation.results)
        halved = bool(run.experiment.halving)
        statuses = [status for status in Status if halved or status is not Status.PRUNED]
        counts: dict[str, int] = {str(status): ended[str(status)] for status in statuses}
        counts |= {"evaluations": len(generation.results), "survivors": len(generation.survivors)}
        counts |= {"generation": generation.number}
        for name, count in counts.items():
            if log.get(name) != count:
                yield f"{place} logs {name} = {log.get(name)}, counted {count}"
        listed = [one.individual.id for one in generation.survivors]
        kept = generation.state.get("survivors", [])  # behind them, with halving, who was stopped early
        if kept[: len(listed) if halved else None] != listed:
            yield f"{place} has a state with other survivors than those listed"


def _individuals(run: Folder) -> Problems:
    known: dict[int, Individual] = {}
    owner: dict[str, int] = {}
    for place, result in run.results():
        individual = result.request.individual
        if known.setdefault(individual.id, individual) != individual:
            yield f"{place} tells of individual {individual.id} otherwise than before"
        if owner.setdefault(individual.key, individual.id) != individual.id:
            yield f"{place} has the key of individual {owner[individual.key]}"
        strangers = [parent for parent in individual.parents if parent not in known]
        if strangers:
            yield f"{place} has the unknown parent {strangers[0]}"
        heir_of = result.evaluation.inherited_from
        if heir_of is not None and heir_of not in individual.parents:
            yield f"{place} began with the weights of {heir_of}, which is no parent of it"


def _survivors(run: Folder) -> Problems:
    measured: dict[int, list[Evaluation]] = {}
    last = run.strategy.repeats_known  # then the last evaluation counts alone
    for generation in run.generations:
        for result in generation.results:
            measured.setdefault(result.request.individual.id, []).append(result.evaluation)
        for line, survivor in enumerate(generation.survivors, 2):
            place = f"{generation_path(run.path, generation.number)}:{line}"
            evaluations = measured.get(survivor.individual.id, [])
            if not evaluations:
                yield f"{place} has survivor {survivor.individual.id}, who was never evaluated"
            elif survivor.repeats != len(evaluations):
                who = survivor.individual.id
                yield f"{place} counts {survivor.repeats} evaluations of {who}, not {len(evaluations)}"
            elif mean_objectives(evaluations[-1 if last else 0 :]) != dict(survivor.objectives):
                yield f"{place} has other objectives than the mean of the evaluations of {survivor.individual.id}"


def _once(run: Folder) -> Problems:
    seen: dict[tuple[str, str, int, int, int | None], JournalEntry] = {}
    path = run.path / "journal.jsonl"
    for line, entry in run.journal:
        place = entry.key, entry.protocol, entry.repeat, entry.evaluation.rung, entry.evaluation.inherited_from
        before = seen.get(place)
        if before is not None and not (before.evaluation.status in RETRIED and entry.attempt > before.attempt):
            yield f"{path}:{line} completes key {entry.key}, repeat {entry.repeat} a second time"
        seen[place] = entry
    asked: dict[tuple[str, int], str] = {}
    for where, result in run.results():
        request = result.request.individual.key, result.request.repeat
        if request in asked:
            yield f"{where} repeats what {asked[request]} measured"
        asked[request] = where


def _journal(run: Folder) -> Problems:
    _, notes = read_journal(run.path / "journal.jsonl")
    yield from (Remark(note) if note.endswith(TORN) else note for note in notes)
    told: dict[tuple[str, int], list[Evaluation]] = {}
    for _, entry in run.journal:
        told.setdefault((entry.key, entry.repeat), []).append(entry.evaluation)
    for place, result in run.results():
        entries = told.get((result.request.individual.key, result.request.repeat), [])
        if not entries:
            yield f"{place} is not in the journal"
        elif not any(_outcome(entry) == _outcome(result.evaluation) for entry in entries):
            yield f"{place} tells another outcome than the journal"


def _fresh(run: Folder) -> Problems:
    path = latest_rescored(run.path)
    if path is None:
        raise CannotTellError("the front was not measured again yet")
    told = {(e.key, e.repeat): e.evaluation for _, e in run.journal}
    individuals = {r.request.individual.id: r.request.individual for _, r in run.results()}
    for line, row in enumerate(read_rescored(path), 2):
        who = individuals.get(row.id)
        if who is None or (who.key, who.genome) != (row.key, row.genome):
            yield f"{path}:{line} is of individual {row.id}, whom the generations know otherwise or not at all"
        if any(repeat < FRESH for repeat in row.repeats):
            yield f"{path}:{line} takes repeats of the search for fresh ones"
        evaluations = [told[row.key, repeat] for repeat in row.repeats if (row.key, repeat) in told]
        for name, values in row.values.items():
            if values != tuple(e.objectives[name] for e in evaluations if e.status is Status.OK):
                yield f"{path}:{line} has other values of {name} than the journal"


def _derived(run: Folder) -> Problems:
    log = "".join(_jsonl.dump(dict(generation.log)) for generation in run.generations)
    fresh = fresh_scores(run.path)
    frames = [front_frame(run.generations, scores) for scores in (fresh, {})]
    fronts = [front_csv(frame) for frame in (*frames, with_zeros(frames[0]))]
    for name, wanted in (("log.jsonl", [log]), ("front.csv", fronts)):
        path = run.path / name
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if text is None:
            yield f"{path} is missing; 'evobnn resume' renews it"
        elif text not in wanted:
            yield f"{path}:{_first_difference(text, wanted[0])} is not what the generations say"


def _keys(run: Folder) -> Problems:
    known: set[int] = set()
    for place, result in run.results():
        individual = result.request.individual
        if individual.id in known:
            continue
        known.add(individual.id)
        try:
            found = key(run.bench.space, run.bench.space.parse(individual.genome))
        except EvobnnError as error:
            yield f"{place}: {error}"
            continue
        if found != individual.key:
            yield f"{place} has the key {individual.key}, its genome {found}"


def _costs(run: Folder) -> Problems:
    front = {int(number) for number in front_frame(run.generations)["id"]}
    for place, result in run.results():
        individual, evaluation = result.request.individual, result.evaluation
        for name, bound in run.experiment.counted_bounds.items():
            if (value := evaluation.known_measures.get(name, 0.0)) > bound:
                yield f"{place} was trained with {value:,.10g} {name}, above the bound of {bound:,.10g}"
        if individual.id not in front or result.request.repeat:
            continue
        if run.experiment.evaluation.name:  # its measures are what a user's function said
            continue
        genome = run.bench.space.parse(individual.genome)
        cost = run.bench.cost(genome)
        names = ("ops", "bits", "parameters", "binary_macs", "real_macs")
        for name in names[: 3 if run.experiment.table else None]:  # a table tells no more
            if evaluation.measures.get(name) != getattr(cost, name):
                yield f"{place} has {name} = {evaluation.measures.get(name)}, counted {getattr(cost, name)}"
        if LATENCY in run.experiment.objectives and not run.experiment.table:
            wanted, got = run.bench.milliseconds(genome), evaluation.objectives.get(LATENCY)
            if got != wanted:
                yield f"{place} has {LATENCY} = {got}, counted {wanted}"


def _replay(run: Folder) -> Problems:
    """Run the search again on the recorded outcomes: it must ask for, keep and log the same."""
    _same_protocol(run)
    check_strategy(run.experiment, run.additions, run.brought)
    search = make_search(run.experiment, run.bench, run.additions.strategies)
    for generation in run.generations:
        path = generation_path(run.path, generation.number)
        asked = search.ask()
        if asked != [result.request for result in generation.results]:
            lines = enumerate(zip(asked, generation.results, strict=False), 2 + len(generation.survivors))
            line = next((line for line, (one, result) in lines if one != result.request), 1)
            yield f"{path}:{line} is not what the search asks for"
            return
        step = search.tell(generation.results)
        survivors = [(one.individual, dict(one.objectives), one.repeats) for one in generation.survivors]
        if survivors != [(who, dict(values), repeats) for who, values, repeats in step.survivors]:
            yield f"{path}:2 has other survivors than the search keeps"
            return
        if dict(generation.state["rng"]) != dict(step.state.rng):
            yield f"{path}:1 has another state of the generator"
            return


CHECKS: dict[str, Callable[[Folder], Problems]] = {
    "the experiment can be read and is the one of every generation": _experiment,
    "generations are whole and without a gap": _generations,
    "all generations have one header, of the protocol that holds here": _protocol,
    "the counts are right": _counts,
    "individuals are told once and alike, their parents known": _individuals,
    "survivors were evaluated, their objectives are the means": _survivors,
    "nothing was completed twice": _once,
    "the journal is whole and tells the same outcomes": _journal,
    "fresh scores are of known individuals, and those of the journal": _fresh,
    "log.jsonl and front.csv are what follows from the generations": _derived,
    "the keys are those of the genomes": _keys,
    "the costs of the front are those of its networks": _costs,
    "the search, run again on the recorded outcomes, asks for and keeps the same": _replay,
}
"""Every check by the statement that it verifies."""


def _same_protocol(run: Folder) -> None:
    """Raise CannotTellError where the run was made with other data, settings or versions than are at hand."""
    if not (run.bench.prepared.folder or run.experiment.table or run.experiment.evaluation.name):
        raise CannotTellError("the images are not at hand")
    recorded = {generation.header.get("protocol") for generation in run.generations}
    protocol = run.bench.protocol
    for other in sorted(recorded - {protocol.fingerprint()}, key=str):
        raise CannotTellError(f"it was made with {protocol.changed_since(str(other))}")


def _outcome(evaluation: Evaluation) -> tuple[str, Mapping[str, str], str, Mapping[str, str], str]:
    """Return what a generation keeps of an evaluation, comparable where a number is nan."""
    objectives, measures = (
        {name: repr(float(value)) for name, value in values.items()}
        for values in (evaluation.objectives, evaluation.measures)
    )
    return str(evaluation.status), objectives, evaluation.message, measures, evaluation.behaviour


def _first_difference(text: str, wanted: str) -> int:
    """Return the number of the first line in which two texts differ."""
    pairs = zip([*text.split("\n"), ""], [*wanted.split("\n"), ""], strict=False)
    return next((number for number, (one, other) in enumerate(pairs, 1) if one != other), 1)
