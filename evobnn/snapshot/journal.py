"""The journal, one line for each finished evaluation, and the starts, one for each process. Both only grow.

Nothing that counts depends on the starts: they have no digests, and their own version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._jsonl import DamagedError, Row, line, take
from evobnn._seals import claimed
from evobnn.errors import RunError, message
from evobnn.records import Evaluation
from evobnn.snapshot.rows import OUTCOME, VERSION, evaluation_row, to_evaluation, without

PURPOSES = ("search", "rescore", "fidelity", "table")
TORN = "A kill in the middle of writing left this last line; what it told is measured again."
_SKIPPED = "It was skipped, and what it told is measured again; a kill in the middle of writing leaves such a line."
_STARTS = 1
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
        _jsonl.append_sealed(self.path, {**row, "evaluation": evaluation_row(entry.evaluation, whole=True)})


def read_journal(
    path: Path, without: Collection[tuple[str, int]] = frozenset()
) -> tuple[list[JournalEntry], list[str]]:
    """Return the entries of a journal and a note, with file and line, for each line that was skipped. Entries with a
    (key, repeat) in `without`, of which nothing more is to be known, are left out.

    A line is skipped where it, or the line before it, is not what was written: what it told is measured again. A
    missing file is an empty journal.

    Raises:
        RunError: the file cannot be opened, or a line was written by a newer version.
    """
    if not path.exists():
        return [], []
    entries: list[JournalEntry] = []
    notes: list[str] = []
    before = ""
    for number, whole in enumerate(_jsonl.lines_of(path), 1):
        text = whole.removesuffix(b"\n")
        try:
            with line(path, number, TORN if text == whole else _SKIPPED):
                row = _jsonl.parse(text)
                version = _jsonl.check_version(path, row, VERSION)
                row = _jsonl.opened(row, text, before, version)
                if (row.get("key"), row.get("repeat")) not in without:
                    entries.append(_entry(row))
        except DamagedError as error:
            notes.append(str(error))
        before = claimed(text) or before
    return entries, notes


def append_start(folder: Path, entry: Mapping[str, Any]) -> None:
    """Add a line to `starts.jsonl`: how this process was started."""
    _jsonl.append(folder / "starts.jsonl", _jsonl.dump({"version": _STARTS, **entry}))


def read_starts(folder: Path) -> list[Row]:
    """Return the whole lines of `starts.jsonl`, oldest first; a torn one is skipped, for nothing depends on it."""
    path = folder / "starts.jsonl"
    found = []
    for text in _jsonl.read_bytes(path).splitlines() if path.is_file() else []:
        with suppress(ValueError):
            found.append(_jsonl.parse(text))
    return found


def _entry(row: Row) -> JournalEntry:
    take(row, version=int, **_ENTRY)
    take(without(row["evaluation"], "inherited_from"), **OUTCOME, seconds=float, traceback=str)
    fields = {name: row[name] for name in _ENTRY if name != "evaluation"}
    return JournalEntry(evaluation=to_evaluation(row["evaluation"]), **fields)
