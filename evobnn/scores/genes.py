"""A genome as sets of genes, so that a distance is the number of genes that one has and the other lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evobnn.genome import Expression, Genome
from evobnn.spaces import Space, canonical

Genes = Mapping[str, frozenset[str]]
"""Genes by group: each searched kind of cell, and the `places` and `forms` of searched expressions."""

PLACES, FORMS = "places", "forms"


def genes(space: Space, genome: Genome) -> Genes:
    """Return the genes of a genome's canonical form; equal networks have equal genes.

    An edge is `source>target operation` in the group of its kind. A form counts twice: where it stands in the tree
    (group `places`), and, wherever it stands, as its first, second, ... occurrence (group `forms`), for what arguments
    do hardly depends on their order.
    """
    form = canonical(space, genome)
    cells = form.cell_by_kind
    found = {
        kind: frozenset(f"{edge.source}>{edge.target} {edge.operation}" for edge in cells[kind].edges)
        for kind in space.free_kinds
    }
    if space.free_sites:
        places: list[str] = []
        forms: list[str] = []
        for site in space.free_sites:
            standing = list(_standing(form.expression_at(site, site.partition("/")[0])))
            places += [f"{site}/{place} {name}" for place, name in standing]
            for name, count in Counter(name for _, name in standing).items():
                forms += [f"{site} {name} {number}" for number in range(count)]
        found |= {PLACES: frozenset(places), FORMS: frozenset(forms)}
    return found


def _standing(expression: Expression, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every node of the tree as (place, form); a place is the way from the root, as in `01`."""
    yield place, expression.form
    for number, argument in enumerate(expression.args):
        yield from _standing(argument, f"{place}{number}")


class Distances:
    """Numbers of different genes, group by group, to the genomes given here.

    Arguments:
        known: n genomes of one space, by their genes.

    Attributes:
        groups: names, in order.
    """

    def __init__(self, known: Sequence[Genes]) -> None:
        self.groups, self._count = tuple(known[0]), len(known)
        self._columns: dict[str, dict[str, int]] = {}
        self._known: dict[str, NDArray[np.float64]] = {}
        for group in self.groups:
            names = sorted(frozenset().union(*(one[group] for one in known)))
            self._columns[group] = {name: at for at, name in enumerate(names)}
            self._known[group] = self._marked(known, group)

    def __call__(self, others: Sequence[Genes]) -> NDArray[np.float64]:
        """Return the distances of m genomes, of shape (groups, m, n)."""
        found = [np.zeros((0, len(others), self._count))]
        for group in self.groups:
            mine, theirs = self._known[group], self._marked(others, group)
            sizes = np.array([len(one[group]) for one in others], dtype=float)
            found.append((sizes[:, None] + mine.sum(axis=1) - 2.0 * theirs @ mine.T)[None])
        return np.concatenate(found)

    def _marked(self, some: Sequence[Genes], group: str) -> NDArray[np.float64]:
        """Return 1.0 where a genome has a gene; genes that none of the known ones has are left out."""
        columns = self._columns[group]
        rows = np.zeros((len(some), len(columns)))
        for row, one in zip(rows, some, strict=True):
            row[[columns[name] for name in one[group] if name in columns]] = 1.0
        return rows
