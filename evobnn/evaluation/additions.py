"""What users add to what evobnn knows: operations, forms, objectives, an evaluation function, strategies, spaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from torch import nn

from evobnn.errors import ExperimentError, message
from evobnn.evaluation.function import EvaluationFunction
from evobnn.evaluation.latency import Timer
from evobnn.evaluation.objectives import OBJECTIVES, Objective
from evobnn.genome import FORMS as FORM_SPECS
from evobnn.genome import OPERATIONS, FormSpec, OpSpec
from evobnn.nn import FORMS, OPS, Form, OpBuilder
from evobnn.nn.counting.cost import COUNTERS, Counter


@dataclass(frozen=True)
class Additions:
    """What a user brings along: what each name means, and how it is computed. A run knows the names alone, so it is
    opened with the same additions again: `additions=` in Python, `--with module:object` on the command line.

    Operations, forms, counters and objectives are sent to the workers by name, so they are functions at the top of a
    module that the workers can import.

    Attributes:
        operations: (spec, builder) by name.
        forms: (spec, form) by name.
        counters: how classes of module are counted that `evobnn.nn.counting.cost.COUNTERS` does not know.
        objectives: quantities to minimise, by name, see `evobnn.evaluation.Objective`.
        strategies: subclasses of `evobnn.Strategy` by name; experiments say `strategy.name` and its settings.
        spaces: by name a `evobnn.Space`, or a function like those of `evobnn.spaces.SPACES`, of template, side of the
            images, frozen parts, choice, and what operations and forms mean; experiments say `space.name`.
        evaluation: what evaluates genomes in place of a training, see `EvaluationFunction`; a plain function will do.
        timer: what measures layers for the objective `latency`; `evobnn.latency()` has one.

    Raises:
        ExperimentError: a name that is taken or is not that of its spec, a form whose two halves disagree, or a
            function without a name of its own.

    >>> from torch.nn.functional import softsign
    >>> from evobnn.genome import FormSpec
    >>> from evobnn.nn import Form
    >>> both = FormSpec("softsign", 1, "p / (1 + |p|)"), Form("softsign", 1, softsign)
    >>> list(evobnn.Additions(forms={"softsign": both}).forms)
    ['softsign']
    """

    operations: Mapping[str, tuple[OpSpec, OpBuilder]] = field(default_factory=dict)
    forms: Mapping[str, tuple[FormSpec, Form]] = field(default_factory=dict)
    counters: Mapping[type[nn.Module], Counter] = field(default_factory=dict)
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    strategies: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    spaces: Mapping[str, Any] = field(default_factory=dict)
    evaluation: EvaluationFunction | None = None
    timer: Timer | None = None

    def __post_init__(self) -> None:
        function: Any = self.evaluation
        if not isinstance(function, EvaluationFunction | None):
            object.__setattr__(self, "evaluation", EvaluationFunction(function))
        for name, (spec, builder) in self.operations.items():
            _check_addition("operation", name, {spec.name}, OPERATIONS, builder)
        for name, (spec_of_form, form) in self.forms.items():
            _check_addition("form", name, {spec_of_form.name, form.name}, FORM_SPECS, form.compute)
            meant, computed = (
                f"{one.arity} arguments and {count} learnable vectors"
                for one, count in ((spec_of_form, len(spec_of_form.learnable)), (form, len(form.parameters)))
            )
            if meant != computed:
                raise ExperimentError(message(f"form '{name}' with {meant}", computed, "Let spec and form agree."))

        for name, objective in self.objectives.items():
            _check_addition("objective", name, {objective.name}, OBJECTIVES, objective.measure or Objective)

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def __add__(self, other: Additions) -> Additions:
        """Return both; of one name that of `other`."""
        both = {
            one.name: {**getattr(self, one.name), **getattr(other, one.name)}
            for one in fields(self)
            if one.name not in ("evaluation", "timer")
        }
        return Additions(**both, evaluation=other.evaluation or self.evaluation, timer=other.timer or self.timer)

    @property
    def of_trainings(self) -> Additions:
        """Those that a training depends on: what is part of its protocol, and sent to workers."""
        return replace(self, strategies={}, spaces={}, evaluation=None, timer=None)

    @property
    def operation_specs(self) -> dict[str, OpSpec]:
        """What the names of operations mean, the built-in ones included."""
        return {**OPERATIONS, **{name: spec for name, (spec, _) in self.operations.items()}}

    @property
    def form_specs(self) -> dict[str, FormSpec]:
        """What the names of forms mean, the built-in ones included."""
        return {**FORM_SPECS, **{name: spec for name, (spec, _) in self.forms.items()}}

    @property
    def builders(self) -> dict[str, OpBuilder]:
        """How operations are built, the built-in ones included."""
        return {**OPS, **{name: builder for name, (_, builder) in self.operations.items()}}

    @property
    def computed_forms(self) -> dict[str, Form]:
        """How forms are computed, the built-in ones included."""
        return {**FORMS, **{name: form for name, (_, form) in self.forms.items()}}

    @property
    def all_counters(self) -> dict[type[nn.Module], Counter]:
        """How modules are counted, the known ones included."""
        return {**COUNTERS, **self.counters}

    @property
    def all_objectives(self) -> dict[str, Objective]:
        """What a search may minimise, the built-in ones included."""
        return {**OBJECTIVES, **self.objectives}

    def described(self) -> list[list[Any]]:
        """Return every addition as plain values: kind, name, what it means, the full name of what computes it."""
        found: list[list[Any]] = []
        for name, (spec, builder) in sorted(self.operations.items()):
            found.append(["operation", name, asdict(spec), _full_name(builder)])
        for name, (spec_of_form, form) in sorted(self.forms.items()):
            found.append(["form", name, asdict(spec_of_form), _full_name(form.compute), list(form.parameters)])
        for name, objective in sorted(self.objectives.items()):
            measure = _full_name(objective.measure) if objective.measure else ""
            found.append(["objective", name, objective.unit, objective.axis, measure])
        return found + sorted(["counter", _full_name(c), _full_name(count)] for c, count in self.counters.items())


def _full_name(function: Callable[..., object]) -> str:
    """Return `module.name` of a function or class; for another object, of its class."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', None)}.{named.__qualname__}"


def _check_addition(
    kind: str, name: str, said: set[str], built_in: Mapping[str, object], function: Callable[..., object]
) -> None:
    if name in built_in:
        raise ExperimentError(message(f"a new name for an {kind} of your own", f"'{name}'", "That one is built in."))
    if said != {name}:
        raise ExperimentError(message(f"{kind} '{name}' under its own name", str(sorted(said)), "Rename one of them."))
    if "<" in _full_name(function):
        raise ExperimentError(
            message(
                f"{kind} '{name}' as a function at the top of a module, which workers can import",
                _full_name(function),
                "Define it there with a name.",
            )
        )
