"""Crossover and mutation: pure functions of (genomes, space, generator) whose results are in the space by construction.

Frozen cells and expressions are left alone. Expressions vary through their genes (see `evobnn.spaces.shapes`): one
that does not have the space's shape is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

from evobnn._seeding import Generator, pick
from evobnn.genome import Cell, Edge, Expression, Genome
from evobnn.spaces import Space, express, genes_of, sample_genes
from evobnn.spaces.shapes import Genes

GO_ON = 0.3
"""Probability of one more change after each change of a mutation."""


def mutate(genome: Genome, space: Space, rng: Generator) -> Genome:
    """Return the genome with one change, and with probability 0.3 after each one more.

    A change picks one searched part (a cell kind or a site class) and one of its ways to change: for cells an
    operation, an input or a node; for expressions a form, a swap of arguments or a subtree.
    """
    parts: list[Callable[[Genome], Genome]] = [
        lambda g, kind=kind: g.with_cell(kind, mutate_cell(g.cell_by_kind[kind], kind, space, rng))  # type: ignore[misc]
        for kind in space.free_kinds
    ]
    parts += [
        lambda g, site=site: g.with_expression(  # type: ignore[misc]
            site, mutate_expression(g.expression_by_site[site], space, rng)
        )
        for site in space.free_sites
    ]
    if not parts:
        return genome
    genome = pick(rng, parts)(genome)
    while rng.random() < GO_ON:
        genome = pick(rng, parts)(genome)
    return genome


def mutate_cell(cell: Cell, kind: str, space: Space, rng: Generator) -> Cell:
    """Return the cell with another operation on an edge, another input of a node, or a node drawn anew."""
    node = pick(rng, space.own_nodes)
    edges = list(cell.into(node))
    way = pick(rng, ("operation", "input", "node"))
    at = int(rng.integers(len(edges)))
    source, target, operation = edges[at]
    if way == "operation":
        others = [name for name in space.offered[kind] if name != operation]
        if others:
            edges[at] = Edge(source, target, pick(rng, others))
    elif way == "input":
        free = [number for number in range(node) if number not in {edge.source for edge in edges}]
        if free:
            edges[at] = Edge(pick(rng, free), target, operation)
    else:
        edges = list(space.sample_node(kind, node, rng))
    return cell.with_node(node, tuple(sorted(edges)))


def mutate_expression(expression: Expression, space: Space, rng: Generator) -> Expression:
    """Return the expression with another form in one slot, two arguments swapped, or a subtree drawn anew."""
    genes = genes_of(space.shape, space.alphabet, expression)
    if genes is None:
        return space.sample_expression(rng)
    way = pick(rng, ("form", "swap", "subtree"))
    roles = space.shape.roles()
    changed = list(genes)
    if way == "form":
        at = int(rng.integers(len(genes)))
        others = [name for name in space.alphabet.names(roles[at]) if name != genes[at]]
        changed[at] = pick(rng, others) if others else genes[at]
    elif way == "swap":
        pairs = [block for block in _pairs(space)]
        if pairs:
            (a, b), (c, d) = pick(rng, pairs)
            changed[a:b], changed[c:d] = genes[c:d], genes[a:b]
    else:
        start, stop = pick(rng, space.shape.blocks())
        changed[start:stop] = sample_genes(space.shape, space.alphabet, rng)[start:stop]
    return express(space.shape, tuple(changed), space.forms)


def _pairs(space: Space) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the blocks of genes of the two arguments of every binary slot whose arguments have the same shape."""
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []

    def walk(shape: object, start: int) -> None:
        children = shape.children  # type: ignore[attr-defined]
        if len(children) == 2 and children[0] == children[1] and children[0].size:
            middle = start + 1 + children[0].size
            found.append(((start + 1, middle), (middle, middle + children[1].size)))
        at = start + 1
        for child in children:
            walk(child, at)
            at += child.size

    walk(space.shape, 0)
    return found


def mate(a: Genome, b: Genome, space: Space, rng: Generator) -> tuple[Genome, Genome]:
    """Return two children: every node of every searched cell, and one subtree of every searched expression, comes from
    either parent by a fair coin; what one child gets, the other does not.
    """
    for kind in space.free_kinds:
        left, right = a.cell_by_kind[kind], b.cell_by_kind[kind]
        for node in space.own_nodes:
            if rng.random() < 0.5:
                own, other = left.into(node), right.into(node)
                left, right = left.with_node(node, other), right.with_node(node, own)
        a, b = a.with_cell(kind, left), b.with_cell(kind, right)
    for site in space.free_sites:
        own_genes = genes_of(space.shape, space.alphabet, a.expression_by_site[site])
        other_genes = genes_of(space.shape, space.alphabet, b.expression_by_site[site])
        if own_genes is None or other_genes is None or rng.random() >= 0.5:
            continue
        start, stop = pick(rng, space.shape.blocks())
        first, second = _exchanged(own_genes, other_genes, start, stop)
        a = a.with_expression(site, express(space.shape, first, space.forms))
        b = b.with_expression(site, express(space.shape, second, space.forms))
    return a, b


def _exchanged(a: Genes, b: Genes, start: int, stop: int) -> tuple[Genes, Genes]:
    """Return both tuples with the genes start..stop exchanged."""
    return a[:start] + b[start:stop] + a[stop:], b[:start] + a[start:stop] + b[stop:]
