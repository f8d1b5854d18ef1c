"""The cells of a network as one function, forward and backward, with the images innermost from the stem to the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evobnn.nn.cells.blocks import CellBlock
from evobnn.nn.fast.lanes.calls import Lanes, lanes_of, tensor_of
from evobnn.nn.fast.lanes.steps import LayerStep, Step, step_of

MOST_PIXELS = 256
"""Of a map: beyond, a library's convolution is quicker."""
S0, S1 = 0, 1


@dataclass(frozen=True)
class Cell:
    """A cell of steps.

    Attributes:
        before: what brings s0 and s1 to the cell's width; None where no edge reads it.
        edges: for each node the (source, step) that end there; sources as in `CellBlock`.
        channels: of a node. stride: of the cell.
        skip: from s1 to the output, or None.
        block: the module, with what was in it.
    """

    before: tuple[Step | None, Step | None]
    edges: tuple[tuple[tuple[int, Step], ...], ...]
    channels: int
    stride: int
    skip: Step | None
    block: CellBlock
    parts: tuple[nn.Module | None, ...]

    def steps(self) -> Iterator[Step]:
        """Yield all steps, in the order in which they are first run."""
        yield from (step for step in self.before if step is not None)
        yield from (step for edges in self.edges for _, step in edges)
        if self.skip is not None:
            yield self.skip

    @property
    def ready(self) -> bool:
        """Tell whether its steps are, the block has the same parts, nobody listens at it, and nothing is dropped."""
        block = self.block
        if any(one is not other for one, other in zip(self.parts, _parts(block), strict=True)):
            return False
        listened = block._forward_hooks or block._forward_pre_hooks
        dropping = block.drop_path is not None and block.training
        return not listened and not dropping and all(step.ready for step in self.steps())


@dataclass
class Trace:
    """What a cell leaves for its backward pass: its inputs and nodes, what its steps keep, and their gradients then."""

    inputs: list[Lanes]
    values: list[Lanes]
    kept: dict[int, Any] = field(default_factory=dict)


def cell_of(block: CellBlock) -> Cell | None:
    """Return a cell of steps, or None where a module in it has no step."""
    used, wired = block.used, block.wired
    if type(block) is not CellBlock:
        return None
    pairs = zip(used, (block.pre0, block.pre1), strict=True)
    before = [step_of(pre) if needed and pre is not None else None for needed, pre in pairs]
    edges = [[(source, step_of(block.ops[index])) for source, index in ends] for ends in wired]
    skip = None if block.skip is None else step_of(block.skip)
    missing = any(needed and step is None for needed, step in zip(used, before, strict=True))
    missing |= any(step is None for ends in edges for _, step in ends) or (block.skip is not None and skip is None)
    if missing:
        return None
    whole: Any = tuple(tuple(ends) for ends in edges)
    return Cell((before[0], before[1]), whole, block.channels, block.stride, skip, block, _parts(block))


def _parts(block: CellBlock) -> tuple[nn.Module | None, ...]:
    there = block._modules
    return there.get("pre0"), there.get("pre1"), there.get("skip"), *block.ops._modules.values()


