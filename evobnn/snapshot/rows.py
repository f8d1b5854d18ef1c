"""What several files of a run share: individuals and evaluations as rows, and numbers that JSON has no word for."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from evobnn._jsonl import Row
from evobnn.records import Evaluation, Individual, Status

VERSION = 2
"""Of all files of a run folder but `starts.jsonl`. Files of version 1 have no digests; a run with such goes on in 2."""

INDIVIDUAL: dict[str, type] = {"id": int, "genome": str, "key": str, "born": int, "origin": str, "parents": list}
OUTCOME: dict[str, type] = {"status": str, "objectives": dict, "message": str, "measures": dict, "behaviour": str}


def individual_row(individual: Individual) -> Row:
    """Return an individual as a row."""
    return {**{name: getattr(individual, name) for name in INDIVIDUAL}, "parents": list(individual.parents)}


def to_individual(row: Row) -> Individual:
    """Return the individual in a row; raise ValueError where its parents are no whole numbers."""
    parents = whole_numbers(row["parents"])
    return Individual(row["id"], row["genome"], row["key"], row["born"], intern(row["origin"]), parents)


def evaluation_row(evaluation: Evaluation, whole: bool) -> Row:
    """Return an evaluation as a row; `whole` adds what differs from one run of the clock to the next."""
    row: Row = {
        "status": str(evaluation.status),
        "objectives": to_json(evaluation.objectives),
        "message": evaluation.message,
        "measures": to_json(evaluation.measures),
        "behaviour": evaluation.behaviour,
    }
    if evaluation.inherited_from is not None:
        row["inherited_from"] = evaluation.inherited_from
    return {**row, "seconds": float(evaluation.seconds), "traceback": evaluation.traceback} if whole else row


def to_evaluation(row: Row) -> Evaluation:
    """Return the evaluation in a row; raise ValueError where a value is not what it should be."""
    return Evaluation(
        Status(row["status"]), from_json(row["objectives"]), row["message"], from_json(row["measures"]),
        row["behaviour"], float(row.get("seconds", 0.0)), row.get("traceback", ""), _inherited_from(row),
    )  # fmt: skip


def _inherited_from(row: Row) -> int | None:
    """Return the id of the parent whose weights an evaluation began with; rows of others do not have the field."""
    if "inherited_from" not in row:
        return None
    (found,) = whole_numbers([row["inherited_from"]])
    return found


def without(row: Row, *names: str) -> Row:
    """Return a row without those fields that stand only where they say something."""
    if not any(name in row for name in names):
        return row
    return {name: value for name, value in row.items() if name not in names}


def to_json(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return numbers by name with nan, inf and -inf as strings."""
    return {name: value if abs(value) < float("inf") else str(float(value)) for name, value in values.items()}


def from_json(values: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers by name from what `to_json` made of them."""
    return {intern(name): value if type(value) is float else a_number(value) for name, value in values.items()}


def a_number(value: Any) -> float:
    """Return a number that may be written as nan, inf or -inf; raise ValueError for anything else."""
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} in place of a number")
    return value


def a_list(name: str, value: Any) -> list[Any]:
    """Return a value that is a list; raise ValueError for anything else."""
    if not isinstance(value, list):
        raise ValueError(f"'{name}' that is no list")
    return value


def whole_numbers(values: list[Any]) -> tuple[int, ...]:
    """Return values that are whole numbers; raise ValueError for anything else."""
    if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        raise ValueError(f"{values} in place of whole numbers")
    return tuple(values)
