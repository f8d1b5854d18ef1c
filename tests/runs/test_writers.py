"""Writers: what they write is the logbook's, once, however often a search stops; without their package one sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import evobnn
from evobnn import Callback
from evobnn.analysis import Run
from evobnn.errors import ExperimentError, RunError
from evobnn.experiment import Experiment
from evobnn.records import Status
from evobnn.runs import writers
from evobnn.runs.callbacks import State
from tests.studies.toytable import toy_table


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    return toy_table(tmp_path / "tables")[0]


def expected(run: Run) -> dict[tuple[str, int], float]:
    """Return every figure by name and generation, from the tables of the run."""
    log, evaluations, found = run.log().set_index("generation"), run.evaluations(), {}
    for number in log.index:
        so_far = evaluations[evaluations["generation"] <= number]
        found["evaluations", number] = float(len(so_far))
        found["failures", number] = float((so_far["status"] != str(Status.OK)).sum())
        for name in ("hypervolume", "least_error", "mean_error", "least_ops", "mean_ops"):
            found[name, number] = float(log.loc[number, name])
    return found


def test_the_figures_are_those_of_the_logbook(toy: Experiment) -> None:
    run = evobnn.search(toy, out="run", generations=3, jobs=1)
    rows = dict(writers._rows(run.generations))
    assert {(name, at): value for at, row in rows.items() for name, value in row.items()} == expected(run)
    assert rows[3]["evaluations"] > rows[2]["evaluations"]


def test_settings_have_their_paths(tmp_path: Path) -> None:
    genome = "x" * 600
    text = f'seed = 3\nobjectives = ["error", "ops"]\n[network]\nskip = "free"\n[start]\ngenomes = ["{genome}"]\n'
    (tmp_path / "experiment.toml").write_text(text)
    cut = f'["{genome}'[:499] + "…"
    assert writers._settings_of(tmp_path) == {
        **{"seed": 3, "objectives": '["error", "ops"]', "network.skip": "free", "start.genomes": cut}
    }


@pytest.mark.parametrize(
    ("make", "module"),
    [
        (lambda: evobnn.TensorBoardWriter("events"), "torch.utils.tensorboard"),
        (lambda: evobnn.MLflowWriter(), "mlflow"),
    ],
)
def test_without_its_package_a_writer_says_how_to_install_it(
    make: Any, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    extra = module.rpartition(".")[2]
    with pytest.raises(ExperimentError, match=rf"Expected the package {extra}.*pip install 'evobnn\[{extra}\]'"):
        make()
    assert list(tmp_path.iterdir()) == []


class Failing(Callback):
    def on_generation(self, state: State) -> None:
        if state.number == 1:
            raise ZeroDivisionError("mine")


def stopped_and_resumed(toy: Experiment, make: Any) -> tuple[Run, Any]:
    """Return a run that ended once, failed once, and once began without the writer; with another writer each time."""
    evobnn.search(toy, out="run", generations=0, jobs=1)
    with pytest.raises(RunError):
        evobnn.resume("run", generations=3, jobs=1, callbacks=[make(), Failing()])
    evobnn.resume("run", generations=2, jobs=1, callbacks=[last := make()])
    return evobnn.resume("run", generations=3, jobs=1, callbacks=[last]), last


@pytest.mark.extras
def test_tensorboard_reads_every_figure_once(toy: Experiment) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _ = stopped_and_resumed(toy, lambda: evobnn.TensorBoardWriter("events"))
    assert [path.name for path in Path("events").iterdir()] == ["run"]
    found = EventAccumulator("events/run").Reload()
    figures = {(name, one.step): one.value for name in found.Tags()["scalars"] for one in found.Scalars(name)}
    assert figures == pytest.approx(expected(run), rel=1e-6)  # float32
    assert sum(len(found.Scalars(name)) for name in found.Tags()["scalars"]) == len(figures)
    plugin = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"strategy.population" in plugin and toy.table.encode() in plugin


@pytest.mark.extras
def test_mlflow_has_one_run_with_every_figure_once(toy: Experiment) -> None:
    from mlflow import MlflowClient

    store = "sqlite:///it's.db"
    run, _ = stopped_and_resumed(toy, lambda: evobnn.MLflowWriter(experiment="mine", tracking_uri=store))
    client = MlflowClient(tracking_uri=store)
    (tracked,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert tracked.info.status == "FINISHED" and tracked.info.run_name == "run"
    assert tracked.data.params["table"] == toy.table and tracked.data.params["strategy.name"] == "nsga2"
    told = [
        ((name, one.step), one.value)
        for name in tracked.data.metrics
        for one in client.get_metric_history(tracked.info.run_id, name)
    ]
    assert len(told) == len(dict(told)) and dict(told) == expected(run)
    with pytest.raises(RunError):
        evobnn.search(
            toy, out="other", generations=2, jobs=1,
            callbacks=[evobnn.MLflowWriter(experiment="mine", tracking_uri=store), Failing()],
        )  # fmt: skip
    ends = {one.info.run_name: one.info.status for one in client.search_runs([tracked.info.experiment_id])}
    assert ends == {"run": "FINISHED", "other": "FAILED"}


@pytest.mark.extras
def test_a_store_that_mlflow_cannot_use_is_refused_before_a_search(toy: Experiment) -> None:
    for store in ("nonsense://x", "mlruns"):  # none of its kinds; files, which it has given up
        with pytest.raises(ExperimentError, match=r"Expected a store that MLflow can use.*tracking_uri="):
            evobnn.MLflowWriter(tracking_uri=store)
