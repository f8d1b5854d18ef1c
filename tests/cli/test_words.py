"""Durations and numbers in the user's words."""

from __future__ import annotations

import math

import pytest

from evobnn.cli.words import (
    counted,
    duration,
    first_names,
    percent,
    quantity,
    seconds,
    spread,
    trainings,
    whole,
)
from evobnn.errors import ExperimentError


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), (" 10M ", 600), ("0", 0)],
)
def test_times(text: str, value: float) -> None:
    assert seconds("--budget", text) == value


@pytest.mark.parametrize("text", ["", "m", "ten", "-5", "10x", "10 m", "1e3", "inf", "nan"])
def test_no_times(text: str) -> None:
    with pytest.raises(ExperimentError, match="--budget"):
        seconds("--budget", text)


def test_nothing_said_is_no_time() -> None:
    assert seconds("--budget", None) is None


def test_numbers_for_people() -> None:
    assert [duration(s) for s in (7, 750, 7500, math.nan)] == ["0:07", "12:30", "2:05:00", "?"]
    assert [percent(p) for p in (0.0325, math.nan)] == ["3.25 %", "–"]
    assert [counted(n, "job") for n in (1, 2, 1000)] == ["1 job", "2 jobs", "1,000 jobs"]
    assert [whole(n) for n in (1234.4, math.nan)] == ["1,234", "–"]


def test_one_training_has_no_deviation() -> None:
    assert spread("error", 0.1, 0.02, 5) == "10.00 ± 2.00 %"
    assert spread("ops", 1234.0, 5.0, 2) == "1,234 ± 5"
    for deviation in (0.0, 0.02, math.nan, None):
        assert spread("error", 0.1, deviation, 1) == quantity("error", 0.1) == "10.00 %"
    assert spread("error", 0.1, math.nan, 5) == "10.00 %"
    assert spread("error", math.nan, math.nan, 0) == "–"
    assert [trainings(n) for n in (1, 2, 1000)] == ["1 training", "n = 2", "n = 1,000"]


@pytest.mark.parametrize(
    ("names", "width", "wanted"),
    [
        (("ant", "bee"), 80, "ant, bee"),
        (("ant", "bee", "cat"), 8, "ant, bee, …"),
        (("a long name", "bee"), 4, "a long name, …"),
        (("0", "1", "2"), 80, ""),
        (("0", "2"), 80, "0, 2"),
        ((), 80, ""),
    ],
)
def test_as_many_class_names_as_there_is_room_for(names: tuple[str, ...], width: int, wanted: str) -> None:
    assert first_names(names, width) == wanted
