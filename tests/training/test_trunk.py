"""A trunk can be gone on with from any epoch, through a file, and every branch leaves it as it was, to the bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evobnn.errors import ExperimentError
from evobnn.training import (
    Epoch,
    Loop,
    Plan,
    Recipe,
    Stage,
    StagedTraining,
    TrainResult,
    Trunk,
    load_trunk,
    rate_at,
    save_trunk,
    train,
)
from evobnn.training import loop as loop_module
from evobnn.training.loop import torch_threads
from tests.training.toys import SHORT, digest, images, network

TRUNK = replace(SHORT, epochs=4, schedule="trunk", decay=0.7)
"""40 images in 16: 3 steps an epoch, and 2 in a branch."""

STATEFUL = [
    TRUNK,
    replace(TRUNK, decay=1.7, optimiser="sgd", low_momentum=0.8, mixup=0.3, drop_path=0.4, ema=0.9),
    replace(TRUNK, augmentation="shift1-flip", label_smoothing=0.1, kernel_loss=1e-2, weight_decay=1e-3, shift=True),
]


def scored(recipe: Recipe, net: nn.Module | None = None, **settings: Any) -> TrainResult:
    return train(net or network(), images(), recipe, 7, **settings)


def kept_at(recipe: Recipe, epochs: int, begun: Trunk | None = None) -> tuple[TrainResult, Trunk]:
    """Return the score after some epochs and the trunk that was kept there."""
    kept: list[Trunk] = []
    result = scored(recipe, epochs=epochs, begun=begun, keep=kept.append)
    assert len(kept) == 1
    return result, kept[0]


# --- The rate -------------------------------------------------------------------------------------------------------


def test_a_trunk_rises_over_half_an_epoch_and_stays_up_however_long_it_gets() -> None:
    rates = {n: [rate_at(replace(TRUNK, epochs=n, learning_rate=3.0), k, 6 * n) for k in range(6 * n)] for n in (2, 5)}
    assert rates[2] == [1.0, 2.0, *[3.0] * 10]
    assert rates[5][:12] == rates[2]
    assert rates[5][12:] == [3.0] * 18


@pytest.mark.parametrize(
    ("decay", "falling"),
    [(0.01, [1.0]), (0.5, [1.0, 0.5]), (1.0, [1.0, 2 / 3, 1 / 3]), (1.4, [1.0, 0.75, 0.5, 0.25])],
)
def test_a_branch_falls_linearly_to_nothing_over_its_part_of_an_epoch(
    decay: float, falling: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []
    original = loop_module.prepare_step

    def listening(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, of: int) -> None:
        original(optimiser, recipe, step, of)
        steps.append(optimiser.param_groups[0]["lr"])

    monkeypatch.setattr(loop_module, "prepare_step", listening)
    scored(replace(TRUNK, epochs=2, decay=decay, learning_rate=1.0))
    assert steps == pytest.approx([1.0] * 6 + falling)


def test_a_branch_of_several_epochs_sees_every_image_once_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Tensor]] = []
    original = loop_module.epoch_batches

    def listening(*arguments: Any) -> list[Tensor]:
        seen.append(original(*arguments))
        return seen[-1]

    monkeypatch.setattr(loop_module, "epoch_batches", listening)
    scored(replace(TRUNK, epochs=1, decay=2.0))
    assert [sorted(torch.cat(batches).tolist()) for batches in seen] == [list(range(40))] * 3
    assert len({str(torch.cat(batches).tolist()) for batches in seen}) == 3


def test_a_branch_anneals_and_drops_as_the_last_epoch_did(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(loop_module, "anneal", lambda net, progress: told.append(progress))
    scored(TRUNK, epochs=3)
    scored(TRUNK)
    assert told == [0.0, 0.25, 0.5, 0.5, 0.0, 0.25, 0.5, 0.75, 0.75]


# --- Going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", STATEFUL)
@pytest.mark.parametrize("rungs", [(1, 2), (2,), (1, 2, 3), (3,)])
def test_from_rung_to_rung_ends_as_in_one_go(recipe: Recipe, rungs: tuple[int, ...], tmp_path: Path) -> None:
    """Each stretch is a new network and a new optimiser; what is between them went through a file."""
    whole, stretched = network(), network()
    once = scored(recipe, whole)
    path, begun, looked = tmp_path / "one", None, 0
    for rung in rungs:
        result, trunk = kept_at(recipe, rung, begun)
        assert len(result.curve) == len(trunk.curve) == rung
        assert trunk.curve[:-1] == result.curve[:-1]
        assert trunk.curve[-1] != result.curve[-1]  # the branch stands in its place
        assert save_trunk(trunk, path, "this")
        begun = load_trunk(path, "this")
        looked += 1
    assert looked == len(rungs)
    assert scored(recipe, stretched, begun=begun) == once
    assert digest(stretched.state_dict()) == digest(whole.state_dict())


def test_what_a_branch_scores_is_what_a_training_of_that_length_scores() -> None:
    short = scored(replace(TRUNK, epochs=2))
    assert kept_at(TRUNK, 2)[0] == short
    assert short.curve[-1] != scored(replace(TRUNK, epochs=2, schedule="constant")).curve[-1]


def test_a_trunk_that_is_too_long_is_left_alone() -> None:
    _, trunk = kept_at(TRUNK, 3)
    assert scored(TRUNK, epochs=2, begun=trunk) == scored(TRUNK, epochs=2)


def test_a_kept_trunk_is_no_part_of_the_network_any_more() -> None:
    _, trunk = kept_at(TRUNK, 1)
    before = digest(trunk.tensors)
    scored(TRUNK, begun=trunk)
    assert digest(trunk.tensors) == before


def test_only_a_trunk_can_be_scored_before_its_end() -> None:
    with pytest.raises(ExperimentError, match=r"3 epochs of the schedule onecycle, got 2\. Set recipe\.schedule"):
        scored(replace(SHORT, epochs=3), epochs=2)
    for epochs in (0, 5):
        with pytest.raises(ExperimentError, match="epochs between 1 and 4"):
            scored(TRUNK, epochs=epochs)
    assert len(scored(replace(SHORT, epochs=2), epochs=2).curve) == 2


def test_a_long_training_has_its_branch_in_the_last_epoch() -> None:
    net = network()
    training = StagedTraining(net, images(), Plan("toy", (Stage(TRUNK), Stage(replace(SHORT, epochs=1)))), 7)
    while training.epoch < 4:
        training.advance()
    found = [(one.training_loss, one.validation_loss, one.validation_error) for one in training.records]
    assert found == [(one.training_loss, one.validation_loss, one.validation_error) for one in scored(TRUNK).curve]
    assert [one.rate for one in training.records] == pytest.approx([0.01, 0.01, 0.01, 0.005])
    training.advance()
    assert training.finished
    stages = training.state().facts["plan"]["stages"]
    assert ["decay" in stage["recipe"] for stage in stages] == [True, False]  # as older checkpoints have it


def test_text_leaves_out_a_decay_that_nothing_reads() -> None:
    assert "decay" not in SHORT.said()
    assert replace(SHORT, decay=0.7).said()["decay"] == 0.7
    assert replace(SHORT, schedule="trunk").said()["decay"] == 0.5
    assert [one.length for one in (SHORT, replace(SHORT, decay=0.7), TRUNK)] == [2.0, 2.0, 4.7]


# --- Not a number, out of time --------------------------------------------------------------------------------------


def test_a_branch_that_runs_out_of_time_or_numbers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Iterator[float] = iter(range(100))
    result = scored(TRUNK, epochs=1, deadline=3.5, clock=lambda: next(ticks))  # 0, 1, 2 the epoch, 3, 4 the branch
    assert (result.ended, result.message) == ("timeout", "out of time in the branch behind epoch 1 of 4")
    assert len(result.curve) == 1
    original, calls = loop_module.cross_entropy, 0

    def spoilt(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return original(*arguments) * (math.nan if calls == 8 else 1.0)

    monkeypatch.setattr(loop_module, "cross_entropy", spoilt)
    result = scored(TRUNK, epochs=2)
    assert result.ended == "diverged"
    assert "in the branch behind epoch 2 of 4" in result.message


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trunk of one epoch in a file. Not to be written to."""
    path = tmp_path_factory.mktemp("trunks") / "deep" / "one"
    assert save_trunk(kept_at(TRUNK, 1)[1], path, "this")
    return path


