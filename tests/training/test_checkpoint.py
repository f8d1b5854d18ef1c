"""Checkpoints: there as a whole or not at all, one at a time, and only for the network they were written with."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from evobnn._jsonl import DamagedError, NewerError
from evobnn._seals import seal
from evobnn.errors import RunError
from evobnn.training import StagedTraining, State, checkpoint
from tests.training.toys import FULL, digest, images, network


@pytest.fixture(scope="module")
def states() -> list[State]:
    """The states after 0, 1, … 4 epochs."""
    training = StagedTraining(network(), images(), FULL, 3)
    found = [training.state()]
    for _ in range(4):
        training.advance()
        found.append(training.state())
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, states: list[State]) -> None:
    folder = checkpoint.save(states[4], tmp_path / "new" / "epoch-0004")
    assert names(folder) == ["optimiser.safetensors", "state.json", "weights.safetensors"]
    assert checkpoint.latest(tmp_path / "new") == folder
    found = checkpoint.load(folder, network(seed=5))
    assert found.facts == states[4].facts
    assert digest(dict(sorted(found.tensors.items()))) == digest(dict(sorted(states[4].tensors.items())))
    assert {t.dtype for t in found.tensors.values()} == {torch.float32, torch.uint8}


def test_the_weights_alone_fit_the_network(tmp_path: Path, states: list[State]) -> None:
    checkpoint.save(states[2], tmp_path / "epoch-0002")
    net = network(seed=5)
    net.load_state_dict(load_file(tmp_path / "epoch-0002" / "weights.safetensors"))
    assert digest({f"network.{name}": t for name, t in net.state_dict().items()}) == digest(
        {name: t for name, t in states[2].tensors.items() if name.startswith("network.")}
    )


@pytest.mark.parametrize(("keep", "left"), [(1, ["epoch-0004"]), (2, ["epoch-0003", "epoch-0004"])])
def test_older_ones_are_removed(tmp_path: Path, states: list[State], keep: int, left: list[str]) -> None:
    for number, state in enumerate(states):
        checkpoint.save(state, tmp_path / f"epoch-{number:04d}", keep=keep)
    assert names(tmp_path) == left


def test_one_that_is_there_is_replaced_and_newer_ones_stay(tmp_path: Path, states: list[State]) -> None:
    for number in (3, 2, 2):
        checkpoint.save(states[number], tmp_path / f"epoch-{number:04d}")
    assert names(tmp_path) == ["epoch-0002", "epoch-0003"]
    folder = checkpoint.save(states[1], tmp_path / "epoch-0003")
    assert checkpoint.load(folder, network()).facts["epoch"] == 1


def test_numbers_are_compared_as_numbers(tmp_path: Path, states: list[State]) -> None:
    for number in (9999, 10000):
        checkpoint.save(states[0], tmp_path / f"epoch-{number}", keep=5)
    assert checkpoint.latest(tmp_path) == tmp_path / "epoch-10000"


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "missing") is None


@pytest.mark.parametrize("file", ["weights.safetensors", "optimiser.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["missing", "cut", "empty"])
def test_what_is_half_there_is_passed_over(tmp_path: Path, states: list[State], file: str, how: str) -> None:
    for number in (1, 2):
        checkpoint.save(states[number], tmp_path / f"epoch-{number:04d}", keep=2)
    torn = tmp_path / "epoch-0002" / file
    data = torn.read_bytes()
    torn.unlink()
    if how != "missing":
        torn.write_bytes(data[: len(data) // 2 if how == "cut" else 0])
    assert checkpoint.latest(tmp_path) == tmp_path / "epoch-0001"
    with pytest.raises(RunError, match="Expected"):
        checkpoint.load(torn.parent, network())


class Killed(BaseException):
    """Stands for a kill: nothing cleans up after it."""


@pytest.mark.parametrize("at", range(1, 12))
def test_a_kill_at_any_call_leaves_a_whole_checkpoint(
    tmp_path: Path, states: list[State], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename, every removal and every write is a moment; afterwards saving goes on as if nothing had been."""
    checkpoint.save(states[1], tmp_path / "epoch-0001")
    same = at % 2 == 0  # also: an epoch that is saved again
    number = 1 if same else 2
    moments = 0

    def mortal(call: object) -> object:
        def wrapped(*arguments: object, **named: object) -> object:
            nonlocal moments
            moments += 1
            if moments >= at:
                raise Killed
            return call(*arguments, **named)  # type: ignore[operator]

        return wrapped

    with monkeypatch.context() as patched:
        for owner, name in ((os, "rename"), (shutil, "rmtree"), (checkpoint, "write_bytes"), (os, "fsync")):
            patched.setattr(owner, name, mortal(getattr(owner, name)))
        try:
            checkpoint.save(states[number], tmp_path / f"epoch-{number:04d}")
        except Killed:
            assert moments >= at
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    facts = checkpoint.load(newest, network()).facts
    assert facts in (states[1].facts, states[number].facts)
    checkpoint.save(states[3], tmp_path / "epoch-0003")
    assert names(tmp_path) == ["epoch-0003"]


