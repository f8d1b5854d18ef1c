"""How every picture looks: matplotlib's settings, and colours by what they stand for.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), without their yellow, which is too light for
lines on white. Any two of `COLOURS` stay apart, as `tests/analysis/test_style.py` measures, for readers who lack one
kind of cones. Greys and the amounts of shade are for what is behind the data.
"""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.colors import to_hex, to_rgb

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
AMBER, SKY, INK = "#E69F00", "#56B4E9", "#222222"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, INK)
"""Of things of one kind, in this order: seeds, widths, forms."""
MARKERS = "osD^vPX*"
DASHES = ("-", "--", "-.", ":")

MEASURED = BLUE
"""What a search or a training measured; of several arms the one that is looked at."""
FRESH = ORANGE
"""Fresh scores of the same, and the second of two groups."""
YARDSTICK = GREEN
"""What no search comes to, beside the arms."""
GREY = "#8A8A8A"
"""The reference, and lines to compare with."""
NOTE = "#5A5A5A"
"""Remarks in the picture."""
SHADE = "#EDEDED"
"""Areas behind the data: intervals of a line to compare with, and where a sign is +1."""
GRID = "#E3E3E3"

STYLE = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 10.0,
    "axes.edgecolor": NOTE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "xtick.color": NOTE,
    "ytick.color": NOTE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
"""What is set of matplotlib's `rcParams` while a picture is drawn."""


def written(colour: str) -> str:
    """Return a colour dark enough for small letters on white."""
    red, green, blue = to_rgb(colour)
    return to_hex((0.7 * red, 0.7 * green, 0.7 * blue))


styled = rc_context(STYLE)  # type: ignore[arg-type]
"""Decorator of each function that draws: settings are as in `STYLE` within it, and as they were before after it."""
