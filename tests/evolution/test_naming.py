"""Naming by a model: what is believed in place of scores, and what the last generation trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from evobnn._seeding import generator
from evobnn.evolution import STRATEGIES, Search, Step, run
from evobnn.evolution.naming import Beliefs, Naming
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.scores import Model, fit, genes
from evobnn.spaces import Space, key
from evobnn.testing import NKLandscape, Noisy

OBJECTIVES = ("error", "ops")
INDIVIDUAL = Individual(0, "@net = x", "", 0)


def counts(landscape: NKLandscape, genome: Genome) -> dict[str, float]:
    who = Request(replace(INDIVIDUAL, genome=str(genome), key=key(landscape.space, genome)))
    return dict(landscape([who])[0].evaluation.objectives)


def begun(space: Space, name: str = "nsga2", horizon: int = 3, seed: int = 1, **settings: object) -> Search:
    naming = Naming(OBJECTIVES, partial(counts, NKLandscape(space)))
    return Search(space, STRATEGIES[name](population=8), OBJECTIVES, seed, horizon=horizon, naming=naming, **settings)  # type: ignore[arg-type]


def stepped(search: Search, generations: int) -> list[Step]:
    steps: list[Step] = []
    run(search, Noisy(NKLandscape(search.space), failing=0.1), steps.append, generations)
    return steps


def test_who_was_measured_is_believed_by_all_its_trainings_and_by_all_others(tiny_space: Space) -> None:
    search = begun(tiny_space, horizon=9)
    steps = stepped(search, 4)
    assert search.naming is not None
    beliefs = search.naming.believed(search.archive, Model(search.space))
    rows: dict[str, list[float]] = {}
    failed = set()
    for result in (result for step in steps for result in step.results):
        text = result.request.individual.genome
        if result.evaluation.status is Status.OK:
            rows.setdefault(text, []).append(result.evaluation.objectives["error"])
        else:
            failed.add(text)
    rows = {text: row for text, row in rows.items() if text not in failed}
    assert failed and max(map(len, rows.values())) > 1
    read = [genes(tiny_space, tiny_space.parse(text)) for text in rows]
    wanted = dict(zip(rows, fit(read, list(rows.values())).errors(read), strict=True))
    assert {str(one.genome): one.values[0] for one in beliefs.candidates} == pytest.approx(wanted, abs=2e-6)
    seen = {one.id: one for one in search.archive.measured()}
    assert all(one.values[1] == seen[one.id].values[1] for one in beliefs.candidates)
    assert any(one.values[0] != seen[one.id].values[0] for one in beliefs.candidates)


def beliefs_of(search: Search) -> Beliefs:
    assert search.naming is not None
    return search.naming.believed(search.archive, Model(search.space))


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return tuple(a) != tuple(b) and all(x <= y for x, y in zip(a, b, strict=True))


def test_what_cannot_be_trained_is_not_asked_for(tiny_space: Space) -> None:
    steps = stepped(begun(tiny_space, feasible=lambda genome: "no" if str(genome).count("sin") else ""), 3)
    asked = [one.request.individual for one in steps[3].results]
    assert [one.origin for one in asked].count("model") >= 4
    assert not any("sin" in one.genome for one in asked)
    assert steps[3].log["infeasible"] == 0


def test_untrained_genomes_come_as_the_model_would_name_them(tiny_space: Space) -> None:
    search = begun(tiny_space, horizon=9)
    stepped(search, 4)
    beliefs = beliefs_of(search)

    def fresh(genome: Genome) -> str:
        name = key(tiny_space, genome)
        return "" if search.archive.times(name) else name

    found = beliefs.untrained(12, fresh, search.toolbox, generator(0, "naming"))
    assert found == beliefs.untrained(12, fresh, search.toolbox, generator(0, "naming"))
    assert len({key(tiny_space, genome) for genome, _ in found}) == len(found) == 12
    assert all(fresh(genome) for genome, _ in found)
    landscape = NKLandscape(tiny_space)
    points = [(float(beliefs.learnt.errors([genome])[0]), counts(landscape, genome)["ops"]) for genome, _ in found]
    known = [one.values for one in beliefs.candidates]
    beaten = [any(dominates(other, point) for other in (*known, *points)) for point in points]
    assert beaten == sorted(beaten) and True in beaten and False in beaten
    first = [error for (error, _), worse in zip(points, beaten, strict=True) if not worse]
    assert first == sorted(first)
    assert beliefs.untrained(6, lambda genome: "", search.toolbox, generator(0, "naming")) == []


@pytest.mark.parametrize("name", ["nsga2", "random", "aging", "local", "gaaf"])
def test_the_last_generations_of_the_horizon_train_what_the_model_would_name(tiny_space: Space, name: str) -> None:
    steps = stepped(begun(tiny_space, name, repeats=2), 4)
    origins = [[one.request.individual.origin for one in step.results if not one.request.repeat] for step in steps]
    assert all("model" not in own for number, own in enumerate(origins) if number not in (2, 3))
    assert all(origins[number].count("model") >= len(steps[number].results) / 2 for number in (2, 3))
    assert len({len(step.results) for step in steps[1:]}) == 1
    born = {r.request.individual.id: r.request.individual for step in steps for r in step.results}
    assert all(one.parents and one.parents[0] in born for one in born.values() if one.origin == "model")


def test_the_incumbent_is_trained_once_more_first(tiny_space: Space) -> None:
    search = begun(tiny_space, repeats=5)
    stepped(search, 2)
    front = beliefs_of(search).front()
    assert [one.values[0] for one in front] == sorted(one.values[0] for one in front)
    few = sorted((one for one in front if one.repeats < 5), key=lambda one: one.repeats)
    asked = search.ask()
    again = [one.individual.id for one in asked if one.repeat]
    assert again == [one.id for one in few][:4] and again


def test_before_the_last_generations_a_model_changes_nothing(tiny_space: Space) -> None:
    landscape = Noisy(NKLandscape(tiny_space))
    plain: list[Step] = []
    run(Search(tiny_space, STRATEGIES["nsga2"](population=8), OBJECTIVES, 1), landscape, plain.append, 1)
    named = stepped(begun(tiny_space), 1)
    first = [[r.request.individual.key for r in step.results] for step in plain]
    assert [[r.request.individual.key for r in step.results] for step in named] == first


def test_a_search_that_was_stopped_asks_for_the_same(tiny_space: Space) -> None:
    whole = begun(tiny_space)
    steps = stepped(whole, 2)
    again = begun(tiny_space)
    again.restore(steps)
    asked = again.ask()
    assert asked == whole.ask()
    assert any(one.individual.origin == "model" for one in asked)


def test_where_nothing_worked_there_is_nothing_to_believe(tiny_space: Space) -> None:
    search = begun(tiny_space, horizon=1)

    def failing(requests: Sequence[Request]) -> list[Result]:
        bad = Evaluation(Status.DIVERGED, message="a non-finite loss")
        return [
            Result(one, bad if number else NKLandscape(tiny_space)([one])[0].evaluation)
            for number, one in enumerate(requests)
        ]

    steps: list[Step] = []
    run(search, failing, steps.append, 1)
    assert len(steps[1].results) == 8
