"""How a search moved, as arrays for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evobnn.analysis.pictures.relaxed import Moves
from evobnn.relax.step import Row
from evobnn.spaces import Space


def moves(space: Space, rows: Sequence[Row]) -> Moves:
    """Return the mean share of each operation over the edges, by kind of cell, and the errors: by epoch where alpha is
    told, and by draw where operations are dropped; a dropped one has share 0, those left on an edge have equal ones.
    """
    if rows and "alphas" in rows[0]:
        tables = [(row["epoch"], _softened(row["alphas"], row.get("temperature", 1.0))) for row in rows]
        errors = {"mixed network": [(row["epoch"], 100.0 * row["validation_error"]) for row in rows]}
        return _moves(space, tables, errors, "epoch")
    begun = {kind: {"": np.full(len(space.offered[kind]), 1.0 / len(space.offered[kind]))} for kind in space.free_kinds}
    tables = [(0, begun)]
    tables += [(number, _left(space, row["left"])) for number, row in enumerate(rows, 1) if "left" in row]
    errors = {
        name: [(number, 100.0 * (1.0 - row[name])) for number, row in enumerate(rows, 1) if "untrained" not in row]
        for name in ("child", "parent")
    }
    return _moves(space, tables, errors, "draw")


Shares = Mapping[str, Mapping[str, "np.typing.NDArray[np.float64]"]]
"""By kind and edge, the shares of the offered operations."""


def _softened(alphas: Mapping[str, Mapping[str, Sequence[float]]], temperature: float) -> Shares:
    found: dict[str, dict[str, np.typing.NDArray[np.float64]]] = {}
    for kind, edges in alphas.items():
        found[kind] = {}
        for edge, own in edges.items():
            scaled = np.asarray(own) / temperature
            shares = np.exp(scaled - scaled.max())
            found[kind][edge] = shares / shares.sum()
    return found


def _left(space: Space, left: Mapping[str, Mapping[str, Sequence[str]]]) -> Shares:
    return {
        kind: {
            edge: np.array([(name in there) / len(there) for name in space.offered[kind]])
            for edge, there in edges.items()
        }
        for kind, edges in left.items()
    }


def _moves(
    space: Space, tables: Sequence[tuple[int, Shares]], errors: Mapping[str, Sequence[tuple[int, float]]], unit: str
) -> Moves:
    shares = {}
    for kind in space.free_kinds:
        means = np.array([np.mean(list(own[kind].values()), axis=0) for _, own in tables])
        shares[kind] = {name: means[:, column] for column, name in enumerate(space.offered[kind])}
    points = {name: np.array(own, dtype=float).reshape(-1, 2) for name, own in errors.items()}
    return Moves(unit, np.array([float(at) for at, _ in tables]), shares, points)
