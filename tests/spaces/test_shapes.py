"""Shapes of expressions: genes to trees and back."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evobnn._seeding import generator
from evobnn.genome import BINARY, UNARY, Expression, X, parse_expression
from evobnn.spaces import ENCODING_1, ENCODING_2, Alphabet, Shape, embed, express, genes_of, sample_genes
from evobnn.spaces.shapes import LEAF

ALL = Alphabet()
SEEDS = st.integers(0, 2**63 - 1)


def test_sizes_and_roles_of_the_encodings():
    assert (ENCODING_1.size, ENCODING_2.size, LEAF.size) == (3, 6, 0)
    assert ENCODING_1.roles() == ("binary", "unary", "unary")
    assert ENCODING_2.roles() == ("binary", "unary", "binary", "unary", "unary", "unary")


def test_blocks_are_the_genes_of_every_subtree():
    assert ENCODING_1.blocks() == ((0, 3), (1, 2), (2, 3))
    # mix( u3( add(u1(x), u2(x)) ), u4(x) ): the whole, u3(…), add(…), u1, u2, u4
    assert ENCODING_2.blocks() == ((0, 6), (1, 5), (2, 5), (3, 4), (4, 5), (5, 6))


def test_encoding_1_has_5324_genotypes_and_as_many_expressions():
    genotypes = list(product(BINARY, UNARY, UNARY))
    expressions = [express(ENCODING_1, genes) for genes in genotypes]
    assert len(genotypes) == 22 * 22 * 11 == 5324
    assert len(set(expressions)) == 5324
    # nothing is lost: a slot is x, or the form in it
    assert [genes_of(ENCODING_1, ALL, expression) for expression in expressions] == genotypes


def test_encoding_2_has_28_344_976_genotypes():
    sizes = {"unary": len(ALL.unary), "binary": len(ALL.binary)}
    total = 1
    for role in ENCODING_2.roles():
        total *= sizes[role]
    assert total == 22**4 * 11**2 == 28_344_976


@pytest.mark.parametrize(
    ("shape", "genes", "text"),
    [
        (ENCODING_1, ("mul", "sin", "x"), "mul(sin(x), x)"),
        (ENCODING_1, ("add", "zero", "const"), "add(zero, const)"),
        (ENCODING_2, ("max", "neg", "sub", "x", "cos", "scale"), "max(neg(sub(x, cos(x))), scale(x))"),
        (ENCODING_2, ("max", "x", "sub", "x", "cos", "x"), "max(sub(x, cos(x)), x)"),
        (ENCODING_2, ("max", "zero", "sub", "x", "cos", "x"), "max(zero, x)"),
        (Shape("unary", (Shape("unary", (LEAF,)),)), ("x", "sin"), "sin(x)"),
        (LEAF, (), "x"),
    ],
)
def test_express_by_hand(shape, genes, text):
    assert str(express(shape, genes)) == text


@settings(deadline=None, max_examples=200)
@given(SEEDS)
def test_expressing_the_genes_of_an_expression_gives_it_again(seed):
    genes = sample_genes(ENCODING_2, ALL, generator(seed))
    expression = express(ENCODING_2, genes)
    found = genes_of(ENCODING_2, ALL, expression)
    assert found is not None
    assert express(ENCODING_2, found) == expression
    if genes[1] not in ("zero", "const"):  # else what stood below u3 has left no trace
        assert found == genes


@pytest.mark.parametrize(
    "text",
    ["x", "sin(x)", "mul(sin(cos(x)), x)", "mul(mul(x, x), x)", "mul(x, mul(x, x))"],
)
def test_what_has_another_shape_has_no_genes(text):
    assert genes_of(ENCODING_1, ALL, parse_expression(text)) is None


def test_what_the_alphabet_lacks_has_no_genes():
    few = Alphabet(unary=("sin",), binary=("mul",))
    assert genes_of(ENCODING_1, few, parse_expression("mul(sin(x), sin(x))")) == ("mul", "sin", "sin")
    for text in ("mul(sin(x), x)", "add(sin(x), sin(x))", "mul(cos(x), sin(x))", "mul(zero, sin(x))"):
        assert genes_of(ENCODING_1, few, parse_expression(text)) is None


@pytest.mark.parametrize(
    ("shape", "text", "embedded"),
    [
        (ENCODING_1, "mul(sin(x), x)", "mul(sin(x), x)"),
        (ENCODING_1, "sin(x)", "add(sin(x), zero)"),
        (ENCODING_1, "x", "add(x, zero)"),
        (ENCODING_1, "sin(cos(x))", None),
        (ENCODING_2, "mul(sin(x), cos(x))", "add(mul(sin(x), cos(x)), zero)"),
        (ENCODING_2, "sin(mul(x, x))", "add(sin(mul(x, x)), zero)"),
        (ENCODING_2, "mul(mul(x, x), mul(x, x))", None),
        (ENCODING_2, "x", "add(add(x, zero), zero)"),
        (ENCODING_2, "sin(x)", "add(sin(add(x, zero)), zero)"),
        (ENCODING_2, "add(x, zero)", "add(add(x, zero), zero)"),
        (ENCODING_2, "mul(sin(x), mul(x, cos(x)))", "mul(mul(x, cos(x)), sin(x))"),  # only this way round
        (ENCODING_2, "sub(sin(x), mul(x, cos(x)))", None),  # a difference cannot be turned round
    ],
)
def test_embedding_keeps_the_function_or_says_that_it_cannot(shape, text, embedded):
    found = embed(shape, ALL, parse_expression(text))
    assert found == (parse_expression(embedded) if embedded else None)


@pytest.mark.parametrize(
    ("unary", "binary", "text", "embedded"),
    [
        (("x", "zero"), ("sub",), "x", "sub(x, zero)"),
        (("x", "sin"), ("max", "mul"), "sin(x)", "max(sin(x), sin(x))"),
        (("x",), ("min",), "x", "min(x, x)"),
        (("x", "shift"), ("max",), "shift(x)", None),  # two shifts would be two parameters
        (("x", "zero"), ("mul",), "x", None),
        (("sin", "zero"), ("add",), "x", None),
        (("x", "zero"), ("add",), "own(x)", None),  # a form that the table does not know
    ],
)
def test_embedding_with_few_forms(unary, binary, text, embedded):
    given = Expression("own", (X,)) if text.startswith("own") else parse_expression(text)
    found = embed(ENCODING_1, Alphabet(unary, binary), given)
    assert (None if found is None else str(found)) == embedded


def test_genes_are_drawn_uniformly_from_the_names_of_their_role():
    rng = generator(5)
    counts = dict.fromkeys(UNARY, 0)
    for _ in range(4400):
        binary, left, right = sample_genes(ENCODING_1, ALL, rng)
        assert binary in BINARY
        counts[left] += 1
        counts[right] += 1
    assert sum(counts.values()) == 8800
    assert all(300 < count < 500 for count in counts.values()), counts  # 400 expected, standard deviation 19.5
