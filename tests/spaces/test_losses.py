"""What is said about parts that another space does not take over, held against what `adapt` does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evobnn._seeding import generator
from evobnn.genome import Edge, parse_genome
from evobnn.spaces import (
    ENCODING_2,
    PUBLISHED,
    Choice,
    Space,
    Template,
    adapt,
    bats,
    bnas,
    cpnas,
    embed,
    gaaf,
    joint,
    simplify,
)
from evobnn.spaces.adapt import Part, parts
from evobnn.spaces.gaaf import RESNET18

DIGITS = joint(Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one"), 8)
LARGE = joint(Template(), 64)
NARROW = Choice("net", "cpnas", 1, 3.0, 3, ("sep3", "max3", "identity"), ("x", "sin"), ("max", "mul"))
ALL = {
    "joint on digits": DIGITS,
    "bnas": bnas(Template(), 64),
    "three nodes": replace(LARGE, nodes=3),
    "encoding 2": replace(LARGE, shape=ENCODING_2),
    "bats": bats(Template(), 64),
    "cpnas": cpnas(Template(), 64),
    "gaaf": gaaf(RESNET18, 32, choice=Choice("net")),
    "gaaf per kind": gaaf(RESNET18, 32, choice=Choice(encoding=2)),
    "bats per node": joint(Template(), 64, choice=Choice("node", "bats")),
    "cpnas narrowed": joint(Template(), 64, choice=NARROW),
    "cells given": joint(Template(), 64, parse_genome(f"{PUBLISHED['ebnas']}".partition(" @")[0])),
    "no reduction": joint(Template(cells=3, reductions=0), 64),
}


def live(space: Space, edges: tuple[Edge, ...]) -> set[Edge]:
    return {edge for edge in edges if not space.operations[edge.operation].nothing}


@pytest.mark.parametrize("into", ALL)
def test_what_is_said_to_be_kept_is_kept_and_what_is_said_to_be_lost_is_drawn(into: str) -> None:
    space, nodes, drawn, sites, misfits = ALL[into], 0, 0, 0, 0
    for start in ALL.values():
        for seed in range(4):
            given = start.sample(generator(seed))
            several = [adapt(space, given, generator(n)) for n in range(12)]
            rows = parts(space, given, several[0])
            assert len(rows) == sum(len({e.target for e in c.edges}) for _, c in given.cells) + len(given.expressions)
            for row in rows:
                if row.place.startswith("@"):
                    one = given.expression_by_site[row.place[1:]]
                    if row.searched and not row.why:
                        assert simplify(one) in map(simplify, several[0].expression_by_site.values())
                        sites += 1
                    elif row.searched and "room for one" not in row.why:
                        assert embed(space.shape, space.alphabet, one) is None
                        misfits += 1
                elif row.searched:
                    kind, number = row.place.split()
                    wanted = live(start, given.cell_by_kind[kind].into(int(number)))
                    same = [live(space, one.cell_by_kind[kind].into(int(number))) == wanted for one in several]
                    assert all(same) if not row.why else not all(same), (row, [str(one) for one in several])
                    nodes, drawn = nodes + (not row.why), drawn + bool(row.why)
    assert nodes > 0 or not space.free_kinds
    assert drawn > 0 or not space.free_kinds
    assert sites > 0 or not space.free_sites
    assert misfits > 0 or space.shape == ENCODING_2 or not space.free_sites


def test_a_genome_of_the_space_is_kept_as_a_whole() -> None:
    checked = 0
    for space in ALL.values():
        for seed in range(5):
            given = space.sample(generator(seed))
            rows = parts(space, given, adapt(space, given, generator(0)))
            assert not any(row.why for row in rows)
            assert sum(row.searched for row in rows) == space.nodes * len(space.free_kinds) + len(space.free_sites)
            checked += 1
    assert checked == 5 * len(ALL)


REASONS = {
    "normal[2 = zero(0) + conv5(1)]": ("joint on digits", "", True),
    "reduction[2 = zero(0) + conv5(1)]": ("joint on digits", "no conv5 in reduction cells here", True),
    "reduction[3 = dil3(0) + conv5(1)]": ("joint on digits", "no conv5 and no dil3 in reduction cells here", True),
    "normal[4 = conv3(0) + avg3(1) + max3(2)]": ("bnas", "3 inputs besides Zeroise, where this node takes 2", True),
    "normal[4 = zero(0) + avg3(1) + max3(2) + zero(3)]": ("bnas", "", True),
    "normal[4 = zero(0) + avg3(0) + max3(3)]": ("bnas", "", True),
    "normal[2 = conv3(0) + max3(0)]": ("bnas", "two edges from one node", True),
    "normal[2 = conv3(1)]": ("bnas", "", True),
    "normal[2 = sep3(1)]": ("cpnas narrowed", "1 of 2 inputs, and no Zeroise here to fill it up", True),
    "normal[6 = conv3(1) + max3(0)]": ("bnas", "cells have 4 nodes here", False),
    "normal[2 = conv3(0) + conv5(1)]": ("gaaf", "there are no cells here", False),
    "reduction[2 = conv3(0) + conv5(1)]": ("no reduction", "there are no reduction cells here", False),
    "normal[2 = max3(1) + conv3(0)]": ("cells given", "", False),
    "normal[2 = conv3(1) + max3(0)]": ("cells given", "the normal cell is given here", False),
    "@net = x": ("bnas", "", False),
    "@reduction = add(x, zero)": ("bnas", "", False),
    "@normal = sin(x)": ("bnas", "@net = x is given here", False),
    "@reduction = sin(x)": ("no reduction", "there are no such sites here", False),
    "@normal/3 = sin(x)": ("gaaf", "", True),
    "@net = max(sin(x), x)": ("cpnas narrowed", "", True),
    "@net = max(tan(x), abs(x))": ("cpnas narrowed", "no abs and no tan here", True),
    "@net = max(max(sin(x), x), mul(x, x))": (
        "cpnas narrowed", "it does not fit the shape b(u(x), u(x)) with the forms offered", True,
    ),
    "@net = sin(max(sin(x), sin(mul(x, x))))": (
        "gaaf per kind", "it does not fit the shape b(u(b(u(x), u(x))), u(x)) with the forms offered", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", REASONS)
def test_the_reason_by_hand(text: str) -> None:
    into, why, searched = REASONS[text]
    given = parse_genome(text)
    (row,) = parts(ALL[into], given, adapt(ALL[into], given, generator(0)))
    assert (row.why, row.searched) == (why, searched)
    assert str(row).replace("@", "").split(" = ")[0] in text.replace("[", " ").replace("@", "")


def test_of_two_expressions_one_site_takes_one() -> None:
    given = parse_genome("@normal = mul(sin(x), x) @reduction = mul(cos(x), x)")
    space, taken = ALL["gaaf"], set()
    for seed in range(20):
        found = adapt(space, given, generator(seed))
        lost, kept = sorted(parts(space, given, found), key=lambda row: not row.why)
        assert lost == Part(lost.place, lost.text, "@net has room for one expression, and took another", True)
        assert kept.text == str(found.expression_by_site["net"])
        taken.add(kept.text)
    assert taken == {"mul(sin(x), x)", "mul(cos(x), x)"}


def test_an_expression_for_all_that_every_kind_overrides_has_no_place() -> None:
    given = parse_genome("@net = tan(x) @normal = sin(x) @reduction = cos(x)")
    rows = parts(LARGE, given, adapt(LARGE, given, generator(0)))
    assert [(row.place, row.why) for row in rows] == [
        ("@net", "all sites here have one of their own"), ("@normal", ""), ("@reduction", ""),
    ]  # fmt: skip
