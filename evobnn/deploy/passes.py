"""What is done to a graph before it is printed: sites become tables of thresholds, and what nobody reads goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from evobnn.deploy.folding import Folded, Function, fold, fold_whole
from evobnn.deploy.forms import check_forms
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.lower import Behaviour, Lowered
from evobnn.deploy.ops import Affine, Array, BinaryConvolution, Elementwise, Expression, Scale, Site, Table, float32
from evobnn.deploy.ranges import Range, ranges
from evobnn.deploy.reference import evaluate

WIDER = 0.5
"""By how much of its width the range that was seen is made wider on either side."""


@dataclass(frozen=True)
class SiteReport:
    """What became of one site: its channels by how they leave.

    path      of the site's module
    whole     folded for every number that can arrive
    seen      folded on the range that was seen, evaluated directly outside of it
    direct    evaluated directly
    exact     whether whole numbers arrive
    most      the most thresholds of a channel
    reasons   why channels are not folded for every number, each with the number of channels
    """

    path: str
    whole: int
    seen: int
    direct: int
    exact: bool
    most: int
    reasons: Mapping[str, int]


def fold_sites(lowered: Lowered, seen: Mapping[str, Range] | None = None) -> tuple[Graph, tuple[SiteReport, ...]]:
    """Return the graph with its sites folded as far as may be, without what is then dead, and a report for each site.

    `seen` is between which numbers each map lay on some images, by its name; see `watched_ranges`.

    Raises NetworkError for a form that can be evaluated neither by a table nor without torch.

    >>> from evobnn.deploy import fold_sites, lower
    >>> network = evobnn.load_run("populations/digits").network(63).eval()
    >>> lowered = lower(network, (1, 8, 8), mean=[78.0], deviation=[96.0])
    >>> graph, reports = fold_sites(lowered)
    >>> len(graph.nodes) < len(lowered.graph.nodes)
    True
    """
    graph, bounds = lowered.graph, ranges(lowered.graph)
    nodes, reports = [], []
    for node in graph.nodes:
        if isinstance(node.op, Site):
            source, chain = arriving(graph, node, lowered.behaviours)
            producer = graph.producers.get(source)
            behaviours = [lowered.behaviours[one.output.name] for one in chain]
            site, report = _folded(node, source, producer, chain, composed(behaviours), bounds[source], seen)
            nodes.append(site)
            reports.append(report)
        else:
            nodes.append(node)
    return merged(live(replace(graph, nodes=tuple(nodes)))), tuple(reports)


def arriving(graph: Graph, site: Node, behaviours: Mapping[str, Behaviour]) -> tuple[str, tuple[Node, ...]]:
    """Return which map a site is folded from, and the elementwise operations in between.

    That is a binary sum where there are only such operations behind it; else what comes before those that nobody
    but the site reads.
    """
    producers, readers = graph.producers, graph.readers()
    chain: list[Node] = []
    name, alone = site.inputs[0], 0
    while name in producers and isinstance(producers[name].op, Elementwise) and name in behaviours:
        chain.insert(0, producers[name])
        if alone == len(chain) - 1 and len(readers[name]) == 1:
            alone += 1
        name = chain[0].inputs[0]
    if name in producers and isinstance(producers[name].op, BinaryConvolution):
        return name, tuple(chain)
    kept = tuple(chain[len(chain) - alone :])
    return kept[0].inputs[0] if kept else site.inputs[0], kept


def composed(behaviours: Sequence[Behaviour]) -> Function:
    """Return what PyTorch computes one after another as a function of float32 (C, n)."""

    def function(points: Array) -> Array:
        with torch.no_grad():
            x = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None, :, :, None]
            for behaviour in behaviours:
                x = behaviour(x)
            values: Array = x[0, :, :, 0].numpy()
        return values

    return function


def _folded(
    node: Node,
    source: str,
    producer: Node | None,
    chain: tuple[Node, ...],
    function: Function,
    bound: Range,
    seen: Mapping[str, Range] | None,
) -> tuple[Node, SiteReport]:
    channels = node.output.shape[0]
    direct = tuple(one.op for one in chain if isinstance(one.op, Elementwise))
    infinite = np.full(channels, np.inf, np.float32)
    low, high = infinite.copy(), -infinite
    if producer is not None and isinstance(producer.op, BinaryConvolution):
        op = producer.op
        found = fold_whole(function, channels, op.terms, 1 if op.zeros else 2)
        exact, most = True, found
    else:
        found = _scanned(function, direct, bound, None if seen is None else seen[source])
        exact, most = False, found
    everywhere = np.array([not reason for reason in found.reasons])
    low[everywhere], high[everywhere] = -np.inf, np.inf
    partly = np.zeros(channels, bool)
    if not exact and seen is not None and not everywhere.all():
        least, largest = widened(seen[source])
        again = fold(function, least, largest, _centres(direct, channels))
        partly = ~everywhere & np.array([not reason for reason in again.reasons])
        low[partly], high[partly] = least[partly], largest[partly]
        most = _chosen(found, again, partly)
    kept = everywhere | partly
    table = _table(most, kept, low, high)
    whole = bool(everywhere.all())
    if not whole:
        check_forms(direct)
    site = Site(() if whole else direct, table if kept.any() else None, whole, exact)
    report = SiteReport(
        node.path,
        int(everywhere.sum()),
        int(partly.sum()),
        int((~kept).sum()),
        exact,
        len(table.thresholds),
        Counter(reason for reason in found.reasons if reason),
    )
    return replace(node, op=site, inputs=(source,)), report


def _scanned(function: Function, direct: tuple[Elementwise, ...], bound: Range, seen: Range | None) -> Folded:
    channels = len(bound[0])
    if not (np.isfinite(bound[0]) & np.isfinite(bound[1])).all():
        none = np.zeros(0, np.float32)
        return Folded(np.zeros(channels, bool), (none,) * channels, ("a range that is not known",) * channels)
    low, high = (end.astype(np.float32) for end in bound)
    inner = None if seen is None else np.clip(np.stack(widened(seen)), low, high)
    return fold(function, low, high, _centres(direct, channels), inner)


def widened(seen: Range) -> tuple[Array, Array]:
    """Return the range that was seen, wider by half of it on either side, as float32."""
    width = (seen[1] - seen[0]) * WIDER
    return (seen[0] - width).astype(np.float32), (seen[1] + width).astype(np.float32)


def _centres(direct: tuple[Elementwise, ...], channels: int) -> tuple[Array, ...]:
    """Return where the number behind a batch norm, and behind a shift after it, is 0, float32 (C,) each."""
    factor, offset = np.ones(channels), np.zeros(channels)
    found = []
    for op in direct:
        if isinstance(op, Scale):
            factor, offset = factor * op.factor, offset * op.factor
        elif isinstance(op, Affine):
            factor, offset = factor * op.factor, offset * op.factor + op.offset
        elif isinstance(op, Expression) and op.tree == ("shift", ("x",)):
            offset = offset + next(iter(op.parameters.values()))
        else:
            break
        with np.errstate(all="ignore"):
            found.append(np.nan_to_num(-offset / factor, posinf=0, neginf=0).astype(np.float32))
    return tuple(found)


def _chosen(one: Folded, other: Folded, where: Array) -> Folded:
    pairs = zip(one.thresholds, other.thresholds, where, strict=True)
    return Folded(np.where(where, other.first, one.first), tuple(b if w else a for a, b, w in pairs), one.reasons)


def _table(folded: Folded, kept: Array, low: Array, high: Array) -> Table:
    used = [values if keep else values[:0] for values, keep in zip(folded.thresholds, kept, strict=True)]
    thresholds = np.full((max(map(len, used), default=0), len(used)), np.inf, np.float32)
    for channel, values in enumerate(used):
        thresholds[: len(values), channel] = values
    return Table(folded.first & kept, float32(thresholds), float32(low), float32(high))


def live(graph: Graph) -> Graph:
    """Return the graph without operations on which its output does not depend."""
    wanted = {graph.output}
    for node in reversed(graph.nodes):
        if node.output.name in wanted:
            wanted |= set(node.inputs)
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.output.name in wanted))


def merged(graph: Graph) -> Graph:
    """Return the graph with each batch norm that is all that reads a scale made one with it."""
    readers, producers = graph.readers(), graph.producers
    nodes = []
    for node in graph.nodes:
        before = producers.get(node.inputs[0]) if node.inputs else None
        alone = before is not None and len(readers[before.output.name]) == 1
        if alone and before is not None and isinstance(before.op, Scale) and isinstance(node.op, Affine):
            factor = before.op.factor.astype(np.float64) * node.op.factor
            node = replace(node, op=Affine(float32(factor), node.op.offset), inputs=before.inputs)
        nodes.append(node)
    return live(replace(graph, nodes=tuple(nodes)))


def watched_ranges(graph: Graph, images: Array) -> dict[str, Range]:
    """Return between which numbers each map lies on some images (N, C, H, W), uint8: float64 (C,) each."""
    found: dict[str, Range] = {}

    def watch(node: Node, inputs: list[Array], output: Array) -> None:
        if output.dtype != bool:
            ends = output.min((0, 2, 3)).astype(np.float64), output.max((0, 2, 3)).astype(np.float64)
            found[node.output.name] = ends

    evaluate(graph, images, watch)
    return found
