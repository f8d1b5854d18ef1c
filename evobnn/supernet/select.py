"""Selecting a genome in the shared network: which edges are run, and which expression stands at each of their sites."""

from __future__ import annotations

from evobnn.errors import GenomeError, message
from evobnn.genome import Edge, Genome
from evobnn.nn import Network, rejoin
from evobnn.spaces import simplify
from evobnn.supernet.build import Supernet, cells_of


def select(supernet: Supernet, genome: Genome) -> None:
    """Let the shared network compute this genome from now on; no number in it changes.

    Edges are run in the order in which the genome's own network runs them, so that sums are rounded alike.

    Raises:
        GenomeError: an edge that the space does not offer.
    """
    form = supernet.bench.phenotype(genome).canonical
    kinds, cells, network = supernet.bench.protocol.network.kinds, form.cell_by_kind, supernet.network
    if not isinstance(network, Network):
        for holder in supernet.places:
            _express(supernet, form, holder)
        return
    for index, (cell, kind, numbers) in enumerate(zip(cells_of(network), kinds, supernet.numbers, strict=True)):
        wired: list[list[tuple[int, int]]] = [[] for _ in range(supernet.bench.space.nodes)]
        for edge in cells[kind].edges:
            wired[edge.target - 2].append((edge.source, _number(supernet, kind, edge, numbers.get(edge))))
        cell.rewire(wired)
        inputs = [f"pre{number}" for number, used in enumerate(cell.used) if used]
        for name in (*inputs, *(str(number) for edges in wired for _, number in edges)):
            _express(supernet, form, (index, name))
    network.revive()
    rejoin(network)


def express(supernet: Supernet, genome: Genome) -> None:
    """Let all sites compute the expressions of this genome from now on, whatever edges are run."""
    forms = supernet.bench.space.forms
    said = {site: simplify(expression, forms) for site, expression in genome.expressions}
    for holder in supernet.places:
        _express(supernet, Genome.of({}, said), holder)


def _number(supernet: Supernet, kind: str, edge: Edge, found: int | None) -> int:
    if found is None:
        expected = f"an edge that the space {supernet.bench.space.name} offers in {kind}[...]"
        got = f"{edge} at node {edge.target}"
        raise GenomeError(message(expected, got, "Select genomes of this space."))
    return found


def _express(supernet: Supernet, form: Genome, holder: tuple[int, str]) -> None:
    for place in supernet.places.get(holder, ()):
        expression = form.expression_at(*place.classes)
        place.site.__dict__["activation"] = supernet.activation(place.site, expression)
