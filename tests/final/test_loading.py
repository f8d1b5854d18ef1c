"""A trained network takes raw images and answers as it did when it was tested; everything else is refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

import evobnn
from evobnn import Additions
from evobnn._seals import UNSEALED, seal_tensors, text_in, verify_tensors
from evobnn.data import Images, load_test
from evobnn.data import reads_of_test as reads
from evobnn.errors import DataError, EvobnnError, RunError
from evobnn.experiment.final import FinalSettings
from evobnn.genome import OPERATIONS
from evobnn.runs import Options
from evobnn.runs.final import FinalSession, create
from evobnn.runs.final import session as module
from evobnn.runs.final.folder import seed_folder
from evobnn.runs.final.metadata import NAME
from evobnn.training import torch_threads
from tests.older import unsealed


@pytest.fixture(scope="module")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training with the seeds 0 and 1. Not to be written to."""
    from evobnn.experiment.recipes import plan_from_table
    from tests.final.conftest import GENOME, STAGES

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "save_learning", lambda *given: None)
        settings = FinalSettings(GENOME, tiny, plan_from_table(STAGES, "tiny", "tests"), (0, 1))
        folder = create(settings, Options(jobs=1), tmp_path_factory.mktemp("trained"))
        FinalSession(folder, Options(jobs=1)).proceed()
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture(scope="module")
def apart(tiny: Any) -> Images:
    return load_test(tiny.dataset)


@pytest.mark.parametrize("kernels", ["torch", "recorded"])
@pytest.mark.parametrize("seed", [0, 1])
def test_raw_images_give_the_error_of_the_test(trained: Path, apart: Images, kernels: str, seed: int) -> None:
    count = reads()
    network = evobnn.load_network(trained, seed=seed, kernels=kernels)
    tested = seed_folder(trained, seed).tested()
    assert tested is not None and tested.count == len(apart) == 359
    assert int((network.predict(apart.images) == apart.labels).sum()) == tested.correct
    assert network.result is not None and network.result["seeds"][seed]["correct"] == tested.correct
    assert (network.seed, network.training, reads()) == (seed, False, count)


def test_what_a_network_says_of_itself(trained: Path, settings: FinalSettings) -> None:
    network = evobnn.load_network(trained)
    pixels = FinalSession(trained, Options(jobs=1)).place.loader.train_images.double()  # type: ignore[attr-defined]
    assert network.mean.tolist() == pytest.approx([float(pixels.mean())], rel=1e-6)
    assert network.deviation.tolist() == pytest.approx([float(pixels.std(correction=0))], rel=1e-6)
    assert network.class_names == tuple("0123456789") and network.shape == (1, 8, 8)
    assert str(network.genome) == settings.genome and network.seed == 0
    assert {"mean", "deviation"} < set(network.state_dict())


def test_every_way_to_give_images_is_the_same(trained: Path, apart: Images) -> None:
    network = evobnn.load_network(trained)
    images = apart.images[:20]
    wanted = network.predict(images)
    assert len(set(wanted.tolist())) > 2
    given = [
        *(torch.tensor(images), images[:, 0], images.transpose(0, 2, 3, 1), list(images), images.astype(np.uint16)),
        *(images.astype(np.float64), images.astype(np.float16), torch.tensor(images).float(), images.astype(np.int64)),
    ]
    for one in given:
        assert network.predict(one).tolist() == wanted.tolist()
    for one in (images[0], images[0, 0], images[0].transpose(1, 2, 0), images[:1]):
        assert network.predict(one).tolist() == wanted[:1].tolist()
    assert network.predict(images[::-1]).tolist() == wanted[::-1].tolist()
    assert network.predict(images, names=True).tolist() == [str(one) for one in wanted]
    assert network.predict(images[:0]).tolist() == []
    assert torch.equal(network(images).argmax(1), torch.tensor(wanted))
    network.train()
    assert network.predict(images).tolist() == wanted.tolist() and network.training


NAN = np.full((2, 1, 8, 8), np.nan)


