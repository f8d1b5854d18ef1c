"""Taking over what another population, perhaps of another space, has found: what is kept, and why the rest is lost."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn._seeding import Generator, pick
from evobnn.genome import Cell, Edge, Expression, Genome
from evobnn.spaces.base import Space
from evobnn.spaces.canonical import simplify
from evobnn.spaces.shapes import Shape, embed


def adapt(space: Space, genome: Genome, rng: Generator) -> Genome:
    """Return a genome of `space` that keeps all of `genome` that this space allows; the rest is drawn.

    A node is kept if its edges are allowed here, filled up with Zeroise where it has too few; an expression is kept
    if it has the space's shape or can be padded to it without changing the function. Where one expression has to
    serve sites that had several, one of them is picked. Frozen parts stay frozen.

    >>> import numpy as np
    >>> from evobnn.spaces import Template, adapt, joint
    >>> space = joint(Template(), 32)
    >>> given = evobnn.parse_genome("@normal = add(sin(x), x)")
    >>> str(adapt(space, given, np.random.default_rng(0)).expression_by_site["normal"])
    'add(sin(x), x)'
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


@dataclass(frozen=True)
class Part:
    """A node of a cell, or the expression of a class of sites.

    Attributes:
        place: kind and node, as in `normal 2`, or `@` and the class of sites.
        text: its edges, or its expression.
        why: it was not taken over; empty where it was.
        searched: the space chooses such a part; False where it is given or has no place.
    """

    place: str
    text: str
    why: str
    searched: bool

    def __str__(self) -> str:
        return f"{self.place} = {self.text}"


def parts(space: Space, genome: Genome, found: Genome) -> tuple[Part, ...]:
    """Return what becomes of every part of `genome` where `found = adapt(space, genome, rng)`.

    A part is taken over if the network does with it what it did: Zeroise may have been added to a node or left out,
    and an expression written in another shape.
    """
    rows: list[Part] = []
    for kind, cell in genome.cells:
        for node in sorted({edge.target for edge in cell.edges}):
            edges = cell.into(node)
            rows.append(Part(f"{kind} {node}", " + ".join(map(str, edges)), *_node(space, kind, node, edges)))
    for site, expression in genome.expressions:
        rows.append(Part(f"@{site}", str(expression), *_site(space, genome, site, expression, found)))
    return tuple(rows)


def _node(space: Space, kind: str, node: int, edges: tuple[Edge, ...]) -> tuple[str, bool]:
    """Return why these edges are not taken over, as `adapt` decides, and whether such a node is searched."""
    if kind not in space.kinds:
        return (f"there are no {kind} cells here" if space.kinds else "there are no cells here"), False
    if node not in space.own_nodes:
        return f"cells have {space.nodes} nodes here", False
    if kind in space.frozen.cell_by_kind:
        same = set(space.frozen.cell_by_kind[kind].into(node)) == set(edges)
        return ("" if same else f"the {kind} cell is given here"), False
    return _edges(space, kind, space.degree(node), edges), True


def _edges(space: Space, kind: str, degree: int, edges: tuple[Edge, ...]) -> str:
    offered = space.offered[kind]
    strange = sorted({edge.operation for edge in edges if edge.operation not in offered})
    if strange:
        return f"no {' and no '.join(strange)} in {kind} cells here"
    idle = [edge for edge in edges if space.operations[edge.operation].nothing]
    live = len(edges) - len(idle)
    if live > degree:
        return f"{live} inputs besides Zeroise, where this node takes {degree}"
    kept = list(edges)
    for edge in idle[: max(len(edges) - degree, 0)]:
        kept.remove(edge)
    if len({edge.source for edge in kept}) < len(kept):
        return "two edges from one node"
    if len(kept) < degree and not any(space.operations[name].nothing for name in offered):
        return f"{len(kept)} of {degree} inputs, and no Zeroise here to fill it up"
    return ""


def _site(space: Space, genome: Genome, site: str, expression: Expression, found: Genome) -> tuple[str, bool]:
    """Return why this expression is not taken over, and whether one is searched in its place."""
    served = [own for own in space.sites if _speaks_for(genome, site, own)]
    if not served:
        return ("all sites here have one of their own" if site == "net" else "there are no such sites here"), False
    given = space.frozen.expression_by_site
    free = [own for own in served if own not in given]
    if not free:
        other = [own for own in served if simplify(given[own], space.forms) != simplify(expression, space.forms)]
        return (f"@{other[0]} = {given[other[0]]} is given here" if other else ""), False
    fitting = embed(space.shape, space.alphabet, expression, space.forms)
    if fitting is None:
        return _misfit(space, expression), True
    if any(found.expression_by_site[own] == fitting for own in free):
        return "", True
    return f"@{free[0]} has room for one expression, and took another", True


def _misfit(space: Space, expression: Expression) -> str:
    offered = ("x", *space.alphabet.unary, *space.alphabet.binary)
    strange = sorted({tree.form for tree in expression.nodes() if tree.form not in offered})
    if strange:
        return f"no {' and no '.join(strange)} here"
    return f"it does not fit the shape {_drawn(space.shape)} with the forms offered"


def _drawn(shape: Shape) -> str:
    below = ", ".join(map(_drawn, shape.children))
    return {"leaf": "x", "unary": f"u({below})", "binary": f"b({below})"}[shape.role]


def _speaks_for(genome: Genome, site: str, own: str) -> bool:
    """Tell whether the genome's expression for `site` is one of those that the space's sites `own` may take."""
    known = genome.expression_by_site
    nearest = next((name for name in (own, own.split("/")[0], "net") if name in known), None)
    if nearest is not None:
        return site == nearest
    return own == "net" or site.startswith(f"{own}/")
