"""A table small enough for tests: the 14 functions of five unary forms and `add`, on a binary ResNet of width 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from evobnn.experiment.text import to_text
from evobnn.records import Status
from evobnn.runs import Options
from evobnn.spaces import Space, key
from evobnn.studies.tables.specs import TableSpec
from evobnn.studies.tables.tabulate import tabulate
from evobnn.tables import Row, Table

SINE = "@net = add(sin(x), zero)"
SPEC = TableSpec(
    "mini",
    "14 functions",
    "digits",
    {
        "objectives": ["error", "elementwise"],
        "space": {"name": "gaaf", "sites": "net", "unary": ["x", "zero", "sin", "neg", "shift"], "binary": ["add"]},
        "network": {
            "macro": "resnet", "cells": 2, "reductions": 1, "width": 4, "stem": 1.0, "head": 1, "skip": "none",
            "padding": "zero", "scale": "none",
        },
        "dataset": {"train_limit": 100, "validation_limit": 60},
        "recipe": {"epochs": 1, "batch": 25, "precision": "fp32", "clip": 1.3},
        "strategy": {"population": 4},
    },
    seeds=3,
    best=2,
    more=6,
    baselines=(SINE,),
    twins=1,
)  # fmt: skip
KEYS, TRAINED = 14, 13
"""Different networks of the space; all but the constant sign are trained."""


@cache
def space() -> Space:
    """Return the space of the table."""
    experiment = SPEC.experiment()
    return experiment.space.build(experiment.network, 8)


def key_of(genome: str) -> str:
    """Return the key of a genome of the space."""
    return key(space(), space().parse(genome))


def made(folder: Path, jobs: int = 1, spec: TableSpec = SPEC) -> Table:
    """Train what is missing of the table."""
    return tabulate(spec, Options(jobs=jobs), folder)


def by_hand(errors: Mapping[str, Sequence[int]], name: str = "hand", images: int = 100) -> Table:
    """Return a table of this space with these wrong images by genome and column; none for what was never trained."""
    rows = {}
    for genome, counts in errors.items():
        status = Status.OK if counts else Status.INVALID
        row = Row(key_of(genome), genome, status, 100.0, 64, tuple(counts), 8, 10.0, message="" if counts else "flat")
        rows[row.key] = row
    return Table(
        name=name,
        experiment=to_text(replace(SPEC.experiment(), preset=name)),
        protocol="0123456789abcdef",
        images=images,
        seeds=tuple(range(max(map(len, errors.values())))),
        rows=rows,
        data={"fingerprint": "f", "shape": [1, 8, 8], "classes": 10, "train": 100},
    )


# --- Tables by hand, with known answers ---

SUM, TWICE, PLAIN, SHIFTED, NEGATIVE = (
    f"@net = add({args})" for args in ("sin(x), shift(x)", "x, x", "x, zero", "zero, shift(x)", "zero, neg(x)")
)
FLAT, LUCKY = "@net = add(x, neg(x))", "@net = add(x, sin(x))"
ERRORS: dict[str, tuple[int, ...]] = {
    # The first three chose the contenders; only the five behind them count.
    TWICE: (50, 50, 50),
    SINE: (22, 18, 23, 20, 21, 19, 20, 20),
    PLAIN: (20, 20, 20, 40, 41, 39, 40, 40),
    SUM: (24, 24, 24, 10, 11, 9, 10, 10),
    SHIFTED: (23, 23, 23, 21, 22, 18, 20, 21),
    LUCKY: (1, 1, 1, 33, 30, 31, 35, 36),
    FLAT: (),
}


def failing(table: Table) -> Table:
    """Return the table with a row that failed in training."""
    row = Row(key_of(NEGATIVE), NEGATIVE, Status.DIVERGED, 100.0, 64, message="a weight is nan")
    return replace(table, rows={**table.rows, row.key: row})


FUNCTIONS = [
    f"@net = add({args})"
    for args in ("x, x", "x, zero", "x, sin(x)", "x, shift(x)", "zero, sin(x)", "zero, neg(x)", "zero, shift(x)",
                 "sin(x), sin(x)")
]  # fmt: skip


def ranked_as(order: list[int], name: str = "other", images: int = 50) -> Table:
    """Return a table whose i-th function is wrong on 2 order[i] images in the mean."""
    return by_hand(
        {text: (2 * n, 2 * n + 1, 2 * n - 1) for text, n in zip(FUNCTIONS, order, strict=True)}, name, images
    )
