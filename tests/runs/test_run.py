"""A run in Python's hands: the networks of its individuals, and going on with it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import evobnn
from evobnn import Additions, analysis
from evobnn.errors import EvobnnError
from evobnn.genome import OPERATIONS
from evobnn.nn import OPS
from evobnn.nn.counting.cost import count
from tests.runs.test_face import TINY

DIGITS = Path(__file__).parents[2] / "populations" / "digits"


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_a_network_of_every_member_is_the_one_that_was_counted() -> None:
    run = evobnn.load_run(DIGITS)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    front = run.individuals().query("on_front")
    assert len(front) > 3
    for row in front.iloc[::3].itertuples():
        network = run.network(row.id)
        found = count(network, (1, 8, 8))
        assert (found.ops, found.bits) == (row.ops, row.bits)
    assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_are_random_by_their_seed() -> None:
    run = evobnn.load_run(DIGITS)
    member = run.front()["id"][0]
    assert torch.equal(weights(run.network(member)), weights(run.network(member, seed=0)))
    assert not torch.equal(weights(run.network(member)), weights(run.network(member, seed=1)))
    with pytest.raises(EvobnnError, match=r"the id of an individual .*got 9999"):
        run.network(9999)


def test_the_images_need_not_be_there(tmp_path: Path) -> None:
    shutil.copytree(DIGITS, tmp_path / "run")
    text = (tmp_path / "run" / "experiment.toml").read_text()
    (tmp_path / "run" / "experiment.toml").write_text(text.replace('name = "digits"', 'name = "mnist"'))
    (tmp_path / "run" / "starts.jsonl").unlink()
    network = evobnn.load_run(tmp_path / "run").network(0)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_a_run_goes_on_and_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    run = evobnn.search("digits", generations=0, jobs=1, settings=TINY, out="run")
    on = run.resume(generations=1, jobs=1)
    assert isinstance(run, evobnn.Run) and isinstance(on, evobnn.Run)
    assert [len(one.generations) for one in (run, on, evobnn.load_run("run"))] == [1, 2, 2]
    assert len(evobnn.resume(analysis.load_run("run"), generations=1, jobs=1).generations) == 2


class Thrice(nn.Sequential):
    pass


def thrice(channels: int, stride: int, *given: Any) -> nn.Module:
    return Thrice(*(OPS["conv3"](channels, one, *given) for one in (stride, 1, 1)))


def test_networks_of_own_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    run = evobnn.load_run(DIGITS)
    member = next(row.id for row in run.individuals().itertuples() if "conv3(" in row.genome)
    individual = run.individual(member)
    own = replace(individual, genome=individual.genome.replace("conv3(", "thrice("))
    monkeypatch.setattr(evobnn.Run, "individual", lambda self, number: own)
    with pytest.raises(EvobnnError, match="'thrice'"):
        run.network(member)
    mine = Additions(operations={"thrice": (replace(OPERATIONS["conv3"], name="thrice"), thrice)})
    network = run.network(member, additions=mine)
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    assert any(isinstance(module, Thrice) for module in network.modules())
