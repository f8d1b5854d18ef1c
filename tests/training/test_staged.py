"""Courses: stages follow each other as planned, and stopping after any epoch changes nothing, to the bit."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evobnn.data.batches import Tensors, normalise
from evobnn.errors import ExperimentError, RunError
from evobnn.nn import BinaryConv2d, ResNet, Site
from evobnn.training import (
    OPTIMISERS,
    Diverged,
    EpochRecord,
    Plan,
    Recipe,
    Stage,
    StagedTraining,
    State,
    checkpoint,
    score,
    torch_threads,
    train,
)
from evobnn.training import loop as loop_module
from tests.training.toys import FULL, SHORT, digest, images, network


def training(plan: Plan, seed: int = 3, net: ResNet | None = None, loader: Tensors | None = None) -> StagedTraining:
    return StagedTraining(net or network(), loader or images(), plan, seed)


def finished(one: StagedTraining) -> StagedTraining:
    while not one.finished:
        one.advance()
    return one


def stored(state: State) -> State:
    """Return the state as a file gives it back: contiguous tensors, facts through JSON."""
    tensors = {name: t.clone(memory_format=torch.contiguous_format) for name, t in state.tensors.items()}
    return State(tensors, json.loads(json.dumps(state.facts, allow_nan=False)))


def stages(*recipes: Recipe, start: str = "previous") -> Plan:
    return Plan("toy", tuple(Stage(recipe, start) for recipe in recipes))


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[tuple[EpochRecord, ...], str, str]:
    one = finished(training(FULL))
    return one.records, digest(one.network.state_dict()), digest(one.final_network().state_dict())


# --- One stage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [
        replace(SHORT, epochs=3),
        replace(SHORT, optimiser="sgd", schedule="bnas", low_momentum=0.8, mixup=0.3, drop_path=0.4, ema=0.9),
        replace(SHORT, label_smoothing=0.1, kernel_loss=1e-2, centre_loss=1e-2, augmentation="flip", shift=True),
    ],
)
def test_one_stage_is_a_brief_training(recipe: Recipe) -> None:
    one = finished(training(stages(recipe), seed=7))
    net = network()
    result = train(net, images(), recipe, seed=7)
    assert len(one.records) == recipe.epochs
    found = [(r.training_loss, r.validation_loss, r.validation_error) for r in one.records]
    assert found == [(e.training_loss, e.validation_loss, e.validation_error) for e in result.curve]
    assert digest(one.final_network().state_dict()) == digest(net.state_dict())


def test_records_count_on_over_the_stages_and_name_the_rate() -> None:
    recipe = replace(SHORT, schedule="linear", learning_rate=0.06)  # 40 images in 16: 3 steps an epoch, 6 in all
    one = finished(training(stages(recipe, replace(recipe, epochs=1))))
    assert [(r.stage, r.epoch) for r in one.records] == [(0, 1), (0, 2), (1, 3)]
    assert [r.rate for r in one.records] == pytest.approx([0.04, 0.01, 0.02])
    assert one.epoch == 3
    with pytest.raises(RunError, match="all 3 done"):
        one.advance()


def test_without_validation_images_there_is_no_score_but_signs_are_still_watched() -> None:
    data = images()
    bare = replace(data, validation_images=data.validation_images[:0], validation_labels=data.validation_labels[:0])
    one = training(stages(SHORT), loader=bare)
    record = one.advance()
    assert (record.validation_loss, record.validation_error) == (None, None)
    json.dumps(one.state().facts, allow_nan=False)
    bad = network()
    bad.blocks[0].first[0].activation.p0_scale.requires_grad_(False).fill_(math.inf)  # type: ignore[union-attr,index,operator]
    with pytest.raises(Diverged, match="a non-finite"):
        training(stages(SHORT), net=bad, loader=bare).advance()


def test_training_learns() -> None:
    one = finished(training(stages(replace(SHORT, epochs=12))))
    assert one.records[-1].validation_error is not None
    assert one.records[-1].validation_error <= 0.2  # chance is 2/3


def test_global_generators_and_threads_stay_as_they_were() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    with torch_threads(2):
        finished(training(FULL))
        assert torch.get_num_threads() == 2
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("quantiser", ["standardised", "none"])
def test_the_network_is_told_how_far_its_training_is(quantiser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    original = loop_module.anneal

    def listening(net: nn.Module, progress: float) -> None:
        told.append(progress)
        original(net, progress)

    monkeypatch.setattr(loop_module, "anneal", listening)
    finished(training(stages(replace(SHORT, epochs=4), replace(SHORT, epochs=2)), net=network(scale=quantiser)))
    assert told == [0.0, 0.25, 0.5, 0.75, 0.0, 0.5]


# --- Scores and averages --------------------------------------------------------------------------------------------


def test_scores_and_the_final_network_are_those_of_the_averaged_weights() -> None:
    one = finished(training(stages(replace(SHORT, ema=0.9, mixup=0.2, drop_path=0.2))))
    final = one.final_network()
    assert not final.training
    assert not any(p.requires_grad for p in final.parameters())
    assert score(final, one.loader) == (one.records[-1].validation_loss, one.records[-1].validation_error)
    assert score(copy.deepcopy(one.network), one.loader) != score(final, one.loader)
    before = digest(final.state_dict())
    with torch.no_grad():
        next(one.network.parameters()).zero_()
    assert digest(final.state_dict()) == before


# --- Stages ---------------------------------------------------------------------------------------------------------


def modes(net: nn.Module) -> tuple[set[bool], set[bool]]:
    sites = {m.real for m in net.modules() if isinstance(m, Site)}
    return sites, {m.real for m in net.modules() if isinstance(m, BinaryConv2d)}


def test_each_stage_switches_what_is_binary() -> None:
    plan = stages(replace(SHORT, epochs=1, activations="real"), replace(SHORT, epochs=1, weights="real"), SHORT)
    one = training(plan)
    seen = []
    while not one.finished:
        one.advance()
        seen.append(modes(one.network))
    assert seen == [({True}, {False}), ({False}, {True}), ({False}, {False}), ({False}, {False})]


@pytest.mark.parametrize(("start", "same"), [("fresh", True), ("previous", False)])
def test_a_stage_starts_from_the_first_weights_or_the_last(start: str, same: bool) -> None:
    """At a rate so small that nothing moves, a stage shows the weights with which it began."""
    still = replace(SHORT, epochs=1, learning_rate=1e-9, latent_clip=0.0)
    net = network()
    before = [p.detach().clone() for p in net.parameters()]
    one = finished(training(stages(SHORT, still, start=start), net=net))
    assert before
    near = [torch.allclose(a, b, atol=1e-6) for a, b in zip(before, one.network.parameters(), strict=True)]
    assert all(near) == same


def test_what_a_stage_hands_on_is_averaged() -> None:
    still = replace(SHORT, epochs=1, learning_rate=1e-9, latent_clip=0.0)
    one = training(stages(replace(SHORT, ema=0.9), still))
    for _ in range(2):
        one.advance()
    expected = [p.clone() for p in one.final_network().parameters()]
    one.advance()
    found = list(one.network.parameters())
    assert len(found) > 10
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(expected, found, strict=True))


def test_the_optimiser_begins_anew_with_a_stage_and_only_then() -> None:
    one = training(stages(SHORT, SHORT))
    steps = []
    while not one.finished:
        one.advance()
        counts = {int(t) for name, t in one.state().tensors.items() if name.endswith(".step")}
        assert len(counts) == 1
        steps.append(counts.pop())
    assert steps == [3, 6, 3, 6]


def test_latent_weights_are_settled_when_they_become_binary() -> None:
    one = training(stages(replace(SHORT, weights="real", epochs=1, latent_clip=0.05), replace(SHORT, latent_clip=0.05)))
    one.advance()
    latent = [m.weight for m in one.network.modules() if isinstance(m, BinaryConv2d)]
    assert max(float(w.detach().abs().max()) for w in latent) > 0.1
    seen: list[float] = []
    one.network.register_forward_pre_hook(lambda *_: seen.append(max(float(w.detach().abs().max()) for w in latent)))
    one.advance()
    assert len(seen) > 3
    assert max(seen) <= 0.0501


def test_the_teacher_is_the_network_as_the_stage_before_left_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logits are asked for each image that the pupil sees, in the teacher's own modes."""
    heard: list[tuple[Tensor, Tensor]] = []

    def listening(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        heard.append((logits.detach(), teacher))
        return logits.sum() * 0.0

    monkeypatch.setattr(loop_module, "distillation", listening)
    first = replace(SHORT, epochs=1, activations="real", weights="real", ema=0.5)
    one = training(stages(first, replace(SHORT, epochs=1, batch=40, distillation=0.5), start="fresh"))
    one.advance()
    parent = one.final_network()
    data = images()
    one.advance()
    assert len(heard) == 1
    with torch.no_grad():
        expected = parent(normalise(data.train_images, data.mean, data.deviation))
    order = torch.cdist(heard[0][1], expected).argmin(1)
    assert sorted(order.tolist()) == list(range(40))
    torch.testing.assert_close(heard[0][1], expected[order], rtol=1e-4, atol=1e-5)
    assert modes(parent) == ({True}, {True})


def test_a_lone_recipe_has_no_teacher() -> None:
    with pytest.raises(ExperimentError, match=r"recipe\.distillation = 0 in a training of one stage"):
        train(network(), images(), replace(SHORT, distillation=0.5), seed=0)


# --- Not a number ---------------------------------------------------------------------------------------------------


def test_divergence_is_raised_with_its_place_and_stays() -> None:
    one = training(stages(SHORT, SHORT))
    for _ in range(3):
        one.advance()
    calls: list[int] = []

    def spoil(grad: Tensor) -> Tensor:
        calls.append(1)
        return torch.full_like(grad, math.nan)

    next(one.network.parameters()).register_hook(spoil)
    for _ in range(2):
        with pytest.raises(Diverged, match="a non-finite gradient norm in epoch 2 of 2, stage 2 of 2"):
            one.advance()
    assert len(calls) == 3  # of one epoch
    assert not one.finished
    assert one.epoch == 3
    with pytest.raises(Diverged):
        one.state()


# --- Stopping and going on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", range(FULL.epochs + 1))
def test_stopped_after_any_epoch_it_ends_with_the_same_bytes(
    epochs: int, uninterrupted: tuple[tuple[EpochRecord, ...], str, str]
) -> None:
    first = training(FULL)
    for _ in range(epochs):
        first.advance()
    state = stored(first.state())
    second = training(FULL, net=network(seed=99))
    second.restore(state)
    assert second.epoch == epochs
    finished(second)
    final = digest(second.final_network().state_dict())
    assert (second.records, digest(second.network.state_dict()), final) == uninterrupted


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_stopped_after_every_epoch_too(optimiser: str) -> None:
    plan = FULL.changed(optimiser=optimiser)
    whole = finished(training(plan))
    state = training(plan).state()
    for number in range(plan.epochs):
        one = training(plan, net=network(seed=number + 50))
        one.restore(stored(state))
        one.advance()
        state = one.state()
    last = training(plan)
    last.restore(stored(state))
    assert last.finished
    assert last.records == whole.records
    assert digest(last.final_network().state_dict()) == digest(whole.final_network().state_dict())


def test_a_course_that_went_on_can_be_put_back(uninterrupted: tuple[tuple[EpochRecord, ...], str, str]) -> None:
    """From the second stage back into the first: modes, teacher, weights and generators."""
    one = training(FULL)
    one.advance()
    early = one.state()
    kept = digest(early.tensors)
    finished(one)
    assert digest(early.tensors) == kept
    one.restore(early)
    finished(one)
    assert (one.records, digest(one.network.state_dict())) == uninterrupted[:2]


def in_a_new_process(folder: Path, plan: str) -> str:
    """Return the digest of the final weights of a training that another process goes on with from its checkpoint."""
    code = (
        "import sys; from pathlib import Path\n"
        "from evobnn.training import StagedTraining, checkpoint\n"
        "from tests.training import toys\n"
        "net = toys.network(seed=77)\n"
        f"training = StagedTraining(net, toys.images(), toys.{plan}, 3)\n"
        "training.restore(checkpoint.load(checkpoint.latest(Path(sys.argv[1])), net))\n"
        "while not training.finished: training.advance()\n"
        "print(toys.digest(training.final_network().state_dict()))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_another_process_goes_on_from_a_file(
    tmp_path: Path, uninterrupted: tuple[tuple[EpochRecord, ...], str, str]
) -> None:
    one = training(FULL)
    for _ in range(3):
        one.advance()
    checkpoint.save(one.state(), tmp_path / "epoch-0003")
    assert in_a_new_process(tmp_path, "FULL") == uninterrupted[2]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda plan: plan.changed(batch=8), r"plan\.stages\.0\.recipe\.batch = 8"),
        (lambda plan: Plan("other", plan.stages), r"plan\.name = 'other'"),
        (lambda plan: plan.with_epochs(9), r"plan\.stages\.0\.recipe\.epochs = "),
        (lambda plan: Plan("full", plan.stages[:1]), r"plan\.stages = "),
    ],
)
def test_a_state_of_another_plan_is_refused(change: Callable[[Plan], Plan], place: str) -> None:
    one = training(FULL)
    before = digest(one.network.state_dict())
    with pytest.raises(RunError, match=f"a checkpoint with {place}"):
        training(change(FULL)).restore(one.state())
    with pytest.raises(RunError, match="a checkpoint with seed = 4, got 3"):
        training(FULL, seed=4).restore(one.state())
    assert digest(one.network.state_dict()) == before


