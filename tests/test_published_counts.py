"""What published networks cost, to the printed digit: nothing is trained, everything is on the meta device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from evobnn.cli.portrait import show
from evobnn.decode import Surround, decode
from evobnn.errors import NetworkError
from evobnn.experiment.settings import Experiment, SpaceSettings
from evobnn.genome import Genome, parse_expression
from evobnn.nn import NetworkCost, profile
from evobnn.runs.subject import Subject
from evobnn.spaces import PUBLISHED, Choice, Template, bnas, gaaf
from evobnn.spaces.bnas import CIFAR, IMAGENET
from evobnn.spaces.gaaf import RESNET18, genotype_1, genotype_2

CIFAR_IMAGES = (3, 32, 32), 10
IMAGENET_IMAGES = (3, 224, 224), 1000


def on_meta(space, genome, template: Template, shape, classes: int, **how) -> nn.Module:
    with torch.device("meta"):
        return decode(space, genome, Surround(template, shape, classes), **how)


@dataclass(frozen=True)
class Row:
    """A row of the fact sheet's table of BNAS networks: parameters and binary MACs in millions, OPs in 1e8."""

    name: str
    template: Template
    genome: str
    images: tuple[tuple[int, int, int], int]
    parameters: float
    binary_macs: int
    without_skip: float
    with_skip: float

    def cost(self) -> NetworkCost:
        shape, classes = self.images
        space = bnas(self.template, shape[1])
        return profile(
            on_meta(space, PUBLISHED[self.genome], self.template, shape, classes, published=True),
            shape,
        )


