"""Small texts in the user's words: durations, counts, percentages; and the one exit code that commands give."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from evobnn.errors import ExperimentError, message

STOPPED = 130
"""Exit code of what Ctrl-C stopped."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smh])")


def seconds(option: str, text: str | None) -> float | None:
    """Return the seconds of a text such as 90, 90s, 10m, 2h or 1h30m; None for None.

    Raises:
        ExperimentError: anything else, naming the option.
    """
    if text is None:
        return None
    given = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return float(given)
    if given and not _PART.sub("", given):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(given))
    raise ExperimentError(message(f"{option} as a time", f"'{text}'", "Write for example 90s, 10m, 2h or 1h30m."))


def duration(value: float) -> str:
    """Return a time for people: 0:07, 12:30, 2:05:00; `?` for NaN."""
    if not math.isfinite(value):
        return "?"
    whole = round(value)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def percent(share: float, digits: int = 2) -> str:
    """Return a share in [0, 1] as a percentage; a dash for NaN."""
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else "–"


def quantity(name: str, value: float) -> str:
    """Return the value of an objective: an error in percent, what is large as a count, else with four digits."""
    return percent(value) if name == "error" else _digits(value)


def spread(name: str, mean: float, deviation: float | None, n: int) -> str:
    """Return mean ± standard deviation of n values of an objective; the one value alone where n is 1."""
    if n < 2 or deviation is None or not (math.isfinite(mean) and math.isfinite(deviation)):
        return quantity(name, mean)
    if name == "error":
        return f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
    return f"{_digits(mean)} ± {_digits(deviation) if abs(mean) < 1000 else whole(deviation)}"


def _digits(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else whole(value)


def trainings(n: int) -> str:
    """Return of how many trainings a number tells: 1 training, n = 5."""
    return counted(n, "training") if n == 1 else f"n = {n:,}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_names(names: Sequence[str], width: int = 80) -> str:
    """Return as many of the classes' names as there is room for; nothing where classes are numbered only."""
    if all(name == str(number) for number, name in enumerate(names)):
        return ""
    count = len(names)
    while count > 1 and len(", ".join(names[:count])) > width:
        count -= 1
    return ", ".join([*names[:count], "…"] if count < len(names) else names)


def whole(value: float) -> str:
    """Return a count with separators; a dash for NaN."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"
