"""The run folder: text files with a version, one JSON object a line.

A file is replaced as a whole (temporary file, fsync, rename), so a reader sees the old one or the new one and never a
half; the rename of a generation's file is what commits the generation. The journal is the exception: it only grows, one
line a result, and a line torn by a kill stays alone on its line. Reading executes nothing and writes nothing, not even
the lock, so a run on a read-only disk can be read. Writers hold `lock(folder)`.

Numbers that JSON has no word for (nan, inf) may occur among measures and deviations and are written as strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from evobnn import _jsonl
from evobnn._jsonl import DamagedError, Row, line, take, write_bytes, write_lines, write_text, writing
from evobnn.errors import RunError, message
from evobnn.records import Evaluation, Individual, Request, Result, Status

__all__ = [
    "FORMAT",
    "PURPOSES",
    "UPGRADES",
    "VERSION",
    "Generation",
    "Journal",
    "JournalEntry",
    "Rescored",
    "Survivor",
    "append_start",
    "generation_path",
    "latest_rescored",
    "lock",
    "new_folder",
    "read_generation",
    "read_generations",
    "read_journal",
    "read_rescored",
    "read_starts",
    "rescored_path",
    "set_aside",
    "write_bytes",
    "write_generation",
    "write_lines",
    "write_rescored",
    "write_text",
]

FORMAT = "evobnn-generation"
RESCORED_FORMAT = "evobnn-rescored"
VERSION = 1
PURPOSES = ("search", "rescore", "fidelity", "table")

UPGRADES: dict[int, Callable[[list[Row]], list[Row]]] = {}
"""By version: takes all rows of a generation file of that version, returns those of the next version."""

_GENERATION = re.compile(r"generation-(\d{4,})\.jsonl")
_RESCORED = re.compile(r"rescored-(\d{4,})\.jsonl")
_RESUME = "'evobnn resume' goes on from the generation before this one and deletes nothing."
_RESCORE = "Move the file away and score the front anew; the search itself is not touched."


@dataclass(frozen=True)
class Survivor:
    """An individual that breeds on: the mean of each objective over its `repeats` evaluations so far."""

    individual: Individual
    objectives: Mapping[str, float]
    repeats: int


@dataclass(frozen=True)
class Generation:
    """One committed generation.

    Attributes:
        number: 0 is the start population.
        header: fingerprints, "objectives" (names in order) and "axes" (name -> [low, high, "linear" | "log10"]).
        state: what the search needs to go on, such as the state of its generator and the next id.
        log: the logbook's row.
        survivors: in the search's order.
        results: everything evaluated in this generation, in the order of asking, without clock times and tracebacks.
    """

    number: int
    header: Mapping[str, Any]
    state: Mapping[str, Any]
    log: Mapping[str, Any]
    survivors: tuple[Survivor, ...] = ()
    results: tuple[Result, ...] = ()


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
class Rescored:
    """A member of the front, measured again on fresh seeds.

    Attributes:
        id, key, genome: of the individual.
        repeats: the numbers of the fresh repeats.
        objectives: mean of each objective over them; empty where one of them failed.
        values: by objective, one value for each repeat that ended `ok`.
        deviation: by objective, the standard deviation of `values`.
    """

    id: int
    key: str
    genome: str
    repeats: tuple[int, ...]
    objectives: Mapping[str, float]
    values: Mapping[str, tuple[float, ...]]
    deviation: Mapping[str, float]


# --- Generations ----------------------------------------------------------------------------------------------------


def generation_path(folder: Path, number: int) -> Path:
    """Return the place of a generation's file."""
    return folder / f"generation-{number:04d}.jsonl"


