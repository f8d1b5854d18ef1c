"""Optimisers of other packages as arms: genes, the filter, exact budgets, and the packages where they are installed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from evobnn.errors import EvobnnError, ExperimentError
from evobnn.evolution.endings import SpaceExhausted
from evobnn.experiment.settings import Experiment
from evobnn.genome import parse_genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.runs.on_table import infeasible_in, table_bench
from evobnn.runs.setup import Options
from evobnn.spaces import SPACES, Choice, Space, Template, key
from evobnn.spaces.enumeration import every, genotypes
from evobnn.studies.compare.arms import UNFILTERED, Arm, arms_of, assigned
from evobnn.studies.compare.compare import Question, check
from evobnn.studies.compare.on_table import arm_on_table
from evobnn.studies.compare.peers import PEERS, Peer, PeerSearch
from evobnn.studies.compare.peers.genes import Genes, Vector
from evobnn.tables import Table
from tests.studies.toytable import search_on_table, toy_experiment, toy_table

ONE = Options(jobs=1)
NODES = Choice(sites="node", nodes=3, encoding=2)
SPACES_TRIED = {
    "joint": (Template(), Choice()),
    "joint of nodes": (Template(), NODES),
    "joint of BATS": (Template(), Choice(topology="bats")),
    "bnas": (Template(), Choice()),
    "bats": (Template(), Choice()),
    "cpnas": (Template(), Choice()),
    "gaaf": (
        Template(macro="resnet", cells=2, reductions=1, skip="none", padding="zero", scale="none", stem=1),
        Choice(),
    ),
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Table]:
    return toy_table(tmp_path_factory.mktemp("tables"))


def space(name: str) -> Space:
    template, choice = SPACES_TRIED[name]
    return SPACES[name.partition(" ")[0]](template, 32, None, choice)


# --- Genes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES_TRIED)
def test_vectors_are_genomes_and_genomes_vectors(name: str):
    genes = Genes(space(name))
    assert math.prod(genes.sizes) == genotypes(genes.space)
    assert len({gene.name for gene in genes.free}) == len(genes.free) == len(genes.sizes)
    rng = np.random.default_rng(1)
    for _ in range(20):
        vector = tuple(int(rng.integers(size)) for size in genes.sizes)
        genome = genes.genome(vector)
        genes.space.check(genome)
        again = genes.vector(genome)
        assert again is not None and genes.genome(again) == genome
        drawn = genes.space.sample(rng)
        found = genes.vector(drawn)
        assert found is not None and genes.genome(found) == drawn


def test_all_vectors_of_a_small_space_are_all_its_genomes(toy: tuple[Experiment, Table]):
    whole = table_bench(*toy).space
    genes = Genes(whole)
    keys = {key(whole, genes.genome(vector)) for vector in product(*map(range, genes.sizes))}
    assert keys == {name for name, _ in every(whole)}
    assert len(keys) > 50


def test_what_is_given_is_no_gene():
    given = "normal[2 = zero(0) + zero(1); 3 = zero(0) + zero(1)]"
    choice = Choice(sites="net", nodes=2, offered=("zero", "conv3"), unary=("x", "sin"), binary=("add",))
    template = Template(cells=1, width=2, reductions=0, stem=1)
    genes = Genes(SPACES["joint"](template, 8, parse_genome(given), choice))
    assert [gene.name for gene in genes.free] == ["@net/1", "@net/2"]  # the root is add and nothing else
    assert str(genes.genome((1, 0))) == f"{given} @net = add(sin(x), x)"
    assert genes.vector(parse_genome(f"{given} @net = mul(x, x)")) is None


def test_an_edge_and_its_operation_by_hand():
    choice = Choice(sites="net", nodes=2, offered=("zero", "conv3"), unary=("x",), binary=("add",))
    genes = Genes(SPACES["joint"](Template(cells=1, width=2, reductions=0, stem=1), 8, None, choice))
    assert genes.sizes == (2, 2, 3, 2, 2)
    text = "normal[2 = zero(0) + conv3(1); 3 = conv3(1) + zero(2)] @net = add(x, x)"
    assert str(genes.genome((0, 1, 2, 1, 0))) == text
    assert genes.vector(parse_genome(text)) == (0, 1, 2, 1, 0)


# --- The search, with an optimiser that notes what it is told --------------------------------------------------------


class Dice:
    """Draws vectors; every `stuck`-th proposal is the first vector again."""

    def __init__(self, sizes: Sequence[int], seed: int, stuck: int) -> None:
        self.sizes, self.rng, self.stuck = sizes, np.random.default_rng(seed), stuck
        self.waiting: list[Vector] = []
        self.given: list[Vector] = []
        self.refused: list[Vector] = []
        self.told: list[tuple[Vector, Sequence[float] | None]] = []
        self.asked = 0

    def ask(self, given: Vector | None = None) -> Vector | None:
        if self.stuck < 0:
            return given and self._noted(given)
        self.asked += 1
        drawn = tuple(int(self.rng.integers(size)) for size in self.sizes)
        again = self.stuck and self.asked % self.stuck == 0 and self.told
        return self._noted(given or (self.told[0][0] if again else drawn), given is not None)

    def _noted(self, vector: Vector, given: bool = True) -> Vector:
        self.given += [vector] if given else []
        self.waiting.append(vector)
        return vector

    def refuse(self) -> None:
        self.refused.append(self.waiting.pop())

    def tell(self, values: Sequence[float] | None) -> None:
        self.told.append((self.waiting.pop(0), values))


DICE: list[Dice] = []


@dataclass(frozen=True)
class Diced(Peer):
    stuck: int = 3
    package: ClassVar[str] = "json"

    def optimiser(self, genes: Any, worst: Sequence[float], seed: int) -> Dice:
        assert len(worst) == 2
        DICE.append(Dice([len(gene.options) for gene in genes], seed, self.stuck))
        return DICE[-1]


OWN = {"diced": Diced}


@pytest.mark.parametrize("budget", [12, 31, 60])
def test_a_budget_is_used_up_exactly_by_what_is_new(toy: tuple[Experiment, Table], budget: int):
    experiment, table = toy
    trace = arm_on_table(experiment, Arm("diced", ("strategy.name=diced",)), 1, budget, "evaluations", OWN)
    assert trace.epochs == (*range(12, 2 * budget + 1, 2),)  # the start of six at once, then one by one
    assert (trace.final["invalid"], trace.final["repeated"]) == (0, 0)
    dice, genes = DICE[-1], Genes(table_bench(experiment, table).space)
    names = [key(genes.space, genes.genome(vector)) for vector, _ in dice.told]
    assert len(names) == len(set(names)) == budget
    assert all(table.row(name).errors for name in names)
    assert len(dice.refused) > (budget - 6) // 3
    assert all(values is not None for _, values in dice.told)


def test_without_the_filter_everything_proposed_is_paid_for(toy: tuple[Experiment, Table]):
    experiment, table = toy
    words = ("strategy.name=diced", "strategy.unfiltered=true")
    trace = arm_on_table(experiment, Arm("diced", words), 1, 60, "evaluations", OWN)
    dice, genes = DICE[-1], Genes(table_bench(experiment, table).space)
    names = [key(genes.space, genes.genome(vector)) for vector, _ in dice.told]
    assert (len(names), dice.refused, trace.epochs[-1]) == (60, [], 120)
    bad = [not table.row(name).errors for name in names]
    assert [values is None for _, values in dice.told] == bad
    assert trace.final["invalid"] == sum(bad) > 0
    assert trace.final["repeated"] == 60 - len(set(names)) > 9
    shown = {values[0] for name, (_, values) in zip(names, dice.told, strict=True) if name == names[0] and values}
    order = table.order(1, names[0])
    assert shown == {table.value(names[0], at) for at in order[:2]}  # the third column stays unseen


def search(toy: tuple[Experiment, Table], strategy: Peer, starters: Sequence[str] = (), limit: str = "") -> PeerSearch:
    bench = table_bench(*toy)
    return PeerSearch(
        bench.space, strategy, ("error", "ops"), 1, worst=(1.0, 9.0), feasible=infeasible_in(toy[1], bench),
        bounded=lambda genome: limit, starters=[bench.space.parse(text) for text in starters],
    )  # fmt: skip


def told(asked: Sequence[Request], status: Status = Status.OK) -> list[Result]:
    values = {"error": 0.5, "ops": 3.0} if status is Status.OK else {}
    return [Result(one, Evaluation(status, values, "" if values else "no")) for one in asked]


def test_the_start_is_given_and_filled_up(toy: tuple[Experiment, Table]):
    text = "normal[2 = conv3(0) + conv3(1); 3 = conv3(0) + conv3(1)] @net = add(x, zero)"
    strange = text.replace("add(x, zero)", "mul(x, x)")
    made = search(toy, Diced(population=3), [text, text, strange])
    asked = made.ask()
    assert len(asked) == 3
    assert asked[0].individual.genome == text
    assert DICE[-1].given == [made._genes.vector(made.space.parse(text))]
    made.tell(told(asked))
    assert [values for _, values in DICE[-1].told] == [[0.5, 3.0]] * 3
    assert [one.individual.born for one in made.ask()] == [1]


def test_an_optimiser_without_more_is_helped_by_random_genomes_until_the_space_is_exhausted(
    toy: tuple[Experiment, Table], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evobnn.studies.compare.peers.search.RANDOM_TRIES", 300)
    made = search(toy, Diced(population=2, stuck=-1))
    names = Counter(one.individual.key for one in made.ask())
    made.generation = 0
    with pytest.raises(SpaceExhausted, match="a genome that was not tried yet"):
        for _ in range(1000):
            names.update(one.individual.key for one in made.ask())
    possible = sum(bool(row.errors) for row in toy[1].rows.values())
    assert set(names.values()) == {1}
    assert len(names) > 0.8 * possible  # 300 draws in vain are the end
    assert len(DICE[-1].given) == len(names)


def test_bounds_hold_without_the_filter_too(toy: tuple[Experiment, Table]):
    made = search(toy, Diced(population=2, unfiltered=True), limit="too dear")
    assert {toy[1].row(one.individual.key).status for one in made.ask()} == {Status.INVALID}


def test_a_start_of_failures_is_told(toy: tuple[Experiment, Table]):
    made = search(toy, Diced(population=2))
    with pytest.raises(EvobnnError, match="at least one evaluation of the first generation to end ok"):
        made.tell(told(made.ask(), Status.DIVERGED))


# --- Arms -----------------------------------------------------------------------------------------------------------


def test_names_and_words_of_arms():
    base = toy_experiment()
    words = ["optuna-tpe", "tpe strategy.name=optuna-tpe filter=off budget=0.5", "pymoo-nsga2-unfiltered", "aging"]
    arms = arms_of(base, ["nsga2", "pymoo-nsga2"], (), (), [*words, "mine"], OWN)
    found = {arm.name: assigned(base, arm).strategy for arm in arms}
    assert found["pymoo-nsga2"] == {"name": "pymoo-nsga2", "population": 6}
    assert found["optuna-tpe"] == {"name": "optuna-tpe", "population": 6}
    assert found["tpe"] == {"name": "optuna-tpe", "population": 6, "unfiltered": True}
    assert found["pymoo-nsga2-unfiltered"] == {"name": "pymoo-nsga2", "population": 6, "unfiltered": True}
    assert found["aging"]["name"] == "aging"  # an arm with the name of a strategy is that strategy
    assert found["mine"] == base.strategy
    assert [arm.share for arm in arms if arm.name == "tpe"] == [0.5]
    assert arms_of(base, ["nsga2", "diced"], brought=OWN)[1].assignments == ("strategy.name=diced",)
    assert set(UNFILTERED) == {f"{name}-unfiltered" for name in PEERS}


MISSING = r"In the arm optuna-tpe: Expected the package optuna, got none installed. Run `pip install 'evobnn\[peers\]'`"


@pytest.mark.parametrize(
    ("name", "words", "changes", "message"),
    [
        ("optuna-tpe", "", {}, MISSING),
        ("optuna-tpe", "strategy.unfilterd=true", {}, "strategy.unfilterd"),
        ("pymoo-nsga2", "", {"table": ""}, "a table to search with another package, got trainings"),
        (
            "optuna-tpe",
            "filter=maybe",
            {},
            "Expected filter=on or filter=off, got 'filter=maybe' in the arm optuna-tpe",
        ),
        ("nsga2", "filter=off", {}, "strategy.unfiltered"),
        ("diced", "pressures.diversity={}", {}, "In the arm diced: Expected no pressures on diced, got diversity"),
        ("diced", "strategy.stuck=often", {}, "strategy.stuck"),
        ("diced", "strategy.population=0", {}, "strategy.population"),
        ("dearest", "", {}, "no arm called dearest"),
    ],
)
def test_what_cannot_be_an_arm_is_told_before_any_work(
    toy: tuple[Experiment, Table], monkeypatch: pytest.MonkeyPatch, name: str, words: str, changes: Any, message: str
):
    from evobnn.evaluation import Additions

    monkeypatch.setitem(sys.modules, "optuna", None)
    experiment = replace(toy[0], **changes)
    options = replace(ONE, additions=Additions(strategies=OWN))
    with pytest.raises(ExperimentError, match=message):
        check(
            Question(experiment, arms_of(experiment, ["random"], own=[f"{name} {words}"], brought=OWN), 2, 48), options
        )


def test_halving_and_a_space_without_choice_are_refused(toy: tuple[Experiment, Table], tmp_path: Path):
    with pytest.raises(EvobnnError, match="every score counts as one of a whole training"):
        experiment = toy_table(tmp_path, rungs=(2, 4))[0]
        arm_on_table(experiment, Arm("a", ("strategy.name=diced", "halving.rungs=[2, 4]")), 1, 60, own=OWN)
    whole = table_bench(*toy).space
    with pytest.raises(ExperimentError, match="a free choice for the optimiser, got none in joint"):
        Diced().check(replace(whole, frozen=whole.sample(np.random.default_rng(0))), ("error", "ops"))


# --- With the packages ----------------------------------------------------------------------------------------------

BOTH = [*PEERS, *UNFILTERED]


@pytest.mark.extras
@pytest.mark.parametrize("name", BOTH)
def test_a_peer_is_one_search_for_one_seed(toy: tuple[Experiment, Table], name: str):
    experiment, _ = toy
    (arm, _) = arms_of(experiment, [name, "random"])
    traces = [arm_on_table(experiment, arm, seed, 25, "evaluations") for seed in (1, 2, 1)]
    assert traces[0] == traces[2] != traces[1]
    assert [trace.epochs[-1] for trace in traces] == [50.0] * 3
    assert -0.2 < traces[0].final["regret"] < 0.5 and 0.0 < traces[0].final["hypervolume"] < 1.0
    wasted = traces[0].final["invalid"] + traces[0].final["repeated"]
    assert wasted > 0 if name in UNFILTERED else wasted == 0
    random = search_on_table(experiment, 1, 50)
    assert traces[0].start == random.start  # the same start as every other arm


@pytest.mark.extras
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_finds_what_is_planted(name: str):
    """One objective, the number of genes that are not 0: 80 evaluations come closer to 0 than random ones."""
    genes = Genes(space("bnas"))
    optimiser = PEERS[name](population=20).optimiser(genes.free, (100.0,), 3)
    best = []
    for _ in range(80):
        vector = optimiser.ask()
        assert vector is not None and all(0 <= value < size for value, size in zip(vector, genes.sizes, strict=True))
        best.append(sum(value > 0 for value in vector))
        optimiser.tell([float(best[-1])] if best[-1] % 7 else None)  # some fail
    assert min(best[20:]) < min(best[:20])
    assert np.mean(best[-20:]) < np.mean(best[:20]) - 1.5


@pytest.mark.extras
def test_the_same_bytes_whatever_hashes(toy: tuple[Experiment, Table]):
    code = (
        "import sys; from dataclasses import replace; from tests.studies.toytable import toy_experiment\n"
        "from evobnn.studies.compare.arms import arms_of; from evobnn.studies.compare.on_table import arm_on_table\n"
        "e = replace(toy_experiment(), table=sys.argv[1])\n"
        "for arm in arms_of(e, sys.argv[2:]): print(arm_on_table(e, arm, 4, 25, 'evaluations'))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, toy[0].table, *BOTH], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
    assert found.pop().count("Trace(") == len(BOTH)
