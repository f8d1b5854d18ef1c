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
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from evobnn.errors import RunError, message
from evobnn.evolution import Search, Step, run
from evobnn.evolution.endings import SpaceExhausted
from evobnn.evolution.halving import WITHOUT
from evobnn.experiment.needs import check_strategy
from evobnn.experiment.precision import slow_precision
from evobnn.experiment.shelf import experimental_pressures
from evobnn.machine.facts import machine, python, versions
from evobnn.machine.workers import LOST, warn
from evobnn.nn.fast import compiling
from evobnn.pareto import Axis
from evobnn.records import FRESH, Evaluation, Request, Result, Status, rung_measures
from evobnn.runs.believed import believing
from evobnn.runs.callbacks import Callback, Callbacks, State
from evobnn.runs.derived import Derived, unmet
from evobnn.runs.evaluator import RUNGS, evaluator_of
from evobnn.runs.fresh import FreshScores
from evobnn.runs.latency import elsewhere, kept_times
from evobnn.runs.outlook import Outlook
from evobnn.runs.progress import Progress, Standing
from evobnn.runs.setup import Options, make_bench, make_search, open_experiment, settled, wants_loops
from evobnn.runs.steps import generation_of, step_of
from evobnn.snapshot import (
    Generation,
    Journal,
    JournalEntry,
    append_start,
    lock,
    read_generations,
    read_journal,
    read_starts,
    set_aside,
    write_generation,
    write_rescored,
)
from evobnn.snapshot.archive import Archive

