"""Brief training: it learns, repeats itself bit for bit, gives up in time, and calls a non-finite value by its name."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.data.batches import Tensors, normalise
from evobnn.errors import ExperimentError
from evobnn.nn import BinaryConv2d, Head, RealConv2d, Site, TreeActivation, binary_convolutions, stem
from evobnn.nn.binary.layers import batch_norm
from evobnn.training import (
    OPTIMISERS,
    SCHEDULES,
    Recipe,
    TrainResult,
    make_optimiser,
    rate_at,
    score,
    torch_threads,
    train,
)

SHORT = Recipe(epochs=3, batch=8, learning_rate=0.02)


def stripes(count: int = 40, held_out: int = 20) -> Tensors:
    """Return noisy 6x6 images whose upper (class 0) or lower (class 1) half is bright."""
    rng = torch.Generator().manual_seed(5)
    labels = torch.arange(count + held_out) % 2
    images = torch.randint(0, 60, (count + held_out, 1, 6, 6), generator=rng, dtype=torch.uint8)
    for half in (0, 1):
        images[labels == half, :, 3 * half : 3 * half + 3] += 180
    seen = images[:count].float()
    return Tensors(
        images[:count], labels[:count], images[count:], labels[count:], seen.mean().view(1), seen.std().view(1)
    )


class Halves(nn.Module):
    """Head that keeps the place: (N, C, H, W) -> two logits, so that upper and lower can be told."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * 36, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(1))
        return logits


