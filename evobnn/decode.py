"""Where genomes and networks meet: (space, genome, template) -> `nn.Module`. No other file knows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evobnn._checks import check_name
from evobnn.errors import NetworkError, message
from evobnn.genome import Cell, Genome
from evobnn.nn import (
    FORMS,
    MACROS,
    OPS,
    SKIPS,
    CellBlock,
    ConvStyle,
    Form,
    Head,
    Macro,
    Network,
    OpBuilder,
    Site,
    TreeActivation,
    fuse,
    resnet,
)
from evobnn.nn.binary.site import SiteBuilder
from evobnn.spaces import REDUCTION, Space, Template, canonical

DECODER_VERSION = 1
"""Part of every protocol's fingerprint; raised when the same genome begins to mean another network."""

VARIANTS = ("binary", "twin")
WEIGHTS = ("binary", "real")


@dataclass(frozen=True)
class Surround:
    """What a network depends on besides its genome.

    Attributes:
        template: how cells are stacked.
        shape: (C, H, W) of the images.
        classes: number of logits.
        surrogate: name of the gradient behind every sign.
        clip: half-width of that gradient's support.
        precision: of binary convolutions, `fp32` or `bf16`.
        shift: whether every site learns a shift per channel before its expression (see `evobnn.nn.Site`).
        kernels: `torch`, or `fused` for the fast path on CPUs (see `evobnn.nn.fast.layer`).
    """

    template: Template
    shape: tuple[int, int, int]
    classes: int
    surrogate: str = "clipped_identity"
    clip: float = 1.0
    precision: str = "fp32"
    shift: bool = False
    kernels: str = "torch"


def decode(
    space: Space,
    genome: Genome,
    surround: Surround,
    *,
    variant: str = "binary",
    published: bool = False,
    weights: str = "binary",
    ops: Mapping[str, OpBuilder] = OPS,
    forms: Mapping[str, Form] = FORMS,
    as_written: bool = False,
) -> nn.Module:
    """Return the network of a genome, built and its weights drawn from the canonical form only.

    Arguments:
        space: says what the names mean and which nodes there are.
        genome: any genome from which the space can build.
        surround: template, images and gradient.
        variant: `binary`, or `twin` for the real-valued twin: same genome, real weights, hardtanh in place of the sign.
        published: also what the published code has and makes no use of, so that published counts can be reproduced: in
            cells the preprocessing of inputs that no edge reads, which is run as well, in `resnet` five learnable
            vectors per site for encoding 1 and ten for encoding 2 (two for each unary slot, one for each binary one).
        weights: `binary`, or `real` for real weights behind binary activations, BATS's choice for the search (Bulat et
            al., ECCV 2020; section 3.3 of the fact sheet).
        ops: builder by operation name.
        forms: how each form is computed, by name.
        as_written: build from the genome as it is, canonical or not; to see what the canonical form leaves alone.

    Returns:
        A `Network`, or for the macro `resnet` a residual network; images (N, C, H, W) -> logits (N, classes).

    Raises:
        GenomeError: the space cannot build from the genome.
        NetworkError: something cannot be built at this size.
    """
    space.check_buildable(genome)
    genome = genome if as_written else canonical(space, genome)
    template = surround.template
    check_name("weights", weights, WEIGHTS, NetworkError)
    check_name("variant", variant, VARIANTS, NetworkError)
    real = variant == "twin"
    style = ConvStyle(template.padding, template.scale, real or weights == "real", surround.precision)
    vectors = _vectors(space) if published and template.macro == "resnet" else 0

    def site(*classes: str) -> SiteBuilder:
        return _site(genome, classes, surround, real, forms, vectors)

    network: nn.Module
    if template.macro == "resnet":
        channels = surround.shape[0]
        network = resnet(
            channels,
            surround.classes,
            template.width,
            template.kinds,
            lambda kind: site(kind),
            style,
            head=template.head,
        )
    else:
        check_size(template, surround.shape)
        keep_unused = published and template.skip != "none"
        network = _stack(space, genome, surround, style, site, ops, keep_unused=keep_unused)
    fuse(network, surround.kernels == "fused")
    return network


def check_size(template: Template, shape: tuple[int, int, int]) -> None:
    """Raise NetworkError where images (C, H, W) are too small for the style `imagenet`.

    Its stem divides the side by 8 and every reduction by 2; smaller maps would be halved below one pixel.
    """
    least = 8 * 2**template.reductions
    if template.style == "imagenet" and min(shape[1:]) < least:
        raise NetworkError(
            message(
                f"images of at least {least}x{least} pixels with network.style = imagenet and "
                f"{template.reductions} reductions",
                f"{shape[1]}x{shape[2]}",
                "Take network.style = cifar, fewer reductions or larger images.",
            )
        )


