"""How a search moved, as arrays for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from evobnn.analysis.pictures.relaxed import Moves
from evobnn.relax.formulas import softened
from evobnn.relax.step import Row
from evobnn.spaces import Space

Means = Mapping[str, NDArray[np.float64]]
"""By kind of cell, the mean share of each offered operation over the edges."""


def moves(space: Space, rows: Sequence[Row]) -> Moves:
    """Return the mean share of each operation over the edges, by kind of cell, and the errors: by epoch where alpha is
    told, and by draw where operations are dropped; a dropped one has share 0, those left on an edge have equal ones.
    """
    if rows and "alphas" in rows[0]:
        means = [(row["epoch"], _softened(row["alphas"], row.get("temperature", 1.0))) for row in rows]
        errors = {"mixed network": [(row["epoch"], 100.0 * row["validation_error"]) for row in rows]}
        return _moves(space, means, errors, "epoch")
    offered = {kind: space.offered[kind] for kind in space.free_kinds}
    means = [(0, {kind: np.full(len(names), 1.0 / len(names)) for kind, names in offered.items()})]
    means += [(number, _left(space, row["left"])) for number, row in enumerate(rows, 1) if "left" in row]
    errors = {
        name: [(number, 100.0 * (1.0 - row[name])) for number, row in enumerate(rows, 1) if "untrained" not in row]
        for name in ("child", "parent")
    }
    return _moves(space, means, errors, "draw")


def _softened(alphas: Mapping[str, Mapping[str, Sequence[float]]], temperature: float) -> Means:
    tables = {kind: torch.tensor(list(edges.values()), dtype=torch.float64) for kind, edges in alphas.items()}
    return {kind: softened(table, temperature).mean(0).numpy() for kind, table in tables.items()}


def _left(space: Space, left: Mapping[str, Mapping[str, Sequence[str]]]) -> Means:
    return {
        kind: np.mean([[(name in there) / len(there) for name in space.offered[kind]] for there in edges.values()], 0)
        for kind, edges in left.items()
    }


def _moves(
    space: Space, means: Sequence[tuple[int, Means]], errors: Mapping[str, Sequence[tuple[int, float]]], unit: str
) -> Moves:
    shares = {
        kind: dict(zip(space.offered[kind], np.array([own[kind] for _, own in means]).T, strict=True))
        for kind in space.free_kinds
    }
    points = {name: np.array(own, dtype=float).reshape(-1, 2) for name, own in errors.items()}
    return Moves(unit, np.array([float(at) for at, _ in means]), shares, points)
