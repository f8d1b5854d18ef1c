"""Fresh scores of a front, a file for each generation after which they were taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evobnn import _jsonl
from evobnn._jsonl import line, take, write_sealed
from evobnn.snapshot.folder import numbered
from evobnn.snapshot.rows import VERSION, a_list, a_number, from_json, to_json, whole_numbers

RESCORED_FORMAT = "evobnn-rescored"

_RESCORED = re.compile(r"rescored-(\d{4,})\.jsonl")
_RESCORE = "Move the file away and score the front anew; the search itself is not touched."


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
            "objectives": to_json(row.objectives),
            "values": {name: list(values) for name, values in row.values.items()},
            "deviation": to_json(row.deviation),
        }
        for row in rows
    ]
    path = rescored_path(folder, generation)
    write_sealed(
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
            values = {name: tuple(a_number(v) for v in a_list(name, given)) for name, given in row["values"].items()}
            said = row["id"], row["key"], row["genome"], whole_numbers(row["repeats"])
            found.append(Rescored(*said, from_json(row["objectives"]), values, from_json(row["deviation"])))
    return tuple(found)


def latest_rescored(folder: Path) -> Path | None:
    """Return the newest file of fresh scores in a run folder, or None."""
    found = numbered(folder, _RESCORED)
    return found[-1][1] if found else None
