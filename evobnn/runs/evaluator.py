"""Where the evaluations of a run come from: workers that train or inherit, a table that is looked up, or a user's
function.

A session knows requests and evaluations alone. Which evaluator answers, its experiment says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evobnn.evaluation import Bench, Call, EvaluationFunction, Job, Stretch, run_call, run_job
from evobnn.evaluation.estimates import load, run_longest_first
from evobnn.evaluation.room import room_for
from evobnn.experiment import Experiment
from evobnn.experiment.needs import check_function
from evobnn.genome import Genome
from evobnn.machine.room import Room
from evobnn.machine.workers import Outcome, Workers, room
from evobnn.records import FRESH, Request
from evobnn.runs.on_table import load_table, look_up
from evobnn.runs.setup import Options
from evobnn.supernet.score import Heir, run_heir
from evobnn.supernet.train import trained

RUNGS = "rungs"
"""Folder in which unfinished trainings wait for the others of their generation; there while one is evaluated."""

BACKWARD = 3
"""Forward passes in the time of a training step."""

Asked = tuple[Request, int]
"""A request, and the epochs after which it is scored; 0 for all of them."""


class Evaluator:
    """What a session asks; it is entered while the session proceeds. Kinds override what is not so for them.

    Attributes:
        trains: whether networks are trained.
        timed: whether an evaluation takes as long as it says.
        room: why so many jobs, where nobody said how many.
        jobs: evaluations at a time.
        alone: why there are no worker processes although some were to be, as part of a sentence; else an empty text.
        peak_memory: the most bytes that one worker has held; 0 before the first evaluation, and where there is none.
    """

    trains = False
    timed = False
    room: Room | None = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    @property
    def jobs(self) -> int:
        return 1

    @property
    def alone(self) -> str:
        return ""

    @property
    def peak_memory(self) -> int:
        return 0

    def outcomes(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        """Yield what came of each, in any order, under its place in `asked`."""
        raise NotImplementedError

    def load(self, request: Request) -> float:
        """Return what an epoch of the genome computes, beside others; 0 where nothing is trained."""
        return 0.0


class _ByWorkers(Evaluator):
    """Evaluations in worker processes: as many as `options` say, or as there is `room` for."""

    timed = True

    def __init__(self, room: Room | None, options: Options, say: Callable[[str], None]) -> None:
        self.room = room
        self._workers = Workers(room.jobs if room else options.jobs, options.backend, say)

    def __exit__(self, *raised: object) -> None:
        self._workers.close()

    @property
    def jobs(self) -> int:
        return self._workers.jobs

    @property
    def alone(self) -> str:
        return self._workers.alone

    @property
    def peak_memory(self) -> int:
        return self._workers.peak_memory


class Trained(_ByWorkers):
    """Evaluations by worker processes, which train each network as the protocol says."""

    trains = True

    def __init__(
        self, folder: Path, experiment: Experiment, bench: Bench, options: Options, say: Callable[[str], None]
    ) -> None:
        self._folder, self._experiment, self._bench = folder, experiment, bench
        super().__init__(None if options.jobs else room_for(bench), options, say)
        self._loads: dict[str, float] = {}

    def outcomes(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        return run_longest_first(self._workers, run_job, [self._job(*one) for one in asked])

    def load(self, request: Request) -> float:
        key = request.individual.key
        if key not in self._loads:
            self._loads[key] = load(Job(self._bench, request.individual.genome, 0))
        return self._loads[key]

    def _job(self, request: Request, epochs: int) -> Job:
        individual = request.individual
        seed = self._bench.seed(self._experiment.seed, self._bench.space.parse(individual.genome), request.repeat)
        waits = self._folder.resolve() / RUNGS / f"{individual.key}-{request.repeat}.trunk"
        stretch = Stretch(epochs, str(waits) if self._experiment.halving.covers(request) else "")
        return Job(self._bench, individual.genome, seed, request.twin, stretch)


class Inherited(Trained):
    """Evaluations by worker processes with the weights of a shared network, which is trained first where the folder
    does not have it yet. What is asked for on fresh seeds is trained, each network from weights of its own.
    """

    def __init__(
        self, folder: Path, experiment: Experiment, bench: Bench, options: Options, say: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(folder, experiment, bench, options, say)
        self._tell = tell

    def __enter__(self) -> Evaluator:
        began = time.monotonic()

        def tell(done: int, total: int) -> None:
            if not done:
                self._tell(f"The shared network is trained first, {total:,} epochs.")
            elif done == total:
                self._tell(f"The shared network is trained, after {time.monotonic() - began:.0f} s.")

        trained(self._bench, self._experiment.seed, self._folder, tell)
        return self

    def outcomes(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        heirs = [index for index, (request, _) in enumerate(asked) if request.repeat < FRESH]
        others = [index for index, (request, _) in enumerate(asked) if request.repeat >= FRESH]
        root, folder = self._experiment.seed, str(self._folder.resolve())
        jobs = [Heir(self._bench, asked[index][0].individual.genome, root, folder) for index in heirs]
        for outcome in self._workers.run(run_heir, jobs) if jobs else ():
            yield replace(outcome, index=heirs[outcome.index])
        for outcome in super().outcomes([asked[index] for index in others]) if others else ():
            yield replace(outcome, index=others[outcome.index])

    def load(self, request: Request) -> float:
        """Return what an epoch computes; for inherited weights, of which the validation alone is left, that share."""
        prepared, length = self._bench.prepared, self._bench.protocol.recipe.length
        share = prepared.validation_count / (BACKWARD * prepared.train_count * length)
        return super().load(request) * (1.0 if request.repeat >= FRESH else share)


class LookedUp(Evaluator):
    """Evaluations that a table recorded: the same answer to the same request, at once."""

    def __init__(self, experiment: Experiment, own: Mapping[str, Any] = {}) -> None:
        self._answer = look_up(experiment, load_table(experiment.table), own)

    def outcomes(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        return (Outcome(index, self._answer.evaluation(*one)) for index, one in enumerate(asked))


class Called(_ByWorkers):
    """Evaluations by a function of the user's own, called in worker processes."""

    def __init__(self, experiment: Experiment, bench: Bench, options: Options, say: Callable[[str], None]) -> None:
        check_function(experiment, options.additions, options.brought)
        self._root, self._bench = experiment.seed, bench
        super().__init__(None if options.jobs else room(options.device), options, say)
        own = options.additions.evaluation
        assert own is not None
        self._function = own.pickled() if self._workers.jobs > 1 else own

    def outcomes(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        genomes = [self._bench.space.parse(request.individual.genome) for request, _ in asked]
        calls = [
            call_of(self._function, self._bench, self._root, genome, request.repeat)
            for genome, (request, _) in zip(genomes, asked, strict=True)
        ]
        return self._workers.run(run_call, calls)


def call_of(function: EvaluationFunction | bytes, bench: Bench, root: int, genome: Genome, repeat: int) -> Call:
    """Return the evaluation of a genome by a function in a run of this root seed; what is counted, is counted here."""
    counted = bench.counted
    wanted = tuple(name for name in bench.objectives if name not in counted)
    known = bench.counts(genome, counted) if counted else {}
    return Call(function, genome, bench.seed(root, genome, repeat), wanted, known)


def evaluator_of(
    folder: Path, experiment: Experiment, bench: Bench, options: Options, say: Callable[[str], None],
    tell: Callable[[str], None] = lambda sentence: None,
) -> Evaluator:  # fmt: skip
    """Return what answers the requests of a run in `folder`; `say` is called where no workers can be had, `tell` when
    something long begins.
    """
    if experiment.table:
        return LookedUp(experiment, options.additions.strategies)
    if experiment.evaluation.name:
        return Called(experiment, bench, options, say)
    if bench.protocol.inherits:
        return Inherited(folder, experiment, bench, options, say, tell)
    return Trained(folder, experiment, bench, options, say)