def test_a_file_gives_back_what_was_saved_and_nothing_to_others(file: Path) -> None:
    loop = Loop(network(), images(), TRUNK, 7)
    with torch_threads(1):  # as `train` does
        loop.advance()
    found = load_trunk(file, "this")
    assert found is not None
    assert digest(dict(sorted(found.tensors.items()))) == digest(dict(sorted(loop.tensors().items())))
    assert len(found.curve) == 1 and isinstance(found.curve[0], Epoch)
    assert load_trunk(file, "that") is None
    assert load_trunk(file.with_name("missing"), "this") is None
    assert load_trunk(file.parent, "this") is None
    assert [path.name for path in file.parent.iterdir()] == ["one"]


def test_no_damaged_file_is_taken_for_a_whole_one(file: Path, tmp_path: Path) -> None:
    data, path, looked = file.read_bytes(), tmp_path / "damaged", 0
    at = [*range(0, len(data), len(data) // 60), len(data) - 1]
    spoilt = [data[:n] + bytes([data[n] ^ 1]) + data[n + 1 :] for n in at]
    for damaged in (*spoilt, *(data[:n] for n in at), data + b"x", b"", b"\n", b"null\n", b"[]\n", b"{}\n" + data):
        path.write_bytes(damaged)
        assert load_trunk(path, "this") is None
        looked += 1
    assert looked > 120


def test_a_curve_that_was_changed_is_damage_too(file: Path, tmp_path: Path) -> None:
    head, _, data = file.read_bytes().partition(b"\n")
    facts = json.loads(head)
    facts["curve"] += facts["curve"]
    (tmp_path / "one").write_bytes(json.dumps(facts).encode() + b"\n" + data)
    assert load_trunk(tmp_path / "one", "this") is None


def test_a_place_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("")
    assert not save_trunk(kept_at(TRUNK, 1)[1], tmp_path / "no-folder" / "one", "this")
