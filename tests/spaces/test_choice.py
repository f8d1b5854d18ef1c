"""What a user may choose of a space, what it becomes, and what is refused."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from evobnn._seeding import generator
from evobnn.errors import ExperimentError, GenomeError
from evobnn.genome import (
    BATS_OPERATIONS,
    BNAS_OPERATIONS,
    CPNAS_OPERATIONS,
    FORMS,
    OPERATIONS,
    Expression,
    FormSpec,
    Genome,
    OpSpec,
    X,
    parse_genome,
)
from evobnn.spaces import ENCODING_1, ENCODING_2, Choice, Space, Template, bats, bnas, cpnas, gaaf, joint
from evobnn.spaces.gaaf import RESNET18

LARGE = Template(cells=2, reductions=1)  # at 64 pixels no operation is too large
DIGITS = Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one", stem=1)


@pytest.mark.parametrize(
    ("topology", "names", "degrees"),
    [
        ("bnas", BNAS_OPERATIONS, [2, 2, 2, 2]),
        ("bats", BATS_OPERATIONS, [2, 2, 2, 2]),
        ("cpnas", CPNAS_OPERATIONS, [2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize(("encoding", "shape"), [(1, ENCODING_1), (2, ENCODING_2)])
@pytest.mark.parametrize("sites", ["net", "kind", "node"])
def test_the_joint_space_has_any_topology_encoding_and_sites(topology, names, degrees, encoding, shape, sites):
    space = joint(LARGE, 64, choice=Choice(sites, topology, encoding))
    assert space.offered == {"normal": names, "reduction": names}
    assert [space.degree(node) for node in space.own_nodes] == degrees
    assert space.shape == shape
    nodes = [f"{kind}/{node}" for kind in ("normal", "reduction") for node in range(6)]
    assert list(space.sites) == {"net": ["net"], "kind": ["normal", "reduction"], "node": nodes}[sites]
    genome = space.sample(generator(0))
    space.check(genome)
    assert len(genome.expressions) == len(space.sites)


def test_nothing_chosen_is_the_joint_space_as_it_was():
    space = joint(DIGITS, 8)
    assert space == joint(DIGITS, 8, None, Choice())
    assert (space.nodes, space.inputs, space.gamma, space.sites) == (4, 2, 1.0, ("normal", "reduction"))
    assert len(space.alphabet.unary) == 22 and len(space.alphabet.binary) == 11


def test_operations_forms_and_nodes_can_be_narrowed():
    space = joint(LARGE, 64, choice=Choice(nodes=2, offered=("conv3", "zero"), unary=("sin", "x"), binary=("mul",)))
    assert space.offered["normal"] == ("zero", "conv3")  # in the space's order
    assert (space.alphabet.unary, space.alphabet.binary, list(space.own_nodes)) == (("x", "sin"), ("mul",), [2, 3])
    assert bnas(LARGE, 64, choice=Choice(offered=("max3",), nodes=1)).offered["normal"] == ("max3",)
    assert gaaf(RESNET18, 32, choice=Choice(unary=("x",))).alphabet.unary == ("x",)
    assert space.candidates == ("zero", "conv3")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"sites": "nodes"}, "space.sites.*Did you mean 'node'"),
        ({"topology": "bnass"}, "space.topology.*Did you mean 'bnas'"),
        ({"encoding": 3}, "space.encoding 1 or 2, got 3"),
        ({"gamma": 0.0}, "space.gamma between"),
        ({"gamma": float("nan")}, "space.gamma between"),
        ({"nodes": 0}, "space.nodes to be a whole number of at least 1"),
        ({"nodes": 51}, "space.nodes between 1 and 50"),
        ({"offered": ("zero", "zero")}, "different names in space.offered"),
        ({"unary": ("x", "x")}, "different names in space.unary"),
        ({"binary": ("add", "add")}, "different names in space.binary"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(settings, match):
    with pytest.raises(ExperimentError, match=match):
        Choice(**settings)


CELLS = replace(LARGE, skip="none")
RESNET = replace(RESNET18, cells=2, width=8, reductions=1)


@pytest.mark.parametrize(
    ("make", "template", "settings", "match"),
    [
        (bnas, CELLS, {"sites": "node"}, "space.sites = kind or net in the space bnas, got node"),
        (bnas, CELLS, {"encoding": 2}, "space.encoding = 1 in the space bnas, got 2"),
        (bnas, CELLS, {"unary": ("x",)}, "space.unary = the default in the space bnas, got x"),
        (bnas, CELLS, {"topology": "bats"}, "space.topology = bnas in the space bnas, got bats"),
        (bats, CELLS, {"topology": "cpnas"}, "space.topology = bnas or bats in the space bats"),
        (bats, CELLS, {"binary": ("add", "mul")}, "in the space bats, got add, mul"),
        (cpnas, CELLS, {"encoding": 2}, "in the space cpnas"),
        (gaaf, RESNET, {"sites": "node"}, "space.sites = kind or net in the space gaaf, got node"),
        (gaaf, RESNET, {"gamma": 3.0}, "space.gamma = 1.0 in the space gaaf"),
        (gaaf, RESNET, {"nodes": 3}, "space.nodes = 4 in the space gaaf"),
        (gaaf, RESNET, {"offered": ("zero",)}, "space.offered"),
        (gaaf, RESNET, {"topology": "bats"}, "space.topology"),
        (gaaf, CELLS, {}, "residual blocks for the space gaaf, got macro = bnas. Set network.macro = resnet"),
        (bnas, RESNET, {}, "a template with cells for the space bnas, got macro = resnet"),
        (joint, RESNET, {"topology": "cpnas"}, "a template with cells for the space joint"),
        (bnas, CELLS, {"offered": ("conv33",)}, "choice for space.offered.*Did you mean 'conv3'"),
        (bats, CELLS, {"offered": ("conv3",)}, "Did you mean 'gconv3'"),
        (joint, CELLS, {"unary": ("sinn",)}, "choice for space.unary.*Did you mean 'sin'"),
        (gaaf, RESNET, {"binary": ("sin",)}, "choice for space.binary"),
    ],
)
def test_a_choice_that_the_space_cannot_honour_is_refused(make, template, settings, match):
    with pytest.raises(ExperimentError, match=match):
        make(template, 64, choice=Choice(**settings))


def test_operations_that_fit_no_map_are_refused_in_words():
    with pytest.raises(ExperimentError, match="fits the 8x8 maps of normal cells, got only dil5. Offer a smaller one"):
        bnas(DIGITS, 8, choice=Choice(offered=("dil5",)))


@pytest.mark.parametrize("make", [bnas, bats, cpnas, joint])
def test_a_space_that_offers_nothing_but_zeroise_is_refused(make):
    told = f"something among those offered by the space {make.name}, got only zero. Add one to space.offered"
    for frozen in (None, parse_genome("normal[2 = zero(0)]")):
        with pytest.raises(ExperimentError, match=told):
            make(CELLS, 64, frozen, Choice(offered=("zero",)))
    given = parse_genome("normal[2 = zero(0)] reduction[2 = zero(0)]")
    assert make(CELLS, 64, given, Choice(offered=("zero",))).free_kinds == ()
    assert make(CELLS, 64, choice=Choice(offered=("max3",))).candidates == ("max3",)


def test_a_space_of_ones_own_is_refused_without_an_operation_and_kept_where_maps_alone_leave_none():
    with pytest.raises(ExperimentError, match="the space own, got none"):
        Space("own", "", ("normal",), {"normal": ()})
    with pytest.raises(ExperimentError, match="the space own, got only zero"):
        Space("own", "", ("normal",), {"normal": ("zero",)})
    assert Space("own", "", ("normal",), {"normal": ("zero",)}, candidates=("zero", "conv3")).offered["normal"]


def test_gamma_divides_the_probability_of_zeroise_and_leaves_the_rest_equal():
    space = bnas(LARGE, 64, choice=Choice(gamma=3.0))
    rng, counts = generator(1), dict.fromkeys(BNAS_OPERATIONS, 0)
    for _ in range(300):
        for edge in space.sample(rng).cell_by_kind["normal"].edges:
            counts[edge.operation] += 1
    total = sum(counts.values())
    assert total == 2400
    # weights 1/3 and six times 1: 126 and 379 of 2,400 expected, standard deviations 11 and 18
    assert 80 < counts.pop("zero") < 175, counts
    assert all(300 < count < 455 for count in counts.values()), counts


def test_gamma_renormalises_over_what_is_left():
    space = bnas(LARGE, 64, choice=Choice(gamma=3.0))
    rng, drawn = generator(2), []
    for _ in range(1200):
        drawn.append(space.pick_operation(("zero", "conv3"), rng))
    assert 240 < drawn.count("zero") < 360  # a quarter: (1/3) / (1 + 1/3); standard deviation 15
    assert {space.pick_operation(("zero",), rng) for _ in range(9)} == {"zero"}


def test_without_gamma_the_generator_is_used_as_for_a_uniform_draw():
    one, other = generator(3), generator(3)
    space = bnas(LARGE, 64)
    for _ in range(20):
        assert space.pick_operation(BNAS_OPERATIONS, one) == BNAS_OPERATIONS[int(other.integers(7))]
    assert one.bit_generator.state == other.bit_generator.state


OWN_OPERATIONS = {**OPERATIONS, "conv7": OpSpec("conv7", 7, "own", binary=True, zero_preserving=False)}
OWN_FORMS = {**FORMS, "tanh": FormSpec("tanh", 1, "tanh p"), "hypot": FormSpec("hypot", 2, "own", commutes=True)}


def test_operations_and_forms_of_ones_own_are_offered_as_well():
    space = joint(LARGE, 64, operations=OWN_OPERATIONS, forms=OWN_FORMS)
    assert space.offered["normal"] == (*BNAS_OPERATIONS, "conv7")
    assert (space.alphabet.unary[-1], space.alphabet.binary[-1]) == ("tanh", "hypot")
    seen = "".join(str(space.sample(generator(seed))) for seed in range(60))
    assert all(f"{name}(" in seen for name in ("conv7", "tanh", "hypot"))
    genome = space.sample(generator(0))
    assert space.parse(str(genome)) == genome
    for make in (bnas, bats, cpnas):
        assert make(LARGE, 64, operations=OWN_OPERATIONS).offered["normal"][-1] == "conv7"
    assert "conv7" not in joint(LARGE, 8, operations=OWN_OPERATIONS).offered["reduction"]  # too large for 4x4
    assert gaaf(RESNET, 8, forms=OWN_FORMS).alphabet.unary[-1] == "tanh"
    narrowed = joint(LARGE, 64, choice=Choice(offered=("conv7",), unary=("tanh",)), operations=OWN_OPERATIONS,
                     forms=OWN_FORMS)  # fmt: skip
    assert (narrowed.offered["normal"], narrowed.alphabet.unary) == (("conv7",), ("tanh",))


@pytest.mark.parametrize(
    ("operations", "forms", "match"),
    [
        ({"conv7": OWN_OPERATIONS["conv7"]}, FORMS, "'zero' in the table, got a table without it"),
        ({**OPERATIONS, "conv 7": OpSpec("conv 7", 7, "own")}, FORMS, "a name of letters, digits"),
        ({**OPERATIONS, "conv7": OpSpec("conv9", 7, "own")}, FORMS, "'conv7' for 'conv9'. Rename it"),
        (OPERATIONS, {**FORMS, "three": FormSpec("three", 3, "own")}, "at most two arguments, got three of 3"),
        (OPERATIONS, {**FORMS, "a-b": FormSpec("a-b", 1, "own")}, "a name of letters, digits"),
    ],
)
def test_tables_that_no_genome_can_be_written_with_are_refused(operations, forms, match):
    with pytest.raises(ExperimentError, match=match):
        joint(LARGE, 64, operations=operations, forms=forms)


def test_a_frozen_class_of_sites_that_is_not_there_is_refused_at_once():
    for make, template in ((bnas, LARGE), (joint, LARGE), (gaaf, RESNET)):
        with pytest.raises(GenomeError, match="Did you mean 'normal'"):
            make(template, 64, Genome.of({}, {"nrmal": X}))
    with pytest.raises(GenomeError, match=r"no cells in the space gaaf, got normal\[...\]. Leave it out"):
        gaaf(RESNET, 64, parse_genome("normal[2 = conv3(0)]"))
    with pytest.raises(GenomeError, match="class of sites"):
        gaaf(RESNET, 64, Genome.of({}, {"normal/2": X}))
    frozen = Genome.of({}, {"normal": X, "reduction": Expression("sin", (X,))})
    assert bnas(LARGE, 64, frozen).free_sites == ()
    assert bnas(LARGE, 64, frozen).sample(generator(0)).expressions == frozen.expressions


def test_every_field_of_a_choice_is_refused_or_honoured_by_every_space():
    """A new field must not be ignored by a space that knows nothing of it."""
    other = {"sites": "node", "topology": "cpnas", "encoding": 2, "gamma": 2.0, "nodes": 3, "offered": ("max3",),
             "unary": ("x",), "binary": ("add",)}  # fmt: skip
    assert set(other) == {one.name for one in fields(Choice)}
    refused = {make.name: set() for make in (bnas, bats, cpnas, gaaf, joint)}
    for make, template in ((bnas, LARGE), (bats, LARGE), (cpnas, LARGE), (gaaf, RESNET), (joint, LARGE)):
        for name, value in other.items():
            try:
                space = make(template, 64, choice=Choice(**{name: value}))
            except ExperimentError:
                refused[make.name].add(name)
            else:
                assert space != make(template, 64) or (name, make) == ("topology", cpnas)
    assert refused == {
        "bnas": {"sites", "topology", "encoding", "unary", "binary"},
        "bats": {"sites", "topology", "encoding", "unary", "binary"},
        "cpnas": {"sites", "encoding", "unary", "binary"},
        "gaaf": {"sites", "topology", "gamma", "nodes", "offered"},
        "joint": set(),
    }
