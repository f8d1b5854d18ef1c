"""A table of a few dozen rows with errors in closed form, written to a folder as `evobnn tabulate` would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from evobnn.evolution import Halving
from evobnn.experiment import to_text
from evobnn.experiment.settings import Experiment
from evobnn.experiment.text import from_table
from evobnn.genome import Genome
from evobnn.records import Status
from evobnn.runs.setup import Options, make_bench
from evobnn.spaces import canonical
from evobnn.spaces.enumeration import every
from evobnn.studies.compare.account import Trace
from evobnn.studies.compare.arms import Arm
from evobnn.studies.compare.on_table import arm_on_table
from evobnn.tables import Row, Table, write_table

IMAGES = 200
SETTINGS: dict[str, Any] = {
    "preset": "toy",
    "seed": 3,
    "horizon": 4,
    "objectives": ["error", "ops"],
    "space": {"sites": "net", "nodes": 2, "offered": ["zero", "conv3"], "unary": ["x", "zero", "sin"],
              "binary": ["add"]},
    "network": {"cells": 1, "reductions": 0, "width": 4, "skip": "free", "padding": "minus_one", "head": 2},
    "dataset": {"train_limit": 100, "validation_limit": 60},
    "recipe": {"epochs": 2, "batch": 50, "precision": "fp32"},
    "strategy": {"name": "nsga2", "population": 6},
    "noise": {"repeats": 2, "rescore": 1},
}  # fmt: skip


def errors(genome: Genome, columns: int = 3) -> tuple[int, ...]:
    """Return wrong images by column: more convolutions and sines are better, and each column has its say."""
    text = str(genome)
    base = 120 - 12 * text.count("conv3") - 15 * text.count("sin")
    noise = sum(map(ord, text)) % 7
    return tuple(max(0, base + (noise * (column + 2)) % 11) for column in range(columns))


def early(number: int, rung: int) -> int:
    """Return the wrong images of the row with this number at a rung: no two rows have as many."""
    return (37 * rung + 11) * number % 199


def toy_experiment(**changes: Any) -> Experiment:
    return from_table({**SETTINGS, **changes}, "the toy table")


def toy_table(folder: Path, columns: int = 3, rungs: tuple[int, ...] = (), **changes: Any) -> tuple[Experiment, Table]:
    """Write the table below `folder` and return the experiment that searches it, and the table.

    With `rungs` its trainings, of which the last is the length, were scored at each of them.
    """
    if rungs:
        changes["recipe"] = {**SETTINGS["recipe"], "epochs": rungs[-1], "schedule": "trunk"}
    experiment = toy_experiment(**changes)
    bench = make_bench(experiment, Options(jobs=1))
    rows, costs = {}, {}
    for name, genome in every(bench.space):
        cells = str(canonical(bench.space, genome)).partition("@")[0]
        if cells not in costs:
            costs[cells] = bench.cost(genome)
        cost = costs[cells]
        counts: dict[str, Any] = {"ops": cost.ops, "bits": cost.bits, "parameters": cost.parameters}
        if reason := bench.infeasible(genome):
            rows[name] = Row(name, str(genome), Status.INVALID, **counts, message=reason)
        else:
            wrong = errors(canonical(bench.space, genome), columns)
            parent = tuple(max(0, one - 10) for one in wrong)
            known = tuple((early(len(rows), rung),) * columns for rung in rungs[:-1])
            rows[name] = Row(name, str(genome), Status.OK, **counts, errors=wrong, parent=parent, early=known)
    prepared = bench.prepared
    table = Table(
        name="toy",
        experiment=to_text(replace(experiment, halving=Halving(rungs))),
        protocol=bench.protocol.fingerprint(),
        images=IMAGES,
        seeds=tuple(range(columns)),
        rows=rows,
        data={"fingerprint": prepared.fingerprint, "shape": list(prepared.shape), "classes": prepared.classes,
              "train": prepared.train_count},
        rungs=rungs,
    )  # fmt: skip
    (folder / "toy").mkdir(parents=True)
    write_table(folder / "toy" / "table.jsonl", table)
    return replace(experiment, table=str(folder / "toy")), table


def search_on_table(experiment: Experiment, seed: int, budget: int) -> Trace:
    """Search the experiment's table once, as the experiment says, and return the account."""
    return arm_on_table(experiment, Arm("search"), seed, budget)
