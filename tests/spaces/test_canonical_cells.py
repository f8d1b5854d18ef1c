"""Rules I, J, K by hand: cells, sites and keys, and which networks carry the image to the logits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evobnn._seeding import generator
from evobnn.genome import OPERATIONS, OpSpec, parse_genome
from evobnn.spaces import PUBLISHED, Choice, Template, canonical, gaaf, joint, key, lost_signal, prune
from evobnn.spaces.canonical import sites_of
from evobnn.spaces.gaaf import RESNET18

TEMPLATE = Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one")
SPACE = joint(TEMPLATE, 8)


def pruned(text):
    return str(prune(parse_genome(f"c[{text}]").cell_by_kind["c"], OPERATIONS))


@pytest.mark.parametrize(
    ("rule", "raw", "kept"),
    [
        ("I: by source", "2 = max3(1) + conv3(0)", "2 = conv3(0) + max3(1)"),
        ("I: by operation", "2 = max3(0) + conv3(0)", "2 = conv3(0) + max3(0)"),
        ("I: twice is twice", "2 = conv3(0) + conv3(0)", "2 = conv3(0) + conv3(0)"),
        ("J: Zeroise", "2 = zero(0) + conv3(1); 3 = zero(2) + zero(0)", "2 = conv3(1)"),
        ("J: pools of an empty node", "2 = zero(0); 3 = max3(2) + avg3(0)", "3 = avg3(0)"),
        ("J: all the way down", "2 = zero(0); 3 = max3(2); 4 = avg3(3) + max3(2); 5 = conv3(0)", "5 = conv3(0)"),
        ("J: of a node that has no text", "3 = max3(2) + conv3(0)", "3 = conv3(0)"),
        (
            "J: a convolution of zeros is not zero",
            "2 = zero(0); 3 = conv3(2); 4 = max3(3)",
            "3 = conv3(2); 4 = max3(3)",
        ),
        ("J: inputs are never zero", "2 = max3(0) + avg3(1)", "2 = max3(0) + avg3(1)"),
    ],
)
def test_rules_for_cells(rule, raw, kept):
    assert pruned(raw) == kept, rule
    assert pruned(kept) == kept


def test_pruning_asks_the_table_what_an_operation_does_with_zeros():
    table = {**OPERATIONS, "id": OpSpec("id", 0, "identity"), "one": OpSpec("one", 0, "ones", zero_preserving=False)}
    cell = parse_genome("c[2 = id(0); 3 = zero(0); 4 = id(3) + one(3)]", table).cell_by_kind["c"]
    assert str(prune(cell, table)) == "2 = id(0); 4 = one(3)"


def test_skip_and_identity_of_an_empty_node_are_dropped_and_convolutions_are_not():
    assert pruned("2 = zero(0); 3 = skip(2) + identity(2); 4 = identity(3) + gconv3(1)") == "4 = gconv3(1)"
    names = ("gconv3", "gconv5", "gdil3", "gdil5", "cdil3", "cdil5", "sep3", "sep5")
    for name in names:
        assert pruned(f"2 = zero(0); 3 = {name}(2)") == f"3 = {name}(2)"


def test_skip_and_identity_have_sites_where_they_halve_the_map():
    cell = parse_genome("c[2 = skip(1) + max3(0); 3 = identity(0); 4 = skip(2); 5 = identity(3)]").cell_by_kind["c"]
    assert sites_of("normal", cell, OPERATIONS) == ["normal/0", "normal/1"]
    assert sites_of("reduction", cell, OPERATIONS) == ["reduction/0", "reduction/1", "reduction/2", "reduction/3"]


def test_sites_are_inputs_in_use_and_nodes_with_binary_edges():
    cell = parse_genome("c[2 = conv3(1) + max3(1); 3 = avg3(2); 4 = dil3(2) + conv3(3)]").cell_by_kind["c"]
    assert sites_of("c", cell, OPERATIONS) == ["c/1", "c/2", "c/4"]


CELLS = "normal[2 = conv3(0); 3 = conv3(1)] reduction[4 = max3(1)]"  # sites: normal/0, /1, /2, /3 and reduction/1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("@net = x", "@net = x"),
        ("", "@net = x"),  # nothing said is the plain sign
        ("@normal = x @reduction = x", "@net = x"),
        ("@net = zero @normal = x @reduction = x", "@net = x"),  # nobody is left for net
        ("@normal = sin(x) @reduction = x", "@normal = sin(x) @reduction = x"),
        ("@normal = sin(x)", "@normal = sin(x) @reduction = x"),
        ("@net = sin(x) @normal/2 = sin(x)", "@net = sin(x)"),
        ("@net = sin(x) @normal/2 = x", "@normal = sin(x) @normal/2 = x @reduction = sin(x)"),
        ("@net = sin(x) @normal/4 = x", "@net = sin(x)"),  # node 4 has no binary edge
        ("@net = sin(x) @reduction/4 = x", "@net = sin(x)"),
        ("@net = add(x, zero) @reduction = x", "@net = x"),  # equal once simplified
        ("@net = add(x, sin(x)) @reduction = add(sin(x), x)", "@net = add(sin(x), x)"),
    ],
)
def test_rule_k_says_an_expression_for_the_widest_class(said, kept):
    found = canonical(SPACE, parse_genome(f"{CELLS} {said}"))
    assert str(found) == f"{CELLS} {kept}"
    assert canonical(SPACE, found) == found


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("@normal/0 = sin(x) @normal/1 = sin(x) @normal/2 = sin(x) @normal/3 = sin(x)",
         "@normal = sin(x) @reduction = x"),
        ("@normal/0 = sin(x) @normal/1 = x @normal/2 = sin(x) @normal/3 = sin(x)",
         "@normal = sin(x) @normal/1 = x @reduction = x"),
        ("@normal/0 = x @normal/5 = sin(x) @reduction/0 = sin(x)", "@net = x"),  # nobody is there
    ],
)  # fmt: skip
def test_rule_k_widens_what_is_said_per_node(said, kept):
    space = joint(TEMPLATE, 8, choice=Choice("node"))
    found = canonical(space, parse_genome(f"{CELLS} {said}"))
    assert str(found) == f"{CELLS} {kept}"
    assert canonical(space, found) == found
    assert canonical(space, space.parse(str(found))) == found


def test_every_kind_of_residual_block_has_sites():
    space = gaaf(RESNET18, 32)
    for said, kept in (
        ("@net = add(x, zero)", "@net = x"),
        ("@normal = sin(x)", "@normal = sin(x) @reduction = x"),
        ("@normal = sin(x) @reduction = add(zero, sin(x))", "@net = sin(x)"),
        ("normal[2 = conv3(0)] @net = sin(x)", "@net = sin(x)"),  # a cell has no place
    ):
        assert str(canonical(space, parse_genome(said))) == kept
    one = gaaf(replace(RESNET18, reductions=0), 32)
    assert str(canonical(one, parse_genome("@normal = sin(x) @reduction = x"))) == "@net = sin(x)"


def test_a_network_without_any_site_has_no_expression():
    found = canonical(SPACE, parse_genome("normal[2 = zero(0)] reduction[] @net = sin(x)"))
    assert str(found) == "normal[] reduction[]"


def test_canonical_forms_stay_and_can_be_built():
    seen = 0
    for seed in range(300):
        once = canonical(SPACE, SPACE.sample(generator(seed)))
        assert canonical(SPACE, once) == once
        assert SPACE.parse(str(once)) == once
        seen += 1
    assert seen == 300


def test_a_key_is_16_hexadecimal_digits_that_never_change():
    found = key(SPACE, parse_genome(f"{CELLS} @net = x"))
    assert found == "dbb8c22da69a4706"  # of the SHA-256 of the canonical text; stored in populations
    assert found == key(SPACE, parse_genome("normal[3 = conv3(1); 2 = conv3(0) + zero(1)] reduction[4 = max3(1)]"))


FIRST = "normal[2 = conv3(0) + max3(1); 3 = zero(0); 4 = conv3(3)] reduction[2 = max3(0)] @net = scale(x)"


@pytest.mark.parametrize(
    "other",
    [
        FIRST.replace("scale(x)", "x"),
        FIRST.replace("scale(x)", "shift(x)"),
        FIRST.replace("scale(x)", "scale(scale(x))"),
        FIRST.replace("2 = conv3(0) + max3(1); 3 = zero(0)", "2 = zero(0); 3 = conv3(0) + max3(1)"),  # nodes swapped
        FIRST.replace("2 = conv3(0) + max3(1)", "2 = conv3(1) + max3(0)"),  # inputs swapped
        FIRST.replace("4 = conv3(3)", "4 = zero(3)"),  # a convolution of zeros is not zero
        FIRST.replace("4 = conv3(3)", "5 = conv3(3)"),
        FIRST.replace("2 = max3(0)", "2 = avg3(0)"),
        FIRST.replace("conv3(0)", "dil3(0)"),
        FIRST.replace("conv3(0)", "conv3(0) + conv3(0)"),
        FIRST.replace("@net", "@normal"),
        FIRST.replace("normal[", "c[").replace("reduction[", "normal[").replace("c[", "reduction["),
    ],
)
def test_what_is_another_network_has_another_key(other):
    assert other != FIRST
    assert key(SPACE, parse_genome(other)) != key(SPACE, parse_genome(FIRST))


def test_x_scale_and_shift_have_three_keys():
    assert len({key(SPACE, parse_genome(f"{CELLS} @net = {text}")) for text in ("x", "scale(x)", "shift(x)")}) == 3


def test_the_published_cells_prune_to_two_and_six_edges():
    found = canonical(SPACE, PUBLISHED["bnas-cifar10"])
    assert str(found) == "normal[2 = dil3(0); 3 = conv3(1)] reduction[2 = max3(0); 3 = max3(0)] @net = x"
    kept = canonical(SPACE, PUBLISHED["bnas-imagenet"]).cell_by_kind
    assert [len(kept[kind].edges) for kind in ("normal", "reduction")] == [8, 8]


@pytest.mark.parametrize(
    ("normal", "reduction", "lost"),
    [
        ("2 = conv3(0)", "", False),  # the reduction's skip carries on
        ("5 = max3(1)", "2 = zero(0)", False),
        ("", "2 = conv3(1)", True),  # cell 0 has no skip: the reduction sees zeros
        ("", "2 = conv3(0)", False),  # its older input is the stem
        ("2 = zero(0); 3 = conv3(2)", "2 = conv3(1)", True),  # a convolution of zeros is a constant
        ("2 = zero(0); 3 = conv3(2) + max3(0)", "", False),
        ("2 = zero(0) + zero(1); 3 = max3(2)", "", True),
    ],
)
def test_a_path_leads_from_the_image_to_the_logits_or_not(normal, reduction, lost):
    genome = parse_genome(f"normal[{normal}] reduction[{reduction}] @net = x")
    assert bool(lost_signal(SPACE, TEMPLATE, genome)) is lost


@pytest.mark.parametrize(
    ("normal", "reduction", "lost"),
    [
        ("2 = conv3(0)", "2 = conv3(1)", False),
        ("2 = conv3(0)", "", True),  # nothing leads around the reduction
        ("", "2 = conv3(0)", False),  # its older input is the stem
        ("", "2 = conv3(1)", True),
        ("2 = skip(0)", "2 = identity(1)", False),
    ],
)
def test_without_skips_every_cell_on_the_way_must_pass_something_on(normal, reduction, lost):
    genome = parse_genome(f"normal[{normal}] reduction[{reduction}] @net = x")
    assert bool(lost_signal(SPACE, replace(TEMPLATE, skip="none"), genome)) is lost


def test_residual_blocks_lose_nothing():
    space = gaaf(RESNET18, 32)
    assert lost_signal(space, RESNET18, parse_genome("@net = zero")) == ""


def test_deeper_stacks_lose_the_signal_in_cell_0_only():
    deep = Template(cells=5, reductions=1)
    space = replace(SPACE, kinds=("normal", "reduction"))
    assert lost_signal(space, deep, parse_genome("normal[] reduction[2 = conv3(1)]"))
    assert not lost_signal(space, deep, parse_genome("normal[2 = max3(0)] reduction[]"))
    assert lost_signal(
        joint(Template(cells=1, reductions=0), 8), Template(cells=1, reductions=0), parse_genome("normal[]")
    )
