"""A table as a file: lines of JSON with a digest each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._jsonl import line, take
from evobnn.records import Status
from evobnn.tables.table import COSTS, MEND, ROW, Row, Table, to_json

FORMAT = "evobnn-table"
VERSION = 2

_HEADER: dict[str, type] = {"format": str, "version": int, "name": str, "experiment": str, "protocol": str,
                            "images": int, "seeds": list, "versions": dict, "machine": dict, "data": dict,
                            "created": str, "intraclass": list, "common": dict, "rows": int}  # fmt: skip
_TABLE = tuple(name for name in _HEADER if name not in ("format", "version", "common", "rows"))
_MAY: dict[str, type] = {"rungs": list}
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
    rows = [to_json(row) for row in table.rows.values()]
    common = _common(rows)
    own = [{name: value for name, value in row.items() if name not in common or value != common[name]} for row in rows]
    _jsonl.write_sealed(path, [{**header, "common": common, "rows": len(rows)}, *own])


def read_table(path: Path) -> Table:
    """Return the table in a file.

    Raises:
        RunError: a damaged line, with file and line; a newer version; a file that cannot be opened.
    """
    (header, *lines), _ = _jsonl.read_rows(path, FORMAT, VERSION, MEND)
    with line(path, 1, MEND):
        top = take(header, **_HEADER, **{name: kind for name, kind in _MAY.items() if name in header})
        top |= {"seeds": _numbers("seeds", top["seeds"], int), "rows": int(top["rows"])}
        top["intraclass"] = _numbers("intraclass", top["intraclass"], int, float)
        top["rungs"] = _numbers("rungs", top.get("rungs", []), int)
        given = {name: top[name] for name in (*_TABLE, *_MAY)}
        empty = Table(**given, rows={})
    _jsonl.check_count(path, lines, top["rows"], MEND)
    rows: dict[str, Row] = {}
    for number, found in enumerate(lines, 2):
        with line(path, number, MEND):
            row = _from_json({**top["common"], **found})
            if row.key in rows:
                raise ValueError(f"the key {row.key} a second time")
            if (reason := empty.fault(row.key, row)) is not None:
                raise ValueError(reason)
            rows[row.key] = row
    return Table(**given, rows=rows)


def _common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the most frequent value of status and costs, those that some row lacks left out."""
    found = {}
    for name in ("status", *COSTS):
        counts = Counter(row.get(name) for row in rows)
        if counts and None not in counts:
            found[name] = counts.most_common(1)[0][0]
    return found


def _from_json(row: dict[str, Any]) -> Row:
    take(row, **ROW, **{name: kind for name, kind in _MORE.items() if name in row})
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
