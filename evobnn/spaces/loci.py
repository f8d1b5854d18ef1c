"""A genome as (locus, choice) pairs: what statistics over a population and one-hot encodings are made of."""

from __future__ import annotations

from evobnn.genome import Genome
from evobnn.spaces.base import Space
from evobnn.spaces.shapes import genes_of

Locus = tuple[str, str]
"""(`kind/source>target`, operation) for an edge, (`@site/slot`, form) for a slot of an expression."""


REMEMBERED = 1 << 11
"""Genomes whose loci a space keeps at hand."""


def edge_locus(kind: str, source: int, target: int) -> str:
    """Return the name of an edge as a place for operations."""
    return f"{kind}/{source}>{target}"


def edge_loci(space: Space) -> tuple[str, ...]:
    """Return every edge that a genome of the space may have, in order of kind, target and source."""
    return tuple(
        edge_locus(kind, source, target)
        for kind in space.free_kinds
        for target in space.own_nodes
        for source in range(target)
    )


def slot_locus(site: str, slot: int) -> str:
    """Return the name of a slot of an expression as a place for forms."""
    return f"@{site}/{slot}"


def slot_loci(space: Space) -> tuple[str, ...]:
    """Return every slot of the searched expressions, site by site, root first."""
    return tuple(slot_locus(site, slot) for site in space.free_sites for slot in range(space.shape.size))


def loci(space: Space, genome: Genome) -> tuple[Locus, ...]:
    """Return what was chosen at every searched place of the genome as it was bred; an absent edge has no pair.

    An expression without the space's shape counts as one choice in its first slot.
    """
    known = space.placed
    found = known.get(genome)
    if found is None:
        if len(known) >= REMEMBERED:
            known.clear()
        found = known[genome] = _loci(space, genome)
    return found


def _loci(space: Space, genome: Genome) -> tuple[Locus, ...]:
    found: list[Locus] = []
    cells = genome.cell_by_kind
    for kind in space.free_kinds:
        found += [(edge_locus(kind, e.source, e.target), e.operation) for e in sorted(cells[kind].edges)]
    for site in space.free_sites:
        expression = genome.expression_at(site, site.partition("/")[0])
        genes = genes_of(space.shape, space.alphabet, expression)
        forms = (str(expression),) if genes is None else genes
        found += [(slot_locus(site, slot), form) for slot, form in enumerate(forms)]
    return tuple(found)