def test_of_another_network_it_names_the_first_parameter_and_both_shapes(tmp_path: Path, states: list[State]) -> None:
    folder = checkpoint.save(states[1], tmp_path / "epoch-0001")
    with pytest.raises(RunError) as caught:
        checkpoint.load(folder, network(width=8))
    assert str(caught.value) == (
        f"Expected stem.conv.weight of shape (8, 1, 3, 3) in {folder / 'weights.safetensors'}, as in this network, got "
        "shape (4, 1, 3, 3): it is of another network. Take the genome, cells and channels that it was written with."
    )
    with pytest.raises(RunError, match=r"blocks\.0\.first\.site\.shift\.p_shift of shape .* got none of that name"):
        checkpoint.load(folder, network(shift=True))
    more = checkpoint.save(StagedTraining(network(shift=True), images(), FULL, 3).state(), tmp_path / "epoch-0002")
    with pytest.raises(RunError, match=r"got blocks\.0\.first\.site\.shift\.p_shift of shape \(1, 4, 1, 1\), which"):
        checkpoint.load(more, network())


def test_what_is_damaged_or_newer_is_said_so(tmp_path: Path, states: list[State]) -> None:
    folder = checkpoint.save(states[1], tmp_path / "epoch-0001")
    path = folder / "state.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "version": 3}))
    assert checkpoint.latest(tmp_path) == folder  # not passed over: training anew would replace it
    with pytest.raises(NewerError, match="version 3"):
        checkpoint.load(folder, network())
    del facts["sha"]
    path.write_text(seal(json.dumps({**facts, "stage": "0"}) + "\n"))
    with pytest.raises(DamagedError, match="'stage' that is no int"):
        checkpoint.load(folder, network())
    files = ("weights.safetensors", "optimiser.safetensors")
    del facts["sha256"]
    sizes = {name: (folder / name).stat().st_size for name in files}
    path.write_text(json.dumps({**facts, "version": 1, "sizes": sizes}))
    assert checkpoint.load(folder, network()).facts == states[1].facts  # as the version before digests wrote it
    (folder / "weights.safetensors").write_bytes(b"\xff" * sizes["weights.safetensors"])
    with pytest.raises(DamagedError, match=r"tensors in .*weights\.safetensors"):
        checkpoint.load(folder, network())


@pytest.mark.parametrize("file", ["weights.safetensors", "optimiser.safetensors", "state.json"])
def test_a_changed_byte_is_found_wherever_it_is(tmp_path: Path, states: list[State], file: str) -> None:
    path = checkpoint.save(states[1], tmp_path / "epoch-0001") / file
    whole, looped = path.read_bytes(), 0
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedError, match="Remove that folder"):
            checkpoint.load(path.parent, network())
        assert checkpoint.latest(tmp_path) is None and checkpoint.newest(tmp_path) == path.parent
        looped += 1
    assert looped >= 40


def test_loading_executes_nothing(tmp_path: Path, states: list[State]) -> None:
    """A pickle under the name of the tensors, of the promised size, is no tensors."""
    folder = checkpoint.save(states[1], tmp_path / "epoch-0001")

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = folder / "optimiser.safetensors"
    path.write_bytes(pickle.dumps(Trap()).ljust(path.stat().st_size, b" "))
    with pytest.raises(DamagedError):
        checkpoint.load(folder, network())
    assert not (tmp_path / "sprung").exists()


def test_a_name_that_is_none_and_a_place_that_cannot_be(tmp_path: Path, states: list[State]) -> None:
    with pytest.raises(ValueError, match="last is no name"):
        checkpoint.save(states[0], tmp_path / "last")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="to write"):
        checkpoint.save(states[0], tmp_path / "file" / "epoch-0000")
