"""The shared network: every operation that is offered on every edge, and a choice of expressions at every site.

It is what `decode` makes of a genome that has all of them, so that each part is the one that a genome's own network
has. A site keeps the expressions that learn vectors; those without any hold no numbers and are made when selected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import nn

from evobnn._seeding import child_seed
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Bench
from evobnn.genome import Cell, Edge, Expression, Genome, X
from evobnn.machine.workers import room
from evobnn.nn import CellBlock, Network, Site, TreeActivation, set_modes
from evobnn.nn.counting.hollow import unfilled
from evobnn.spaces import Space, canonical
from evobnn.supernet.expressions import given_at, offered
from evobnn.training import Edges

COPIES = 4
"""Of each number that is learned: value, gradient, two moments."""
_NUMBER = 4
_MODULE = 6_000
"""Bytes of an expression with vectors at a site besides these: modules and tensors. Measured: 5.9 kB."""


@dataclass(frozen=True)
class Place:
    """A site of the network and the classes it belongs to, the narrowest first."""

    site: Site
    classes: tuple[str, ...]


Holder = tuple[int, str]
"""Where sites are: number of the cell or block, and `pre0`, `pre1` or the number of an operation; in a block `all`."""


@dataclass(eq=False)
class Supernet:
    """The shared network of a bench, on its device. Which genome it computes is the affair of `select`.

    Attributes:
        network: as `decode` makes it.
        edges: of the network, as `evobnn.training.inherit` wants them.
        numbers: for each cell the number of an operation by its edge.
        places: sites by where they are.
        expressions: with vectors, that all searched sites keep.
    """

    bench: Bench
    network: nn.Module
    edges: Edges
    numbers: tuple[Mapping[Edge, int], ...]
    places: Mapping[Holder, tuple[Place, ...]]
    expressions: tuple[Expression, ...]
    _plain: dict[tuple[Expression, int], TreeActivation] = field(default_factory=dict)

    def activation(self, site: Site, expression: Expression) -> nn.Module | None:
        """Return what computes an expression at a site: the site's own where it keeps it, else a new one, whose
        vectors are as they begin.
        """
        if expression == X:
            return None
        kept: dict[Expression, nn.Module] = site.__dict__["by_expression"]
        if expression in kept:
            return kept[expression]
        known = expression, site.channels
        if known not in self._plain:
            made = TreeActivation(expression.nested(), site.channels, self.bench.additions.computed_forms)
            made = made.to(self.bench.device)
            if next(made.parameters(), None) is not None:
                return made
            self._plain[known] = made
        return self._plain[known]


def whole(space: Space) -> Genome:
    """Return the genome of every offered operation on every edge of the cells that are searched, with plain signs;
    Zeroise, which is never run, is left out.
    """
    cells = space.frozen.cell_by_kind
    for kind in space.free_kinds:
        names = [name for name in space.offered[kind] if not space.operations[name].nothing]
        cells[kind] = Cell(tuple(Edge(s, n, name) for n in space.own_nodes for s in range(n) for name in names))
    return canonical(space, Genome.of({kind: cells[kind] for kind in space.kinds}, {"net": X}))


def build(bench: Bench, root: int, expressions: int, setting: str = "shared.expressions") -> Supernet:
    """Return the shared network of a bench, its weights drawn from the root seed.

    Arguments:
        bench: whose space, template and recipe it has.
        root: seed of a run.
        expressions: how many of those with vectors every site keeps, at most; the same at all sites, drawn from the
            root seed.
        setting: where people set that.

    Raises:
        ExperimentError: more than the memory that is free holds.
    """
    one = bench.phenotype(whole(bench.space))
    recipe = bench.protocol.recipe
    check_room(bench, expressions, setting)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(root, "supernet", "weights"))
        network = one.network(weights=recipe.weights)
    kept = offered(bench.space, expressions, root)
    places: dict[Holder, list[Place]] = {}
    for where, place in _sites(bench, network):
        places.setdefault(where, []).append(place)
        _furnish(bench, place, kept)
    if recipe.activations == "real":
        set_modes(network, "real", recipe.weights)
    network = network.to(bench.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    cells = one.canonical.cell_by_kind
    built = [cells[kind].edges for kind in bench.protocol.network.kinds if kind in cells]
    numbers = tuple({edge: number for number, edge in enumerate(edges)} for edges in built)
    return Supernet(bench, network, one.edges, numbers, {at: tuple(there) for at, there in places.items()}, kept)


def _sites(bench: Bench, network: nn.Module) -> Iterator[tuple[Holder, Place]]:
    """Yield every site with where it is, in the order of the cells or blocks."""
    kinds = bench.protocol.network.kinds
    if not isinstance(network, Network):
        for index, (block, kind) in enumerate(zip(network.blocks.children(), kinds, strict=True)):  # type: ignore[union-attr]
            yield from (((index, "all"), Place(site, (kind,))) for site in _in(block))
        return
    for index, (cell, kind) in enumerate(zip(cells_of(network), kinds, strict=True)):
        inputs = {"pre0": (cell.pre0, 0), "pre1": (cell.pre1, 1)}
        ends = [target for target, edges in enumerate(cell.wired, 2) for _ in edges]
        edges = {str(number): (op, target) for number, (op, target) in enumerate(zip(cell.ops, ends, strict=True))}
        for name, (module, number) in {**inputs, **edges}.items():
            for site in () if module is None else _in(module):
                yield (index, name), Place(site, (f"{kind}/{number}", kind))


def cells_of(network: Network) -> list[CellBlock]:
    """Return the cells of a network."""
    return [cell for cell in network.cells if isinstance(cell, CellBlock)]


def _in(module: nn.Module) -> list[Site]:
    return [part for part in module.modules() if isinstance(part, Site)]


def _furnish(bench: Bench, place: Place, kept: tuple[Expression, ...]) -> None:
    """Give a site its expressions with vectors. They are registered as `offered`; the one that is selected stands as
    `activation` beside, unregistered, so that names in the state do not depend on it.
    """
    site, given = place.site, given_at(bench.space, place.classes)
    forms = bench.additions.computed_forms
    own = kept if given is None else given
    made = {one: TreeActivation(one.nested(), site.channels, forms) for one in own}
    site.offered = nn.ModuleList(made.values())
    site.__dict__["by_expression"] = made


def check_room(bench: Bench, expressions: int, setting: str = "shared.expressions") -> None:
    """Raise ExperimentError where the network with so many expressions is larger than the memory that is free; no
    weight is drawn for it.
    """
    space = bench.space
    with unfilled():
        network = bench.network(whole(space))
    sites = [place.site for _, place in _sites(bench, network)]
    roles = space.shape.roles()
    all_there = prod(len(space.alphabet.names(role)) for role in roles)
    count = min(expressions, all_there) if space.free_sites else 0
    numbers = sum(parameter.numel() for parameter in network.parameters())
    vectors = count * sum(site.channels for site in sites)
    needed = _NUMBER * COPIES * (numbers + vectors) + _MODULE * count * len(sites)
    there = max(0, room(bench.device).usable)
    if needed > there:
        got = f"about {needed:,} for {count:,} expressions at each of {len(sites):,} sites"
        do = f"Lower {setting}, or take a smaller space or network."
        raise ExperimentError(message(f"a shared network of at most {there:,} bytes, the free memory", got, do))
