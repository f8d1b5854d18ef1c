"""What a search yields after each of its epochs or draws: what decides, as text, and how to go on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from evobnn.evaluation import Bench
from evobnn.genome import Genome
from evobnn.relax.cost import Cost
from evobnn.relax.derive import Derived, edges_of
from evobnn.relax.formulas import Table
from evobnn.spaces import Space, key

Row = Mapping[str, Any]
DIGITS = 6
"""Decimals of numbers in rows."""


@dataclass(frozen=True)
class Begun:
    """Where a search goes on: the rows so far, and the tensors of the last of them."""

    rows: tuple[Row, ...] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


BEGINNING = Begun()


@dataclass(frozen=True)
class Step:
    """One finished epoch or draw.

    Attributes:
        row: what decides, ready for JSON.
        cost: what it took, but for seconds.
        tensors: gives all that the search goes on with.
    """

    row: Row
    cost: Cost
    tensors: Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Search:
    """One of the searches at work.

    Attributes:
        total: how many steps there are.
        steps: those that are left.
        ranked: the genomes that rows tell, best first, perhaps with repetitions.
    """

    total: int
    steps: Iterator[Step]
    ranked: Callable[[Sequence[Row]], list[str]]


def told(space: Space, tables: Mapping[str, Table]) -> dict[str, dict[str, list[float | None]]]:
    """Return tables as text can say them: by kind and edge `source>target`, a number for each offered operation, None
    for one that is gone.
    """

    def number(value: float) -> float | None:
        return None if value == float("-inf") else round(float(value), DIGITS)

    return {
        kind: {f"{s}>{t}": [number(v) for v in row] for (s, t), row in zip(edges_of(space), table, strict=True)}
        for kind, table in tables.items()
    }


def genotype(bench: Bench, derived: Derived) -> dict[str, Any]:
    """Return a genome as a row tells it."""
    found: dict[str, Any] = {"genome": str(derived.genome), "key": key(bench.space, derived.genome)}
    return {**found, **({"repaired": list(derived.repairs)} if derived.repairs else {})}


def distinct(space: Space, texts: Sequence[str]) -> list[Genome]:
    """Return the genomes of texts, the first of each canonical form, in their order."""
    found = {key(space, genome): genome for genome in reversed([space.parse(text) for text in texts])}
    order = dict.fromkeys(key(space, space.parse(text)) for text in texts)
    return [found[name] for name in order]
