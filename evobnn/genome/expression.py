"""Activation functions as trees of named forms: `mul(sin(x), x)`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Expression:
    """A tree of forms; immutable, hashable, printed as the text that parses back to it.

    Attributes:
        form: a name of `evobnn.genome.FORMS`.
        args: as many sub-expressions as the form's arity.

    >>> x = evobnn.Expression("x")
    >>> print(evobnn.Expression("mul", (evobnn.Expression("sin", (x,)), x)))
    mul(sin(x), x)
    """

    form: str
    args: tuple[Expression, ...] = ()

    def __str__(self) -> str:
        return f"{self.form}({', '.join(map(str, self.args))})" if self.args else self.form

    def nodes(self) -> Iterator[Expression]:
        """Yield every sub-expression, root first, left before right."""
        yield self
        for arg in self.args:
            yield from arg.nodes()

    def nested(self) -> tuple[Any, ...]:
        """Return the tree as nested tuples `(form, arg, arg)`, which is what `evobnn.nn` takes."""
        return (self.form, *(arg.nested() for arg in self.args))


X = Expression("x")
"""The bare argument: no complementary activation, the plain sign."""
