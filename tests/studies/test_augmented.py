"""Studies of an experiment made in Python that says `auto`: all train on, and write down, what it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evobnn.experiment import Experiment
from evobnn.experiment.text import from_text
from evobnn.records import Evaluation, Status
from evobnn.runs import Options
from evobnn.studies.compare import compare as compare_module
from evobnn.studies.compare.arms import Arm
from evobnn.studies.compare.compare import Question, compare
from evobnn.studies.fidelity import brief
from evobnn.studies.fidelity import question as regimes
from evobnn.studies.fidelity import weights as weights_module
from evobnn.studies.fidelity.weights import compare_weights
from evobnn.studies.statistics import interval
from evobnn.studies.tables.tabulate import as_table, plan
from tests.experiment.conftest import made_quick
from tests.miniature import SPEC
from tests.studies.toytable import toy_experiment

HERE = Options(jobs=1)


def saying(experiment: Experiment, augmentation: str) -> Experiment:
    return replace(experiment, recipe=replace(experiment.recipe, augmentation=augmentation))


ASKED, PLAIN = saying(SPEC.experiment(), "auto"), saying(SPEC.experiment(), "shift1")


def test_fidelity_of_brief_trainings() -> None:
    def asked(experiment: Experiment) -> tuple[set[tuple[str, int]], Any]:
        question = regimes.ask(experiment, [(1, 1)], genomes=8, seeds=2, epochs=2)
        whole = regimes.plan(question, HERE)
        jobs = [regimes.job(question, whole, task) for task in regimes.tasks(question, whole)]
        recipes = {job.bench.protocol.recipe for job in jobs}
        return {(one.augmentation, one.epochs) for one in recipes}, brief._header(question, whole)

    trained, header = asked(ASKED)
    assert trained == {("shift1", 1), ("shift1", 2)}
    assert header == asked(PLAIN)[1]


def test_kinds_of_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def run(job: Any) -> Evaluation:
        trained.append(job.bench.protocol.recipe.augmentation)
        return Evaluation(Status.OK, {"error": len(trained) / 100, "elementwise": 1.0})

    monkeypatch.setattr(weights_module, "run_job", run)
    monkeypatch.setattr(interval, "RESAMPLES", 100)
    compare_weights(ASKED, HERE, 4, 2, 2)
    assert trained == ["shift1"] * 16


def test_a_table_says_what_it_was_trained_with() -> None:
    table = as_table(SPEC, ASKED, plan(SPEC, ASKED, HERE), {})
    assert from_text(table.experiment, "the table") == PLAIN
    assert 'augmentation = "shift1"' in table.experiment


def test_a_comparison_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its runs are those of the plain text, whoever comes back to them."""
    quick = made_quick(monkeypatch)
    for name in ("save_curves", "save_forest"):
        monkeypatch.setattr(compare_module, name, lambda path, *given: path.write_text(repr(given)))
    base = toy_experiment(strategy={"name": "nsga2", "population": 4}, noise={"repeats": 2, "rescore": 2})

    def asked(text: str) -> Question:
        return Question(saying(base, text), (Arm("nsga2"), Arm("random", ("strategy.name=random",))), 2, 12)

    def once(told: Callable[[], None]) -> Callable[[str, int, int], None]:
        return lambda what, done, planned: told() if done == 2 else None

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(asked("auto"), tmp_path, HERE, once(stop))
    (tmp_path / "results.jsonl").write_text((tmp_path / "results.jsonl").read_text().splitlines(True)[0])
    report = compare(asked("auto"), tmp_path, HERE)
    trained = len(quick.jobs)
    assert compare(asked("shift1"), tmp_path, HERE) == report
    assert len(quick.jobs) == trained
    assert 'augmentation = "shift1"' in (tmp_path / "nsga2-3" / "experiment.toml").read_text()
    assert {job.bench.protocol.recipe.augmentation for job in quick.jobs} == {"shift1"}
