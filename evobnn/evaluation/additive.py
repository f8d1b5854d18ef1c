"""Counts of many genomes: what adds up over the parts of a genome is added up, in a hundredth of the time of counting.

How much each part has follows from a sample of genomes that are counted in full. A quantity that does not add up, as
others of the sample show, and a genome with a part that was not in the sample are counted in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from evobnn._seeding import generator
from evobnn.evaluation.bench import Bench
from evobnn.genome import Genome
from evobnn.spaces import canonical
from evobnn.spaces.canonical import sites_of
from evobnn.spaces.template import REDUCTION

BY_FORMS = {"ops": False, "bits": True, "parameters": True}
"""Quantities that add up, and whether forms of expressions have a part in them."""
GRAIN = 64.0
"""Counts are multiples of a 64th, so that rounding to one makes sums exact."""
_CHECKED = 20
_DRAWN = 5000
_NEAR = 1e-9

Parts = Mapping[Hashable, int]


def parts_of(bench: Bench, genome: Genome, *, forms: bool) -> Parts:
    """Return how often each part is in a canonical genome: edges by kind, operation and kind of source, the inputs in
    use together, and where `forms` are asked for, each form at an input or before a binary operation.
    """
    found: Counter[Hashable] = Counter({"network": 1})
    space = bench.space
    for kind, cell in genome.cells:
        inputs = sorted({edge.source for edge in cell.edges if edge.source < 2})
        found[kind, "inputs", *inputs] += 1
        for edge in cell.edges:
            found[kind, min(edge.source, 2), edge.operation] += 1
            stride = 2 if kind == REDUCTION and edge.source < 2 else 1
            if forms and space.operations[edge.operation].binary_at(stride):
                expression = genome.expression_at(f"{kind}/{edge.target}", kind)
                found.update((kind, edge.source < 2, node.form) for node in expression.nodes())
        for site in sites_of(kind, cell, space.operations) if forms else ():
            if (number := int(site.rpartition("/")[2])) < 2:
                nodes = genome.expression_at(site, kind).nodes()
                found.update((kind, "input", number, node.form) for node in nodes)
    for kind in space.blocks if forms else ():
        found.update((kind, node.form) for node in genome.expression_at(kind).nodes())
    return found


class Counts:
    """Counts of the genomes of a bench, by these names of objectives; a sample is counted at the first question.

    >>> Counts(bench, ["ops"])(genome) == bench.counts(genome, ["ops"])  # doctest: +SKIP
    True
    """

    def __init__(self, bench: Bench, names: Iterable[str]) -> None:
        self._bench, self.names = bench, tuple(names)

    def __call__(self, genome: Genome) -> dict[str, float]:
        """Return what is counted of the genome's network."""
        form = canonical(self._bench.space, genome)
        found: dict[str, float] = {}
        for forms, table in self._tables.items():
            parts = parts_of(self._bench, form, forms=forms)
            for name, shares in table.items():
                if parts.keys() <= shares.keys():
                    total = sum(shares[part] * count for part, count in parts.items())
                    found[name] = round(total * GRAIN) / GRAIN
        left = [name for name in self.names if name not in found]
        return {**found, **(self._bench.counts(form, left) if left else {})}

    @cached_property
    def _tables(self) -> dict[bool, dict[str, dict[Hashable, float]]]:
        """By whether forms have a part: the share of each part in each quantity that adds up."""
        wanted = {forms: [n for n in self.names if BY_FORMS.get(n) is forms] for forms in (False, True)}
        return {forms: self._table(names, forms) for forms, names in wanted.items() if names}

    def _table(self, names: Sequence[str], forms: bool) -> dict[str, dict[Hashable, float]]:
        rows: list[Parts] = []
        seen: dict[Hashable, None] = {}
        values: list[list[float]] = []
        for form in self._sampled():
            rows.append(parts_of(self._bench, form, forms=forms))
            seen |= dict.fromkeys(rows[-1])
            values.append(list(self._bench.counts(form, names).values()))
            if len(rows) >= 2 * len(seen) + _CHECKED:
                break
        else:
            return {}
        matrix = np.array([[row.get(part, 0) for part in seen] for row in rows], dtype=float)
        counted = np.array(values)
        shares = np.linalg.lstsq(matrix[:-_CHECKED], counted[:-_CHECKED], rcond=1e-10)[0]
        off = np.abs(matrix[-_CHECKED:] @ shares - counted[-_CHECKED:]) / np.maximum(counted[-_CHECKED:], 1.0)
        return {
            name: dict(zip(seen, shares[:, at].tolist(), strict=True))
            for at, name in enumerate(names)
            if off[:, at].max() < _NEAR
        }

    def _sampled(self) -> Iterator[Genome]:
        """Yield canonical genomes whose cells all read both inputs, as nearly all do: where one reads a single input,
        cells before it may be left out of the network as a whole.
        """
        rng, space = generator(0, "counts"), self._bench.space
        for _ in range(_DRAWN):
            form = canonical(space, space.sample(rng))
            both = all({0, 1} <= {edge.source for edge in cell.edges} for _, cell in form.cells)
            if both and not self._bench.infeasible(form):
                yield form
