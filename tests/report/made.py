"""Runs that nobody searched: random genomes with scores drawn from a formula, for pages of any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evobnn.genome import BNAS_OPERATIONS, FORMS, Cell, Edge, Expression, Genome
from evobnn.pareto import Axis, hypervolume
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.snapshot import Generation, Survivor, write_generation

UNARY = [name for name, spec in FORMS.items() if spec.arity == 1]
BINARY = [name for name, spec in FORMS.items() if spec.arity == 2]
AXES = {"error": [0.0, 0.9, "linear"], "ops": [5e3, 2e5, "log10"], "bits": [1e4, 1e6, "log10"]}


def expression(rng: np.random.Generator) -> Expression:
    x = Expression("x")
    inner = [Expression(str(rng.choice(UNARY)), (x,)), x]
    return Expression(str(rng.choice(BINARY)), (inner[0], inner[int(rng.integers(2))]))


def genome(rng: np.random.Generator, cells: bool = True) -> Genome:
    """Return a genome as those of the space `joint`, or without cells as those of `gaaf`."""
    if not cells:
        return Genome.of({}, {"net": expression(rng)})
    kinds = ("normal", "reduction")
    made = {
        kind: Cell(
            tuple(
                Edge(int(rng.integers(node)), node, str(rng.choice(BNAS_OPERATIONS)))
                for node in (2, 3, 4)
                for _ in (0, 1)
            )
        )
        for kind in kinds
    }
    return Genome.of(made, {kind: expression(rng) for kind in kinds})


def evaluation(rng: np.random.Generator, objectives: Sequence[str]) -> Evaluation:
    dice = float(rng.random())
    if dice < 0.03:
        where = f"the loss was not finite after batch {int(rng.integers(1, 90))}"
        return Evaluation(Status.DIVERGED, message=where)
    if dice < 0.04:
        return Evaluation(Status.ERROR, message="a worker died with this evaluation alone in it")
    ops = float(10 ** rng.uniform(3.8, 5.2))
    error = float(np.clip(0.08 + 0.5 * (1e4 / ops) ** 0.6 + abs(rng.normal(0, 0.09)), 0.05, 0.9))
    known = {"error": error, "ops": ops, "bits": float(10 ** rng.uniform(4.2, 5.8))}
    measures = {"loss": 3 * error, "binary_macs": 60 * ops, "real_macs": 0.1 * ops, "binary_share": 0.998}
    measures |= {"parameters": float(int(ops / 2)), "other": 2.5 * ops, "bits": known["bits"]}
    return Evaluation(Status.OK, {name: known[name] for name in objectives}, measures=measures)


def made(
    folder: Path,
    count: int = 300,
    generation: int = 20,
    objectives: Sequence[str] = ("error", "ops"),
    cells: bool = True,
    seed: int = 0,
    axes: bool = True,
    origin: str = "mate+mutate",
) -> Path:
    """Write a run of `count` individuals, `generation` in each generation, and return its folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    results: list[Result] = []
    header = {"objectives": list(objectives), **({"axes": {n: AXES[n] for n in objectives}} if axes else {})}
    box = [Axis(name, float(low), float(high), str(scale)) for name, (low, high, scale) in AXES.items()]
    box = [axis for name in objectives for axis in box if axis.name == name]
    for number in range(-(-count // generation)):
        ids = range(number * generation, min(count, (number + 1) * generation))
        for one in ids:
            parents = tuple(sorted({int(rng.integers(one)) for _ in (0, 1)})) if number else ()
            text = str(genome(rng, cells))
            who = Individual(one, text, f"{one:016x}", number, origin if number else "sample", parents)
            results.append(Result(Request(who), evaluation(rng, objectives)))
        ok = [r for r in results if r.evaluation.status is Status.OK]
        points = np.array([[r.evaluation.objectives[name] for name in objectives] for r in ok])
        volume = {"hypervolume": hypervolume(points, box)} if axes else {}
        last = [r for r in ok if r.request.individual.born == number]
        survivors = tuple(Survivor(r.request.individual, r.evaluation.objectives, 1) for r in last)
        new = tuple(r for r in results if r.request.individual.born == number)
        write_generation(
            folder, Generation(number, header, {}, {"evaluations": len(new), **volume}, survivors, new)
        )  # fmt: skip
    return folder
