"""What one space takes over from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evobnn._seeding import generator
from evobnn.genome import OPERATIONS, Genome, OpSpec, parse_genome
from evobnn.spaces import ENCODING_2, PUBLISHED, Template, adapt, bnas, joint

DIGITS = joint(Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one"), 8)
LARGE = joint(Template(), 32)
BNAS = bnas(Template(), 32)


def test_a_genome_of_the_space_stays_as_it_is():
    kept = 0
    for seed in range(50):
        genome = DIGITS.sample(generator(seed))
        kept += adapt(DIGITS, genome, generator(0)) == genome
    assert kept == 50


@pytest.mark.parametrize("into", [DIGITS, LARGE, BNAS, replace(LARGE, shape=ENCODING_2)])
@pytest.mark.parametrize("start", [DIGITS, LARGE, BNAS, replace(LARGE, nodes=3), replace(LARGE, shape=ENCODING_2)])
def test_whatever_comes_in_is_a_genome_of_the_space(into, start):
    checked = 0
    for seed in range(20):
        into.check(adapt(into, start.sample(generator(seed)), generator(seed, "adapt")))
        checked += 1
    assert checked == 20


def test_nodes_that_are_allowed_are_kept_and_others_drawn():
    given = parse_genome(
        "normal[2 = conv3(0) + max3(1); 3 = dil5(0) + zero(2); 4 = conv3(3); 5 = zero(0) + max3(0)] @net = add(x, zero)"
    )
    found = adapt(DIGITS, given, generator(0))
    cell = found.cell_by_kind["normal"]
    assert cell.into(2) == given.cell_by_kind["normal"].into(2)
    assert "dil5" not in {edge.operation for edge in cell.into(3)}  # not offered on 8x8
    assert " + ".join(map(str, cell.into(4))) == "zero(0) + conv3(3)"  # filled up with Zeroise
    assert len({edge.source for edge in cell.into(5)}) == 2
    assert found.expression_by_site == dict.fromkeys(DIGITS.sites, parse_genome("@a = add(x, zero)").expressions[0][1])


def test_plain_sign_of_published_cells_becomes_an_expression_that_is_x():
    found = adapt(LARGE, PUBLISHED["bnas-cifar10"], generator(0))
    for kind, cell in PUBLISHED["bnas-cifar10"].cells:
        assert sorted(found.cell_by_kind[kind].edges) == sorted(cell.edges)
    assert len(found.cells) == 2
    assert {str(expression) for expression in found.expression_by_site.values()} == {"add(x, zero)"}


def test_topology_from_one_and_expressions_from_another():
    cells = Genome(LARGE.sample(generator(1)).cells)
    expressions = Genome(expressions=LARGE.sample(generator(2)).expressions)
    assert adapt(LARGE, Genome(cells.cells, expressions.expressions), generator(0)).cells == cells.cells
    drawn = {adapt(LARGE, cells, generator(seed)).expressions for seed in range(5)}
    assert len(drawn) == 5  # nothing said about them, so they are drawn
    assert {adapt(LARGE, expressions, generator(seed)).expressions for seed in range(5)} == {expressions.expressions}


def test_frozen_parts_stay_frozen():
    frozen = parse_genome(f"{Genome(PUBLISHED['bnas-imagenet'].cells[:1])} @reduction = sin(x)")
    space = joint(Template(), 32, frozen)
    found = adapt(space, LARGE.sample(generator(0)), generator(0))
    assert found.cell_by_kind["normal"] == PUBLISHED["bnas-imagenet"].cell_by_kind["normal"]
    assert str(found.expression_by_site["reduction"]) == "sin(x)"


def test_one_expression_for_all_is_one_of_those_that_were_there():
    space = joint(Template(), 32, sites="net")
    given = parse_genome("@normal = mul(sin(x), x) @reduction = mul(cos(x), x)")
    found = {str(adapt(space, given, generator(seed)).expression_by_site["net"]) for seed in range(30)}
    assert found == {"mul(sin(x), x)", "mul(cos(x), x)"}


def test_a_class_nothing_was_said_about_is_drawn():
    given = parse_genome("@normal = mul(sin(x), x)")
    found = [adapt(LARGE, given, generator(seed)).expression_by_site for seed in range(5)]
    assert {str(expressions["normal"]) for expressions in found} == {"mul(sin(x), x)"}
    assert len({expressions["reduction"] for expressions in found}) == 5


def test_nodes_are_filled_up_with_zeroise_only():
    operations = {**OPERATIONS, "id": OpSpec("id", 0, "identity")}
    space = replace(LARGE, operations=operations, offered=dict.fromkeys(LARGE.kinds, ("id", "conv3", "zero")))
    found = adapt(space, parse_genome("normal[2 = conv3(0)]"), generator(0))
    assert " + ".join(map(str, found.cell_by_kind["normal"].into(2))) == "conv3(0) + zero(1)"
    without = replace(LARGE, offered=dict.fromkeys(LARGE.kinds, ("conv3", "max3")))
    without.check(adapt(without, parse_genome("normal[2 = conv3(0)]"), generator(0)))
