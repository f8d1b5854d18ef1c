"""The time left, on sequences of trainings whose times are known beforehand: no clock is read."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import Any

import pytest

from evobnn.evaluation.pace import Pace, makespan, units_of
from evobnn.experiment.presets import preset_table
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_table
from evobnn.records import FRESH, Individual, Request
from evobnn.runs.outlook import Outlook, members

HALVING: Mapping[str, Any] = {"recipe": {"schedule": "trunk", "epochs": 8}, "halving": {"rungs": [2, 4, 8]}}


@pytest.mark.parametrize(
    ("units", "workers", "wanted"),
    [([3, 2, 2, 1], 2, 4), ([3, 2, 2, 1], 1, 8), ([3, 2, 2, 1], 9, 3), ([], 2, 0), ([5, 3, 3, 3, 1], 2, 8)],
)
def test_a_batch_takes_what_its_busiest_worker_takes(units: Sequence[float], workers: int, wanted: float) -> None:
    assert makespan(units, workers) == wanted


def test_a_part_of_a_training_does_not_depend_on_the_network() -> None:
    assert units_of(5.0, 5.0) == units_of(7.0, math.nan) == 1.0
    assert units_of(0.0, 5.0) < units_of(1.0, 5.0) < 1.0 < units_of(6.0, 5.0) < 1.2
    half = units_of(5.0, 5.0, 0.5)
    assert 0.5 < half < 1.0 and units_of(5.0, 5.0, 2.0) == pytest.approx(1.0 + 2 * (1.0 - half))


def test_nothing_is_said_before_the_first_and_nothing_is_left_after_the_last() -> None:
    pace = Pace(2)
    pace.begin([1.0, 1.0, 1.0], 0.0)
    assert math.isnan(pace.seconds())
    for now in (2.0, 3.0):
        pace.ended(1.0, 2.0, now)
        assert pace.seconds() > 0.0
    pace.ended(1.0, 2.0, 4.0)
    assert pace.seconds() == 0.0 and pace.seconds(3.0, 1) == 6.0


def test_what_a_worker_did_first_is_forgotten_and_what_was_stopped_too() -> None:
    pace = Pace(2)
    for seconds in (90.0, 91.0, 2.0):
        pace.note(1.0, seconds)
    assert pace.per_unit() == 2.0
    for seconds in (2.0, 300.0, 2.0):  # the machine slept
        pace.note(1.0, seconds)
    assert pace.per_unit() == 2.0


def test_the_pace_is_the_recent_one() -> None:
    pace = Pace(1)
    for seconds in (*(8.0 for _ in range(40)), *(2.0 for _ in range(24))):
        pace.note(2.0, seconds)
    assert pace.per_unit() == 1.0


def test_breeding_and_writing_between_batches_count() -> None:
    pace = Pace(1)
    for now in (0.0, 13.0, 26.0):  # 10 seconds each, 3 between them
        pace.begin([1.0, 1.0], now)
        pace.ended(1.0, 5.0, now + 5.0)
        pace.ended(1.0, 5.0, now + 10.0)
    assert pace.seconds(4.0, 2) == 4 * 5.0 + 2 * 3.0


def test_members_on_fresh_seeds_are_those_of_the_front_and_some_that_luck_pushed_off() -> None:
    assert [members(front) for front in (2, 7, 8, 10, 12)] == [5, 10, 10, 10, 12]


# --- Searches whose trainings take known times ----------------------------------------------------------------------


def simulated(
    experiment: Experiment, workers: int, *, start: float, between: float, budget: float = math.inf
) -> Iterator[tuple[float, int, int, float]]:
    """Yield (time, done, planned, seconds left) of a search whose trainings take 2 s and 1 s for each unit of load; the
    first of each worker takes `start` more. The front has 6 members, and 2 more are measured after it.
    """
    rng, outlook = random.Random(3), Outlook(experiment, workers, experiment.horizon)
    strategy, halving = experiment.make_strategy(), experiment.halving
    now, begun = start / 2, 0
    until = now + budget

    def trained(jobs: Sequence[tuple[Request, int, float]]) -> Iterator[tuple[int, float]]:
        nonlocal now, begun
        sizes = outlook.begin(jobs, now)
        free = [now] * workers
        ends = []
        for place in sorted(range(len(jobs)), key=lambda place: -sizes[place]):
            whole_size = units_of(jobs[place][2], outlook._typical)
            share = 1.0 if jobs[place][0].repeat else sizes[place] / whole_size
            seconds = share * (2.0 + jobs[place][2]) * rng.uniform(0.8, 1.25) + (start if begun < workers else 0.0)
            begun += 1
            heapify(free)
            ends.append((free[0] + seconds, place, seconds))
            heapreplace(free, free[0] + seconds)
        for number, (now, place, seconds) in enumerate(sorted(ends), 1):
            outlook.ended(jobs[place][0], sizes[place], seconds, now)
            yield number, seconds
        now += between

    def request(key: str, repeat: int = 0) -> Request:
        return Request(Individual(0, "x", key, "random", ()), repeat)

    generation, front = 0, None
    whole: list[tuple[float, str]] = []
    while generation <= experiment.horizon and (generation == 0 or now < until):
        count = strategy.batch if generation else strategy.first
        outlook.asked(count)
        loads = [(rng.uniform(0.5, 8.0) / (1 + generation / 8), f"{generation}/{n}") for n in range(count)]
        done = 0
        for rung in (*halving.rungs[:-1], 0):
            kept = halving.kept(len(loads)) if rung else 0
            for number, _ in trained([(request(key), rung, load) for load, key in loads]):
                found = done + max(0, number - kept)
                climbing = (len(loads), rung) if rung else (0, 0)
                yield now, *outlook.search(generation, found, front, climbing, until - now)
            whole += [] if rung else loads
            done, loads = done + len(loads) - kept, sorted(loads)[:kept]
        outlook.committed()
        best = rng.sample(whole, min(8, len(whole)))
        front = [outlook.whole(key, load) for load, key in best[:6]]
        generation += 1
    settled = 0
    for some in (6, 2):
        chosen = best[:6] if some == 6 else best[-2:]
        jobs = [(request(key, FRESH + n), 0, load) for load, key in chosen for n in range(experiment.noise.rescore)]
        for number, _ in trained(jobs):
            seen = number // experiment.noise.rescore / some
            yield now, *outlook.rescore(generation, settled, number, len(jobs), seen, 2 if some == 6 else 0)
        settled += len(jobs)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("settings", [{}, HALVING], ids=["whole", "halving"])
@pytest.mark.parametrize(("start", "between"), [(0.0, 0.0), (60.0, 1.0)], ids=["warm", "cold"])
def test_from_the_tenth_training_on_the_time_left_is_right_within_a_factor(
    workers: int, settings: Mapping[str, Any], start: float, between: float
) -> None:
    experiment = from_table({**preset_table("digits"), **settings}, "here")
    told = list(simulated(experiment, workers, start=start, between=between))
    ended = told[-1][0]
    judged = [(left, ended - now) for now, _, _, left in told[9:] if ended - now > 0.1 * ended]
    assert len(judged) > 100
    for left, actual in judged:
        assert 1 / 1.5 < left / actual < 1.5, (left, actual)
    assert [done for _, done, _, _ in told] == sorted(done for _, done, _, _ in told)
    assert all(done <= planned for _, done, planned, _ in told)
    assert told[-1][1] == told[-1][2] and told[-1][3] == 0.0


def test_a_budget_bounds_the_time_left() -> None:
    experiment = from_table({**preset_table("digits"), "horizon": 1000}, "here")
    told = list(simulated(experiment, 2, start=0.0, between=0.5, budget=200.0))
    ended = told[-1][0]
    assert 200.0 < ended < 400.0
    judged = [(left, ended - now) for now, _, _, left in told[9:] if ended - now > 20.0]
    assert len(judged) > 50
    for left, actual in judged:
        assert 1 / 1.5 < left / actual < 1.5, (left, actual)
