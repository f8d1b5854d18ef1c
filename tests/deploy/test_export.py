"""From a training folder to files: verified before they get their name, and every slip is one message."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evobnn
from evobnn.deploy import compiled, read_bits
from evobnn.deploy.reference import evaluate
from evobnn.errors import DataError, EvobnnError, NetworkError, RunError
from tests.deploy.conftest import needs_compiler


@needs_compiler
def test_it_leaves_what_was_run(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    found = evobnn.export(f"{trained}:4", to=("c", "bits"), out=out, compiler="gcc")
    assert found.folder == out and set(found.files) == {"model.h", "model.c", "check.c", "bits.safetensors"}
    assert [path.name for path in out.parent.iterdir()] == ["here"]
    assert found.agreement.wrong == () and found.agreement.bits > 10_000
    sizes = re.findall(r"_(?:FLASH|RAM)_BYTES (\d+)", (out / "model.h").read_text())
    assert [found.flash, found.ram] == [int(size) for size in sizes]
    assert any("100 of 100 images in PyTorch's class" in line for line in found.said), found.said
    assert found.answered["c"].same == found.answered["c"].images == 100
    assert found.answered["bits"].bits == found.answered["c"].bits > 10_000
    network = evobnn.load_network(trained, seed=4)
    packed = read_bits(out / "bits.safetensors")
    assert packed.class_names == network.class_names and packed.about["seed"] == 4
    images = np.random.default_rng(1).integers(0, 17, (20, *network.shape), dtype=np.uint8)
    wanted = network.predict(images)
    assert (evaluate(packed.graph, images).argmax(1) == wanted).mean() >= 0.9
    own = compiled.logits_of(compiled.Compiler(("gcc",), ""), out, images, 10)
    assert np.array_equal(own, evaluate(packed.graph, images))
    header = re.sub(r"\n \*\s+", " ", (out / "model.h").read_text())
    assert f"Genome: {network.genome}" in header and "% of the test images" in header


def test_without_a_compiler_the_c_is_written_and_that_is_said(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "compiler", lambda asked=None: None)
    monkeypatch.chdir(tmp_path)
    found = evobnn.export(trained, to=("c",))
    assert found.folder == Path(f"{trained.name}-seed-3") and "model.c" in found.files
    assert any("not run here" in line for line in found.said)


def test_without_the_data_set_noise_is_looked_at_and_that_is_said(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*given: Any) -> Any:
        raise DataError("gone")

    monkeypatch.setattr("evobnn.deploy.images.prepare", lost)
    found = evobnn.export(trained, to=("bits",), out=tmp_path / "out")
    assert "checked on noise" in found.said[0] and found.agreement.images == 64
    assert found.flash is None and found.ram is None


def test_what_disagrees_leaves_nothing(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: Any = sys.modules["evobnn.deploy.export"]
    signs = here.torch_signs

    def turned(*given: Any) -> Any:
        found, logits = signs(*given)
        name = next(iter(found))
        return {**found, name: ~found[name]}, logits

    monkeypatch.setattr(here, "torch_signs", turned)
    with pytest.raises(NetworkError, match="Expected the signs of PyTorch at every site, got"):
        evobnn.export(trained, to=("bits",), out=tmp_path / "out")
    monkeypatch.setattr(here, "torch_signs", lambda *given: (signs(*given)[0], signs(*given)[1] + 1))
    with pytest.raises(NetworkError, match="Expected the logits of PyTorch, given its signs, got one that is off by"):
        evobnn.export(trained, to=("bits",), out=tmp_path / "out")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("evobnn.deploy.bits.pack", lambda packed: b"no tensors at all, but long enough for one")
    with pytest.raises(RunError, match="Expected a network in bits"):
        evobnn.export(trained, to=("bits",), out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_untrained_network_says_that_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["evobnn.deploy.export"], "CHECKED", 20)
    monkeypatch.setattr(compiled, "compiler", lambda asked=None: None)
    monkeypatch.chdir(tmp_path)
    run = Path(__file__).parents[2] / "populations" / "digits"
    found = evobnn.export(untrained=f"{run}:0")
    assert found.folder == Path("digits-0-untrained") and found.agreement.wrong == ()
    sentence = "Untrained: random weights, for timing only; its classes mean nothing."
    assert sentence in found.said
    header = (found.folder / "model.h").read_text()
    assert f" * {sentence}" in header and "of the test images" not in header and "Seed" not in header
    packed = read_bits(found.folder / "bits.safetensors")
    assert packed.about["untrained"] == sentence and "test_error" not in packed.about
    assert len(packed.class_names) == 10


def test_slips(trained: Path, tmp_path: Path) -> None:
    (there := tmp_path / "there").mkdir()
    for given, words in (
        ({"to": ("tflite",)}, "'tflite'"),
        ({"to": ()}, "a format"),
        ({"out": there}, f"a folder that does not exist yet, got {there}"),
        ({"seed": 9}, "seed 9"),
        ({"compiler": "no-such-cc"}, "'no-such-cc', which is not there"),
    ):
        with pytest.raises(EvobnnError, match=words):
            evobnn.export(trained, **{"out": tmp_path / "new", **given})
    (file := tmp_path / "file").write_text("")
    with pytest.raises(EvobnnError, match="file"):
        evobnn.export(trained, to=("bits",), out=file / "below")
    file.unlink()
    with pytest.raises(EvobnnError, match="one seed, got 4 and 3"):
        evobnn.export(f"{trained}:4", seed=3, out=tmp_path / "new")
    with pytest.raises(EvobnnError, match="does not exist"):
        evobnn.export("no-such-training", out=tmp_path / "new")
    for what in ("populations/digits:0", "@net = x"):
        with pytest.raises(EvobnnError, match="which has no weights.*evobnn train") as caught:
            evobnn.export(what, out=tmp_path / "new")
        assert ("evobnn export --untrained populations/digits:0" in str(caught.value)) == (":" in what)
    for given, got in (((None, None), "neither"), (("some", "digits:0"), "both, 'some' and 'digits:0'")):
        with pytest.raises(EvobnnError, match=f"Expected TRAINING or --untrained RUN:ID, got {got}"):
            evobnn.export(given[0], untrained=given[1], out=tmp_path / "new")
    for what in ("populations/digits", "populations/mnist:0", "no-such:0", ":0", "populations/digits:x"):
        with pytest.raises(EvobnnError, match=f"RUN:ID, an individual of a run, behind --untrained, got '{what}'"):
            evobnn.export(untrained=what, out=tmp_path / "new")
    with pytest.raises(EvobnnError, match="999"):
        evobnn.export(untrained="populations/digits:999", out=tmp_path / "new")
    assert list(tmp_path.iterdir()) == [there]
