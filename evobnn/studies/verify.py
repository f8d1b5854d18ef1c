"""What can be verified of what is no run: a training, a table, a study. Every digest is, and what is said twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evobnn import _jsonl
from evobnn.analysis.pictures.curves import FORMAT as COMPARED
from evobnn.analysis.pictures.curves import RESULTS
from evobnn.analysis.pictures.curves import read_results as read_compared
from evobnn.experiment.final import is_training
from evobnn.experiment.shipped import FILE, table_file
from evobnn.runs import named as runs
from evobnn.runs.answers import Answer, Problems, Remark, answered
from evobnn.runs.final.verify import TRAININGS
from evobnn.runs.on_table import recorded
from evobnn.snapshot import read_journal
from evobnn.snapshot.journal import TORN
from evobnn.studies.fidelity import brief
from evobnn.tables import read_table

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Found:
    """What is to be checked: where it lies, and the checks by what they ask."""

    path: Path
    checks: Mapping[str, Callable[[Path], Problems]]


def find(text: str) -> Found | None:
    """Return a training, study or table by its path or its name below `populations/`; None for anything else."""
    for folder in (Path(text), runs.ROOT / text) if text else ():
        if is_training(folder):
            return Found(folder, TRAININGS)
        if (folder / RESULTS).is_file():
            return Found(folder, STUDIES)
        if (folder / FILE).is_file():
            return Found(folder, TABLES)
    path = Path(text) if text and Path(text).is_file() and Path(text).name == FILE else table_file(text)
    return Found(path.parent, TABLES) if text and path is not None else None


def verify(found: Found) -> Iterator[Answer]:
    """Yield the answer to each check; everything is right where none has problems."""
    for statement, check in found.checks.items():
        yield answered(statement, check, found.path)


def _table(folder: Path) -> Problems:
    recorded(read_table(folder / FILE))
    yield from _age(folder / FILE)


def _age(path: Path) -> Problems:
    if _jsonl.parse(_jsonl.read_bytes(path).split(b"\n")[0]).get("version", 1) < _jsonl.SEALED:
        yield Remark(f"{path} is from before digests: a number that was changed is not noticed.")


def _journal(folder: Path) -> Problems:
    _, notes = read_journal(folder / JOURNAL)
    yield from (Remark(note) if note.endswith(TORN) else note for note in notes)


def _results(folder: Path) -> Problems:
    path = folder / RESULTS
    form = _jsonl.parse(_jsonl.read_bytes(path).split(b"\n")[0]).get("format")
    if form == COMPARED:
        read_compared(path)
    else:
        brief.read_results(path)
    yield from _age(path)
    yield from map(Remark, _jsonl.torn_lines(path))


TABLES: Mapping[str, Callable[[Path], Problems]] = {
    "the table can be read, and so can its experiment": _table,
    "the journal is whole": _journal,
}
STUDIES: Mapping[str, Callable[[Path], Problems]] = {"the results can be read": _results}
"""What is asked of each kind of folder, in order."""
