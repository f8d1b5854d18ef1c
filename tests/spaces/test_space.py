"""Spaces: what they draw they allow, what they refuse they name, and variation never leaves them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evobnn._seeding import generator
from evobnn.errors import GenomeError
from evobnn.evolution.variation import mate, mutate, mutate_one
from evobnn.genome import OPERATIONS, Edge, X, parse_genome
from evobnn.spaces import (
    ENCODING_2,
    PUBLISHED,
    Alphabet,
    Choice,
    Template,
    bats,
    bnas,
    canonical,
    cpnas,
    gaaf,
    joint,
    key,
)
from evobnn.spaces.choice import offered_at
from evobnn.spaces.gaaf import RESNET18

DIGITS = Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
CIFAR = Template()
NORMAL_CELL = "normal[2 = conv3(0) + max3(1); 3 = zero(0) + zero(1); 4 = dil3(2) + zero(0); 5 = avg3(1) + conv5(4)]"
REDUCTION_CELL = NORMAL_CELL.replace("normal", "reduction")
CELLS = parse_genome(f"{NORMAL_CELL} {REDUCTION_CELL}")

VARIANTS = {
    "joint": joint(DIGITS, 8),
    "one expression": joint(DIGITS, 8, choice=Choice(sites="net")),
    "large maps": joint(CIFAR, 32),
    "expressions frozen": joint(DIGITS, 8, parse_genome("@normal = x @reduction = mul(sin(x), x)")),
    "one expression frozen": joint(DIGITS, 8, parse_genome("@normal = sin(cos(x))")),
    "cells frozen": joint(DIGITS, 8, CELLS),
    "one cell frozen": joint(DIGITS, 8, parse_genome(NORMAL_CELL)),
    "all frozen": joint(DIGITS, 8, parse_genome(f"{NORMAL_CELL} {REDUCTION_CELL} @normal = x @reduction = zero")),
    "bnas": bnas(CIFAR, 32),
    "one kind": joint(Template(cells=3, reductions=0), 16),
    "encoding 2": replace(joint(CIFAR, 32), shape=ENCODING_2),
    "three nodes": replace(joint(CIFAR, 32), nodes=3, inputs=2, alphabet=Alphabet(("x", "sin"), ("add", "mix"))),
    "bats": bats(CIFAR, 32),
    "cpnas": cpnas(CIFAR, 32),
    "cpnas, one cell frozen": cpnas(DIGITS, 8, parse_genome(NORMAL_CELL)),
    "gamma": bnas(CIFAR, 32, choice=Choice(gamma=3.0)),
    "gaaf": gaaf(RESNET18, 32, choice=Choice(sites="net")),
    "gaaf per kind, encoding 2": gaaf(RESNET18, 32, choice=Choice(encoding=2)),
    "gaaf frozen": gaaf(RESNET18, 32, parse_genome("@normal = sin(x)")),
    "joint bats per node": joint(DIGITS, 8, choice=Choice("node", "bats")),
    "joint cpnas, encoding 2": joint(DIGITS, 8, choice=Choice("net", "cpnas", encoding=2, gamma=2.0)),
    "joint bnas narrowed": joint(
        DIGITS, 8, choice=Choice("node", nodes=2, offered=("conv3", "avg3"), unary=("x", "sin"), binary=("add", "mul"))
    ),
}


@pytest.fixture(params=list(VARIANTS))
def space(request):
    return VARIANTS[request.param]


def assert_inside(space, genome):
    """Every rule once more in this test's own words, beside `Space.check`."""
    space.check(genome)
    assert tuple(genome.cell_by_kind) == space.kinds
    assert set(genome.expression_by_site) == {*space.sites, *space.frozen.expression_by_site}
    for kind in space.free_kinds:
        edges = genome.cell_by_kind[kind].edges
        assert len(edges) == (space.nodes * space.inputs or sum(2 + n for n in range(space.nodes)))
        assert len({(edge.source, edge.target) for edge in edges}) == len(edges)
        assert all(0 <= edge.source < edge.target < 2 + space.nodes for edge in edges)
        assert all(edge.operation in space.offered[kind] for edge in edges)
    for kind, cell in space.frozen.cells:
        assert genome.cell_by_kind[kind] == cell
    for site, expression in space.frozen.expressions:
        assert genome.expression_by_site[site] == expression


def test_samples_are_inside_and_come_back_from_their_text(space):
    rng, seen = generator(1), set()
    for _ in range(60):
        genome = space.sample(rng)
        assert_inside(space, genome)
        assert space.parse(str(genome)) == genome
        seen.add(genome)
    assert len(seen) >= 50 or not (space.free_kinds or space.free_sites)


