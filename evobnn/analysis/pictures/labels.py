"""Names beside points, each where it covers least."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Points = NDArray[np.float64]

STEP = 3.0
"""Pixels between the places at which a line counts as something to cover."""
PLACES = tuple(
    (across * far, up * far) for far in (5.0, 10.0, 16.0, 23.0)
    for across, up in ((1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.3), (0, -1.3), (1.5, 0), (-1.5, 0))
)  # fmt: skip
"""Offsets in points from near to far."""
FARTHER = 0.4
"""What a point of distance counts, against a place of a line that is covered."""


def move_apart(ax: Axes, labels: Sequence[Annotation]) -> None:
    """Move each label, whose offset is in points, so that it covers as little as possible of lines and other labels.

    The places are those of the figure as it is arranged now; call again when that has changed. Labels are dealt
    with in their order, so the result is the same for the same picture.
    """
    drawn = _drawn(ax)
    taken: list[Bbox] = []
    inside = ax.get_window_extent()
    scale = ax.get_figure(root=True).dpi / 72.0  # type: ignore[union-attr]
    for label in labels:
        found: list[tuple[float, int, Bbox]] = []
        size = np.array(Text.get_window_extent(label).size, dtype=float)
        point = ax.transData.transform(label.xy)
        for number, place in enumerate(PLACES):
            corner = point + scale * np.array(place) - size * (1 - np.sign(place)) / 2
            box = Bbox([corner, corner + size])
            hits = _inside(drawn, box.padded(1.5)) + 200 * sum(box.padded(1.0).overlaps(other) for other in taken)
            out = 50 * (not (inside.contains(*box.min) and inside.contains(*box.max)))
            found.append((hits + out + FARTHER * float(np.hypot(*place)), number, box))
        _, best, box = min(found, key=lambda one: one[:2])
        _put(label, PLACES[best])
        taken.append(box)


def _put(label: Annotation, place: tuple[float, float]) -> None:
    across, up = place
    label.set_position(place)
    label.set_horizontalalignment("center" if not across else "left" if across > 0 else "right")
    label.set_verticalalignment("center" if not up else "bottom" if up > 0 else "top")


def _inside(points: Points, box: Bbox) -> int:
    return int(np.sum(np.all((points >= box.min) & (points <= box.max), axis=1)))


def _drawn(ax: Axes) -> Points:
    """Return places in pixels along every line and error bar, and around every marker, of shape (n, 2)."""
    paths = [line.get_transform().transform_path(line.get_path()) for line in ax.lines]
    for one in ax.collections:
        if isinstance(one, LineCollection):
            paths += [one.get_transform().transform_path(path) for path in one.get_paths()]
    parts = [_along(path) for path in paths]
    for line in ax.lines:
        if line.get_marker() not in ("", "None", " ", None):
            centres = line.get_transform().transform(line.get_xydata())
            ring = np.array([(x, y) for x in (-3.0, 0.0, 3.0) for y in (-3.0, 0.0, 3.0)])
            parts.append((centres[:, None, :] + ring[None]).reshape(-1, 2))
    every = np.concatenate(parts) if parts else np.zeros((0, 2))
    return every[np.isfinite(every).all(axis=1)]


def _along(path: Path) -> Points:
    """Return places along a path of straight lines, `STEP` pixels apart."""
    corners = np.asarray(path.vertices, dtype=float)
    parts = [corners]
    for start, end in pairwise(corners):
        count = np.hypot(*(end - start)) / STEP
        if np.isfinite(count) and count > 1:
            parts.append(start + np.linspace(0.0, 1.0, int(count) + 1)[:, None] * (end - start))
    return np.concatenate(parts)