@pytest.mark.parametrize(
    ("images", "part"),
    [
        (np.full((2, 1, 8, 8), 0.5), "values from 0.5 to 0.5. Multiply them by 255"),
        (np.eye(8, dtype=np.int64), "Multiply them by 255"),
        (np.full((2, 1, 8, 8), -1.0), "values from -1 to -1"),
        (np.full((2, 1, 8, 8), 256.0), "values from 256 to 256"),
        (NAN, "values that are no numbers"),
        (torch.tensor(NAN), "values that are no numbers"),
        (np.ones((2, 1, 8, 8), dtype=bool), "bool of shape"),
        (np.zeros((2, 3, 8, 8), np.uint8), "as many channels"),
        (np.zeros((2, 8, 8, 3), np.uint8), "as many channels"),
        (np.zeros((2, 1, 9, 8), np.uint8), r"images of shape (N, 1, 8, 8), got uint8 of shape (2, 1, 9, 8)"),
        (np.zeros(64, np.uint8), "size of the training images"),
        (np.zeros((1, 2, 1, 8, 8), np.uint8), "of shape (1, 2, 1, 8, 8)"),
        ([np.zeros((8, 8)), np.zeros((9, 9))], "images of one size, got a list of several"),
        ("seven.png", "got <U9 of shape ()"),
        (None, "got object of shape ()"),
    ],
)
def test_other_images_are_refused(trained: Path, images: Any, part: str) -> None:
    with pytest.raises(DataError, match=re.escape(part)):
        evobnn.load_network(trained).predict(images)


def _before_digests(home: Path) -> None:
    for name in ("metrics.jsonl", "test.json"):
        (home / name).write_text(unsealed((home / name).read_text()).replace('"version": 1, ', ""))
    path = home / "weights.safetensors"
    path.write_bytes(save(load_file(path)))


def _before_metadata(home: Path) -> None:
    path = home / "weights.safetensors"
    path.write_bytes(seal_tensors(save(load_file(path), metadata=UNSEALED)))


@pytest.mark.parametrize("older", [_before_digests, _before_metadata])
def test_weights_from_before_their_metadata_ask_the_data_set(
    copied: Path, apart: Images, older: Callable[[Path], None]
) -> None:
    wanted = evobnn.load_network(copied)
    older(copied / "seed-0")
    found = evobnn.load_network(copied)
    assert found.metadata == wanted.metadata
    assert torch.equal(found(apart.images), wanted(apart.images))
    starts = copied / "starts.jsonl"
    starts.write_text(re.sub(r'"data": "\w+"', '"data": "0123456789abcdef"', starts.read_text()))
    with pytest.raises(RunError, match="the images with which .* fingerprint 0123456789abcdef, got others"):
        evobnn.load_network(copied)


def test_an_older_training_without_its_data_set_says_why_it_is_needed(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _before_metadata(copied / "seed-0")

    def gone(*given: object) -> object:
        raise DataError("Expected the data set, got nothing. Fetch it.")

    monkeypatch.setattr("evobnn.runs.final.setup.prepare", gone)
    with pytest.raises(DataError, match="got nothing. Fetch it. The weights in .* how images are normalised"):
        evobnn.load_network(copied)


def test_the_weights_can_be_read_by_others_and_their_bytes_repeat(trained: Path, copied: Path) -> None:
    data = (trained / "seed-0" / "weights.safetensors").read_bytes()
    verify_tensors(data, due=True)
    assert int.from_bytes(data[:8], "little") % 8 == 0
    assert '"class_names": ["0", "1"' in str(text_in(data, NAME))
    (copied / "seed-0" / "weights.safetensors").unlink()
    shutil.rmtree(next((copied / "seed-0").glob("epoch-*")))
    (copied / "seed-0" / "metrics.jsonl").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "save_learning", lambda *given: None)
        FinalSession(copied, Options(jobs=1)).proceed()
    assert (copied / "seed-0" / "weights.safetensors").read_bytes() == data


def _without_weights(folder: Path) -> None:
    for path in folder.glob("seed-*/weights.safetensors"):
        path.unlink()


def _one_without_weights(folder: Path) -> None:
    (folder / "seed-1" / "weights.safetensors").unlink()


def _changed(folder: Path) -> None:
    path = folder / "seed-1" / "weights.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"8\\", \\"9\\"', b'\\"9\\", \\"8\\"'))


def _cut(folder: Path) -> None:
    path = folder / "seed-1" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def _whole(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "seed", "part"),
    [
        (_without_weights, None, r"the weights of a finished training in .*seed-0.*, got no such file. 'evobnn train"),
        (_one_without_weights, 1, r"seed-1.*, got no such file.* Trained to the end is 0"),
        (_whole, 7, r"a seed with which .* was trained \(0, 1\), got seed 7"),
        (_changed, 1, "a digest that does not fit"),
        (_cut, 1, "a digest that does not fit"),
    ],
)
def test_weights_that_are_not_there(copied: Path, spoil: Callable[[Path], None], seed: int | None, part: str) -> None:
    spoil(copied)
    with pytest.raises(RunError, match=part):
        evobnn.load_network(copied, seed=seed)


