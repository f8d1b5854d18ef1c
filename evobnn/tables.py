"""Tables of recorded trainings: every genome of a small space on several seeds, so that a search can be measured.

A table is text. Its first line says what was trained, where and when; each further line is one genome:

    {"key": "6fd7…", "genome": "@net = sin(x)", "ops": 9132.0, "errors": [31, 28, 35]}

`errors` counts wrong images, one number a column; column j was trained as repeat `seeds[j]` of the experiment, and a
row may have fewer columns than there are seeds. `status`, `bits` and other costs that a line does not name are those
that the first line calls `common`. `losses` (by column), `parent` (wrong images of the real-valued twin by column, null
where it failed or was not trained) and `message` may follow. Where the first line has `rungs`, trainings were scored on
their way as well: `early` holds the wrong images after each of these numbers of epochs but the last, by column.

Where a search looks evaluations up, it is shown single columns, drawn for each root seed anew: the noise is real. What
it found is scored on the columns that it was not shown.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._checks import check_at_least, check_name
from evobnn._jsonl import line, take
from evobnn._seeding import generator
from evobnn.errors import ExperimentError, RunError, message
from evobnn.records import FRESH, Evaluation, Request, Result, Status, rung_measures

FORMAT = "evobnn-table"
VERSION = 2
COSTS = ("ops", "bits", "parameters", "elementwise")
"""What a row may know besides the error."""

_MEND = "Fetch the table again or tabulate anew."


@dataclass(frozen=True)
class Row:
    """One genome and its trainings.

    Attributes:
        key: of the canonical form.
        genome: as text.
        status: `ok` if every training ended so; otherwise how they failed, and `errors` is empty.
        ops: operations per image.
        bits: kept for inference.
        errors: wrong validation images by column; one at least.
        parameters, elementwise: trainable numbers; operations of norms and activations per image.
        losses: validation loss by column, or empty.
        parent: wrong images of the real-valued twin by column, None where there is none; or empty.
        message: why it is not `ok`.
        early: wrong images at each rung of the table but the last, by column; or empty.
    """

    key: str
    genome: str
    status: Status
    ops: float
    bits: int
    errors: tuple[int, ...] = ()
    parameters: int | None = None
    elementwise: float | None = None
    losses: tuple[float, ...] = ()
    parent: tuple[int | None, ...] = ()
    message: str = ""
    early: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != bool(self.errors):
            got = f"{self.status} with {len(self.errors)}"
            raise RunError(message(f"errors exactly where the status is ok ({self.key})", got, _MEND))
        if bad := [name for name in COSTS if not math.isfinite(getattr(self, name) or 0.0)]:
            raise RunError(message(f"finite costs ({self.key})", f"{bad[0]} = {getattr(self, bad[0])}", _MEND))
        for name in ("losses", "parent"):
            if len(getattr(self, name)) not in (0, len(self.errors)):
                got = f"{len(getattr(self, name))} beside {len(self.errors)} errors"
                raise RunError(message(f"one of '{name}' for each column ({self.key})", got, _MEND))
        if bad_rungs := [counts for counts in self.early if len(counts) != len(self.errors)]:
            got = f"{len(bad_rungs[0])} beside {len(self.errors)} errors"
            raise RunError(message(f"one of each rung of 'early' for each column ({self.key})", got, _MEND))


@dataclass(frozen=True)
class Table:
    """Recorded trainings of a space under one protocol.

    Attributes:
        name: of the table.
        experiment: TOML text: space, data, network, recipe and the root seed of the trainings.
        protocol: its fingerprint.
        images: validation images; an error is a number of wrong ones divided by this.
        seeds: by column, which repeat of the experiment it is.
        rows: by key, in the order of the file.
        versions, machine: what it was trained with, and on.
        data: the prepared images: `fingerprint`, `shape` (C, H, W), `classes`, number to `train` on; a search needs it.
        created: ISO 8601 time.
        intraclass: intraclass correlation of a single training's error over the table, and its 95 % interval; or empty.
        rungs: epochs after which trainings were scored, rising, the last a whole one; empty where only these were.
    """

    name: str
    experiment: str
    protocol: str
    images: int
    seeds: tuple[int, ...]
    rows: Mapping[str, Row]
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    intraclass: tuple[float, ...] = ()
    rungs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_at_least("images", self.images, 1, RunError)
        if list(self.rungs) != sorted(set(self.rungs)) or len(self.rungs) == 1 or min(self.rungs, default=1) < 1:
            raise RunError(message("rungs of at least 1 that rise, two or more", str(list(self.rungs)), _MEND))
        for key, row in self.rows.items():
            if (reason := self._fault(key, row)) is not None:
                raise RunError(message("rows that fit their table", reason, _MEND))

    def _fault(self, key: str, row: Row) -> str | None:
        if row.key != key:
            return f"{row.key} under the key {key}"
        if len(row.errors) > len(self.seeds):
            return f"{len(row.errors)} columns of {key} where there are {len(self.seeds)} seeds"
        if row.errors and len(row.early) != len(self.rungs[:-1]):
            return f"{len(row.early)} early rungs of {key} where there are {len(self.rungs[:-1])}"
        counts = [count for count in (*row.errors, *row.parent, *chain(*row.early)) if count is not None]
        if any(not 0 <= count <= self.images for count in counts):
            return f"wrong images of {key} outside 0 to {self.images}"
        return None

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over what a search can be shown: protocol, images, all rows, and rungs if any."""
        said: list[Any] = [self.protocol, self.images, [_to_json(row) for row in self.rows.values()]]
        said += [self.rungs] if self.rungs else []
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    @cached_property
    def has_twins(self) -> bool:
        """Whether real-valued twins were trained as well."""
        return any(row.parent for row in self.rows.values())

    def row(self, key: str) -> Row:
        """Return the row of a key; raise RunError where there is none."""
        try:
            return self.rows[key]
        except KeyError:
            raise RunError(
                message(f"a key of the table {self.name}", f"'{key}'", "Search the space that was tabulated.")
            ) from None

    def value(self, key: str, seed_index: int) -> float:
        """Return the error in column `seed_index` (from 0) of a row, in [0, 1]; raise RunError for one it lacks."""
        row = self.row(key)
        if not 0 <= seed_index < len(row.errors):
            raise RunError(message(f"a column of the {len(row.errors)} of {key}", str(seed_index), "Ask for another."))
        return row.errors[seed_index] / self.images

    def order(self, root: int, key: str) -> tuple[int, ...]:
        """Return the columns of a row in the order in which a search with this root seed is shown them."""
        count = len(self.row(key).errors)
        return tuple(generator(root, "table", key).permutation(count).tolist())

    def seen(self, root: int, key: str, repeats: int) -> frozenset[int]:
        """Return the columns that repeats 0 to `repeats` - 1 of a search show."""
        return frozenset(self.order(root, key)[:repeats])

    def unseen_mean(self, key: str, seen: frozenset[int]) -> float:
        """Return the mean error over a row's columns but those in `seen`, in [0, 1].

        Raises:
            RunError: no such row, or no column is left.
        """
        left = [count for column, count in enumerate(self.row(key).errors) if column not in seen]
        if not left:
            got = f"{len(self.row(key).errors)} of {key}, all seen"
            do = "Measure a genome less often (noise.repeats), or hold columns out."
            raise RunError(message("a column that the search did not see", got, do))
        return math.fsum(left) / len(left) / self.images

    def best(self, columns: int = 1) -> Row:
        """Return the row with the least mean error among those of at least `columns` columns; the first of equals.

        The least of many noisy means flatters itself. More columns for the best of a first sight, and a choice among
        those alone, keep that small.
        """
        rows = [row for row in self.rows.values() if len(row.errors) >= max(1, columns)]
        if not rows:
            got = f"none in the table {self.name}"
            raise RunError(message(f"a row with at least {max(1, columns)} columns", got, "Ask for fewer columns."))
        return min(rows, key=lambda row: math.fsum(row.errors) / len(row.errors))

    def best_mean(self, columns: int = 1) -> float:
        """Return the mean error of `best(columns)`, in [0, 1]: the regret of a genome is its `unseen_mean` less it."""
        errors = self.best(columns).errors
        return math.fsum(errors) / len(errors) / self.images