ROWS = (
    Row("A", CIFAR, "bnas-cifar10", CIFAR_IMAGES, 5.578, 697, 0.14, 0.99),
    Row("C", replace(CIFAR, cells=16, width=108), "bnas-cifar10", CIFAR_IMAGES, 42.361, 5_028, 0.88, 8.52),
    Row("D", replace(IMAGENET, cells=12, width=64), "bnas-imagenet", IMAGENET_IMAGES, 28.408, 2_932, 1.44, 3.50),
    Row("F", IMAGENET, "bnas-imagenet", IMAGENET_IMAGES, 39.781, 4_180, 1.76, 4.08),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_of_the_table_within_its_rounding(row: Row) -> None:
    cost = row.cost()
    assert round(cost.parameters / 1e6, 3) == row.parameters
    assert round(cost.binary_macs / 1e6) == row.binary_macs
    assert round(cost.ops_without_skips / 1e8, 2) == row.without_skip
    assert round(cost.ops / 1e8, 2) == row.with_skip
    assert cost.ops - cost.ops_without_skips == cost.skip_macs > 0


@pytest.mark.parametrize(("name", "logged"), [("A", 5_578_252), ("F", 39_781_442)])
def test_the_counts_that_the_authors_logged_to_the_last_one(name: str, logged: int) -> None:
    cost = next(row for row in ROWS if row.name == name).cost()
    assert cost.parameters == logged


def skip_macs(width: int, cells: Sequence[int], side: int, first: int) -> int:
    """Return the MACs of the real 2x2 convolutions around the reduction cells: each maps to four wider nodes."""
    total, channels = 0, first
    for number, index in enumerate(cells):
        before = channels if index == 0 else 4 * width * 2**number
        side //= 2
        total += side * side * before * (4 * width * 2 ** (number + 1)) * 4
    return total


def test_the_skip_is_that_of_the_two_reduction_cells() -> None:
    assert ROWS[0].cost().skip_macs == skip_macs(36, (6, 13), 32, 108)
    assert ROWS[3].cost().skip_macs == skip_macs(68, (5, 10), 28, 68)


def test_what_the_published_code_runs_in_vain_is_counted_only_where_it_is_asked_for() -> None:
    shape, classes = CIFAR_IMAGES
    live = profile(on_meta(bnas(CIFAR, 32), PUBLISHED["bnas-cifar10"], CIFAR, shape, classes), shape)
    whole = ROWS[0].cost()
    before = {144: 32, 288: 16}  # channels and side of what reduction cells get as input 1, which no edge reads
    products = [channels * channels // 2 for channels in before]  # 1x1, to the width of the wider nodes
    assert whole.parameters - live.parameters == sum(products) + 2 * sum(before)
    macs = sum(side * side * product for side, product in zip(before.values(), products, strict=True))
    assert whole.binary_macs - live.binary_macs == macs
    assert whole.real_macs == live.real_macs
    assert whole.ops - live.ops == macs / 64


# --- ImageNet style -------------------------------------------------------------------------------------------------


def test_the_imagenet_network_starts_as_if_a_reduction_had_come_before() -> None:
    shape, classes = IMAGENET_IMAGES
    network = on_meta(bnas(IMAGENET, 224), PUBLISHED["bnas-imagenet"], IMAGENET, shape, classes)
    strides = [cell.pre0.conv.stride for cell in network.cells]
    assert strides == [2 if index in (0, 6, 11) else 1 for index in range(15)]
    kernels = [cell.pre0.conv.kernel for cell in network.cells]
    assert kernels == [3 if stride == 2 else 1 for stride in strides]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 60
    assert all(norm.affine for norm in norms)
    sides = {}
    network.stem.register_forward_hook(lambda _, __, out: sides.update(s0=tuple(out.shape[1:])))
    network.second.register_forward_hook(lambda _, __, out: sides.update(s1=tuple(out.shape[1:])))
    network.cells[-1].register_forward_hook(lambda _, __, out: sides.update(last=tuple(out.shape[1:])))
    with torch.device("meta"):
        assert network.eval()(torch.empty(1, *shape)).shape == (1, 1000)
    assert sides == {"s0": (68, 56, 56), "s1": (68, 28, 28), "last": (4 * 4 * 68, 7, 7)}


@pytest.mark.parametrize(("reductions", "least"), [(0, 8), (1, 16), (2, 32)])
def test_images_too_small_for_the_imagenet_style_are_refused_with_the_least_side(reductions: int, least: int) -> None:
    template = replace(IMAGENET, cells=3, width=4, reductions=reductions)
    space = bnas(template, 224)
    genome = PUBLISHED["bnas-imagenet"]
    assert on_meta(space, genome, template, (3, least, least), 10).training
    with pytest.raises(NetworkError, match=f"at least {least}x{least} pixels.* got {least}x{least - 1}"):
        on_meta(space, genome, template, (3, least, least - 1), 10)


# --- GAAF's ResNet-18 -----------------------------------------------------------------------------------------------

STAGES = (64, 128, 256, 512)


def resnet_weights(width: int) -> int:
    """Return the binary weights of the residual blocks: two 3x3 each, and 1x1 where the width doubles."""
    total, before = 0, width
    for factor in (1, 2, 4, 8):
        own = factor * width
        total += 9 * before * own + 3 * 9 * own * own + (before * own if before != own else 0)
        before = own
    return total


def resnet_site_channels(width: int) -> int:
    """Return the sum of channels over the 19 sites, each those of the convolution's input."""
    total, before = 0, width
    for factor in (1, 2, 4, 8):
        own = factor * width
        total += before + 3 * own + (before if before != own else 0)
        before = own
    return total


def resnet_norms(width: int) -> int:
    """Return the channels of all affine norms: behind the stem, behind every binary convolution."""
    return width + sum((4 + (factor > 1)) * factor * width for factor in (1, 2, 4, 8))


def resnet_parameters(width: int) -> int:
    """Return what the ResNet-18 learns without any function before its signs."""
    return 27 * width + 2 * resnet_norms(width) + resnet_weights(width) + (8 * width + 1) * 10


def resnet_cost(expression, encoding: int = 1, width: int = 64, **how) -> NetworkCost:
    template = replace(RESNET18, width=width)
    shape, classes = CIFAR_IMAGES
    space = gaaf(template, 32, choice=Choice(sites="net", encoding=encoding))
    genome = Genome.of({}, {"net": expression})
    return profile(on_meta(space, genome, template, shape, classes, **how), shape)


@pytest.mark.parametrize("width", [64, 8])
def test_the_resnet_of_gaaf_by_closed_form(width: int) -> None:
    cost = resnet_cost(parse_expression("x"), width=width)
    assert cost.parameters == resnet_parameters(width)
    sides = (32, 16, 8, 4)
    macs, before = 0, width
    for factor, side in zip((1, 2, 4, 8), sides, strict=True):
        own = factor * width
        macs += side * side * (9 * before * own + 27 * own * own + (before * own if before != own else 0))
        before = own
    assert cost.binary_macs == macs
    assert cost.real_macs == 32 * 32 * 27 * width + 8 * width * 10
    assert cost.skip_macs == 0
    assert cost.ops == cost.ops_without_skips == cost.real_macs + macs / 64
    kept = 27 * width + (8 * width + 1) * 10 + 2 * (3 + resnet_norms(width))
    assert cost.bits == resnet_weights(width) + 32 * kept
    if width == 64:
        assert cost.parameters == 11_173_962  # the number that a plain ResNet-18 for CIFAR-10 is known by
    signs = [layer for layer in cost.layers if layer.kind == "sign"]
    assert len(signs) == 19


VECTORS = {1: 5, 2: 10}
ONE = {  # a vector of encoding 1, and how many learnable vectors its expression uses at each site
    (0, 1, 0): 0,  # x
    (6, 0, 2): 0,  # sin(x) x
    (19, 0, 2): 1,
    (19, 20, 0): 2,
    (21, 6, 10): 2,  # a constant and sine, mixed
    (19, 20, 10): 3,
}
TWO = {
    (0, 1, 0, 1, 0, 0): 0,
    (6, 0, 7, 0, 2, 2): 0,
    (19, 20, 19, 20, 10, 10): 6,
    (21, 6, 20, 0, 0, 10): 3,
}


@pytest.mark.parametrize(("vector", "used"), [*ONE.items(), *TWO.items()])
def test_learnable_vectors_of_a_site_used_and_unused(vector: tuple[int, ...], used: int) -> None:
    encoding = 1 if len(vector) == 3 else 2
    expression = genotype_1(*vector) if encoding == 1 else genotype_2(*vector)
    live = resnet_cost(expression, encoding)
    published = resnet_cost(expression, encoding, published=True)
    channels = resnet_site_channels(64)
    assert channels == 3_840
    assert live.parameters == resnet_parameters(64) + used * channels
    assert published.parameters == resnet_parameters(64) + VECTORS[encoding] * channels
    assert (live.bits, live.ops, live.other) == (published.bits, published.ops, published.other)


# --- What a person is shown -----------------------------------------------------------------------------------------

GROUPED = "normal[2 = gconv3(0) + skip(1); 3 = gconv3(1) + max3(2)] reduction[2 = max3(0) + skip(1)] @net = x"


def shown(capsys: pytest.CaptureFixture[str], space: str, template: Template, genome: str) -> str:
    show(Subject(genome, Experiment(space=SpaceSettings(name=space), network=template), None))
    text = capsys.readouterr().out
    assert text
    return text


def test_both_sums_of_ops_are_shown_where_there_is_a_real_skip(capsys: pytest.CaptureFixture[str]) -> None:
    small = replace(CIFAR, cells=3, width=8, reductions=1)
    text = shown(capsys, "bnas", small, str(PUBLISHED["bnas-cifar10"]))
    assert "without the real-valued convolutions around reduction cells (131,072 MACs)" in text
    assert 4 * 4 * (4 * 8) * (4 * 16) * 4 == 131_072
    assert "third value at the borders" in text and "+ the cell before (published skip)" in text
    free = shown(capsys, "bnas", replace(small, skip="free", padding="minus_one"), str(PUBLISHED["bnas-cifar10"]))
    assert "without the real-valued" not in free and "third value" not in free
    none = shown(capsys, "bnas", replace(small, skip="none"), str(PUBLISHED["bnas-cifar10"]))
    assert "without the real-valued" not in none and "+ the cell before" not in none


def test_groups_are_shown_for_every_width(capsys: pytest.CaptureFixture[str]) -> None:
    template = Template(cells=2, width=10, reductions=1, skip="none", scale="none", macro="bats")
    text = " ".join(shown(capsys, "bats", template, GROUPED).split())
    assert "gconv3, gconv5, gdil3, gdil5 (largest divisor up to 12): 10 of 10, 10 of 20" in text
    assert "bats cells of width 10" in text
    assert "groups" not in shown(capsys, "bnas", CIFAR, str(PUBLISHED["bnas-cifar10"]))


def test_the_vectors_that_the_code_of_gaaf_allocates_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "gaaf", replace(RESNET18, cells=2, width=8, reductions=1), "@net = sin(x)")
    assert "1 normal, 1 reduction residual blocks of width 8" in text and "third value" in text
    assert f"5,122; {5_122 + 5 * (8 * 4 + 16):,} as the published code allocates them" in text
