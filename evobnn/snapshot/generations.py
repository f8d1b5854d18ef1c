"""A generation's file, whose rename commits the generation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn._jsonl import DamagedError, Row, line, take, write_sealed, writing
from evobnn.errors import message
from evobnn.records import Individual, Request, Result
from evobnn.snapshot.folder import numbered
from evobnn.snapshot.rows import (
    INDIVIDUAL,
    OUTCOME,
    VERSION,
    evaluation_row,
    from_json,
    individual_row,
    to_evaluation,
    to_individual,
    to_json,
    without,
)

FORMAT = "evobnn-generation"

UPGRADES: dict[int, Callable[[list[Row]], list[Row]]] = {1: lambda rows: rows}  # 2 has digests, of which none is left
"""By version: takes all rows of a generation file of that version, returns those of the next version."""

_GENERATION = re.compile(r"generation-(\d{4,})\.jsonl")
_RESUME = "'evobnn resume' goes on from the generation before this one and deletes nothing."


@dataclass(frozen=True, slots=True)
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
    write_sealed(path, [header, *survivors, *results])
    return path


def read_generation(path: Path, known: dict[int, Individual] | None = None) -> Generation:
    """Return the generation in a file; an individual that is `known` by id, and tells the same, is not held twice.

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
    known = {} if known is None else known
    survivors, results = [], []
    for number, row in enumerate(rows, 2):
        with line(path, number, _RESUME):
            if number - 2 < top["survivors"]:
                survivors.append(_survivor(take(row, survivor=dict)["survivor"], known))
            else:
                results.append(_result(take(row, result=dict)["result"], known))
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
    known: dict[int, Individual] = {}
    for number, path in numbered(folder, _GENERATION):
        if messages or number != len(good):
            reason = "damage" if messages else f"a gap: {generation_path(folder, len(good)).name} is missing"
            messages.append(message("an unbroken row of good generations", f"{path} after {reason}", _RESUME))
            continue
        try:
            good.append(read_generation(path, known))
        except DamagedError as error:
            messages.append(str(error))
    return good, messages


def set_aside(folder: Path, first: int) -> list[Path]:
    """Rename the files of generations >= `first` to `<name>.aside-<k>` and return the new paths, last first.

    Nothing is deleted or overwritten. The last goes first, so that an interruption leaves no gap.
    """
    moved = []
    for number, path in reversed(numbered(folder, _GENERATION)):
        if number < first:
            break
        count = 1
        while (target := path.with_name(f"{path.name}.aside-{count}")).exists():
            count += 1
        with writing(target):
            path.rename(target)
        moved.append(target)
    return moved


def _survivor_row(survivor: Survivor) -> Row:
    row = individual_row(survivor.individual)
    return {**row, "objectives": to_json(survivor.objectives), "repeats": survivor.repeats}


def _survivor(row: Row, known: dict[int, Individual]) -> Survivor:
    take(row, **INDIVIDUAL, objectives=dict, repeats=int)
    return Survivor(_once(to_individual(row), known), from_json(row["objectives"]), row["repeats"])


def _result_row(result: Result) -> Row:
    row = {**individual_row(result.request.individual), "repeat": result.request.repeat}
    row |= {"twin": True} if result.request.twin else {}
    return row | evaluation_row(result.evaluation, whole=False)


def _once(individual: Individual, known: dict[int, Individual]) -> Individual:
    before = known.setdefault(individual.id, individual)
    return before if before == individual else individual


def _result(row: Row, known: dict[int, Individual]) -> Result:
    take(without(row, "twin", "inherited_from"), **INDIVIDUAL, repeat=int, **OUTCOME)
    if row.get("twin", True) is not True:
        raise ValueError("'twin' that is not true")
    return Result(Request(_once(to_individual(row), known), row["repeat"], "twin" in row), to_evaluation(row))
