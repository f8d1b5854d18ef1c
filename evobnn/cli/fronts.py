"""`evobnn front`: the front as a table, as CSV or as JSON. The fresh score stands first; only that one is quoted."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evobnn.analysis import Run, front_csv, load_run
from evobnn.analysis.frames import individuals_of
from evobnn.cli.console import console, note, table
from evobnn.cli.words import counted, percent, quantity, spread, whole
from evobnn.snapshot import is_being_written

COSTS = ("ops", "bits", "parameters", "elementwise")
"""What is counted, not measured: alike on every seed."""
ALWAYS = ("ops", "bits")
"""Those that are shown also where the search did not seek them."""


def show(folder: Path, *, as_csv: bool = False, as_json: bool = False, run: Run | None = None) -> Run:
    """Print the front of a run and return the run, which is read where it is not handed in; what is damaged in its
    folder is told on stderr.
    """
    run = run or load_run(folder)
    for sentence in run.messages:
        note(sentence)
    if is_being_written(folder):
        note("a search is writing this run; this is its front so far.")
    if as_json:
        print(json.dumps(objects(run), indent=1))
    elif as_csv:
        print(front_csv(run.front()), end="")
    else:
        _print_table(run)
    return run


def winner(run: Run) -> int | None:
    """Return the id of the front's member with the least error, by fresh scores where there are any.

    Without the objective `error` it is the least of the first one that is no cost; None where there is none.
    """
    measured = [name for name in run.objectives if name not in COSTS]
    if not measured:
        return None
    name = "error" if "error" in measured else measured[0]
    scores = {
        fresh: {row["id"]: row[f"{name}{fresh}"] for row in _rows(run) if not math.isnan(row[f"{name}{fresh}"])}
        for fresh in ("_rescored", "")
    }
    found = scores["_rescored"] or scores[""]
    return min(found, key=lambda one: (found[one], one)) if found else None


def objects(run: Run) -> list[dict[str, Any]]:
    """Return the front as plain values: id, genome, objectives (means over the search's n) and rescored.

    `rescored` is null, or the mean of each objective over n fresh seeds (null where one of them failed) and its
    standard deviation in `sd` (null for n = 1).
    """
    found = []
    for row in _rows(run):
        fresh: dict[str, Any] | None = None
        if row["n_rescored"] or row["id"] in run.rescored:
            fresh = {name: _plain(row[f"{name}_rescored"]) for name in run.objectives}
            fresh["n"] = int(row["n_rescored"])
            fresh["sd"] = {name: _plain(row[f"{name}_rescored_sd"]) for name in run.objectives}
            fresh["still_nondominated"] = bool(row["still_nondominated"])
        objectives = {name: float(row[name]) for name in run.objectives}
        found.append(
            {
                "id": int(row["id"]),
                "genome": row["genome"],
                "objectives": objectives,
                "n": int(row["n"]),
                "rescored": fresh,
            }
        )
    return found


def _rows(run: Run) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in run.front().to_dict("records")]


def _plain(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _print_table(run: Run) -> None:
    rows = _rows(run)
    known_of = individuals_of(run.archive, only=[row["id"] for row in rows])
    who: dict[int, Mapping[Any, Any]] = {row["id"]: row for row in known_of.to_dict("records")}
    measured = [name for name in run.objectives if name not in COSTS]
    costs = [name for name in COSTS if name in run.objectives or name in ALWAYS]
    columns = ["id"]
    for name in measured:
        columns += [f"{name}, fresh", "n", f"{name}, search", "n"]
    shares = [who[row["id"]].get("binary_share", math.nan) for row in rows]
    binary = ["binary"] if any(map(math.isfinite, shares)) else []
    order = _importance(len(measured), [name in run.objectives for name in costs], len(binary))
    shown = table(*columns, *costs, *binary, "holds", left=0, first=order)
    for row, share in zip(rows, shares, strict=True):
        cells = [str(row["id"])]
        for name in measured:
            fresh, again = row[f"{name}_rescored"], int(row["n_rescored"])
            cells += [spread(name, fresh, row[f"{name}_rescored_sd"], again), str(again or "–")]
            cells += [quantity(name, row[name]), str(row["n"])]
        known: dict[Any, Any] = {**who[row["id"]], **{name: row[name] for name in run.objectives}}
        cells += [whole(known.get(name, math.nan)) for name in costs]
        cells += [percent(share, 0)] if binary else []
        shown.add_row(*cells, _held(row))
    out = console()
    out.print(f"Front of {run.path} after generation {run.generations[-1].number}: {_evaluated(run)}", soft_wrap=True)
    shown.show(out, "--csv or --json")
    out.print(_legend(rows), soft_wrap=True)


def _importance(measured: int, sought: Sequence[bool], binary: int) -> list[int]:
    """Return the numbers of the columns, what decides first: fresh scores, costs that are sought, whether it holds,
    other costs, the rest.
    """
    first = 1 + 4 * measured
    fresh, again, search, _ = (range(1 + place, first, 4) for place in range(4))
    costs = [first + place for place, objective in enumerate(sought) if objective]
    others = [first + place for place, objective in enumerate(sought) if not objective]
    last = first + len(sought)
    return [0, *fresh, *costs, last + binary, *others, *search, *range(last, last + binary), *again]


def _legend(rows: Sequence[Mapping[str, Any]]) -> str:
    if not any(row["n_rescored"] for row in rows):
        return "fresh: not measured yet; the search's own numbers flatter what it selected."
    still = sum(row["still_nondominated"] is True for row in rows)
    several = any(row["n_rescored"] > 1 for row in rows)
    fresh = "mean ± sd over n seeds that" if several else "1 training, on a seed that"
    return (
        f"fresh: {fresh} the search never saw; its own numbers flatter what it selected.\n"
        f"holds: not dominated by the fresh scores either ({still} of {len(rows)})."
    )


def _evaluated(run: Run) -> str:
    """Return how many networks were trained, and how many failed in which way."""
    ended = Counter(str(one.status or "") for one in run.archive.members.values())
    failed = [f"{count} {status}" for status, count in sorted(ended.items()) if status not in ("ok", "")]
    return ", ".join([f"{counted(ended.total(), 'network')} tried", *failed])


def _held(row: Mapping[str, Any]) -> str:
    if row["still_nondominated"] is True:
        return "yes"
    return "no" if row["n_rescored"] else "–"
