"""The cheapest and the dearest genome of a space really are, in what the decoder builds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from evobnn._seeding import generator
from evobnn.decode import Surround, decode
from evobnn.genome import OPERATIONS, OpSpec, parse_genome
from evobnn.nn import profile
from evobnn.spaces import (
    Alphabet,
    Choice,
    Space,
    Template,
    bats,
    bnas,
    canonical,
    cheapest,
    cpnas,
    gaaf,
    joint,
    key,
    lost_signal,
)
from evobnn.spaces.gaaf import RESNET18

DIGITS = Template(cells=2, width=16, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
DEEP = Template(cells=5, width=4, reductions=2, skip="none", stem=3)


def cost(space, genome, template, size=8):
    with torch.device("meta"):
        return profile(decode(space, genome, Surround(template, (1, size, size), 10)), (1, size, size))


def binary_macs(space, genome, template, size):
    """Return the binary multiply-accumulates of the cells the logits depend on: 1x1 (3x3 after a reduction, in BNAS's
    stack) for every input in use, then the edges.
    """
    cells = canonical(space, genome).cell_by_kind
    large = template.style == "imagenet"
    side = -(-size // 8) if large else size
    inputs, channels, larger = [template.stem_channels] * 2, template.width, large
    costs, reads = [], []
    for index, kind in enumerate(template.kinds):
        before, used = side, {edge.source for edge in cells[kind].edges}
        if kind == "reduction":
            channels, side = 2 * channels, -(-side // 2)
        taps = 9 if larger and template.macro == "bnas" else 1
        total = sum(before**2 * channels * inputs[n] * (taps if n == 0 else 1) for n in (0, 1) if n in used)
        for edge in cells[kind].edges:
            spec = space.operations[edge.operation]
            stride = 2 if kind == "reduction" and edge.source < 2 else 1
            if spec.name in ("skip", "identity"):
                per_pixel = channels**2 if stride == 2 else 0
            elif spec.name.startswith("sep"):
                per_pixel = spec.kernel**2 * channels + channels**2
            else:
                parts = max(n for n in range(1, 13) if channels % n == 0) if spec.name.startswith("g") else 1
                per_pixel = spec.binary * spec.kernel**2 * channels**2 // parts
            total += side**2 * per_pixel
        skip = template.skip != "none" and (kind == "reduction" or index > 0)
        costs.append(total)
        reads.append([n for n in (0, 1) if n in used or (n == 1 and (skip or not used))])
        inputs, larger = [inputs[1], space.nodes * channels], kind == "reduction"
    live = {len(costs) - 1}
    for index in range(len(costs) - 1, -1, -1):
        if index in live:
            live |= {index - 2 + n for n in reads[index]}
    return sum(costs[index] for index in live if index >= 0)


SPACES = {
    "joint": (joint, DIGITS, Choice()),
    "bnas": (bnas, Template(cells=3, width=8, reductions=1), Choice()),
    "bats": (bats, replace(DEEP, macro="bats", width=12), Choice()),
    "bats of width 7": (bats, replace(DEEP, macro="bats", width=7), Choice()),
    "bats, skip or convolution": (bats, replace(DEEP, macro="bats", cells=3), Choice(offered=("skip", "gconv3"))),
    "cpnas": (cpnas, replace(DEEP, macro="cpnas", cells=3, reductions=1), Choice()),
    "cpnas of width 1": (cpnas, replace(DEEP, macro="cpnas", cells=1, width=1, reductions=0), Choice()),
    "cpnas, narrow": (cpnas, replace(DEEP, macro="cpnas", width=2), Choice(offered=("zero", "sep3", "identity"))),
    "joint bats in BNAS's stack": (joint, replace(DIGITS, cells=4), Choice("net", "bats", encoding=2)),
    "joint cpnas per node": (joint, replace(DIGITS, width=6), Choice("node", "cpnas")),
    "for large images": (
        joint,
        Template(cells=2, width=8, reductions=1, skip="none", stem=1, style="imagenet"),
        Choice(),
    ),
}


@pytest.mark.parametrize("name", list(SPACES))
def test_no_genome_costs_less_or_more_than_the_extremes(name):
    make, template, choice = SPACES[name]
    size = 64 if template.style == "imagenet" else 16
    space = make(template, size, choice=choice)
    for least in cheapest(space, template):
        space.check(least)
        assert not lost_signal(space, template, least)
    low = min(binary_macs(space, least, template, size) for least in cheapest(space, template))
    high = binary_macs(space, space.extremes()[1], template, size)
    rng, looked = generator(8), 0
    sparse, dense = replace(space, gamma=0.03), replace(space, gamma=100.0)  # nearly all Zeroise, and hardly any
    for turn in range(100):
        for draw in (space, sparse, dense):
            genome = draw.sample(rng)
            if lost_signal(space, template, genome):
                continue  # never measured, and may be cheaper
            found = binary_macs(space, genome, template, size)
            assert low <= found <= high
            looked += 1
            if turn == 0:
                assert cost(space, genome, template, size).binary_macs == found
    assert looked >= 100


def test_storage_lies_between_the_extremes_of_the_joint_space():
    space, rng, looked = joint(DIGITS, 8), generator(7), 0
    low, high = (cost(space, genome, DIGITS) for genome in space.extremes())
    assert high.ops / low.ops >= 4
    while looked < 20:
        genome = space.sample(rng)
        if not lost_signal(space, DIGITS, genome):
            found = cost(space, genome, DIGITS)
            assert low.ops <= found.ops <= high.ops
            assert low.bits <= found.bits <= high.bits
            assert low.parameters <= found.parameters <= high.parameters
            looked += 1


def test_the_extremes_of_the_joint_space():
    space = joint(DIGITS, 8)
    least, most = space.extremes()
    space.check(least)
    space.check(most)
    assert str(least.cell_by_kind["normal"]).startswith("2 = zero(0) + avg3(1); 3 = zero(0) + zero(1);")
    assert {edge.operation for edge in least.cell_by_kind["reduction"].edges} == {"zero"}
    assert {edge.operation for edge in most.cell_by_kind["normal"].edges} == {"conv5"}
    assert {edge.operation for edge in most.cell_by_kind["reduction"].edges} == {"conv3"}
    assert str(least.expression_by_site["normal"]) == "add(x, zero)"
    assert str(most.expression_by_site["normal"]) == "mix(scale(x), scale(x))"  # three numbers per channel
    assert lost_signal(space, DIGITS, least) == lost_signal(space, DIGITS, most) == ""


def test_without_skips_every_cell_must_carry_the_image():
    space = cpnas(replace(DEEP, macro="cpnas"), 16)
    least, most = space.extremes(0, 1)
    live = {kind: [str(edge) for edge in canonical(space, least).cell_by_kind[kind].edges] for kind in space.kinds}
    assert live == {"normal": ["identity(0)"], "reduction": ["avg3(1)"]}  # there, identity is two convolutions
    assert all(len(cell.edges) == 14 for _, cell in most.cells)


def test_which_operation_is_dearest_depends_on_the_channels():
    """Two convolutions of 25 C + C^2 and one of 25 C^2 multiply-accumulates: equal at 25/24 channels."""
    wide, narrow = (
        cpnas(Template(cells=1, width=width, reductions=0, macro="cpnas", skip="none"), 32) for width in (2, 1)
    )
    assert {edge.operation for edge in wide.extremes()[1].cell_by_kind["normal"].edges} == {"cdil5"}
    assert {edge.operation for edge in narrow.extremes()[1].cell_by_kind["normal"].edges} == {"sep5"}
    assert wide.work("normal", "sep5", 0) == 32 * 32 * (25 * 2 + 2 * 2)
    assert narrow.work("normal", "cdil5", 0) == 32 * 32 * 25


def test_work_is_summed_over_all_cells_of_a_kind_and_knows_their_stride():
    space = bats(Template(cells=4, width=24, reductions=1, skip="none", macro="bats"), 8)  # kinds N N R N
    assert space.maps == (("normal", 24, 8), ("normal", 24, 8), ("reduction", 48, 4), ("normal", 48, 4))
    assert space.work("normal", "gconv3", 0) == (2 * 64 * 24**2 + 16 * 48**2) * 9 // 12
    assert space.work("reduction", "skip", 1) == 16 * 48**2
    assert space.work("reduction", "skip", 2) == space.work("normal", "skip", 1) == 0


def test_the_extremes_of_expressions_alone():
    space = gaaf(replace(RESNET18, cells=2, width=4, reductions=1), 8, choice=Choice(sites="net"))
    least, most = space.extremes()
    assert (str(least), str(most)) == ("@net = add(x, zero)", "@net = mix(scale(x), scale(x))")
    template = replace(RESNET18, cells=2, width=4, reductions=1)
    low, high = (cost(space, genome, template) for genome in (least, most))
    assert low.ops == high.ops  # no function changes what is convolved
    rng, looked = generator(9), 0
    for _ in range(40):
        found = cost(space, space.sample(rng), template)
        assert low.other <= found.other <= high.other
        assert low.bits <= found.bits <= high.bits
        looked += 1
    assert looked == 40


@pytest.mark.parametrize(
    ("unary", "binary", "least", "most"),
    [
        (("x", "sin", "zero"), ("mul", "add"), "add(x, zero)", "mul(sin(x), sin(x))"),
        (("sin", "cos"), ("mul",), "mul(sin(x), sin(x))", "mul(sin(x), cos(x))"),
        (("x", "sin"), ("mul", "max"), "max(x, x)", "mul(sin(x), sin(x))"),
        (("scale", "const"), ("mix", "mul"), "mul(scale(x), scale(x))", "mix(scale(x), scale(x))"),
        (("const",), ("sub",), "sub(const, const)", "sub(const, const)"),
    ],
)
def test_the_extremes_of_narrowed_alphabets(unary, binary, least, most):
    space = replace(gaaf(RESNET18, 32, choice=Choice(sites="net")), alphabet=Alphabet(unary, binary))
    assert [str(genome.expression_by_site["net"]) for genome in space.extremes()] == [least, most]
    for genome in space.extremes():
        space.check(genome)


def test_frozen_parts_stay_in_the_extremes():
    frozen = parse_genome("normal[2 = conv3(0)] @normal = sin(x)")
    for genome in joint(DIGITS, 8, frozen).extremes():
        assert genome.cell_by_kind["normal"] == frozen.cell_by_kind["normal"]
        assert str(genome.expression_by_site["normal"]) == "sin(x)"
        assert len(genome.cell_by_kind["reduction"].edges) == 8


def test_an_operation_without_kernel_need_not_be_zeroise():
    """An identity looks at one pixel, has no work, and is not nothing."""
    operations = {**OPERATIONS, "id": OpSpec("id", 0, "identity")}
    space = Space(
        "toy", "none", ("normal",), {"normal": ("id", "zero", "conv3")}, operations=operations, sites=("net",)
    )
    least = space.extremes()[0]
    assert str(least.cell_by_kind["normal"]).startswith("2 = zero(0) + id(1); 3 = zero(0) + zero(1)")
    assert lost_signal(space, Template(cells=1, reductions=0), least) == ""
    assert key(space, least) != key(space, least.with_cell("normal", space.extremes()[1].cell_by_kind["normal"]))
