"""What every strategy must do; a new one joins by being listed in `STRATEGIES`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.errors import ExperimentError, SearchError
from evobnn.evolution import STRATEGIES, Screened, Search, SearchState, Step, Strategy, run
from evobnn.evolution.endings import SpaceExhausted
from evobnn.genome import Genome, parse_genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.spaces import SPACES, Alphabet, Choice, Space, Template, key
from evobnn.testing import NKLandscape, Noisy

Evaluate = Callable[[Sequence[Request]], list[Result]]
OBJECTIVES = ("error", "ops", "bits")
BEHIND = "screened "
"""Before the name of a strategy behind a model of scores."""
NAMES = sorted(STRATEGIES)
each = pytest.mark.parametrize("name", [*NAMES, f"{BEHIND}nsga2"])
unscreened = pytest.mark.parametrize("name", NAMES)


def made(name: str, population: int = 9, **settings: Any) -> Strategy:
    """Return a strategy of this population; small batches, and a forest that is there early, where it knows them."""
    if name.startswith(BEHIND):
        return Screened(population, made(name.removeprefix(BEHIND), population, **settings))
    known = {field.name for field in fields(STRATEGIES[name])}
    wanted = {"children": 5, "least": 8, "trees": 3, **settings}
    return STRATEGIES[name](population=population, **{k: v for k, v in wanted.items() if k in known})


def started(space: Space, strategy: Strategy, objectives: Sequence[str] = ("error", "ops"), **settings: Any) -> Search:
    landscape = NKLandscape(space)

    def counts(genome: Genome) -> dict[str, float]:
        return {name: value for name, value in landscape.evaluate(genome).objectives.items() if name != "error"}

    counted = {"bounds": landscape.bounds, "counted": [*landscape.bounds], "counts": counts}
    return Search(space, strategy, objectives, **{"seed": 5, **counted, **settings})


def stepped(search: Search, evaluate: Evaluate, generations: int) -> list[Step]:
    steps: list[Step] = []
    run(search, evaluate, steps.append, generations)
    assert search.generation == generations
    return steps


def through_text(step: Step) -> Step:
    """Return the step with its state as it comes back from JSON, in which tuples are lists and keys strings."""
    read = json.loads(json.dumps(asdict(step.state), allow_nan=False))
    state = SearchState(**{**read, "survivors": tuple(read["survivors"])})
    assert state == step.state
    return replace(step, state=state)


def known(steps: Sequence[Step]) -> Counter[str]:
    return Counter(r.request.individual.key for step in steps for r in step.results)


@each
def test_three_generations_and_three_more_are_six(name: str, tiny_space: Space) -> None:
    evaluate = Noisy(NKLandscape(tiny_space))
    steps = stepped(started(tiny_space, made(name)), evaluate, 6)
    looked = 0
    for stopped in range(1, 7):
        search = started(tiny_space, made(name))
        search.restore(map(through_text, steps[:stopped]))
        assert [one.id for one in search.population] == list(steps[stopped - 1].state.survivors)
        later: list[Step] = []
        run(search, evaluate, later.append, 6)
        assert later == steps[stopped:]
        looked += 1
    assert looked == 6


@each
@pytest.mark.parametrize("population", [1, 2, 13])
@pytest.mark.parametrize("children", [1, 4])
def test_the_number_asked_for_is_a_constant_of_the_strategy(
    name: str, population: int, children: int, tiny_space: Space
) -> None:
    strategy = made(name, population, children=children)
    steps = stepped(started(tiny_space, strategy), Noisy(NKLandscape(tiny_space), failing=0.3), 4)
    assert [len(step.results) for step in steps] == [strategy.first] + [strategy.batch] * 4


@each
def test_nothing_is_measured_twice_and_everyone_is_in_the_space(name: str, tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, made(name)), Noisy(NKLandscape(tiny_space)), 12)
    seen: Counter[str] = Counter()
    parents: set[int] = set()
    for step in steps:
        for result in step.results:
            request, individual = result.request, result.request.individual
            assert request.repeat == seen[individual.key] < 3
            genome = tiny_space.parse(individual.genome)
            tiny_space.check(genome)
            assert key(tiny_space, genome) == individual.key
            assert set(individual.parents) <= parents
            seen[individual.key] += 1
        parents |= {result.request.individual.id for result in step.results}
    assert len(seen) > 40
    assert sum(step.log["again"] for step in steps) > 0


@each
@pytest.mark.parametrize("failing", [0.5, 0.8])
def test_failures_never_survive(name: str, failing: float, tiny_space: Space) -> None:
    search = started(tiny_space, made(name, 20), repeats=2)
    steps = stepped(search, Noisy(NKLandscape(tiny_space), failing=failing), 5)
    bad: set[int] = set()
    for step in steps:
        bad |= {r.request.individual.id for r in step.results if r.evaluation.status is not Status.OK}
        assert not bad & set(step.state.survivors)
        assert all(np.isfinite(list(objectives.values())).all() for _, objectives, _ in step.survivors)
    assert len(bad) > 20


@each
def test_a_generation_that_fails_as_a_whole_leaves_it_going(name: str, tiny_space: Space) -> None:
    landscape = NKLandscape(tiny_space)
    failed = Evaluation(Status.DIVERGED, message="a non-finite loss")

    def evaluate(requests: Sequence[Request]) -> list[Result]:
        spoilt = 1 <= search.generation + 1 <= 3
        return [Result(one.request, failed) if spoilt else one for one in landscape(requests)]

    search = started(tiny_space, made(name), repeats=3)
    steps = stepped(search, evaluate, 7)
    assert [step.log["ok"] == 0 for step in steps] == [False, True, True, True, False, False, False, False]
    assert steps[-1].survivors


SIX = Alphabet(unary=("x", "sin"), binary=("add", "mul"))
"""x+x, x+sin x, sin x+sin x, x x, x sin x, sin x sin x: with commuting arguments ordered, six functions."""


@each
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_space_of_six_is_searched_to_the_end(name: str, repeats: int, tiny_space: Space) -> None:
    cells = tiny_space.sample(np.random.default_rng(3)).cells
    fixed = Genome(cells, (("reduction", parse_genome("@net = x").expression_by_site["net"]),))
    six = replace(tiny_space, alphabet=SIX, frozen=fixed)
    steps: list[Step] = []
    with pytest.raises(SpaceExhausted, match=r"joint space\. It is exhausted"):
        run(started(six, made(name, 4), repeats=repeats), NKLandscape(six), steps.append, 50)
    assert len(known(steps)) == 6
    assert max(known(steps).values()) <= repeats
    again = started(six, made(name, 4), repeats=repeats)
    again.restore(steps)
    with pytest.raises(SpaceExhausted):
        again.ask()


@each
@pytest.mark.parametrize("objectives", [("error",), ("error", "ops"), OBJECTIVES, ("bits", "ops", "error"), ("ops",)])
def test_any_number_of_objectives_or_a_clear_error(name: str, objectives: tuple[str, ...], tiny_space: Space) -> None:
    try:
        search = started(tiny_space, made(name), objectives)
    except SearchError as error:
        assert len(objectives) == 1 or "error" not in objectives
        text = str(error)
        assert (
            (name in text or name.startswith(BEHIND)) and ", got " in text and all(part in text for part in objectives)
        ), text
        return
    steps = stepped(search, Noisy(NKLandscape(tiny_space)), 3)
    assert all(list(values) == list(objectives) for _, values, _ in steps[-1].survivors)


@each
@pytest.mark.parametrize("where", sorted(SPACES))
def test_every_space(name: str, where: str) -> None:
    residual = Template(cells=2, width=4, reductions=1, skip="none", scale="none", stem=1, macro="resnet")
    cells = Template(cells=3, width=12, reductions=1, skip="free", stem=1)
    choice = Choice(sites="net", encoding=2) if where == "gaaf" else Choice()
    space = SPACES[where](residual if where == "gaaf" else cells, 8, None, choice)
    landscape = NKLandscape(space)
    bounds = {**landscape.bounds, "ops": (1.0, max(1.0, landscape.bounds["ops"][1]), "log10")}
    steps = stepped(started(space, made(name), bounds=bounds), Noisy(landscape), 4)
    assert len(known(steps)) >= 9 + 4 * 2
    again = started(space, made(name), bounds=bounds)
    again.restore(steps[:2])
    assert [again.tell(Noisy(landscape)(again.ask())), again.tell(Noisy(landscape)(again.ask()))] == steps[2:4]


@each
def test_given_genomes_come_first(name: str, tiny_space: Space) -> None:
    drawn = [tiny_space.sample(np.random.default_rng(seed)) for seed in range(4)]
    asked = started(tiny_space, made(name, 6), starters=drawn).ask()
    assert [request.individual.genome for request in asked[:4]] == [str(genome) for genome in drawn]
    assert [request.individual.origin for request in asked] == ["seed"] * 4 + ["sample"] * 2


@each
def test_the_front_of_all_that_was_seen_gets_better(name: str, tiny_space: Space) -> None:
    """Every strategy keeps measuring new genomes, so the least error falls; by how much is for the benchmarks."""
    gains = []
    for seed in range(3):
        landscape = NKLandscape(tiny_space, seed)
        search = started(tiny_space, made(name), repeats=1, seed=seed)
        errors = [[r.evaluation.objectives["error"] for r in step.results] for step in stepped(search, landscape, 10)]
        gains.append(min(errors[0]) - min(map(min, errors)))
    assert len(gains) == 3
    assert min(gains) >= 0.0
    assert max(gains) > 0.02


@each
def test_global_generators_stay_where_they_were_and_do_not_matter(name: str, tiny_space: Space) -> None:
    histories = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        histories.append(stepped(started(tiny_space, made(name)), Noisy(NKLandscape(tiny_space)), 4))
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert histories[0] == histories[1]


@unscreened
def test_settings_are_checked(name: str) -> None:
    refused = 0
    for field in fields(STRATEGIES[name]):
        wrong: Any = {"int": -1, "float": 1.5}.get(str(field.type))
        if wrong is not None:
            with pytest.raises(ExperimentError, match=f"strategy.{field.name}"):
                STRATEGIES[name](**{field.name: wrong})
            refused += 1
    assert refused >= 1


def test_the_order_of_sets_of_strings_does_not_matter() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from evobnn.evolution import STRATEGIES, Screened, Search, run
from evobnn.spaces import Template, joint
from evobnn.testing import NKLandscape, Noisy
space = joint(Template(cells=2, width=2, reductions=1, skip="free", stem=1), 8)
landscape = NKLandscape(space)
strategies = {{name: strategy(population=8) for name, strategy in STRATEGIES.items()}}
strategies["screened"] = Screened(8, strategies["nsga2"])
for name, strategy in strategies.items():
    steps = []
    counts = lambda genome: {{"ops": landscape.evaluate(genome).objectives["ops"]}}
    search = Search(space, strategy, ("error", "ops"), 1, bounds=landscape.bounds, counted=("ops",), counts=counts)
    run(search, Noisy(landscape), steps.append, 4)
    print(name, *[(r.request.individual.id, r.request.individual.key) for step in steps for r in step.results])
"""
    told = []
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.splitlines())
    assert [line.split()[0] for line in told[0]] == [*STRATEGIES, "screened"]
    assert min(map(len, told[0])) > 500
    assert told[0] == told[1]