def write_generation(folder: Path, generation: Generation) -> Path:
    """Commit a generation and return its path; equal generations give equal bytes.

    Raises:
        RunError: the disk is full or read-only, or header, state or log hold what JSON cannot.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "generation": generation.number,
        "header": dict(generation.header),
        "state": dict(generation.state),
        "log": dict(generation.log),
        "survivors": len(generation.survivors),
        "results": len(generation.results),
    }
    survivors = [{"survivor": _survivor_row(survivor)} for survivor in generation.survivors]
    results = [{"result": _result_row(result)} for result in generation.results]
    path = generation_path(folder, generation.number)
    write_lines(path, [header, *survivors, *results])
    return path


def read_generation(path: Path) -> Generation:
    """Return the generation in a file.

    Raises:
        RunError: a damaged line, with file and line; a newer version; a file that cannot be opened.
    """
    lines, version = _jsonl.read_rows(path, FORMAT, VERSION, _RESUME)
    with line(path, 1, _RESUME):
        for old in range(version, VERSION):
            lines = UPGRADES[old](lines)
        header, *rows = lines
        top = take(header, format=str, version=int, generation=int, header=dict, state=dict, log=dict,
                    survivors=int, results=int)  # fmt: skip
        named = _GENERATION.fullmatch(path.name)
        if named and int(named[1]) != top["generation"]:
            raise ValueError(f"the number {top['generation']}, which is not the file's")
    _jsonl.check_count(path, rows, top["survivors"] + top["results"], _RESUME)
    survivors, results = [], []
    for number, row in enumerate(rows, 2):
        with line(path, number, _RESUME):
            if number - 2 < top["survivors"]:
                survivors.append(_survivor(take(row, survivor=dict)["survivor"]))
            else:
                results.append(_result(take(row, result=dict)["result"]))
    return Generation(
        top["generation"], top["header"], top["state"], top["log"], tuple(survivors), tuple(results)
    )  # fmt: skip


def read_generations(folder: Path) -> tuple[list[Generation], list[str]]:
    """Return the good generations from 0 on without a gap, and a message for each file that is damaged or comes after.

    Raises:
        RunError: the folder or a file cannot be opened, or a file was written by a newer version: neither is damage.
    """
    good: list[Generation] = []
    messages: list[str] = []
    for number, path in _numbered(folder, _GENERATION):
        if messages or number != len(good):
            reason = "damage" if messages else f"a gap: {generation_path(folder, len(good)).name} is missing"
            messages.append(message("an unbroken row of good generations", f"{path} after {reason}", _RESUME))
            continue
        try:
            good.append(read_generation(path))
        except DamagedError as error:
            messages.append(str(error))
    return good, messages


def set_aside(folder: Path, first: int) -> list[Path]:
    """Rename the files of generations >= `first` to `<name>.aside-<k>` and return the new paths, last first.

    Nothing is deleted or overwritten. The last goes first, so that an interruption leaves no gap.
    """
    moved = []
    for number, path in reversed(_numbered(folder, _GENERATION)):
        if number < first:
            break
        count = 1
        while (target := path.with_name(f"{path.name}.aside-{count}")).exists():
            count += 1
        with writing(target):
            path.rename(target)
        moved.append(target)
    return moved


# --- The journal, the starts ----------------------------------------------------------------------------------------


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
        _jsonl.append(self.path, _jsonl.dump({**row, "evaluation": _evaluation_row(entry.evaluation, whole=True)}))


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


# --- Fresh scores of the front --------------------------------------------------------------------------------------


def rescored_path(folder: Path, generation: int) -> Path:
    """Return the place of the fresh scores taken after a generation."""
    return folder / f"rescored-{generation:04d}.jsonl"


def write_rescored(folder: Path, generation: int, rows: Iterable[Rescored]) -> Path:
    """Write the fresh scores of the front after a generation and return their path."""
    lines = [
        {
            "id": row.id,
            "key": row.key,
            "genome": row.genome,
            "repeats": list(row.repeats),
            "objectives": _to_json(row.objectives),
            "values": {name: list(values) for name, values in row.values.items()},
            "deviation": _to_json(row.deviation),
        }
        for row in rows
    ]
    path = rescored_path(folder, generation)
    write_lines(
        path,
        [{"format": RESCORED_FORMAT, "version": VERSION, "generation": generation, "rows": len(lines)}, *lines],
    )
    return path


def read_rescored(path: Path) -> tuple[Rescored, ...]:
    """Return the fresh scores in a file; raises RunError as `read_generation` does."""
    (header, *rows), _ = _jsonl.read_rows(path, RESCORED_FORMAT, VERSION, _RESCORE)
    with line(path, 1, _RESCORE):
        top = take(header, format=str, version=int, generation=int, rows=int)
    _jsonl.check_count(path, rows, top["rows"], _RESCORE)
    found = []
    for number, row in enumerate(rows, 2):
        with line(path, number, _RESCORE):
            take(row, id=int, key=str, genome=str, repeats=list, objectives=dict, values=dict, deviation=dict)
            values = {name: tuple(_number(v) for v in _list(name, given)) for name, given in row["values"].items()}
            found.append(
                Rescored(row["id"], row["key"], row["genome"], _whole(row["repeats"]), _from_json(row["objectives"]),
                         values, _from_json(row["deviation"]))
            )  # fmt: skip
    return tuple(found)


def latest_rescored(folder: Path) -> Path | None:
    """Return the newest file of fresh scores in a run folder, or None."""
    found = _numbered(folder, _RESCORED)
    return found[-1][1] if found else None


# --- The folder -----------------------------------------------------------------------------------------------------


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Be the only writer of a run folder for the length of the block; never waits.

    Raises:
        RunError: another process writes this run, or the folder cannot be written.
    """
    held = FileLock(folder / ".lock", timeout=0)
    try:
        held.acquire()
    except Timeout as error:
        raise RunError(
            message(f"to be the only writer of {folder}", "another process that is writing this run",
                    "Wait until it ends or stop it, or start a new run in another folder.")
        ) from error  # fmt: skip
    except OSError as error:
        raise _jsonl.unwritable(folder, error) from error
    try:
        yield
    finally:
        held.release()


