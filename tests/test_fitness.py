"""One evaluation: each status is produced by what it stands for, and the value depends on what the protocol says."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evobnn._seeding import child_seed, generator
from evobnn.analysis import Axis, hypervolume
from evobnn.data import DatasetSpec, load_test, load_train, prepare
from evobnn.decode import decode
from evobnn.errors import DataError, DeviceError, ExperimentError, NetworkError
from evobnn.evaluation import (
    OBJECTIVES,
    Additions,
    Bench,
    Job,
    Protocol,
    Shared,
    check_device,
    check_jobs_fit,
    evaluate,
    evaluation,
    run_job,
)
from evobnn.evaluation import bench as benches
from evobnn.evaluation import phenotype as phenotypes
from evobnn.evaluation import protocol as protocols
from evobnn.experiment.settings import SpaceSettings
from evobnn.genome import OpSpec
from evobnn.nn import OPS, BinaryConv2d, Site
from evobnn.records import Evaluation, Status
from evobnn.runs.setup import Options, make_bench
from evobnn.spaces import Space, Template, canonical, key, simplify
from evobnn.training import LATER, Recipe, TrainResult

CELLS = (
    "normal[2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)] "
    "reduction[2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)]"
)
WITHOUT_TABLE = tuple(name for name in OBJECTIVES if name != "latency")
"""Objectives that need no table of layer times."""
GOOD = f"{CELLS} @normal = mul(sin(x), cos(x)) @reduction = shift(x)"
SAME = f"{CELLS} @normal = mul(cos(x), sin(x)) @reduction = shift(x)"
"""GOOD with the arguments of a commuting form exchanged: another text, the same key."""
ALL_ZERO = "2 = zero(0) + zero(1); 3 = zero(0) + zero(2); 4 = zero(0) + zero(3); 5 = zero(1) + zero(4)"


def run(bench: Bench, text: str, seed: int = 1) -> Evaluation:
    return evaluate(bench, bench.space.parse(text), seed)


def with_recipe(bench: Bench, **changes: Any) -> Bench:
    return replace(bench, protocol=replace(bench.protocol, recipe=replace(bench.protocol.recipe, **changes)))


def bench_of(tiny: Any, space: str, network: dict[str, Any] | None = None, **choice: Any) -> Bench:
    """Return the tiny bench with another space, and its network changed to suit it."""
    changed = replace(tiny, space=SpaceSettings(name=space, **choice), network=replace(tiny.network, **network or {}))
    return make_bench(changed, Options(jobs=1))


RESNET = {"macro": "resnet", "skip": "none", "scale": "none", "width": 4}
SETTINGS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bnas": ("bnas", {"skip": "published", "padding": "zero"}, {}),
    "bnas without skip": ("bnas", {"skip": "none", "cells": 3, "width": 4}, {}),
    "bats": ("bats", {"skip": "none", "macro": "bats", "width": 12}, {}),
    "cpnas": ("cpnas", {"skip": "none", "macro": "cpnas", "width": 4}, {}),
    "gaaf": ("gaaf", RESNET, {"sites": "net"}),
    "gaaf by kind": ("gaaf", RESNET, {"encoding": 2}),
    "joint": ("joint", {"cells": 4}, {"sites": "node", "encoding": 2}),
    "joint bats": ("joint", {"macro": "bats", "width": 6}, {"topology": "bats", "sites": "net"}),
    "joint cpnas": ("joint", {"macro": "cpnas", "skip": "none", "cells": 3}, {"topology": "cpnas"}),
    "joint large": ("joint", {"width": 4, "stem": 2.0, "skip": "published"}, {"nodes": 2}),
}
"""Spaces with networks of every macro: space, changes of the tiny network, choice."""


def timeless(evaluation: Evaluation) -> Evaluation:
    return replace(evaluation, seconds=0.0)


# --- Statuses -------------------------------------------------------------------------------------------------------


def test_ok_has_every_objective_and_measure(tiny_bench: Bench) -> None:
    found = run(replace(tiny_bench, objectives=WITHOUT_TABLE), GOOD)
    cost = tiny_bench.cost(tiny_bench.space.parse(GOOD))
    assert (found.status, found.message, found.traceback) == (Status.OK, "", "")
    assert found.objectives["error"] * 60 == pytest.approx(round(found.objectives["error"] * 60))
    assert 0.0 <= found.objectives["error"] <= 1.0
    rest = {"ops": cost.ops, "bits": cost.bits, "parameters": cost.parameters, "elementwise": cost.other}
    assert {**found.objectives, "error": 0.0} == {"error": 0.0, **rest}
    assert list(found.objectives) == list(WITHOUT_TABLE)
    counts = {"ops", "binary_macs", "real_macs", "binary_share", "bits", "parameters", "other"}
    assert set(found.measures) == {"loss", "training_loss", *counts}
    assert found.measures["ops"] == found.objectives["ops"]
    assert [part.split(":")[0] for part in found.behaviour.split()] == ["normal", "reduction"]
    assert found.seconds > 0.0


def test_a_genome_over_the_bound_on_work_is_invalid_untrained(
    tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    real = evaluation.train
    monkeypatch.setattr(evaluation, "train", lambda *a, **k: (trained.append(1), real(*a, **k))[1])
    cost = tiny_bench.cost(tiny_bench.space.parse(GOOD))
    macs = 3.0 * (cost.binary_macs + cost.real_macs) * 100 * 1  # images, epochs
    exactly = replace(tiny_bench, protocol=replace(tiny_bench.protocol, max_macs=macs))
    assert run(exactly, GOOD).status is Status.OK
    assert trained == [1]
    found = run(replace(tiny_bench, protocol=replace(tiny_bench.protocol, max_macs=macs - 1)), GOOD)
    assert found.status is Status.INVALID
    assert "max_macs" in found.message
    assert trained == [1]


@pytest.mark.parametrize("expression", ["square(x)", "expabs(x)", "neg(expabs(x))", "div(square(x), expabs(x))"])
def test_a_sign_that_never_changes_is_invalid_untrained(
    tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    monkeypatch.setattr(evaluation, "train", None)
    found = run(tiny_bench, f"{CELLS} @normal = {expression} @reduction = x")
    assert found.status is Status.INVALID
    assert "@normal" in found.message and "constant" in found.message
    assert not found.objectives


@pytest.mark.parametrize("expression", ["scale(square(x))", "mix(square(x), expabs(x))", "add(square(x), const)"])
def test_one_with_learnable_parts_is_trained(tiny_bench: Bench, expression: str) -> None:
    assert run(tiny_bench, f"{CELLS} @normal = {expression} @reduction = x").status is Status.OK


def test_a_constant_sign_where_no_edge_is_does_not_matter(tiny_bench: Bench) -> None:
    text = f"normal[{ALL_ZERO}] reduction[2 = conv3(0) + max3(1)] @normal = square(x) @reduction = x"
    assert run(tiny_bench, text).status is Status.OK


def test_no_path_is_invalid_untrained(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "train", None)
    found = run(tiny_bench, f"normal[{ALL_ZERO}] reduction[{ALL_ZERO}] @net = x")
    assert found.status is Status.INVALID
    assert "no path" in found.message


def test_an_explosion_is_diverged(tiny_bench: Bench) -> None:
    wild = with_recipe(tiny_bench, optimiser="sgd", learning_rate=100.0, gradient_norm=0.0, latent_clip=0.0, epochs=30)
    found = run(wild, f"{CELLS} @net = mul(cube(x), scale(x))")
    assert found.status is Status.DIVERGED
    assert "non-finite" in found.message
    assert not found.objectives
    assert found.measures["ops"] > 0  # what was counted before the training stays


def test_out_of_time_is_a_timeout(tiny_bench: Bench) -> None:
    found = run(replace(tiny_bench, timeout=1e-9), GOOD)
    assert found.status is Status.TIMEOUT
    assert found.message == "out of time in epoch 1 of 1"
    assert run(replace(tiny_bench, timeout=1e6), GOOD).status is Status.OK


def test_an_exception_is_an_error_with_its_traceback_unless_one_wants_it(tiny_bench: Bench, tmp_path: Path) -> None:
    broken = replace(tiny_bench, prepared=replace(tiny_bench.prepared, folder=str(tmp_path / "gone")))
    found = run(broken, GOOD)
    assert found.status is Status.ERROR
    assert found.message.startswith("DataError: Expected ")
    assert "Traceback" in found.traceback and "gone" in found.traceback
    with pytest.raises(DataError):
        evaluate(broken, broken.space.parse(GOOD), 1, catch=False)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "normal[2 = conf3(0)]", "@net = sin(x, x)", f"{CELLS} @nowhere = x", "normal[2 = conv3(0)]", "\0"],
)
def test_a_job_with_a_genome_that_cannot_be_read_is_invalid(tiny_bench: Bench, text: str) -> None:
    found = run_job(Job(tiny_bench, text, 1))
    assert found.status is Status.INVALID
    assert found.message


@pytest.mark.parametrize("place", ["canonical", "decode", "train", "count", "lost_signal", "key_of"])
def test_a_job_never_raises(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise MemoryError("planted")

    places = {"train": evaluation, "canonical": benches}
    monkeypatch.setattr(places.get(place, phenotypes), place, fail)
    found = run_job(Job(replace(tiny_bench), GOOD, 1))  # a bench that has not counted anything yet
    if place == "key_of":  # only the parent asks for it
        assert found.status is Status.OK
    else:
        assert (found.status, found.message) == (Status.ERROR, "MemoryError: planted")


def test_a_job_travels_and_means_the_same(tiny_bench: Bench) -> None:
    job = Job(tiny_bench, GOOD, 3)
    parcel = pickle.dumps(job)
    assert len(parcel) < 20_000
    assert timeless(run_job(pickle.loads(parcel))) == timeless(run_job(job))


# --- What the value depends on --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_value_and_another_differs(tiny_bench: Bench) -> None:
    first, again, other = (timeless(run(tiny_bench, GOOD, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_two_texts_of_one_key_are_one_network(tiny_bench: Bench) -> None:
    space = tiny_bench.space
    assert key(space, space.parse(GOOD)) == key(space, space.parse(SAME))
    assert timeless(run(tiny_bench, GOOD)) == timeless(run(tiny_bench, SAME))


def test_the_seed_comes_from_root_key_and_repeat_only(tiny_bench: Bench) -> None:
    good, same = (tiny_bench.space.parse(text) for text in (GOOD, SAME))
    other = tiny_bench.space.parse(f"{CELLS} @net = x")
    seed = tiny_bench.seed(0, good, 0)
    assert seed == tiny_bench.seed(0, same, 0)
    changed = replace(with_recipe(tiny_bench, epochs=7), timeout=5.0, objectives=("error",))
    assert seed == changed.seed(0, good, 0)
    different = {seed, tiny_bench.seed(1, good, 0), tiny_bench.seed(0, other, 0), tiny_bench.seed(0, good, 1)}
    assert len(different) == 4


def test_evaluating_leaves_global_generators_and_threads_alone(tiny_bench: Bench) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), torch.get_num_threads()
    states = [run(tiny_bench, GOOD).status, run(replace(tiny_bench, timeout=1e-9), GOOD).status]
    assert states == [Status.OK, Status.TIMEOUT]
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    assert torch.get_num_threads() == before[3]


def test_global_generators_do_not_leak_into_the_value(tiny_bench: Bench) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = timeless(run(tiny_bench, GOOD))
        torch.manual_seed(2)
        assert timeless(run(tiny_bench, GOOD)) == first


# --- Protocol -------------------------------------------------------------------------------------------------------

ANOTHER: dict[str, Any] = {
    "name": "mnist",
    "skip": "published",
    "padding": "zero",
    "scale": "none",
    "optimiser": "sgd",
    "schedule": "cosine",
    "surrogate": "approxsign",
    "augmentation": "shift1",
    "precision": "bf16",
    "data": "0123",
    "macro": "bats",
    "style": "imagenet",
    "weights": "real",
    "activations": "real",
    "quantiser": "xnor",
    "kernels": "fused",
    "fingerprint": "0123456789abcdef",
}


def another(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(another(name, one) for one in value)
    return ANOTHER[name] if isinstance(value, str) else value + 1 if isinstance(value, int) else value / 2 + 0.01


def test_every_field_of_the_protocol_is_in_its_fingerprint() -> None:
    network = Template(cells=3, width=2, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
    protocol = Protocol(DatasetSpec(), network, Recipe(milestones=(0.5,), factors=(0.5,)), 1e9, "abcd")
    prints = {protocol.fingerprint()}
    looked = 1
    for part in fields(Protocol):
        value = getattr(protocol, part.name)
        if part.name in ("dataset", "network", "recipe"):
            changes = [replace(value, **{f.name: another(f.name, getattr(value, f.name))}) for f in fields(value)]
        elif part.name == "additions":
            changes = [Additions({"conv7": (OpSpec("conv7", 7, "7x7"), OPS["conv5"])})]
        elif part.name == "sums":
            changes = ["scaled"]
        elif part.name == "evaluation":
            changes = ["simulator, version 1"]
        elif part.name == "latency":
            changes = ["0123456789abcdef"]
        elif part.name == "score":
            changes = ["inherited"]
        elif part.name == "shared":  # counts where scores are inherited
            changes = []
            for f in fields(value):
                told = replace(value, **{f.name: "fair" if f.name == "sampling" else getattr(value, f.name) + 1})
                prints.add(replace(protocol, score="inherited", shared=told).fingerprint())
                looked += 1
        else:
            changes = [another(part.name, value)]
        for change in changes:
            prints.add(replace(protocol, **{part.name: change}).fingerprint())
            looked += 1
    assert looked == 1 + sum(len(fields(part)) for part in (DatasetSpec, Template, Recipe, Shared)) + 7 > 31
    assert len(prints) == looked
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)


def test_a_protocol_from_before_a_field_existed_keeps_its_fingerprint() -> None:
    network = Template(cells=3, width=2, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
    protocol = Protocol(DatasetSpec(), network, Recipe(epochs=3), 1e9, "abcd", sums="scaled")
    said = asdict(protocol)
    assert said.pop("sums") == "scaled" and not said.pop("evaluation") and not said.pop("latency")
    assert said.pop("score") == "trained" and said.pop("shared")
    assert not protocol.additions and not any(said.pop("additions").values())
    for part, later in (
        ("dataset", ("skip_damaged", "fingerprint")),
        ("network", ("macro", "style")),
        ("recipe", LATER),
    ):
        for name in later:
            del said[part][name]
    assert {len(said), len(said["network"]), len(said["recipe"])} == {5, 8, 13}
    versions = [protocols.DECODER_VERSION, protocols.OPERATIONS_VERSION, torch.__version__.split("+")[0]]
    text = json.dumps([said, versions], sort_keys=True)
    assert protocol.fingerprint() == hashlib.sha256(text.encode()).hexdigest()[:16]


SCALED, UNSCALED = {"scale": "mean"}, {"scale": "none"}


@pytest.mark.parametrize(
    ("network", "recipe", "matters"),
    [
        (SCALED, {}, True),
        (UNSCALED, {}, False),
        (UNSCALED, {"quantiser": "xnor"}, True),
        (SCALED, {"quantiser": "none"}, False),
        (SCALED, {"weights": "real"}, False),
        (SCALED, {"kernels": "fused"}, False),
        (SCALED, {"kernels": "fused", "surrogate": "annealed_tanh"}, True),
        (SCALED, {"precision": "bf16"}, False),
        (SCALED | {"macro": "cpnas", "skip": "none"}, {"kernels": "fused"}, True),
        (SCALED | {"macro": "bats", "skip": "none"}, {"precision": "bf16"}, True),
        (SCALED | {"macro": "resnet", "skip": "none", "stem": 1}, {"kernels": "fused"}, False),
    ],
)
def test_exact_sums_are_in_the_fingerprint_where_scaled_weights_meet_readable_layers(network, recipe, matters) -> None:
    exact = Protocol(DatasetSpec(), Template(**network), Recipe(**recipe))
    before = replace(exact, sums="scaled")
    assert (exact.fingerprint() != before.fingerprint()) is matters
    assert ("sums of ±alpha" in exact.changed_since(before.fingerprint())) is matters or not matters
    assert exact.changed_since("0" * 16) == "other data, settings or versions of evobnn or torch"


def test_operations_of_a_users_own_count_as_readable_layers() -> None:
    network, own = Template(scale="mean"), Additions({"conv7": (OpSpec("conv7", 7, "7x7"), OPS["conv5"])})
    fused = Protocol(DatasetSpec(), network, Recipe(kernels="fused"), additions=own)
    assert fused.fingerprint() != replace(fused, sums="scaled").fingerprint()


@pytest.mark.parametrize("version", ["DECODER_VERSION", "OPERATIONS_VERSION", "torch"])
def test_versions_are_in_the_fingerprint(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    before = tiny_bench.protocol.fingerprint()
    assert tiny_bench.protocol.fingerprint() == before
    if version == "torch":
        monkeypatch.setattr(torch, "__version__", "1.0.0")
    else:
        monkeypatch.setattr(protocols, version, 99)
    assert tiny_bench.protocol.fingerprint() != before


def test_quantiser_shift_and_real_activations_reach_the_network(tiny_bench: Bench) -> None:
    changed = with_recipe(tiny_bench, quantiser="learnable", shift=True)
    assert changed.surround.template == replace(tiny_bench.protocol.network, scale="learnable")
    genome = changed.space.parse(GOOD)
    network = changed.network(genome)
    convolutions = [m for m in network.modules() if isinstance(m, BinaryConv2d)]
    assert {m.scale for m in convolutions} == {"learnable"}
    assert {m.shift is not None for m in network.modules() if isinstance(m, Site)} == {True}
    assert changed.cost(genome).parameters > tiny_bench.cost(genome).parameters
    plain, learned, real = (
        run(one, GOOD) for one in (tiny_bench, changed, with_recipe(tiny_bench, activations="real"))
    )
    assert {one.status for one in (plain, learned, real)} == {Status.OK}
    assert len({one.measures["loss"] for one in (plain, learned, real)}) == 3
    both = with_recipe(tiny_bench, activations="real", weights="real")
    twin = evaluate(both, genome, 1, twin=True)
    assert twin.measures["parent_error"] == twin.objectives["error"]


def test_a_recipe_that_needs_a_teacher_is_refused_before_any_training(tiny_bench: Bench) -> None:
    with pytest.raises(ExperimentError, match=r"recipe\.distillation = 0 in a training of one stage"):
        check_jobs_fit(with_recipe(tiny_bench, distillation=0.5).protocol, tiny_bench.prepared)


def test_the_surround_carries_recipe_and_network(tiny_bench: Bench) -> None:
    changed = with_recipe(tiny_bench, surrogate="approxsign", clip=1.3, precision="bf16")
    around = changed.surround
    assert (around.surrogate, around.clip, around.precision) == ("approxsign", 1.3, "bf16")
    assert (around.shape, around.classes) == ((1, 8, 8), 10)
    assert around.template == changed.protocol.network
    with torch.device("meta"):
        network = decode(changed.space, changed.space.parse(GOOD), around)
    sites = [m for m in network.modules() if type(m).__name__ == "Site"]
    assert sites
    assert {(m.surrogate, m.clip, m.short) for m in sites} == {("approxsign", 1.3, True)}


# --- Objectives and axes --------------------------------------------------------------------------------------------


def test_the_table_of_objectives() -> None:
    assert {name: (one.name, one.axis) for name, one in OBJECTIVES.items()} == {
        "error": ("error", "linear"),
        "ops": ("ops", "log10"),
        "bits": ("bits", "log10"),
        "parameters": ("parameters", "log10"),
        "elementwise": ("elementwise", "log10"),
        "latency": ("latency", "log10"),
    }
    assert all(one.unit for one in OBJECTIVES.values())


@pytest.mark.parametrize("names", [(), ("error", "error"), ("error", "opps")])
def test_a_bench_refuses_objectives_that_make_no_sense(tiny_bench: Bench, names: tuple[str, ...]) -> None:
    with pytest.raises(ExperimentError, match="'ops'" if "opps" in names else "different objectives"):
        replace(tiny_bench, objectives=names)


def test_axes_span_error_to_chance_and_costs_from_cheapest_to_dearest(tiny_bench: Bench) -> None:
    bench = replace(tiny_bench, objectives=WITHOUT_TABLE)
    axes = bench.axes()
    assert list(axes) == list(WITHOUT_TABLE)
    assert axes["error"] == (0.0, 0.9, "linear")
    cheapest, dearest = (bench.cost(genome) for genome in bench.space.extremes())
    assert axes["ops"] == (cheapest.ops, dearest.ops, "log10")
    assert 0 < axes["ops"][0] < axes["ops"][1]
    assert axes == replace(bench, timeout=3.0).axes()


COSTS = {"ops": "ops", "bits": "bits", "parameters": "parameters", "elementwise": "other"}
"""Objective, and the name of the count that it is."""


@pytest.mark.parametrize("name", list(SETTINGS))
def test_what_is_drawn_lies_within_the_axes(tiny: Any, name: str) -> None:
    space, network, choice = SETTINGS[name]
    bench = replace(bench_of(tiny, space, network, **choice), objectives=tuple(COSTS))
    axes = bench.axes()
    rng = generator(0, "axes")
    looked = 0
    for _ in range(200):
        genome = bench.space.sample(rng)
        if bench.infeasible(genome):
            continue
        cost = bench.cost(genome)
        for objective, count in COSTS.items():
            low, high, _ = axes[objective]
            assert low <= getattr(cost, count) <= high, (objective, str(genome))
        looked += 1
        if looked == 8:
            break
    assert looked == 8
    if space != "gaaf":
        assert all(low < high for low, high, _ in axes.values())


@pytest.mark.parametrize("name", list(SETTINGS))
def test_extremes_and_anchors_are_of_the_space_and_can_be_trained(tiny: Any, name: str) -> None:
    space, network, choice = SETTINGS[name]
    bench = bench_of(tiny, space, network, **choice)
    cheapest, dearest = bench.extremes()
    anchors = bench.anchors()
    assert len(set(anchors)) == len(anchors) == (1 if space == "gaaf" else 2)
    for genome in (cheapest, dearest, *anchors):
        bench.space.check(genome)
        assert bench.infeasible(genome) == ""
    assert bench.cost(cheapest).ops <= bench.cost(dearest).ops
    for genome in anchors:  # the plain sign everywhere
        assert {str(tree) for _, tree in canonical(bench.space, genome).expressions} == {"x"}
    assert run_job(Job(bench, str(anchors[-1]), 1)).status is Status.OK


def test_the_cheapest_reads_whichever_inputs_cost_least(tiny: Any) -> None:
    space, network, choice = SETTINGS["bnas without skip"]
    bench = bench_of(tiny, space, network, **choice)
    costs = {inputs: bench.cost(bench.space.extremes(*inputs)[0]).ops for inputs in ((0, 0), (0, 1), (1, 0), (1, 1))}
    assert min(costs.values()) < min(costs[0, 0], costs[1, 1])
    assert bench.cost(bench.extremes()[0]).ops == bench.axes()["ops"][0] == min(costs.values())


def test_a_sign_that_never_changes_is_invalid_in_residual_blocks_too(tiny: Any) -> None:
    bench = bench_of(tiny, "gaaf", RESNET, sites="kind")
    good, bad = "mul(sin(x), cos(x))", "mul(square(x), expabs(x))"
    assert bench.infeasible(bench.space.parse(f"@normal = {good} @reduction = {good}")) == ""
    reason = bench.infeasible(bench.space.parse(f"@normal = {good} @reduction = {bad}"))
    assert "@reduction" in reason and "constant" in reason


@pytest.mark.parametrize(
    ("expression", "constant", "starts"),
    [
        ("add(abs(x), shift(x))", False, True),  # |x| + x + 0
        ("sub(shift(x), x)", False, True),
        ("add(sin(x), shift(x))", False, False),
        ("mul(square(x), expabs(x))", True, False),  # learns nothing, so it is constant for good
        ("mul(sin(x), cos(x))", False, False),
    ],
)
def test_a_sign_that_only_starts_constant_is_trained_and_told_apart(
    tiny: Any, expression: str, constant: bool, starts: bool
) -> None:
    bench = bench_of(tiny, "gaaf", RESNET, sites="kind")
    genome = bench.space.parse(f"@normal = mul(sin(x), cos(x)) @reduction = {expression}")
    assert (bool(bench.infeasible(genome)), bool(bench.starts_constant(genome))) == (constant, starts)
    if starts:
        assert bench.starts_constant(genome) == (
            f"the sign of @reduction = {expression} is constant on [-3, 3] before training"
        )


def test_an_axis_on_which_all_genomes_are_equal_leaves_the_others_their_hypervolume(tiny: Any) -> None:
    bench = replace(bench_of(tiny, "gaaf", RESNET, sites="net"), objectives=("error", "ops", "elementwise"))
    axes = bench.axes()
    low, high, scale = axes["ops"]
    assert (low == high > 0) and scale == "log10"
    assert axes["elementwise"][0] < axes["elementwise"][1]
    two = tuple(Axis(name, *axes[name]) for name in ("error", "ops"))
    assert hypervolume([[0.9, low]], two) == 0.0
    assert hypervolume([[0.45, low]], two) == pytest.approx(0.5)
    assert hypervolume([[0.3, low], [0.45, low]], two) == pytest.approx(2 / 3)
    three = tuple(Axis(name, *bounds) for name, bounds in axes.items())
    assert 0.0 < hypervolume([[0.45, low, axes["elementwise"][0]]], three) == pytest.approx(0.5)


def test_axes_of_a_space_in_which_nothing_costs_more_than_anything(tiny_bench: Bench) -> None:
    space = replace(tiny_bench.space, frozen=tiny_bench.space.parse(GOOD))
    low, high, _ = replace(tiny_bench, space=space).axes()["ops"]
    assert low == high > 0


# --- Counted once ---------------------------------------------------------------------------------------------------


def test_a_network_is_counted_once_for_all_spellings(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, counted = replace(tiny_bench), []
    real = phenotypes.count
    monkeypatch.setattr(phenotypes, "count", lambda *arguments: (counted.append(1), real(*arguments))[1])
    good, same, other = (bench.space.parse(text) for text in (GOOD, SAME, f"{CELLS} @net = x"))
    assert bench.cost(good) is bench.cost(same) is bench.cost(good)
    assert len(counted) == 1
    assert bench.cost(other) != bench.cost(good)
    assert len(counted) == 2
    assert bench.cost(good) == tiny_bench.cost(good)
    before = len(counted)
    bench.axes(), bench.extremes(), bench.anchors()
    first = len(counted) - before
    assert 0 < first <= 5
    bench.axes(), bench.extremes(), bench.anchors()
    assert len(counted) - before == first


def test_a_genome_is_brought_into_its_canonical_form_once(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twin, edges, counts, behaviour and objectives included; and every step sees what the public functions say."""
    canonicals = sys.modules[canonical.__module__]  # the name in the package is the function
    forms, simplified, real, simple = [], [], canonical, simplify
    monkeypatch.setattr(benches, "canonical", lambda *a: (forms.append(real(*a)), forms[-1])[1])
    monkeypatch.setattr(canonicals, "simplify", lambda *a: (simplified.append(a[0]), simple(*a))[1])
    space = replace(tiny_bench.space)  # one that remembers nothing
    bench = replace(tiny_bench, objectives=("error", "ops"), space=space)
    genome = bench.space.parse(GOOD)
    found = evaluate(bench, genome, 1, twin=True)
    assert found.status is Status.OK and "parent_error" in found.measures
    assert len(simplified) == 12, "5 parts twice, for two change places, and 2: not again for each of the sites"
    assert forms == [real(bench.space, genome)]
    one = bench.phenotype(genome)
    assert one is bench.phenotype(bench.space.parse(SAME))
    assert (one.key, one.canonical) == (key(bench.space, genome), forms[0])
    assert one.seed(7, 2) == child_seed(7, "evaluation", one.key, 2) == bench.seed(7, genome, 2)
    assert (one.infeasible, found.behaviour) == ("", one.behaviour)


