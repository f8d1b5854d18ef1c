"""The training folder: what lies where, and how what a kill tore is put straight.

Each epoch leaves a line in `metrics.jsonl` and then a checkpoint. A kill between them leaves a line too many: going on
cuts the lines behind the checkpoint, for its epochs are trained, and written, again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._seals import claimed, seal, verify
from evobnn.errors import RunError, message
from evobnn.snapshot import write_bytes, write_text
from evobnn.training import EpochRecord

VERSION = 2
"""Of the lines of metrics and of what the test yielded; those of version 1 say neither it nor a digest."""
METRICS, WEIGHTS, TESTED = "metrics.jsonl", "weights.safetensors", "test.json"
RESULT, CURVE = "result.json", "curve.png"
_LINE: dict[str, type] = {"epoch": int, "stage": int, "rate": float, "training_loss": float, "seconds": float}
_VALIDATED = ("validation_loss", "validation_error")


@dataclass(frozen=True)
class Line(EpochRecord):
    """One epoch in `metrics.jsonl`, and how many `seconds` it took; what is None stands there as null."""

    seconds: float

    def row(self) -> dict[str, Any]:
        """Return the line as it is written."""
        return {"epoch": self.epoch, **asdict(self), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Verdict:
    """What one reading of the test images yielded: `correct` of `count` images."""

    correct: int
    count: int

    @property
    def error(self) -> float:
        """1 - test accuracy, in [0, 1]."""
        return 1.0 - self.correct / self.count


@dataclass(frozen=True)
class SeedFolder:
    """The part of a training folder that belongs to one seed."""

    path: Path

    @property
    def trained(self) -> bool:
        """Whether the training has ended and its weights are written."""
        return (self.path / WEIGHTS).is_file()

    @property
    def sealed(self) -> bool:
        """Whether the metrics say that they, and so the weights beside them, were written with digests."""
        path = self.path / METRICS
        try:
            first = _jsonl.parse(_jsonl.read_bytes(path).split(b"\n")[0]) if path.is_file() else {}
        except ValueError:
            return True  # damaged: nothing says that it is old
        return "version" in first

    def append(self, line: Line) -> None:
        """Add a line to the metrics in one write; raises RunError where the disk is full."""
        _jsonl.append_sealed(self.path / METRICS, {"version": VERSION, **line.row()})

    @property
    def torn(self) -> bool:
        """Whether the last line of the metrics is not whole, as a kill in the middle of writing leaves it."""
        path = self.path / METRICS
        return path.is_file() and _jsonl.read_bytes(path)[-1:] not in (b"", b"\n")

    def lines(self) -> list[Line]:
        """Return the lines of the metrics but a torn last one; raise RunError for one that is not what was written."""
        path = self.path / METRICS
        found: list[Line] = []
        before = ""
        texts = _jsonl.read_bytes(path).split(b"\n")[:-1] if path.is_file() else []
        for number, text in enumerate(texts, 1):
            with _jsonl.line(path, number, f"Put it back, or remove {self.path} to train this seed anew."):
                try:
                    _jsonl.parse(text)
                except ValueError:
                    if number == len(texts):
                        break
                    raise
                found.append(_line(_row(path, text, before), number))
            before = claimed(text)
        return found

    def lines_of(self, epochs: int) -> list[Line]:
        """Return the lines of the first `epochs` epochs; raise RunError where fewer are there."""
        found = self.lines()[:epochs]
        if len(found) < epochs:
            got = f"{len(found)} of them"
            do = f"Put the file back, or remove {self.path} to train this seed anew."
            raise RunError(message(f"the {epochs} epochs of the checkpoint in {self.path / METRICS}", got, do))
        return found

    def cut(self, epochs: int) -> list[Line]:
        """Keep the lines of the first `epochs` epochs, drop those behind, and return what is kept.

        Raises:
            RunError: fewer are there.
        """
        kept = self.lines_of(epochs)
        text = _jsonl.sealed_lines({"version": VERSION, **line.row()} for line in kept).encode()
        path = self.path / METRICS
        if (path.read_bytes() if path.is_file() else b"") != text:
            write_bytes(path, text)
        return kept

    def tested(self) -> Verdict | None:
        """Return what the test yielded, or None before; raise RunError for a damaged file."""
        path = self.path / TESTED
        if not path.is_file():
            return None
        with _jsonl.line(path, 1, "Put the file back: test images are read once."):
            row = _jsonl.take(_row(path, _jsonl.read_bytes(path)), error=float, correct=int, count=int)
            if not 0 <= row["correct"] <= row["count"] or not row["count"]:
                raise ValueError(f"{row['correct']} correct of {row['count']}")
        return Verdict(row["correct"], row["count"])

    def write_tested(self, tested: Verdict) -> None:
        """Write what the test yielded."""
        row = {"version": VERSION, "error": tested.error, "correct": tested.correct, "count": tested.count}
        write_text(self.path / TESTED, seal(_jsonl.dump(row)))


def seed_folder(folder: Path, seed: int) -> SeedFolder:
    """Return the part of one seed."""
    return SeedFolder(folder / f"seed-{seed}")


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Replace `result.json`; numbers that JSON has no word for must be None."""
    write_text(folder / RESULT, seal(json.dumps(result, indent=1, allow_nan=False) + "\n"))


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return what `result.json` says, or None where there is none, or none that is what was written: it is derived."""
    try:
        text = (folder / RESULT).read_bytes()
        found = _jsonl.parse(text)
        if found.get("version", VERSION) < _jsonl.SEALED and "sha" not in found:
            return found
        verify(text)
    except (OSError, ValueError, TypeError):
        return None
    del found["sha"]
    return found


def _row(path: Path, text: bytes, before: str = "") -> dict[str, Any]:
    """Return a row without version and digest; raise ValueError where these are not right."""
    row = _jsonl.parse(text)
    if "version" in row:
        if _jsonl.check_version(path, row, VERSION) < _jsonl.SEALED:
            raise ValueError("a version of which there is none")
        row = _jsonl.opened(row, text, before, VERSION)
        del row["version"]
    return row


def _line(row: dict[str, Any], number: int) -> Line:
    absent = {name: 0.0 for name in _VALIDATED if name in row and row[name] is None}
    _jsonl.take({**row, **absent}, **_LINE, **dict.fromkeys(_VALIDATED, float))
    if row["epoch"] != number:
        raise ValueError(f"the epoch {row['epoch']} in place of {number}")
    return Line(**row)
