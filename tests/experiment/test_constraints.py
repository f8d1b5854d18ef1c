"""Bounds in words: every slip of the keyboard, and experiments without bounds as they were."""

from __future__ import annotations

from typing import Any

import pytest

from evobnn.errors import ExperimentError
from evobnn.experiment import Experiment, from_table, from_text, to_text
from evobnn.experiment.constraints import parse_bounds


def test_a_bound_is_a_number_with_a_suffix() -> None:
    texts = ["bits=200k", "ops=1.5M", "parameters=2G", "elementwise=.5K", " error = 2e-1 ", "bits=200000"]
    assert parse_bounds(texts) == {
        "bits": 200_000.0,
        "ops": 1_500_000.0,
        "parameters": 2e9,
        "elementwise": 500.0,
        "error": 0.2,
    }
    assert parse_bounds([]) == {}


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["bits"], "got 'bits'"),
        (["bits="], "got 'bits='"),
        (["=3"], "got '=3'"),
        (["bits=abc"], "got abc"),
        (["bits=5m"], "got 5m"),
        (["bits=20%"], "got 20%"),
        (["bits=1_000"], "got 1_000"),
        (["bits=-3"], "above 0, got -3"),
        (["bits=0"], "above 0, got 0"),
        (["bits=nan"], "above 0, got nan"),
        (["bits=inf"], "above 0, got inf"),
        (["bits=1e400"], "above 0, got 1e400"),
        (["bits=3k", "ops=3", "bits=4k"], "one bound on bits, got 3,000 and 4,000"),
    ],
)
def test_what_is_no_bound_is_told_in_one_sentence(texts: list[str], part: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        parse_bounds(texts)
    assert part in str(refused.value) and "\n" not in str(refused.value)


def test_an_experiment_without_bounds_is_as_before() -> None:
    assert Experiment().fingerprint() == from_table({"constraints": {}}, "a table").fingerprint()
    assert "constraints" not in to_text(Experiment()) and "constraints" not in to_text(from_table({"seed": 1}, "x"))


def test_bounds_are_read_as_they_are_written() -> None:
    one = Experiment(constraints={"ops": 5000, "error": 0.2})
    assert one.constraints == {"error": 0.2, "ops": 5000.0}
    assert one.counted_bounds == {"ops": 5000.0}
    assert from_text(to_text(one), "text") == one
    assert from_table({"constraints": {"ops": 5000, "error": 0.2}}, "a table").fingerprint() == one.fingerprint()
    assert one.fingerprint() not in {Experiment().fingerprint(), Experiment(constraints={"ops": 5001}).fingerprint()}


@pytest.mark.parametrize(
    ("bounds", "part"),
    [
        ({"bit": 3.0}, "Did you mean 'bits'?"),
        ({"bits": 0.0}, "constraints.bits as a number above 0"),
        ({"bits": float("nan")}, "constraints.bits as a number above 0"),
        ({"bits": True}, "constraints.bits as a number above 0"),
        ({"bits": "200k"}, "constraints.bits as a number above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(bounds: dict[str, Any], part: str) -> None:
    with pytest.raises(ExperimentError, match=part.replace("?", r"\?")):
        Experiment(constraints=bounds)


def test_what_is_measured_is_bounded_as_an_objective_only() -> None:
    with pytest.raises(ExperimentError, match="error among the objectives"):
        Experiment(objectives=("ops", "bits"), constraints={"error": 0.2})
    assert Experiment(objectives=("error",), constraints={"bits": 3.0}).counted_bounds == {"bits": 3.0}


def test_an_objective_of_ones_own_is_bounded_as_one_that_is_measured() -> None:
    own = Experiment(objectives=("error", "mJ"), constraints={"mJ": 2.0, "bits": 3.0})
    assert own.constraints == {"bits": 3.0, "mJ": 2.0} and own.counted_bounds == {"bits": 3.0}
    with pytest.raises(ExperimentError, match="quantity to constrain"):
        Experiment(constraints={"mJ": 2.0})
