"""The mixed network: the shared network with all operations on all edges at work, each times its share.

A node is the sum over its edges of Σ_o p_o o(x), with the shares p of `evobnn.relax.formulas.softened`: DARTS, section
2.2. Zeroise has a share and is never run. Its modules are those of `evobnn.supernet`, so all is built by one builder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from evobnn._seeding import child_seed
from evobnn.errors import ExperimentError, message
from evobnn.nn import BinaryConv2d, CellBlock, Network, Site, binary_convolutions
from evobnn.nn.binary.layers import Layer, RealConv2d, batch_norm
from evobnn.relax.derive import edges_of
from evobnn.relax.formulas import softened
from evobnn.supernet import Supernet
from evobnn.supernet.build import cells_of


class Mixed(nn.Module):
    """Images (N, C, H, W) -> logits (N, classes), with all operations on all edges of the cells that are searched.

    Arguments:
        supernet: whose network becomes part of this one.
        start: standard deviation of alpha as it begins.
        root: seed of that.

    Attributes:
        alphas: by kind of cell, (edges, operations): see `edges_of` and `Space.offered`.
        temperature: by which alpha is divided.
        norms: behind operations without weights, by cell and number of the operation; not affine.
    """

    def __init__(self, supernet: Supernet, start: float, root: int) -> None:
        super().__init__()
        network, space = supernet.network, supernet.bench.space
        if not isinstance(network, Network):  # the space has no cells
            raise ExperimentError(message("a network of cells", type(network).__name__, "Take a space with cells."))
        self.network, self.temperature = network, 1.0
        draw = torch.Generator().manual_seed(child_seed(root, "relax", "alpha"))
        rows = {edge: row for row, edge in enumerate(edges_of(space))}
        self.alphas = nn.ParameterDict()
        for kind in space.free_kinds:
            shape = len(rows), len(space.offered[kind])
            begun = start * torch.randn(shape, generator=draw)
            self.alphas[kind] = nn.Parameter(begun.to(supernet.bench.device))
        self.norms = nn.ModuleDict()
        self._at: list[tuple[str, dict[int, tuple[int, int]]]] = []
        kinds = supernet.bench.protocol.network.kinds
        for index, (cell, kind, numbers) in enumerate(zip(cells_of(network), kinds, supernet.numbers, strict=True)):
            free = kind in space.free_kinds
            places = {
                number: (rows[edge.source, edge.target], space.offered[kind].index(edge.operation))
                for edge, number in (numbers if free else {}).items()
            }
            self._at.append((kind, places))
            for number in places:
                if next(cell.ops[number].parameters(), None) is None and not isinstance(cell.ops[number], nn.Identity):
                    self.norms[f"{index}-{number}"] = batch_norm(cell.channels, affine=False).to(supernet.bench.device)

    def tables(self) -> dict[str, Tensor]:
        """Return alpha, by kind of cell."""
        return dict(self.alphas.items())

    def shares(self) -> dict[str, Tensor]:
        """Return the shares of all operations, by kind of cell."""
        return {kind: softened(table, self.temperature) for kind, table in self.tables().items()}

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        network, shares = self.network, self.shares()
        s0 = s1 = network.stem(x)
        if network.second is not None:
            s1 = network.second(s0)
        for index, cell in enumerate(cells_of(network)):
            kind, places = self._at[index]
            s0, s1 = s1, self._cell(index, cell, s0, s1, shares[kind], places) if places else cell(s0, s1)
        logits: Tensor = network.head(s1)
        return logits

    def _cell(
        self, index: int, cell: CellBlock, s0: Tensor, s1: Tensor, shares: Tensor,
        places: Mapping[int, tuple[int, int]],
    ) -> Tensor:  # fmt: skip
        values = [s0 if cell.pre0 is None else cell.pre0(s0), s1 if cell.pre1 is None else cell.pre1(s1)]
        for edges in cell.wired:
            terms = (
                shares[places[number]] * self._through(f"{index}-{number}", cell.ops[number], values[source])
                for source, number in edges
            )
            total = next(terms)
            for term in terms:
                total = total + term
            values.append(total)
        out = torch.cat(values[2:], 1)
        return out if cell.skip is None else out + cell.skip(s1)

    def _through(self, name: str, operation: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = operation(x)
        return self.norms[name](out) if name in self.norms else out

    @property
    def weights(self) -> list[nn.Parameter]:
        """All parameters but alpha that learn."""
        own = {id(table) for table in self.alphas.values()}
        return [p for p in self.parameters() if id(p) not in own and p not in self._fixed]

    _fixed: frozenset[nn.Parameter] = frozenset()

    def fix(self, parameters: list[nn.Parameter]) -> None:
        """Let parameters stay as they are from now on."""
        self._fixed = frozenset([*self._fixed, *parameters])
        for parameter in parameters:
            parameter.requires_grad_(False)

    @contextmanager
    def only_alpha(self) -> Iterator[None]:
        """Ask for no gradient but that of alpha, within the block."""
        weights = self.weights
        for parameter in weights:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in weights:
                parameter.requires_grad_(True)

    @contextmanager
    def only_weights(self) -> Iterator[None]:
        """Ask for no gradient of alpha, within the block."""
        self.alphas.requires_grad_(False)
        try:
            yield
        finally:
            self.alphas.requires_grad_(True)


def plain_norms(mixed: Mixed) -> None:
    """Let no batch norm of a cell be affine, as in DARTS's search and the two that follow it."""
    norms = [m for cell in cells_of(mixed.network) for m in cell.modules() if isinstance(m, nn.BatchNorm2d)]
    mixed.fix([p for norm in norms for p in (norm.weight, norm.bias) if p is not None])


def real_inputs(mixed: Mixed) -> None:
    """Let preprocessing of a cell's inputs be real: weights as they are, and no sign before them (BNAS's search)."""
    for cell in cells_of(mixed.network):
        for before in (cell.pre0, cell.pre1):
            for module in [] if before is None else list(before.modules()):
                if isinstance(module, BinaryConv2d):
                    module.real = True
                for name, child in module.named_children():
                    if isinstance(child, Site):
                        setattr(module, name, nn.Identity())
                if isinstance(module, Layer):
                    module.quick = None


def last_left_real(mixed: Mixed) -> int:
    """Leave real as many of the last binary convolutions as the cells have convolutions that are real on purpose,
    preprocessing and skips, and return how many: an error of BNAS's code, which counts those and then skips others.
    With its 8 cells, 2 of them reductions, these are 18.
    """
    cells = cells_of(mixed.network)
    before = [m for cell in cells for m in (cell.pre0, cell.pre1) if m is not None]
    skips = [m for cell in cells if cell.skip is not None for m in cell.skip.modules() if isinstance(m, RealConv2d)]
    count = len(before) + len(skips)
    last = [conv for cell in cells for operation in cell.ops for conv in binary_convolutions(operation)][-count:]
    for conv in last:
        conv.real = True
    return len(last)
