"""The journal, one line for each finished evaluation, and the starts, one for each process. Both only grow."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._jsonl import DamagedError, Row, line, take
from evobnn.errors import RunError, message
from evobnn.records import Evaluation
from evobnn.snapshot.rows import OUTCOME, VERSION, evaluation_row, to_evaluation, without

PURPOSES = ("search", "rescore", "fidelity", "table")
_ENTRY: dict[str, type] = {"key": str, "protocol": str, "repeat": int, "purpose": str, "individual": int,
                           "generation": int, "attempt": int, "finished": str, "evaluation": dict}  # fmt: skip


@dataclass(frozen=True)
class JournalEntry:
    """One finished evaluation, as it came in.

    Attributes:
        key: of the genome's canonical form.
        protocol: the protocol's fingerprint.
        repeat: which of the genome's evaluations this is.
        purpose: one of `PURPOSES`.
        individual: its id in the run.
        generation: that asked for it.
        attempt: 1, or more after a worker was lost or a failure was tried again.
        evaluation: in full, with seconds and traceback.
        finished: ISO 8601 time.
    """

    key: str
    protocol: str
    repeat: int
    purpose: str
    individual: int
    generation: int
    attempt: int
    evaluation: Evaluation
    finished: str

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise RunError(message(f"a purpose out of {', '.join(PURPOSES)}", f"'{self.purpose}'", "Use one of them."))


@dataclass(frozen=True)
class Journal:
    """A file that grows by one line for each finished evaluation."""

    path: Path

    def append(self, entry: JournalEntry) -> None:
        """Add one line in one write; after a full disk the file is as it was before.

        Raises:
            RunError: the line could not be written.
        """
        row: Row = {"version": VERSION}
        row |= {name: getattr(entry, name) for name in _ENTRY if name != "evaluation"}
        _jsonl.append(self.path, _jsonl.dump({**row, "evaluation": evaluation_row(entry.evaluation, whole=True)}))


def read_journal(path: Path) -> tuple[list[JournalEntry], list[str]]:
    """Return the entries of a journal and a note, with file and line, for each line that was skipped.

    A torn last line is what a kill leaves and passes without a note; a missing file is an empty journal.

    Raises:
        RunError: the file cannot be opened, or a line was written by a newer version.
    """
    if not path.exists():
        return [], []
    entries: list[JournalEntry] = []
    notes: list[str] = []
    *whole, last = _jsonl.read_bytes(path).split(b"\n")
    for number, text in enumerate([*whole, last] if last else whole, 1):
        try:
            with line(path, number, "It was skipped; a kill in the middle of writing leaves such a line."):
                entries.append(_entry(_jsonl.parse(text), path))
        except DamagedError as error:
            if number <= len(whole):
                notes.append(str(error))
    return entries, notes


def append_start(folder: Path, entry: Mapping[str, Any]) -> None:
    """Add a line to `starts.jsonl`: how this process was started."""
    _jsonl.append(folder / "starts.jsonl", _jsonl.dump({"version": VERSION, **entry}))


def read_starts(folder: Path) -> list[Row]:
    """Return the whole lines of `starts.jsonl`, oldest first; a torn one is skipped, for nothing depends on it."""
    path = folder / "starts.jsonl"
    found = []
    for text in _jsonl.read_bytes(path).splitlines() if path.is_file() else []:
        with suppress(ValueError):
            found.append(_jsonl.parse(text))
    return found


def _entry(row: Row, path: Path) -> JournalEntry:
    _jsonl.check_version(path, row, VERSION)
    take(row, version=int, **_ENTRY)
    take(without(row["evaluation"], "inherited_from"), **OUTCOME, seconds=float, traceback=str)
    fields = {name: row[name] for name in _ENTRY if name != "evaluation"}
    return JournalEntry(evaluation=to_evaluation(row["evaluation"]), **fields)
