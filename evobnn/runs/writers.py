"""Callbacks that write a search where others show it: TensorBoard's event files, MLflow's tracking.

Both write for every generation `hypervolume`, `least_X` and `mean_X` of each objective as the logbook has them, and of
the whole run `evaluations` and `failures`; and once the experiment's settings. A run that goes on is shown as one.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from evobnn.errors import ExperimentError, message
from evobnn.records import Status
from evobnn.runs.callbacks import HYPERVOLUME, Callback, State
from evobnn.snapshot import Generation
from evobnn.snapshot.archive import objective_names

_LONGEST = 500
"""Characters of a setting's value; MLflow takes no more everywhere."""
_MOST = 100
"""Settings that MLflow takes at a time."""


class TensorBoardWriter(Callback):
    """Writes event files, which `tensorboard --logdir FOLDER` shows; needs `evobnn[tensorboard]`.

    Arguments:
        folder: for the event files; those of a run lie below it in a folder of the run's name, so that several runs
            stand side by side.

    Raises:
        ExperimentError: the package is not there.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> arguments = {"objectives": ("error", "mJ"), "generations": 1, "jobs": 1, "out": "runs/tensorboard"}
    >>> run = evobnn.search("digits", device, callbacks=[evobnn.TensorBoardWriter("events")], **arguments)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._torch = _needed("torch.utils.tensorboard", "tensorboard")
        self._events: Any = None

    def on_generation(self, state: State) -> None:
        """Write a generation; at first all that are there, in place of what an earlier session wrote of them."""
        if self._events is None:
            self._events = self._torch.SummaryWriter(self.folder / state.folder.resolve().name, purge_step=0)
            self._write_settings(state)
            rows = list(_rows(state.generations))
        else:
            rows = list(_rows(state.generations))[-1:]
        for number, row in rows:
            for name, value in row.items():
                self._events.add_scalar(name, value, number)
        self._events.flush()

    def on_end(self, raised: BaseException | None) -> None:
        """Close the files."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _write_settings(self, state: State) -> None:
        shown = [HYPERVOLUME, *(f"least_{name}" for name in objective_names(state.generations))]
        summary = import_module("torch.utils.tensorboard.summary")
        for part in summary.hparams(_settings_of(state.folder), dict.fromkeys(shown, 0.0)):
            self._events.file_writer.add_summary(part)


class MLflowWriter(Callback):
    """Tracks a search as one run of MLflow, named like its folder; needs `evobnn[mlflow]`.

    Arguments:
        experiment: MLflow's name for runs that belong together; made where it is new.
        tracking_uri: of the store or server; None for what MLflow itself takes.

    Raises:
        ExperimentError: the package is not there, or the store cannot be used.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> arguments = {"objectives": ("error", "mJ"), "generations": 1, "jobs": 1, "out": "runs/mlflow"}
    >>> writer = evobnn.MLflowWriter(tracking_uri="sqlite:///mlflow.db")
    >>> run = evobnn.search("digits", device, callbacks=[writer], **arguments)
    """

    def __init__(self, *, experiment: str = "evobnn", tracking_uri: str | None = None) -> None:
        self._mlflow = _needed("mlflow", "mlflow")
        try:
            self._client = self._mlflow.MlflowClient(tracking_uri=tracking_uri)
            found = self._client.get_experiment_by_name(experiment)
            self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)
        except Exception as error:  # of MLflow, of its store's driver, or of the network
            got, *_ = str(error).splitlines() or [type(error).__name__]
            do = "Name one with tracking_uri=, such as sqlite:///mlflow.db or the address of a server."
            raise ExperimentError(message("a store that MLflow can use", got, do)) from error
        self._run, self._written = "", -1

    def on_generation(self, state: State) -> None:
        """Write what is not there yet."""
        if not self._run:
            self._open(state)
        entities, now = import_module("mlflow.entities"), int(time.time() * 1000)
        for number, row in _rows(state.generations):
            if number > self._written:
                figures = [entities.Metric(name, value, now, number) for name, value in row.items()]
                self._client.log_batch(self._run, metrics=figures)
                self._written = number

    def on_end(self, raised: BaseException | None) -> None:
        """Say how it ended."""
        if self._run:
            ended = "FINISHED" if raised is None else "KILLED" if isinstance(raised, KeyboardInterrupt) else "FAILED"
            self._client.set_terminated(self._run, ended)
        self._run, self._written = "", -1

    def _open(self, state: State) -> None:
        """Take up the run of this folder and experiment, or begin it."""
        place = f"{state.folder.resolve().as_uri()}#{state.generations[-1].header['experiment']}"
        known = self._client.search_runs([self._experiment], f"tags.`evobnn.run` = '{place}'")
        if known:
            self._run = known[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            before = self._client.get_metric_history(self._run, HYPERVOLUME)
            self._written = max((one.step for one in before), default=-1)
            return
        name = state.folder.resolve().name
        made = self._client.create_run(self._experiment, run_name=name, tags={"evobnn.run": place})
        self._run = made.info.run_id
        entities = import_module("mlflow.entities")
        settings = [entities.Param(name, str(value)) for name, value in _settings_of(state.folder).items()]
        for at in range(0, len(settings), _MOST):
            self._client.log_batch(self._run, params=settings[at : at + _MOST])


def _rows(generations: Sequence[Generation]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the number of each generation and its figures by name."""
    names = [f"{kind}_{name}" for name in objective_names(generations) for kind in ("least", "mean")]
    evaluations = failures = 0
    for one in generations:
        evaluations += len(one.results)
        failures += sum(r.evaluation.status not in (Status.OK, Status.PRUNED) for r in one.results)
        figures = {name: float(one.log[name]) for name in (HYPERVOLUME, *names) if name in one.log}
        yield one.number, {**figures, "evaluations": float(evaluations), "failures": float(failures)}


def _settings_of(folder: Path) -> dict[str, str | float | bool]:
    """Return the settings of a run by path, `strategy.population`; lists as JSON."""
    return dict(_flat("", tomllib.loads((folder / "experiment.toml").read_text(encoding="utf-8"))))


def _flat(before: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str | float | bool]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{before}{name}.", value)
        elif isinstance(value, str | list):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield before + name, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        else:
            yield before + name, value


def _needed(module: str, extra: str) -> Any:
    """Return a module of an extra; raise ExperimentError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        do = f"Install it: pip install 'evobnn[{extra}]'."
        raise ExperimentError(message(f"the package {extra}", str(error), do)) from error
