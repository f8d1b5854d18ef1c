"""Abandonment: balanced blocks, the credit by hand, who goes and who may not, and what is repaired."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evobnn.errors import ExperimentError, SearchError
from evobnn.evolution import make_toolbox
from evobnn.evolution.pressures.abandonment import Abandonment
from evobnn.evolution.selection import Candidate
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.spaces import Choice, Space, Template, gaaf, joint, key
from evobnn.spaces.loci import edge_loci, loci

EVERYWHERE = "normal/0>2"
"""An edge that every genome of the joint space has, as node 2 reads both inputs."""


@pytest.fixture
def dense(tiny: Any) -> Space:
    """All 14 edges of each cell present, five operations on each, and expressions to draw."""
    choice = Choice(topology="cpnas", offered=("zero", "identity", "max3", "avg3", "sep3"))
    return joint(replace(tiny.network, skip="free"), 8, choice=choice)


def seen(space: Space, memory: Mapping[str, Any] = {}, generation: int = 1, archive: Sequence[Candidate] = ()) -> View:
    kept = {"abandonment": json.loads(json.dumps(memory))} if memory else {}
    return View(space, ("error", "ops"), {}, 1, generation, 10, (), archive, kept)


def toolbox(space: Space, **registered: Any) -> Any:
    made = make_toolbox(space)
    made.register("feasible", registered.get("feasible", lambda genome: ""))
    return made


def alive(space: Space, **narrowed: Sequence[str]) -> dict[str, list[str]]:
    """Return a memory's `alive`: everything offered, but for the edges named, `kind_source_target`."""
    found = {place: list(space.offered[place.partition("/")[0]]) for place in edge_loci(space)}
    for place, names in narrowed.items():
        kind, source, target = place.split("_")
        found[f"{kind}/{source}>{target}"] = list(names)
    return found


