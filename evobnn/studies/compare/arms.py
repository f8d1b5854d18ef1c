"""What is compared: an arm is a named search, one experiment with settings of its own, in one phase or several."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evobnn._checks import check_between, check_name
from evobnn.errors import ExperimentError, message
from evobnn.evolution import PRESSURES, STRATEGIES
from evobnn.experiment.presets import override
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_table, to_text
from evobnn.runs.on_table import load_table
from evobnn.studies.compare.peers import PEERS
from evobnn.studies.compare.report import DEAREST

GIVEN = ("", "cells", "expressions")
LIKE = "-like"
"""What a pressure's name ends in: an ablation here is no verdict on the published algorithm."""
HALVING = "-halving"
"""What the name of a strategy ends in whose trainings are stopped early at rungs."""
BUDGET = "budget"
"""What stands before `=` and an arm's share of the budget, among the settings that a user gives it."""
FILTER = {"filter=on": "strategy.unfiltered=false", "filter=off": "strategy.unfiltered=true"}
"""Short words for whether a strategy sends only what is new and can be trained."""
SAME = ("seed", "objectives", "max_macs", "dataset", "network", "recipe", "table")
"""What no arm may change, for its results would not compare."""


@dataclass(frozen=True)
class Phase:
    """A part of an arm's search.

    Attributes:
        given: which part of the genome is not searched: `cells`, `expressions` or none. In the first phase these are
            the cells of the seed's first drawn genome, or the plain sign everywhere; in a later one those of the front
            found so far, each in a search of its own.
        share: of the budget, in (0, 1]; those of all phases add up to 1.
    """

    given: str = ""
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.given not in GIVEN:
            raise ExperimentError(message("cells or expressions that are given", repr(self.given), "Name one."))
        check_between("a phase's share of the budget", self.share, 1e-9, 1.0)


@dataclass(frozen=True)
class Arm:
    """A search with a name.

    Attributes:
        name: in tables, pictures and the names of folders.
        assignments: `section.key=value` texts that are applied to the experiment; another strategy keeps the size of
            the population and none of the other settings.
        phases: one after another; what they find is united.
        share: of the comparison's budget, in (0, 1]: below 1 for an arm that is to do as well with less.
    """

    name: str
    assignments: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = (Phase(),)
    share: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            do = "Take letters, digits, '-', '+' and '_'."
            raise ExperimentError(message("an arm with a plain name", repr(self.name), do))
        if not math.isclose(math.fsum(phase.share for phase in self.phases), 1.0):
            got = " + ".join(f"{phase.share:g}" for phase in self.phases) or "none"
            raise ExperimentError(message(f"phases of {self.name} that share the whole budget", got, "Make it 1."))
        if not 0.0 < self.share <= 1.0:
            expected, do = f"{BUDGET}= above 0 and at most 1 in the arm {self.name}", f"Write for example {BUDGET}=0.5."
            raise ExperimentError(message(expected, f"{self.share:g}", do))

    def fingerprint(self) -> str:
        """Return 8 hexadecimal digits over all but the name."""
        share = [] if self.share == 1.0 else [self.share]
        text = json.dumps([self.assignments, [[phase.given, phase.share] for phase in self.phases], *share])
        return hashlib.sha256(text.encode()).hexdigest()[:8]


PARTS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("joint"),
        Arm("topology", phases=(Phase("expressions"),)),
        Arm("expressions", phases=(Phase("cells"),)),
        Arm("topology-then-expressions", phases=(Phase("expressions", 0.5), Phase("cells", 0.5))),
        Arm("random", ("strategy.name=random",)),
    )
}
"""What a search may be allowed to choose, by name; `random` is the baseline."""

_PUBLISHED = (
    *("strategy.name=gaaf", "strategy.population=30", "strategy.children=10", "strategy.truncated=true"),
    *("noise.repeats=1", "pressures={}"),
)
VARIANTS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("gaaf-published", (*_PUBLISHED, "strategy.forgets=true", "strategy.unfiltered=true")),
        Arm("gaaf-archive", _PUBLISHED),
    )
}
"""GAAF's algorithm as its published code runs, and the same with an archive and a filter of constant signs."""

UNFILTERED: dict[str, Arm] = {
    f"{name}-unfiltered": Arm(f"{name}-unfiltered", (f"strategy.name={name}", FILTER["filter=off"])) for name in PEERS
}
"""Optimisers of other packages as they are without evobnn's filter."""
_VARIED = {**VARIANTS, **UNFILTERED}


# --- From names to arms ---------------------------------------------------------------------------------------------


def arms_of(
    experiment: Experiment,
    strategies: Sequence[str] = (),
    pressures: Sequence[str] = (),
    parts: Sequence[str] = (),
    own: Sequence[str] = (),
    brought: Collection[str] = (),
) -> tuple[Arm, ...]:
    """Return what is to be compared; the first is the reference.

    Arguments:
        experiment: whose settings hold where an arm has none of its own.
        strategies: names of `STRATEGIES`, `VARIANTS`, `PEERS` or `UNFILTERED`, or of strategies that are brought; with
            `-halving` behind it, the same with successive halving. Beside such an arm the others have none.
        pressures: names of `PRESSURES`, with or without `-like`: each strategy (that of the experiment if none is
            named) without any and with each of them.
        parts: names of `PARTS`.
        own: arms of the user's, each `NAME SECTION.KEY=VALUE ...`, with `budget=0.5` among these for half of it, and
            `filter=off` for a strategy that can do without. One with the name of a strategy, alone or before a `+`, is
            that strategy, unless it names another.
        brought: names of the user's own strategies.

    Raises:
        ExperimentError: an unknown name, the same name twice, or fewer than two arms.
    """
    found = [_strategy_arm(name, brought) for name in strategies]
    if any(name.endswith(HALVING) for name in strategies):
        found = [_halving_arm(experiment, arm) for arm in found]
    if pressures:
        found = _with_pressures(experiment, found, pressures)
    found += [PARTS[check_name("arm", name, PARTS)] for name in parts]
    found += [_own_arm(text, brought) for text in own]
    if len(found) < 2:
        do = "Name some with --strategies, --pressures, --arms or --arm."
        raise ExperimentError(message("at least 2 arms to compare", str(len(found)), do))
    names = [arm.name for arm in found]
    if DEAREST in names:
        do = "Take another name."
        raise ExperimentError(message(f"no arm called {DEAREST}, which is a row of its own", DEAREST, do))
    if twice := [name for name in names if names.count(name) > 1]:
        raise ExperimentError(message("arms with different names", f"{twice[0]} more than once", "Name each once."))
    return tuple(found)


