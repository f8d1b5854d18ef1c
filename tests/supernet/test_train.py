"""The shared network is trained as a pure function, can be killed, and scores what is copied out of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice

import pytest
import torch

import evobnn
from evobnn.errors import ExperimentError, RunError
from evobnn.evaluation import Shared, evaluate
from evobnn.records import Status
from evobnn.runs.setup import Options, make_bench
from evobnn.supernet import build, select, train
from evobnn.supernet.copy import copied
from evobnn.supernet.paths import paths
from evobnn.supernet.score import Heir, recalibrate, run_heir, validated
from evobnn.supernet.train import SharedLoop, finished, trained, training
from evobnn.training import Loop, score
from tests.supernet.spaces import experiment


def bench_of(**settings):
    shared = {"epochs": 2, "expressions": 3, **settings}
    return make_bench(experiment("joint", score="inherited", shared=shared), Options(jobs=1))


@pytest.fixture(scope="module")
def bench():
    return bench_of()


@pytest.fixture(scope="module")
def weights(bench):
    return trained(bench, 1)


def equal(some, others):
    return list(some) == list(others) and all(torch.equal(some[name], others[name]) for name in some)


class KilledError(Exception):
    pass


OTHER = {"recipe": {"optimiser": "sgd", "ema": 0.9, "schedule": "trunk"}}


@pytest.mark.parametrize("settings", [{}, pytest.param(OTHER, marks=pytest.mark.slow)])
def test_a_killed_training_ends_with_the_same_bytes(settings, tmp_path, monkeypatch):
    shared = {"epochs": 4, "expressions": 3, "sampling": "fair" if settings else "uniform"}
    bench = make_bench(experiment("joint", score="inherited", shared=shared, **settings), Options(jobs=1))
    monkeypatch.setattr(train, "EVERY", 2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(bench, 1, whole)
    advance, seen = SharedLoop.advance, []

    def killed(self, *arguments, **more):
        seen.append(self.epoch)
        if seen == [0, 1, 2, 3]:
            raise KilledError
        return advance(self, *arguments, **more)

    monkeypatch.setattr(SharedLoop, "advance", killed)
    with pytest.raises(KilledError):
        trained(bench, 1, parts)
    assert (parts / train.STATE).is_file()
    trained(bench, 1, parts)
    assert seen == [0, 1, 2, 3, 2, 3]
    assert (whole / train.WEIGHTS).read_bytes() == (parts / train.WEIGHTS).read_bytes()
    assert not (parts / train.STATE).exists()
    trained(bench, 1, parts)
    assert len(seen) == 6
    assert finished(parts, training(bench, 2)) is None


@pytest.mark.slow
def test_it_learns():
    digits = evobnn.preset("digits")
    shared = Shared(epochs=30, expressions=3)
    small = replace(digits, score="inherited", shared=shared, network=replace(digits.network, width=6))
    bench = make_bench(small, Options(jobs=1))
    dearest = bench.phenotype(bench.anchors()[1])
    assert validated(bench, dearest, trained(bench, 1)).validation_error < 0.6  # guessing has 0.9


def test_the_seed_decides(bench, weights):
    assert equal(weights, trained(bench, 1))
    assert not equal(weights, trained(bench, 2))


@pytest.mark.parametrize("sampling", ["fair", pytest.param("sandwich", marks=pytest.mark.slow)])
def test_other_samplings_give_other_weights(sampling, weights):
    assert not equal(weights, trained(bench_of(sampling=sampling), 1))


def test_a_fair_round_is_one_step_on_the_sum_of_its_gradients():
    bench = bench_of(sampling="fair", epochs=1)
    supernet = build(bench, 1, 3)
    data, recipe = train.tensors_of(bench.prepared.folder, "cpu"), bench.protocol.recipe
    loop = SharedLoop(supernet, data, recipe, "fair", 1)
    loop._switch(0)
    (genomes,) = islice(paths(bench, supernet.expressions, "fair", 1, 0), 1)
    assert len(genomes) == len(bench.space.offered["normal"]) > 1
    images, labels = data.train_images[:20], data.train_labels[:20]
    begun = copy.deepcopy(supernet.network.state_dict())
    wanted = {}
    for genome in genomes:
        loop.optimiser.zero_grad()
        select(supernet, genome)
        Loop._differentiated(loop, images, labels)
        for name, parameter in supernet.network.named_parameters():
            if parameter.grad is not None:
                wanted[name] = wanted.get(name, 0.0) + parameter.grad.clone()
    supernet.network.load_state_dict(begun)
    steps = []
    loop.optimiser.step = lambda: steps.append({n: p.grad for n, p in supernet.network.named_parameters()})
    loop.recipe = replace(recipe, gradient_norm=0.0)
    loop._step(images, labels)
    (found,) = steps
    assert wanted and all(torch.allclose(found[name], sums, atol=1e-5) for name, sums in wanted.items())


def test_an_heir_is_scored_as_its_copy(bench, weights, tmp_path):
    missing = run_heir(Heir(bench, str(bench.extremes()[1]), 1, str(tmp_path)))
    assert missing.message.startswith("RunError: Expected a finished shared network")
    trained(bench, 1, tmp_path)
    genome = bench.extremes()[1]
    found = run_heir(Heir(bench, str(genome), 1, str(tmp_path)))
    from evobnn.evaluation.evaluation import tensors_of

    data = tensors_of(bench.prepared.folder, "cpu")
    loss, error = score(copied(bench, genome, weights), data)
    assert found.status is Status.OK
    assert found.objectives["error"] == pytest.approx(error)
    assert found.measures["loss"] == pytest.approx(loss, rel=1e-4)
    assert "training_loss" not in found.measures
    fresh = evaluate(bench, genome, 0)
    assert fresh.objectives["ops"] == found.objectives["ops"]
    assert "training_loss" in fresh.measures


def test_moments_are_measured_as_means_over_batches(bench, weights):
    from evobnn.data.batches import epoch_batches, normalise
    from evobnn.evaluation.evaluation import tensors_of

    data = tensors_of(bench.prepared.folder, "cpu")
    network = copied(bench, bench.extremes()[0], weights)
    momentum = network.stem.norm.momentum
    recalibrate(network, data, 20, 3)
    batches = epoch_batches(data.count, 20, torch.Generator().manual_seed(0))[:3]
    images = [normalise(x, data.mean, data.deviation) for x, _ in data.epoch(batches)]
    means = torch.stack([x.mean((0, 2, 3)) for x in images]).mean(0)
    variances = torch.stack([x.var((0, 2, 3)) for x in images]).mean(0)
    torch.testing.assert_close(network.stem.norm.running_mean, means)
    torch.testing.assert_close(network.stem.norm.running_var, variances)
    assert network.stem.norm.momentum == momentum


def test_recalibration_is_a_part_of_the_score(bench, weights):
    one = bench.phenotype(bench.extremes()[1])
    changed = replace(bench, protocol=replace(bench.protocol, shared=Shared(recalibrate=2)))
    assert validated(changed, one, weights).validation_loss != validated(bench, one, weights).validation_loss


def test_a_training_that_diverges_is_said(tmp_path):
    shared = {"epochs": 2, "expressions": 1}
    table = {"score": "inherited", "shared": shared, "recipe": {"learning_rate": 90.0, "latent_clip": 0.0}}
    bench = make_bench(experiment("joint", **table), Options(jobs=1))
    with torch.no_grad():
        images = train.tensors_of(bench.prepared.folder, "cpu")
    broken = replace(images, deviation=images.deviation * 0)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ExperimentError, match="shared network that can be"):
        patch.setattr(train, "tensors_of", lambda *_: broken)
        trained(bench, 1)


def test_a_full_disk_is_said(bench, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"room for .*supernet\.weights"):
        trained(bench, 1, tmp_path / "file")
