"""Genomes as (place, choice) pairs: which places a space has, and what a genome chose there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evobnn.genome import Genome, parse_genome
from evobnn.spaces import Choice, Space, Template, cpnas, gaaf, joint
from evobnn.spaces.loci import edge_loci, loci, slot_loci

TEXT = (
    "normal[2 = conv3(0) + max3(1); 3 = zero(0) + conv5(2); 4 = avg3(1) + dil3(3); 5 = conv3(3) + zero(4)] "
    "reduction[2 = max3(0) + max3(1); 3 = max3(0) + conv3(1); 4 = zero(2) + zero(3); 5 = avg3(1) + max3(4)] "
    "@normal = mul(sin(x), x) @reduction = add(x, zero)"
)


def test_every_edge_of_the_searched_cells_is_a_place(tiny_space: Space) -> None:
    places = edge_loci(tiny_space)
    assert len(places) == len(set(places)) == 2 * (2 + 3 + 4 + 5)
    assert places[:6] == ("normal/0>2", "normal/1>2", "normal/0>3", "normal/1>3", "normal/2>3", "normal/0>4")
    assert places[-1] == "reduction/4>5"


def test_every_slot_of_the_searched_expressions_is_a_place(tiny_space: Space) -> None:
    assert slot_loci(tiny_space) == tuple(f"@{site}/{slot}" for site in ("normal", "reduction") for slot in range(3))


def test_what_a_genome_chose_stands_beside_the_place(tiny_space: Space) -> None:
    assert loci(tiny_space, tiny_space.parse(TEXT)) == (
        ("normal/0>2", "conv3"),
        ("normal/0>3", "zero"),
        ("normal/1>2", "max3"),
        ("normal/1>4", "avg3"),
        ("normal/2>3", "conv5"),
        ("normal/3>4", "dil3"),
        ("normal/3>5", "conv3"),
        ("normal/4>5", "zero"),
        ("reduction/0>2", "max3"),
        ("reduction/0>3", "max3"),
        ("reduction/1>2", "max3"),
        ("reduction/1>3", "conv3"),
        ("reduction/1>5", "avg3"),
        ("reduction/2>4", "zero"),
        ("reduction/3>4", "zero"),
        ("reduction/4>5", "max3"),
        ("@normal/0", "mul"),
        ("@normal/1", "sin"),
        ("@normal/2", "x"),
        ("@reduction/0", "add"),
        ("@reduction/1", "x"),
        ("@reduction/2", "zero"),
    )


def test_places_of_drawn_genomes_are_places_of_the_space(rng: np.random.Generator) -> None:
    template = replace(Template(cells=2, width=2, reductions=1), skip="free")
    spaces = [
        joint(template, 32, choice=Choice(sites="node", encoding=2)),
        joint(template, 32, choice=Choice(sites="net", topology="cpnas")),
        cpnas(template, 32),
        gaaf(Template(cells=2, width=4, reductions=1, skip="none", stem=1, macro="resnet"), 32),
    ]
    looked = 0
    for space in spaces:
        known = {*edge_loci(space), *slot_loci(space)}
        for _ in range(20):
            found = [place for place, _ in loci(space, space.sample(rng))]
            assert len(set(found)) == len(found)
            assert set(found) <= known
            edges = sum(not place.startswith("@") for place in found)
            assert edges == len(space.free_kinds) * sum(space.degree(node) for node in space.own_nodes)
            assert len(found) - edges == len(slot_loci(space))
            looked += 1
    assert looked == 80


def test_what_is_frozen_is_no_place(tiny_space: Space) -> None:
    genome = tiny_space.parse(TEXT)
    frozen = Genome((("normal", genome.cell_by_kind["normal"]),), (("reduction", genome.expression_at("reduction")),))
    space = replace(tiny_space, frozen=frozen)
    assert {place.partition("/")[0] for place in edge_loci(space)} == {"reduction"}
    assert slot_loci(space) == ("@normal/0", "@normal/1", "@normal/2")
    assert [place for place, _ in loci(space, genome) if place[0] in "n@"] == list(slot_loci(space))
    everything = replace(tiny_space, frozen=genome)
    assert edge_loci(everything) == slot_loci(everything) == loci(everything, genome) == ()


def test_an_expression_without_the_shape_is_one_choice(tiny_space: Space) -> None:
    text = TEXT.partition("@")[0] + "@normal = sin(cos(sin(x))) @reduction = add(x, x)"
    found = dict(loci(tiny_space, tiny_space.parse(text)))
    assert {place: form for place, form in found.items() if "@n" in place} == {"@normal/0": "sin(cos(sin(x)))"}


def test_an_expression_said_for_a_wider_class_counts_where_it_holds(tiny_space: Space) -> None:
    genome = parse_genome(TEXT.partition("@")[0] + "@net = max(x, sin(x))")
    found = dict(loci(tiny_space, genome))
    assert [found[place] for place in slot_loci(tiny_space)] == ["max", "x", "sin"] * 2