def test_the_first_seed_that_was_trained_is_taken(copied: Path) -> None:
    (copied / "seed-0" / "weights.safetensors").unlink()
    assert evobnn.load_network(copied).seed == 1


RUN = Path(__file__).parents[2] / "populations" / "digits"


@pytest.mark.parametrize(
    ("what", "number", "part"),
    [
        (RUN, None, f"got the run {RUN}, whose networks have no weights. Train one with 'evobnn train {RUN}:ID'"),
        (RUN, 3, f"got individual 3 of the run {RUN}, which has no weights. Train it with 'evobnn train {RUN}:3'"),
        (f"{RUN}:3", None, f"Train it with 'evobnn train {RUN}:3'"),
        (RUN, 99_999, "the id of an individual"),
        ("nowhere", None, "got 'nowhere', which does not exist."),
        ("normal[2 = conv3(0)] @net = x", None, "got a genome, which has no weights. Train it with 'evobnn train"),
    ],
)
def test_what_is_no_training(what: Any, number: int | None, part: str) -> None:
    with pytest.raises(EvobnnError, match=re.escape(part)):
        evobnn.load_network(what, number)


def test_other_slips(trained: Path) -> None:
    with pytest.raises(RunError, match="no id beside the training"):
        evobnn.load_network(trained, id=3)
    with pytest.raises(RunError, match=f"Name {re.escape(str(trained))}\\."):
        evobnn.load_network(trained / "seed-0" / "weights.safetensors")
    with pytest.raises(RunError, match="torch"):
        evobnn.load_network(trained, kernels="torhc")
    with pytest.raises(RunError, match="individual 3 of the run"):
        evobnn.load_network(evobnn.load_run(RUN), 3)


def test_readable_modules_are_exported(trained: Path, apart: Images) -> None:
    network = evobnn.load_network(trained)
    assert not any(getattr(one, "fused", False) for one in network.modules())
    images = torch.tensor(apart.images[:4])
    exported = torch.export.export(network, (images,)).module()
    assert torch.equal(exported(images), network(images))


@pytest.mark.slow
def test_what_was_trained_by_compiled_loops_in_bfloat16(tiny: Any, apart: Images, tmp_path: Path) -> None:
    """The recorded kernels repeat the test to the last image; the readable ones in float32 may differ in a few."""
    from evobnn.experiment.recipes import plan_from_table
    from tests.final.conftest import GENOME

    for precision, most in (("fp32", 1), ("bf16", 8)):
        table = {"recipe": {"epochs": 3, "batch": 50, "kernels": "fused", "precision": precision}}
        settings = FinalSettings(GENOME, tiny, plan_from_table(table, "fused", "here"))
        folder = create(settings, Options(jobs=1), tmp_path)
        FinalSession(folder, Options(jobs=1)).proceed()
        found = {kernels: evobnn.load_network(folder, kernels=kernels) for kernels in ("torch", "recorded")}
        answers = {kernels: network.predict(apart.images) for kernels, network in found.items()}
        tested = seed_folder(folder, 0).tested()
        assert tested is not None and int((answers["recorded"] == apart.labels).sum()) == tested.correct
        assert int((answers["torch"] != answers["recorded"]).sum()) <= most


class Halved(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.pool(maps) / 2


def halved(channels: int, stride: int, *given: Any) -> nn.Module:
    return Halved(stride)


def test_what_was_trained_with_own_operations_is_loaded_with_them(undrawn: None, settings: Any, tmp_path: Path) -> None:
    spec = replace(OPERATIONS["max3"], name="halved")
    mine = Additions(operations={"halved": (spec, halved)}, counters={Halved: lambda module, size: ("other", {})})
    own = replace(settings, genome=settings.genome.replace("max3(", "halved("), seeds=(0,))
    options = Options(jobs=1, additions=mine)
    folder = create(own, options, tmp_path, tmp_path / "own")
    FinalSession(folder, options).proceed()
    apart = load_test(settings.experiment.dataset)
    tested = seed_folder(folder, 0).tested()
    assert tested is not None
    for kernels in ("torch", "recorded"):
        network = evobnn.load_network(folder, kernels=kernels, additions=mine)
        assert any(isinstance(module, Halved) for module in network.modules())
        assert int((network.predict(apart.images) == apart.labels).sum()) == tested.correct
    with pytest.raises(EvobnnError, match="operation, got 'halved'"):
        evobnn.load_network(folder)
