"""Crossover and mutation: children are in the space, frozen parts stay, everything that may change does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from evobnn.evolution import mate, mutate
from evobnn.evolution.variation import mutate_cell, mutate_expression
from evobnn.genome import parse_expression, parse_genome
from evobnn.spaces import ENCODING_1, ENCODING_2, Alphabet, Space

FROZEN = "normal[2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)]"


@pytest.fixture(params=["all", "net", "topology", "expressions", "half", "encoding 2"])
def space(request: pytest.FixtureRequest, tiny_space: Space) -> Space:
    whole = tiny_space.sample(np.random.default_rng(0))
    frozen = {
        "topology": parse_genome("@normal = x @reduction = sin(x)"),
        "expressions": replace(whole, expressions=()),
        "half": parse_genome(f"{FROZEN} @reduction = sin(x)"),
    }
    made = replace(tiny_space, frozen=frozen.get(request.param, tiny_space.frozen))
    if request.param == "net":
        made = replace(made, sites=("net",))
    return replace(made, shape=ENCODING_2 if request.param == "encoding 2" else ENCODING_1)


def test_children_are_in_the_space_and_frozen_parts_stay(space: Space, rng: np.random.Generator) -> None:
    looked = 0
    population = [space.sample(rng) for _ in range(10)]
    for _ in range(150):
        a, b = (population[int(rng.integers(10))] for _ in range(2))
        for child in (mutate(a, space, rng), *mate(a, b, space, rng)):
            space.check(child)  # frozen cells and expressions included
            assert space.parse(str(child)) == child
            population[int(rng.integers(10))] = child
            looked += 1
    assert looked == 450


def test_a_mutation_of_an_entirely_frozen_genome_is_none(tiny_space: Space, rng: np.random.Generator) -> None:
    genome = tiny_space.sample(rng)
    assert mutate(genome, replace(tiny_space, frozen=genome), rng) == genome


def test_what_one_child_gets_the_other_does_not(space: Space, rng: np.random.Generator) -> None:
    looked = swapped = 0
    for _ in range(60):
        a, b = space.sample(rng), space.sample(rng)
        left, right = mate(a, b, space, rng)
        for kind in space.kinds:
            for node in space.own_nodes:
                parents = [g.cell_by_kind[kind].into(node) for g in (a, b)]
                children = [g.cell_by_kind[kind].into(node) for g in (left, right)]
                assert children in (parents, parents[::-1])
                swapped += children != parents
                looked += 1
    assert looked == 60 * 2 * 4
    if space.free_kinds:
        assert 0.3 < swapped / (60 * len(space.free_kinds) * 4) < 0.7


def test_mating_a_genome_with_itself_gives_itself(space: Space, rng: np.random.Generator) -> None:
    genome = space.sample(rng)
    again = mate(genome, genome, space, rng)
    assert again == (genome, genome)


def test_every_way_of_changing_a_cell_occurs(tiny_space: Space, rng: np.random.Generator) -> None:
    cell = tiny_space.sample(rng).cell_by_kind["normal"]
    seen: Counter[str] = Counter()
    for _ in range(400):
        changed = mutate_cell(cell, "normal", tiny_space, rng)
        nodes = [n for n in tiny_space.own_nodes if changed.into(n) != cell.into(n)]
        assert len(nodes) <= 1
        if nodes:
            old, new = sorted(cell.into(nodes[0])), sorted(changed.into(nodes[0]))
            wires = {e.source for e in old} == {e.source for e in new}
            names = sorted(e.operation for e in old) == sorted(e.operation for e in new)
            seen["operation" if wires else "input" if names else "node"] += 1
    assert {"operation", "input", "node"} <= set(seen)


def test_every_way_of_changing_an_expression_occurs(tiny_space: Space, rng: np.random.Generator) -> None:
    before = parse_expression("sub(sin(x), cos(x))")
    found = {str(mutate_expression(before, tiny_space, rng)) for _ in range(600)}
    assert "sub(cos(x), sin(x))" in found  # a swap
    assert any(text.startswith("div(sin(x), cos(x))") for text in found)  # a form
    assert any("sin" not in text and "cos" not in text for text in found)  # a subtree, here the whole


def test_an_expression_that_has_not_the_shape_is_replaced_as_a_whole(
    tiny_space: Space, rng: np.random.Generator
) -> None:
    space = replace(tiny_space, alphabet=Alphabet(unary=("sin",), binary=("add",)))
    assert str(mutate_expression(parse_expression("mul(add(x, x), cube(x))"), space, rng)) == "add(sin(x), sin(x))"


def test_the_same_generator_gives_the_same_child(space: Space) -> None:
    parents = [space.sample(np.random.default_rng(seed)) for seed in (1, 2)]
    first, again = (
        [str(mutate(parents[0], space, rng)), *map(str, mate(*parents, space, rng))]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == again
