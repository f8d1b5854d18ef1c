"""One run in one folder: search, workers, journal, snapshots and fresh scores, joined here and nowhere else.

The rename of a generation's file commits it. Everything else can be rebuilt from those files, or is a log. After a kill
the unfinished generation is asked for again, byte for byte, and what the journal already knows is not trained again.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from evobnn.errors import RunError, message
from evobnn.evolution import Search, SearchState, Step, run
from evobnn.evolution.endings import SpaceExhausted
from evobnn.evolution.halving import WITHOUT
from evobnn.experiment.precision import slow_precision
from evobnn.machine.facts import machine, python, versions
from evobnn.machine.workers import LOST, warn
from evobnn.nn.fast import compiling
from evobnn.pareto import Axis
from evobnn.records import FRESH, Evaluation, Individual, Request, Result, Status, rung_measures
from evobnn.runs.callbacks import Callback, State
from evobnn.runs.derived import rescored_row, unmet, write_derived
from evobnn.runs.evaluator import RUNGS, evaluator_of
from evobnn.runs.outlook import MOST_RESCORED, Outlook
from evobnn.runs.setup import Options, make_bench, make_search, open_experiment, settled, wants_loops
from evobnn.snapshot import (
    Generation,
    Journal,
    JournalEntry,
    Rescored,
    Survivor,
    append_start,
    lock,
    read_generations,
    read_journal,
    read_starts,
    set_aside,
    write_generation,
    write_rescored,
)
from evobnn.snapshot.archive import unconfirmed

Place = tuple[str, int, int, int | None]
"""What a training is known by: key, repeat, rung (0 for none), and the parent whose weights it began with, if any."""


@dataclass(frozen=True)
class Progress:
    """Where a session stands, for whoever shows it.

    Attributes:
        stage: `search` or `rescore`.
        generation: being evaluated, and the total.
        done, planned: evaluations of the whole run, those of earlier sessions and those on fresh seeds included; how
            many of the latter there will be is an estimate.
        reused, failed: of `done`: taken from the journal; ended neither `ok` nor `pruned`.
        best_error, hypervolume: of the last finished generation; NaN before.
        seconds_left: estimate to the end of the run; NaN before the first result.
    """

    stage: str
    generation: int
    generations: int
    done: int
    planned: int
    reused: int
    failed: int
    best_error: float
    hypervolume: float
    seconds_left: float


def _unsaid(sentence: str) -> None:
    """Say nothing."""


class Session:
    """Work on one run folder, new or to be continued.

    Arguments:
        folder: with `experiment.toml`.
        options: how this process works.
        report: called with a `Progress` after every result.
        say: called with a sentence on anything a person should know. Without it, only that there are no workers is
            said, as a Python warning.
        stop: asked before every further generation, with all that are committed, whether the search is to end.
        callbacks: told of every generation and result, see `evobnn.runs.callbacks`.
    """

    def __init__(
        self,
        folder: Path,
        options: Options,
        report: Callable[[Progress], None] = lambda progress: None,
        say: Callable[[str], None] = _unsaid,
        stop: Callable[[Sequence[Generation]], bool] = lambda generations: False,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.callbacks = callbacks
        self._ended_by: Callback | None = None
        self.folder, self.options, self.report, self.say, self.stop = folder, options, report, say, stop
        self.experiment = open_experiment(folder)
        self._compiles = wants_loops(self.experiment, options)
        if self._compiles:
            compiling.begin()  # while data are prepared
        self.bench = make_bench(self.experiment, options)
        self.experiment = settled(self.experiment, self.bench)
        self.evaluator = evaluator_of(folder, self.experiment, self.bench, options, self._say_of_workers)
        self.total = self.experiment.horizon if options.generations is None else options.generations
        self.generations: list[Generation] = []
        self._known: dict[Place, Evaluation] = {}
        self._attempts: dict[Place, int] = {}
        self._outlook = Outlook(self.experiment, self.evaluator.jobs, self.total)
        self._front: list[float] | None = None
        self._fresh: dict[int, Rescored] = {}
        self._luck = (0.0, 0)
        self._until = math.inf
        self._reused = 0
        self._failed = 0
        self._settled = 0
        self._strategy = self.experiment.make_strategy()
        self._protocol = self.bench.protocol.fingerprint()
        self._axes = tuple(Axis(name, *bounds) for name, bounds in self.bench.axes().items())

    def _say_of_workers(self, sentence: str) -> None:
        (warn if self.say is _unsaid else self.say)(sentence)

    def proceed(self) -> None:
        """Run to the total number of generations or the budget, then measure the front on fresh seeds.

        Raises:
            EvobnnError: the folder belongs to other data or versions, is in use, cannot be written, or nothing works.
        """
        with ExitStack() as stack:
            stack.enter_context(lock(self.folder))
            search = self._restored()
            started = time.monotonic()
            recipe = self.experiment.recipe
            if self.evaluator.trains and (slow := slow_precision(recipe.precision, self.options.device)):
                self.say(slow)
            if self._compiles:
                compiling.prepare(self._compiled)
            append_start(self.folder, self._start())
            self._journal = Journal(self.folder / "journal.jsonl")
            stack.enter_context(self.evaluator)
            budget = self.options.budget
            self._until = math.inf if budget is None else started + budget

            begun = len(self.generations)

            def ends() -> bool:
                out_of_time = len(self.generations) > begun and time.monotonic() >= self._until
                return self._ended_by is not None or out_of_time or self.stop(self.generations)

            if self.generations:
                self._look()
            try:
                run(search, partial(self._evaluate, "search"), self._commit, self.total, ends)
            except SpaceExhausted as end:
                if not self.generations:
                    raise
                self.say(str(end))
            if self._ended_by is not None and len(self.generations) <= self.total:
                self.say(f"Stopped after generation {len(self.generations) - 1}: {self._ended_by}.")
            self._rescore()
            if any(_lost_determinism(result.evaluation) for g in self.generations for result in g.results):
                self.say("A training met the clock, or killed its worker: this run is exempt from equal bytes.")
            if sentence := unmet(self.generations):
                self.say(sentence)

    def _compiled(self, done: int, total: int, seconds: float) -> None:
        if not done:
            self.say("The loops of the fast path are compiled, once on this machine.")
        elif done == total:
            self.say(f"They were compiled in {seconds:.0f} s.")

    def _restored(self) -> Search:
        """Return the search as the committed generations and the journal leave it."""
        generations, damage = read_generations(self.folder)
        for sentence in damage:
            self.say(sentence)
        if damage:
            for path in set_aside(self.folder, len(generations)):
                self.say(f"Kept what followed the last good generation as {path.name}.")
        header = self._header()
        for generation in generations[:1]:
            for name in ("protocol", "experiment", "data"):
                if generation.header.get(name) != header[name]:
                    changed = "data files, settings or versions of evobnn or torch have changed"
                    if name == "protocol":
                        changed = f"it was begun with {self.bench.protocol.changed_since(generation.header[name])}"
                    raise RunError(
                        message(
                            f"the {name} with which {self.folder} was begun",
                            f"another one: {changed}",
                            f"Start a new run from it with --seed-from {self.folder}.",
                        )
                    )
        begun = read_starts(self.folder)[:1]
        if not generations and begun and begun[0].get("experiment") != header["experiment"]:
            raise RunError(
                message(
                    f"the experiment with which {self.folder} was begun",
                    "another one: experiment.toml has changed",
                    "Put it back, or start a new run from the changed file.",
                )
            )
        entries, notes = read_journal(self.folder / "journal.jsonl")
        for sentence in notes:
            self.say(sentence)
        retried = (Status.ERROR, Status.TIMEOUT) if self.options.retry_failed else ()
        for entry in entries:
            place = entry.key, entry.repeat, entry.evaluation.rung, entry.evaluation.inherited_from
            self._attempts[place] = entry.attempt
            if entry.protocol == self._protocol and entry.evaluation.status not in retried:
                self._known[place] = entry.evaluation
        self.generations = generations
        self.evaluator.restored(generations)
        if generations:
            self._follow_front()
        search = make_search(self.experiment, self.bench)
        search.restore(map(_step, generations))
        return search

    def _header(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment.fingerprint(),
            "protocol": self._protocol,
            "data": self.bench.prepared.fingerprint,
            "space": self.bench.space.name,
            "objectives": list(self.experiment.objectives),
            "axes": {axis.name: [axis.low, axis.high, axis.scale] for axis in self._axes},
            **({"constraints": dict(self.experiment.constraints)} if self.experiment.constraints else {}),
        }

    def _start(self) -> dict[str, Any]:
        options = self.options
        return {
            "experiment": self.experiment.fingerprint(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": self.evaluator.jobs,
            "backend": options.backend,
            "device": options.device,
            "data_dir": str(options.data_dir) if options.data_dir else None,
            "generations": self.total,
            "budget": options.budget,
            "timeout": options.timeout,
            "versions": versions("torch", "deap", "numpy", "joblib", "scikit-learn"),
            "python": python(),
            "machine": machine(),
        }

    def _evaluate(self, purpose: str, requests: Sequence[Request]) -> list[Result]:
        """Return the results in the order of asking; each is in the journal before anything else is done with it.

        With halving new genomes are trained from rung to rung, and only the better part of them is taken on.
        """
        halving = self.experiment.halving if purpose == "search" else WITHOUT
        self._outlook.asked(len(requests))

        def measure(wanted: Mapping[int, int]) -> dict[int, Evaluation]:
            return self._measure(purpose, requests, wanted)

        results = halving.climbed(requests, self.experiment.objectives, measure)
        if halving:
            shutil.rmtree(self.folder / RUNGS, ignore_errors=True)
        return results

    def _measure(self, purpose: str, requests: Sequence[Request], wanted: Mapping[int, int]) -> dict[int, Evaluation]:
        """Return an evaluation of every request whose place is in `wanted`, trained to the rung given there (0: whole).

        All that is asked for stands in `requests`; what is not in `wanted` is done with.
        """
        generation, found = len(self.generations), dict[int, Evaluation]()

        def take(index: int, evaluation: Evaluation) -> None:
            found[index] = evaluation
            self._failed += evaluation.status not in (Status.OK, Status.PRUNED)
            if purpose == "rescore":
                self._see_luck(requests, found)

        def tell() -> None:
            open_ones = len(wanted) - sum(one.status is not Status.PRUNED for one in found.values())
            rungs = [epochs for epochs in wanted.values() if epochs]
            climbing = (len(rungs), rungs[0]) if rungs else (0, 0)
            self._tell(purpose, generation, len(requests) - open_ones, len(requests), climbing)

        waiting: list[tuple[int, int]] = []
        for index, epochs in wanted.items():
            request, parent = requests[index], self.evaluator.parent_of(requests[index])
            known = self._known.get((request.individual.key, request.repeat, epochs, parent))
            if known is None:
                waiting.append((index, epochs))
            else:
                take(index, known)
                self._reused += known.status is not Status.PRUNED
        before = time.monotonic()
        sent = [(requests[index], epochs, self.evaluator.load(requests[index])) for index, epochs in waiting]
        sizes = self._outlook.begin(sent, before) if waiting else []
        tell()
        for outcome in self.evaluator.outcomes([(requests[index], epochs) for index, epochs in waiting]):
            index, epochs = waiting[outcome.index]
            evaluation = outcome.value
            if evaluation is None:
                measures = rung_measures(epochs) if epochs else {}
                parent = self.evaluator.parent_of(requests[index])
                evaluation = Evaluation(Status.ERROR, message=outcome.lost, measures=measures, inherited_from=parent)
            self._write_down(purpose, generation, requests[index], evaluation)
            take(index, evaluation)
            for callback in self.callbacks:
                if callback.on_result(Result(requests[index], evaluation)):
                    self._ended_by = callback
            now = time.monotonic()
            took = None if outcome.value is None else evaluation.seconds if self.evaluator.trains else now - before
            self._outlook.ended(requests[index], sizes[outcome.index], took, now)
            before = now
            tell()
        return found

    def _write_down(self, purpose: str, generation: int, request: Request, evaluation: Evaluation) -> None:
        place = request.individual.key, request.repeat, evaluation.rung, evaluation.inherited_from
        self._attempts[place] = self._attempts.get(place, 0) + 1
        self._journal.append(
            JournalEntry(
                key=request.individual.key,
                protocol=self._protocol,
                repeat=request.repeat,
                purpose=purpose,
                individual=request.individual.id,
                generation=generation,
                attempt=self._attempts[place],
                evaluation=evaluation,
                finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
        )
        self._known[place] = evaluation

    def _tell(self, purpose: str, generation: int, found: int, asked: int, climbing: tuple[int, int]) -> None:
        """Report progress."""
        if purpose == "search":
            room = self._until - time.monotonic()
            done, planned, left = self._outlook.search(generation, found, self._front, climbing, room)
        else:
            done, planned, left = self._outlook.rescore(generation, self._settled, found, asked, *self._luck)
        log: Mapping[str, Any] = self.generations[-1].log if self.generations else {}
        self.report(
            Progress(
                purpose,
                generation,
                self.total,
                done,
                planned,
                self._reused,
                self._failed,
                log.get("least_error", math.nan),
                log.get("hypervolume", math.nan),
                left,
            )
        )

    def _commit(self, step: Step) -> None:
        """Write the generation, which commits it, then everything that is derived from it."""
        survivors = tuple(
            Survivor(individual, objectives, repeats) for individual, objectives, repeats in step.survivors
        )
        state: dict[str, Any] = {
            "rng": dict(step.state.rng),
            "next_id": step.state.next_id,
            "survivors": list(step.state.survivors),
        }
        if step.state.memory:
            state["memory"] = dict(step.state.memory)
        generation = Generation(step.generation, self._header(), state, step.log, survivors, step.results)
        write_generation(self.folder, generation)
        self.generations.append(generation)
        self.evaluator.committed(generation)
        self._outlook.committed()
        self._follow_front()
        write_derived(self.folder, self.generations, {})
        self._look()

    def _look(self) -> None:
        """Let the callbacks look at the newest generation; any of them may end the search."""
        state = State(self.folder, tuple(self.generations))
        for callback in self.callbacks:
            if callback.on_generation(state):
                self._ended_by = callback

    def _follow_front(self) -> None:
        """Note how long the networks on the archive's front train: they are the ones to be measured on fresh seeds."""
        who = _individuals(self.generations)
        front = [who[number] for number in unconfirmed(self.generations, {})] if self.experiment.noise.rescore else []
        self._front = [self._outlook.whole(one.key, self.evaluator.load(Request(one, FRESH))) for one in front]

    def _rescore(self) -> None:
        """Measure the archive's front on fresh seeds; recorded apart, so nothing that follows depends on it.

        Where luck put a member on the front, others that it had pushed off are measured in turn, until the front is
        settled or `MOST_RESCORED` members were measured.
        """
        count = self.experiment.noise.rescore
        rows = self._fresh
        if not self.generations:
            return
        who = _individuals(self.generations)
        while count and (chosen := [who[n] for n in unconfirmed(self.generations, rows)]):
            if rows:
                chosen = chosen[: max(0, MOST_RESCORED - len(rows))]
            if not chosen:
                break
            requests = [Request(individual, FRESH + n) for individual in chosen for n in range(count)]
            self._luck = 0.0, 0
            results = self._evaluate("rescore", requests)
            self._settled += len(requests)
            for individual in chosen:
                own = [result for result in results if result.request.individual.id == individual.id]
                rows[individual.id] = rescored_row(individual, own)
        if count:
            write_rescored(self.folder, self.generations[-1].number, rows.values())
        write_derived(self.folder, self.generations, rows)

    def _see_luck(self, requests: Sequence[Request], found: Mapping[int, Evaluation]) -> None:
        """Note how many members are measured afresh by now, and how many more are to be by what these say."""
        count = self.experiment.noise.rescore
        whole = {}
        for start in range(0, len(requests), count):
            if all(place in found for place in range(start, start + count)):
                own = [Result(requests[place], found[place]) for place in range(start, start + count)]
                whole[own[0].request.individual.id] = rescored_row(own[0].request.individual, own)
        seen = len(whole) * count / len(requests)
        if seen > self._luck[0]:
            open_ones = {request.individual.id for request in requests}
            lucky = [n for n in unconfirmed(self.generations, {**self._fresh, **whole}) if n not in open_ones]
            most = max(0, MOST_RESCORED - len(self._fresh) - len(open_ones))
            self._luck = seen, min(len(lucky), most)


def _lost_determinism(evaluation: Evaluation) -> bool:
    """Tell whether an outcome depends on the machine's state: out of time, or its worker died."""
    return evaluation.status is Status.TIMEOUT or evaluation.message == LOST


def _step(generation: Generation) -> Step:
    """Return the search's view of a committed generation."""
    state = SearchState(
        generation.number,
        generation.state["rng"],
        generation.state["next_id"],
        tuple(generation.state["survivors"]),
        generation.state.get("memory", {}),
    )
    survivors = tuple((one.individual, one.objectives, one.repeats) for one in generation.survivors)
    return Step(generation.number, state, survivors, generation.results, generation.log)


def _individuals(generations: Sequence[Generation]) -> dict[int, Individual]:
    """Return every individual of the run by id."""
    return {
        result.request.individual.id: result.request.individual
        for generation in generations
        for result in generation.results
    }
