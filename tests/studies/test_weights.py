"""Real or binary weights: planted rankings come back, what is trained is what is said, workers change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evobnn.errors import EvobnnError, SearchError
from evobnn.evaluation import Job
from evobnn.records import Evaluation, Status
from evobnn.runs import Options
from evobnn.studies.fidelity import heritability as fidelity
from evobnn.studies.fidelity import weights as module
from evobnn.studies.fidelity.weights import compare_weights
from evobnn.studies.statistics import interval
from tests.miniature import SPEC

HERE = Options(jobs=1)
EXPERIMENT = SPEC.experiment()


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 100)


class Planted:
    """Stand in for trainings: long ones rank genomes as they first come, brief binary ones the other way round."""

    def __init__(self, failing: int = 0) -> None:
        self.jobs: list[Job] = []
        self.failing = failing

    def __call__(self, job: Job) -> Evaluation:
        self.jobs.append(job)
        place = list(dict.fromkeys(one.genome for one in self.jobs)).index(job.genome)
        recipe = job.bench.protocol.recipe
        if place < self.failing and recipe.weights == "real":
            return Evaluation(Status.DIVERGED, message="a weight is nan")
        error = place / 20 if recipe.weights == "real" or recipe.epochs > 1 else (19 - place) / 20
        return Evaluation(Status.OK, {"error": error, "elementwise": 1.0})


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    made = Planted()
    monkeypatch.setattr(module, "run_job", made)
    return made


def test_planted_rankings_come_back(planted: Planted) -> None:
    said: list[tuple[int, int]] = []
    found = compare_weights(EXPERIMENT, HERE, 8, 3, 4, lambda *what: said.append(what))
    assert (found.genomes, found.failed, found.brief, found.long, found.seeds) == (8, 0, 1, 4, 3)
    taus = {"binary": -1.0, "real": 1.0, "difference": 2.0, "ceiling": 1.0}
    for name, tau in taus.items():
        interval = getattr(found, name)
        assert (interval.estimate, interval.n) == (pytest.approx(tau), 8)
        assert interval.low - 1e-9 <= tau <= interval.high + 1e-9
    assert found.errors == pytest.approx((np.mean(np.arange(12, 20)) / 20, 3.5 / 20, 3.5 / 20))
    assert said == [(n, 8 * 5) for n in range(1, 41)]


def test_what_is_trained_is_what_is_said(planted: Planted) -> None:
    compare_weights(replace(EXPERIMENT, max_macs=1e9), HERE, 5, 2, 3)
    assert len(planted.jobs) == len({(job.genome, job.seed) for job in planted.jobs}) == 5 * 4
    for start in range(0, 20, 4):
        four = planted.jobs[start : start + 4]
        assert len({job.genome for job in four}) == 1
        recipes = [job.bench.protocol.recipe for job in four]
        assert [(one.weights, one.epochs) for one in recipes] == [
            ("binary", 1),
            ("real", 1),
            ("binary", 3),
            ("binary", 3),
        ]
        assert {replace(one, weights="binary", epochs=1) for one in recipes} == {EXPERIMENT.recipe}
        # The bound on work grows with the epochs, or the long training would refuse what the brief one takes.
        assert [job.bench.protocol.max_macs for job in four] == [1e9, 1e9, 3e9, 3e9]
    assert not any(
        planted.jobs[0].bench.infeasible(planted.jobs[0].bench.space.parse(job.genome)) for job in planted.jobs
    )


def test_the_genomes_are_those_of_the_seed(planted: Planted) -> None:
    def drawn(**changes: Any) -> list[str]:
        planted.jobs.clear()
        compare_weights(replace(EXPERIMENT, **changes), HERE, 6, 2, 2)
        return list(dict.fromkeys(job.genome for job in planted.jobs))

    assert drawn() == drawn(recipe=replace(EXPERIMENT.recipe, weights="real")) != drawn(seed=1)


def test_what_failed_anywhere_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run_job", Planted(failing=2))
    found = compare_weights(EXPERIMENT, HERE, 8, 2, 2)
    assert (found.genomes, found.failed, found.real.n) == (6, 2, 6)
    monkeypatch.setattr(module, "run_job", Planted(failing=5))
    with pytest.raises(SearchError, match="at least 4 genomes that train well, got 3. Ask for more genomes."):
        compare_weights(EXPERIMENT, HERE, 8, 2, 2)


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({}, {"genomes": 3}, "genomes to be a whole number of at least 4, got 3"),
        ({}, {"seeds": 1}, "seeds to be a whole number of at least 2, got 1"),
        ({}, {"epochs": 1}, "epochs to be a whole number of at least 2, got 1"),
        ({}, {"genomes": 14, "epochs": 2}, "14 different feasible genomes, got 13. Ask for fewer"),
        ({"table": "mini"}, {}, "an experiment that trains, got one that looks up in mini. Leave out the table."),
    ],
)
def test_what_is_refused_before_anything_is_trained(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], arguments: dict[str, int], words: str
) -> None:
    monkeypatch.setattr(fidelity, "RANDOM_TRIES", 20)
    with pytest.raises(EvobnnError, match=words):
        compare_weights(replace(EXPERIMENT, **changes), HERE, **arguments)
    assert not planted.jobs


def test_scores_that_do_not_differ_are_no_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    same = Evaluation(Status.OK, {"error": 0.5, "elementwise": 1.0})
    monkeypatch.setattr(module, "run_job", lambda job: same)
    with pytest.raises(EvobnnError, match="scores that differ"):
        compare_weights(EXPERIMENT, HERE, 4, 2, 2)


@pytest.mark.usefixtures("warm_workers")
def test_a_tiny_study_is_the_same_with_two_workers() -> None:
    one, two = (compare_weights(EXPERIMENT, Options(jobs=jobs), 5, 2, 2) for jobs in (1, 2))
    assert one == two
    assert one.genomes == 5
    assert all(0.5 < error < 1.0 for error in one.errors)  # 100 images, an epoch or two: hardly better than chance


def test_the_ceiling_is_one_long_training_against_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    errors = rng.integers(0, 100, (10, 5)) / 100
    order: list[str] = []

    def noisy(job: Job) -> Evaluation:
        order.append(job.genome)
        place = list(dict.fromkeys(order)).index(job.genome)
        return Evaluation(Status.OK, {"error": errors[place, order.count(job.genome) - 1], "elementwise": 1.0})

    monkeypatch.setattr(module, "run_job", noisy)
    found = compare_weights(EXPERIMENT, HERE, 10, 3, 2)
    long = errors[:, 2:]
    tau = {name: stats.kendalltau(errors[:, at], long.mean(axis=1)).statistic for name, at in (("b", 0), ("r", 1))}
    assert found.binary.estimate == pytest.approx(tau["b"])
    assert found.real.estimate == pytest.approx(tau["r"])
    assert found.difference.estimate == pytest.approx(tau["r"] - tau["b"])
    assert found.ceiling.estimate == pytest.approx(stats.kendalltau(long[:, 0], long[:, 1:].mean(axis=1)).statistic)
