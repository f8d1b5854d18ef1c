"""Crossover and mutation: children are in the space, frozen parts stay, everything that may change does."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from evobnn._seeding import Generator, generator
from evobnn.evolution.variation import mate, mutate, mutate_cell, mutate_expression, mutate_one
from evobnn.genome import Cell, Edge, Genome, parse_expression, parse_genome
from evobnn.spaces import (
    ENCODING_1,
    ENCODING_2,
    Alphabet,
    Choice,
    Space,
    Template,
    adapt,
    bnas,
    cpnas,
    gaaf,
    genes_of,
    joint,
    key,
)
from evobnn.spaces.gaaf import RESNET18

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


# --- Draws that old runs repeat ---------------------------------------------------------------------------------------

SMALL = Template(cells=2, width=12, reductions=1, skip="free", padding="minus_one", stem=0.75, head=2)


@pytest.mark.parametrize(
    ("made", "digest"),
    [
        (joint(SMALL, 8), "cab39ea964e666a5"),
        (joint(Template(), 32), "73999748a4b02c5d"),
        (bnas(Template(), 32), "9976d9cce97440cb"),
    ],
)
def test_sampling_and_variation_draw_as_they_always_did(made: Space, digest: str) -> None:
    """Digests of the first published version: runs that began with it go on as they would have."""
    rng, lines = generator(11), []
    a, b = made.sample(rng), made.sample(rng)
    for _ in range(100):
        a = mutate(a, made, rng)
        a, b = mate(a, b, made, rng)
        lines += [str(a), str(b), key(made, a)]
        b = made.sample(rng)
        lines.append(str(adapt(made, a, rng)))
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest


# --- Operations chosen otherwise --------------------------------------------------------------------------------------


def test_a_chooser_decides_every_operation_that_mutation_changes(rng: np.random.Generator) -> None:
    made = joint(SMALL, 8, parse_genome("@normal = x @reduction = x"))
    asked: list[tuple[str, int, int, tuple[str, ...]]] = []

    def pools(kind: str, source: int, target: int, names: Sequence[str], rng: np.random.Generator) -> str:
        asked.append((kind, source, target, tuple(names)))
        return "max3" if "max3" in names else "avg3"

    genome = made.sample(rng)
    for kind, cell in genome.cells:
        genome = genome.with_cell(kind, Cell(tuple(edge._replace(operation="zero") for edge in cell.edges)))
    for _ in range(300):
        genome = mutate(genome, made, rng, choose=pools)
        made.check(genome)
    assert {edge.operation for _, cell in genome.cells for edge in cell.edges} == {"max3", "avg3"}
    assert all(0 <= source < target for _, source, target, _ in asked)
    drawn = [names for kind, _, _, names in asked if names == made.offered[kind]]
    changed = [names for kind, _, _, names in asked if len(names) == len(made.offered[kind]) - 1]
    assert len(drawn) > 100 and len(changed) > 50 and len(drawn) + len(changed) == len(asked)


def test_gamma_holds_in_mutation_too(rng: np.random.Generator) -> None:
    rare, often = (bnas(Template(), 32, choice=Choice(gamma=gamma)) for gamma in (50.0, 0.02))
    shares = []
    for made in (rare, often):
        genome = made.sample(rng)
        for _ in range(300):
            genome = mutate(genome, made, rng)
        edges = [edge.operation for _, cell in genome.cells for edge in cell.edges]
        shares.append(edges.count("zero") / len(edges))
    assert shares[0] < 0.3 < 0.6 < shares[1]


def test_with_all_edges_no_mutation_asks_for_another_input(rng: np.random.Generator) -> None:
    made = cpnas(Template(cells=3, reductions=1), 32)
    cell = made.sample(rng).cell_by_kind["normal"]
    changed = [mutate_cell(cell, "normal", made, rng) for _ in range(200)]
    assert sum(one != cell for one in changed) > 180  # a node drawn anew is rarely the same
    assert all(
        [(e.source, e.target) for e in one.edges] == [(e.source, e.target) for e in cell.edges] for one in changed
    )


# --- One gene ---------------------------------------------------------------------------------------------------------


def differences(made: Space, a: Genome, b: Genome) -> list[str]:
    """Return what differs, gene by gene: slots, and of each node the edges that the other has not."""
    found = []
    for site in made.free_sites:
        first, second = (genes_of(made.shape, made.alphabet, g.expression_by_site[site]) for g in (a, b))
        assert first is not None and second is not None
        found += [f"slot {n}" for n, (p, q) in enumerate(zip(first, second, strict=True)) if p != q]
    for kind in made.free_kinds:
        for node in made.own_nodes:
            old, new = (set(g.cell_by_kind[kind].into(node)) for g in (a, b))
            assert len(old - new) == len(new - old)
            for gone, come in zip(old - new, new - old, strict=True):
                found += ["operation"] * (gone.operation != come.operation) + ["source"] * (gone.source != come.source)
    return found


ONE_GENE = {
    "joint": joint(SMALL, 8),
    "topology": joint(SMALL, 8, parse_genome("@normal = x @reduction = x")),
    "all edges": cpnas(Template(cells=3, reductions=1), 32),
    "gaaf": gaaf(RESNET18, 32, choice=Choice("net")),
    "gaaf, encoding 2": gaaf(RESNET18, 32, choice=Choice("kind", encoding=2)),
}


@pytest.mark.parametrize("name", list(ONE_GENE))
def test_exactly_one_gene_becomes_a_different_one(name: str, rng: np.random.Generator) -> None:
    made, seen = ONE_GENE[name], Counter[str]()
    for _ in range(300):
        genome = made.sample(rng)
        child = mutate_one(genome, made, rng)
        made.check(child)
        assert child != genome
        found = differences(made, genome, child)
        if "encoding 2" not in name:  # there a slot below a constant comes back into sight with it
            assert len(found) == 1
        seen.update(found)
    assert sum(seen.values()) >= 300
    if made.free_kinds:
        assert seen["operation"] > 60
        assert (seen["source"] > 60) is (made.inputs > 0)


def test_all_genes_and_all_values_are_equally_probable(rng: np.random.Generator) -> None:
    made = gaaf(RESNET18, 32, choice=Choice("net", unary=("x", "sin", "cos"), binary=("add", "sub", "mul")))
    genome = parse_genome("@net = add(x, sin(x))")
    counts = Counter(str(mutate_one(genome, made, rng)) for _ in range(1200))
    assert set(counts) == {
        f"@net = {text}"
        for text in (
            "sub(x, sin(x))", "mul(x, sin(x))", "add(sin(x), sin(x))", "add(cos(x), sin(x))", "add(x, x)",
            "add(x, cos(x))",
        )
    }  # fmt: skip
    assert all(150 < count < 250 for count in counts.values()), counts  # 200 expected, standard deviation 13


def test_a_slot_below_a_constant_is_no_gene(rng: np.random.Generator) -> None:
    made = gaaf(RESNET18, 32, choice=Choice("net", encoding=2))
    genome = parse_genome("@net = add(zero, sin(x))")  # u3 = zero: of b1, u1 and u2 nothing is left
    slots = Counter()
    for _ in range(300):
        child = mutate_one(genome, made, rng)
        assert child != genome
        tree = child.expression_by_site["net"]
        slots[(tree.form != "add", tree.args[0] != parse_expression("zero"), tree.args[1].form != "sin")] += 1
    assert set(slots) == {(True, False, False), (False, True, False), (False, False, True)}
    assert all(count > 60 for count in slots.values())


def test_what_has_no_other_value_is_no_gene(rng: np.random.Generator) -> None:
    genome = ONE_GENE["joint"].sample(rng)
    assert mutate_one(genome, replace(ONE_GENE["joint"], frozen=genome), rng) == genome
    made = gaaf(RESNET18, 32, choice=Choice("net", unary=("x",), binary=("add",)))
    assert mutate_one(parse_genome("@net = add(x, x)"), made, rng) == parse_genome("@net = add(x, x)")


def test_an_expression_of_another_shape_is_one_gene(rng: np.random.Generator) -> None:
    made = gaaf(RESNET18, 32, choice=Choice("net"))
    child = mutate_one(parse_genome("@net = sin(cos(x))"), made, rng)
    made.check(child)


def test_one_changed_operation_is_drawn_as_a_pressure_wants_it(tiny_space: Space) -> None:
    rng = generator(3, "one")
    start = tiny_space.sample(rng)
    asked: list[tuple[str, int, int]] = []

    def choose(kind: str, source: int, target: int, names: Sequence[str], rng: Generator) -> str:
        asked.append((kind, source, target))
        return names[-1]

    changed = [mutate_one(start, tiny_space, rng, choose) for _ in range(60)]
    assert len(asked) > 5
    for kind, source, target in asked:
        last = tiny_space.offered[kind][-1]
        before = {e.operation for e in start.cell_by_kind[kind].into(target) if e.source == source}
        wanted = last if before != {last} else tiny_space.offered[kind][-2]
        assert any(Edge(source, target, wanted) in genome.cell_by_kind[kind].edges for genome in changed)