def counts(space: Space, genomes: Sequence[Genome]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {place: Counter() for place in edge_loci(space)}
    for genome in genomes:
        for place, operation in loci(space, genome):
            if place in found:
                found[place][operation] += 1
    return found


def result(
    space: Space, genome: Genome, error: float | None, parent: float | None, number: int = 0, twin: bool = True
) -> Result:
    measures = {} if parent is None else {"parent_error": parent}
    evaluation = Evaluation(Status.OK, {"error": error, "ops": 1.0}, measures=measures) if error is not None else (
        Evaluation(Status.DIVERGED, message="a non-finite loss", measures=measures)
    )  # fmt: skip
    individual = Individual(number, str(genome), key(space, genome), 1, "block")
    return Result(Request(individual, 0, twin), evaluation)


def with_operation(space: Space, operation: str, seed: int = 1) -> Genome:
    """Return a genome with this operation on `EVERYWHERE`; all others are the same for one seed."""
    genome = space.sample(np.random.default_rng(seed))
    cell = genome.cell_by_kind["normal"]
    edges = tuple(e._replace(operation=operation) if (e.source, e.target) == (0, 2) else e for e in cell.edges)
    assert edges != cell.edges or operation in str(cell)
    return genome.with_cell("normal", type(cell)(edges))


# --- The block ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [1, 3])
def test_every_operation_of_every_edge_occurs_equally_often(dense: Space, rng: np.random.Generator, draws: int) -> None:
    block = Abandonment(draws=draws).block(seen(dense), toolbox(dense), rng)
    assert len(block) == 5 * draws
    for place, found in counts(dense, block).items():
        assert found == dict.fromkeys(dense.offered[place.partition("/")[0]], draws)
    for genome in block:
        dense.check(genome)
    assert len({key(dense, genome) for genome in block}) == len(block)


def test_an_edge_with_fewer_operations_goes_through_them_again(dense: Space, rng: np.random.Generator) -> None:
    narrowed = {
        "normal_0_2": ("max3", "sep3"),
        "normal_1_2": ("zero", "max3", "avg3"),
        "reduction_4_5": ("avg3", "zero"),
    }
    memory = {"alive": alive(dense, **narrowed), "rounds": 2}
    block = Abandonment().block(seen(dense, memory, 3), toolbox(dense), rng)
    assert len(block) == 5
    found = counts(dense, block)
    for place, own in found.items():
        assert set(own) == set(memory["alive"][place])  # type: ignore[index]
        assert max(own.values()) - min(own.values()) <= 1
        assert own.total() == 5
    assert sorted(found["normal/1>2"].values()) == [1, 2, 2]


def test_with_two_inputs_a_deck_moves_with_its_edge_only(tiny_space: Space, rng: np.random.Generator) -> None:
    block = Abandonment(draws=6).block(seen(tiny_space), toolbox(tiny_space), rng)
    assert len(block) == 36
    present, uneven = Counter[str](), 0
    for place, own in counts(tiny_space, block).items():
        offered = tiny_space.offered[place.partition("/")[0]]
        drawn = [own[name] for name in offered]
        assert max(drawn) - min(drawn) <= 1
        uneven += max(drawn) != min(drawn)
        present[place] = own.total()
    assert uneven > 5
    assert present["normal/0>2"] == present["reduction/1>2"] == 36
    assert all(3 <= present[f"normal/{source}>5"] <= 26 for source in range(5))  # 36 x 2/5, sources drawn uniformly
    assert sum(present.values()) == 36 * 16


def test_rounds_begin_at_generation_1(dense: Space, rng: np.random.Generator) -> None:
    found = {
        every: [g for g in range(9) if Abandonment(every=every).block(seen(dense, generation=g), toolbox(dense), rng)]
        for every in (1, 2, 3)
    }
    assert found == {1: [1, 2, 3, 4, 5, 6, 7, 8], 2: [1, 3, 5, 7], 3: [1, 4, 7]}


def test_when_every_edge_is_down_to_two_no_more_is_asked_for(dense: Space, rng: np.random.Generator) -> None:
    two = {"alive": {place: ["zero", "max3"] for place in edge_loci(dense)}, "rounds": 3}
    assert Abandonment().block(seen(dense, two), toolbox(dense), rng) == ()
    two["alive"]["normal/0>4"] = ["zero", "max3", "sep3"]  # type: ignore[index]
    assert len(Abandonment().block(seen(dense, two), toolbox(dense), rng)) == 3


def test_expressions_are_drawn_until_the_genome_is_worth_it(dense: Space, rng: np.random.Generator) -> None:
    plain = Abandonment(draws=4).block(seen(dense), toolbox(dense), rng)
    assert any("sin" not in str(genome) for genome in plain)
    asked = toolbox(dense, feasible=lambda genome: "" if "sin" in str(genome) else "too plain")
    block = Abandonment(draws=4).block(seen(dense), asked, rng)
    assert len(block) == 20
    assert all("sin" in str(genome) for genome in block)
    never = toolbox(dense, feasible=lambda genome: "never")
    assert len(Abandonment().block(seen(dense), never, rng)) == 5  # the operations are balanced all the same


def test_what_was_measured_is_not_taken_again_where_expressions_can_differ(dense: Space) -> None:
    first = Abandonment().block(seen(dense), toolbox(dense), np.random.default_rng(1))
    archive = [Candidate(n, g, key(dense, g), (0.5, 1.0)) for n, g in enumerate(first)]
    again = Abandonment().block(seen(dense, archive=archive), toolbox(dense), np.random.default_rng(1))
    assert {str(g.cells) for g in again} & {str(g.cells) for g in first}
    assert not {key(dense, g) for g in again} & {one.key for one in archive}


def test_frozen_parts_stay_in_the_block(dense: Space, rng: np.random.Generator) -> None:
    genome = dense.sample(rng)
    frozen = Genome((("reduction", genome.cell_by_kind["reduction"]),), (("normal", genome.expression_at("normal")),))
    space = replace(dense, frozen=frozen)
    block = Abandonment().block(seen(space), toolbox(space), rng)
    assert len(block) == 5
    for one in block:
        space.check(one)
    assert len({one.cell_by_kind["normal"] for one in block}) == 5


# --- The credit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "wanted"), [(0.0, 0.7), (1.0, 0.9), (2.0, 1.1), (0.5, 0.8)])
def test_the_indicator_by_hand(dense: Space, beta: float, wanted: float) -> None:
    genome = dense.sample(np.random.default_rng(1))
    assert Abandonment(beta=beta).score(result(dense, genome, error=0.3, parent=0.1)) == pytest.approx(wanted)


def test_what_failed_has_no_score(dense: Space) -> None:
    genome = dense.sample(np.random.default_rng(1))
    score = Abandonment().score
    assert score(result(dense, genome, None, 0.1)) is None
    assert score(result(dense, genome, 0.3, None)) is None
    assert score(result(dense, genome, 0.3, float("nan"))) is None
    assert score(result(dense, genome, 0.3, 0.1, twin=False)) is None


@pytest.mark.parametrize(("beta", "loser"), [(0.0, "max3"), (1.0, "avg3"), (2.0, "sep3")])
def test_the_edge_loses_its_least_mean(dense: Space, beta: float, loser: str) -> None:
    """Means of z = A_C + beta (A_P - A_C) for beta = 0, 1, 2: max3 0.5, 0.7, 0.9; avg3 always 0.6; sep3 0.9, 0.7, 0.5;
    zero more than any of these.
    """
    told = {"max3": [(0.4, 0.3), (0.6, 0.3)], "avg3": [(0.4, 0.4)], "sep3": [(0.1, 0.3)], "zero": [(0.1, 0.0)]}
    results = [
        result(dense, with_operation(dense, name), error, parent, number)
        for number, (name, (error, parent)) in enumerate((name, pair) for name, pairs in told.items() for pair in pairs)
    ]
    memory = Abandonment(beta=beta).remember(seen(dense), results)
    left = [name for name in dense.offered["normal"] if name != loser]
    assert memory["alive"][EVERYWHERE] == left
    assert memory["rounds"] == 1
    assert sum(len(names) for names in memory["alive"].values()) == 28 * 5 - 1  # elsewhere only one was drawn
    assert json.loads(json.dumps(memory)) == memory


def test_what_was_not_drawn_or_failed_is_not_abandoned(dense: Space) -> None:
    results = [
        result(dense, with_operation(dense, "zero"), 0.9, None),  # its twin failed
        result(dense, with_operation(dense, "max3"), None, 0.9),
        result(dense, with_operation(dense, "avg3"), 0.5, 0.5),
        result(dense, with_operation(dense, "sep3"), 0.4, 0.4),
        result(dense, with_operation(dense, "identity"), 0.99, 0.99, twin=False),
    ]
    memory = Abandonment().remember(seen(dense), results)
    assert memory["alive"][EVERYWHERE] == ["zero", "identity", "max3", "sep3"]
    alone = Abandonment().remember(seen(dense), results[:3])
    assert alone["alive"][EVERYWHERE] == list(dense.offered["normal"])  # of one nothing can be said
    assert alone["rounds"] == 1


def test_what_is_abandoned_earns_no_credit(dense: Space) -> None:
    before = {"alive": alive(dense, normal_0_2=("zero", "max3", "sep3")), "rounds": 4}
    results = [
        result(dense, with_operation(dense, name), error, error)
        for name, error in (("avg3", 0.99), ("max3", 0.2), ("zero", 0.3))
    ]
    memory = Abandonment().remember(seen(dense, before), results)
    assert memory["alive"][EVERYWHERE] == ["max3", "sep3"]
    assert memory["rounds"] == 5


def test_two_stay_however_bad(dense: Space) -> None:
    before = {"alive": alive(dense, normal_0_2=("zero", "max3")), "rounds": 1}
    results = [result(dense, with_operation(dense, name), e, e) for name, e in (("zero", 0.9), ("max3", 0.1))]
    assert Abandonment().remember(seen(dense, before), results)["alive"][EVERYWHERE] == ["zero", "max3"]


def test_without_a_block_the_memory_stays_as_it_was(dense: Space) -> None:
    results = [result(dense, with_operation(dense, "zero"), 0.9, None, twin=False)]
    assert Abandonment().remember(seen(dense), results) == {}
    before = {"alive": alive(dense, normal_0_2=("zero", "max3")), "rounds": 1}
    assert Abandonment().remember(seen(dense, before), results) == before


def test_round_by_round_down_to_two(dense: Space, rng: np.random.Generator) -> None:
    memory: Mapping[str, Any] = {}
    sizes, pressure = [], Abandonment(every=1)
    for generation in range(1, 8):
        view = seen(dense, memory, generation)
        block = pressure.block(view, toolbox(dense), rng)
        zeros = [str(genome).count("zero") / 30 for genome in block]
        memory = pressure.remember(
            view, [result(dense, g, e, e, n) for n, (g, e) in enumerate(zip(block, zeros, strict=True))]
        )
        sizes.append((len(block), pressure.log(seen(dense, memory))))
    assert [size for size, _ in sizes] == [5, 4, 3, 0, 0, 0, 0]
    assert [log["surviving"] for _, log in sizes] == [4, 3, 2, 2, 2, 2, 2]
    assert [log["rounds"] for _, log in sizes] == [1, 2, 3, 3, 3, 3, 3]
    lost = sum("zero" not in names for names in memory["alive"].values())
    assert lost > 15  # what is bad goes more often than by chance: 3 of 5 go on each of 28 edges


# --- Repair ---------------------------------------------------------------------------------------------------------


def test_only_what_was_abandoned_is_replaced(dense: Space, rng: np.random.Generator) -> None:
    narrowed = alive(dense, normal_0_2=("max3", "sep3"), reduction_4_5=("zero", "avg3"))
    view, replaced = seen(dense, {"alive": narrowed, "rounds": 1}), Counter[str]()
    for seed in range(300):
        genome = dense.sample(np.random.default_rng(seed))
        mended = Abandonment().repair(view, genome, rng)
        dense.check(mended)
        assert mended.expressions == genome.expressions
        for (place, before), (same, after) in zip(loci(dense, genome), loci(dense, mended), strict=True):
            assert place == same
            if before in narrowed.get(place, (before,)):
                assert after == before
            else:
                replaced[f"{place} {after}"] += 1
    assert set(replaced) == {f"normal/0>2 {n}" for n in ("max3", "sep3")} | {
        f"reduction/4>5 {n}" for n in ("zero", "avg3")
    }
    assert min(replaced.values()) > 50  # 300 x 3/5 abandoned, a half each: uniformly


def test_nothing_is_drawn_where_nothing_is_to_be_mended(dense: Space) -> None:
    genome = with_operation(dense, "max3")
    looked = 0
    for memory in (
        {},
        {"alive": alive(dense), "rounds": 1},
        {"alive": alive(dense, normal_0_2=("max3", "sep3")), "rounds": 1},
    ):
        rng, fresh = np.random.default_rng(1), np.random.default_rng(1)
        assert Abandonment().repair(seen(dense, memory), genome, rng) == genome
        assert rng.random() == fresh.random()
        looked += 1
    assert looked == 3


# --- Where it cannot work -------------------------------------------------------------------------------------------


def test_a_batch_must_hold_the_block_and_one_more(dense: Space) -> None:
    Abandonment().check(dense, ("error", "ops"), 6)
    with pytest.raises(SearchError, match="at least 6 evaluations a generation, got 5 for a block of 5"):
        Abandonment().check(dense, ("error", "ops"), 5)
    with pytest.raises(SearchError, match="at least 16 evaluations a generation, got 15 for a block of 15"):
        Abandonment(draws=3).check(dense, ("error",), 15)


def test_without_searched_cells_it_cannot_work(dense: Space, rng: np.random.Generator) -> None:
    blocks = Template(cells=2, width=4, reductions=1, skip="none", stem=1, macro="resnet")
    refused = 0
    for space in (replace(dense, frozen=Genome(dense.sample(rng).cells)), gaaf(blocks, 16)):
        with pytest.raises(SearchError, match=f"searched cells for abandonment, got the space {space.name} with none"):
            Abandonment().check(space, ("error", "ops"), 50)
        refused += 1
    assert refused == 2


def test_without_the_error_it_cannot_work(dense: Space) -> None:
    with pytest.raises(SearchError, match="the objective error for abandonment, got ops, bits"):
        Abandonment().check(dense, ("ops", "bits"), 50)


@pytest.mark.parametrize("bad", [{"every": 0}, {"draws": 0}, {"beta": float("inf")}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ExperimentError, match=rf"pressures\.abandonment\.{next(iter(bad))}"):
        Abandonment(**bad)
