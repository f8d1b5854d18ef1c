"""Taking over what another population, perhaps of another space, has found."""

from __future__ import annotations

from evobnn._seeding import Generator, pick
from evobnn.genome import Cell, Edge, Expression, Genome
from evobnn.spaces.base import Space
from evobnn.spaces.shapes import embed


def adapt(space: Space, genome: Genome, rng: Generator) -> Genome:
    """Return a genome of `space` that keeps all of `genome` that this space allows; the rest is drawn.

    A node is kept if its edges are allowed here, filled up with Zeroise where it has too few; an expression is kept
    if it has the space's shape or can be padded to it without changing the function. Where one expression has to
    serve sites that had several, one of them is picked. Frozen parts stay frozen.
    """
    cells, given = space.frozen.cell_by_kind, genome.cell_by_kind
    for kind in space.free_kinds:
        edges: list[Edge] = []
        for node in space.own_nodes:
            kept = _filled(space, kind, node, given[kind].into(node)) if kind in given else None
            edges += space.sample_node(kind, node, rng) if kept is None else kept
        cells[kind] = Cell(tuple(edges))
    expressions = space.frozen.expression_by_site
    for site in space.free_sites:
        own = _spoken_for(genome, site, rng)
        fitting = None if own is None else embed(space.shape, space.alphabet, own, space.forms)
        expressions[site] = space.sample_expression(rng) if fitting is None else fitting
    return Genome.of({kind: cells[kind] for kind in space.kinds}, expressions)


def _spoken_for(genome: Genome, site: str, rng: Generator) -> Expression | None:
    """Return the expression of these sites in the genome; one of all it has for `net`, and one of those of its nodes
    for a kind of cell of which it says no more; None where it says nothing.
    """
    known = genome.expression_by_site
    if any(name in known for name in (site, site.split("/")[0], "net")):
        return genome.expression_at(site, site.split("/")[0])
    below = [tree for name, tree in known.items() if site == "net" or name.startswith(f"{site}/")]
    return pick(rng, below) if below else None


def _filled(space: Space, kind: str, node: int, edges: tuple[Edge, ...]) -> tuple[Edge, ...] | None:
    """Return the edges into a node with idle ones added or dropped until the in-degree is right, or None where they
    are not allowed.
    """
    idle = [name for name in space.offered[kind] if space.operations[name].nothing]
    kept, surplus = list(edges), max(len(edges) - space.degree(node), 0)
    for edge in [edge for edge in edges if edge.operation in idle][:surplus]:
        kept.remove(edge)
    sources = {edge.source for edge in kept}
    allowed = all(edge.operation in space.offered[kind] for edge in kept)
    missing = space.degree(node) - len(kept)
    if not allowed or len(sources) != len(kept) or missing < 0:
        return None
    if missing and not idle:
        return None
    unused = [number for number in range(node) if number not in sources]
    return tuple(sorted((*kept, *(Edge(source, node, idle[0]) for source in unused[:missing]))))