@pytest.mark.parametrize("name", list(VARIANTS))
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**63 - 1))
def test_canonical_forms_stay_and_keys_survive_text(name, seed):
    space = VARIANTS[name]
    genome = space.sample(generator(seed))
    once = canonical(space, genome)
    assert canonical(space, once) == once
    assert space.parse(str(once)).cells == once.cells
    assert canonical(space, space.parse(str(once))) == once
    assert key(space, genome) == key(space, space.parse(str(genome))) == key(space, once)


def test_mutants_and_children_are_inside(space):
    rng, steps = generator(2), 0
    a, b = space.sample(rng), space.sample(rng)
    while steps < 100:  # of each, in each of the 21 spaces: 2,100 and 2,100
        a = mutate_one(mutate(a, space, rng), space, rng)
        assert_inside(space, a)
        a, b = mate(a, b, space, rng)
        assert_inside(space, a)
        assert_inside(space, b)
        steps += 1
        if steps % 40 == 0:
            b = space.sample(rng)
    assert steps * len(VARIANTS) >= 2000


def test_mutation_reaches_every_free_part_and_no_frozen_one():
    space = VARIANTS["one cell frozen"]
    rng, start = generator(3), VARIANTS["one cell frozen"].sample(generator(4))
    changed = {"normal cell": 0, "reduction cell": 0, "@normal": 0, "@reduction": 0}
    for _ in range(300):
        mutant = mutate(start, space, rng)
        for kind in space.kinds:
            changed[f"{kind} cell"] += mutant.cell_by_kind[kind] != start.cell_by_kind[kind]
            changed[f"@{kind}"] += mutant.expression_by_site[kind] != start.expression_by_site[kind]
    assert changed.pop("normal cell") == 0
    assert len(changed) == 3
    assert all(count > 40 for count in changed.values()), changed


def test_frozen_and_free_parts():
    assert (VARIANTS["cells frozen"].free_kinds, VARIANTS["cells frozen"].free_sites) == ((), ("normal", "reduction"))
    assert (VARIANTS["expressions frozen"].free_kinds, VARIANTS["expressions frozen"].free_sites) == (
        ("normal", "reduction"),
        (),
    )
    assert VARIANTS["one expression"].sites == ("net",)
    assert VARIANTS["one kind"].kinds == ("normal",)
    assert bnas(CIFAR, 32).sample(generator(0)).expression_by_site == {"net": X}
    assert bnas(CIFAR, 32, parse_genome("@net = sin(x)")).sample(generator(0)).expressions[0][1] != X
    assert list(VARIANTS["joint"].own_nodes) == [2, 3, 4, 5]


def test_frozen_parts_may_be_left_out_of_a_text():
    space = VARIANTS["cells frozen"]
    assert space.parse("@normal = add(x, x) @reduction = add(x, x)").cells == CELLS.cells
    assert bnas(CIFAR, 32).parse(f"{NORMAL_CELL} {REDUCTION_CELL}").expression_by_site == {"net": X}
    assert bnas(CIFAR, 32).parse(f"{NORMAL_CELL} {REDUCTION_CELL} @net = sin(x)").expression_by_site != {"net": X}


@pytest.mark.parametrize(
    ("name", "size", "share"),
    [
        ("conv3", 4, ((4 * 3 - 2) / 12) ** 2),
        ("conv5", 4, ((4 * 5 - 2 * (1 + 2)) / 20) ** 2),
        ("dil3", 4, ((4 * 3 - 2 * 2) / 12) ** 2),
        ("dil3", 8, ((8 * 3 - 2 * 2) / 24) ** 2),
        ("conv5", 8, ((5 * 8 - 2 * (1 + 2)) / 40) ** 2),
        ("dil5", 8, ((5 * 8 - 2 * (2 + 4)) / 40) ** 2),
        ("dil5", 16, ((5 * 16 - 2 * (2 + 4)) / 80) ** 2),
        ("conv3", 2, ((3 * 2 - 2) / 6) ** 2),
        ("conv5", 3, ((5 * 3 - 2 * (1 + 2)) / 15) ** 2),
    ],
)
def test_an_operation_is_offered_where_half_of_its_taps_lie_inside(name, size, share):
    assert (name in offered_at(tuple(OPERATIONS), OPERATIONS, size)) is (share >= 0.5)


def test_what_digits_offer():
    everything = ("zero", "max3", "avg3", "conv3", "conv5", "dil3", "dil5")
    assert offered_at(everything, OPERATIONS, 16) == everything
    # dil5: (28/40)^2 = 0.49 on 8; on 4 conv5 has (14/20)^2 = 0.49 and dil3 (8/12)^2 = 0.44
    assert joint(DIGITS, 8).offered == {
        "normal": ("zero", "max3", "avg3", "conv3", "conv5", "dil3"),
        "reduction": ("zero", "max3", "avg3", "conv3"),
    }
    assert offered_at(everything, OPERATIONS, 1) == ("zero",)


