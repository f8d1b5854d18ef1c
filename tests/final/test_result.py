"""The figures of a result, by hand."""

from __future__ import annotations

import pytest

from evobnn.runs.final.folder import Line, Verdict
from evobnn.runs.final.result import SeedResult, summary_of


def test_mean_and_deviation() -> None:
    assert summary_of([0.1, 0.2, 0.3]) == {
        "mean": pytest.approx(0.2), "sd": pytest.approx(0.1), "lowest": 0.1, "highest": 0.3,
    }  # fmt: skip
    assert summary_of([0.25]) == {"mean": 0.25, "sd": None, "lowest": 0.25, "highest": 0.25}
    assert summary_of([None, 0.5, None, 1.0])["mean"] == 0.75
    assert set(summary_of([]).values()) == set(summary_of([None]).values()) == {None}


def test_the_row_of_a_seed() -> None:
    lines = [Line(0, epoch, 0.1, 1.0, 0.5, error, 1.5) for epoch, error in ((1, 0.5), (2, 0.25))]
    assert SeedResult(4, lines, Verdict(9, 12)).row() == {
        "seed": 4, "epochs": 2, "validation_error": 0.25, "test_error": 0.25, "correct": 9, "count": 12, "seconds": 3.0,
    }  # fmt: skip
    failed = SeedResult(5, [], failed="a non-finite loss").row()
    assert (failed["failed"], failed["epochs"], failed["test_error"], failed["validation_error"]) == (
        "a non-finite loss", 0, None, None,
    )  # fmt: skip