Place = tuple[str, int, int]
"""What a training is known by: key, repeat, and rung (0 for none)."""


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

    >>> from pathlib import Path
    >>> session = evobnn.Session(Path("populations/digits"), evobnn.Options(jobs=1))  # session.proceed() goes on
    >>> session.bench.space.name
    'joint'
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
        self.callbacks = Callbacks(folder, callbacks)
        self.folder, self.options, self.report, self.say, self.stop = folder, options, report, say, stop
        self.experiment = open_experiment(folder)
        check_strategy(self.experiment, options.additions, options.brought)
        self._compiles = wants_loops(self.experiment, options)
        if self._compiles:
            compiling.begin()  # while data are prepared
        self.bench = make_bench(self.experiment, options, kept_times(folder, self.experiment))
        self.experiment = settled(self.experiment, self.bench)
        self.evaluator = evaluator_of(folder, self.experiment, self.bench, options, self._say_of_workers, say)
        self.total = self.experiment.horizon if options.generations is None else options.generations
        self.generations: list[Generation] = []
        self.archive = Archive(self.experiment.objectives, self.experiment.constraints)
        self._derived = Derived(folder)
        self._known: dict[Place, Evaluation] = {}
        self._attempts: dict[Place, int] = {}
        self._own = options.additions.strategies
        self._outlook = Outlook(self.experiment, self.evaluator.jobs, self.total, self._own)
        self._fresh = FreshScores(self.experiment.noise.rescore, believing(self.experiment, self.bench.space))
        self._standing = Standing(self._outlook, self._fresh, self.total)
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
            if sentence := elsewhere(self.bench):
                self.say(sentence)
            if sentence := experimental_pressures(self.experiment.pressures):
                self.say(sentence)
            if self._compiles:
                compiling.prepare(self._compiled)
            append_start(self.folder, self._start())
            self._journal = Journal(self.folder / "journal.jsonl")
            stack.enter_context(self.callbacks)
            stack.enter_context(self.evaluator)
            budget = self.options.budget
            self._standing.until = until = math.inf if budget is None else started + budget

            begun = len(self.generations)

            def ends() -> bool:
                out_of_time = len(self.generations) > begun and time.monotonic() >= until
                return self.callbacks.ended_by is not None or out_of_time or self.stop(self.generations)

            if self.generations:
                self._look()
            try:
                run(search, partial(self._evaluate, "search"), self._commit, self.total, ends)
            except SpaceExhausted as end:
                if not self.generations:
                    raise
                self.say(str(end))
            if self.callbacks.ended_by is not None and len(self.generations) <= self.total:
                self.say(f"Stopped after generation {len(self.generations) - 1}: {self.callbacks.ended_by}.")
            self._rescore()
            if any(_lost_determinism(result.evaluation) for g in self.generations for result in g.results):
                self.say("A training met the clock, or killed its worker: this run is exempt from equal bytes.")
            if sentence := unmet(self.archive):
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
        told = {(one.request.individual.key, one.request.repeat) for g in generations for one in g.results}
        entries, notes = read_journal(self.folder / "journal.jsonl", without=told)
        for sentence in notes:
            self.say(sentence)
        retried = (Status.ERROR, Status.TIMEOUT) if self.options.retry_failed else ()
        for entry in entries:
            place = entry.key, entry.repeat, entry.evaluation.rung
            self._attempts[place] = entry.attempt
            if entry.protocol == self._protocol and entry.evaluation.status not in retried:
                self._known[place] = entry.evaluation
        self.generations = generations
        self.archive.add(*generations)
        if generations:
            self._follow_front()
        search = make_search(self.experiment, self.bench, self._own)
        search.restore(map(step_of, generations))
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
            **({"with": list(options.brought)} if options.brought else {}),
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
            self._standing.failed += evaluation.status not in (Status.OK, Status.PRUNED)
            if purpose == "rescore":
                self._fresh.look(self.archive, requests, found)

        def tell() -> None:
            open_ones = len(wanted) - sum(one.status is not Status.PRUNED for one in found.values())
            rungs = [epochs for epochs in wanted.values() if epochs]
            climbing = (len(rungs), rungs[0]) if rungs else (0, 0)
            done = len(requests) - open_ones
            self.report(self._standing.progress(purpose, self.generations, done, len(requests), climbing))

        waiting: list[tuple[int, int]] = []
        for index, epochs in wanted.items():
            request = requests[index]
            known = self._known.get((request.individual.key, request.repeat, epochs))
            if known is None:
                waiting.append((index, epochs))
            else:
                take(index, known)
                self._standing.reused += known.status is not Status.PRUNED
        before = time.monotonic()
        sent = [(requests[index], epochs, self.evaluator.load(requests[index])) for index, epochs in waiting]
        sizes = self._outlook.begin(sent, before) if waiting else []
        tell()
        for outcome in self.evaluator.outcomes([(requests[index], epochs) for index, epochs in waiting]):
            index, epochs = waiting[outcome.index]
            evaluation = outcome.value
            if evaluation is None:
                measures = rung_measures(epochs) if epochs else {}
                evaluation = Evaluation(Status.ERROR, message=outcome.lost, measures=measures)
            self._write_down(purpose, generation, requests[index], evaluation)
            take(index, evaluation)
            self.callbacks.result(Result(requests[index], evaluation))
            now = time.monotonic()
            took = None if outcome.value is None else evaluation.seconds if self.evaluator.timed else now - before
            self._outlook.ended(requests[index], sizes[outcome.index], took, now)
            before = now
            tell()
        return found

    def _write_down(self, purpose: str, generation: int, request: Request, evaluation: Evaluation) -> None:
        place = request.individual.key, request.repeat, evaluation.rung
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

    def _commit(self, step: Step) -> None:
        """Write the generation, which commits it, then everything that is derived from it."""
        generation = generation_of(step, self._header())
        write_generation(self.folder, generation)
        self.generations.append(generation)
        self.archive.add(generation)
        for result in generation.results:  # never asked for again
            place = result.request.individual.key, result.request.repeat, result.evaluation.rung
            self._known.pop(place, None)
            self._attempts.pop(place, None)
        self._outlook.committed()
        self._follow_front()
        self._derived.follow(self.generations, self.archive)
        self._look()

    def _look(self) -> None:
        """Let the callbacks look at the newest generation; any of them may end the search."""
        self.callbacks.generation(State(self.folder, tuple(self.generations), self.archive))

    def _follow_front(self) -> None:
        """Note how long the networks on the archive's front train: they are the ones to be measured on fresh seeds."""
        numbers = self.archive.front if self.experiment.noise.rescore else []
        front = [self.archive.members[number].individual for number in numbers]
        self._standing.front = [self._outlook.whole(one.key, self.evaluator.load(Request(one, FRESH))) for one in front]

    def _rescore(self) -> None:
        """Measure the archive's front on fresh seeds; recorded apart, so nothing that follows depends on it."""
        if not self.generations:
            return
        while requests := self._fresh.requests(self.archive):
            self._fresh.take(self._evaluate("rescore", requests))
        if self._fresh.count:
            write_rescored(self.folder, self.generations[-1].number, self._fresh.rows.values())
        self._derived.finish(self.generations, self.archive, self._fresh.rows)


def _lost_determinism(evaluation: Evaluation) -> bool:
    """Tell whether an outcome depends on the machine's state: out of time, or its worker died."""
    return evaluation.status is Status.TIMEOUT or evaluation.message == LOST
