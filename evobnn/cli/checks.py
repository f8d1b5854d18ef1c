"""`evobnn check`: what verifying a folder found, one line a statement."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evobnn.cli.words import counted
from evobnn.evaluation import Additions
from evobnn.runs.answers import Answer
from evobnn.runs.verify import Folder, verify
from evobnn.snapshot import is_being_written
from evobnn.studies.verify import Found
from evobnn.studies.verify import verify as verify_found

MOST = 5


def show(folder: Path, additions: Additions | None = None) -> bool:
    """Print a line for each check of a run; return whether everything that could be checked is right."""
    if is_being_written(folder):
        run = Folder(folder)
        if not run.generations and not run.read[1]:
            print(f"{folder}: a search is writing its first generation; there is nothing to check yet")
            return True
        last = f"generation {run.generations[-1].number}" if run.generations else "no good generation"
        print(f"a search is writing this run: checked is what it has finished, up to {last}\n", flush=True)
    return _show(folder, verify(folder, additions))


def show_found(found: Found) -> bool:
    """Print a line for each check of a training, table or study; return whether everything is right."""
    return _show(found.path, verify_found(found))


def _show(folder: Path, answers: Iterable[Answer]) -> bool:
    wrong = untold = 0
    for answer in answers:
        _print(answer)
        wrong += answer.is_wrong
        untold += bool(answer.untold)
    verdict = f"{counted(wrong, 'check')} found problems" if wrong else "nothing wrong found"
    print(f"\n{folder}: {verdict}{f', {untold} not made' if untold else ''}")
    return wrong == 0


def _print(answer: Answer) -> None:
    word = "not checked" if answer.untold else "PROBLEM" if answer.is_wrong else "ok"
    print(f"{word:<11}  {answer.statement}", flush=True)
    for line in [answer.untold] if answer.untold else answer.problems[:MOST]:
        print(f"             {line}")
    if len(answer.problems) > MOST:
        print(f"             … and {len(answer.problems) - MOST} more")
