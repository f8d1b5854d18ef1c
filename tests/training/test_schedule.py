"""Rates, momentum and drop-path at steps that can be worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evobnn.training import SCHEDULES, Recipe, drop_path_at, momentum_at, rate_at


def recipe(schedule: str, **fields: Any) -> Recipe:
    return Recipe(schedule=schedule, learning_rate=2.0, **fields)


def rates(one: Recipe, steps: int) -> list[float]:
    return [rate_at(one, step, steps) for step in range(steps)]


def test_linear_goes_to_nothing_one_step_after_the_last() -> None:
    assert rates(recipe("linear"), 4) == [2.0, 1.5, 1.0, 0.5]


def test_steps_climb_down_at_shares_of_the_training() -> None:
    one = recipe("steps", milestones=(0.25, 0.5), factors=(0.5, 0.01))
    assert rates(one, 8) == [2.0, 2.0, 1.0, 1.0, 0.02, 0.02, 0.02, 0.02]
    assert rates(recipe("steps"), 3) == [2.0, 2.0, 2.0]
    assert rates(recipe("steps", milestones=(0.0,), factors=(0.5,)), 2) == [1.0, 1.0]


def test_a_milestone_written_as_a_fraction_falls_on_its_epoch() -> None:
    """80 of 300 epochs of 391 steps: 0.26666666666666666 * 117300 is a little off 31280."""
    one = recipe("steps", milestones=(80 / 300,), factors=(0.2,))
    assert [rate_at(one, step, 300 * 391) for step in (80 * 391 - 1, 80 * 391)] == [2.0, 0.4]


def test_restarts_are_cosines_of_equal_length() -> None:
    half = math.sqrt(0.5)
    period = [2.0, 1.0 + half, 1.0, 1.0 - half]
    assert rates(recipe("restarts", cycles=3), 12) == pytest.approx(period * 3)
    assert rates(recipe("restarts"), 7) == rates(recipe("cosine"), 7)


def test_bnas_rises_falls_and_fades_out() -> None:
    """20 steps: 9 up from 2/20 to 2, 9 down, and 2 from 2/20 towards 2/2000."""
    up = [0.1 + 1.9 * k / 9 for k in range(9)]
    found = rates(recipe("bnas"), 20)
    assert found == pytest.approx([*up, 2.0, *reversed(up), 0.1 * (1 - 0.99 / 2)])
    assert found[9] == 2.0
    assert rate_at(recipe("bnas"), 999_999, 1_000_000) == pytest.approx(2.0 / 2000, rel=1e-3)


def test_bnas_moves_momentum_against_the_rate_and_leaves_it_up_in_the_end() -> None:
    one = recipe("bnas", momentum=0.95, low_momentum=0.85)
    down = [0.95 - 0.1 * k / 9 for k in range(9)]
    assert [momentum_at(one, k, 20) for k in range(20)] == pytest.approx([*down, 0.85, *reversed(down), 0.95])


def test_other_schedules_move_it_as_far_as_the_rate_is_of_its_highest() -> None:
    one = recipe("onecycle", momentum=0.9, low_momentum=0.5)
    found = [momentum_at(one, k, 8) for k in range(8)]
    assert found[:2] == pytest.approx([0.7, 0.5])
    assert found == pytest.approx([0.9 - 0.4 * rate / 2.0 for rate in rates(one, 8)])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_low_one_momentum_is_constant(schedule: str) -> None:
    found = [momentum_at(recipe(schedule, momentum=0.8), k, 7) for k in range(7)]
    assert found == [0.8] * 7


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 101])
def test_momentum_stays_between_its_bounds(schedule: str, steps: int) -> None:
    found = [momentum_at(recipe(schedule, momentum=0.95, low_momentum=0.85), k, steps) for k in range(steps)]
    assert len(found) == steps
    assert min(found) == pytest.approx(0.85)
    assert all(0.85 - 1e-12 <= value <= 0.95 + 1e-12 for value in found)


def test_drop_path_rises_evenly_from_nothing() -> None:
    one = Recipe(epochs=4, drop_path=0.2)
    assert [drop_path_at(one, epoch) for epoch in range(4)] == pytest.approx([0.0, 0.05, 0.1, 0.15])
