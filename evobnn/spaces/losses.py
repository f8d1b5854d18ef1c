"""What of a genome another space takes over, part by part, and why the rest is lost."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn.genome import Edge, Expression, Genome
from evobnn.spaces.base import Space
from evobnn.spaces.canonical import simplify
from evobnn.spaces.shapes import Shape, embed


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