def wrong_images(error: float, images: int) -> int:
    """Return how many of `images` an error in [0, 1] stands for; raise RunError where it is no whole number."""
    count = round(error * images)
    if not 0 <= count <= images or count / images != error:
        raise RunError(
            message(f"an error that is a share of {images} images", repr(error), "Count on the images it was taken on.")
        )
    return count


def check_protocol(table: Table, fingerprint: str) -> None:
    """Raise ExperimentError unless the table was trained under the protocol with this fingerprint."""
    if table.protocol != fingerprint:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(table.versions.items()))
        made = f" (made with {versions})" if versions else ""
        raise ExperimentError(
            message(
                f"the protocol {table.protocol} of the table {table.name}{made}",
                f"an experiment with the protocol {fingerprint}",
                "Take the data, network, recipe and versions of the table, or tabulate this experiment.",
            )
        )


# --- The file -------------------------------------------------------------------------------------------------------

_HEADER: dict[str, type] = {"format": str, "version": int, "name": str, "experiment": str, "protocol": str,
                            "images": int, "seeds": list, "versions": dict, "machine": dict, "data": dict,
                            "created": str, "intraclass": list, "common": dict, "rows": int}  # fmt: skip
_TABLE = tuple(name for name in _HEADER if name not in ("format", "version", "common", "rows"))
_MAY: dict[str, type] = {"rungs": list}
_ROW: dict[str, type] = {"key": str, "genome": str, "status": str, "ops": float, "bits": int, "errors": list}
_MORE: dict[str, type] = {"parameters": int, "elementwise": float, "losses": list, "parent": list, "message": str,
                         "early": list}  # fmt: skip


