"""Crossover and mutation: pure functions of (genomes, space, generator) whose results are in the space by construction.

Frozen cells and expressions are left alone. Expressions vary through their genes (see `evobnn.spaces.shapes`): one
that does not have the space's shape is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from evobnn._seeding import Generator, pick
from evobnn.genome import Cell, Edge, Expression, Genome
from evobnn.spaces import Choose, Space, express, genes_of, sample_genes
from evobnn.spaces.shapes import Genes

GO_ON = 0.3
"""Probability of one more change after each change of a mutation."""


def mutate(genome: Genome, space: Space, rng: Generator, choose: Choose | None = None) -> Genome:
    """Return the genome with one change, and with probability 0.3 after each one more.

    A change picks one searched part (a cell kind or a site class) and one of its ways to change: for cells an
    operation, an input or a node; for expressions a form, a swap of arguments or a subtree.

    Arguments:
        genome: of the space.
        space: what may be chosen.
        rng: generator to draw from.
        choose: `choose(kind, source, target, names, rng)` picks a changed operation out of all others, and each of a
            node drawn anew out of all that are offered; without it `space.pick_operation` does.
    """
    parts: list[Callable[[Genome], Genome]] = [
        lambda g, kind=kind: g.with_cell(kind, mutate_cell(g.cell_by_kind[kind], kind, space, rng, choose))  # type: ignore[misc]
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


def mutate_cell(cell: Cell, kind: str, space: Space, rng: Generator, choose: Choose | None = None) -> Cell:
    """Return the cell with another operation on an edge, another input of a node, or a node drawn anew.

    Where every earlier node leads into each node there is no other input to take.
    """
    node = pick(rng, space.own_nodes)
    edges = list(cell.into(node))
    way = pick(rng, ("operation", "input", "node") if space.inputs else ("operation", "node"))
    at = int(rng.integers(len(edges)))
    source, target, operation = edges[at]
    if way == "operation":
        others = [name for name in space.offered[kind] if name != operation]
        if others:
            name = choose(kind, source, target, others, rng) if choose else space.pick_operation(others, rng)
            edges[at] = Edge(source, target, name)
    elif way == "input":
        free = [number for number in range(node) if number not in {edge.source for edge in edges}]
        if free:
            edges[at] = Edge(pick(rng, free), target, operation)
    else:
        edges = list(space.sample_node(kind, node, rng, choose))
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


def mutate_one(genome: Genome, space: Space, rng: Generator, choose: Choose | None = None) -> Genome:
    """Return the genome with exactly one gene changed to a different value, all genes and values equally probable;
    `choose` replaces the draw of an operation, as in `mutate`.

    Genes are the slots of searched expressions, and of searched cells each edge's operation and each edge's source.
    What can have one value only is no gene, nor is a slot below a constant, which leaves no trace. An expression that
    has not the space's shape is one gene, drawn anew. Source: GAAF's mutation (Li et al. 2023, section 1.4 of the fact
    sheet), there for one expression alone.
    """
    genes = [gene for kind in space.free_kinds for gene in _genes_of_cell(genome, kind, space, rng, choose)]
    genes += [gene for site in space.free_sites for gene in _genes_of_expression(genome, site, space, rng)]
    if not genes:
        return genome
    count, change = pick(rng, genes)
    return change(int(rng.integers(count)))


_Gene = tuple[int, Callable[[int], Genome]]
"""How many other values it can have, and the genome with the n-th of them."""


def _genes_of_cell(genome: Genome, kind: str, space: Space, rng: Generator, choose: Choose | None) -> Iterator[_Gene]:
    cell = genome.cell_by_kind[kind]

    def gene(node: int, edge: Edge, others: list[Edge]) -> _Gene:
        rest = [other for other in cell.into(node) if other != edge]
        return len(others), lambda n: genome.with_cell(kind, cell.with_node(node, tuple(sorted([*rest, others[n]]))))

    for edge in cell.edges:
        read = {other.source for other in cell.into(edge.target)}
        operations = [name for name in space.offered[kind] if name != edge.operation]
        sources = [number for number in range(edge.target) if number not in read]
        if operations:
            count, change = gene(edge.target, edge, [edge._replace(operation=name) for name in operations])
            yield (count, change) if choose is None else (1, _chosen(change, kind, edge, operations, rng, choose))
        if sources:
            yield gene(edge.target, edge, [edge._replace(source=number) for number in sources])


def _chosen(
    change: Callable[[int], Genome], kind: str, edge: Edge, names: list[str], rng: Generator, choose: Choose
) -> Callable[[int], Genome]:
    """Return a change whose operation is drawn by `choose`."""
    return lambda _: change(names.index(choose(kind, edge.source, edge.target, names, rng)))


def _genes_of_expression(genome: Genome, site: str, space: Space, rng: Generator) -> Iterator[_Gene]:
    expression = genome.expression_by_site[site]
    genes = genes_of(space.shape, space.alphabet, expression)
    if genes is None:
        yield 1, lambda _: genome.with_expression(site, space.sample_expression(rng))
        return

    def gene(genes: Genes, at: int, others: list[str]) -> _Gene:
        return len(others), lambda n: genome.with_expression(
            site, express(space.shape, (*genes[:at], others[n], *genes[at + 1 :]), space.forms)
        )

    for at, role in enumerate(space.shape.roles()):
        found = gene(genes, at, [name for name in space.alphabet.names(role) if name != genes[at]])
        if found[0] and found[1](0).expression_by_site[site] != expression:
            yield found


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