def test_counts_stay_at_home_and_do_not_pile_up(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = replace(tiny_bench)
    before = pickle.dumps(bench)
    texts = [f"{CELLS} @net = {expression}" for expression in ("x", "sin(x)", "cube(x)", "scale(x)")]
    genomes = [bench.space.parse(text) for text in texts]
    monkeypatch.setattr(benches, "_KEPT", 2)
    first = [bench.cost(genome) for genome in genomes]
    assert pickle.dumps(bench) == before
    assert pickle.loads(before) == bench == tiny_bench
    assert pickle.loads(before).cost(genomes[0]) == first[0]
    assert [bench.cost(genome) for genome in genomes] == first
    assert len(bench._phenotypes) == 2


# --- Real weights and the real twin ---------------------------------------------------------------------------------


def test_real_weights_change_the_training_and_no_count(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = with_recipe(tiny_bench, weights="real")
    assert real.protocol.fingerprint() != tiny_bench.protocol.fingerprint()
    trained = []
    train = evaluation.train
    monkeypatch.setattr(evaluation, "train", lambda net, *a, **k: (trained.append(net), train(net, *a, **k))[1])
    first, second = run(tiny_bench, GOOD), run(real, GOOD)
    assert (first.status, second.status) == (Status.OK, Status.OK)
    assert first.measures["loss"] != second.measures["loss"]
    counts = ("ops", "binary_macs", "real_macs", "binary_share", "bits", "parameters", "other")
    assert [first.measures[name] for name in counts] == [second.measures[name] for name in counts]
    assert second.measures["binary_macs"] > 0
    kinds = [{m.real for m in network.modules() if isinstance(m, BinaryConv2d)} for network in trained]
    signs = [{m.real for m in network.modules() if type(m).__name__ == "Site"} for network in trained]
    assert (kinds, signs) == ([{False}, {True}], [{False}, {False}])


def test_the_twin_is_trained_beside_and_changes_nothing_else(tiny_bench: Bench) -> None:
    alone, beside = (timeless(run_job(Job(tiny_bench, GOOD, 1, twin=twin))) for twin in (False, True))
    assert "parent_error" not in alone.measures
    error = beside.measures["parent_error"]
    assert 0.0 <= error <= 1.0 and error * 60 == pytest.approx(round(error * 60))
    assert replace(beside, measures={**beside.measures, "parent_error": 0.0}) == replace(
        alone, measures={**alone.measures, "parent_error": 0.0}
    )
    assert run_job(Job(tiny_bench, GOOD, 1, twin=True)).measures["parent_error"] == error


def test_the_twin_is_real_and_starts_from_the_same_weights(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def look(network: Any, data: Any, recipe: Recipe, seed: int, **how: Any) -> TrainResult:
        started.append((recipe, seed, {name: value.clone() for name, value in network.state_dict().items()}, network))
        return train(network, data, recipe, seed, **how)

    train = evaluation.train
    monkeypatch.setattr(evaluation, "train", look)
    evaluate(tiny_bench, tiny_bench.space.parse(GOOD), 7, twin=True)
    assert len(started) == 2
    child, parent = started
    assert child[:2] == parent[:2]
    assert list(child[2]) == list(parent[2])
    assert all(torch.equal(value, parent[2][name]) for name, value in child[2].items())
    real = [
        {m.real for m in one[3].modules() if isinstance(m, BinaryConv2d) or type(m).__name__ == "Site"}
        for one in started
    ]
    assert real == [{False}, {True}]


@pytest.mark.parametrize("ends", ["diverged", "timeout", "raises"])
def test_a_twin_that_fails_leaves_the_child_as_it_is(
    tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    calls = []
    train = evaluation.train

    def fail(*arguments: Any, **how: Any) -> TrainResult:
        calls.append(1)
        if len(calls) == 1:
            return train(*arguments, **how)
        if ends == "raises":
            raise RuntimeError("planted")
        return TrainResult((), ends, "planted")

    monkeypatch.setattr(evaluation, "train", fail)
    found = run_job(Job(tiny_bench, GOOD, 1, twin=True))
    assert len(calls) == 2
    assert (found.status, found.message, found.traceback) == (Status.OK, "", "")
    assert "parent_error" not in found.measures
    monkeypatch.undo()
    assert timeless(found) == timeless(run(tiny_bench, GOOD))


def test_a_child_that_fails_has_no_twin(tiny_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        evaluation, "train", lambda *a, **k: (calls.append(1), TrainResult((), "diverged", "planted"))[1]
    )
    found = run_job(Job(tiny_bench, GOOD, 1, twin=True))
    assert (found.status, len(calls)) == (Status.DIVERGED, 1)
    assert "parent_error" not in found.measures
    assert run_job(Job(tiny_bench, f"{CELLS} @net = square(x)", 1, twin=True)).status is Status.INVALID
    assert len(calls) == 1


# --- Device, data ---------------------------------------------------------------------------------------------------


def test_the_processor_is_there() -> None:
    assert check_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "", "meta"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(DeviceError, match=f"cpu.*'{device}'"):
        check_device(device)


def test_a_batch_larger_than_the_training_part_is_refused_before_anything_is_trained(tiny_bench: Bench) -> None:
    check_jobs_fit(with_recipe(tiny_bench, batch=100).protocol, tiny_bench.prepared)
    with pytest.raises(ExperimentError, match="at most the 100 training images, got 101"):
        check_jobs_fit(with_recipe(tiny_bench, batch=101).protocol, tiny_bench.prepared)


def test_images_too_small_for_the_network_are_refused_before_anything_is_trained(tiny_bench: Bench) -> None:
    network = replace(tiny_bench.protocol.network, style="imagenet")
    with pytest.raises(NetworkError, match="at least 16x16 pixels.* got 8x8"):
        check_jobs_fit(replace(tiny_bench.protocol, network=network), tiny_bench.prepared)


def test_no_test_image_is_in_what_a_worker_reads(tmp_path: Path) -> None:
    prepared = prepare(DatasetSpec(), cache=tmp_path)  # no limit, no resampling: everything a search may see
    folder = Path(prepared.folder)
    names = sorted(path.name for path in folder.iterdir())
    arrays = ["train-images.npy", "train-labels.npy", "validation-images.npy", "validation-labels.npy"]
    assert names == ["meta.json", *arrays]
    seen = [np.load(folder / f"{part}-images.npy") for part in ("train", "validation")]
    kept = [image.tobytes() for part in seen for image in part]
    assert sorted(kept) == sorted(image.tobytes() for image in load_train(DatasetSpec()).images)
    test = {image.tobytes() for image in load_test(DatasetSpec()).images}
    assert len(kept) == 1438 and len(test) == 359
    assert not test & set(kept)


def test_the_space_of_the_bench_is_that_of_the_fixture(tiny_bench: Bench, tiny_space: Space) -> None:
    assert tiny_bench.space == tiny_space
