"""Every key of a small space once: against brute force over texts, in closed form, and what is too large."""

from __future__ import annotations

import math
from itertools import combinations, product

import pytest

from evobnn._seeding import generator
from evobnn.errors import GenomeError
from evobnn.genome import BINARY, UNARY, Genome, parse_genome
from evobnn.spaces import SPACES, Choice, Space, Template, canonical, key
from evobnn.spaces.enumeration import every, genotypes

FLAT = Template(cells=1, width=2, reductions=0, stem=1)
STACK = Template(cells=2, width=2, reductions=1, stem=1)
BLOCKS = Template(macro="resnet", cells=2, width=2, reductions=1, skip="none", padding="zero", scale="none", stem=1)
SMALL = Choice(sites="net", nodes=2, offered=("zero", "max3", "conv3"), unary=("x", "zero", "neg"), binary=("sub",))


def small(name: str = "joint", template: Template = FLAT, freeze: str = "", choice: Choice = SMALL) -> Space:
    return SPACES[name](template, 8, parse_genome(freeze) if freeze else None, choice)


def texts(operations: tuple[str, ...], inputs: int, expressions: list[str]) -> list[str]:
    """Write every genome of one kind of cell with two nodes by hand."""
    found = []
    for wiring in product(combinations(range(2), inputs or 2), combinations(range(3), inputs or 3)):
        places = [(source, node) for node, sources in enumerate(wiring, 2) for source in sources]
        for names in product(operations, repeat=len(places)):
            edges = dict(zip(places, names, strict=True))
            nodes = (f"{n} = " + " + ".join(f"{o}({s})" for (s, t), o in edges.items() if t == n) for n in (2, 3))
            cell = "; ".join(nodes)
            found += [f"normal[{cell}] @net = {expression}" for expression in expressions]
    return found


def test_it_is_the_set_that_brute_force_finds() -> None:
    space = small()
    expressions = [f"sub({p}, {q})" for p, q in product(("x", "zero", "neg(x)"), repeat=2)]
    written = texts(("zero", "max3", "conv3"), 2, expressions)
    assert len(set(written)) == len(written) == genotypes(space) == 3 * 3**4 * 9
    found = dict(every(space))
    assert set(found) == {key(space, space.parse(text)) for text in written}
    for name, genome in found.items():
        space.check(genome)
        assert name == key(space, genome)
    assert len({canonical(space, genome) for genome in found.values()}) == len(found) > 300
    assert len(found) == len(list(every(space)))  # no key twice


def test_every_edge_where_nodes_read_all_earlier_ones() -> None:
    space = small("cpnas", choice=Choice(nodes=2, offered=("zero", "identity")))
    written = texts(("zero", "identity"), 0, ["x"])
    assert genotypes(space) == len(written) == 2**5
    assert set(dict(every(space))) == {key(space, space.parse(text.partition(" @")[0])) for text in written}


def test_encoding_1() -> None:
    space = SPACES["gaaf"](BLOCKS, 8, None, Choice(sites="net"))
    assert genotypes(space) == len(UNARY) ** 2 * len(BINARY) == 5324
    found = dict(every(space))
    assert len(found) == 3789
    named = {name for u, v, b in product(UNARY, UNARY, BINARY) if (name := key(space, _call(space, b, u, v)))}
    assert set(found) == named


def _call(space: Space, form: str, *unary: str) -> Genome:
    p, q = (name if name in ("x", "zero", "const") else f"{name}(x)" for name in unary)
    return space.parse(f"@net = {form}({p}, {q})")


def test_the_first_of_equals_stands_for_them_in_a_fixed_order() -> None:
    space = small("gaaf", BLOCKS, choice=Choice(sites="net", unary=("x", "zero", "neg"), binary=("add",)))
    found = [str(genome) for _, genome in every(space)]
    # add(zero, x) is add(x, zero); add(zero, zero) and add(neg(x), x) are add(x, neg(x)), which is zero.
    assert found == [
        f"@net = add({args})" for args in ("x, x", "x, zero", "x, neg(x)", "zero, neg(x)", "neg(x), neg(x)")
    ]
    assert [str(genome) for _, genome in every(space)] == found


def test_what_is_frozen_stays_and_multiplies_nothing() -> None:
    cell = "2 = conv3(0) + max3(1); 3 = zero(0) + conv3(2)"
    counts = {}
    for name, freeze in {
        "cells": f"normal[{cell}]",
        "expressions": "@net = x",
        "both": f"normal[{cell}] @net = x",
    }.items():
        space = small(freeze=freeze)
        found = dict(every(space))
        counts[name] = genotypes(space), len(found)
        assert {key(small(), genome) for genome in found.values()} <= set(dict(every(small())))
        assert all(set(space.frozen.cells) <= set(genome.cells) for genome in found.values())
    # x, zero and neg(x) for sub: x - 0, 0 - 0, x - x, x + x, 0 - x, 0 + x, ... are 5 functions.
    assert counts["cells"] == (9, 5)
    assert counts["expressions"][0] == 3 * 3**4
    assert counts["both"] == (1, 1)


def test_two_kinds_of_cells_and_two_sites_are_combined() -> None:
    choice = Choice(sites="kind", nodes=1, offered=("conv3", "max3"), unary=("x", "sin"), binary=("mul",))
    space = small(template=STACK, choice=choice)
    assert genotypes(space) == 4 * 4 * 4 * 4
    keys = {name for name, _ in every(space)}
    drawn = {key(space, space.sample(generator(seed))) for seed in range(300)}
    assert len(drawn) > 50
    assert drawn <= keys


def test_a_large_space_is_refused_in_three_parts_before_any_work() -> None:
    space = SPACES["joint"](STACK, 8)
    with pytest.raises(GenomeError) as caught:
        next(every(space))
    got = genotypes(space)
    assert str(caught.value) == (
        f"Expected a space of at most 200,000 genomes, got joint with {got:,}. "
        "Narrow it: space.freeze, space.nodes, space.offered, space.unary and space.binary."
    )
    wirings = [math.comb(node, 2) * len(space.offered[kind]) ** 2 for kind in space.kinds for node in range(2, 6)]
    assert got == math.prod(wirings) * 5324**2
    with pytest.raises(GenomeError, match="at most 2,186 genomes, got joint with 2,187"):
        next(every(small(), most=2186))
    assert next(every(small(), most=2187))
