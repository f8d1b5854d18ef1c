"""`evobnn show`: one genome as text, as JSON, as a picture."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evobnn.analysis.pictures.drawing import draw_cell, draw_curve, draw_signs, side_by_side
from evobnn.cli.console import console, table
from evobnn.cli.words import percent, quantity, spread, trainings, whole
from evobnn.genome import Expression, groups
from evobnn.nn import NetworkCost
from evobnn.runs.portrait import Portrait
from evobnn.runs.subject import Subject
from evobnn.spaces import NORMAL

CURVE, CURVE_SCALE = 38, 10
"""Columns of a drawn curve, and of the scale beside it."""
LEAST = 24


def show(subject: Subject, *, as_json: bool = False, picture: Path | None = None) -> None:
    """Print a genome as text or as JSON, and draw it into a PNG file if one is named."""
    portrait = Portrait(subject)
    if as_json:
        print(json.dumps(_object(portrait), indent=1))
    else:
        _print(portrait)
    if picture is not None:
        _draw(portrait, picture)


def _draw(portrait: Portrait, path: Path) -> None:
    from evobnn.analysis.pictures.portrait import save_portrait

    cells = {f"{kind} cell": portrait.edges(kind) for kind in portrait.bench.space.kinds}
    expressions = {f"@{site}: {tree}": portrait.curve(tree) for site, tree in portrait.canonical.expressions}
    save_portrait(path, cells, expressions, f"{portrait.subject.title}  key {portrait.key}")


# --- Text -----------------------------------------------------------------------------------------------------------


def _print(portrait: Portrait) -> None:
    blocks = [_identity(portrait), _record(portrait), _facts(portrait), _cells(portrait)]
    blocks += [_expression(portrait, site, tree) for site, tree in portrait.canonical.expressions]
    for block in blocks:
        lines = list(block)
        if lines:
            print("\n".join(lines), end="\n\n")
    _print_layers(portrait.cost)
    print()
    print("\n".join(_sums(portrait)))


def _identity(portrait: Portrait) -> Iterator[str]:
    yield f"{portrait.subject.title}, key {portrait.key}"
    yield from _wrapped("genome", str(portrait.genome))
    if portrait.canonical != portrait.genome:
        yield from _wrapped("canonical", str(portrait.canonical))


def _room() -> int:
    """Return the columns that there are: of the terminal, but no fewer than a curve takes, and 100 elsewhere."""
    return max(LEAST, console().width)


def _wrapped(word: str, text: str) -> list[str]:
    """Return lines of at most 100 columns, broken at blanks: a genome wrapped like this can be typed in again."""
    return textwrap.wrap(text, _room(), initial_indent=f"{word:<11}", subsequent_indent=" " * 11)


def _record(portrait: Portrait) -> Iterator[str]:
    member = portrait.subject.member
    if member is None:
        return
    individual = member.individual
    parents = f" of {' and '.join(map(str, individual.parents))}" if individual.parents else ""
    yield f"born in generation {individual.born} by {individual.origin}{parents}"
    for number, evaluation in enumerate(member.evaluations):
        found = ", ".join(f"{name} {quantity(name, value)}" for name, value in evaluation.objectives.items())
        yield f"  evaluation {number}: {evaluation.status}{', ' if found else ''}{found} {evaluation.message}".rstrip()
    if member.objectives and len(member.evaluations) > 1:
        found = ", ".join(f"{name} {quantity(name, value)}" for name, value in member.objectives.items())
        yield f"  mean of {len(member.evaluations)}:   {found}"
    run = portrait.subject.run
    fresh = run.rescored.get(individual.id) if run else None
    if fresh is not None:
        found = ", ".join(
            f"{name} {spread(name, mean, fresh.deviation[name], len(fresh.repeats))}"
            for name, mean in fresh.objectives.items()
        )
        yield f"  fresh, {trainings(len(fresh.repeats))}: {found or 'one of them failed'}"


def _facts(portrait: Portrait) -> Iterator[str]:
    bench = portrait.bench
    space, template, prepared = bench.space, bench.protocol.network, bench.prepared
    shape = "x".join(map(str, prepared.shape))
    yield from _wrapped("space", f"{space.name} ({space.reference})")
    stack = ", ".join(f"{template.kinds.count(kind)} {kind}" for kind in dict.fromkeys(template.kinds))
    parts = "residual blocks" if template.macro == "resnet" else f"{template.macro} cells"
    around = [f"skip {template.skip}"] if space.kinds else []
    around += [f"padding {template.padding}", *(["stem for large images"] if template.style == "imagenet" else [])]
    yield from _wrapped(
        "network",
        f"{stack} {parts} of width {template.width}, {', '.join(around)}; "
        f"{prepared.name} {shape}, {prepared.classes} classes",
    )
    if template.padding == "zero":
        yield "           zero padding is a third value at the borders: next to them inputs are -1, 0 and +1"
    grouped = [name for name in space.candidates if space.operations[name].grouped]
    if grouped:
        widths = sorted({channels for _, channels, _ in template.maps(1)})
        found = ", ".join(f"{groups(channels)} of {channels}" for channels in widths)
        yield from _wrapped("", f"groups of channels of {', '.join(grouped)} (largest divisor up to 12): {found}")
    smallest = template.smallest_maps(min(prepared.shape[1:]))
    for kind in space.kinds:
        left_out = [name for name in space.candidates if name not in space.offered[kind]]
        if left_out:
            size = smallest[kind]
            shares = ", ".join(f"{name} {100 * space.operations[name].taps_inside(size):.0f} %" for name in left_out)
            why = f"not offered in {kind} cells ({size}x{size} pixels), fewer than half of the taps inside: {shares}"
            yield from _wrapped("", why)
    if portrait.outside:
        yield from _wrapped("note", f"outside the space. {portrait.outside}")
    reason = bench.infeasible(portrait.genome)
    if reason:
        yield from _wrapped("note", f"invalid, never trained: {reason}")


def _cells(portrait: Portrait) -> Iterator[str]:
    template = portrait.bench.protocol.network
    drawn: list[str] = []
    for kind in portrait.bench.space.kinds:
        lines = draw_cell(portrait.edges(kind), portrait.dropped(kind))
        places = [str(number) for number, other in enumerate(template.kinds) if other == kind]
        plus = "(not in cell 0)" if kind == NORMAL else f"({template.skip} skip)"
        own = portrait.bench.space.own_nodes
        block = [f"{kind} cell, number {_shortened(places)}", *lines, f"output = nodes {own[0]} to {own[-1]}"]
        block += [f"  + the cell before {plus}"] if template.skip != "none" else []
        drawn = side_by_side(drawn, block, 8, _room()) if drawn else block
    yield from drawn
    if any(portrait.dropped(kind) for kind in portrait.bench.space.kinds):
        yield "dashed: does nothing, and is left out of the network"


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, … {names[-1]}"


def _expression(portrait: Portrait, site: str, tree: Expression) -> Iterator[str]:
    x, a, gradient = portrait.curve(tree)
    yield f"@{site}   a(x) = {tree}"
    width = min(CURVE, _room() - CURVE_SCALE)
    left = [f"{'':8}a(x), and where sign(a) is +1 █ or -1 ░", *draw_curve(x, a, width), draw_signs(a, width)]
    right = [f"{'':8}surrogate gradient {portrait.surrogate}", *draw_curve(x, gradient, width)]
    yield from side_by_side(left, right, most=_room())


def _print_layers(cost: NetworkCost) -> None:
    shown = table("layer", "kind", "output", "binary MACs", "real MACs", "element-\nwise", "bits", "parameters", left=2,
                  first=(0, 3, 4, 6, 7, 1, 2))  # fmt: skip
    for layer in cost.layers:
        bits = layer.binary_weights + 32 * layer.real_numbers
        numbers = (layer.binary_macs, layer.real_macs, layer.other, bits, layer.parameters)
        if any(numbers):
            name, shape = layer.name.removesuffix(".activation"), "x".join(map(str, layer.output_shape))
            shown.add_row(name, layer.kind, shape or "–", *(f"{n:,}" if n else "·" for n in numbers))
    shown.show(console(), "--json")


def _sums(portrait: Portrait) -> Iterator[str]:
    cost = portrait.cost
    yield f"ops         {whole(cost.ops)} = {cost.real_macs:,} real + {cost.binary_macs:,} / 64 binary MACs an image"
    if cost.skip_macs:
        skips = "without the real-valued convolutions around reduction cells"
        yield f"            {whole(cost.ops_without_skips)} {skips} ({cost.skip_macs:,} MACs)"
    yield f"binary      {percent(cost.binary_share, 1)} of the MACs"
    yield f"elementwise {cost.other:,} operations, which ops leaves out"
    yield f"bits        {cost.bits:,} kept for inference ({cost.bits / 8192:.1f} KiB)"
    more = f"; {portrait.published_parameters:,} as the published code allocates them"
    yield f"parameters  {cost.parameters:,}{more if portrait.published_parameters != cost.parameters else ''}"


# --- JSON -----------------------------------------------------------------------------------------------------------


def _object(portrait: Portrait) -> dict[str, Any]:
    """Return everything of a genome as plain values."""
    bench, cost, member = portrait.bench, portrait.cost, portrait.subject.member
    record: dict[str, Any] | None = None
    if member is not None:
        run = portrait.subject.run
        fresh = run.rescored.get(member.individual.id) if run else None
        record = {
            "id": member.individual.id,
            "born": member.individual.born,
            "origin": member.individual.origin,
            "parents": list(member.individual.parents),
            "objectives": dict(member.objectives) if member.objectives else None,
            "evaluations": [
                {"status": str(one.status), "message": one.message, "objectives": dict(one.objectives)}
                for one in member.evaluations
            ],
            "rescored": dict(fresh.objectives) if fresh else None,
        }
    kinds = bench.space.kinds
    return {
        "genome": str(portrait.genome),
        "canonical": str(portrait.canonical),
        "key": portrait.key,
        "record": record,
        "space": bench.space.name,
        "outside": portrait.outside,
        "invalid": bench.infeasible(portrait.genome),
        "template": asdict(bench.protocol.network),
        "data": {"name": bench.prepared.name, "shape": bench.prepared.shape, "classes": bench.prepared.classes},
        "offered": {kind: list(bench.space.offered[kind]) for kind in kinds},
        "cells": {
            kind: [
                {"source": s, "target": t, "operation": name, "live": (s, t, name) not in portrait.dropped(kind)}
                for s, t, name in portrait.edges(kind)
            ]
            for kind in kinds
        },
        "expressions": {site: str(tree) for site, tree in portrait.canonical.expressions},
        "cost": {
            "ops": cost.ops,
            "ops_without_skips": cost.ops_without_skips,
            "binary_macs": cost.binary_macs,
            "real_macs": cost.real_macs,
            "skip_macs": cost.skip_macs,
            "binary_share": cost.binary_share,
            "other": cost.other,
            "bits": cost.bits,
            "parameters": cost.parameters,
            "parameters_published": portrait.published_parameters,
            "layers": [
                {**asdict(layer), "bits": layer.binary_weights + 32 * layer.real_numbers} for layer in cost.layers
            ],
        },
    }
