"""A network is counted by an empty batch: the same shapes as on the meta device, nothing drawn, nothing left behind."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from evobnn._seeding import generator
from evobnn.evaluation import Bench
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS
from evobnn.nn.cells.blocks import FreeSkip
from evobnn.nn.counting import cost as costs
from evobnn.nn.counting.cost import COUNTERS, NetworkCost, count, profile
from evobnn.nn.counting.hollow import hollow_twin, run_empty, unfilled
from evobnn.nn.fast.quickest import no_compiler
from tests.nn.test_cost import example
from tests.test_fitness import SETTINGS, bench_of

GROWN = {"cells": 4}


def on_meta(bench: Bench, genome: Any, monkeypatch: pytest.MonkeyPatch) -> NetworkCost:
    """Count one image on the meta device, on which the network is built as well."""

    def run(network: nn.Module, shape: tuple[int, ...], again: object) -> None:
        with torch.no_grad():
            network.eval()(torch.empty((1, *shape), device="meta"))

    with torch.device("meta"):
        network = bench.network(genome)
    with monkeypatch.context() as patched:
        patched.setattr(costs, "run_empty", run)
        return count(network, bench.prepared.shape, bench.additions.all_counters)


def agree(bench: Bench, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Compare counts by an empty batch, with no way out, to those on the meta device; return whether they vary."""
    rng, seen = generator(3, "hollow"), set()
    monkeypatch.setattr(costs, "run_empty", lambda network, shape, again: run_empty(network, shape, pytest.fail))
    for _ in range(number):
        genome = bench.space.sample(rng)
        found = bench.cost(genome)
        assert found == on_meta(bench, genome, monkeypatch), str(genome)
        seen.add(found)
    return len(seen) > 1


@pytest.mark.parametrize("name", list(SETTINGS))
def test_counts_are_those_of_the_meta_device(tiny: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space, network, choice = SETTINGS[name]
    assert agree(bench_of(tiny, space, network, **choice), 3, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SETTINGS))
def test_two_hundred_counts_are_those_of_the_meta_device(tiny: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space, network, choice = SETTINGS[name]
    assert agree(bench_of(tiny, space, {**network, **GROWN}, **choice), 200, monkeypatch)


@pytest.mark.parametrize("scale", list(WEIGHTS_QUANTISERS))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_counts_of_every_kind_of_weight(tiny: Any, scale: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(tiny, "joint", {"scale": scale, "width": 4})
    recipe = replace(bench.protocol.recipe, precision=precision, shift=precision == "bf16")
    assert agree(replace(bench, protocol=replace(bench.protocol, recipe=recipe)), 2, monkeypatch)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (64, 33)])
def test_shapes_at_odd_sizes_are_those_of_the_meta_device(
    tiny_bench: Bench, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = replace(tiny_bench, prepared=replace(tiny_bench.prepared, shape=(3, *size)))
    assert agree(bench, 3, monkeypatch)


@pytest.mark.skipif(bool(no_compiler()), reason="a bench of fused kernels needs Numba")
def test_counting_imports_next_to_nothing_and_no_kernels() -> None:
    code = """
import sys
from dataclasses import replace
from evobnn.experiment.text import from_table
from evobnn.runs.setup import Options, make_bench
from tests.conftest import TINY
table = {**TINY, "recipe": {**TINY["recipe"], "kernels": "fused"}}
bench = make_bench(from_table(table, "here"), Options(jobs=1))
genome = bench.space.extremes()[1]
before = set(sys.modules)
assert bench.cost(genome).binary_macs > 0
print(*(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) < 20
    assert "evobnn.nn.fast.loops" not in done.stdout


# --- Built without values -------------------------------------------------------------------------------------------


def test_nothing_is_drawn_and_the_generator_stays() -> None:
    state = torch.get_rng_state()
    with unfilled():
        torch.rand(3)
        network = example("learnable")
    assert torch.equal(torch.get_rng_state(), state)
    assert count(network, (2, 8, 8)) == profile(example("learnable"), (2, 8, 8))
    torch.manual_seed(0)
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    assert not torch.equal(first.weight, second.weight), "outside of the block all is drawn"


def test_a_network_too_large_for_any_memory_is_counted() -> None:
    with torch.device("meta"):
        network = BinaryConv2d(2**17, 2**17, 3, scale="mean")
    assert profile(network, (2**17, 1, 1)).binary_macs == 9 * 2**34


# --- A copy with the shapes alone -----------------------------------------------------------------------------------


def test_a_twin_is_on_the_meta_device_and_has_no_hooks() -> None:
    network, calls = example(), []
    network.head.register_forward_hook(lambda *_: calls.append(1))
    twin = hollow_twin(network)
    pairs = [*zip(network.parameters(), twin.parameters(), strict=True)]
    pairs += zip(network.buffers(), twin.buffers(), strict=True)
    assert len(pairs) > 10
    assert all((one.shape, one.dtype) == (other.shape, other.dtype) for one, other in pairs)
    assert {(one.device.type, other.device.type) for one, other in pairs} == {("cpu", "meta")}
    run_empty(twin, (2, 8, 8), pytest.fail)
    assert not calls


class Averse(nn.Module):
    """Counts how often it is run, and cannot do with an empty batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.seen = BinaryConv2d(2, 4, 3), nn.BatchNorm2d(4), []  # type: ignore[var-annotated]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(self.conv(x))
        self.seen.append((len(x), x.device.type))
        return out.view(len(x), -1)


def test_what_fails_on_an_empty_batch_is_counted_on_the_meta_device() -> None:
    network = Averse()
    cost = profile(network, (2, 5, 5))
    assert [layer.name for layer in cost.layers] == ["conv", "norm"]
    assert (cost.binary_macs, cost.other) == (100 * 18, 100)
    twin = hollow_twin(network)
    run_empty(twin, (2, 5, 5), lambda: None)
    assert twin.seen == [(0, "cpu"), (1, "meta")]
    assert network.seen == []


def test_what_is_wrong_with_the_network_is_said() -> None:
    with pytest.raises(RuntimeError, match="channel"):
        profile(nn.Sequential(FreeSkip(3, 6), BinaryConv2d(7, 2, 3)), (3, 4, 4))


def test_counting_spends_the_network_and_profiling_does_not() -> None:
    network = example()
    kept = copy.deepcopy(network)
    first = profile(network, (2, 8, 8))
    assert network.training and all(map(torch.equal, network.parameters(), kept.parameters()))
    assert count(network, (2, 8, 8), COUNTERS) == first
    assert not network.training
