"""Early diversity against closed forms and an independent count with NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evobnn.errors import ExperimentError
from evobnn.evolution.pressures.diversity import Diversity, contributions, entropy
from evobnn.evolution.selection import Candidate, ranks, z_scores
from evobnn.evolution.view import View
from evobnn.genome import Edge, Genome
from evobnn.spaces import Space, genes_of

PLACES = 28 + 6
"""Edges of two cells of four nodes, and slots of two expressions."""


def at_node_2(genome: Genome, operation: str) -> Genome:
    """Return the genome with this operation on the edge from 0 to 2 of the normal cell, which is always there."""
    cell = genome.cell_by_kind["normal"]
    return genome.with_cell("normal", cell.with_node(2, (Edge(0, 2, operation), cell.into(2)[1])))


@pytest.fixture
def base(tiny_space: Space) -> Genome:
    return tiny_space.sample(np.random.default_rng(11))


def seen(space: Space, genomes: Sequence[Genome], points: Sequence[tuple[float, ...]] = (), **given: int) -> View:
    points = points or [(1.0, 1.0)] * len(genomes)
    members = tuple(
        Candidate(number, genome, f"key{number}", values)
        for number, (genome, values) in enumerate(zip(genomes, points, strict=True))
    )
    return View(space, ("error", "ops"), {}, 1, given.get("generation", 0), given.get("horizon", 50), members)


def counted(space: Space, genomes: Sequence[Genome]) -> NDArray[np.float64]:
    """Return contributions from scratch: a table of labels, and the entropy of every column with and without a row."""
    rows = []
    for genome in genomes:
        labels = []
        for kind in ("normal", "reduction"):
            operation = {(e.source, e.target): e.operation for e in genome.cell_by_kind[kind].edges}
            labels += [operation.get((s, t), "-") for t in range(2, 6) for s in range(t)]
        for site in ("normal", "reduction"):
            labels += genes_of(space.shape, space.alphabet, genome.expression_by_site[site]) or ()
        rows.append(labels)
    table = np.array(rows)
    assert table.shape == (len(genomes), PLACES)

    def nats(part: NDArray[np.str_]) -> float:
        total = 0.0
        for column in part.T:
            _, counts = np.unique(column, return_counts=True)
            shares = counts / len(column)
            total -= float((shares * np.log(shares)).sum())
        return total / PLACES

    return np.array([nats(table) - nats(np.delete(table, row, axis=0)) for row in range(len(table))])


# --- Contributions --------------------------------------------------------------------------------------------------


def test_one_that_differs_from_two_equals(tiny_space: Space, base: Genome) -> None:
    same, other = at_node_2(base, "conv3"), at_node_2(base, "max3")
    found = contributions(tiny_space, [same, same, other])
    whole = math.log(3) - 2 / 3 * math.log(2)  # of one place; at the others all agree
    assert found * PLACES == pytest.approx([whole - math.log(2)] * 2 + [whole])
    assert z_scores(found) == pytest.approx([-1 / math.sqrt(2), -1 / math.sqrt(2), math.sqrt(2)])
    assert entropy(tiny_space, [same, same, other]) == pytest.approx(whole / PLACES)


def test_an_absent_edge_is_a_choice(tiny_space: Space, base: Genome) -> None:
    cell = base.cell_by_kind["normal"]
    wired = [
        base.with_cell("normal", cell.with_node(5, (Edge(0, 5, "zero"), Edge(source, 5, "zero")))) for source in (1, 2)
    ]
    found = contributions(tiny_space, wired)  # two places in which one has `zero` and the other nothing
    assert found * PLACES == pytest.approx([2 * math.log(2)] * 2)


def test_forms_count_as_operations_do(tiny_space: Space, base: Genome) -> None:
    texts = ("add(x, sin(x))", "add(x, sin(x))", "mul(x, cos(x))")
    genomes = [tiny_space.parse(f"{str(base).partition('@')[0]}@normal = {t} @reduction = add(x, x)") for t in texts]
    whole = math.log(3) - 2 / 3 * math.log(2)
    assert contributions(tiny_space, genomes)[2] * PLACES == pytest.approx(2 * whole)


def test_nobody_adds_anything_where_all_are_equal_or_one_is_alone(tiny_space: Space, base: Genome) -> None:
    assert contributions(tiny_space, [base] * 5).tolist() == pytest.approx([0.0] * 5)
    assert contributions(tiny_space, [base]).tolist() == [0.0]
    assert contributions(tiny_space, []).tolist() == []
    assert entropy(tiny_space, []) == 0.0


@pytest.mark.parametrize("count", [2, 3, 17, 60])
def test_an_independent_count_gives_the_same(tiny_space: Space, rng: np.random.Generator, count: int) -> None:
    genomes = [tiny_space.sample(rng) for _ in range(count)]
    genomes[: count // 4] = [genomes[-1]] * (count // 4)
    found = contributions(tiny_space, genomes)
    assert found == pytest.approx(counted(tiny_space, genomes), abs=1e-12)
    assert np.ptp(found) > 0 or count == 2


def test_only_what_is_searched_counts(tiny_space: Space, base: Genome, rng: np.random.Generator) -> None:
    frozen = Genome(base.cells)
    space = replace(tiny_space, frozen=frozen)
    genomes = [space.sample(rng) for _ in range(6)]
    assert contributions(space, genomes) * 6 == pytest.approx(contributions(tiny_space, genomes) * PLACES)
    assert contributions(replace(tiny_space, frozen=base), [base] * 3).tolist() == [0.0] * 3


# --- What is added --------------------------------------------------------------------------------------------------


def test_the_z_score_fades_with_the_generation(tiny_space: Space, base: Genome) -> None:
    genomes = [at_node_2(base, "conv3"), at_node_2(base, "conv3"), at_node_2(base, "max3")]
    looked = 0
    for generation, horizon in ((0, 50), (1, 50), (8, 50), (50, 50), (3, 10)):
        view = seen(tiny_space, genomes, generation=generation, horizon=horizon)
        factor = math.exp(-generation / (0.154 * horizon))
        found = Diversity().spread(view, view.population)
        assert found == pytest.approx({0: -factor / 2**0.5, 1: -factor / 2**0.5, 2: factor * 2**0.5})
        twice = Diversity(strength=2.0).spread(view, view.population)
        assert twice == pytest.approx({number: 2 * value for number, value in found.items()})
        assert Diversity().log(view)["weight"] == pytest.approx(factor)
        looked += 1
    assert looked == 5
    at_tau = seen(tiny_space, genomes, generation=77, horizon=500)  # the published 7.7 of 50 epochs
    assert Diversity().weight(at_tau) == pytest.approx(math.exp(-1))


def test_of_equals_nothing_is_said(tiny_space: Space, base: Genome) -> None:
    view = seen(tiny_space, [base] * 4)
    assert set(Diversity().spread(view, view.population).values()) == {0.0}
    assert Diversity().spread(view, ()) == {}
    assert Diversity(strength=0.0).spread(view, view.population) == {}


@pytest.mark.parametrize("bad", [{"strength": -1.0}, {"strength": math.nan}, {"fade": 0.0}, {"fade": math.inf}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ExperimentError, match=rf"pressures\.diversity\.{next(iter(bad))}"):
        Diversity(**bad)


# --- Together with the crowding distance ----------------------------------------------------------------------------

FRONT = ((0.0, 10.0), (1.0, 6.0), (2.0, 5.0), (5.0, 1.0), (10.0, 0.0), (6.0, 6.0))
"""Five on one front, the last one behind it. Crowding of 1, 2, 3: half of 0.2 + 0.5, of 0.4 + 0.5, of 0.8 + 0.5."""


def test_finite_distances_become_z_scores_where_something_is_added(tiny_space: Space, base: Genome) -> None:
    members = seen(tiny_space, [base] * 6, FRONT).population
    plain = ranks(members)
    assert [-plain[number][1] for number in range(6)] == pytest.approx([math.inf, 0.35, 0.45, 0.65, math.inf, math.inf])
    added = ranks(members, {number: 0.0 for number in range(6)})
    distances = np.array([0.35, 0.45, 0.65])
    scores = (distances - distances.mean()) / distances.std()
    assert [-added[number][1] for number in (1, 2, 3)] == pytest.approx(scores.tolist())
    assert [-added[number][1] for number in (0, 4, 5)] == [math.inf] * 3
    turned = ranks(members, {1: 2.0, 2: 0.0, 3: -2.0, 5: 9.0})
    assert sorted(turned, key=lambda number: turned[number])[2:] == [1, 2, 3, 5]
    assert sorted(plain, key=lambda number: plain[number])[2:] == [3, 2, 1, 5]
    assert {number: place[0] for number, place in turned.items()} == {number: number // 5 for number in range(6)}


def test_with_one_objective_ties_are_decided_and_no_more(tiny_space: Space, base: Genome) -> None:
    points = [(1.0,), (2.0,), (2.0,), (2.0,), (2.0,), (3.0,)]
    members = seen(tiny_space, [base] * 6, points).population
    added = {number: float(-number) for number in range(6)}
    order = ranks(members, added)
    assert [place[0] for _, place in sorted(order.items())] == [0, 1, 1, 1, 1, 2]
    inner = [number for number in range(1, 5) if math.isfinite(order[number][1])]
    assert sorted(inner, key=lambda number: order[number]) == inner == [2, 3]


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0], [0.1 + 0.2, 0.3, 0.3], [0.0, 0.0]])
def test_equal_values_have_no_z_score(values: list[float]) -> None:
    assert z_scores(values).tolist() == [0.0] * len(values)


def test_z_scores_have_mean_0_and_deviation_1(rng: np.random.Generator) -> None:
    found = z_scores((rng.random(40) * 7 - 3).tolist())
    assert (found.mean(), found.std()) == (pytest.approx(0.0, abs=1e-12), pytest.approx(1.0))
    assert z_scores([]).tolist() == []
