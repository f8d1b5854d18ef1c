"""What verifies a run returns problems as values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evobnn.errors import RunError
from evobnn.runs.answers import Answer, CannotTellError, Remark, answered
from evobnn.runs.verify import CHECKS, verify
from evobnn.snapshot import append_start


def test_a_check_that_cannot_go_on_is_an_answer() -> None:
    def spoilt(error: Exception) -> Iterator[str]:
        yield "the first"
        raise error

    assert answered("it is so", lambda lines: iter(lines), ["a", "b"]) == Answer("it is so", ("a", "b"))
    assert answered("s", spoilt, RunError("torn")) == Answer("s", ("torn",))
    assert answered("s", spoilt, ValueError("none")) == Answer("s", ("ValueError: none",))
    assert answered("s", spoilt, CannotTellError("no images")) == Answer("s", untold="no images")


def test_a_remark_is_no_problem() -> None:
    assert not Answer("s").is_wrong and not Answer("s", (Remark("old"),)).is_wrong
    assert Answer("s", (Remark("old"), "lost")).is_wrong and not Answer("s", untold="no images").is_wrong


def test_a_folder_of_no_run_has_problems_and_raises_nothing(tmp_path: Path) -> None:
    append_start(tmp_path, {})
    answers = {answer.statement: answer for answer in verify(tmp_path)}
    assert list(answers) == list(CHECKS)
    assert answers["generations are whole and without a gap"].is_wrong
    assert answers["nothing was completed twice"] == Answer("nothing was completed twice")
