"""The genome: named cells and a map from classes of sites to expressions, as one line of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evobnn.genome.cell import Cell
from evobnn.genome.expression import Expression


@dataclass(frozen=True, slots=True)
class Genome:
    """What one network inherits; immutable, hashable, and printed as the line that parses back to it.

    `normal[2 = conv3(0) + max3(1); 3 = ...] reduction[...] @normal = mul(sin(x), x) @reduction = x`

    Attributes:
        cells: (kind, cell) pairs, sorted by kind.
        expressions: (site class, expression) pairs, sorted by class. A site class is `net` for every site of the
            network, a cell kind for the sites in such cells, or `kind/node` for the sites of one node's edges.

    >>> cell = evobnn.Cell(((0, 2, "conv3"), (1, 2, "max3")))
    >>> genome = evobnn.Genome.of({"normal": cell}, {"normal": evobnn.parse_expression("sin(x)")})
    >>> print(genome)
    normal[2 = conv3(0) + max3(1)] @normal = sin(x)
    >>> genome == evobnn.parse_genome(str(genome))
    True
    """

    cells: tuple[tuple[str, Cell], ...] = ()
    expressions: tuple[tuple[str, Expression], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(sorted(self.cells, key=lambda pair: pair[0])))
        object.__setattr__(self, "expressions", tuple(sorted(self.expressions, key=lambda pair: pair[0])))

    @classmethod
    def of(cls, cells: Mapping[str, Cell], expressions: Mapping[str, Expression]) -> Genome:
        """Return the genome with these cells by kind and expressions by site class."""
        return cls(tuple(cells.items()), tuple(expressions.items()))

    def __str__(self) -> str:
        cells = [f"{kind}[{cell}]" for kind, cell in self.cells]
        return " ".join(cells + [f"@{site} = {expression}" for site, expression in self.expressions])

    @property
    def cell_by_kind(self) -> dict[str, Cell]:
        """The cells as a new dict by kind."""
        return dict(self.cells)

    @property
    def expression_by_site(self) -> dict[str, Expression]:
        """The expressions as a new dict by site class."""
        return dict(self.expressions)

    def with_cell(self, kind: str, cell: Cell) -> Genome:
        """Return a genome with `cell` in place of the one of this kind."""
        return Genome.of({**self.cell_by_kind, kind: cell}, self.expression_by_site)

    def with_expression(self, site: str, expression: Expression) -> Genome:
        """Return a genome with `expression` in place of the one of this site class."""
        return Genome.of(self.cell_by_kind, {**self.expression_by_site, site: expression})

    def expression_at(self, *classes: str) -> Expression:
        """Return the expression of the first of `classes` that the genome names, else that of `net`."""
        known = self.expression_by_site
        return next((known[name] for name in (*classes, "net") if name in known), Expression("x"))
