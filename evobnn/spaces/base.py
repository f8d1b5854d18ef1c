"""What may be chosen: the template (how cells are stacked) and the space (which genomes exist)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evobnn._checks import check_at_least, check_between, check_name
from evobnn._seeding import Generator, pick
from evobnn.errors import GenomeError, message, unknown_name
from evobnn.genome import FORMS, OPERATIONS, Cell, Edge, Expression, FormSpec, Genome, OpSpec, parse_genome
from evobnn.spaces.shapes import ENCODING_1, Alphabet, Shape, express, genes_of, sample_genes

NORMAL, REDUCTION = "normal", "reduction"


@dataclass(frozen=True)
class Template:
    """How cells become a network: fields of the protocol.

    Attributes:
        cells: number of cells in the stack.
        width: channels of each node of the first cells; a reduction cell doubles it.
        reductions: number of reduction cells, at floor(i * cells / (reductions + 1)), i = 1, 2, ...
        skip: of reduction cells: `published` (batch norm and a real 2x2 convolution of stride 2 with bias) or `free`
            (average pooling and channel repeat, no parameters). Normal cells add the previous cell's output.
        padding: of binary convolutions: `zero` (a third value at the borders) or `minus_one`.
        scale: of binary weights: `none` or `mean` (|w| averaged per filter).
        stem: channels behind the real-valued stem, in multiples of `width`, rounded to a whole number of them.
        head: the last map is averaged to head x head values per channel before the real-valued linear layer; 1 is the
            published global average. On small centred images, where a stroke is says much, and 1 forgets it.
    """

    cells: int = 20
    width: int = 36
    reductions: int = 2
    skip: str = "published"
    padding: str = "zero"
    scale: str = "mean"
    stem: float = 3.0
    head: int = 1

    def __post_init__(self) -> None:
        check_at_least("network.cells", self.cells, 1)
        check_at_least("network.width", self.width, 1)
        check_between("network.stem", self.stem, 1.0 / self.width, 100.0)
        check_at_least("network.head", self.head, 1)
        check_at_least("network.reductions", self.reductions, 0)
        if self.cells <= self.reductions:
            check_at_least("network.cells", self.cells, self.reductions + 1)
        check_name("network.skip", self.skip, ("published", "free"))
        check_name("network.padding", self.padding, ("zero", "minus_one"))
        check_name("network.scale", self.scale, ("none", "mean"))

    @property
    def stem_channels(self) -> int:
        """Channels behind the stem."""
        return max(1, round(self.width * self.stem))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of every cell in the stack, in order."""
        at = {i * self.cells // (self.reductions + 1) for i in range(1, self.reductions + 1)}
        return tuple(REDUCTION if i in at else NORMAL for i in range(self.cells))

    def smallest_maps(self, size: int) -> dict[str, int]:
        """Return, by kind, the side in pixels of the smallest map a cell of it works on, for images of this side."""
        found: dict[str, int] = {}
        for kind in self.kinds:
            size = -(-size // 2) if kind == REDUCTION else size
            found[kind] = min(size, found.get(kind, size))
        return found


@dataclass(frozen=True)
class Space:
    """A set of genomes: which operations, wirings and expressions may be chosen.

    Attributes:
        name: permanent; stored in files.
        reference: paper and section that it follows.
        kinds: kinds of cell a genome has.
        offered: operations that may be chosen, by kind.
        nodes: own nodes of each cell.
        inputs: edges into each node, from different earlier nodes.
        sites: classes of sites with an expression of their own.
        shape: of every expression.
        alphabet: forms that may fill its slots.
        frozen: cells and expressions that are given and neither drawn nor varied.
        operations: what the names of operations mean.
        forms: what the names of forms mean.
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

    def __post_init__(self) -> None:
        for kind, cell in self.frozen.cells:
            self._check_nodes(kind, cell)

    @property
    def own_nodes(self) -> range:
        """Numbers of the nodes behind the two inputs."""
        return range(2, 2 + self.nodes)

    @property
    def free_kinds(self) -> tuple[str, ...]:
        """Kinds whose cell is searched."""
        return tuple(kind for kind in self.kinds if kind not in self.frozen.cell_by_kind)

    @property
    def free_sites(self) -> tuple[str, ...]:
        """Site classes whose expression is searched."""
        return tuple(site for site in self.sites if site not in self.frozen.expression_by_site)

    def parse(self, text: str) -> Genome:
        """Return the genome of this text; frozen parts may be left out of it.

        Raises:
            GenomeError: malformed text, or something a network of this space cannot be built from.
        """
        genome = parse_genome(text, self.operations, self.forms)
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
        known = ["net", NORMAL, REDUCTION]
        known += [f"{kind}/{node}" for kind in (NORMAL, REDUCTION) for node in self.own_nodes]
        for site in genome.expression_by_site:
            if site not in known:
                raise GenomeError(unknown_name("class of sites", site, known))

    def _check_nodes(self, kind: str, cell: Cell) -> None:
        highest = max((edge.target for edge in cell.edges), default=0)
        if highest not in (0, *self.own_nodes):
            raise GenomeError(
                message(f"nodes 2 to {1 + self.nodes} in {kind}[...]", f"node {highest}", "Renumber or remove it.")
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
        if len(edges) != self.inputs or len(set(sources)) != len(sources):
            got = f"{len(edges)} from {sorted(sources)}"
            raise GenomeError(
                message(f"{self.inputs} inputs from different nodes at {kind} node {node}", got, "Rewire it.")
            )
        for edge in edges:
            if edge.operation not in self.offered[kind]:
                offered = ", ".join(self.offered[kind])
                raise GenomeError(
                    message(f"one of {offered} at {kind} node {node}", edge.operation, "Choose one of these.")
                )

    def sample_node(self, kind: str, node: int, rng: Generator) -> tuple[Edge, ...]:
        """Return uniformly drawn edges into one node: different sources, any offered operation."""
        sources = sorted(int(s) for s in rng.choice(node, size=self.inputs, replace=False))
        return tuple(Edge(source, node, pick(rng, self.offered[kind])) for source in sources)

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

    def extremes(self, source: int = 1) -> tuple[Genome, Genome]:
        """Return the genomes with the least and the most work: as few live edges as still carry the image, and the
        largest binary window on every edge with both inputs in use. Frozen parts stay.

        Which input is cheaper to read, 0 or 1, is the template's affair; `source` says from which the least one does.
        """

        def taps(kind: str, name: str) -> int:
            spec = self.operations[name]
            return spec.kernel**2 if spec.binary else 0

        least, most = self.frozen.cell_by_kind, self.frozen.cell_by_kind
        for kind in self.free_kinds:
            by_work = sorted(self.offered[kind], key=lambda name: (taps(kind, name), name))
            nothing = [n for n in by_work if self.operations[n].nothing]
            carrier = next((n for n in by_work if n not in nothing), by_work[0])
            idle = nothing[0] if nothing else by_work[0]
            sources = range(self.inputs)
            edges = [Edge(s, node, idle) for node in self.own_nodes for s in sources]
            if kind == NORMAL:
                edges[source] = Edge(source, 2, carrier)
            least[kind] = Cell(tuple(edges))
            most[kind] = Cell(tuple(Edge(s, node, by_work[-1]) for node in self.own_nodes for s in sources))
        plain = genes_or_frozen(self, self.alphabet.unary[0])
        learnable = [n for n in self.alphabet.unary if self.forms[n].learnable]
        heavy = genes_or_frozen(self, learnable[0] if learnable else self.alphabet.unary[0])
        return (
            Genome.of({k: least[k] for k in self.kinds}, plain),
            Genome.of({k: most[k] for k in self.kinds}, heavy),
        )


def genes_or_frozen(space: Space, unary: str) -> dict[str, Expression]:
    """Return an expression by site: the frozen one, else the shape filled with `unary` and a binary form, one with
    learnable parts where `unary` has some.
    """
    rich = bool(space.forms[unary].learnable)
    binary = next(
        (n for n in space.alphabet.binary if bool(space.forms[n].learnable) == rich), (*space.alphabet.binary, "")[0]
    )
    genes = tuple(unary if role == "unary" else binary for role in space.shape.roles())
    drawn = express(space.shape, genes, space.forms)
    return {site: space.frozen.expression_by_site.get(site, drawn) for site in space.sites}


def offered_at(names: tuple[str, ...], operations: Mapping[str, OpSpec], size: int) -> tuple[str, ...]:
    """Return the operations whose window lies at least half inside a map of size x size pixels, in mean."""
    return tuple(name for name in names if operations[name].taps_inside(size) >= 0.5)
