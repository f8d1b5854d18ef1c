"""BATS: Bulat, Martinez, Tzimiropoulos, "BATS: Binary ArchitecTure Search", ECCV 2020 (arXiv 2003.01711), section 3.3.

DARTS, first order, with two changes. Shares are softmax(alpha / T) with T < 1: those of a binary network are nearly
equal, and pools and skips would win by default. And of three ways to search, everything real, binary activations with
real weights, or everything binary, the second is preferred; the network that is found is binary in both.

There is no code of the search. The value and schedule of T, the numbers of optimisers, epochs and batches, and how a
genotype is read are unconfirmed: they are arguments, and their defaults are DARTS's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from evobnn.evaluation import Bench
from evobnn.relax.cost import Cost, mixed_epoch, mixed_macs
from evobnn.relax.derive import derive
from evobnn.relax.descent import Relaxation
from evobnn.relax.formulas import mean_entropy, temperature_at
from evobnn.relax.mixed import plain_norms
from evobnn.relax.settings import MODES, Bats
from evobnn.relax.step import BEGINNING, Begun, Row, Search, Step, genotype, told


def bats(bench: Bench, settings: Bats, root: int, begun: Begun = BEGINNING) -> Search:
    """Return BATS's search on a bench, going on where it was."""
    mode: dict[str, Any] = MODES[settings.mode]
    own = replace(bench, protocol=replace(bench.protocol, recipe=replace(bench.protocol.recipe, **mode)))
    return Search(settings.epochs, _steps(own, settings, root, begun), lambda rows: _ranked(settings, rows))


def _steps(bench: Bench, settings: Bats, root: int, begun: Begun) -> Iterator[Step]:
    search = Relaxation(bench, settings, root)
    plain_norms(search.mixed)
    search.begin()
    search.restore(begun.tensors)

    for epoch in range(len(begun.rows), settings.epochs):
        last = settings.last_temperature or settings.temperature
        search.mixed.temperature = temperature_at(epoch, settings.epochs, settings.temperature, last)
        loss, seen = 0.0, [0, 0]
        for first, second in search.steps(epoch):
            search.set_alpha(second)
            loss += float(search.set_weights(first))
            seen = [seen[0] + len(first[1]), seen[1] + len(second[1])]
        validation_loss, error = search.scored()

        found = derive(bench.space, search.shares(), bench.infeasible, settings.excluded)
        row = {
            "epoch": epoch + 1, "training_loss": loss / seen[0], "validation_loss": validation_loss,
            "validation_error": error, "entropy": mean_entropy(search.mixed.tables()).item(),
            "temperature": search.mixed.temperature, "alphas": told(bench.space, search.alphas()),
            **genotype(bench, found),
        }  # fmt: skip
        weights, alpha = (count / bench.prepared.train_count for count in seen)
        cost = Cost(mixed_epoch(bench.space, weights, alpha), mixed_macs(bench, sum(seen)))
        yield Step(row, cost, search.tensors)


def _ranked(settings: Bats, rows: Sequence[Row]) -> list[str]:
    """Return the genotype of the epoch that counts, then those of the others."""
    if settings.genotype == "best":
        rows = sorted(rows, key=lambda row: (row["validation_error"], row["validation_loss"], row["epoch"]))
        return [row["genome"] for row in rows]
    return [row["genome"] for row in reversed(rows)]
