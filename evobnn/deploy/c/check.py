"""`check.c`: some images, digests of their site bits and their logits, and whether the compiled model agrees."""

from __future__ import annotations

import numpy as np

from evobnn.deploy.c.model import digest
from evobnn.deploy.c.text import constant
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.ops import Array
from evobnn.deploy.reference import evaluate

HEAD = """/* Checks model.c on {images} images: their grey values, logits, and a digest of the bits of each of {sites}
 * sites, 32 bit FNV-1a over the bytes. The bits themselves would not fit beside a network on a small processor.
 *
 *   cc -std=c99 -O2 -DEVOBNN_TRACE model.c check.c -lm -o check && ./check
 *
 * ends with 0 where all agree. Without -DEVOBNN_TRACE only logits are compared.
{more} */
"""
INEXACT = """ *
 * Libraries round functions of math.h in their own ways, which may turn a sign: sites that differ are
 * counted, and the logits of their images are not compared; without -DEVOBNN_TRACE none are.
"""

PROGRAM = """
static uint32_t found[EVOBNN_SITES + 1];

#ifdef EVOBNN_TRACE
#ifdef __cplusplus
extern "C"
#endif
    void
    evobnn_trace(int site, const uint8_t *bits, unsigned long bytes);

void evobnn_trace(int site, const uint8_t *bits, unsigned long bytes)
{
    uint32_t digest = 2166136261u;
    unsigned long n;
    for (n = 0; n < bytes; n++) digest = (digest ^ bits[n]) * 16777619u;
    found[site] = digest;
}
#endif

int main(void)
{
    float logits[EVOBNN_CLASSES], largest = 0.0f;
    int image, n, wrong = 0;
    for (image = 0; image < IMAGES; image++) {
        int other = 0;
        evobnn_run(images + (long)image * EVOBNN_CHANNELS * EVOBNN_HEIGHT * EVOBNN_WIDTH, logits);
#ifdef EVOBNN_TRACE
        for (n = 0; n < EVOBNN_SITES; n++) other += found[n] != digests[image * EVOBNN_SITES + n];
        wrong += other;
#else
        (void)found;
        (void)digests;
        other = !EXACT;
#endif
        if (!EXACT && other) continue;
        for (n = 0; n < EVOBNN_CLASSES; n++) {
            const float d = logits[n] - wanted[image * EVOBNN_CLASSES + n];
            if (d > largest || -d > largest) largest = d < 0.0f ? -d : d;
        }
    }
    printf("images %d\\nsites that differ %d\\nlargest difference of a logit %.9g\\n", IMAGES, wrong, (double)largest);
    return (EXACT && wrong != 0) || largest > TOLERANCE;
}
"""

TOLERANCE = 1e-4
"""By how much a logit may differ, in parts of the largest one: libraries round sin, exp and their like differently."""


def check_c(graph: Graph, images: Array, *, exact: bool = True) -> str:
    """Return the C of a check on images (N, C, H, W), uint8, with what the reference says of them.

    `exact`: whether all signs must agree; else a library of functions may turn some.
    """
    digests = np.zeros((len(images), len(graph.sites)), np.uint32)
    numbers = {node.output.name: number for number, node in enumerate(graph.sites)}

    def watch(node: Node, inputs: list[Array], output: Array) -> None:
        if node.output.name in numbers:
            digests[:, numbers[node.output.name]] = [digest(bits) for bits in output]

    logits = evaluate(graph, images, watch)
    if not digests.size:
        digests = np.zeros((1, 1), np.uint32)
    tolerance = TOLERANCE * max(float(abs(logits).max()), 1e-30)
    return "".join(
        (
            HEAD.format(images=len(images), sites=len(graph.sites), more="" if exact else INEXACT),
            '#include <stdint.h>\n#include <stdio.h>\n\n#include "model.h"\n\n',
            f"#define IMAGES {len(images)}\n#define EXACT {int(exact)}\n#define TOLERANCE {tolerance:.9g}f\n\n",
            constant("images", np.ascontiguousarray(images)),
            constant("digests", digests),
            constant("wanted", logits.astype(np.float32)),
            PROGRAM,
        )
    )
