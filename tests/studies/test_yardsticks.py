"""What a comparison is held against: the dearest networks and the floor, by hand on the toy table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evobnn.experiment.settings import Experiment
from evobnn.records import Status
from evobnn.runs.on_table import table_bench
from evobnn.runs.setup import Options
from evobnn.studies.compare import compare as module
from evobnn.studies.compare.arms import Arm
from evobnn.studies.compare.compare import Question, compare
from evobnn.studies.compare.text import as_markdown, notes, tables
from evobnn.studies.compare.yardsticks import DRAWS, dearest, floor, plain_rows, trained_rows
from evobnn.studies.statistics import interval
from evobnn.tables import Row, Table, write_table
from tests.studies.toytable import IMAGES, toy_table


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Table]:
    return toy_table(tmp_path_factory.mktemp("tables"))


@pytest.fixture
def changed(toy: tuple[Experiment, Table], tmp_path: Path) -> Callable[[Table], Experiment]:
    """Return a function that writes a table and gives the experiment that searches it."""

    def write(table: Table) -> Experiment:
        write_table(tmp_path / "table.jsonl", table)
        return replace(toy[0], table=str(tmp_path))

    return write


def plain_by_text(table: Table) -> list[Row]:
    """Return the rows whose function is x, by the texts that the toy's forms (x, zero, sin; add) allow."""
    texts = {"add(x, x)", "add(x, zero)", "add(zero, x)", "x"}
    return [row for row in table.rows.values() if row.genome.partition("@net = ")[2] in texts and row.errors]


def test_plain_rows_are_those_with_the_plain_sign_the_dearest_first(toy: tuple[Experiment, Table]):
    experiment, table = toy
    rows = plain_rows(table, table_bench(experiment, table).space)
    assert {row.key for row in rows} <= {row.key for row in plain_by_text(table)}
    assert len(rows) == len({row.genome.partition("@")[0] for row in rows}) > 5
    assert [row.ops for row in rows] == sorted((row.ops for row in rows), reverse=True)
    assert not any(row.status is Status.INVALID for row in rows)


def test_the_dearest_by_hand(toy: tuple[Experiment, Table]):
    experiment, table = toy
    rows = plain_rows(table, table_bench(experiment, table).space)[:4]
    found = dearest(experiment, range(5), 4, "evaluations")
    assert dearest(experiment, range(5), 9) == found  # four trainings of two epochs, and one epoch left over
    assert list(found) == list(range(5))
    for seed, trace in found.items():
        shown = {row.key: table.value(row.key, table.order(seed, row.key)[0]) for row in rows}
        best = min(rows, key=lambda row: (shown[row.key], row.ops))
        assert trace.best == best.genome
        unseen = table.unseen_mean(best.key, table.seen(seed, best.key, 1))
        assert trace.final["regret"] == pytest.approx(unseen - table.best_known)
        assert trace.epochs == (8.0,)
    assert dearest(experiment, range(2), 1) == {}


def test_bounds_and_what_is_given_hold_for_the_dearest_too(toy: tuple[Experiment, Table]):
    experiment, table = toy
    rows = plain_rows(table, table_bench(experiment, table).space)
    bound = sorted({row.ops for row in rows})[1]
    bounded = dearest(replace(experiment, constraints={"ops": bound}), [1], 100)[1]
    kept = [row for row in rows if row.ops <= bound]
    assert 0 < len(kept) < len(rows)
    assert bounded.epochs == (2.0 * len(kept),)
    space = replace(experiment.space, freeze="normal[2 = conv3(0) + conv3(1); 3 = conv3(0) + zero(1)]")
    given = replace(experiment, space=space)
    (one,) = plain_rows(table, table_bench(given, table).space)
    assert one.genome.startswith(space.freeze)


def test_the_floor_in_closed_form(toy: tuple[Experiment, Table]):
    """A row that is lucky in one of three columns is chosen in a third of the draws, and scored on the other two."""
    some = [row for row in toy[1].rows.values() if row.errors][:3]
    wrong = [(0, 100, 100), (20, 20, 20), (90, 90, 90)]
    rows = {row.key: replace(row, errors=errors, parent=()) for row, errors in zip(some, wrong, strict=True)}
    table = replace(toy[1], rows=rows)
    assert table.best_known == 20 / IMAGES  # the lucky column chooses nothing that is scored on it
    found = np.array(floor(table))
    assert (len(found), trained_rows(table)) == (DRAWS, 3)
    assert set(found.round(6)) == {0.4, 0.0}
    assert np.mean(found > 0.1) == pytest.approx(1 / 3, abs=0.05)


def test_of_equal_scores_the_floor_takes_the_cheapest(toy: tuple[Experiment, Table]):
    some = [row for row in toy[1].rows.values() if row.errors][:2]
    rows = [replace(some[0], ops=9.0, errors=(5, 5), parent=()), replace(some[1], ops=3.0, errors=(5, 5), parent=())]
    table = replace(toy[1], rows={row.key: row for row in rows})
    assert set(floor(table)) == {0.0}
    luckier = replace(rows[0], errors=(5, 9))
    table = replace(table, rows={row.key: row for row in (luckier, rows[1])})
    assert table.best_known == 7 / IMAGES  # by the first column the two are equal, and the first scores 9
    assert set(floor(table)) == {5 / IMAGES - 7 / IMAGES}


def test_every_table_of_results_has_the_row_and_the_floor_is_a_line(
    toy: tuple[Experiment, Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("save_curves", "save_forest"):
        monkeypatch.setattr(module, name, lambda *given: None)
    monkeypatch.setattr(interval, "RESAMPLES", 100)
    question = Question(toy[0], (Arm("nsga2"), Arm("random", ("strategy.name=random",))), 3, 48)
    report = compare(question, tmp_path, Options(jobs=1))
    assert report.dearest is not None and report.floor is not None
    assert report.dearest.spreads["regret"].median == pytest.approx(
        np.median([trace.final["regret"] for trace in dearest(toy[0], range(3, 6), 48).values()])
    )
    assert set(report.dearest.versus) == {"regret", "hypervolume"}
    assert [arm.name for arm in report.arms] == ["nsga2", "random"]
    shown = tables(report)
    assert [one.title.partition(":")[0] for one in shown] == ["regret", "hypervolume", "spent"]
    assert [one.rows[-1][0] for one in shown] == ["dearest"] * 3
    alone = report.arms[1].versus["regret"]
    assert alone.adjusted == alone.p  # the row takes no part in the correction
    (line,) = [note for note in notes(report) if "all" in note and "rows has a regret" in note]
    assert f"all {trained_rows(toy[1])} rows has a regret of {100 * report.floor.median:.2f} (" in line
    assert line in as_markdown(report)
