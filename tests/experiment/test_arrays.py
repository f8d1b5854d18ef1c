"""Experiments on arrays from Python: searched, resumed by other processes, trained to the end, and asked for again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset

import evobnn
from evobnn.cli.entry import run
from evobnn.errors import DataError
from evobnn.experiment.final import FinalSettings, open_settings
from evobnn.experiment.final import to_text as text_of_training
from evobnn.experiment.recipes import plan_from_table
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_text, to_text
from evobnn.runs.final import FinalSession
from evobnn.runs.final import create as create_training
from tests.final.conftest import GENOME

DIGITS = load_digits()
X, Y = np.round(DIGITS.images * (255 / 16)).astype(np.uint8), DIGITS.target
PLAN = plan_from_table({"recipe": {"epochs": 2, "batch": 50}}, "tiny", "tests")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, here and in the processes that it starts."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "own"))
    return tmp_path / "own"


def of_arrays(tiny: Experiment, x: np.ndarray = X) -> Experiment:
    dataset = evobnn.Arrays(x[:300], Y[:300], x[300:400], Y[300:400]).dataset(train_limit=100, validation_limit=60)
    return replace(tiny, dataset=dataset, horizon=2)


def asked_for(experiment: Experiment) -> str:
    return rf"the arrays with fingerprint {experiment.dataset.fingerprint} in .*, got none\. .*the same arrays again"


def test_a_search_asks_for_the_same_arrays_and_goes_on_with_them(
    tiny: Experiment, own: Path, tmp_path: Path, quick: Any, decisive: Callable[[Path], dict[str, bytes]]
) -> None:
    experiment, options = of_arrays(tiny), evobnn.Options(jobs=1)
    whole, folder = (evobnn.create(experiment, options, tmp_path) for _ in range(2))
    evobnn.Session(whole, options).proceed()
    evobnn.Session(folder, replace(options, generations=1)).proceed()
    assert evobnn.Session(folder, options).experiment == experiment
    shutil.rmtree(own)
    with pytest.raises(DataError, match=asked_for(experiment)):
        evobnn.Session(folder, options)
    changed = X.copy()
    changed[399, 0, 0] ^= 1
    assert of_arrays(tiny, changed).dataset.fingerprint != experiment.dataset.fingerprint
    with pytest.raises(DataError, match=asked_for(experiment)):
        evobnn.Session(folder, options)
    parts = (TensorDataset(torch.from_numpy(X[a:b]), torch.from_numpy(Y[a:b])) for a, b in ((0, 300), (300, 400)))
    evobnn.Arrays.of(*parts).keep()
    evobnn.Session(folder, options).proceed()
    assert decisive(folder) == decisive(whole)


def test_a_final_training_reads_the_test_images_that_were_handed_in(
    tiny: Experiment, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.runs.final.session.save_learning", lambda *given: None)
    settings, options = FinalSettings(GENOME, of_arrays(tiny), PLAN), evobnn.Options(jobs=1)
    folder = create_training(settings, options, tmp_path)
    shutil.rmtree(own)
    with pytest.raises(DataError, match=asked_for(settings.experiment)):
        FinalSession(folder, options)
    of_arrays(tiny)
    result = FinalSession(folder, options).proceed()
    assert open_settings(folder) == settings
    assert (result["data"]["name"], result["data"]["test"]) == ("arrays", 100)


def test_texts_name_a_fingerprint_only_where_there_is_one(tiny: Experiment, own: Path) -> None:
    given = of_arrays(tiny)
    line = f'fingerprint = "{given.dataset.fingerprint}"\n'
    assert line in to_text(given) and from_text(to_text(given), "here") == given
    assert line in text_of_training(FinalSettings(GENOME, given, PLAN))
    assert "fingerprint" not in to_text(tiny) + text_of_training(FinalSettings(GENOME, tiny, PLAN))


@pytest.mark.parametrize(
    ("fingerprint", "said"),
    [
        ("", "Expected dataset.fingerprint with dataset.name = 'arrays', to tell which, got none. In Python"),
        ("../../own", "Expected dataset.fingerprint as 16 digits from 0 to f, got '../../own'. Take what"),
        ("0123456789abcdef", "Expected the arrays with fingerprint 0123456789abcdef in "),
    ],
)
def test_a_text_that_names_no_arrays_is_one_message(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fingerprint: str,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(f'[dataset]\nname = "arrays"\nfingerprint = "{fingerprint}"\n')
    assert run(["evolve", "mine.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(said) and captured.err.count("\n") == 1 and not captured.out
    assert not Path("populations").exists()


@pytest.mark.slow
def test_a_killed_search_goes_on_elsewhere_and_its_networks_are_evaluated_and_trained(
    tiny: Experiment, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    spawn: Callable[..., Any], decisive: Callable[[Path], dict[str, bytes]],
) -> None:  # fmt: skip
    experiment, options = of_arrays(tiny), evobnn.Options(jobs=1)
    whole, folder = (evobnn.create(experiment, options, tmp_path) for _ in range(2))
    evobnn.Session(whole, options).proceed()
    process = spawn(folder, 2, 2)
    while not (folder / "journal.jsonl").is_file() or not (folder / "journal.jsonl").read_bytes():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "generation-0002.jsonl").exists()
    shutil.move(own, tmp_path / "away")
    refused = spawn(folder, 2, 2)
    assert asked_for(experiment).split(" in ")[0] in refused.communicate(timeout=120)[0].decode()
    of_arrays(tiny)
    resumed = spawn(folder, 2, 2)
    assert resumed.communicate(timeout=300)[0] == b"" and resumed.returncode == 0
    assert decisive(folder) == decisive(whole)
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", f"{folder}:0"]) == 0
    assert "equal" in capsys.readouterr().out
    assert run(["train", f"{folder}:0", "--epochs", "1", "--threads", "1", "--out", "trained"]) == 0
    assert "on 100 test images" in capsys.readouterr().out
