"""The settings of an experiment: only what decides a result. Defaults live here; presets and TOML override them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evobnn._checks import check_at_least, check_between, check_name
from evobnn.data import DatasetSpec
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import OBJECTIVES, SCORES, Shared
from evobnn.evaluation.function import titled
from evobnn.evolution import PRESSURES, STRATEGIES, Halving, Pressure, Screened, Strategy
from evobnn.experiment.constraints import checked_bound
from evobnn.experiment.homes import homes, unknown_setting
from evobnn.experiment.modelled import AUTO, against_model, check_model, counted
from evobnn.experiment.written import LATER, written
from evobnn.genome import FORMS, OPERATIONS, FormSpec, Genome, OpSpec, parse_genome
from evobnn.spaces import SPACES, Choice, Space, Template
from evobnn.training import Recipe

SCREENS = ("none", "model", AUTO)
"""By what proposals are picked."""
CHOICES = ("score", "model", AUTO)
"""By what a search names."""
REFUSALS = ("constant", "starts-constant")
"""Which signs a search refuses to train."""


@dataclass(frozen=True)
class SpaceSettings:
    """Which genomes exist.

    Attributes:
        name: a name of `evobnn.spaces.SPACES`, or of a space of one's own.
        sites: where expressions are searched: `kind` for one per kind of cell or block, `net` for one in all, `node`
            for one per node of each kind of cell.
        freeze: parts that are given and not searched, as genome text: `@normal = x @reduction = x` searches topology
            alone, `normal[...] reduction[...]` expressions alone.
        topology, encoding, gamma, nodes, offered, unary, binary: see `evobnn.spaces.Choice`.
    """

    name: str = "joint"
    sites: str = "kind"
    freeze: str = ""
    topology: str = "bnas"
    encoding: int = 1
    gamma: float = 1.0
    nodes: int = 4
    offered: tuple[str, ...] = ()
    unary: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.choice  # made, and so checked

    @property
    def choice(self) -> Choice:
        """What these settings choose of the space."""
        return Choice(**{one.name: getattr(self, one.name) for one in dataclasses.fields(Choice)})

    def build(
        self,
        template: Template,
        size: int,
        operations: Mapping[str, OpSpec] = OPERATIONS,
        forms: Mapping[str, FormSpec] = FORMS,
        own: Mapping[str, Any] = {},
    ) -> Space:
        """Return the space for a template and images of size x size pixels, with these meanings of names, and `own`
        spaces by name: as they are, or functions like those of `SPACES`.

        Raises:
            ExperimentError: no such space, or a choice or a template that it cannot honour.
            GenomeError: a bad `freeze`.
        """
        frozen = parse_genome(self.freeze, operations, forms) if self.freeze.strip() else Genome()
        made = {**SPACES, **own}[check_name("space", self.name, [*SPACES, *own])]
        if isinstance(made, Space):
            frozen = Genome.of(
                {**made.frozen.cell_by_kind, **frozen.cell_by_kind},
                {**made.frozen.expression_by_site, **frozen.expression_by_site},
            )
            space = dataclasses.replace(made, frozen=frozen)
        else:
            space = made(template, size, frozen, self.choice, operations, forms)
        for site in frozen.expression_by_site:
            check_name("class of sites in space.freeze", site, space.sites)
        for kind in frozen.cell_by_kind:
            check_name("kind of cell in space.freeze", kind, space.kinds)
        return space


@dataclass(frozen=True)
class NoiseSettings:
    """How the search deals with noisy scores.

    Attributes:
        repeats: members of the first front are measured up to this often, one more each generation; 1 for once.
        rescore: fresh seeds on which the final front is measured again; 0 for none.
    """

    repeats: int = 3
    rescore: int = 5

    def __post_init__(self) -> None:
        check_at_least("noise.repeats", self.repeats, 1)
        check_at_least("noise.rescore", self.rescore, 0)


@dataclass(frozen=True)
class StartSettings:
    """With what generation 0 begins; the rest of it is sampled.

    Attributes:
        genomes: as text, best first.
        anchors: also the cheapest and the dearest cells of the space, both with the plain sign, as NAS-BNN begins
            (Lin et al. 2024): the front then spans the space's costs and is never worse than these baselines.
    """

    genomes: tuple[str, ...] = ()
    anchors: bool = True


@dataclass(frozen=True)
class EvaluationSettings:
    """What evaluates genomes, where it is not a training or a table.

    Attributes:
        name: of a user's evaluation function, see `evobnn.EvaluationFunction`; empty for none.
        version: of that function.
    """

    name: str = ""
    version: str = ""

    @property
    def said(self) -> str:
        """Name and version, for people; an empty text for none."""
        return titled(self.name, self.version) if self.name else ""


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a result.

    Attributes:
        preset: name for the run folder.
        seed: root of all seeds.
        horizon: number of generations that schedules refer to; the default total to reach.
        objectives: names, all minimised.
        max_macs: bound on the multiply-accumulates of one training; 0 for none.
        space, dataset, network, recipe, noise, start: see their classes.
        strategy: `name` and the settings of that strategy.
        pressures: settings by name of `evobnn.evolution.PRESSURES`; what is not named is off.
        table: name or folder of a table of recorded trainings; an evaluation is then a look-up.
        halving: whether new genomes are trained step by step, and the worse ones not to the end.
        constraints: bound by name of a quantity (see `evobnn.evaluation.OBJECTIVES`); what is counted is never trained
            above it, what is measured must be an objective and is ranked behind whatever meets the bound.
        evaluation: which function of the user's own evaluates, if one does.
        screen: which proposals of the strategy are trained: as they come (`none`), or those that a `model` of all
            scores picks, see `evobnn.evolution.strategies.screened`; `auto` for the model where it was found to help:
            nsga2, on objectives that it can.
        choose: by what the best and the front are named: the mean `score` of each genome, or what a `model` of all
            scores believes, see `evobnn.evolution.naming`; `auto` for the model where it can. A run folder says what
            `auto` came to.
        refuse: what the search never trains: expressions without learnable parts whose sign is `constant`, or also
            those with learnable parts whose sign is constant as they start (`starts-constant`).
        score: where scores come from: `trained`, each genome from weights of its own, or `inherited`, from one shared
            network, which answers a repeat the same, so that only the fresh scores at a stop are more than one. These
            are trained in either case.
        shared: the shared network, see its class.

    >>> from dataclasses import replace
    >>> digits = evobnn.preset("digits")
    >>> longer = replace(digits, recipe=replace(digits.recipe, epochs=8), seed=3)
    >>> longer.objectives, longer.recipe.epochs
    (('error', 'ops'), 8)
    """

    preset: str = "custom"
    seed: int = 0
    horizon: int = 10
    objectives: tuple[str, ...] = ("error", "ops")
    max_macs: float = 0.0
    space: SpaceSettings = SpaceSettings()
    dataset: DatasetSpec = DatasetSpec()
    network: Template = Template()
    recipe: Recipe = Recipe()
    noise: NoiseSettings = NoiseSettings()
    start: StartSettings = StartSettings()
    strategy: Mapping[str, Any] = field(default_factory=lambda: {"name": "nsga2"})
    pressures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    halving: Halving = Halving()
    constraints: Mapping[str, float] = field(default_factory=dict)
    evaluation: EvaluationSettings = EvaluationSettings()
    screen: str = SCREENS[0]
    choose: str = CHOICES[0]
    refuse: str = REFUSALS[0]
    score: str = SCORES[0]
    shared: Shared = Shared()

    def __post_init__(self) -> None:
        check_at_least("seed", self.seed, 0)
        check_at_least("horizon", self.horizon, 0)
        check_between("max_macs", self.max_macs, 0.0, 1e30)
        if not re.fullmatch(r"\w[\w.-]*", self.preset):
            raise ExperimentError(
                message("preset as a plain name for a folder", repr(self.preset), "Take letters, digits, '-' and '_'.")
            )
        for name in self.objectives:
            if not re.fullmatch(r"[A-Za-z]\w*", name):
                raise ExperimentError(message("objectives as plain names", repr(name), "Take letters and digits."))
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise ExperimentError(message("different objectives", str(list(self.objectives)), "Name each once."))
        object.__setattr__(self, "strategy", _completed_strategy(self.strategy))
        object.__setattr__(self, "pressures", _completed_pressures(self.pressures))
        object.__setattr__(self, "constraints", _checked_constraints(self.constraints, self.objectives))
        check_name("value of refuse", self.refuse, REFUSALS)
        check_name("value of choose", self.choose, CHOICES)
        check_name("value of screen", self.screen, SCREENS)
        check_model(self, "choose", CHOICES[0])
        check_model(self, "screen", SCREENS[0])
        if self.halving:
            self._check_halving()
        if self.evaluation.name:
            self._check_evaluation()
        if check_name("value of score", self.score, SCORES) == "inherited":
            self._check_inherited()

    def _check_halving(self) -> None:
        """Raise ExperimentError for trainings that cannot be stopped early, or rungs that do not end with the last."""
        recipe, last = self.recipe, self.halving.rungs[-1]
        if not recipe.branches:
            do = "Set recipe.schedule = trunk, or halving.rungs = []."
            raise ExperimentError(message("recipe.schedule = trunk with halving.rungs", repr(recipe.schedule), do))
        if last != recipe.epochs:
            got = f"{last} where recipe.epochs = {recipe.epochs}"
            do = "Let halving.rungs end with recipe.epochs."
            raise ExperimentError(message("the last of halving.rungs to be the whole training", got, do))

    def _check_evaluation(self) -> None:
        """Raise ExperimentError for what only trainings have, where a function evaluates."""
        for what, there in (("a table", self.table), ("halving.rungs", self.halving)):
            if there:
                expected = f"an evaluation by {self.evaluation.said} alone"
                raise ExperimentError(message(expected, f"{what} too", "Leave one of them out."))

    def _check_inherited(self) -> None:
        """Raise ExperimentError for what inherited weights have no part in, or fresh scores that nobody trains."""
        others = (
            ("a table", self.table),
            ("an evaluation function", self.evaluation.name),
            ("halving.rungs", self.halving),
            ("pressures.abandonment, which trains twins", "abandonment" in self.pressures),
        )
        for what, there in others:
            if there:
                do = "Set score = trained, or leave it out."
                raise ExperimentError(message("scores from a shared network with score = inherited", what, do))
        if not self.noise.rescore:
            expected = "noise.rescore of at least 1 with score = inherited, for what is quoted is trained"
            raise ExperimentError(message(expected, "0", "Raise it, or set score = trained."))

    @property
    def repeats(self) -> int:
        """How often members of the first front are measured: `noise.repeats`, or once where scores are inherited."""
        return self.noise.repeats if self.score == SCORES[0] else 1

    @property
    def screens(self) -> bool:
        """Whether a model picks what is trained."""
        fits = self.strategy["name"] == "nsga2" and not against_model(self, "screen")
        return self.screen == "model" or (self.screen == AUTO and fits)

    @property
    def chooses(self) -> bool:
        """Whether a model names the best and the front."""
        fits = not self.evaluation.name and not against_model(self, "choose")
        return self.choose == "model" or (self.choose == AUTO and fits)

    @property
    def counted_bounds(self) -> dict[str, float]:
        """The constraints on what is known before any training."""
        return {name: bound for name, bound in self.constraints.items() if counted(name)}

    def make_strategy(self, own: Mapping[str, Any] = {}) -> Strategy:
        """Return the strategy with its settings; `own` holds strategies by name beside the built-in ones.

        Raises:
            ExperimentError: no such strategy, or settings that are not its own.
        """
        made = self._made_strategy(own)
        return Screened(made.population, made) if self.screens else made

    def _made_strategy(self, own: Mapping[str, Any]) -> Strategy:
        settings = dict(self.strategy)
        name = check_name("strategy", settings.pop("name"), [*STRATEGIES, *own])
        if name in STRATEGIES:
            return STRATEGIES[name](**settings)
        refuse_unknown(settings, own[name], "strategy.")
        made: Strategy = validated(own[name], settings, "strategy.")
        return made

    def make_pressures(self) -> dict[str, Pressure]:
        """Return the pressures that are on, by name, with their settings."""
        return {name: PRESSURES[name](**settings) for name, settings in self.pressures.items()}

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits over the text of the experiment.

        Settings that came later count only where they differ from what every experiment before them had, so that a
        newer evobnn goes on with the run of an older one.
        """
        return hashlib.sha256(written(self, LATER).encode()).hexdigest()[:16]


def _completed_strategy(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the strategy's table with every setting filled in and checked; one of a user's own as it is, for it is
    known only where it is made.
    """
    given = dict(table)
    name = str(given.pop("name", "nsga2"))
    if name not in STRATEGIES:
        return {"name": name, **given}
    kind: Any = STRATEGIES[name]
    refuse_unknown(given, kind, "strategy.")
    return {"name": name, **dataclasses.asdict(validated(kind, given, "strategy."))}


