"""`evobnn watch`: where a search stands, from its files alone, again and again until it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from evobnn.cli.console import console, note
from evobnn.cli.streams import spelt
from evobnn.cli.words import STOPPED, counted, duration, quantity, spread
from evobnn.report.standing import Follower, FrontMember, Standing

BLOCKS = "▁▂▃▄▅▆▇█"
SHOWN = 8
"""Members of the front."""
OBJECTIVES = 3
"""Columns of objectives for which 80 columns have room."""
EVERY = 1.0
"""Seconds between two looks."""


def show(folder: Path, *, once: bool = False) -> None:
    """Print where the search in a folder stands; in a terminal anew every second until it ends, unless `once`."""
    follower = Follower(folder)
    out = console()
    standing = follower.look()
    if once or not out.is_terminal or standing.state != "running":
        out.print(drawn(standing, out))
        return
    try:
        with Live(drawn(standing, out), console=out, auto_refresh=False, vertical_overflow="ellipsis") as live:
            live.refresh()
            while standing.state == "running":
                time.sleep(EVERY)
                standing = follower.look()
                live.update(drawn(standing, out), refresh=True)
    except KeyboardInterrupt as stop:
        note("no longer watched; the search goes on.")
        raise typer.Exit(STOPPED) from stop


def drawn(standing: Standing, out: Console) -> RenderableType:
    """Return what stands in the terminal; every line fits it."""
    width = min(out.width, 100) - 1
    lines = [spelt(line, out.encoding) for line in _lines(standing, width)]
    dots = spelt("…", out.encoding)
    cut = (line if len(line) <= width else f"{line[: width - len(dots)]}{dots}" for line in lines)
    texts = [Text(line, no_wrap=True, overflow="crop") for line in cut]
    texts[0].stylize("bold")
    if not standing.front:
        return Group(*texts)
    return Group(*texts, Text(""), _members(standing, out.encoding), *_below(standing, width, out.encoding))


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values as blocks of eight heights, the last ones where there are more than `width`.

    >>> sparkline([0.1, 0.2, 0.45], 10)
    '▁▃█'
    """
    last = list(values)[-width:]
    if not last:
        return ""
    low, span = min(last), max(last) - min(last)
    return "".join(BLOCKS[round((len(BLOCKS) - 1) * (value - low) / span) if span else 0] for value in last)


def _lines(standing: Standing, width: int) -> Iterator[str]:
    yield _apart(f"{standing.path}  {_state(standing)}", _time(standing), width)
    if standing.about:
        yield " · ".join(f"{name} {value}" for name, value in standing.about.items() if name not in ("epochs", "table"))
    yield ""
    share = standing.done / standing.planned if standing.planned else 0.0
    about = "" if standing.state == "finished" else "about "
    told = f"{standing.done:,} of {about}{standing.planned:,}"
    room = max(8, width - 13 - len(told) - 9)
    full = min(room, int(room * share))
    yield f"evaluations  {told}  {'█' * full}{'░' * (room - full)} {100 * min(share, 1.0):3.0f} %"
    if standing.seconds_each > 0 and standing.state == "running":
        rate = 60 / standing.seconds_each
        yield f"rate         {rate:{',.0f' if rate >= 10 else '.2g'}} evaluations a minute"
    if standing.volumes:
        first, last = standing.volumes[0], standing.volumes[-1]
        line = sparkline(standing.volumes, width - 40)
        yield f"hypervolume  {last:.4f}  {line}  from {first:.4f}"
    failed = ", ".join(f"{count:,} {status}" for status, count in standing.failed.items())
    yield f"failed       {failed or 'none'}"
    if standing.last:
        yield f"last         {standing.last}"


def _state(standing: Standing) -> str:
    if standing.generation < 0:
        return {"running": "begins"}.get(standing.state, standing.state)
    total = "" if standing.generations is None else f" of {standing.generations}"
    return f"{standing.state}, generation {standing.generation}{total}"


def _time(standing: Standing) -> str:
    if standing.state != "running":
        return ""
    return f"{duration(standing.seconds_left)} left" if math.isfinite(standing.seconds_left) else ""


def _apart(left: str, right: str, width: int) -> str:
    """Return two texts at both ends of a line; the left one is cut where there is no room."""
    room = width - len(right) - 2 if right else width
    left = left if len(left) <= room else f"…{left[len(left) - room + 1 :]}"
    return f"{left:<{room}}  {right}" if right else left


def _members(standing: Standing, encoding: str) -> Table:
    names = standing.objectives[:OBJECTIVES]
    fresh = next((name for name in names if any(_deviates(one, name) for one in standing.front)), None)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    heads = ["id", *([f"{fresh}, fresh"] if fresh else []), *names, "generation", "origin"]
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == len(heads) - 1 else "right", no_wrap=True)
    for one in standing.front[:SHOWN]:
        cells = [str(one.id)]
        if fresh:
            again = one.fresh
            known = again is not None and fresh in again.objectives
            cells.append(
                spread(fresh, again.objectives[fresh], again.deviation.get(fresh), len(again.repeats))
                if again is not None and known else "–"
            )  # fmt: skip
        cells += [quantity(name, one.objectives.get(name, math.nan)) for name in names]
        table.add_row(*(spelt(cell, encoding) for cell in [*cells, str(one.born), one.origin]))
    return table


def _deviates(one: FrontMember, name: str) -> bool:
    """Tell whether an objective was measured afresh and is no count, which has the same value on every seed."""
    again = one.fresh.objectives.get(name) if one.fresh else None
    return again is not None and not math.isclose(again, one.objectives[name])


def _below(standing: Standing, width: int, encoding: str) -> Iterator[Text]:
    hidden = len(standing.objectives) - OBJECTIVES
    more = f" {counted(hidden, 'more objective')} not shown." if hidden > 0 else ""
    least = f", the {SHOWN} with least {standing.objectives[0]} shown" if len(standing.front) > SHOWN else ""
    line = f"front: {counted(len(standing.front), 'network')}{least}. evobnn front {standing.path} has all.{more}"
    yield Text(spelt(line, encoding)[:width], no_wrap=True)
