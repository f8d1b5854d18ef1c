"""The door: a search and its continuation in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evobnn
from evobnn.errors import DataError, ExperimentError, RunError
from evobnn.experiment.settings import Experiment

TINY = {
    **{"screen": "none", "choose": "score"},
    **{"network.width": 2, "dataset.train_limit": 60, "dataset.validation_limit": 40, "recipe.epochs": 1},
    **{"recipe.batch": 20, "recipe.kernels": "torch", "noise.rescore": 0, "strategy.population": 3},
}


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)


def test_a_search_is_a_run_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    run = evobnn.search("digits", generations=0, seed=7, jobs=1, settings=TINY)
    assert run.path == Path("populations/digits-7")
    assert capsys.readouterr().out == f"run {run.path}\n"
    assert len(run.generations) == 1 and {"id", "error", "ops"} <= set(run.front().columns)
    before = (run.path / "generation-0000.jsonl").read_bytes()

    again = evobnn.search("digits", generations=0, seed=7, jobs=1, settings=TINY)  # finished: nothing is done again
    assert (again.path / "generation-0000.jsonl").read_bytes() == before
    further = evobnn.resume(again, generations=1, jobs=1)
    assert len(further.generations) == 2
    whole = evobnn.search("digits", generations=1, seed=7, jobs=1, settings=TINY, out="whole")
    assert (whole.path / "generation-0001.jsonl").read_bytes() == (run.path / "generation-0001.jsonl").read_bytes()


def test_what_is_searched_is_a_name_a_file_or_an_experiment() -> None:
    named = evobnn.search("digits", generations=0, jobs=1, settings=TINY, objectives=["error", "bits"], out="named")
    assert named.objectives == ("error", "bits")
    file = Path("named/experiment.toml").rename("mine.toml")
    filed = evobnn.search(str(file), generations=0, jobs=1, settings={"preset": "digits"}, out="filed")
    assert Path("filed/experiment.toml").read_text() == file.read_text()
    experiment = evobnn.preset("digits")
    assert isinstance(experiment, Experiment)
    made = evobnn.search(experiment, generations=0, jobs=1, settings=TINY, objectives=["error", "bits"], out="made")
    assert made.front()["genome"].tolist() == named.front()["genome"].tolist()
    assert filed.front()["genome"].tolist() == named.front()["genome"].tolist()


def test_arrays_are_a_data_set(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path / "cache"))
    images = evobnn.Arrays(rng.integers(0, 256, (90, 8, 8), dtype=np.uint8), np.arange(90) % 3)
    small = {name: value for name, value in TINY.items() if not name.startswith("dataset")}
    run = evobnn.search("digits", dataset=images, generations=0, jobs=1, settings={**small, "preset": "mine"})
    assert run.path == Path("populations/mine-0")
    assert f'fingerprint = "{images.fingerprint}"' in (run.path / "experiment.toml").read_text()
    large = evobnn.Arrays(rng.integers(0, 256, (90, 16, 16), dtype=np.uint8), np.arange(90) % 3)
    chosen = {**small, "preset": "mine", "recipe.augmentation": "auto"}  # written out once the images are known
    for _ in range(2):
        again = evobnn.search("digits", dataset=large, generations=0, jobs=1, settings=chosen, out="chosen")
    assert 'augmentation = "shift2"' in (again.path / "experiment.toml").read_text()
    with pytest.raises(DataError, match="data-dir"):
        evobnn.search("digits", dataset="mnist", generations=0, jobs=1)


def test_a_rule_ends_a_search_and_it_can_go_on() -> None:
    asked: list[int] = []

    def stop(generations: object) -> bool:
        asked.append(len(generations))  # type: ignore[arg-type]
        return len(asked) == 1

    run = evobnn.search("digits", generations=3, jobs=1, settings=TINY, stop=stop)
    assert asked == [1] and len(run.generations) == 1
    assert len(evobnn.resume(run, generations=1, jobs=1).generations) == 2


def test_slips() -> None:
    evobnn.search("digits", generations=0, jobs=1, settings=TINY)
    with pytest.raises(RunError, match=r"another experiment.*out="):
        evobnn.search("digits", generations=0, jobs=1, settings={**TINY, "network.width": 3})
    with pytest.raises(ExperimentError, match="digits"):
        evobnn.search("digts")
    with pytest.raises(ExperimentError, match=r"recipe\.epochs"):
        evobnn.search("digits", settings={"recipe.epohcs": 3})
    with pytest.raises(ExperimentError, match="section"):
        evobnn.search("digits", settings={"network.width.of": 3})
    with pytest.raises(RunError, match="experiment.toml"):
        evobnn.resume("nowhere")
    assert sorted(path.name for path in Path("populations").iterdir()) == ["digits-0"]