def _strategy_arm(name: str, brought: Collection[str] = ()) -> Arm:
    plain = name.removesuffix(HALVING)
    check_name("strategy", plain, [*_VARIED, *STRATEGIES, *PEERS, *brought])
    return replace(_VARIED[plain], name=name) if plain in _VARIED else Arm(name, (f"strategy.name={plain}",))


def _halving_arm(experiment: Experiment, arm: Arm) -> Arm:
    """Return an arm with halving on or off, as its name says."""
    rungs = _rungs(experiment) if arm.name.endswith(HALVING) else ()
    return replace(arm, assignments=(*arm.assignments, f"halving.rungs={list(rungs)}"))


def _rungs(experiment: Experiment) -> tuple[int, ...]:
    """Return the rungs of the experiment, or else those of its table, or the recipe's epochs halved again and again,
    from a quarter of the epochs on: earlier scores rank genomes worse (on the table joint-halving tau is 0.41 after one
    epoch of eight, 0.53 after two, 0.60 between whole trainings).

    Raises:
        ExperimentError: the recipe has one epoch alone.
    """
    table = load_table(experiment.table) if experiment.table else None
    epochs = experiment.recipe.epochs
    halved = (table.rungs if table else ()) or sorted({epochs >> n for n in range(epochs.bit_length())})
    found = experiment.halving.rungs or tuple(rung for rung in halved if 4 * rung >= epochs)
    if len(found) < 2:
        expected, do = "trainings of 2 epochs or more to halve", "Raise recipe.epochs, with recipe.schedule = trunk."
        raise ExperimentError(message(expected, str(epochs), do))
    return found


def _with_pressures(experiment: Experiment, strategies: Sequence[Arm], pressures: Sequence[str]) -> list[Arm]:
    """Return every strategy without any pressure, then with each."""
    bases = list(strategies) or [_strategy_arm(str(experiment.strategy["name"]))]
    plain = [replace(arm, assignments=(*arm.assignments, "pressures={}")) for arm in bases]
    found = list(plain)
    for given in pressures:
        name = check_name("pressure", given.removesuffix(LIKE), PRESSURES)
        settings: Mapping[str, Any] = experiment.pressures.get(name, {})
        on = [f"pressures.{name}={{}}", *(f"pressures.{name}.{what}={_toml(v)}" for what, v in settings.items())]
        for arm in plain:
            own = f"{arm.name}+{name}{LIKE}" if len(plain) > 1 else f"{name}{LIKE}"
            found.append(Arm(own, (*arm.assignments, *on)))
    return found


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | float) else json.dumps(value)


def _own_arm(text: str, brought: Collection[str] = ()) -> Arm:
    try:
        name, *assignments = shlex.split(text)
    except ValueError as error:
        do = "Write for example --arm 'big strategy.population=40'."
        raise ExperimentError(message("an arm as NAME SECTION.KEY=VALUE ...", f"'{text}'", do)) from error
    if bad := [one for one in assignments if one.partition("=")[0] == "filter" and one not in FILTER]:
        raise ExperimentError(message(" or ".join(FILTER), f"'{bad[0]}' in the arm {name}", "Write one of these."))
    assignments = [FILTER.get(one, one) for one in assignments]
    shares = [one for one in assignments if one.partition("=")[0].strip() == BUDGET]
    try:
        share = float(shares[-1].partition("=")[2]) if shares else 1.0
    except ValueError as error:
        do = f"Write for example {BUDGET}=0.5."
        raise ExperimentError(message(f"{BUDGET}= and a share of the whole budget", f"'{shares[-1]}'", do)) from error
    settings = tuple(one for one in assignments if one not in shares)
    called = name.partition("+")[0]
    if called in (*_VARIED, *STRATEGIES, *PEERS, *brought) and not any(map(_names_strategy, settings)):
        settings = (*_strategy_arm(called, brought).assignments, *settings)
    return Arm(name, settings, share=share)


def _names_strategy(assignment: str) -> bool:
    return assignment.partition("=")[0].strip() == "strategy.name"


def assigned(experiment: Experiment, arm: Arm) -> Experiment:
    """Return the experiment with an arm's settings.

    Raises:
        ExperimentError: a setting that is not understood, or one that makes results incomparable.
    """
    table = tomllib.loads(to_text(experiment))
    for path, _, name in (text.partition("=") for text in arm.assignments):
        if path.strip() == "strategy.name" and name.strip() != table["strategy"]["name"]:
            table["strategy"] = {"population": table["strategy"]["population"]}
    found = from_table(override(table, arm.assignments), f"the arm {arm.name}")
    for part in SAME:
        if getattr(found, part) != getattr(experiment, part):
            got = f"another {part} in the arm {arm.name}"
            do = "Change it for all arms with --set, or compare within another experiment."
            raise ExperimentError(message("arms of one protocol", got, do))
    return found