def network(seed: int = 0, activation: nn.Module | None = None) -> nn.Sequential:
    """Return stem, site, binary convolution, norm, head: every kind of parameter once."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            stem(1, 4),
            Site(activation or TreeActivation(("add", ("scale", ("x",)), ("shift", ("x",))), 4)),
            BinaryConv2d(4, 4, 3, padding="minus_one", scale="mean"),
            batch_norm(4),
            Halves(4),
        )


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) > 0 and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# --- Learning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_learns_what_can_be_told_apart(optimiser: str, schedule: str) -> None:
    recipe = replace(SHORT, epochs=6, optimiser=optimiser, schedule=schedule)
    result = train(network(), stripes(), recipe, seed=1)
    assert (result.ended, result.message) == ("finished", "")
    assert len(result.curve) == 6
    assert result.validation_error <= 0.1  # chance is 0.5
    assert result.validation_error == result.curve[-1].validation_error
    assert result.validation_loss == result.curve[-1].validation_loss
    assert result.curve[-1].training_loss < result.curve[0].training_loss


def test_one_epoch_gives_one_point() -> None:
    assert len(train(network(), stripes(), replace(SHORT, epochs=1), seed=1).curve) == 1


def test_the_training_loss_is_the_mean_over_the_images() -> None:
    data, net = stripes(), network()
    recipe = Recipe(epochs=1, batch=40, learning_rate=1e-9, schedule="constant")
    expected = F.cross_entropy(
        copy.deepcopy(net)(normalise(data.train_images, data.mean, data.deviation)), data.train_labels
    )
    found = train(net, data, recipe, seed=0).curve[0].training_loss
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_score_is_that_of_the_whole_validation_part_in_evaluation_mode() -> None:
    data, net = stripes(), network()
    train(net, data, SHORT, seed=1)
    net.eval()
    with torch.no_grad():
        logits = net(normalise(data.validation_images, data.mean, data.deviation))
    loss, error = score(net.train(), data, batch=7)
    assert loss == pytest.approx(float(F.cross_entropy(logits, data.validation_labels)), rel=1e-5)
    assert error == float((logits.argmax(1) != data.validation_labels).float().mean())
    before = weights(net)
    assert score(net, data) == pytest.approx((loss, error), rel=1e-5)
    assert equal(before, weights(net))


# --- Repeating ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmentation", ["none", "shift1"])
def test_a_seed_repeats_itself_bit_for_bit_and_another_differs(augmentation: str) -> None:
    recipe = replace(SHORT, augmentation=augmentation)
    runs = []
    for seed in (7, 7, 8):
        net = network()
        runs.append((train(net, stripes(), recipe, seed).curve, weights(net)))
    assert runs[0][0] == runs[1][0]
    assert equal(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]
    assert not equal(runs[0][1], runs[2][1])


def test_augmentation_changes_what_is_learned() -> None:
    plain, shifted = (train(network(), stripes(), replace(SHORT, augmentation=a), 7) for a in ("none", "shift2"))
    assert plain.curve != shifted.curve


def test_global_generators_stay_where_they_were() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    train(network(), stripes(), replace(SHORT, augmentation="shift1"), seed=3)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


class Listening(nn.Module):
    """Notes how many threads torch may use while the network runs, and raises after `limit` runs."""

    def __init__(self, limit: int = 10**6) -> None:
        super().__init__()
        self.heard: list[int] = []
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        self.heard.append(torch.get_num_threads())
        if len(self.heard) > self.limit:
            raise ArithmeticError("enough")
        return x


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_set_and_put_back(threads: int) -> None:
    with torch_threads(3):
        listening = Listening()
        train(nn.Sequential(listening, network()), stripes(), replace(SHORT, epochs=1, threads=threads), seed=0)
        assert set(listening.heard) == {threads}
        assert torch.get_num_threads() == 3
        with pytest.raises(ArithmeticError):
            train(
                nn.Sequential(Listening(limit=2), network()),
                stripes(),
                replace(SHORT, epochs=1, threads=threads),
                seed=0,
            )
        assert torch.get_num_threads() == 3


# --- Rate, decay, bounds --------------------------------------------------------------------------------------------


def test_the_rate_follows_its_closed_form() -> None:
    def rates(schedule: str, steps: int) -> list[float]:
        return [rate_at(Recipe(schedule=schedule, learning_rate=2.0), step, steps) for step in range(steps)]

    half = math.sqrt(0.5)
    assert rates("constant", 3) == [2.0, 2.0, 2.0]
    assert rates("cosine", 4) == pytest.approx([2.0, 1.0 + half, 1.0, 1.0 - half])  # 1 + cos(k pi / 4)
    # A quarter of 16 steps linearly up, then 1 + cos(k pi / 12).
    later = [1.0 + math.cos(k * math.pi / 12) for k in range(12)]
    assert rates("onecycle", 16) == pytest.approx([0.5, 1.0, 1.5, 2.0, *later])
    assert min(later) > 0.0


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_rate_is_positive_and_bounded_however_short_the_training(schedule: str, steps: int) -> None:
    rates = [rate_at(Recipe(schedule=schedule, learning_rate=2.0), step, steps) for step in range(steps)]
    assert len(rates) == steps
    assert all(0.0 < rate <= 2.0 for rate in rates)
    assert max(rates) == 2.0


def test_training_uses_the_rate_of_each_step() -> None:
    """SGD on a single parameter with gradient 1 moves by the sum of Nesterov steps, which depends on every rate."""

    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.at = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.at.expand(len(x)), -self.at.expand(len(x))], 1)

    data = stripes()
    data.train_labels[:] = 0
    recipe = Recipe(epochs=2, batch=20, optimiser="sgd", schedule="cosine", learning_rate=1e-4, gradient_norm=0.0)
    net = Slope()
    train(net, data, recipe, seed=0)
    # Cross-entropy of logits (a, -a) for class 0 has slope -1 at a = 0; the rates are so small that it stays there.
    velocity, place = 0.0, 0.0
    for k in range(4):
        velocity = 0.9 * velocity + 1.0
        place += 1e-4 * 0.5 * (1 + math.cos(k * math.pi / 4)) * (1.0 + 0.9 * velocity)
    assert net.at.item() == pytest.approx(place, rel=1e-2)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_only_convolutions_and_linear_layers_decay(optimiser: str) -> None:
    net = network()
    groups = make_optimiser(net, Recipe(optimiser=optimiser, weight_decay=0.1)).param_groups
    names = {id(p): name for name, p in net.named_parameters()}
    decaying = {names[id(p)] for group in groups if group["weight_decay"] for p in group["params"]}
    spared = {names[id(p)] for group in groups if not group["weight_decay"] for p in group["params"]}
    assert decaying == {"0.conv.weight", "2.weight", "4.linear.weight"}
    assert spared == set(names.values()) - decaying
    assert {"1.activation.p0_scale", "1.activation.p1_shift", "3.weight", "3.bias", "4.linear.bias"} <= spared


def test_decay_shrinks_what_decays_and_nothing_else() -> None:
    net = network()
    optimiser = make_optimiser(net, Recipe(optimiser="adamw", weight_decay=0.1, learning_rate=0.5))
    before = weights(net)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    looked = 0
    for (name, p), old in zip(net.named_parameters(), before, strict=True):
        shrinks = isinstance(net.get_submodule(name.rpartition(".")[0]), RealConv2d | BinaryConv2d | nn.Linear)
        expected = old * 0.95 if shrinks and name.endswith("weight") else old
        assert torch.allclose(p, expected, rtol=1e-6, atol=0.0), name
        looked += 1
    assert looked == 10


def test_latent_weights_stay_within_their_bound_and_others_do_not() -> None:
    net = network()
    train(net, stripes(), replace(SHORT, latent_clip=0.05), seed=0)
    latent = [conv.weight for conv in binary_convolutions(net)]
    assert len(latent) == 1
    assert latent[0].abs().max() <= 0.05
    assert net[4].linear.weight.abs().max() > 0.05
    free = network()
    train(free, stripes(), replace(SHORT, latent_clip=0.0), seed=0)
    assert binary_convolutions(free)[0].weight.abs().max() > 0.05


def test_the_gradient_norm_bounds_every_step() -> None:
    recipe = replace(SHORT, optimiser="sgd", schedule="constant", latent_clip=0.0)
    moved = {}
    for bound in (1e-6, 0.0):
        net = network()
        before = weights(net)
        train(net, stripes(), replace(recipe, gradient_norm=bound), seed=0)
        moved[bound] = math.sqrt(sum(float((a - b).square().sum()) for a, b in zip(weights(net), before, strict=True)))
    steps = 3 * 5
    assert moved[1e-6] <= steps * 0.02 * 1e-6 * (1 + 0.9 * 10)  # Nesterov's velocity is at most 10 gradients
    assert moved[0.0] > 0.01


# --- Giving up ------------------------------------------------------------------------------------------------------


class Clock:
    """Goes on by one second each time somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.mark.parametrize(("deadline", "batches", "epochs"), [(0.5, 0, 0), (3.0, 3, 0), (5.0, 5, 1), (12.0, 12, 2)])
