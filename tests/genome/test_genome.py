"""Genomes, cells and expressions as values: frozen, hashable, printed the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from evobnn.genome import Cell, Edge, Expression, Genome, X, parse_expression, parse_genome

TEXT = (
    "normal[2 = conv3(0) + max3(1); 3 = dil5(2) + zero(0)] reduction[2 = avg3(1)] @normal = mul(sin(x), x) "
    "@reduction = x"
)


def test_printing():
    assert str(parse_genome(TEXT)) == TEXT
    assert str(X) == "x"
    assert str(Expression("mul", (Expression("sin", (X,)), X))) == "mul(sin(x), x)"
    assert (
        str(Cell((Edge(2, 3, "conv3"), Edge(0, 2, "zero"), Edge(1, 3, "max3"))))
        == "2 = zero(0); 3 = conv3(2) + max3(1)"
    )
    assert str(Cell(())) == str(Genome()) == ""


def test_order_of_cells_sites_and_nodes_plays_no_part_but_that_of_edges_does():
    there = "reduction[3 = max3(0); 2 = conv3(0) + max3(1)] @b = x normal[2 = zero(0)] @a = zero"
    back = "@a = zero @b = x normal[2 = zero(0)] reduction[2 = conv3(0) + max3(1); 3 = max3(0)]"
    assert parse_genome(there) == parse_genome(back)
    assert hash(parse_genome(there)) == hash(parse_genome(back))
    assert parse_genome("a[2 = conv3(0) + max3(1)]") != parse_genome("a[2 = max3(1) + conv3(0)]")


def test_edges_may_be_given_as_plain_tuples():
    assert Cell(((0, 2, "conv3"),)) == Cell((Edge(0, 2, "conv3"),))
    assert Cell(((0, 2, "conv3"),)).edges[0].operation == "conv3"


@pytest.mark.parametrize(
    ("value", "attribute"),
    [(Genome(), "cells"), (Cell(()), "edges"), (X, "form"), (Edge(0, 2, "conv3"), "source")],
)
def test_nothing_can_be_changed(value, attribute):
    before = hash(value)
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(value, attribute, ())
    assert hash(value) == before


def test_the_dictionaries_of_a_genome_are_copies():
    genome = parse_genome(TEXT)
    genome.cell_by_kind.clear()
    genome.expression_by_site["normal"] = X
    assert str(genome) == TEXT


def test_a_change_is_a_new_value():
    genome = parse_genome(TEXT)
    assert str(genome.with_cell("reduction", Cell(()))) == TEXT.replace("2 = avg3(1)", "")
    assert str(genome.with_expression("reduction", Expression("zero"))) == TEXT.replace(
        "@reduction = x", "@reduction = zero"
    )
    cell = genome.cell_by_kind["normal"]
    assert str(cell.with_node(2, (Edge(1, 2, "avg3"),))) == "2 = avg3(1); 3 = dil5(2) + zero(0)"
    assert cell.into(3) == (Edge(2, 3, "dil5"), Edge(0, 3, "zero"))
    assert cell.into(4) == ()
    assert str(genome) == TEXT


def test_equal_genomes_are_one_member_of_a_set():
    assert len({parse_genome(TEXT), parse_genome(TEXT), parse_genome(TEXT).with_expression("normal", X)}) == 2


def test_the_expression_of_a_site_is_that_of_the_narrowest_class():
    genome = parse_genome("@net = sin(x) @normal = cos(x) @normal/3 = atan(x)")
    found = [
        str(genome.expression_at(f"{kind}/{node}", kind)) for kind, node in [("normal", 3), ("normal", 2), ("b", 2)]
    ]
    assert found == ["atan(x)", "cos(x)", "sin(x)"]
    assert parse_genome("@normal = cos(x)").expression_at("reduction/2", "reduction") == X  # the plain sign


def test_trees_as_nodes_and_as_nested_tuples():
    tree = parse_expression("mix(scale(x), zero)")
    assert [node.form for node in tree.nodes()] == ["mix", "scale", "x", "zero"]
    assert tree.nested() == ("mix", ("scale", ("x",)), ("zero",))


KEYS = """
from evobnn._seeding import generator
from evobnn.spaces import Template, joint, key
space = joint(Template(cells=2, reductions=1, skip="free", padding="minus_one"), 8)
genomes = [space.sample(generator(seed)) for seed in range(40)]
print(*genomes, *(key(space, genome) for genome in genomes), *(hash(str(genome)) for genome in genomes[:1]), sep="\\n")
"""


def test_genomes_and_keys_are_the_same_under_every_hash_seed():
    found = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", KEYS], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        found.append(done.stdout.splitlines())
    assert len(found[0]) == 81
    assert found[0][:80] == found[1][:80]
    assert found[0][80] != found[1][80]  # the seeds did reach the processes
