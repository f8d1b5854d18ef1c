"""From what a search found to a genome of the space: the one rule, for all searches and spaces.

1. Each edge has the operation with the greatest strength, the first of equal ones; operations that are `excluded` have
   none. An edge has the strength of its operation.
2. Each node keeps as many edges as the space wants, the strongest ones, of equal ones those from lower nodes.
3. Repair: as long as the genome would not be trained, because no path leads from the image to the logits, the Zeroise
   among its edges that is ahead by least gives way to the strongest operation on its edge that computes something.
4. Expressions that are given stay, all others are the plain sign, or what of the space comes nearest to it.

BNAS (section 3.2) excludes nothing; DARTS, section 2.4, excludes Zeroise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from evobnn.errors import ExperimentError, message
from evobnn.genome import Cell, Edge, Genome
from evobnn.relax.formulas import Table
from evobnn.spaces import Space

Place = tuple[str, int, int]
"""(kind, source, target) of an edge."""


@dataclass(frozen=True)
class Derived:
    """A genome of the space, and what was repaired for it to be one, as sentences."""

    genome: Genome
    repairs: tuple[str, ...] = ()


def edges_of(space: Space) -> tuple[tuple[int, int], ...]:
    """Return (source, target) of all edges that a cell may have, the order of rows in every table."""
    return tuple((source, target) for target in space.own_nodes for source in range(target))


def check_cells(space: Space) -> None:
    """Raise ExperimentError for a space in which no cell is searched."""
    if not space.free_kinds:
        got, do = f"the space {space.name}, which has none", "Take the space bnas, bats, cpnas or joint."
        raise ExperimentError(message("a space whose cells are searched", got, do))


def plain(space: Space) -> Genome:
    """Return the expressions of rule 4, without cells."""
    given = space.frozen.expression_by_site
    return Genome.of({}, {site: given.get(site, space.plainest()) for site in space.sites})


def derive(
    space: Space,
    strengths: Mapping[str, Table],
    infeasible: Callable[[Genome], str] = lambda genome: "",
    excluded: Collection[str] = (),
) -> Derived:
    """Return the genome that a search found, by the rule of this module.

    Arguments:
        space: of which it is to be.
        strengths: by kind of cell that is searched, (edges, operations that are offered); -inf for what is gone.
        infeasible: why a genome would not be trained, or an empty text.
        excluded: operations that are not chosen; those that compute something are not all of them.

    Raises:
        ExperimentError: all operations of a kind are excluded, or no repair helps.
    """
    tables = {kind: _without(space, kind, strengths[kind], excluded) for kind in space.free_kinds}
    chosen: dict[Place, str] = {}
    for kind, table in tables.items():
        best = table.max(1)
        for node in space.own_nodes:
            rows = [row for row, (_, target) in enumerate(edges_of(space)) if target == node]
            kept = sorted(rows, key=lambda row: -best[row])[: space.degree(node)]  # sorted() keeps equal ones in order
            for row in sorted(kept):
                chosen[(kind, *edges_of(space)[row])] = space.offered[kind][int(table[row].argmax())]
    repairs: list[str] = []
    while reason := infeasible(genome := _genome(space, chosen)):
        place, name = _repair(space, chosen, tables, reason)
        repairs.append(f"{name} in place of {chosen[place]} on {place[0]} {place[1]} -> {place[2]}")
        chosen[place] = name
    return Derived(genome, tuple(repairs))


def _without(space: Space, kind: str, table: Table, excluded: Collection[str]) -> Table:
    names = space.offered[kind]
    out = np.array([name in excluded for name in names])
    if out.all():
        got = f"all of {', '.join(names)} excluded"
        raise ExperimentError(message(f"an operation left to choose in {kind} cells", got, "Exclude fewer."))
    return np.where(out, -np.inf, np.asarray(table, dtype=np.float64))


def _genome(space: Space, chosen: Mapping[Place, str]) -> Genome:
    cells = space.frozen.cell_by_kind
    for kind in space.free_kinds:
        cells[kind] = Cell(tuple(Edge(s, t, name) for (own, s, t), name in chosen.items() if own == kind))
    return Genome.of({kind: cells[kind] for kind in space.kinds}, plain(space).expression_by_site)


def _repair(space: Space, chosen: Mapping[Place, str], tables: Mapping[str, Table], reason: str) -> tuple[Place, str]:
    """Return the place where Zeroise is ahead of an operation that computes something by least, and that operation."""
    found = list(_candidates(space, chosen, tables))
    if not found:
        got, do = reason.rstrip("."), "Offer other operations, or freeze other parts."
        raise ExperimentError(message(f"a genome of the space {space.name} that can be trained", got, do))
    _, place, name = min(found, key=lambda one: one[0])
    return place, name


def _candidates(
    space: Space, chosen: Mapping[Place, str], tables: Mapping[str, Table]
) -> Iterator[tuple[float, Place, str]]:
    rows = {edge: row for row, edge in enumerate(edges_of(space))}
    for place, name in chosen.items():
        kind, *edge = place
        names, own = space.offered[kind], tables[kind][rows[edge[0], edge[1]]]
        live = [column for column, other in enumerate(names) if not space.operations[other].nothing]
        if space.operations[name].nothing and live:
            best = max(live, key=lambda column: own[column])
            ahead = float(own[names.index(name)] - own[best])
            yield (0.0 if np.isnan(ahead) else ahead), place, names[best]
