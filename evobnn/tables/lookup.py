"""Looking an evaluation up in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evobnn._checks import check_at_least, check_name
from evobnn.errors import message
from evobnn.records import FRESH, Evaluation, Request, Result, Status, rung_measures
from evobnn.tables.table import COSTS, Row, Table


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
