"""What an experiment names that evobnn does not have: whoever opens its run has to bring it along. And what it says
where an evaluation function is brought along.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from evobnn.errors import ExperimentError, message, unknown_name
from evobnn.evaluation import OBJECTIVES, Additions
from evobnn.evolution import STRATEGIES
from evobnn.experiment.settings import Experiment
from evobnn.genome import FORMS, OPERATIONS
from evobnn.spaces import SPACES


class MissingError(ExperimentError):
    """Something of a user's own was not brought along."""


def settings_with(additions: Additions) -> dict[str, Any]:
    """Return the settings by path that an evaluation function brings along; none without one.

    Without an argument `seed` it gives the same again, so that nothing is measured twice.
    """
    function = additions.evaluation
    if function is None:
        return {}
    once = {} if function.takes_seed else {"noise.repeats": 1, "noise.rescore": 0}
    named = {"evaluation.name": function.name, "evaluation.version": function.version}
    return {"preset": function.name, "halving.rungs": [], **once, **named}


def check_needs(experiment: Experiment, additions: Additions, before: Sequence[str] = ()) -> None:
    """Raise MissingError for what building its networks takes and neither evobnn nor the additions have.

    Arguments:
        experiment: what is to be run.
        additions: what the user brought along.
        before: what the run was last started `--with`, for the message; names of `module:object`.
    """
    space, evaluation = experiment.space, experiment.evaluation
    wanted = [
        ("space", [space.name], [*SPACES, *additions.spaces]),
        ("operation", space.offered, [*OPERATIONS, *additions.operations]),
        ("form", (*space.unary, *space.binary), [*FORMS, *additions.forms]),
        ("objective", () if evaluation.name else experiment.objectives, [*OBJECTIVES, *additions.objectives]),
    ]
    for name in additions.spaces:
        _check_new("space", name, SPACES)
    for kind, names, known in wanted:
        for name in names:
            if name not in known:
                raise MissingError(f"{unknown_name(kind, name, known)} {_bring(before)}")


def check_strategy(experiment: Experiment, additions: Additions, before: Sequence[str] = ()) -> None:
    """Raise MissingError for a strategy that neither evobnn nor the additions have; arguments as `check_needs`."""
    for own in additions.strategies:
        _check_new("strategy", own, STRATEGIES)
    name, known = experiment.strategy["name"], [*STRATEGIES, *additions.strategies]
    if name not in known:
        raise MissingError(f"{unknown_name('strategy', name, known)} {_bring(before)}")


def check_function(experiment: Experiment, additions: Additions, before: Sequence[str] = ()) -> None:
    """Raise MissingError unless the evaluation function is the one that the experiment names, or both have none;
    arguments as those of `check_needs`.
    """
    said, function = experiment.evaluation.said, additions.evaluation
    got = "none" if function is None else function.said
    if said and got != said:
        raise MissingError(message(f"the evaluation function {said}", got, _bring(before)))
    if function is not None and not said:
        do = "Leave it out, or begin a run of its own with it."
        raise ExperimentError(message("no evaluation function, for networks are trained here", got, do))


def _check_new(kind: str, name: str, built_in: Collection[str]) -> None:
    if name in built_in:
        raise ExperimentError(message(f"a new name for a {kind} of your own", f"'{name}'", "Rename it."))


def _bring(before: Sequence[str]) -> str:
    """Return the sentence that says how to bring along what is missing."""
    how = " ".join(f"--with {one}" for one in before) or "--with MODULE:OBJECT"
    return f"What is your own is brought along with {how}, in Python as an argument."