def test_the_clock_is_looked_at_before_every_batch(deadline: float, batches: int, epochs: int) -> None:
    listening = Listening()
    net = nn.Sequential(listening, network())
    result = train(net, stripes(), SHORT, seed=0, deadline=deadline, clock=Clock())  # 5 batches an epoch
    assert result.ended == "timeout"
    assert result.message == f"out of time in epoch {epochs + 1} of 3"
    assert len(result.curve) == epochs
    assert len(listening.heard) == batches + epochs  # and one pass over the validation part after each epoch


def test_without_deadline_nobody_looks_at_the_clock() -> None:
    clock = Clock()
    assert train(network(), stripes(), SHORT, seed=0, clock=clock).ended == "finished"
    assert clock.now == 0.0


# --- Not a number ---------------------------------------------------------------------------------------------------


class Blind(nn.Module):
    """An activation that is `value` everywhere: the sign behind it hides that from everything downstream."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, self.value)


def ended(net: nn.Module, recipe: Recipe = SHORT) -> TrainResult:
    return train(net, stripes(), recipe, seed=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_parameter_that_is_not_finite_is_found_even_where_nothing_reads_it(value: float) -> None:
    net = network()
    net.register_parameter("idle", nn.Parameter(torch.tensor([1.0, value])))
    result = ended(net)
    assert (result.ended, result.message) == ("diverged", "a non-finite parameter in epoch 1 of 3")
    assert result.curve == ()


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("bound", [0.0, 5.0])
def test_a_gradient_that_is_not_finite_is_found(value: float, bound: float) -> None:
    net = network()
    calls: list[int] = []

    def spoil(grad: Tensor) -> Tensor:
        calls.append(1)
        return torch.full_like(grad, value) if len(calls) == 8 else grad  # once, in the second epoch

    net[4].linear.bias.register_hook(spoil)
    result = ended(net, replace(SHORT, gradient_norm=bound))
    assert (result.ended, result.message) == ("diverged", "a non-finite gradient norm in epoch 2 of 3")
    assert len(result.curve) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_before_a_sign_that_is_not_finite_is_found_although_the_sign_hides_it(value: float) -> None:
    net = network(activation=Blind(value))
    net.eval()
    data = stripes()
    with torch.no_grad():
        logits = net(normalise(data.validation_images, data.mean, data.deviation))
    assert torch.isfinite(logits).all()
    result = ended(net)
    assert (result.ended, result.message) == ("diverged", "a non-finite value before a sign after epoch 1 of 3")
    assert all(torch.isfinite(p).all() for p in net.parameters())


def test_a_loss_that_is_not_finite_is_found() -> None:
    net = network()
    net[3].running_mean.fill_(math.nan)  # read in evaluation mode only, behind the last sign
    result = ended(net)
    assert (result.ended, result.message) == ("diverged", "a non-finite loss after epoch 1 of 3")


def test_a_healthy_network_is_none_of_this() -> None:
    assert ended(network(activation=Blind(0.5))).ended == "finished"


# --- Recipes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "recipe.epochs"),
        ({"batch": 1}, "recipe.batch"),
        ({"threads": 0}, "recipe.threads"),
        ({"optimiser": "adan"}, "adam"),
        ({"schedule": "cosin"}, "'cosine'"),
        ({"surrogate": "aproxsign"}, "'approxsign'"),
        ({"augmentation": "shift_1"}, "shift1"),
        ({"precision": "bf-16"}, "'bf16'"),
        ({"weights": "bnary"}, "'binary'"),
        ({"learning_rate": 0.0}, "recipe.learning_rate"),
        ({"learning_rate": math.nan}, "recipe.learning_rate"),
        ({"clip": 0.0}, "recipe.clip"),
        ({"weight_decay": -0.1}, "recipe.weight_decay"),
        ({"latent_clip": math.inf}, "recipe.latent_clip"),
        ({"gradient_norm": -1.0}, "recipe.gradient_norm"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_in_the_callers_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(ExperimentError, match=words.replace(".", r"\.")) as caught:
        Recipe(**change)  # type: ignore[arg-type]
    assert str(caught.value).startswith("Expected ")


def test_the_head_of_the_package_learns_too() -> None:
    """The toy set by its brightness, so that the mean over the map is enough."""
    data = stripes()
    data.train_images[data.train_labels == 1] //= 3
    data.validation_images[data.validation_labels == 1] //= 3
    net = nn.Sequential(*list(network())[:4], Head(4, 2))
    assert ended(net, replace(SHORT, epochs=20)).validation_error <= 0.1