def _completed_pressures(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pressures in the order of `PRESSURES` with every setting filled in and checked."""
    for name, given in table.items():
        check_name("pressure", name, PRESSURES)
        if not isinstance(given, Mapping):
            raise ExperimentError(
                message(f"pressures.{name} as a section of settings", repr(given), f"Write pressures.{name} = {{}}.")
            )
    found = {}
    for name, kind in PRESSURES.items():
        if name in table:
            refuse_unknown(table[name], kind, f"pressures.{name}.")
            found[name] = dataclasses.asdict(validated(kind, table[name], f"pressures.{name}."))
    return found


def _checked_constraints(table: Mapping[str, float], objectives: Sequence[str]) -> dict[str, float]:
    """Return the bounds in the order of `OBJECTIVES`, then of the objectives, as floats."""
    known = tuple(dict.fromkeys([*OBJECTIVES, *objectives]))
    for name, bound in table.items():
        check_name("quantity to constrain", name, known)
        checked_bound(f"constraints.{name}", bound)
        if not counted(name) and name not in objectives:
            expected, do = f"{name} among the objectives, to bound it", "Add it, or leave the bound out."
            raise ExperimentError(message(expected, str(list(objectives)), do))
    return {name: float(table[name]) for name in known if name in table}


def refuse_unknown(table: Mapping[str, Any], kind: Any, path: str) -> None:
    """Raise ExperimentError for a setting that the dataclass `kind` lacks, with where it might belong."""
    fields = {one.name: one for one in dataclasses.fields(kind)}
    for name, value in table.items():
        if name not in fields:
            raise ExperimentError(unknown_setting(path, name, value, list(fields), homes(Experiment)))
        default = fields[name].default
        if dataclasses.is_dataclass(default) and isinstance(value, Mapping):
            refuse_unknown(value, type(default), f"{path}{name}.")


def validated(kind: Any, table: Mapping[str, Any], path: str) -> Any:
    """Return `kind(**table)` with every type checked; raise ExperimentError with all wrong ones."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        lines = [
            message(
                f"{path}{'.'.join(str(part) for part in one['loc'])} as: {one['msg'].lower()}",
                repr(one["input"]),
                "Correct the value.",
            )
            for one in error.errors()
        ]
        raise ExperimentError("\n".join(lines)) from error
