"""`evobnn.train`: one call to a finished training, which is asked, exported and gone on with by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evobnn
from evobnn.data import load_test
from evobnn.data import reads_of_test as reads
from evobnn.errors import EvobnnError, ExperimentError, GenomeError, RunError
from evobnn.experiment.final import open_settings
from tests.final.conftest import GENOME

DIGITS = Path(__file__).parents[2] / "populations" / "digits"
SMALL: dict[str, Any] = {
    "channels": 2,
    "threads": 1,
    "epochs": 2,
    "settings": {
        "dataset.train_limit": 100,
        "dataset.validation_limit": 60,
        "recipe.batch": 50,
        "recipe.kernels": "torch",
    },
}

pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_run_and_an_id_become_a_training_that_can_be_asked(tmp_path: Path) -> None:
    run, told, count = evobnn.load_run(DIGITS), [], reads()
    best = run.front()["id"].iloc[0]  # an integer of NumPy
    training = evobnn.train(run, best, **SMALL, seeds=2, out=tmp_path / "training", report=told.append)
    assert [(one.seed, one.epoch) for one in told] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert training.path == tmp_path / "training" and reads() == count + 2
    settings = open_settings(training.path)
    assert settings.genome == run.individual(best).genome and settings.seeds == (0, 1)
    assert (settings.experiment.network.width, settings.plan.stages[0].recipe.batch) == (2, 50)
    test = training.test_images()
    assert np.array_equal(test.images, load_test(settings.experiment.dataset).images) and test.images.shape[1:] == (
        1, 8, 8,
    )  # fmt: skip
    assert [row["seed"] for row in training.result["seeds"]] == [0, 1]
    for row in training.result["seeds"]:
        network = training.network(row["seed"])
        assert network.seed == row["seed"]
        wrong = (network.predict(test.images) != test.labels).mean()
        assert wrong == pytest.approx(row["test_error"], abs=1.5 / len(test))  # other kernels may turn one
    assert np.array_equal(evobnn.load_network(training).predict(test.images), training.network().predict(test.images))


def test_the_same_call_returns_what_is_finished_and_another_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genome, out = evobnn.parse_genome(GENOME), tmp_path / "here"
    first = evobnn.train(genome, preset="digits", **SMALL, out=out)
    weights, count = (out / "seed-0" / "weights.safetensors").read_bytes(), reads()
    again = [
        evobnn.train(genome, preset="digits", **SMALL, out=str(out)),
        evobnn.train(str(genome), preset="digits", **SMALL, out=out),
        evobnn.train(out),
        evobnn.train(first.path),
    ]
    assert again == [first] * 4 and reads() == count and capsys.readouterr().out == ""
    assert (out / "seed-0" / "weights.safetensors").read_bytes() == weights
    with pytest.raises(RunError, match=re.escape("Expected seeds = [0], with which")):
        evobnn.train(genome, preset="digits", **SMALL, seeds=2, out=out)
    with pytest.raises(ExperimentError, match="no settings beside the training folder .*, got --epochs"):
        evobnn.train(out, epochs=3)


def test_without_a_folder_it_says_which_one_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    training = evobnn.train(f"{DIGITS}:63", **{**SMALL, "epochs": 1})
    assert training.path == Path("populations/train-digits-1")
    assert capsys.readouterr().out == f"training {training.path}\n"
    assert evobnn.train("train-digits-1") == training and capsys.readouterr().out == ""


SLIPS: dict[str, tuple[tuple[Any, ...], dict[str, Any], type[EvobnnError], str]] = {
    "an id that is not there": ((DIGITS, 9999), {}, EvobnnError, "9999"),
    "a run without an id": ((DIGITS,), {}, GenomeError, "without an id"),
    "a setting": ((GENOME,), {"settings": {"recipe.epohcs": 3}}, ExperimentError, "Did you mean 'recipe.epochs'"),
    "a section": ((GENOME,), {"settings": {"strategy.population": 3}}, ExperimentError, "recipe, network, dataset"),
    "a value": ((GENOME,), {"settings": {"recipe.optimiser": "adm"}}, ExperimentError, "Did you mean 'adam'"),
    "no epoch": ((GENOME,), {"epochs": 0}, ExperimentError, "epochs to be a whole number of at least 1"),
    "a recipe": ((GENOME,), {"recipe": "smal"}, ExperimentError, "smal"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_every_slip_is_one_message_before_there_is_a_folder(slip: str, tmp_path: Path) -> None:
    arguments, others, error, said = SLIPS[slip]
    with pytest.raises(EvobnnError, match=said) as raised:
        evobnn.train(*arguments, **others, out=tmp_path / "out")
    assert isinstance(raised.value, error) and not (tmp_path / "out").exists()
