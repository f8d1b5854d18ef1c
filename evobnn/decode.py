"""Where genomes and networks meet: (space, genome, template) -> `nn.Module`. No other file knows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from evobnn.genome import Cell, Genome
from evobnn.nn import (
    FORMS,
    OPS,
    SKIPS,
    CellBlock,
    ConvStyle,
    Form,
    Head,
    Network,
    OpBuilder,
    Site,
    TreeActivation,
    preprocess,
    stem,
)
from evobnn.spaces import REDUCTION, Space, Template, canonical

DECODER_VERSION = 1
"""Part of every protocol's fingerprint; raised when the same genome begins to mean another network."""


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
    """

    template: Template
    shape: tuple[int, int, int]
    classes: int
    surrogate: str = "clipped_identity"
    clip: float = 1.0
    precision: str = "fp32"


def decode(
    space: Space,
    genome: Genome,
    surround: Surround,
    *,
    real: bool = False,
    published: bool = False,
    ops: Mapping[str, OpBuilder] = OPS,
    forms: Mapping[str, Form] = FORMS,
) -> Network:
    """Return the network of a genome, built and its weights drawn from the canonical form only.

    Arguments:
        space: says what the names mean and which nodes there are.
        genome: any genome from which the space can build.
        surround: template, images and gradient.
        real: the real-valued twin: same genome, real weights, hardtanh in place of the sign.
        published: also what the published code allocates and never uses (inputs that no edge reads), so that a
            published count of parameters can be reproduced.
        ops: builder by operation name.
        forms: how each form is computed, by name.

    Raises:
        GenomeError: the space cannot build from the genome.
        NetworkError: something cannot be built at this size.
    """
    space.check_buildable(genome)
    return build(space, canonical(space, genome), surround, real=real, published=published, ops=ops, forms=forms)


def build(
    space: Space,
    genome: Genome,
    surround: Surround,
    *,
    real: bool = False,
    published: bool = False,
    ops: Mapping[str, OpBuilder] = OPS,
    forms: Mapping[str, Form] = FORMS,
) -> Network:
    """Return the network of exactly this genome, canonical or not; `decode` is what everything else calls."""
    template = surround.template
    style = ConvStyle(template.padding, template.scale, real, surround.precision)
    channels, older, previous = template.width, template.stem_channels, template.stem_channels
    blocks: list[CellBlock] = []
    after_reduction = False
    for index, kind in enumerate(template.kinds):
        reduces = kind == REDUCTION
        channels *= 2 if reduces else 1
        skip: nn.Module | None = nn.Identity() if index else None
        if reduces:
            skip = SKIPS[template.skip](previous, space.nodes * channels)
        blocks.append(
            _cell(
                genome.cell_by_kind[kind],
                lambda number, kind=kind: _site(genome, (f"{kind}/{number}", kind), surround, real, forms),  # type: ignore[misc]
                style,
                ops,
                inputs=(older, previous),
                channels=channels,
                nodes=space.nodes,
                stride=2 if reduces else 1,
                older_is_larger=after_reduction,
                skip=skip,
                keep_unused=published,
            )
        )
        older, previous, after_reduction = previous, space.nodes * channels, reduces
    return Network(
        stem(surround.shape[0], template.stem_channels),
        blocks,
        Head(previous, surround.classes, template.head),
    )


def _site(
    genome: Genome, classes: tuple[str, ...], surround: Surround, real: bool, forms: Mapping[str, Form]
) -> Callable[[int], nn.Module]:
    """Return the builder of the sites that belong to the first of these classes that the genome names."""
    tree = genome.expression_at(*classes).nested()

    def make(channels: int) -> nn.Module:
        activation = None if tree == ("x",) else TreeActivation(tree, channels, forms)
        return Site(activation, surround.surrogate, surround.clip, real=real, precision=surround.precision)

    return make


def _cell(
    cell: Cell,
    site: Callable[[int], Callable[[int], nn.Module]],
    style: ConvStyle,
    ops: Mapping[str, OpBuilder],
    *,
    inputs: tuple[int, int],
    channels: int,
    nodes: int,
    stride: int,
    older_is_larger: bool,
    skip: nn.Module | None,
    keep_unused: bool,
) -> CellBlock:
    """Return one cell. After a reduction the older input is twice as large; its preprocessing is then a 3x3
    convolution of stride 2 whose batch norm is not affine (BNAS, CIFAR network).
    """
    read = {edge.source for edge in cell.edges}
    before: list[nn.Module | None] = [None, None]
    for number, width in enumerate(inputs):
        if number in read or keep_unused:
            larger = number == 0 and older_is_larger
            before[number] = preprocess(
                width,
                channels,
                site(number),
                style,
                kernel=3 if larger else 1,
                stride=2 if larger else 1,
                affine=not larger,
            )
    wiring = [
        (
            edge.source,
            edge.target,
            ops[edge.operation](channels, stride if edge.source < 2 else 1, site(edge.target), style),
        )
        for edge in cell.edges
    ]
    return CellBlock(before[0], before[1], wiring, nodes, skip, channels=channels, stride=stride)