def _stack(
    space: Space,
    genome: Genome,
    surround: Surround,
    style: ConvStyle,
    site: Callable[..., SiteBuilder],
    ops: Mapping[str, OpBuilder],
    *,
    keep_unused: bool,
) -> Network:
    """Return stem, cells and head. In the style `imagenet` the stem has two halves, and the first cell's older input
    is one size larger, as behind a reduction.
    """
    template = surround.template
    macro, large = MACROS[template.macro], template.style == "imagenet"
    channels, older, previous = template.width, template.stem_channels, template.stem_channels
    blocks: list[CellBlock] = []
    older_is_larger = large
    for index, kind in enumerate(template.kinds):
        reduces = kind == REDUCTION
        channels *= 2 if reduces else 1
        blocks.append(
            _cell(
                genome.cell_by_kind[kind],
                lambda number, kind=kind: site(f"{kind}/{number}", kind),  # type: ignore[misc]
                style,
                ops,
                macro,
                skip=_skip(template, index, previous, space.nodes * channels),
                inputs=(older, previous),
                channels=channels,
                nodes=space.nodes,
                stride=2 if reduces else 1,
                older_is_larger=older_is_larger,
                affine=large or template.macro != "bnas",
                keep_unused=keep_unused,
            )
        )
        older, previous, older_is_larger = previous, space.nodes * channels, reduces
    if large:
        first, second = macro.large_stem(surround.shape[0], template.width)
    else:
        first, second = macro.stem(surround.shape[0], template.stem_channels), None
    return Network(first, blocks, Head(previous, surround.classes, template.head), second)


def _skip(template: Template, index: int, in_channels: int, out_channels: int) -> nn.Module | None:
    """Return the way around cell `index`: by the template's name around a reduction, the input itself around any other
    cell but the first.
    """
    if template.skip == "none":
        return None
    if template.kinds[index] == REDUCTION:
        return SKIPS[template.skip](in_channels, out_channels)
    return nn.Identity() if index else None


def _vectors(space: Space) -> int:
    """Return how many learnable vectors GAAF's code allocates at a site, used or not: scale and shift for every unary
    slot, a mix for every binary one (Li et al. 2023, section 1.1 of the fact sheet: 5 and 10).
    """
    roles = space.shape.roles()
    return 2 * roles.count("unary") + roles.count("binary")


def _site(
    genome: Genome,
    classes: tuple[str, ...],
    surround: Surround,
    real: bool,
    forms: Mapping[str, Form],
    vectors: int,
) -> SiteBuilder:
    """Return the builder of the sites that belong to the first of these classes that the genome names; where they have
    fewer than `vectors` learnable ones, the rest is allocated and not used.
    """
    tree = genome.expression_at(*classes).nested()

    def make(channels: int) -> nn.Module:
        activation = None if tree == ("x",) else TreeActivation(tree, channels, forms)
        site = Site(
            activation,
            surround.surrogate,
            surround.clip,
            real=real,
            precision=surround.precision,
            shift=surround.shift,
            channels=channels,
        )
        unused = vectors + surround.shift - sum(1 for _ in site.parameters())
        if unused > 0:
            site.register_parameter("unused", nn.Parameter(torch.zeros(unused, channels, 1, 1)))
        return site

    return make


def _cell(
    cell: Cell,
    site: Callable[[int], SiteBuilder],
    style: ConvStyle,
    ops: Mapping[str, OpBuilder],
    macro: Macro,
    *,
    skip: nn.Module | None,
    inputs: tuple[int, int],
    channels: int,
    nodes: int,
    stride: int,
    older_is_larger: bool,
    affine: bool,
    keep_unused: bool,
) -> CellBlock:
    """Return one cell. After a reduction the older input is twice as large, and its preprocessing has stride 2; that
    one's batch norm is affine only if `affine` says so (BNAS: not in the CIFAR network, in the ImageNet network).
    """
    read = {edge.source for edge in cell.edges}
    before: list[nn.Module | None] = [None, None]
    for number, width in enumerate(inputs):
        if number in read or keep_unused:
            larger = number == 0 and older_is_larger
            before[number] = macro.preprocess(
                width, channels, site(number), style, larger=larger, affine=affine or not larger
            )
    wiring = [
        (
            edge.source,
            edge.target,
            ops[edge.operation](channels, stride if edge.source < 2 else 1, site(edge.target), style),
        )
        for edge in cell.edges
    ]
    make = PublishedCell if keep_unused else CellBlock
    return make(before[0], before[1], wiring, nodes, skip, channels=channels, stride=stride)


class PublishedCell(CellBlock):
    """A cell that also runs the preprocessing of an input that no edge reads, and drops the outcome, as BNAS's code."""

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        """Return what the cell without it returns."""
        for before, value, used in zip((self.pre0, self.pre1), (s0, s1), self.used, strict=True):
            if before is not None and not used:
                before(value)
        return super().forward(s0, s1)