def forward(cell: Cell, s0: Lanes, s1: Lanes, learning: bool) -> tuple[Lanes, Trace]:
    """Return a cell's output and its trace."""
    trace = Trace([s0, s1], [s0, s1])
    for at, step in enumerate(cell.before):
        if step is not None:
            trace.values[at], trace.kept[id(step)] = step.forward(trace.inputs[at], learning)
    _, height, width, images = trace.values[S1 if cell.block.reads[S1] else S0].shape
    sides = -(-height // cell.stride), -(-width // cell.stride)
    nodes = np.empty((len(cell.edges) * cell.channels, *sides, images), np.float32)
    for at, ends in enumerate(cell.edges):
        node = nodes[at * cell.channels : (at + 1) * cell.channels]
        if not ends:
            node[:] = 0
        elif len(ends) == 1:
            source, step = ends[0]
            _, trace.kept[id(step)] = step.forward(trace.values[source], learning, node)
        else:
            terms = []
            for source, step in ends:
                term, trace.kept[id(step)] = step.forward(trace.values[source], learning)
                terms.append(term)
            np.add(terms[0], terms[1], out=node)
            for term in terms[2:]:
                np.add(node, term, out=node)
        trace.values.append(node)
    if cell.skip is None:
        return nodes, trace
    around, trace.kept[id(cell.skip)] = cell.skip.forward(s1, learning)
    return np.add(nodes, around), trace


def backward(
    cell: Cell, grad: Lanes, trace: Trace, found: dict[int, tuple[Tensor, ...]]
) -> tuple[Lanes | None, Lanes | None]:
    """Return the gradients of s0 and s1, None for none, and put those of the steps' parameters into `found`; `grad` is
    written over.
    """
    sums: list[Lanes | None] = [None, None]
    around: Lanes | None = None
    if cell.skip is not None:
        around, found[id(cell.skip)] = cell.skip.backward(grad, trace.inputs[S1], trace.kept[id(cell.skip)])
        around = around.copy() if around is grad else around
    parts = [grad[at * cell.channels : (at + 1) * cell.channels] for at in range(len(cell.edges))]
    for at in range(len(cell.edges) - 1, -1, -1):
        for source, step in reversed(cell.edges[at]):
            back, found[id(step)] = step.backward(parts[at], trace.values[source], trace.kept[id(step)])
            if source > S1:
                np.add(parts[source - 2], back, out=parts[source - 2])
            else:
                sums[source] = _added(sums[source], back, own=back is not parts[at])
    found_inputs: list[Lanes | None] = []
    for at, before in enumerate(cell.before):
        total = sums[at]
        if before is not None and total is not None:
            total, found[id(before)] = before.backward(total, trace.inputs[at], trace.kept[id(before)])
        found_inputs.append(total)
    if around is not None:
        found_inputs[S1] = _added(found_inputs[S1], around, own=True)
    return found_inputs[S0], found_inputs[S1]


def _added(total: Lanes | None, more: Lanes, *, own: bool) -> Lanes:
    """Return the sum, in the memory of `total`; where there is none yet, `more`, copied unless it is one's own."""
    if total is None:
        return more if own else more.copy()
    return np.add(total, more, out=total)


class Body:
    """All cells of a network.

    Attributes:
        cells: those that are run.
        reads: for each of them, the numbers of the two whose outputs it reads; -1 is what comes in.
        parameters: of all steps, in order.
    """

    def __init__(self, cells: Sequence[Cell], live: Sequence[bool]) -> None:
        self.cells = tuple(cells)
        self.reads: list[tuple[int, int]] = []
        before = (-1, -1)
        for alive in live:
            if alive:
                self.reads.append(before)
            before = before[1], len(self.reads) - 1 if alive else before[1]
        self.steps = [step for cell in self.cells for step in cell.steps()]
        self.parameters = tuple(one for step in self.steps for one in step.parameters)
        self._layers = any(isinstance(step, LayerStep) for step in self.steps)

    def ready(self, x: Tensor) -> bool:
        """Tell whether a map can be sent through; without a layer nobody has said that it is to go this way."""
        return (
            self._layers
            and x.device.type == "cpu"
            and x.dtype == torch.float32
            and len(x) > 0
            and x.shape[2] * x.shape[3] <= MOST_PIXELS
            and all(cell.ready for cell in self.cells)
        )

    def forward(self, x: Lanes, learning: bool) -> tuple[Lanes, list[Trace]]:
        """Return the last cell's output and the traces of all."""
        values, traces = {-1: x}, []
        for number, (cell, (zero, one)) in enumerate(zip(self.cells, self.reads, strict=True)):
            values[number], trace = forward(cell, values[zero], values[one], learning)
            traces.append(trace)
        return values[len(self.cells) - 1], traces

    def backward(self, grad: Lanes, traces: Sequence[Trace]) -> tuple[Lanes | None, list[Tensor | None]]:
        """Return the gradients of what came in and of the parameters."""
        found: dict[int, tuple[Tensor, ...]] = {}
        grads: dict[int, Lanes | None] = {len(self.cells) - 1: grad}
        for number in range(len(self.cells) - 1, -1, -1):
            came = grads.pop(number, None)
            if came is None:
                continue
            back = backward(self.cells[number], came, traces[number], found)
            for source, more in zip(self.reads[number], back, strict=True):
                if more is not None:
                    grads[source] = _added(grads.get(source), more, own=True)
        rows = [found.get(id(step), (None,) * len(step.parameters)) for step in self.steps]
        return grads.get(-1), [one for row in rows for one in row]


def body_of(cells: Sequence[nn.Module], live: Sequence[bool]) -> Body | None:
    """Return the body of a network whose cells are `live` or not, or None where one that is cannot be made of steps."""
    needed = [cell for cell, is_live in zip(cells, live, strict=True) if is_live]
    made = [cell_of(cell) for cell in needed if isinstance(cell, CellBlock)]
    whole = [cell for cell in made if cell is not None]
    return Body(whole, live) if whole and len(whole) == len(needed) else None


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, body: Body, learning: bool, *parameters: Tensor) -> Tensor:
        out, traces = body.forward(lanes_of(x), learning)
        ctx.save_for_backward(*parameters)  # autograd says if somebody changes what the traces look at
        ctx.rest = body, traces
        return tensor_of(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _, (body, traces) = ctx.saved_tensors, ctx.rest
        gx, rest = body.backward(lanes_of(grads[0]), traces)
        return None if gx is None else tensor_of(gx), None, None, *rest


_run: Any = _Run.apply


def run(body: Body, x: Tensor) -> Tensor:
    """Return the last cell's output for the stem's output x (N, C, H, W)."""
    out: Tensor = _run(x, body, torch.is_grad_enabled(), *body.parameters)
    return out
