"""Long evaluations go first, results keep their places, and nobody counts where nothing can be won."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from evobnn.evaluation import Bench, Job, Stretch
from evobnn.evaluation.estimates import ELEMENTWISE, longest_first, run_longest_first, work
from evobnn.evaluation.phenotype import Phenotype
from evobnn.machine.workers import Outcome, Workers
from evobnn.records import Evaluation, Status

CELL = "[2 = {}(0) + {}(1); 3 = max3(0) + {}(2); 4 = zero(0) + max3(3); 5 = avg3(1) + zero(4)]"


def job(bench: Bench, operation: str, expression: str = "x", **how: Any) -> Job:
    cell = CELL.format(*[operation] * 3)
    return Job(bench, f"normal{cell} reduction{cell} @net = {expression}", 1, **how)


@pytest.mark.parametrize(
    ("costs", "order"),
    [
        ([], []),
        ([1.0], [0]),
        ([1.0, 3.0, 2.0], [1, 2, 0]),
        ([2.0, 2.0, 0.0, 2.0], [0, 1, 3, 2]),
        ([0.0, 0.0], [0, 1]),
    ],
)
def test_the_longest_first_and_ties_as_they_stand(costs: list[float], order: list[int]) -> None:
    assert longest_first(costs) == order


def test_work_is_what_the_network_computes_times_the_epochs(tiny_bench: Bench) -> None:
    one = job(tiny_bench, "conv3")
    cost = tiny_bench.cost(tiny_bench.space.parse(one.genome))
    recipe = replace(tiny_bench.protocol.recipe, epochs=6)
    bench = replace(tiny_bench, protocol=replace(tiny_bench.protocol, recipe=recipe))
    each = cost.binary_macs + cost.real_macs + ELEMENTWISE * cost.other
    assert each > 0
    assert work(job(bench, "conv3")) == 6 * each
    assert work(job(bench, "conv3", stretch=Stretch(2))) == 2 * each
    assert work(job(bench, "conv3", twin=True)) == 12 * each
    assert work(job(bench, "max3")) < work(job(bench, "conv3")) < work(job(bench, "conv3", "mul(sin(x), cos(x))"))


@pytest.mark.parametrize("expression", ["square(x)", "nonsense(x)"])
def test_what_will_not_be_trained_takes_no_time(tiny_bench: Bench, expression: str) -> None:
    assert work(job(tiny_bench, "conv3", expression)) == 0.0


def test_a_network_that_cannot_be_counted_is_left_to_its_worker(
    tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Phenotype, "cost", property(lambda one: 1 / 0))
    assert work(job(tiny_bench, "conv3")) == 0.0


class Noted(Workers):
    """Notes in which order it is handed its tasks, and gives the results back in another."""

    def run(self, function: Any, payloads: Sequence[Any]) -> Iterator[Outcome]:
        self.sent = list(payloads)
        outcomes = [Outcome(index, function(payload)) for index, payload in enumerate(payloads)]
        return iter(outcomes[::-1])


def named(one: Job) -> Evaluation:
    return Evaluation(Status.DIVERGED, message=one.genome)


def test_results_have_the_places_of_their_jobs(tiny_bench: Bench) -> None:
    names = [(operation, tree) for operation in ("max3", "conv3", "avg3") for tree in ("sin(x)", "mul(sin(x), cos(x))")]
    jobs = [job(tiny_bench, *one) for one in [("conv3", "square(x)"), *names]]
    workers = Noted(3)
    outcomes = list(run_longest_first(workers, named, jobs))
    assert {outcome.index: outcome.value.message for outcome in outcomes} == {
        index: one.genome for index, one in enumerate(jobs)
    }
    amounts = [work(one) for one in workers.sent]
    assert amounts == sorted(amounts, reverse=True) and len(set(amounts)) > 3
    assert workers.sent != jobs


@pytest.mark.parametrize(("workers", "jobs"), [(1, 5), (5, 5), (5, 2), (2, 0)])
def test_nothing_is_counted_where_the_order_changes_nothing(
    tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch, workers: int, jobs: int
) -> None:
    monkeypatch.setattr(Bench, "cost", lambda *_: pytest.fail("counted"))
    noted = Noted(workers)
    found = list(run_longest_first(noted, named, [job(tiny_bench, "conv3")] * jobs))
    assert sorted(outcome.index for outcome in found) == list(range(jobs))
