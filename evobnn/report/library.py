"""BokehJS, the plotting library in the page; bokeh is imported here and nowhere else."""

from __future__ import annotations

from evobnn.errors import EvobnnError, message

MANY = 2000
"""Points from which on the graphics card draws them, where there is one."""


def scripts(points: int) -> list[str]:
    """Return the scripts that a page with so many points needs, in order.

    Raises:
        EvobnnError: bokeh is not installed.
    """
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        do = "Install it: pip install 'evobnn[report]'."
        raise EvobnnError(message("the package bokeh, which draws reports", "none", do)) from error
    more = ["bokeh-gl"] if points > MANY else []
    return [str(text) for text in Resources(mode="inline", components=["bokeh", "bokeh-api", *more]).js_raw]
