"""Who descends from whom, and which operations and forms survive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from evobnn.errors import EvobnnError, message
from evobnn.genome import FORMS, OPERATIONS, Expression, FormSpec, Genome, OpSpec, parse_genome
from evobnn.snapshot import Generation
from evobnn.snapshot.archive import Member, archive, objective_names


def ancestry(generations: Sequence[Generation], number: int) -> pd.DataFrame:
    """Return an individual and its ancestors within the run, nearest first.

    Columns: id, steps (least number of steps back from the individual), born, origin, parents (tuple of ids), genome,
    one for each objective (NaN for no candidate). Parents from outside the run have no row.

    Raises:
        EvobnnError: the run has no individual of this id.

    >>> from evobnn.analysis import ancestry
    >>> run = evobnn.load_run("populations/digits")
    >>> ancestry(run.generations, 63)[["id", "steps", "origin"]].head(3).values.tolist()
    [[63, 0, 'mate+mutate'], [10, 1, 'sample'], [48, 1, 'mate+mutate']]
    """
    members = archive(generations).members
    if number not in members:
        raise EvobnnError(message("the id of an individual of this run", str(number), "See the ids in individuals()."))
    steps = {number: 0}
    queue = [number]
    for child in queue:  # grows while it is walked through: breadth first, so the first visit is the shortest way
        for parent in members[child].individual.parents:
            if parent in members and parent not in steps:
                steps[parent] = steps[child] + 1
                queue.append(parent)
    names = objective_names(generations)
    ordered = sorted(steps, key=lambda i: (steps[i], i))
    rows = [_ancestor(members[i], steps[i], names) for i in ordered]
    return pd.DataFrame(rows, columns=["id", "steps", "born", "origin", "parents", "genome", *names])


def _ancestor(member: Member, steps: int, names: Sequence[str]) -> dict[str, Any]:
    who, values = member.individual, member.objectives or {}
    row: dict[str, Any] = {"id": who.id, "steps": steps, "born": who.born, "origin": who.origin}
    return {**row, "parents": who.parents, "genome": who.genome, **{n: values.get(n, float("nan")) for n in names}}


def operation_shares(
    generations: Sequence[Generation],
    operations: Mapping[str, OpSpec] = OPERATIONS,
    forms: Mapping[str, FormSpec] = FORMS,
) -> pd.DataFrame:
    """Return how often each operation stands on the survivors' edges: one row a generation, shares that sum to 1.

    The index is the generation, the columns are the operations that occur, in the order of the table. A generation
    without survivors or edges has shares of 0.

    >>> from evobnn.analysis import operation_shares
    >>> shares = operation_shares(evobnn.load_run("populations/digits").generations)
    >>> shares.columns.tolist()
    ['zero', 'max3', 'avg3', 'conv3', 'conv5', 'dil3']
    """
    return _shares(generations, operations, operations, forms, _operations)


def form_shares(
    generations: Sequence[Generation],
    operations: Mapping[str, OpSpec] = OPERATIONS,
    forms: Mapping[str, FormSpec] = FORMS,
) -> pd.DataFrame:
    """Return how often each form stands in the survivors' expressions: as `operation_shares`, by forms.

    The `x` that a unary form is applied to is its argument and not counted: `mul(sin(x), x)` has mul, sin and x.

    >>> from evobnn.analysis import form_shares
    >>> shares = form_shares(evobnn.load_run("populations/digits").generations)
    >>> round(float(shares.loc[0].sum()), 6)
    1.0
    """
    return _shares(generations, forms, operations, forms, _forms)


def _operations(genome: Genome) -> Iterable[str]:
    return (edge.operation for _, cell in genome.cells for edge in cell.edges)


def _forms(genome: Genome) -> Iterable[str]:
    for _, expression in genome.expressions:
        yield from _forms_in(expression)


def _forms_in(expression: Expression) -> Iterable[str]:
    yield expression.form
    for arg in expression.args:
        if len(expression.args) > 1 or arg.args or arg.form != "x":
            yield from _forms_in(arg)


def _shares(
    generations: Sequence[Generation],
    order: Iterable[str],
    operations: Mapping[str, OpSpec],
    forms: Mapping[str, FormSpec],
    names_in: Callable[[Genome], Iterable[str]],
) -> pd.DataFrame:
    counts: dict[int, Counter[str]] = {}
    for generation in generations:
        count = counts[generation.number] = Counter[str]()
        for survivor in generation.survivors:
            count.update(names_in(parse_genome(survivor.individual.genome, operations, forms)))
    columns = [name for name in order if any(name in count for count in counts.values())]
    rows = [[count[name] / max(count.total(), 1) for name in columns] for count in counts.values()]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(list(counts), name="generation"), dtype=float)