def write_table(path: Path, table: Table) -> None:
    """Replace a file by a table; a reader, or a kill at any moment, finds the old one or the new one.

    Raises:
        RunError: the disk is full or read-only, or a number is not finite.
    """
    header = {"format": FORMAT, "version": VERSION}
    header |= {name: getattr(table, name) for name in _TABLE}
    header |= {name: value for name in _MAY if (value := getattr(table, name))}
    rows = [_to_json(row) for row in table.rows.values()]
    common = _common(rows)
    own = [{name: value for name, value in row.items() if name not in common or value != common[name]} for row in rows]
    _jsonl.write_sealed(path, [{**header, "common": common, "rows": len(rows)}, *own])


def read_table(path: Path) -> Table:
    """Return the table in a file.

    Raises:
        RunError: a damaged line, with file and line; a newer version; a file that cannot be opened.
    """
    (header, *lines), _ = _jsonl.read_rows(path, FORMAT, VERSION, _MEND)
    with line(path, 1, _MEND):
        top = take(header, **_HEADER, **{name: kind for name, kind in _MAY.items() if name in header})
        top |= {"seeds": _numbers("seeds", top["seeds"], int), "rows": int(top["rows"])}
        top["intraclass"] = _numbers("intraclass", top["intraclass"], int, float)
        top["rungs"] = _numbers("rungs", top.get("rungs", []), int)
        given = {name: top[name] for name in (*_TABLE, *_MAY)}
        empty = Table(**given, rows={})
    _jsonl.check_count(path, lines, top["rows"], _MEND)
    rows: dict[str, Row] = {}
    for number, found in enumerate(lines, 2):
        with line(path, number, _MEND):
            row = _from_json({**top["common"], **found})
            if row.key in rows:
                raise ValueError(f"the key {row.key} a second time")
            if (reason := empty._fault(row.key, row)) is not None:
                raise ValueError(reason)
            rows[row.key] = row
    return Table(**given, rows=rows)


def _to_json(row: Row) -> dict[str, Any]:
    """Return a row's fields, optional ones only where they say something."""
    given = {one.name: getattr(row, one.name) for one in fields(row)}
    return {name: value for name, value in given.items() if name in _ROW or value not in (None, (), "")}


