"""`evobnn summary`: what each layer of a network keeps and multiplies, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import torch
from rich.console import Console

from evobnn._checks import check_at_least
from evobnn.cli.console import Fitted, console, table
from evobnn.cli.words import counted, percent, whole
from evobnn.experiment.asked import sized
from evobnn.nn import Summary, summary
from evobnn.nn.counting.summary import Row, Window
from evobnn.runs.portrait import Portrait
from evobnn.runs.subject import Subject

KIB = 8 * 1024
"""Bits of a KiB, which Larq's table calls kB."""

LAYOUTS = (((0, 1), 1), ((0, 1, 0, 0), 1), ((0, 1, 0, 0), 1000), ((0, 0), 1000))
"""Padding of cells and unit of MACs, the roomiest first."""


def show(
    subject: Subject,
    *,
    cells: int | None = None,
    channels: int | None = None,
    depth: int | None = None,
    published: bool = False,
    as_json: bool = False,
) -> None:
    """Print the rows and totals of a genome's network.

    `cells` and `channels` are those of the network where they are to be others than the experiment's, `depth` is that
    of `evobnn.nn.counting.summary`; with `published` is counted also what the published code allocates or runs in vain.
    """
    if depth is not None:
        check_at_least("--depth", depth, 1)
    portrait = Portrait(replace(subject, experiment=sized(subject.experiment, cells, channels)))
    bench = portrait.bench
    with torch.device("meta"):
        network = bench.network(portrait.genome, published=published)
    found = summary(network, bench.prepared.shape, depth=depth, counters=bench.additions.all_counters)
    if as_json:
        print(json.dumps(_object(portrait, found), indent=1))
        return
    print("\n".join(_head(portrait)), end="\n\n")
    out = console()
    _table(found, out).show(out, "--json")
    print()
    print("\n".join([*_legend(found), *_totals(found)]))


# --- Text -----------------------------------------------------------------------------------------------------------


def _head(portrait: Portrait) -> Iterator[str]:
    bench = portrait.bench
    template, data = bench.protocol.network, bench.prepared
    parts = counted(template.cells, "residual block" if template.macro == "resnet" else f"{template.macro} cell")
    images = f"{data.name} {_times(data.shape)}, {data.classes} classes"
    yield f"{portrait.subject.title}, key {portrait.key}"
    yield f"{parts} of width {template.width}; {images}"
    reason = bench.infeasible(portrait.genome)
    if reason:
        yield f"invalid, never trained: {reason}"


def _table(found: Summary, out: Console) -> Fitted:
    """Return the table in the roomiest layout that is no wider than the console."""
    unbounded = out.options.update(width=10_000)
    for padding, unit in LAYOUTS:
        made = _filled(found, unit)
        made.padding = padding
        if out.measure(made, options=unbounded).maximum <= out.width:
            break
    return made


def _filled(found: Summary, unit: int) -> Fitted:
    macs = "MACs" if unit == 1 else "kMACs"
    heads = ("layer", "kind", "in\nbit", "output", "1-bit\nnumbers", "32-bit\nnumbers", "memory\nKiB")
    made = table(*heads, f"1-bit\n{macs}", f"32-bit\n{macs}", left=2, first=(0, 6, 7, 8, 4, 5, 1, 3))
    for row in _shown(found):
        name, precision = row.name.removesuffix(".activation"), ", ".join(map(str, row.input_bits))
        made.add_row(name, _kind(row), precision or "·", _times(row.output_shape) or "–", *_numbers(row, unit))
    made.add_section()
    made.add_row("total", "", "", "", *_numbers(found, unit))
    return made


def _shown(found: Summary) -> list[Row]:
    """Return the rows of what keeps or multiplies anything, and so not of what never runs."""
    return [row for row in found.rows if row.bits or row.macs]


def _numbers(of: Row | Summary, unit: int) -> Iterator[str]:
    """Yield the numbers of a row or of all as text: kept in 1 bit, in 32, KiB, binary MACs, real ones."""
    yield from (f"{number:,}" if number else "·" for number in (of.binary_weights, of.real_numbers))
    yield "·" if not of.bits else "<0.01" if of.bits < KIB / 200 else f"{of.bits / KIB:,.2f}"
    for macs in (of.binary_macs, of.real_macs):
        yield "·" if not macs else "<1" if macs < unit else f"{macs / unit:,.0f}"


def _kind(row: Row) -> str:
    """Return what a row is; a convolution is told binary or real by its input, and has its window behind it."""
    if row.layers > 1:
        return f"{row.layers} layers"
    return row.kind if row.window is None else f"conv {_window(row.window)}"


def _window(window: Window) -> str:
    """Return a window in short: 3x3/2 d2 g12, without what is 1."""
    (stride, _), (dilation, _) = window.stride, window.dilation  # the two are the same in every network of a genome
    marks = (f"/{stride}", stride), (f" d{dilation}", dilation), (f" g{window.groups}", window.groups)
    return _times(window.kernel) + "".join(mark for mark, number in marks if number > 1)


def _legend(found: Summary) -> Iterator[str]:
    """Yield what the marks behind a kernel mean, those that are there, and an empty line."""
    windows = [row.window for row in _shown(found) if row.window]
    there = {
        "/N stride": any(window.stride[0] > 1 for window in windows),
        "dN dilation": any(window.dilation[0] > 1 for window in windows),
        "gN groups of channels": any(window.groups > 1 for window in windows),
    }
    if any(there.values()):
        yield f"behind a kernel: {', '.join(mark for mark, found in there.items() if found)}"
        yield ""


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _totals(found: Summary) -> Iterator[str]:
    cost = found.cost
    kept = f"{found.binary_weights:,} in 1 bit + {found.real_numbers:,} in 32 bit"
    yield f"total parameters      {found.numbers:,} kept = {kept}"
    never = f", {found.unused:,} of them in layers that never run" if found.unused else ""
    yield f"trainable parameters  {cost.parameters:,}{never}"
    yield f"model size            {found.bits / KIB:,.2f} KiB"
    yield f"float-32 equivalent   {found.float_bits / KIB:,.2f} KiB"
    yield f"compression           {found.compression:.4f} of the memory, {1 / found.compression:.1f} times smaller"
    yield f"MACs                  {found.macs:,} an image, {percent(cost.binary_share, 1)} of them binary"
    yield f"OPs                   {whole(cost.ops)} = {cost.real_macs:,} real + {cost.binary_macs:,} / 64 binary"
    yield f"elementwise           {cost.other:,} operations, which OPs leaves out"


# --- JSON -----------------------------------------------------------------------------------------------------------


def _object(portrait: Portrait, found: Summary) -> dict[str, Any]:
    """Return rows and totals as plain values."""
    bench, cost = portrait.bench, found.cost
    return {
        "genome": str(portrait.genome),
        "key": portrait.key,
        "template": asdict(bench.protocol.network),
        "data": {"name": bench.prepared.name, "shape": bench.prepared.shape, "classes": bench.prepared.classes},
        "rows": [{**asdict(row), "bits": row.bits} for row in found.rows],
        "totals": {
            "binary_weights": found.binary_weights,
            "real_numbers": found.real_numbers,
            "total_parameters": found.numbers,
            "trainable_parameters": cost.parameters,
            "unused_parameters": found.unused,
            "bits": found.bits,
            "float_bits": found.float_bits,
            "compression": found.compression,
            "macs": found.macs,
            "binary_macs": found.binary_macs,
            "real_macs": found.real_macs,
            "binary_share": cost.binary_share,
            "ops": cost.ops,
            "other": cost.other,
        },
    }
