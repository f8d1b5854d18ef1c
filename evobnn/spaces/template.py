"""How cells become a network: the template, fields of the protocol."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn._checks import check_at_least, check_between, check_name
from evobnn.errors import ExperimentError, message

NORMAL, REDUCTION = "normal", "reduction"
MACROS = ("bnas", "bats", "cpnas", "resnet")
STYLES = ("cifar", "imagenet")
SKIPS = ("published", "free", "none")
SCALES = ("none", "mean", "xnor", "bnas", "standardised", "learnable")
DOWNSAMPLED = 3
"""Stride-2 convolutions in the stem of the style `imagenet` (BNAS, section 2.2 of the fact sheet)."""


@dataclass(frozen=True)
class Template:
    """How cells become a network: fields of the protocol.

    Attributes:
        cells: number of cells in the stack; of residual blocks where the macro is `resnet`.
        width: channels of each node of the first cells; a reduction cell doubles it.
        reductions: number of reduction cells, at floor(i * cells / (reductions + 1)), i = 1, 2, ...
        skip: of reduction cells: `published` (batch norm and a real 2x2 convolution of stride 2 with bias) or `free`
            (average pooling and channel repeat, no parameters), while normal cells add the previous cell's output; or
            `none`: neither kind has one.
        padding: of binary convolutions: `zero` (a third value at the borders) or `minus_one`.
        scale: of binary weights: `none`; `mean` (of `|w|` per filter); `xnor`, `bnas` or `standardised` (IR-Net),
            as published, with gradients of their own; or `learnable`. Formulas: `evobnn.nn.binary.weights`.
        stem: channels behind the real-valued stem, in multiples of `width`, rounded to a whole number of them.
        head: the last map is averaged to head x head values per channel before the real-valued linear layer; 1 is the
            published global average. On small centred images, where a stroke is says much, and 1 forgets it.
        macro: what surrounds the operations, stem and preprocessing of a cell's inputs: that of `bnas`, `bats` or
            `cpnas`; or `resnet`, residual blocks instead of cells (Li et al. 2023, section 1.2 of the fact sheet).
        style: `cifar` (stem and cells at the images' size) or `imagenet` (three real stride-2 convolutions come first,
            and the stack begins as if a reduction had come before).

    >>> from evobnn.spaces import Template
    >>> Template(cells=3, reductions=1).kinds
    ('normal', 'reduction', 'normal')
    """

    cells: int = 20
    width: int = 36
    reductions: int = 2
    skip: str = "published"
    padding: str = "zero"
    scale: str = "mean"
    stem: float = 3.0
    head: int = 1
    macro: str = "bnas"
    style: str = "cifar"

    def __post_init__(self) -> None:
        check_at_least("network.cells", self.cells, 1)
        check_at_least("network.width", self.width, 1)
        check_between("network.stem", self.stem, 1.0 / self.width, 100.0)
        check_at_least("network.head", self.head, 1)
        check_at_least("network.reductions", self.reductions, 0)
        if self.cells <= self.reductions:
            check_at_least("network.cells", self.cells, self.reductions + 1)
        check_name("network.skip", self.skip, SKIPS)
        check_name("network.padding", self.padding, ("zero", "minus_one"))
        check_name("network.scale", self.scale, SCALES)
        check_name("network.macro", self.macro, MACROS)
        check_name("network.style", self.style, STYLES)
        if self.macro == "resnet":
            self._check_only("network.macro = resnet", {"skip": "none", "stem": 1, "style": "cifar"})
        elif self.style == "imagenet":
            self._check_only("network.style = imagenet", {"stem": 1})

    def _check_only(self, setting: str, wanted: dict[str, object]) -> None:
        """Raise ExperimentError where a field has a value that a network of this setting has no place for."""
        wrong = {name: value for name, value in wanted.items() if getattr(self, name) != value}
        if wrong:
            needed = ", ".join(f"{name} = {value}" for name, value in wrong.items())
            got = ", ".join(f"{name} = {getattr(self, name)}" for name in wrong)
            raise ExperimentError(message(f"network.{needed} with {setting}", got, "Set it so."))

    @property
    def stem_channels(self) -> int:
        """Channels behind the stem."""
        return max(1, round(self.width * self.stem))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of every cell in the stack, in order."""
        at = {i * self.cells // (self.reductions + 1) for i in range(1, self.reductions + 1)}
        return tuple(REDUCTION if i in at else NORMAL for i in range(self.cells))

    def maps(self, size: int) -> tuple[tuple[str, int, int], ...]:
        """Return (kind, channels of a node, side in pixels) of every cell's output, for images of this side."""
        found: list[tuple[str, int, int]] = []
        channels = self.width
        for _ in range(DOWNSAMPLED if self.style == "imagenet" else 0):
            size = -(-size // 2)
        for kind in self.kinds:
            if kind == REDUCTION:
                size, channels = -(-size // 2), 2 * channels
            found.append((kind, channels, size))
        return tuple(found)

    def smallest_maps(self, size: int) -> dict[str, int]:
        """Return, by kind, the side in pixels of the smallest map a cell of it works on, for images of this side."""
        found: dict[str, int] = {}
        for kind, _, side in self.maps(size):
            found[kind] = min(side, found.get(kind, side))
        return found