def _common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the most frequent value of status and costs, those that some row lacks left out."""
    found = {}
    for name in ("status", *COSTS):
        counts = Counter(row.get(name) for row in rows)
        if counts and None not in counts:
            found[name] = counts.most_common(1)[0][0]
    return found


def _from_json(row: dict[str, Any]) -> Row:
    take(row, **_ROW, **{name: kind for name, kind in _MORE.items() if name in row})
    lists = {"errors": _numbers("errors", row["errors"], int)}
    if "losses" in row:
        lists["losses"] = _numbers("losses", row["losses"], int, float)
    if "parent" in row:
        lists["parent"] = _numbers("parent", row["parent"], int, type(None))
    if "early" in row:
        lists["early"] = tuple(_numbers("early", counts, int) for counts in _numbers("early", row["early"], list))
    return Row(**{**row, **lists, "status": Status(row["status"])})


def _numbers(name: str, values: list[Any], *kinds: type) -> tuple[Any, ...]:
    if strange := [value for value in values if isinstance(value, bool) or not isinstance(value, kinds)]:
        raise ValueError(f"{strange[0]!r} among '{name}'")
    return tuple(values)


# --- Looking up -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableEvaluator:
    """Answers requests from a table; pure, so the same request always gets the same answer.

    Attributes:
        table: what was recorded.
        root: root seed of the search; with the key it decides which column is repeat 0, which repeat 1, ...
        objectives: names, in order: `error` and those of `COSTS` that every row has.
        held_out: columns of each row that are never shown, so that one is left to score what was found. Repeats
            from `FRESH` on, which score afresh, show these, the last of the order first.
        cycle: more repeats than columns begin again with the first; otherwise they are an error.
    """

    table: Table
    root: int
    objectives: tuple[str, ...] = ("error", "ops")
    held_out: int = 0
    cycle: bool = False

    def __post_init__(self) -> None:
        check_at_least("held_out", self.held_out, 0)
        rows = self.table.rows.values()
        known = ["error", *(name for name in COSTS if all(getattr(row, name) is not None for row in rows))]
        for name in self.objectives:
            check_name(f"objective in the table {self.table.name}", name, known)

    def __call__(self, requests: Sequence[Request]) -> list[Result]:
        """Return one result for each request, in order."""
        return [Result(request, self.evaluation(request)) for request in requests]

    def evaluation(self, request: Request, rung: int = 0) -> Evaluation:
        """Return what the table says; `invalid` for a key it lacks, `error` for a column, twins or a rung it lacks.

        With `rung` it is what a training had come to after so many epochs, stopped there; who failed later failed at
        that rung, for the table does not tell when. Where the twin was not trained in the column that is shown, that of
        another column stands in; where it failed in all of them there is no `parent_error`, as after a training.
        """
        if not rung:
            return self._whole(request)
        if rung not in self.table.rungs[:-1]:
            expected = f"a rung of the table {self.table.name} ({', '.join(map(str, self.table.rungs[:-1])) or 'none'})"
            return _failed(Status.ERROR, expected, str(rung), "Set halving.rungs to those of the table, or to none.")
        found = self._whole(request)
        if found.status is not Status.OK:
            return replace(found, measures={**found.measures, **rung_measures(rung)})
        row = self.table.row(request.individual.key)
        counts, column = row.early[self.table.rungs.index(rung)], self._column(row, request.repeat)
        assert column is not None  # a whole training was found there
        error = counts[column] / self.table.images
        there = {name: error if name == "error" else value for name, value in found.objectives.items()}
        costs = {name: value for name, value in found.measures.items() if name in COSTS}
        reached = f"scored after epoch {rung} of {self.table.rungs[-1]}"
        return Evaluation(Status.PRUNED, message=reached, measures={**costs, **rung_measures(rung, there)})

    def _whole(self, request: Request) -> Evaluation:
        """Return what the table says of a whole training."""
        key = request.individual.key
        row = self.table.rows.get(key)
        if row is None:
            return _failed(Status.INVALID, f"the key of a row in the table {self.table.name}", key,
                           "Search the space that was tabulated.")  # fmt: skip
        costs: dict[str, float] = {name: value for name in COSTS if (value := getattr(row, name)) is not None}
        if row.status is not Status.OK:
            return Evaluation(row.status, message=row.message or f"{row.status} in the table", measures=costs)
        column = self._column(row, request.repeat)
        if column is None:
            shown = max(0, len(row.errors) - self.held_out)
            return _failed(Status.ERROR, f"a repeat below {shown}, the columns of {key} that may be shown",
                           str(request.repeat), "Lower noise.repeats, or take a table of more seeds.")  # fmt: skip
        values = {**costs, "error": row.errors[column] / self.table.images}
        measures = {**costs, "loss": row.losses[column]} if row.losses else costs
        if request.twin:
            if not self.table.has_twins:
                return _failed(Status.ERROR, f"the real-valued twin of {key}", f"a table {self.table.name} without it",
                               "Tabulate it with twins, or search without.")  # fmt: skip
            places = (column, *self.table.order(self.root, key)) if row.parent else ()
            wrong = next((row.parent[at] for at in places if row.parent[at] is not None), None)
            measures = measures if wrong is None else {**measures, "parent_error": wrong / self.table.images}
        return Evaluation(Status.OK, {name: float(values[name]) for name in self.objectives}, "", measures)

    def _column(self, row: Row, repeat: int) -> int | None:
        """Return the column of a row that a repeat shows, or None where there is none."""
        place = self._place(repeat, len(row.errors))
        return None if place is None else self.table.order(self.root, row.key)[place]

    def _place(self, repeat: int, columns: int) -> int | None:
        """Return the place in a row's order that a repeat shows, or None where there is none."""
        shown = max(0, columns - self.held_out)
        if repeat >= FRESH:
            return columns - 1 - (repeat - FRESH) if repeat - FRESH < min(self.held_out, columns) else None
        if self.cycle and shown:
            return repeat % shown
        return repeat if 0 <= repeat < shown else None


def _failed(status: Status, expected: str, got: str, do: str) -> Evaluation:
    return Evaluation(status, message=message(expected, got, do))


__all__ = [
    "COSTS",
    "FORMAT",
    "VERSION",
    "Row",
    "Table",
    "TableEvaluator",
    "check_protocol",
    "read_table",
    "write_table",
    "wrong_images",
]
