"""`evobnn export`: what it prints, what it leaves, and every slip as one message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evobnn.deploy import compiled
from evobnn.runs.final import session as module
from tests.cli.conftest import Call
from tests.cli.test_train import BRIEF, check_refused


@pytest.fixture
def training(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`evobnn` beside the training `populations/train-digits-1`."""
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    monkeypatch.setattr(compiled, "compiler", lambda asked=None: None)
    assert evobnn("train", *BRIEF).code == 0
    return evobnn


def test_export(training: Call) -> None:
    done = training("export", "train-digits-1", "--to", "c,bits")
    assert (done.code, done.err) == (0, "")
    assert {path.name for path in Path("train-digits-1-seed-0").iterdir()} == {
        *("model.h", "model.c", "check.c", "bits.safetensors")
    }
    for words in ("Signs as PyTorch's on", "not run here", "bytes of header", "Written to train-digits-1-seed-0"):
        assert words in " ".join(done.out.split())
    check_refused(training("export", "train-digits-1", "--to", "c"), "train-digits-1-seed-0", "--out DIR")
    check_refused(training("export", "train-digits-1", "--to", "tflite", "--out", "new"), "'tflite'", "bits, c")
    check_refused(training("export", "train-digits-1:7", "--to", "c", "--out", "new"), "seed 7")
    check_refused(training("export", "train-digits-2", "--to", "c", "--out", "new"), "Did you mean")
    check_refused(training("export"), "TRAINING or --untrained RUN:ID", "neither")
    check_refused(training("export", "train-digits-1", "--untrained", "digits-1:0"), "both")
    assert "bits.safetensors" in training("export", "train-digits-1", "--out", "again").out
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        refused = training("export", "train-digits-1", "--to", "c,openvino", "--out", "new")
    check_refused(refused, "no openvino", "pip install 'evobnn[openvino]'")
    assert not Path("new").exists()
