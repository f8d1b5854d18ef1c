"""What an evaluation may say, and the mean over repeats."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from evobnn.errors import EvobnnError
from evobnn.records import Evaluation, Individual, Request, Result, Status, mean_objectives, rung_measures

OK = Evaluation(Status.OK, {"error": 0.25, "ops": 1000.0})
ENDED = [status for status in Status if status is not Status.OK]
FAILED = [status for status in ENDED if status is not Status.PRUNED]


def test_the_six_ways_to_end_are_stored_by_these_words():
    assert [str(status) for status in Status] == ["ok", "diverged", "invalid", "timeout", "error", "pruned"]
    assert Status("timeout") is Status.TIMEOUT


@pytest.mark.parametrize("status", ENDED)
def test_whatever_did_not_end_ok_has_no_objectives(status):
    assert Evaluation(status, message="it did not work").objectives == {}
    with pytest.raises(EvobnnError, match=f"objectives exactly where the status is ok, got {status}, .'error': 0.5."):
        Evaluation(status, {"error": 0.5})


def test_an_evaluation_that_ended_ok_has_some():
    assert OK.objectives == {"error": 0.25, "ops": 1000.0}
    with pytest.raises(EvobnnError, match="exactly where the status is ok, got ok, {}"):
        Evaluation(Status.OK)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_objectives_are_finite(value):
    with pytest.raises(EvobnnError, match=f"finite objectives, got ops = {value}. Report it as diverged."):
        Evaluation(Status.OK, {"error": 0.5, "ops": value})


def test_measures_may_be_anything_and_default_to_nothing():
    found = Evaluation(Status.DIVERGED, measures={"loss": float("inf")})
    assert (found.measures["loss"], found.message, found.behaviour, found.seconds) == (float("inf"), "", "", 0.0)
    assert OK.measures == {}


def test_records_cannot_be_changed():
    individual = Individual(3, "@net = x", "0123456789abcdef", 1, "mate", (0, 1))
    request = Request(individual)
    for record, attribute in (
        (OK, "status"),
        (individual, "id"),
        (request, "repeat"),
        (Result(request, OK), "request"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(record, attribute, None)
    assert request.repeat == 0
    assert hash(individual) == hash(Individual(3, "@net = x", "0123456789abcdef", 1, "mate", (0, 1)))


def test_mean_over_repeats_by_hand():
    repeats = [Evaluation(Status.OK, {"error": error, "ops": 8.0}) for error in (0.25, 0.5, 0.75, 0.5)]
    assert mean_objectives(repeats) == {"error": 0.5, "ops": 8.0}
    assert mean_objectives(repeats[:1]) == {"error": 0.25, "ops": 8.0}


def test_the_mean_does_not_depend_on_the_order():
    repeats = [Evaluation(Status.OK, {"error": error}) for error in (0.1, 0.2, 0.3, 1e-17)]
    assert mean_objectives(repeats) == mean_objectives(repeats[::-1])


@pytest.mark.parametrize("status", FAILED)
def test_one_failure_or_no_repeat_leaves_no_mean(status):
    assert mean_objectives([OK, Evaluation(status), OK]) is None
    assert mean_objectives([]) is None


def test_what_was_stopped_early_tells_its_rung_and_is_no_repeat():
    pruned = Evaluation(Status.PRUNED, measures={"loss": 2.0, **rung_measures(4, {"error": 0.5, "ops": 8.0})})
    assert pruned.measures == {"loss": 2.0, "rung": 4, "rung_error": 0.5, "rung_ops": 8.0}
    assert (pruned.rung, OK.rung) == (4, 0)
    assert pruned.at_rung(("ops", "error")) == {"ops": 8.0, "error": 0.5}
    assert mean_objectives([pruned, OK]) == OK.objectives
    assert mean_objectives([pruned]) is None
    assert mean_objectives([pruned, OK, Evaluation(Status.DIVERGED)]) is None
