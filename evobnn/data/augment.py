"""Augmentations by name: parts joined by hyphens, each a function of a whole batch and a generator.

    none        the batch itself
    shiftN      pad N pixels of 0 on each side and crop at random (N >= 1)
    flip        mirror left to right, every other image
    cutoutN     blank out a square of N pixels at a random place, which may hang over the border
    jitterP     brightness, contrast and saturation, each times a factor from 1 - P/100 to 1 + P/100 (P from 1 to 100)

    auto        what suits the data set, see `suited`; another text stands in its place before any training

`shift4-flip-cutout8` does the three one after the other. All take and return uint8 of shape (N, C, H, W) on any device;
numbers are drawn from a generator on the CPU, so that they do not depend on the device. `mixup` stands apart, for it
changes targets too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from evobnn._checks import check_between
from evobnn._seeding import generator as numpy_generator
from evobnn.data.batches import Augmentation, flip, shift, unchanged
from evobnn.data.suited import AUTO, MOST, is_auto
from evobnn.errors import ExperimentError, closest, message

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def cutout(batch: Tensor, pixels: int, generator: torch.Generator, fill: Tensor | None = None) -> Tensor:
    """Fill a square of `pixels` x `pixels` in each image with `fill`, grey values of shape (C,), or with 0.

    DeVries and Taylor 2017, section 3: the centre is uniform over the image, so that part of the square may lie
    outside; it covers rows centre - pixels // 2 to centre - pixels // 2 + pixels - 1, columns likewise. Two draws of
    shape (N,): rows first, columns second. They fill normalised images with 0, which is `fill` = mean here.
    """
    count, channels, height, width = batch.shape
    rows, columns = (
        torch.randint(0, length, (count,), generator=generator).to(batch.device) - pixels // 2
        for length in (height, width)
    )
    inside = _between(rows, pixels, height)[:, None, :, None] & _between(columns, pixels, width)[:, None, None, :]
    colour = torch.zeros(channels) if fill is None else fill.round()
    return torch.where(inside, colour.to(batch.device, batch.dtype)[:, None, None], batch)


def jitter(batch: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of each image by factors b, c, s in 1 ± share, in this order.

        x <- b x,    x <- m + c (x - m),    x <- g + s (x - g)

    g is the grey value of a pixel (`LUMA`), m the mean of g over the image. Computed in float32, held to [0, 255] after
    each step, rounded (half to even) at the end. Images of other than three channels have no saturation, and g is the
    mean of their channels. One draw, (N, 3) or (N, 2).
    """
    coloured = batch.shape[1] == 3
    drawn = torch.rand((len(batch), 3 if coloured else 2), generator=generator)
    factors = (1 + share * (2 * drawn - 1)).to(batch.device)[:, :, None, None, None]
    brightness, contrast, *saturation = factors.unbind(1)
    x = (batch.to(torch.float32) * brightness).clamp(0, 255)
    mean = _grey(x).mean((1, 2, 3), keepdim=True)
    x = (mean + contrast * (x - mean)).clamp(0, 255)
    for factor in saturation:
        grey = _grey(x)
        x = (grey + factor * (x - grey)).clamp(0, 255)
    return x.round().to(batch.dtype)


def mixup(
    images: Tensor, labels: Tensor, classes: int, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return lambda x + (1 - lambda) x' and the same mixture of one-hot targets, x' a permutation of the batch.

    Zhang et al. 2018, section 2, with one lambda ~ Beta(alpha, alpha) for the batch, as in their algorithm. `images` is
    float (N, C, H, W), `labels` int64 (N,); targets are (N, classes) in the images' type, for a cross-entropy with soft
    targets. Two draws: a seed for lambda, then the permutation. Raises ExperimentError unless 0 < alpha <= 1000.
    """
    check_between("recipe.mixup", alpha, 1e-3, 1e3)
    seed = int(torch.randint(0, 2**63 - 1, (), generator=generator))
    share = float(numpy_generator(seed, "mixup").beta(alpha, alpha))
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    targets = F.one_hot(labels, classes).to(images.dtype)
    mixed, soft = (share * one + (1 - share) * one[partner] for one in (images, targets))
    return mixed, soft


Maker = Callable[[int, Tensor | None], Augmentation]
PARTS: dict[str, tuple[int, int, Maker]] = {
    "none": (0, 0, lambda number, fill: unchanged),
    "flip": (0, 0, lambda number, fill: flip),
    "shift": (1, MOST, lambda number, fill: lambda batch, generator: shift(batch, number, generator)),
    "cutout": (1, 1024, lambda number, fill: lambda batch, generator: cutout(batch, number, generator, fill)),
    "jitter": (1, 100, lambda number, fill: lambda batch, generator: jitter(batch, number / 100, generator)),
}
"""For each part the least and the largest number written behind it (0, 0: none), and how it is made."""


def augmentation(text: str, mean: Tensor | None = None) -> Augmentation:
    """Return the augmentation of a text as the head of this file describes; raises ExperimentError for any other text,
    and for one in which `auto` still stands.

    `mean`, grey values of shape (C,), is what cutout fills with; without it 0. Nothing else depends on it.
    """
    if is_auto(text):
        do = "Write it out with evobnn.data.suited.suited(text, side, mirrored)."
        raise ExperimentError(message("recipe.augmentation written out for the data set", f"'{text}'", do))
    made = [_part(text, part, mean) for part in text.split("-")]
    return made[0] if len(made) == 1 else partial(_in_turn, tuple(made))


def check_augmentation(text: str) -> None:
    """Raise ExperimentError for a text that is no augmentation, `auto` being one."""
    for part in text.split("-"):
        if part != AUTO:
            _part(text, part, None)


def _in_turn(made: tuple[Augmentation, ...], batch: Tensor, generator: torch.Generator) -> Tensor:
    for augment in made:
        batch = augment(batch, generator)
    return batch


def _part(text: str, part: str, mean: Tensor | None) -> Augmentation:
    matched = re.fullmatch(r"([a-z]*)(0|[1-9][0-9]{0,4})?", part, re.ASCII)
    name, digits = (matched[1], matched[2]) if matched else (part, None)
    known = ["none", AUTO, "flip", *(f"{name}{least}..{most}" for name, (least, most, _) in PARTS.items() if most)]
    wanted = f"recipe.augmentation as parts joined by hyphens, of {', '.join(known)}"
    if name not in PARTS:
        near = closest(name, [*PARTS, AUTO])
        raise ExperimentError(
            message(wanted, f"'{part}' in '{text}'", f"Did you mean '{near}'?" if near else "Mend it.")
        )
    least, most, make = PARTS[name]
    if (digits is None) != (most == 0) or not least <= int(digits or 0) <= most:
        raise ExperimentError(message(wanted, f"'{part}' in '{text}'", f"Write for example '{name}{least or ''}'."))
    if name == "none" and text != "none":
        raise ExperimentError(
            message(wanted, f"'none' among others in '{text}'", "Write 'none' alone or leave it out.")
        )
    return make(int(digits or 0), mean)


def _between(first: Tensor, length: int, size: int) -> Tensor:
    """Return which of 0..size-1 lie in [first, first + length), as (N, size)."""
    at = torch.arange(size, device=first.device)
    return (at >= first[:, None]) & (at < first[:, None] + length)


def _grey(x: Tensor) -> Tensor:
    """Return the grey values (N, 1, H, W) of an image of three channels, the mean over the channels of any other."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = LUMA
    return red * x[:, 0:1] + green * x[:, 1:2] + blue * x[:, 2:3]
