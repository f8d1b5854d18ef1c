"""What one space takes over from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evobnn._seeding import generator
from evobnn.genome import OPERATIONS, Genome, OpSpec, parse_genome
from evobnn.spaces import ENCODING_2, PUBLISHED, Choice, Template, adapt, bats, bnas, cpnas, gaaf, joint
from evobnn.spaces.gaaf import RESNET18

DIGITS = joint(Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one"), 8)
LARGE = joint(Template(), 32)
BNAS = bnas(Template(), 32)


def test_a_genome_of_the_space_stays_as_it_is():
    kept = 0
    for seed in range(50):
        genome = DIGITS.sample(generator(seed))
        kept += adapt(DIGITS, genome, generator(0)) == genome
    assert kept == 50


ALL = {
    "joint on digits": DIGITS,
    "joint": LARGE,
    "bnas": BNAS,
    "three nodes": replace(LARGE, nodes=3),
    "encoding 2": replace(LARGE, shape=ENCODING_2),
    "bats": bats(Template(), 32),
    "cpnas": cpnas(Template(), 32),
    "gaaf": gaaf(RESNET18, 32, choice=Choice("net")),
    "gaaf per kind, encoding 2": gaaf(RESNET18, 32, choice=Choice(encoding=2)),
    "joint bats per node": joint(Template(), 32, choice=Choice("node", "bats")),
    "joint cpnas, narrowed": joint(
        Template(), 32, choice=Choice("net", "cpnas", 2, 3.0, 3, ("sep3", "max3"), ("x", "sin"), ("max", "mul"))
    ),
}


@pytest.mark.parametrize("into", list(ALL))
@pytest.mark.parametrize("start", list(ALL))
def test_whatever_comes_in_is_a_genome_of_the_space(into, start):
    checked = 0
    for seed in range(6):
        given = ALL[start].sample(generator(seed))
        found = adapt(ALL[into], given, generator(seed, "adapt"))
        ALL[into].check(found)
        assert found == given or into != start
        checked += 1
    assert checked == 6


def test_zeroise_is_dropped_where_a_node_has_too_many_inputs():
    given = parse_genome(
        "normal[2 = zero(0) + max3(1); 3 = zero(0) + max3(1) + avg3(2); 4 = max3(0) + zero(1) + zero(2) + zero(3); "
        "5 = max3(0) + max3(1) + max3(2) + zero(3) + zero(4)]"
    )
    cell = adapt(BNAS, given, generator(0)).cell_by_kind["normal"]
    kept = [" + ".join(map(str, cell.into(node))) for node in (2, 3, 4)]
    assert kept == ["zero(0) + max3(1)", "max3(1) + avg3(2)", "max3(0) + zero(3)"]
    assert len(cell.into(5)) == 2  # three pools do not fit, so this one is drawn
    back = adapt(ALL["cpnas"], given, generator(0)).cell_by_kind["normal"]
    assert back == given.cell_by_kind["normal"]


def test_expressions_go_from_nodes_to_kinds_and_to_the_whole_network():
    given = parse_genome("@normal/0 = mul(sin(x), x) @normal/3 = mul(cos(x), x) @reduction/2 = mul(tan(x), x)")
    found = [adapt(LARGE, given, generator(seed)).expression_by_site for seed in range(20)]
    assert {str(one["normal"]) for one in found} == {"mul(sin(x), x)", "mul(cos(x), x)"}
    assert {str(one["reduction"]) for one in found} == {"mul(tan(x), x)"}
    nets = {str(adapt(ALL["gaaf"], given, generator(seed)).expression_by_site["net"]) for seed in range(30)}
    assert nets == {"mul(sin(x), x)", "mul(cos(x), x)", "mul(tan(x), x)"}
    nodes = adapt(ALL["joint bats per node"], parse_genome("@net = sin(x) @normal = cos(x)"), generator(0))
    assert str(nodes.expression_by_site["normal/4"]) == "add(cos(x), zero)"
    assert str(nodes.expression_by_site["reduction/1"]) == "add(sin(x), zero)"


def test_expressions_of_a_residual_network_go_into_cells_and_back():
    start, into = ALL["gaaf per kind, encoding 2"], ALL["encoding 2"]
    given = start.sample(generator(3))
    inside = adapt(into, given, generator(0))
    assert inside.expressions == given.expressions and len(inside.cells) == 2
    assert adapt(start, inside, generator(1)) == given


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
    space = joint(Template(), 32, choice=Choice(sites="net"))
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
