"""`evobnn front --picture`: the front with its best member."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call


def test_a_picture_of_front_and_best_member(evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def drawn(path: Path, front: object, archive: object, cell: object, function: object, **others: object) -> None:
        told.update(others, path=path, cell=cell, function=function)

    monkeypatch.setattr("evobnn.cli.overview.save_overview", drawn)
    done = evobnn("front", "digits-1", "--picture", "one.png", "--line", "logistic regression=0.044")
    assert (done.code, done.err) == (0, ""), done.err
    assert (told["path"], told["cost"]) == (Path("one.png"), "ops")
    assert told["lines"] == {"logistic regression": 0.044}
    (title, edges), (expression, curve) = told["cell"], told["function"]  # type: ignore[misc]
    assert title.startswith("The normal cell of the best, id ") and len(edges) == 8
    assert expression.startswith("Before every sign: ") and len(curve[0]) == 601  # one function for both kinds


@pytest.mark.parametrize("line", ["0.1", "a=b", "a=12"])
def test_a_line_that_is_none(evobnn: Call, a_run: Path, line: str) -> None:
    done = evobnn("front", "digits-1", "--picture", "one.png", "--line", line)
    assert done.code == 2 and "--line NAME=ERROR" in done.err and not Path("one.png").exists()