REST = f"{REDUCTION_CELL} @normal = add(x, x) @reduction = add(x, x)"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("@normal = add(x, x)", r"a cell 'normal', got cells none. Add normal"),
        (NORMAL_CELL, "a cell 'reduction', got cells .'normal'."),
        (f"{NORMAL_CELL} reductions[2 = zero(0)] {REST}", "Did you mean 'reduction'"),
        (f"normal[2 = conv3(0); 9 = max3(1)] {REST}", r"nodes 2 to 5 in normal\[...\], got node 9"),
        (f"{NORMAL_CELL} {REST} @normals = x", "Did you mean 'normal'"),
        (f"{NORMAL_CELL} {REST} @normal/7 = x", "class of sites"),
    ],
)
def test_what_cannot_be_built_is_refused_by_parse_and_check(text, match):
    space = VARIANTS["joint"]
    with pytest.raises(GenomeError, match=match):
        space.parse(text)
    with pytest.raises(GenomeError, match=match):
        space.check(parse_genome(text))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            ("2 = conv3(0) + max3(1)", "2 = conv3(0)"),
            r"2 inputs from different nodes at normal node 2, got 1 from \[0\]",
        ),
        (
            ("2 = conv3(0) + max3(1)", "2 = conv3(0) + max3(0)"),
            r"different nodes at normal node 2, got 2 from \[0, 0\]",
        ),
        (("3 = zero(0) + zero(1); ", ""), r"at normal node 3, got 0 from \[\]"),
        (("conv5(4)", "dil5(4)"), "one of zero, max3, avg3, conv3, conv5, dil3 at normal node 5, got dil5"),
        (("@normal = add(x, x)", "@normal = sin(x)"), r"@normal as an expression of the shape add\(x, x\), got sin"),
        ((" @normal = add(x, x)", ""), "@normal as an expression of the shape .*, got None"),
        (("@normal = add(x, x)", "@normal = add(x, x) @net = x"), "also @net. Leave it out"),
        (("@normal = add(x, x)", "@normal = add(x, x) @normal/3 = x"), "also @normal/3. Leave it out"),
    ],
)
def test_what_breaks_a_rule_of_the_space_is_refused_with_its_place(change, match):
    space = VARIANTS["joint"]
    reduction = "reduction[2 = zero(0) + zero(1); 3 = zero(0) + zero(1); 4 = zero(0) + zero(1); 5 = zero(0) + zero(1)]"
    text = f"{NORMAL_CELL} {reduction} @normal = add(x, x) @reduction = add(x, x)"
    space.check(space.parse(text))
    assert change[0] in text
    with pytest.raises(GenomeError, match=match):
        space.check(space.parse(text.replace(*change)))


def test_frozen_parts_must_be_what_they_are():
    cells = VARIANTS["cells frozen"]
    genome = cells.sample(generator(0))
    with pytest.raises(GenomeError, match="the frozen normal cell, got another one"):
        cells.check(genome.with_cell("normal", genome.cell_by_kind["normal"].with_node(3, (Edge(0, 3, "max3"),))))
    with pytest.raises(GenomeError, match=r"the frozen @net = x, got sin\(x\)"):
        bnas(CIFAR, 32).check(parse_genome(str(PUBLISHED["bnas-cifar10"]).replace("@net = x", "@net = sin(x)")))
    one = VARIANTS["one kind"]
    with pytest.raises(GenomeError, match="also reduction"):
        one.check(parse_genome(f"{one.sample(generator(0))} {REDUCTION_CELL}"))


def test_a_frozen_cell_that_does_not_fit_is_refused_at_once():
    with pytest.raises(GenomeError, match=r"nodes 2 to 5 in normal\[...\], got node 6"):
        joint(DIGITS, 8, parse_genome("normal[6 = conv3(0)]"))


def test_sampling_is_uniform_over_the_operations_of_an_edge():
    space, rng = VARIANTS["joint"], generator(6)
    counts = dict.fromkeys(space.offered["normal"], 0)
    for _ in range(300):
        for edge in space.sample(rng).cell_by_kind["normal"].edges:
            counts[edge.operation] += 1
    assert sum(counts.values()) == 2400
    assert all(320 < count < 480 for count in counts.values()), counts  # 400 expected, standard deviation 18


def test_extremes_are_inside_every_space(space):
    for genome in space.extremes():
        assert_inside(space, genome)
