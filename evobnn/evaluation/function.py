"""An evaluation function of a user's own: what a genome is worth by any measure that they can write down.

run = evobnn.search("mnist5k", evaluate, objectives=("error", "mJ"), name="simulator", version="1")
"""

from __future__ import annotations

import inspect
import math
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import cloudpickle

from evobnn.errors import ExperimentError, message
from evobnn.genome import Genome
from evobnn.records import Evaluation, Status


@dataclass(frozen=True)
class EvaluationFunction:
    """A function from a genome to its objectives, under a name that a run remembers.

    The function is `evaluate(genome)`, or `evaluate(genome, seed)` where chance has a part in it: equal arguments then
    give equal values, and a repeat has another seed. It returns a mapping from name to number, or an `Evaluation`.
    Numbers that are no objectives are kept as measures. What it raises becomes the status `error`.

    Attributes:
        function: from anywhere, a notebook included; workers get it by value.
        name: what runs call it; its own if it is left out.
        version: changed whenever the function begins to return something else; a run goes on with its own alone.

    Raises:
        ExperimentError: no function, or a name or version that is not plain text.

    >>> length = evobnn.EvaluationFunction(lambda genome: {"length": len(str(genome))}, "length")
    >>> length.said
    'length, version 1'
    """

    function: Callable[..., Any]
    name: str = ""
    version: str = "1"

    def __post_init__(self) -> None:
        given: object = self.function
        if not callable(given):
            do = "Write def evaluate(genome): return {'error': …}."
            raise ExperimentError(message("an evaluation function", repr(self.function), do))
        name = self.name or getattr(self.function, "__name__", type(self.function).__name__)
        for what, text in (("name", name), ("version", str(self.version))):
            if not re.fullmatch(r"\w[\w.-]*", text):
                do = f"Give it one: {what}='simulator'." if what == "name" else "Write for example version='2'."
                raise ExperimentError(message(f"a plain {what} of the evaluation function", repr(text), do))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "version", str(self.version))

    @property
    def said(self) -> str:
        """Name and version, for people."""
        return titled(self.name, self.version)

    @property
    def takes_seed(self) -> bool:
        """Whether it has an argument `seed`, so that it may be asked again and answer otherwise."""
        try:
            return "seed" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # some functions in C tell no signature
            return False

    def pickled(self) -> bytes:
        """Return the function as bytes for workers.

        Raises:
            ExperimentError: it holds what cannot be pickled, such as an open file or a lock.
        """
        try:
            return bytes(cloudpickle.dumps(self))
        except Exception as error:  # whatever the __reduce__ of what it holds raises
            expected = f"an evaluation function '{self.name}' that can be sent to workers"
            got = f"one that cannot be pickled ({type(error).__name__}: {error})"
            raise ExperimentError(message(expected, got, "Open inside it what it holds, or take jobs=1.")) from error


def titled(name: str, version: str) -> str:
    """Return what a function of this name and version is called, by people and in a protocol's fingerprint."""
    return f"{name}, version {version}"


@dataclass(frozen=True)
class Call:
    """One evaluation by a function: what travels to a worker.

    Attributes:
        function: itself, or pickled.
        genome: to be evaluated.
        seed: of this evaluation, from root seed, key and repeat.
        wanted: objectives that it is to return.
        known: others, which were counted; what the function says of them counts more.
    """

    function: EvaluationFunction | bytes
    genome: Genome
    seed: int
    wanted: tuple[str, ...]
    known: Mapping[str, float] = field(default_factory=dict)


def run_call(call: Call) -> Evaluation:
    """Return what the function says of the genome; whatever goes wrong in it becomes a status."""
    started = time.perf_counter()
    try:
        function = _loaded(call.function) if isinstance(call.function, bytes) else call.function
        returned = function.function(call.genome, **({"seed": call.seed} if function.takes_seed else {}))
        found = evaluation_of(returned, call.wanted, function.name, call.known)
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"[:500]
        found = Evaluation(Status.ERROR, message=said, traceback=traceback.format_exc())
    return replace(found, seconds=time.perf_counter() - started)


@lru_cache(maxsize=4)
def _loaded(pickled: bytes) -> EvaluationFunction:
    found: EvaluationFunction = cloudpickle.loads(pickled)
    return found


def evaluation_of(returned: object, wanted: Sequence[str], name: str, known: Mapping[str, float] = {}) -> Evaluation:
    """Return what a function returned as an evaluation: `error` where an objective is missing or nothing is understood,
    `diverged` where one is no finite number. Objectives that are `known` may be left out.
    """
    if isinstance(returned, Evaluation):
        if returned.status is not Status.OK:
            return returned
        given: Mapping[str, Any] = {**returned.measures, **returned.objectives}
    elif isinstance(returned, Mapping):
        given = returned
    else:
        return _failed(Status.ERROR, f"a dict of numbers from {name}", repr(returned), "Return {'error': …}.")
    if missing := [one for one in wanted if one not in given]:
        got = f"{', '.join(map(str, given)) or 'nothing'} without {', '.join(missing)}"
        return _failed(Status.ERROR, f"{', '.join(wanted)} from {name}", got, "Return every objective.")
    given, wanted = {**known, **given}, [*wanted, *known]
    numbers = {}
    for key, value in given.items():
        try:
            numbers[str(key)] = float(value)
        except (TypeError, ValueError):
            if key in wanted:
                return _failed(Status.ERROR, f"{key} as a number from {name}", repr(value), "Return a float.")
    for one in wanted:
        if not math.isfinite(numbers[one]):
            return _failed(Status.DIVERGED, f"{one} as a finite number from {name}", str(numbers[one]), "Mend it.")
    objectives = {one: numbers[one] for one in wanted}
    measures = {key: value for key, value in numbers.items() if key not in objectives}
    said, behaviour = (returned.message, returned.behaviour) if isinstance(returned, Evaluation) else ("", "")
    return Evaluation(Status.OK, objectives, said, measures, behaviour)


def _failed(status: Status, expected: str, got: str, do: str) -> Evaluation:
    return Evaluation(status, message=message(expected, got, do)[:500])
