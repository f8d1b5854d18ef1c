"""A table of recorded trainings: its rows, which columns a search is shown, and which it is not."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any

from evobnn._checks import check_at_least
from evobnn._seeding import generator
from evobnn.errors import RunError, message
from evobnn.records import Status

COSTS = ("ops", "bits", "parameters", "elementwise")
"""What a row may know besides the error."""

ROW: dict[str, type] = {"key": str, "genome": str, "status": str, "ops": float, "bits": int, "errors": list}
"""What a row always says."""
MEND = "Fetch the table again or tabulate anew."


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
            raise RunError(message(f"errors exactly where the status is ok ({self.key})", got, MEND))
        if bad := [name for name in COSTS if not math.isfinite(getattr(self, name) or 0.0)]:
            raise RunError(message(f"finite costs ({self.key})", f"{bad[0]} = {getattr(self, bad[0])}", MEND))
        for name in ("losses", "parent"):
            if len(getattr(self, name)) not in (0, len(self.errors)):
                got = f"{len(getattr(self, name))} beside {len(self.errors)} errors"
                raise RunError(message(f"one of '{name}' for each column ({self.key})", got, MEND))
        if bad_rungs := [counts for counts in self.early if len(counts) != len(self.errors)]:
            got = f"{len(bad_rungs[0])} beside {len(self.errors)} errors"
            raise RunError(message(f"one of each rung of 'early' for each column ({self.key})", got, MEND))


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
            raise RunError(message("rungs of at least 1 that rise, two or more", str(list(self.rungs)), MEND))
        for key, row in self.rows.items():
            if (reason := self.fault(key, row)) is not None:
                raise RunError(message("rows that fit their table", reason, MEND))

    def fault(self, key: str, row: Row) -> str | None:
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
        said: list[Any] = [self.protocol, self.images, [to_json(row) for row in self.rows.values()]]
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

    @cached_property
    def first(self) -> int:
        """How many columns every trained row has: by these it was decided which rows to train more often."""
        return min((len(row.errors) for row in self.rows.values() if row.errors), default=0)

    def fair(self, row: Row) -> range:
        """Return the columns that had no part in deciding how often to train a row: those behind `first`, or all of a
        row that has not at least two more.
        """
        count = len(row.errors)
        return range(self.first if count >= self.first + 2 else 0, count)

    def unseen_mean(self, key: str, seen: frozenset[int]) -> float:
        """Return the mean error over a row's fair columns but those in `seen`, in [0, 1]; over all but these where no
        fair one is left.

        Raises:
            RunError: no such row, or no column is left.
        """
        row = self.row(key)
        left = [at for at in self.fair(row) if at not in seen] or [
            at for at in range(len(row.errors)) if at not in seen
        ]
        if not left:
            got = f"{len(row.errors)} of {key}, all seen"
            do = "Measure a genome less often (noise.repeats), or hold columns out."
            raise RunError(message("a column that the search did not see", got, do))
        return math.fsum(row.errors[at] for at in left) / len(left) / self.images

    @cached_property
    def best_known(self) -> float:
        """The mean error, in [0, 1], of the best among the rows with the most columns: for each fair column the row
        with the least mean over the others, scored on this one. No column scores what it chose, so the least of many
        noisy means does not flatter itself. The regret of a genome is its `unseen_mean` less this, and may be negative.

        Raises:
            RunError: no row has two columns.
        """
        most = max((len(row.errors) for row in self.rows.values()), default=0)
        if most < 2:
            got = f"{most} in the table {self.name}"
            raise RunError(message("a row with at least 2 columns", got, "Go on with 'evobnn tabulate'."))
        rows = [row for row in self.rows.values() if len(row.errors) == most]
        columns = self.fair(rows[0])
        totals = {row.key: sum(row.errors[at] for at in columns) for row in rows}
        chosen = [min(rows, key=lambda row: totals[row.key] - row.errors[at]) for at in columns]
        return sum(row.errors[at] for row, at in zip(chosen, columns, strict=True)) / len(columns) / self.images


def wrong_images(error: float, images: int) -> int:
    """Return how many of `images` an error in [0, 1] stands for; raise RunError where it is no whole number."""
    count = round(error * images)
    if not 0 <= count <= images or count / images != error:
        raise RunError(
            message(f"an error that is a share of {images} images", repr(error), "Count on the images it was taken on.")
        )
    return count


def to_json(row: Row) -> dict[str, Any]:
    """Return a row's fields, optional ones only where they say something."""
    given = {one.name: getattr(row, one.name) for one in fields(row)}
    return {name: value for name, value in given.items() if name in ROW or value not in (None, (), "")}
