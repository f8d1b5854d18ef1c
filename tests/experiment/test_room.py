"""What a training keeps is estimated from its network, and decides how many of them run at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from evobnn.errors import DeviceError
from evobnn.evaluation import Bench
from evobnn.evaluation.room import room_for, training_bytes
from evobnn.genome import Genome
from evobnn.machine import workers as parallel
from evobnn.machine.room import BARE_WORKER, MEMORY_PER_WORKER, Card, Room, need_of
from evobnn.runs import Options
from evobnn.runs.setup import jobs_for


def larger(bench: Bench, *, width: int = 2, size: int = 8, batch: int = 50) -> Bench:
    """Return the bench with images of another size, of which there are none."""
    protocol, prepared = bench.protocol, bench.prepared
    protocol = replace(
        protocol, network=replace(protocol.network, width=width), recipe=replace(protocol.recipe, batch=batch)
    )
    return replace(bench, protocol=protocol, prepared=replace(prepared, shape=(1, size, size)))


def kept(bench: Bench, genome: Genome, batch: int) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, parameters included."""
    network, storages = bench.network(genome), dict[int, int]()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    held = []  # so that no address is used twice
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        held.append(network.train()(torch.randn(batch, *bench.prepared.shape)))
    return sum(storages.values())


def test_the_estimate_is_about_what_a_step_keeps(tiny_bench: Bench) -> None:
    bench = larger(tiny_bench, width=8, size=16)
    _, dearest = bench.extremes()
    assert 0.6 < kept(bench, dearest, 50) / training_bytes(bench) < 1.5


def test_the_estimate_grows_with_the_maps(tiny_bench: Bench) -> None:
    small, wide, large = (
        training_bytes(larger(tiny_bench, **changes)) for changes in ({}, {"width": 8}, {"width": 8, "size": 32})
    )
    assert 2 * small < wide < large / 8
    halves = [training_bytes(larger(tiny_bench, batch=batch)) for batch in (25, 50, 75, 100)]
    assert {b - a for a, b in pairwise(halves)} == {halves[1] - halves[0]}
    assert training_bytes(larger(tiny_bench, batch=500)) == halves[-1]  # there are 100 images


def test_a_small_training_takes_what_a_worker_does_and_a_large_one_more(tiny_bench: Bench) -> None:
    assert room_for(tiny_bench).need.memory == MEMORY_PER_WORKER
    large = larger(tiny_bench, width=64, size=64, batch=100)
    assert room_for(large).need.memory == BARE_WORKER + training_bytes(large) > MEMORY_PER_WORKER


def test_on_a_card_images_and_training_are_there(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card("cuda:0", 2**40)
    monkeypatch.setattr(parallel, "card_of", {"cuda:0": card}.get)
    found = room_for(replace(tiny_bench, device="cuda:0"))
    prepared = tiny_bench.prepared
    images = (prepared.train_count + prepared.validation_count) * math.prod(prepared.shape)
    assert found.card == card
    assert found.need == need_of(training_bytes(tiny_bench), images, on_card=True)


def test_as_many_as_were_asked_for_or_as_there_is_room_for(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    there = replace(tiny_bench, device="cuda:99")
    assert jobs_for(there, Options(jobs=7, device="cuda:99")) == 7  # no card is looked at
    with pytest.raises(DeviceError, match="'cuda:99'"):
        jobs_for(there, Options(device="cuda:99"))
    monkeypatch.setattr("evobnn.evaluation.room.room", lambda *given: Room(3, 2**40))
    assert jobs_for(tiny_bench, Options()) == 3
