"""Shapes of expressions: trees of slots, each filled by a unary or a binary form.

A shape turns an expression into a flat tuple of form names (its genes, root first, left before right) and back, so
that variation exchanges names and never makes a malformed tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from evobnn._seeding import Generator, pick
from evobnn.genome import BINARY, FORMS, UNARY, Expression, FormSpec, X

Genes = tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """A slot and the slots below it.

    Attributes:
        role: `leaf` (always x, no gene), `unary` (one child) or `binary` (two children).
        children: as many as the role says.

    >>> from evobnn.spaces import ENCODING_1
    >>> ENCODING_1.role, ENCODING_1.roles()
    ('binary', ('binary', 'unary', 'unary'))
    """

    role: str
    children: tuple[Shape, ...] = ()

    @cached_property
    def size(self) -> int:
        """Number of genes."""
        return sum(child.size for child in self.children) + (self.role != "leaf")

    def roles(self) -> tuple[str, ...]:
        """Return the role of every gene in order."""
        own = () if self.role == "leaf" else (self.role,)
        return own + tuple(role for child in self.children for role in child.roles())

    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Return (start, stop) of the genes of every subtree, the whole first."""
        found: list[tuple[int, int]] = []

        def walk(shape: Shape, start: int) -> None:
            if shape.size:
                found.append((start, start + shape.size))
                at = start + 1
                for child in shape.children:
                    walk(child, at)
                    at += child.size

        walk(self, 0)
        return tuple(found)


LEAF = Shape("leaf")
_UNARY = Shape("unary", (LEAF,))
_PAIR = Shape("binary", (_UNARY, _UNARY))
ENCODING_1 = _PAIR
"""GAAF's encoding 1: a(x) = b(u1(x), u2(x)); 22 x 22 x 11 = 5,324 expressions."""
ENCODING_2 = Shape("binary", (Shape("unary", (_PAIR,)), _UNARY))
"""GAAF's encoding 2: p = b1(u1(x), u2(x)), a(x) = b2(u3(p), u4(x))."""


@dataclass(frozen=True)
class Alphabet:
    """The forms that may fill the slots of each role.

    >>> from evobnn.spaces import Alphabet
    >>> Alphabet(unary=("x", "sin")).names("unary")
    ('x', 'sin')
    """

    unary: tuple[str, ...] = tuple(UNARY)
    binary: tuple[str, ...] = tuple(BINARY)

    def names(self, role: str) -> tuple[str, ...]:
        """Return the forms for slots of this role."""
        return self.unary if role == "unary" else self.binary


def sample_genes(shape: Shape, alphabet: Alphabet, rng: Generator) -> Genes:
    """Return a uniformly drawn name for every gene.

    >>> import numpy as np
    >>> from evobnn.spaces import ENCODING_1, Alphabet, sample_genes
    >>> len(sample_genes(ENCODING_1, Alphabet(), np.random.default_rng(0)))
    3
    """
    return tuple(pick(rng, alphabet.names(role)) for role in shape.roles())


def express(shape: Shape, genes: Genes, forms: Mapping[str, FormSpec] = FORMS) -> Expression:
    """Return the expression with these genes. A unary slot filled with `x` is its child itself; one filled with
    `zero` or `const` has none.

    >>> from evobnn.spaces import ENCODING_1, express
    >>> str(express(ENCODING_1, ("mul", "sin", "x")))
    'mul(sin(x), x)'
    """
    if shape.role == "leaf":
        return X
    args, at = [], 1
    for child in shape.children:
        args.append(express(child, genes[at : at + child.size], forms))
        at += child.size
    if genes[0] == "x":
        return args[0]
    return Expression(genes[0], tuple(args[: forms[genes[0]].arity]))


def genes_of(shape: Shape, alphabet: Alphabet, expression: Expression) -> Genes | None:
    """Return genes that express this expression, or None where it does not have the shape.

    Genes below a `zero` or `const` leave no trace in the expression; they are filled with the first form.

    >>> from evobnn.spaces import ENCODING_1, Alphabet, genes_of
    >>> genes_of(ENCODING_1, Alphabet(), evobnn.parse_expression("mul(sin(x), x)"))
    ('mul', 'sin', 'x')
    """
    if shape.role == "leaf":
        return () if expression == X else None
    if shape.role == "unary":
        child = shape.children[0]
        if expression.form in alphabet.unary:
            if expression.args:
                below = genes_of(child, alphabet, expression.args[0])
                return None if below is None else (expression.form, *below)
            if expression != X:
                return (expression.form, *(alphabet.names(role)[0] for role in child.roles()))
        below = genes_of(child, alphabet, expression)
        return ("x", *below) if below is not None and "x" in alphabet.unary else None
    if expression.form not in alphabet.binary or len(expression.args) != 2:
        return None
    left, right = (genes_of(child, alphabet, arg) for child, arg in zip(shape.children, expression.args, strict=True))
    return None if left is None or right is None else (expression.form, *left, *right)


def embed(
    shape: Shape, alphabet: Alphabet, expression: Expression, forms: Mapping[str, FormSpec] = FORMS
) -> Expression | None:
    """Return an expression of the shape that computes the same function, or None where none is known.

    What fits is returned as it is. In a binary slot e becomes `add(e, zero)`, `sub(e, zero)` or, without learnable
    part, `max(e, e)` or `min(e, e)`, all of which are e exactly; or its own arguments are embedded, exchanged where
    its form commutes.

    >>> from evobnn.spaces import ENCODING_1, Alphabet, embed
    >>> str(embed(ENCODING_1, Alphabet(), evobnn.parse_expression("sin(x)")))
    'add(sin(x), zero)'
    """
    if genes_of(shape, alphabet, expression) is not None:
        return expression
    if shape.role == "leaf":
        return None
    if shape.role == "unary":
        if expression.form in alphabet.unary and expression.args:
            below = embed(shape.children[0], alphabet, expression.args[0], forms)
            return None if below is None else Expression(expression.form, (below,))
        return embed(shape.children[0], alphabet, expression, forms) if "x" in alphabet.unary else None
    left, right = shape.children
    zero = Expression("zero")
    plain = all(node.form in forms and not forms[node.form].learnable for node in expression.nodes())
    tries: list[tuple[str, Expression, Expression]]
    tries = [(form, expression, zero) for form in ("add", "sub") if form in alphabet.binary]
    tries += [(form, expression, expression) for form in ("max", "min") if form in alphabet.binary and plain]
    if expression.form in alphabet.binary and len(expression.args) == 2:
        p, q = expression.args
        tries += [(expression.form, p, q), *([(expression.form, q, p)] if forms[expression.form].commutes else [])]
    for form, p, q in tries:
        args = (embed(left, alphabet, p, forms), embed(right, alphabet, q, forms))
        if None not in args:
            return Expression(form, args)  # type: ignore[arg-type]
    return None
