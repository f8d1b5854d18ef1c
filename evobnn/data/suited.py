"""Which augmentation suits a data set: what `auto` stands for, and what is too much for small images or for signs."""

from __future__ import annotations

import re

AUTO = "auto"
"""A part of an augmentation that stands for others, chosen by the data set: never trained with as it is."""

MOST = 512
"""The largest shift."""


def suited(text: str, side: int, mirrored: bool | None) -> str:
    """Return the text of an augmentation with `auto` written out; any other text as it is.

    `auto` is a shift by an eighth of the side, rounded half up and at least 1, and a mirror where the data set says
    that its images may be mirrored. Parts beside it stay: `auto-flip` mirrors whatever the data set says, once.

    Arguments:
        text: parts joined by hyphens, see `evobnn.data.augment`.
        side: the shorter one of the images as they are trained on, in pixels.
        mirrored: whether they may be mirrored left to right; None where nobody has said, which is no.

    >>> [suited("auto", side, mirrored=False) for side in (8, 12, 14, 28, 32)]
    ['shift1', 'shift2', 'shift2', 'shift4', 'shift4']
    >>> suited("auto-cutout16", 32, mirrored=True)
    'shift4-flip-cutout16'
    """
    parts = text.split("-")
    shift = f"shift{min(max((side + 4) // 8, 1), MOST)}"
    stands_for = f"{shift}-flip" if mirrored and "flip" not in parts else shift
    return "-".join(stands_for if part == AUTO else part for part in parts)


def is_auto(text: str) -> bool:
    """Tell whether `auto` is among the parts."""
    return AUTO in text.split("-")


def unsuited(text: str, side: int, mirrored: bool | None) -> tuple[str, ...]:
    """Return in what an augmentation without `auto` is too much for images, as parts of a sentence: a shift by more
    than a quarter of the side, a mirror where the data set says that there is none.
    """
    found = []
    shifts = [int(number) for number in re.findall(r"(?:^|-)shift([0-9]+)", text)]
    if shifts and 4 * max(shifts) > side:
        found.append(f"a shift of {max(shifts)} is more than a quarter of {side} pixels")
    if mirrored is False and "flip" in text.split("-"):
        found.append("a mirror image is another sign")
    return tuple(found)