def new_folder(root: Path, preset: str, name: Path | None = None) -> Path:
    """Make and return an empty run folder: `name`, or else `root/<preset>-<first free number from 1>`.

    Two processes that ask at the same time get different numbers.

    Raises:
        RunError: `name` exists and is not empty, or the folder cannot be made.
    """
    with writing(name or root):
        if name is not None:
            name.mkdir(parents=True, exist_ok=True)
            if any(child.name != ".lock" for child in name.iterdir()):
                raise RunError(
                    message("a run folder that is new or empty", f"{name}, which has files in it",
                            f"Continue it with 'evobnn resume {name}', rename it, or name another folder with --out.")
                )  # fmt: skip
            return name
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            with suppress(FileExistsError):
                folder = root / f"{preset}-{number}"
                folder.mkdir()
                return folder
            number += 1


# --- Rows and values ------------------------------------------------------------------------------------------------

_INDIVIDUAL: dict[str, type] = {"id": int, "genome": str, "key": str, "born": int, "origin": str, "parents": list}
_OUTCOME: dict[str, type] = {"status": str, "objectives": dict, "message": str, "measures": dict, "behaviour": str}
_ENTRY: dict[str, type] = {"key": str, "protocol": str, "repeat": int, "purpose": str, "individual": int,
                           "generation": int, "attempt": int, "finished": str, "evaluation": dict}  # fmt: skip


def _individual_row(individual: Individual) -> Row:
    return {**{name: getattr(individual, name) for name in _INDIVIDUAL}, "parents": list(individual.parents)}


def _individual(row: Row) -> Individual:
    return Individual(**{**{name: row[name] for name in _INDIVIDUAL}, "parents": _whole(row["parents"])})


def _survivor_row(survivor: Survivor) -> Row:
    row = _individual_row(survivor.individual)
    return {**row, "objectives": _to_json(survivor.objectives), "repeats": survivor.repeats}


def _survivor(row: Row) -> Survivor:
    take(row, **_INDIVIDUAL, objectives=dict, repeats=int)
    return Survivor(_individual(row), _from_json(row["objectives"]), row["repeats"])


def _evaluation_row(evaluation: Evaluation, whole: bool) -> Row:
    """Return an evaluation as a row; `whole` adds what differs from one run of the clock to the next."""
    row: Row = {
        "status": str(evaluation.status),
        "objectives": _to_json(evaluation.objectives),
        "message": evaluation.message,
        "measures": _to_json(evaluation.measures),
        "behaviour": evaluation.behaviour,
    }
    if evaluation.inherited_from is not None:
        row["inherited_from"] = evaluation.inherited_from
    return {**row, "seconds": float(evaluation.seconds), "traceback": evaluation.traceback} if whole else row


def _evaluation(row: Row) -> Evaluation:
    return Evaluation(
        Status(row["status"]), _from_json(row["objectives"]), row["message"], _from_json(row["measures"]),
        row["behaviour"], float(row.get("seconds", 0.0)), row.get("traceback", ""), _inherited_from(row),
    )  # fmt: skip


def _inherited_from(row: Row) -> int | None:
    """Return the id of the parent whose weights an evaluation began with; rows of others do not have the field."""
    if "inherited_from" not in row:
        return None
    (found,) = _whole([row["inherited_from"]])
    return found


def _without(row: Row, *names: str) -> Row:
    """Return a row without those fields that stand only where they say something."""
    return {name: value for name, value in row.items() if name not in names}


def _result_row(result: Result) -> Row:
    row = {**_individual_row(result.request.individual), "repeat": result.request.repeat}
    row |= {"twin": True} if result.request.twin else {}
    return row | _evaluation_row(result.evaluation, whole=False)


def _result(row: Row) -> Result:
    take(_without(row, "twin", "inherited_from"), **_INDIVIDUAL, repeat=int, **_OUTCOME)
    if row.get("twin", True) is not True:
        raise ValueError("'twin' that is not true")
    return Result(Request(_individual(row), row["repeat"], "twin" in row), _evaluation(row))


def _entry(row: Row, path: Path) -> JournalEntry:
    _jsonl.check_version(path, row, VERSION)
    take(row, version=int, **_ENTRY)
    take(_without(row["evaluation"], "inherited_from"), **_OUTCOME, seconds=float, traceback=str)
    fields = {name: row[name] for name in _ENTRY if name != "evaluation"}
    return JournalEntry(evaluation=_evaluation(row["evaluation"]), **fields)


def _to_json(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return numbers by name with nan, inf and -inf as strings."""
    return {name: value if abs(value) < float("inf") else str(float(value)) for name, value in values.items()}


def _from_json(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> float:
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} in place of a number")
    return value


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"'{name}' that is no list")
    return value


def _whole(values: list[Any]) -> tuple[int, ...]:
    if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        raise ValueError(f"{values} in place of whole numbers")
    return tuple(values)


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    """Return (number, path) of the files whose names match, in the order of their numbers."""
    try:
        children = list(folder.iterdir())
    except OSError as error:
        raise RunError(
            message("a run folder", f"{folder} ('{error.strerror}')", "Name a folder below populations/.")
        ) from error
    return sorted((int(found[1]), path) for path in children if (found := pattern.fullmatch(path.name)))