def test_a_state_of_another_network_is_refused_by_its_first_parameter() -> None:
    wide = training(FULL, net=network(width=8))
    with pytest.raises(RunError, match=r"stem\.conv\.weight of shape \(8, 1, 3, 3\).* got shape \(4, 1, 3, 3\)"):
        wide.restore(training(FULL).state())


def test_the_state_says_what_it_is() -> None:
    one = training(FULL)
    one.advance()
    state = one.state()
    assert set(state.facts) == {"plan", "seed", "stage", "stage_epoch", "epoch", "records"}
    assert state.facts["records"] == [asdict(one.records[0])]
    parts = {name.partition(".")[0] for name in state.tensors}
    assert parts == {"network", "optimiser", "average", "fresh", "generator"}
    for _ in range(2):
        one.advance()
    parts = {name.partition(".")[0] for name in one.state().tensors}
    assert parts == {"network", "optimiser", "average", "teacher", "generator"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_and_goes_on_too() -> None:
    """The network on the device, what is drawn on the CPU; on a GPU equal to rounding."""

    def on_gpu(seed: int = 0) -> StagedTraining:
        data = images()
        loader = Tensors(*(getattr(data, name).cuda() for name in data.__dataclass_fields__))
        return training(FULL, net=network(seed).cuda(), loader=loader)  # type: ignore[arg-type]

    whole = finished(on_gpu())
    first = on_gpu()
    for _ in range(3):
        first.advance()
    second = on_gpu(seed=9)
    second.restore(stored(State({n: t.cpu() for n, t in first.state().tensors.items()}, first.state().facts)))
    finished(second)
    assert second.epoch == whole.epoch == FULL.epochs
    losses = [[record.training_loss for record in one.records] for one in (whole, second)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
