"""Reading many genomes of one space: what one of them says at a node or a site, hundreds of others have said before."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from evobnn.genome.cell import Cell, Edge
from evobnn.genome.expression import Expression
from evobnn.genome.genome import Genome
from evobnn.genome.specs import FormSpec, OpSpec
from evobnn.genome.text import parse_genome

MOST = 1 << 15
"""Parts that are remembered of each kind."""


class Reader:
    """Reads genomes as `parse_genome` does, with the same errors, in a tenth of the time where the parts are known.

    A text is put together from known parts only where it is spelt as evobnn prints genomes; every other is parsed.

    Arguments:
        operations: what the names of operations mean.
        forms: what the names of forms mean.

    >>> from evobnn.genome import FORMS, OPERATIONS, Reader
    >>> str(Reader(OPERATIONS, FORMS).read("@net = sin(x)"))
    '@net = sin(x)'
    """

    def __init__(self, operations: Mapping[str, OpSpec], forms: Mapping[str, FormSpec]) -> None:
        self._operations, self._forms = operations, forms
        self._names = set[str]()
        self._nodes: dict[str, tuple[Edge, ...]] = {}
        self._cells: dict[str, Cell] = {}
        self._expressions: dict[str, Expression] = {}

    def read(self, text: str) -> Genome:
        """Return the genome of this text; raises GenomeError as `parse_genome` does."""
        found = self._put_together(text)
        if found is None:
            found = parse_genome(text, self._operations, self._forms)
            if str(found) == text:
                self._learn(found)
        return found

    def _put_together(self, text: str) -> Genome | None:
        """Return the genome of known parts, or None where one is unknown, or said twice."""
        start, *sites = f" {text}".split(" @")
        cells: dict[str, Cell] = {}
        expressions: dict[str, Expression] = {}
        try:
            for part in start[1:-1].split("] ") if start else ():
                kind, _, body = part.partition("[")
                if kind not in self._names or kind in cells:
                    return None
                cells[kind] = self._cells.get(body) or self._cell(body)
            for part in sites:
                site, _, expression = part.partition(" = ")
                if site not in self._names or site in expressions:
                    return None
                expressions[site] = self._expressions[expression]
        except KeyError:
            return None
        return Genome.of(cells, expressions) if not start or start[-1] == "]" else None

    def _cell(self, body: str) -> Cell:
        """Return the cell of known nodes; raise KeyError where one is unknown, or said twice."""
        nodes = [self._nodes[node] for node in body.split("; ")] if body else []
        if len({node[0].target for node in nodes}) < len(nodes):
            raise KeyError(body)
        if len(self._cells) > MOST:
            self._cells.clear()
        self._cells[body] = Cell(tuple(edge for node in nodes for edge in node))
        return self._cells[body]

    def _learn(self, genome: Genome) -> None:
        for known in (self._nodes, self._expressions):
            if len(known) > MOST:
                known.clear()
        for kind, cell in genome.cells:
            self._names.add(kind)
            for _, edges in groupby(cell.edges, key=lambda edge: edge.target):
                node = tuple(edges)
                self._nodes[str(Cell(node))] = node
        for site, expression in genome.expressions:
            self._names.add(site)
            self._expressions[str(expression)] = expression
