"""The space: which genomes exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle
from typing import Any

from evobnn._seeding import Generator, pick
from evobnn.errors import ExperimentError, GenomeError, message, unknown_name
from evobnn.genome import FORMS, OPERATIONS, Cell, Edge, Expression, FormSpec, Genome, OpSpec, Reader, X
from evobnn.spaces.shapes import ENCODING_1, Alphabet, Genes, Shape, embed, express, genes_of, sample_genes
from evobnn.spaces.template import NORMAL, REDUCTION

Choose = Callable[[str, int, int, Sequence[str], Generator], str]
"""`choose(kind, source, target, names, rng)` picks the operation of an edge out of `names`."""


@dataclass(frozen=True)
class Space:
    """A set of genomes: which operations, wirings and expressions may be chosen.

    Attributes:
        name: permanent; stored in files.
        reference: paper and section that it follows.
        kinds: kinds of cell a genome has; none where only expressions are searched in a given network.
        offered: operations that may be chosen, by kind.
        nodes: own nodes of each cell.
        inputs: edges into each node, from different earlier nodes; 0 for one from every earlier node.
        sites: classes of sites with an expression of their own.
        shape: of every expression.
        alphabet: forms that may fill its slots.
        frozen: cells and expressions that are given and neither drawn nor varied.
        operations: what the names of operations mean.
        forms: what the names of forms mean.
        gamma: divides the probability of Zeroise in every draw of an operation (BNAS, section 2.4 of the fact sheet:
            there it divides the weight of Zeroise when edges are chosen).
        blocks: kinds of residual block with sites, in a space without cells.
        carried: cells add the output of the cell before, so that one of zeros alone passes it on.
        maps: (kind, channels, side in pixels) of every cell of the stack; what `extremes` weighs work by. Without them
            a cell of 64 channels stands for each kind.
        candidates: operations offered before those were left out whose window is too large for a kind's maps.

    >>> from dataclasses import replace
    >>> digits = evobnn.preset("digits")
    >>> space = digits.space.build(digits.network, 8)
    >>> sines = replace(space, name="sines", alphabet=replace(space.alphabet, unary=("x", "sin")))
    >>> sines.sites
    ('normal', 'reduction')
    """

    name: str
    reference: str
    kinds: tuple[str, ...]
    offered: Mapping[str, tuple[str, ...]]
    nodes: int = 4
    inputs: int = 2
    sites: tuple[str, ...] = (NORMAL, REDUCTION)
    shape: Shape = ENCODING_1
    alphabet: Alphabet = Alphabet()
    frozen: Genome = Genome()
    operations: Mapping[str, OpSpec] = field(default_factory=lambda: OPERATIONS)
    forms: Mapping[str, FormSpec] = field(default_factory=lambda: FORMS)
    gamma: float = 1.0
    blocks: tuple[str, ...] = ()
    carried: bool = True
    maps: tuple[tuple[str, int, int], ...] = ()
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind, cell in self.frozen.cells:
            if not self.kinds:
                raise GenomeError(message(f"no cells in the space {self.name}", f"{kind}[...]", "Leave it out."))
            self._check_nodes(kind, cell)
        self._check_sites(self.frozen)
        names = self.candidates or tuple(name for kind in self.free_kinds for name in self.offered.get(kind, ()))
        if self.free_kinds and all(self.operations[name].nothing for name in names):
            wanted = f"an operation that computes something among those offered by the space {self.name}"
            got = f"only {', '.join(dict.fromkeys(names))}" if names else "none"
            raise ExperimentError(message(wanted, got, "Add one to space.offered, or give the cells by space.freeze."))

    @property
    def own_nodes(self) -> range:
        """Numbers of the nodes behind the two inputs."""
        return range(2, 2 + self.nodes)

    def degree(self, node: int) -> int:
        """Return the number of edges into a node."""
        return self.inputs or node

    @property
    def free_kinds(self) -> tuple[str, ...]:
        """Kinds whose cell is searched."""
        return tuple(kind for kind in self.kinds if kind not in self.frozen.cell_by_kind)

    @property
    def free_sites(self) -> tuple[str, ...]:
        """Site classes whose expression is searched."""
        return tuple(site for site in self.sites if site not in self.frozen.expression_by_site)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.operations, self.forms)

    @cached_property
    def simplified(self) -> dict[Expression, Expression]:
        """Canonical forms of expressions that were asked for before, see `evobnn.spaces.canonical`."""
        return {}

    @cached_property
    def placed(self) -> dict[Genome, tuple[tuple[str, str], ...]]:
        """Loci of genomes that were asked for before, see `evobnn.spaces.loci`."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        worked_out = ("_reader", "simplified", "placed")
        return {name: value for name, value in self.__dict__.items() if name not in worked_out}

    def parse(self, text: str) -> Genome:
        """Return the genome of this text; frozen parts may be left out of it.

        Raises:
            GenomeError: malformed text, or something a network of this space cannot be built from.
        """
        genome = self._reader.read(text)
        if self.frozen == Genome():
            self.check_buildable(genome)
            return genome
        cells = {**self.frozen.cell_by_kind, **genome.cell_by_kind}
        expressions = genome.expression_by_site
        if "net" not in expressions:
            expressions = {**self.frozen.expression_by_site, **expressions}
        completed = Genome.of(cells, expressions)
        self.check_buildable(completed)
        return completed

    def check_buildable(self, genome: Genome) -> None:
        """Raise GenomeError where a network cannot be built: a kind without cell, a node or site that is not there."""
        cells = genome.cell_by_kind
        for kind in cells:
            if kind not in (NORMAL, REDUCTION):
                raise GenomeError(unknown_name("kind of cell", kind, (NORMAL, REDUCTION)))
        for kind in self.kinds:
            if kind not in cells:
                raise GenomeError(message(f"a cell '{kind}'", f"cells {list(cells) or 'none'}", f"Add {kind}[...]."))
            self._check_nodes(kind, cells[kind])
        self._check_sites(genome)

    def _check_sites(self, genome: Genome) -> None:
        known = ["net", NORMAL, REDUCTION]
        if self.kinds:
            known += [f"{kind}/{node}" for kind in (NORMAL, REDUCTION) for node in range(2 + self.nodes)]
        for site in genome.expression_by_site:
            if site not in known:
                raise GenomeError(unknown_name("class of sites", site, known))

    def _check_nodes(self, kind: str, cell: Cell) -> None:
        highest = max((edge.target for edge in cell.edges), default=0)
        if highest not in (0, *self.own_nodes):
            raise GenomeError(
                message(
                    f"nodes 2 to {1 + self.nodes} in {kind}[...]",
                    f"node {highest}",
                    f"Renumber it, or set space.nodes to {highest - 1}.",
                )
            )

    def check(self, genome: Genome) -> None:
        """Raise GenomeError, naming the place, where the genome is not one of this space."""
        self.check_buildable(genome)
        for kind in genome.cell_by_kind:
            if kind not in self.kinds:
                raise GenomeError(message(f"cells {list(self.kinds)}", f"also {kind}[...]", "Leave it out."))
        for site in genome.expression_by_site:
            if site not in (*self.sites, *self.frozen.expression_by_site):
                raise GenomeError(message(f"expressions for {list(self.sites)}", f"also @{site}", "Leave it out."))
        for kind in self.kinds:
            if kind in self.frozen.cell_by_kind:
                if genome.cell_by_kind[kind] != self.frozen.cell_by_kind[kind]:
                    raise GenomeError(message(f"the frozen {kind} cell", "another one", "Leave it out of the text."))
                continue
            for node in self.own_nodes:
                self._check_node(kind, node, genome.cell_by_kind[kind].into(node))
        for site in self.sites:
            expression = genome.expression_by_site.get(site)
            wanted = self.frozen.expression_by_site.get(site)
            if wanted is not None and expression != wanted:
                raise GenomeError(message(f"the frozen @{site} = {wanted}", str(expression), "Leave it out."))
            if wanted is None and (expression is None or genes_of(self.shape, self.alphabet, expression) is None):
                example = express(self.shape, tuple(self.alphabet.names(r)[0] for r in self.shape.roles()))
                raise GenomeError(
                    message(f"@{site} as an expression of the shape {example}", str(expression), "Fill the slots.")
                )

    def _check_node(self, kind: str, node: int, edges: tuple[Edge, ...]) -> None:
        sources = [edge.source for edge in edges]
        if len(edges) != self.degree(node) or len(set(sources)) != len(sources):
            got = f"{len(edges)} from {sorted(sources)}"
            raise GenomeError(
                message(f"{self.degree(node)} inputs from different nodes at {kind} node {node}", got, "Rewire it.")
            )
        for edge in edges:
            if edge.operation not in self.offered[kind]:
                offered = ", ".join(self.offered[kind])
                raise GenomeError(
                    message(f"one of {offered} at {kind} node {node}", edge.operation, "Choose one of these.")
                )

    def pick_operation(self, names: Sequence[str], rng: Generator) -> str:
        """Return one of these operations: all equally probable, but Zeroise `gamma` times less than another."""
        if self.gamma == 1.0:
            return pick(rng, names)
        weights = [1.0 / self.gamma if self.operations[name].nothing else 1.0 for name in names]
        at = rng.random() * sum(weights)
        for name, weight in zip(names, weights, strict=True):
            at -= weight
            if at < 0.0:
                return name
        return names[-1]

    def sample_node(self, kind: str, node: int, rng: Generator, choose: Choose | None = None) -> tuple[Edge, ...]:
        """Return drawn edges into one node: different sources, all sets equally probable, any offered operation.

        The operations are drawn by `pick_operation`, or by `choose` edge by edge.
        """
        drawn = rng.choice(node, size=self.inputs, replace=False) if self.inputs else range(node)
        offered, edges = self.offered[kind], []
        for source in sorted(int(s) for s in drawn):
            name = choose(kind, source, node, offered, rng) if choose else self.pick_operation(offered, rng)
            edges.append(Edge(source, node, name))
        return tuple(edges)

    def sample_expression(self, rng: Generator) -> Expression:
        """Return an expression with uniformly drawn genes."""
        return express(self.shape, sample_genes(self.shape, self.alphabet, rng), self.forms)

    def sample(self, rng: Generator) -> Genome:
        """Return a uniformly drawn genome of the space, frozen parts in place."""
        cells = self.frozen.cell_by_kind
        for kind in self.free_kinds:
            cells[kind] = Cell(tuple(e for node in self.own_nodes for e in self.sample_node(kind, node, rng)))
        expressions = {**self.frozen.expression_by_site}
        for site in self.free_sites:
            expressions[site] = self.sample_expression(rng)
        return Genome.of({kind: cells[kind] for kind in self.kinds}, expressions)

    def work(self, kind: str, operation: str, source: int) -> int:
        """Return the binary multiply-accumulates of an edge from this source, summed over all cells of the kind."""
        stride = 2 if kind == REDUCTION and source < 2 else 1
        cells = [(channels, side) for at, channels, side in self.maps if at == kind] or [(64, 1)]
        return sum(side * side * self.operations[operation].macs(channels, stride) for channels, side in cells)

    def _by_work(self, kind: str, source: int) -> list[str]:
        """Return the operations offered to an edge from this source, those with the least work first."""
        return sorted(
            self.offered[kind],
            key=lambda name: (self.work(kind, name, source), self.operations[name].kernel, name),
        )

    def extremes(self, source: int = 1, reducing: int | None = None) -> tuple[Genome, Genome]:
        """Return the genomes with the least and the most work: as few live edges as still carry the image, and the
        operation with the most multiply-accumulates on every edge with both inputs in use. Frozen parts stay.

        Which input is cheaper to read, 0 or 1, is the template's affair (`evobnn.spaces.cheapest` knows it): `source`
        says from which the normal cell of the least one does, and `reducing` from which the reduction cell, if that is
        another and cells have no skip.
        """
        other = source if reducing is None else reducing
        least = self.least({NORMAL: source, REDUCTION: None if self.carried else other})
        most = self.frozen.cell_by_kind
        for kind in self.free_kinds:
            most[kind] = Cell(
                tuple(Edge(s, n, self._by_work(kind, s)[-1]) for n in self.own_nodes for s in range(self.degree(n)))
            )
        return least, self.completed(most, self.richest())

    def least(self, sources: Mapping[str, int | None]) -> Genome:
        """Return the genome with the least work in which a cell of each kind reads this input, or none at all.

        Such a cell is Zeroise but for one edge. Where Zeroise is not offered it has the cheapest operations, as few of
        them as can be on edges from the inputs.
        """
        cells = self.frozen.cell_by_kind
        for kind in self.free_kinds:
            nothing = [name for name in self.offered[kind] if self.operations[name].nothing]
            edges = {
                (s, n): nothing[0] if nothing else self._by_work(kind, s)[0]
                for n in self.own_nodes
                for s in (range(self.degree(n)) if nothing else range(n - self.degree(n), n))
            }
            source = sources[kind]
            if nothing and source is not None:
                carriers = [name for name in self._by_work(kind, source) if name not in nothing] or nothing
                edges[source, 2] = carriers[0]
            cells[kind] = Cell(tuple(Edge(s, n, name) for (s, n), name in edges.items()))
        return self.completed(cells, self.plainest())

    def completed(self, cells: Mapping[str, Cell], expression: Expression) -> Genome:
        """Return the genome with these cells and this expression at every free site."""
        frozen = self.frozen.expression_by_site
        return Genome.of(
            {kind: cells[kind] for kind in self.kinds}, {site: frozen.get(site, expression) for site in self.sites}
        )

    def plainest(self) -> Expression:
        """Return an expression of the space that is x, or else one without learnable parts if there is one."""
        names = (
            next((n for n in self.alphabet.names(role) if not self.forms[n].learnable), self.alphabet.names(role)[0])
            for role in self.shape.roles()
        )
        return embed(self.shape, self.alphabet, X, self.forms) or express(self.shape, tuple(names), self.forms)

    def richest(self) -> Expression:
        """Return an expression with the most steps and learnable parts; different forms side by side where they have
        none, so that no rule makes them fewer.
        """

        def best(role: str) -> list[str]:
            worth = {n: (bool(self.forms[n].learnable), self.forms[n].arity) for n in self.alphabet.names(role)}
            found = [n for n in worth if worth[n] == max(worth.values())]
            return found[:1] if self.forms[found[0]].learnable else found

        names = {role: cycle(best(role)) for role in set(self.shape.roles())}
        genes: Genes = tuple(next(names[role]) for role in self.shape.roles())
        return express(self.shape, genes, self.forms)
