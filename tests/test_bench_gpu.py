"""The benchmark of a GPU: it says where there is none, and counts right; a processor stands in for the card."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evobnn.nn.counting.cost import count
from evobnn.nn.counting.hollow import unfilled

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The benchmark, imported as `make bench` does it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield importlib.import_module("bench_gpu")
    torch.set_num_threads(threads)


def test_without_a_card_it_says_so(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main(["--json", str(tmp_path / "told.json")])
    assert capsys.readouterr().out == "There is no GPU that torch can use, so nothing is measured here.\n"
    assert not list(tmp_path.iterdir())


def test_the_network_has_the_multiply_accumulates_that_it_is_said_to_have(gpu: Any) -> None:
    pairs = importlib.import_module("pairs")
    case = pairs.CASES["resnet64"]
    with unfilled():
        network = pairs.decoded(case, "fp32", "torch")
    found = count(network, case.shape)
    assert found.binary_macs + found.real_macs == pytest.approx(gpu.FORWARD, rel=2e-3)


def test_a_share_counts_three_passes_of_two_operations(gpu: Any) -> None:
    assert gpu.share(1000.0, 1e12, forward=1e8) == pytest.approx(1000 * 6 * 1e8 / 1e12)
    assert gpu.share(10_000.0, 333e12) == pytest.approx(0.1)  # 10,000 images of 3.33 Gflop


def fixed(seconds: float, calls: list[int]) -> Callable[[Callable[[], object], int], float]:
    """Return a clock by which everything takes as long, and which notes how often work would have been done."""

    def timer(work: Callable[[], object], times: int) -> float:
        work()
        calls.append(times)
        return seconds

    return timer


def test_a_product_of_n_by_n_takes_2_n_cubed_operations(gpu: Any) -> None:
    calls: list[int] = []
    for name in gpu.ARITHMETIC:
        assert gpu.product_rate(name, "cpu", 2, fixed(0.5, calls), size=16).values == (16384.0, 16384.0)
    assert calls == [gpu.PRODUCTS] * 6


def test_images_per_second_are_those_of_a_batch_and_a_step(gpu: Any) -> None:
    case = replace(importlib.import_module("pairs").CASES["resnet16"], batch=2, steps=7)
    calls: list[int] = []
    for name in gpu.ARITHMETIC:
        assert gpu.training_rate(name, case, "cpu", 1, fixed(0.5, calls)).values == (4.0,)
    assert calls == [7] * 3


def test_float32_is_rounded_where_it_may_be_and_as_before_afterwards(gpu: Any) -> None:
    places = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in places]
    for allowed in (True, False):
        with gpu.rounded(allowed):
            assert [place.allow_tf32 for place in places] == [allowed, allowed]
        assert [place.allow_tf32 for place in places] == before


def test_all_of_it_is_printed_and_written(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Half of a rate of 6.66 Tflop/s at batch 8; at batch 9 the memory does not suffice."""

    def trained(name: str, case: Any, device: str, blocks: int) -> Any:
        if case.batch == 9:
            raise torch.OutOfMemoryError("none left")
        return gpu.Spread((1000.0,))

    for place in ("set_device", "empty_cache"):
        monkeypatch.setattr(torch.cuda, place, lambda *device: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card")
    monkeypatch.setattr(gpu, "product_rate", lambda name, device, blocks: gpu.Spread((6.66e12,)))
    monkeypatch.setattr(gpu, "training_rate", trained)
    monkeypatch.setattr(gpu, "listed", lambda *given: ["job"])
    monkeypatch.setattr(gpu, "sharing_rows", lambda device, counts, jobs, repeats: [{"processes": counts, "of": jobs}])
    path = tmp_path / "told.json"
    gpu.main(["--device", "cpu", "--batches", "8", "9", "--processes", "2", "--json", str(path)])
    out = capsys.readouterr().out
    assert "Card, CUDA" in out and out.count(" 50.0%  1000.00") == out.count("more memory than the card has") == 3
    told = json.loads(path.read_text())
    assert told["settings"]["card"] == "Card" and told["rows"][-1] == {"processes": [2], "of": ["job"]}
    assert [row["share"] for row in told["rows"] if row.get("case") == "resnet64"] == [pytest.approx(0.5)] * 3


def test_events_give_the_seconds_of_one_call(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        def __init__(self, enable_timing: bool) -> None:
            self.at = 0

        def record(self) -> None:
            self.at = len(done)

        def elapsed_time(self, other: Event) -> float:
            return 250.0 * (other.at - self.at)  # milliseconds

    done: list[int] = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert gpu.event_seconds(lambda: done.append(1), 4) == 0.25
    assert len(done) == 1 + 4


def test_evaluations_a_minute_by_processes(
    gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One process and, for want of a second interpreter that starts at once, one again."""
    monkeypatch.setattr(gpu, "IMAGES", 80)
    jobs = gpu.listed(tmp_path, "cpu", ["network.width=2", "network.cells=2", "recipe.precision=fp32"], 2)
    assert len({job.genome for job in jobs}) == 2 and jobs[0].bench.prepared.shape == (3, 32, 32)
    clock = iter([10.0, 100.0])
    monkeypatch.setattr(gpu, "evaluated", timed_by(clock, gpu.evaluated))
    first, second = gpu.sharing_rows("cpu", [1, 1], jobs, 1)
    assert (first["median"], second["median"]) == (60.0 * 2 / 10.0, 60.0 * 2 / 100.0)
    assert (first["times"], second["times"]) == (1.0, pytest.approx(0.1))
    assert sum(first["ended"].values()) == 2 and first["taken_mib"] is None
    assert "2 evaluations, a minute" in capsys.readouterr().out


def timed_by(clock: Iterator[float], evaluated: Callable[..., Any]) -> Callable[..., Any]:
    """Return what evaluates in the clock's seconds; every second call, from the first on, only warms up."""
    calls = iter(range(100))

    def timed(workers: Any, jobs: Any) -> tuple[float, Any]:
        _, found = evaluated(workers, jobs)
        return (next(clock) if next(calls) % 2 else 0.0), found

    return timed
