"""GAAF: Li, Geng, Stein, Li, Yu, Tsinghua Science and Technology 28(1), 2023, arXiv 2206.03291.

The network is given, residual blocks; searched is the function before each of its signs: 22 unary and 11 binary forms
in two encodings.
"""

from __future__ import annotations

from collections.abc import Mapping

from evobnn.errors import GenomeError, message
from evobnn.genome import BINARY, UNARY, Expression, FormSpec, Genome, X, parse_expression
from evobnn.spaces.blueprint import Blueprint
from evobnn.spaces.shapes import ENCODING_1, ENCODING_2, Alphabet, embed, express
from evobnn.spaces.template import Template

ACTIVATIONS = "Li et al., Tsinghua Science and Technology 28(1), 2023, arXiv 2206.03291"
gaaf = Blueprint("gaaf", activations=ACTIVATIONS)
CLIP = 1.3
"""Half-width of the gradient behind every sign, and bound on the latent weights (section 1.3 of the fact sheet)."""
RESNET18 = Template(cells=8, width=64, reductions=3, skip="none", padding="zero", scale="none", stem=1, macro="resnet")
"""The ResNet-18 for CIFAR-10 with its 19 sites (section 1.2 of the fact sheet)."""

BASELINES: dict[str, Expression] = {
    "sign": X,
    "sine": parse_expression("sin(x)"),
    "shift": parse_expression("shift(x)"),
}
"""What every comparison needs: no function at all, BiPer's sine (CVPR 2024), and a learnable shift per channel, the
RSign of ReActNet (ECCV 2020).
"""
PUBLISHED: dict[str, Genome] = {
    name: Genome.of({}, {"net": embed(ENCODING_1, Alphabet(), expression) or expression})
    for name, expression in BASELINES.items()
}
"""The baselines in the shape of encoding 1. The fifteen functions of the paper are not among what can be read."""


def genotype_1(u1: int, u2: int, b: int) -> Expression:
    """Return the expression of a vector [u1, u2, b] of encoding 1: a(x) = b(u1(x), u2(x)).

    Numbers count the forms of `evobnn.genome.UNARY` and `BINARY` from 0. Form 21 is a constant per channel of its own
    (in the published code it shares the tensor of form 19). Raises GenomeError for a number outside.
    """
    return express(ENCODING_1, (_form(BINARY, b), _form(UNARY, u1), _form(UNARY, u2)))


def genotype_2(u1: int, u2: int, u3: int, u4: int, b1: int, b2: int) -> Expression:
    """Return the expression of a vector [u1, u2, u3, u4, b1, b2] of encoding 2, all unary forms first:
    p = b1(u1(x), u2(x)), a(x) = b2(u3(p), u4(x)).

    Numbers as in `genotype_1`.
    """
    unary = [_form(UNARY, number) for number in (u1, u2, u3, u4)]
    return express(ENCODING_2, (_form(BINARY, b2), unary[2], _form(BINARY, b1), unary[0], unary[1], unary[3]))


def _form(table: Mapping[str, FormSpec], number: int) -> str:
    if not 0 <= number < len(table):
        raise GenomeError(message(f"a form's number from 0 to {len(table) - 1}", str(number), "Correct the vector."))
    return tuple(table)[number]
