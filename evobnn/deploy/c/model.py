"""`model.h` and `model.c`: a network as one function from grey values to logits."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from evobnn import __version__
from evobnn.deploy.c.arena import arenas
from evobnn.deploy.c.calls import written
from evobnn.deploy.c.expressions import helpers_in, needs_math
from evobnn.deploy.c.stages import Stage, stages
from evobnn.deploy.c.text import comment, string
from evobnn.deploy.c.writer import Writer
from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Site

BEHIND = 4
"""Bytes behind the last map of bits, where the last word that is read of it may end."""
WIDTH = 110
"""Columns of a comment, where its words allow it."""


@dataclass(frozen=True)
class Described:
    """What the header says beside the network: names of the classes, and lines of text."""

    class_names: Sequence[str]
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """C of a network, and what it needs in bytes: constants (flash), and maps and windows (ram).

    `unfolded` are the paths of sites that evaluate functions of `math.h` or of their own; `math` tells whether any
    function of `math.h` is called, which each library rounds in its own way.
    """

    header: str
    code: str
    flash: int
    ram: int
    unfolded: tuple[str, ...]
    math: bool


def runtime(name: str) -> str:
    """Return a part of the C that every network shares."""
    return resources.files("evobnn.deploy.c").joinpath(f"runtime/{name}.c").read_text(encoding="utf-8")


def source(graph: Graph, described: Described, *, marks: bool = False) -> Source:
    """Return the C of a graph; with `marks` it calls `evobnn_mark(number)` at the end of each of its `stages`."""
    order = stages(graph)
    real, bits = arenas(graph, order)
    writer = Writer(graph, real, bits, {name for stage in order for name in stage.rows})
    body = ""
    for number, stage in enumerate(order):
        body += _stage(writer, stage, graph) + (f"    evobnn_mark({number});\n" if marks else "")
    text = "".join(writer.text)
    helpers = helpers_in(text)
    math = needs_math(helpers + text)
    parts = [runtime("start"), "void evobnn_mark(int stage);" if marks else ""]
    if math:
        parts.append("#include <math.h>\n")
    parts.append(f"#define EVOBNN_WINDOW {writer.window}\n")
    parts += [helpers, *(runtime(name) for name in writer.runtime), text]
    spare = bits.size + BEHIND
    parts.append(f"static float maps[{max(real.size, 1)}];\nEVOBNN_PERHAPS static uint8_t signs[{spare}];\n")
    parts.append(f"EVOBNN_EACH void evobnn_run(const uint8_t *image, float *logits)\n{{\n    int y;\n{body}}}\n")
    ram = 4 * max(real.size, 1) + spare + 8 * writer.window
    unfolded = tuple(node.path for node in graph.sites if isinstance(node.op, Site) and not node.op.whole)
    code = "\n".join(part.rstrip("\n") + "\n" for part in parts if part.strip())
    header = _header(graph, described, writer.flash, ram, 8 * writer.window, unfolded, math)
    return Source(header, code, writer.flash, ram, unfolded, math)


def _stage(writer: Writer, stage: Stage, graph: Graph) -> str:
    calls = [written(writer, node) for node in stage.nodes]
    rows = stage.nodes[0].output.shape[1]
    lines = "".join(f"        {call};\n" for call in calls)
    text = f"    /* {comment(stage.nodes[0].path or 'image')} */\n    for (y = 0; y < {rows}; y++) {{\n{lines}    }}\n"
    numbers = {node.output.name: number for number, node in enumerate(graph.sites)}
    traced = [node.output for node in stage.nodes if node.output.name in numbers]
    if traced:
        text += "#ifdef EVOBNN_TRACE\n"
        for value in traced:
            size = -(-value.shape[0] // 8) * value.shape[1] * value.shape[2]
            text += f"    evobnn_trace({numbers[value.name]}, {writer.whole(value.name)}, {size});\n"
        text += "#endif\n"
    return text


def _header(
    graph: Graph, described: Described, flash: int, ram: int, stack: int, unfolded: Sequence[str], math: bool
) -> str:
    c, h, w = graph.input.shape
    names = described.class_names
    facts = [f"A binary neural network, written by evobnn {__version__}.", *described.lines]
    facts.append(
        f"Input: {c} x {h} x {w} grey values from 0 to 255, channel by channel, row by row: "
        f"image[(channel * {h} + row) * {w} + column]. They are normalised inside."
    )
    facts.append(f"Output: {len(names)} logits; the largest names the class.")
    facts.append(f"Flash: {flash} bytes of constants, the code apart.")
    facts.append(f"RAM: {ram} bytes, {stack} of them on the stack beside what calls take; no heap.")
    if unfolded:
        facts.append(f"Signs that call their function, everywhere or outside of what was seen: {', '.join(unfolded)}.")
    facts.append("Calls math.h: yes, link with -lm." if math else "Calls math.h: no.")
    facts.append(
        "Compile with -O3 for the processor that it runs on (-march=native, -mcpu=cortex-m4): AVX2 and NEON are used "
        "where they are there, and not with -DEVOBNN_PORTABLE."
    )
    facts.append("Compile without -ffast-math and, with clang, -ffp-contract=fast: sums would be rounded otherwise.")
    facts.append("Not reentrant: evobnn_run keeps its maps in static memory, one call at a time.")
    about = "\n".join(_wrapped(comment(line)) for line in facts)
    listed = ", ".join(string(name) for name in names)
    return f"""/*
{about}
 */
#ifndef EVOBNN_MODEL_H
#define EVOBNN_MODEL_H

#include <stdint.h>

#define EVOBNN_CHANNELS {c}
#define EVOBNN_HEIGHT {h}
#define EVOBNN_WIDTH {w}
#define EVOBNN_CLASSES {len(names)}
#define EVOBNN_SITES {len(graph.sites)}
#define EVOBNN_FLASH_BYTES {flash}
#define EVOBNN_RAM_BYTES {ram}
/* static const char *const names[] = EVOBNN_CLASS_NAMES; */
#define EVOBNN_CLASS_NAMES {{{listed}}}

#ifdef __cplusplus
extern "C" {{
#endif

/* Writes EVOBNN_CLASSES logits of an image of EVOBNN_CHANNELS x EVOBNN_HEIGHT x EVOBNN_WIDTH grey values. */
void evobnn_run(const uint8_t *image, float *logits);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _wrapped(line: str) -> str:
    """Return a line of a comment as lines of a bearable width, those behind the first further to the right."""
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=" * ",
        subsequent_indent=" *   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def digest(bits: np.ndarray) -> int:
    """Return the 32 bit FNV-1a of bits (C, H, W) as the C has them: each pixel from a byte of its own on."""
    packed = np.packbits(bits.transpose(1, 2, 0), axis=2, bitorder="little")
    found = 2166136261
    for byte in packed.tobytes():
        found = (found ^ byte) * 16777619 & 0xFFFFFFFF
    return found
