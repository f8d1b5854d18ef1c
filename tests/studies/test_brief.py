"""The study of brief trainings: what is trained is what is said, nothing twice, and planted rankings come back."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evobnn.errors import EvobnnError, RunError, SearchError
from evobnn.evaluation import Job
from evobnn.machine.workers import LOST, Outcome
from evobnn.records import Evaluation, Status
from evobnn.runs import Options
from evobnn.studies.fidelity import brief as module
from evobnn.studies.fidelity import heritability as fidelity
from evobnn.studies.fidelity.agreement import Agreement, Regime
from evobnn.studies.fidelity.brief import measure, read_results
from evobnn.studies.fidelity.question import Question, ask
from evobnn.studies.statistics import interval
from tests.miniature import SPEC
from tests.older import make_older, unsealed

HERE = Options(jobs=1)
EXPERIMENT = SPEC.experiment()  # one epoch, width 4; 13 feasible networks


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Resample little, and draw no pictures but where these are looked at."""
    monkeypatch.setattr(interval, "RESAMPLES", 20)
    if "pictures" not in request.node.name:
        for name in ("save_taus", "save_errors"):
            monkeypatch.setattr(module, name, lambda *given: None)


class Planted:
    """Stand in for trainings: long ones rank genomes as they first come, brief ones of width 2 the other way round."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.order: list[str] = []
        self.failing: set[int] = set()
        self.stop_at = 0

    def __call__(self, job: Job) -> Evaluation:
        if self.stop_at and len(self.jobs) + 1 == self.stop_at:
            self.stop_at = 0
            raise KeyboardInterrupt
        self.jobs.append(job)
        if job.genome not in self.order:
            self.order.append(job.genome)
        place, protocol = self.order.index(job.genome), job.bench.protocol
        if place in self.failing and protocol.recipe.epochs == 2:
            return Evaluation(Status.DIVERGED, message="a weight is nan", seconds=1.0)
        error = (20 - place if protocol.network.width == 2 else place) / 20
        return Evaluation(Status.OK, {"error": error}, seconds=2.0 * protocol.recipe.epochs)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    made = Planted()
    monkeypatch.setattr(module, "run_job", made)
    return made


def asked(**changes: Any) -> Question:
    given: dict[str, Any] = {"lengths": [(1, 3), (2, 1)], "widths": [4, 2], "epochs": 5, "genomes": 8}
    return ask(EXPERIMENT, **{**given, **changes})


EACH = 2 + 2 * (3 + 1)
"""Trainings of a genome in `asked()`: two long ones, and at either width three of one epoch and one of two."""


# --- The question ---------------------------------------------------------------------------------------------------


def test_defaults_follow_the_experiment() -> None:
    three = replace(EXPERIMENT, recipe=replace(EXPERIMENT.recipe, epochs=3))
    found = ask(three)
    assert found.briefs == (Regime(1, 4), Regime(2, 4), Regime(3, 4, 3), Regime(6, 4))
    assert (found.long, found.own, found.genomes) == (Regime(12, 4, 2), Regime(3, 4, 3), 60)
    assert ask(EXPERIMENT).briefs == (Regime(1, 4, 3), Regime(2, 4))
    assert ask(three, [(1, 1), (1, 4), (2, 1)], [2], 9).briefs == (Regime(3, 4), Regime(1, 2, 4), Regime(2, 2))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"genomes": 5}, "--genomes to be a whole number of at least 6, got 5"),
        ({"genomes": 14}, "14 different feasible genomes, got 13. Ask for fewer"),
        ({"seeds": 1}, "--seeds to be a whole number of at least 2, got 1"),
        (
            {"epochs": 2},
            "--epochs of the long training, above all brief ones, to be a whole number of at least 3, got 2",
        ),
        ({"lengths": [(0, 1)]}, "epochs to be a whole number of at least 1, got 0"),
        ({"lengths": [(1, 10)]}, "repeats between 1 and 9, got 10"),
        ({"widths": [0]}, "width to be a whole number of at least 1, got 0"),
    ],
)
def test_what_is_refused_before_anything_is_trained(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(fidelity, "RANDOM_TRIES", 20)
    with pytest.raises(EvobnnError, match=words):
        measure(asked(**changes), HERE, tmp_path / "out")
    assert not planted.jobs
    assert not (tmp_path / "out").exists()


def test_a_width_that_the_template_refuses_is_named(planted: Planted, tiny: Any, tmp_path: Path) -> None:
    wide = replace(tiny, network=replace(tiny.network, stem=0.5))
    with pytest.raises(EvobnnError, match=r"With --widths 1: Expected network.stem between 1 and 100, got 0.5"):
        measure(ask(wide, widths=[2, 1], genomes=6), HERE, tmp_path / "out")
    assert not planted.jobs
    assert not (tmp_path / "out").exists()


def test_a_table_is_no_training() -> None:
    with pytest.raises(EvobnnError, match="an experiment that trains, got one that looks up in mini"):
        ask(replace(EXPERIMENT, table="mini"))


# --- The trainings --------------------------------------------------------------------------------------------------


def test_planted_rankings_come_back(planted: Planted) -> None:
    said: list[tuple[int, int]] = []
    found = measure(asked(), HERE, told=lambda done, all_, left: said.append((done, all_)))
    assert (found.genomes, found.failed, found.better) == (8, 0, 4)
    shown = {(one.epochs, one.width, one.repeats): one for one in found.scores}
    assert list(shown) == [(1, 4, 1), (1, 4, 2), (1, 4, 3), (2, 4, 1), (1, 2, 1), (1, 2, 2), (1, 2, 3), (2, 2, 1)]
    for (epochs, width, repeats), score in shown.items():
        tau = 1.0 if width == 4 else -1.0
        assert (score.tau.estimate, score.tau_better.estimate) == (pytest.approx(tau), pytest.approx(tau))
        assert score.gain.estimate == pytest.approx(tau - 1.0)
        assert score.epochs_share == score.seconds_share == pytest.approx(repeats * epochs / 5)
        assert score.seconds == 2.0 * epochs * repeats
    assert found.long.tau.estimate == pytest.approx(1.0)
    assert said == [(n, 8 * EACH) for n in range(8 * EACH + 1)]


def test_what_is_trained_is_what_is_said(planted: Planted) -> None:
    question = replace(asked(), experiment=replace(EXPERIMENT, max_macs=1e9))
    measure(question, HERE)
    assert len(planted.jobs) == 8 * EACH
    expected = Counter({(5, 4): 2, (1, 4): 3, (2, 4): 1, (1, 2): 3, (2, 2): 1})
    looked = 0
    for genome in planted.order:
        jobs = [job for job in planted.jobs if job.genome == genome]
        assert Counter((j.bench.protocol.recipe.epochs, j.bench.protocol.network.width) for j in jobs) == expected
        long = {job.seed for job in jobs if job.bench.protocol.recipe.epochs == 5}
        brief = {job.seed for job in jobs if job.bench.protocol.recipe.epochs < 5}
        assert (len(long), len(brief), long & brief) == (2, 3, set())  # regimes share seeds, brief and long ones do not
        looked += 1
    assert looked == 8
    for job in planted.jobs:
        protocol = job.bench.protocol
        assert replace(protocol.recipe, epochs=1) == EXPERIMENT.recipe
        assert replace(protocol.network, width=4) == EXPERIMENT.network
        # The bound on work grows with the epochs; at other widths there is none: the preset's own refuses for all.
        assert protocol.max_macs == (protocol.recipe.epochs * 1e9 if protocol.network.width == 4 else 0.0)


def test_what_failed_anywhere_is_left_out_and_counted(planted: Planted, tmp_path: Path) -> None:
    planted.failing = {0, 3}
    found = measure(asked(), HERE, tmp_path)
    assert (found.genomes, found.failed, found.scores[0].tau.n) == (6, 2, 6)
    assert [one.failed for one in found.scores if one.epochs == 2] == [2, 2]
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()[1:]]
    failed = [row for row in rows if "failed" in row]
    assert {(row["failed"], row["epochs"], "error" in row) for row in failed} == {
        ("diverged: a weight is nan", 2, False)
    }
    before = len(planted.jobs)
    assert measure(asked(), HERE, tmp_path) == found
    assert len(planted.jobs) == before  # a recorded failure is final
    planted.failing = {0, 1, 2}
    with pytest.raises(SearchError, match="at least 6 genomes that train well in every regime, got 5; the first "):
        measure(asked(), HERE)


def test_what_was_lost_with_its_worker_is_tried_again(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Losing(module.Workers):
        def run(self, function: Any, payloads: Sequence[Any]) -> Iterator[Outcome]:
            for outcome in super().run(function, payloads):
                yield Outcome(outcome.index, None, LOST) if outcome.index == 3 else outcome

    with monkeypatch.context() as patched:
        patched.setattr(module, "Workers", Losing)
        found = measure(asked(), HERE, tmp_path)
    assert (found.genomes, found.failed) == (7, 1)
    assert measure(asked(), HERE, tmp_path).genomes == 8
    assert len(planted.jobs) == 8 * EACH + 1


# --- The folder -----------------------------------------------------------------------------------------------------


def test_nothing_is_trained_twice(planted: Planted, tmp_path: Path) -> None:
    planted.stop_at = 21
    with pytest.raises(KeyboardInterrupt):
        measure(asked(), HERE, tmp_path)
    assert len(planted.jobs) == len((tmp_path / "results.jsonl").read_text().splitlines()) - 1 == 20
    assert not (tmp_path / "report.json").exists()
    said: list[int] = []
    found = measure(asked(), HERE, tmp_path, lambda done, planned, left: said.append(done))
    assert len(planted.jobs) == 8 * EACH
    assert said == list(range(20, 8 * EACH + 1))
    assert len({(job.genome, job.seed, str(job.bench.protocol)) for job in planted.jobs}) == 8 * EACH
    assert measure(asked(), HERE, tmp_path) == found == measure(asked(), HERE)
    assert len(planted.jobs) == 2 * 8 * EACH  # of which the last call, which had no folder, did half


def test_more_of_everything_goes_on_with_what_is_there(planted: Planted, tmp_path: Path) -> None:
    measure(asked(), HERE, tmp_path)
    planted.jobs.clear()
    measure(asked(genomes=9), HERE, tmp_path)
    assert len(planted.jobs) == EACH
    planted.jobs.clear()
    measure(asked(genomes=9, seeds=3, lengths=[(1, 3), (2, 2)]), HERE, tmp_path)
    assert len(planted.jobs) == 9 * (1 + 2)
    planted.jobs.clear()
    fewer = measure(asked(widths=[4], lengths=[(1, 1)]), HERE, tmp_path)
    assert not planted.jobs
    assert len(fewer.scores) == 1


def test_a_torn_line_is_skipped_and_trained_again(planted: Planted, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    found = measure(asked(), HERE, tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    planted.jobs.clear()
    assert measure(asked(), HERE, tmp_path) == found
    assert len(planted.jobs) == 1
    assert len(read_results(path)[1]) == 8 * EACH  # the new line stands on a line of its own
    measure(asked(), HERE, tmp_path)
    assert len(planted.jobs) == 1


def test_a_changed_digit_is_refused_and_a_study_of_before_digests_goes_on_without(
    planted: Planted, tmp_path: Path
) -> None:
    path = tmp_path / "results.jsonl"
    found = measure(asked(), HERE, tmp_path)
    whole = path.read_text()
    path.write_text(re.sub(r'"repeat": 0', '"repeat": 7', whole, count=1))
    with pytest.raises(RunError, match=r"results\.jsonl, line \d+, got a digest that does not fit"):
        measure(asked(), HERE, tmp_path)
    path.write_text(unsealed("".join(whole.splitlines(keepends=True)[:-1])))
    assert measure(asked(), HERE, tmp_path) == found
    assert '"sha"' not in path.read_text() and len(read_results(path)[1]) == 8 * EACH


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "some with other settings"),
        ({"recipe": replace(EXPERIMENT.recipe, batch=20)}, "some with other settings"),
        ({"dataset": replace(EXPERIMENT.dataset, train_limit=80)}, "some with other settings"),
    ],
)
def test_trainings_of_another_protocol_are_refused(
    planted: Planted, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    measure(asked(), HERE, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    planted.jobs.clear()
    with pytest.raises(RunError, match=f"the trainings of this protocol in .*, got {words}. Name another folder"):
        measure(replace(asked(), experiment=replace(EXPERIMENT, **changes)), HERE, tmp_path)
    assert not planted.jobs
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_does_not_decide_a_training_is_no_other_protocol(planted: Planted, tmp_path: Path) -> None:
    found = measure(asked(), HERE, tmp_path)
    other = replace(EXPERIMENT, preset="mine", horizon=3, objectives=("error",))
    assert measure(replace(asked(), experiment=other), HERE, tmp_path) == found
    assert len(planted.jobs) == 8 * EACH


def test_other_versions_and_other_files_are_refused(planted: Planted, tmp_path: Path) -> None:
    measure(asked(), HERE, tmp_path)
    path = tmp_path / "results.jsonl"
    make_older(path)
    header, *rows = path.read_text().splitlines()
    top = json.loads(header)
    for first, words in (
        ({**top, "protocol": "0" * 16}, "some with other data, settings or versions of evobnn or torch"),
        ({**top, "version": 3}, "newer evobnn"),
        ({**top, "format": "evobnn-comparison"}, "results.jsonl, line 1"),
    ):
        path.write_text("\n".join([json.dumps(first), *rows, ""]))
        with pytest.raises(RunError, match=words):
            measure(asked(), HERE, tmp_path)
    for change in ({"error": "low"}, {"epochs": 1.5}, {"more": 1}):
        wrong = json.dumps({**json.loads(rows[2]), **change})
        path.write_text("\n".join([header, *rows[:2], wrong, *rows[3:], ""]))
        with pytest.raises(RunError, match="results.jsonl, line 4"):
            measure(asked(), HERE, tmp_path)
    assert len(planted.jobs) == 8 * EACH


def test_the_folder_holds_report_and_pictures(planted: Planted, tmp_path: Path) -> None:
    found = measure(asked(), HERE, tmp_path / "a" / "b")
    folder = tmp_path / "a" / "b"
    names = {"report.md", "report.json", "results.jsonl", "taus.png", "errors.png"}
    assert {path.name for path in folder.iterdir()} - {".lock"} == names
    told = json.loads((folder / "report.json").read_text())
    assert told["scores"] == json.loads(json.dumps([asdict(one) for one in found.scores]))
    assert told["question"]["regimes"][0] == {"epochs": 5, "width": 4, "repeats": 2}
    assert {"versions", "machine", "experiment", "data"} <= set(told["question"])
    text = (folder / "report.md").read_text()
    assert "![tau against cost](taus.png)" in text and "| 5 | 4 | ceiling | 100 % |" in text
    for name in ("taus.png", "errors.png"):
        with Image.open(folder / name) as picture:
            assert picture.size[0] > 500


# --- Really trained -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("warm_workers")
def test_a_tiny_study_is_the_same_with_two_workers(tmp_path: Path) -> None:
    question = ask(EXPERIMENT, [(1, 2)], [4], 2, 2, 6)
    one, two = (measure(question, Options(jobs=jobs), tmp_path / str(jobs)) for jobs in (1, 2))

    def timeless(report: Agreement) -> Agreement:
        scores = tuple(replace(score, seconds=0.0, seconds_share=0.0) for score in (report.long, *report.scores))
        return replace(report, long=scores[0], scores=scores[1:])

    assert repr(timeless(one)) == repr(timeless(two))  # a tau of so few and so poor networks may be NaN
    assert one.genomes == 6
    assert len(one.scores) == 2
    assert all(0.5 < score.error < 1.0 and score.seconds > 0.0 for score in one.scores)
    rows = [list(read_results(tmp_path / str(jobs) / "results.jsonl")[1].items()) for jobs in (1, 2)]
    errors = [{task: ended.error for task, ended in some} for some in rows]
    assert errors[0] == errors[1]
    assert len(errors[0]) == 6 * 4
    assert not any(math.isnan(error) for error in errors[0].values())
