"""What the question whether brief training tells the truth takes: which genomes, trained how, with which seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evobnn._checks import check_at_least
from evobnn._seeding import generator
from evobnn.errors import EvobnnError, ExperimentError, message
from evobnn.evaluation import Bench, Job
from evobnn.experiment.settings import Experiment
from evobnn.genome import Genome
from evobnn.records import FRESH
from evobnn.runs.setup import Options, check_trained, make_bench, search_bench
from evobnn.spaces import key
from evobnn.studies.fidelity.agreement import Regime
from evobnn.studies.fidelity.heritability import distinct

LEAST = 6
"""Genomes below which nothing is said: the better half then has 3."""
LONG = 4
"""How many times the preset's epochs a long training has, unless it is said."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        experiment: space and protocol; its own epochs and width are among the regimes.
        briefs: regimes to be judged, each shorter than the long one.
        epochs, seeds: of the long training, at the experiment's width.
        genomes: different feasible random ones, the same for the same seed of the experiment.
    """

    experiment: Experiment
    briefs: tuple[Regime, ...]
    epochs: int
    seeds: int = 2
    genomes: int = 60

    def __post_init__(self) -> None:
        if self.experiment.table:
            got = f"one that looks up in {self.experiment.table}"
            raise ExperimentError(message("an experiment that trains", got, "Leave out the table."))
        check_at_least("--genomes", self.genomes, LEAST)
        check_at_least("--seeds", self.seeds, 2)
        longest = max((brief.epochs for brief in self.briefs), default=0)
        check_at_least("--epochs of the long training, above all brief ones,", self.epochs, longest + 1)
        if self.own not in self.briefs:
            raise ExperimentError(message("the experiment's own regime", str(self.briefs), "Add it."))

    @property
    def own(self) -> Regime:
        """The experiment's own regime, with the repeats it is given here."""
        recipe, width = self.experiment.recipe, self.experiment.network.width
        given = [one for one in self.briefs if (one.epochs, one.width) == (recipe.epochs, width)]
        return given[0] if given else Regime(recipe.epochs, width)

    @property
    def long(self) -> Regime:
        """The regime that tells the truth as far as a training can."""
        return Regime(self.epochs, self.experiment.network.width, self.seeds)

    @property
    def settings(self) -> Experiment:
        """All of the experiment that decides a training."""
        one = self.experiment
        return Experiment(
            "fidelity", one.seed, 0, ("error",), one.max_macs, one.space, one.dataset, one.network, one.recipe
        )


def ask(
    experiment: Experiment,
    lengths: Sequence[tuple[int, int]] = (),
    widths: Sequence[int] = (),
    epochs: int | None = None,
    seeds: int = 2,
    genomes: int = 60,
) -> Question:
    """Return the question with defaults filled in.

    Arguments:
        experiment: whose protocol is judged; its own epochs and width are added where they are left out.
        lengths: (epochs, repeats) of brief trainings; by default 1, half of, all of (3 repeats) and twice the
            experiment's epochs.
        widths: of the networks in which each length is tried; by default the experiment's.
        epochs: of the long training; by default 4 times the experiment's.
        seeds: of the long training.
        genomes: number of them.
    """
    own, width = experiment.recipe.epochs, experiment.network.width
    most: dict[int, int] = {}
    for length, repeats in lengths or [(1, 1), (-(-own // 2), 1), (own, 3), (2 * own, 1)]:
        most[length] = max(repeats, most.get(length, 1))
    briefs = [Regime(e, w, most[e]) for w in dict.fromkeys(widths or [width]) for e in sorted(most)]
    if not any((one.epochs, one.width) == (own, width) for one in briefs):
        briefs.insert(0, Regime(own, width))
    return Question(experiment, tuple(briefs), LONG * own if epochs is None else epochs, seeds, genomes)


@dataclass(frozen=True)
class Task:
    """One training: the genome by its key, epochs, width, and the number of the repeat, which decides the seed."""

    key: str
    epochs: int
    width: int
    repeat: int


@dataclass(frozen=True)
class Plan:
    """What a question takes: where to train, by width, and whom, by key."""

    benches: Mapping[int, Bench]
    genomes: Mapping[str, Genome]


def numbers(question: Question, regime: Regime) -> range:
    """Return the numbers of a regime's repeats: no seed of a long training is one of a brief one, or equal initial
    weights would make them agree.
    """
    first = FRESH if regime == question.long else 0
    return range(first, first + regime.repeats)


def plan(question: Question, options: Options) -> Plan:
    """Return benches and genomes, everything checked before anything is trained.

    Raises:
        EvobnnError: a setting or a width that the template or the space refuses, or fewer genomes than asked for.
    """
    experiment, own = question.settings, question.experiment.network.width
    check_trained(experiment)
    benches = {own: search_bench(experiment, options)}
    space = benches[own].space
    drawn = distinct(benches[own], space.sample, generator(experiment.seed, "fidelity", "brief"), question.genomes)
    for width in dict.fromkeys(brief.width for brief in question.briefs if brief.width != own):
        try:
            network = replace(experiment.network, width=width)
            benches[width] = make_bench(replace(experiment, network=network), options)
            benches[width].cost(drawn[0])
        except EvobnnError as error:
            raise type(error)(f"With --widths {width}: {error}") from error
    return Plan(benches, {key(space, genome): genome for genome in drawn})


def tasks(question: Question, whole: Plan) -> list[Task]:
    """Return all trainings, genome by genome, the long ones of each first."""
    return [
        Task(name, regime.epochs, regime.width, repeat)
        for name in whole.genomes
        for regime in (question.long, *question.briefs)
        for repeat in numbers(question, regime)
    ]


def job(question: Question, whole: Plan, task: Task) -> Job:
    """Return a training as it travels to a worker."""
    experiment, own = question.experiment, question.own
    bench, genome = whole.benches[task.width], whole.genomes[task.key]
    # The bound on work is the preset's and grows with the epochs: it leaves out the same genomes at every length.
    bound = experiment.max_macs * task.epochs / own.epochs if task.width == own.width else 0.0
    recipe = replace(bench.protocol.recipe, epochs=task.epochs)
    bench = replace(bench, protocol=replace(bench.protocol, recipe=recipe, max_macs=bound))
    return Job(bench, str(genome), whole.benches[own.width].seed(experiment.seed, genome, task.repeat))
