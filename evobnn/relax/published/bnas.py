"""BNAS: Kim, Singh, Choi, "Learning architectures for binary networks", ECCV 2020 (arXiv 2002.06963), section 3.

A cell's operations are relaxed as in DARTS, first order, with Zeroise among them to the end. The loss of alpha rewards
the entropy of its shares early on, so that operations with weights, which learn slowly when they are binary, are not
given up before they have learned:

    L_alpha = CE(second half) - lambda mean_e H(softmax(alpha_e)) exp(-epoch / tau),   lambda = 1, tau = 7.7

In the search the preprocessing of a cell's inputs is real, norms of cells are not affine, and a norm follows each pool.
Weights are binarised before every pass, with the gradient of `evobnn.nn.binary.weights.bnas`.

`as_released` has what the published code does beside that:

- the entropy of reduction cells is that of their last edge, for each edge;
- gamma divides all operations of the first edge, in place of Zeroise on all edges;
- a genotype is read before the epoch by whose error it is ranked;
- the last convolutions are left real, see `evobnn.relax.mixed.last_left_real`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from evobnn.evaluation import Bench
from evobnn.relax.cost import Cost, mixed_epoch, mixed_macs
from evobnn.relax.derive import derive
from evobnn.relax.descent import Relaxation
from evobnn.relax.formulas import divided, fading, mean_entropy
from evobnn.relax.mixed import last_left_real, plain_norms, real_inputs
from evobnn.relax.settings import Bnas
from evobnn.relax.step import BEGINNING, Begun, Row, Search, Step, genotype, told


def bnas(bench: Bench, settings: Bnas, root: int, begun: Begun = BEGINNING) -> Search:
    """Return BNAS's search on a bench, going on where it was."""
    steps = _steps(binarised(bench, settings), settings, root, begun)
    return Search(settings.epochs, steps, lambda rows: _ranked(settings, rows))


def binarised(bench: Bench, settings: Bnas) -> Bench:
    """Return the bench with the search's quantiser of weights in its recipe."""
    recipe = replace(bench.protocol.recipe, quantiser=settings.quantiser)
    return replace(bench, protocol=replace(bench.protocol, recipe=recipe))


def _steps(bench: Bench, settings: Bnas, root: int, begun: Begun) -> Iterator[Step]:
    search = Relaxation(bench, settings, root)
    real_inputs(search.mixed)
    plain_norms(search.mixed)
    left = last_left_real(search.mixed) if settings.as_released else 0
    search.begin()
    search.restore(begun.tensors)

    for epoch in range(len(begun.rows), settings.epochs):
        read = search.alphas(), search.shares()
        loss, seen, fades = 0.0, [0, 0], fading(epoch, settings.tau)
        for first, second in search.steps(epoch):
            entropy = mean_entropy(search.mixed.tables(), settings.as_released)
            search.set_alpha(second, bonus=settings.diversity * fades * entropy)
            loss += float(search.set_weights(first))
            seen = [seen[0] + len(first[1]), seen[1] + len(second[1])]
        validation_loss, error = search.scored()
        alphas, shares = read if settings.as_released else (search.alphas(), search.shares())

        found = derive(bench.space, shares, bench.infeasible)
        less_zero = {
            kind: divided(table, bench.space.offered[kind], settings.gamma, settings.as_released)
            for kind, table in shares.items()
        }
        row = {
            "epoch": epoch + 1, "training_loss": loss / seen[0], "validation_loss": validation_loss,
            "validation_error": error, "entropy": mean_entropy(search.mixed.tables(), settings.as_released).item(),
            "diversity": settings.diversity * fades, "left_real": left, "alphas": told(bench.space, alphas),
            **genotype(bench, found), "divided": genotype(bench, derive(bench.space, less_zero, bench.infeasible)),
        }  # fmt: skip
        yield Step(row, _cost(bench, seen), search.tensors)


def _cost(bench: Bench, seen: Sequence[int]) -> Cost:
    weights, alpha = (count / bench.prepared.train_count for count in seen)
    return Cost(mixed_epoch(bench.space, weights, alpha), mixed_macs(bench, sum(seen)))


def _ranked(settings: Bnas, rows: Sequence[Row]) -> list[str]:
    """Return the genotype of the epoch that counts, the same with Zeroise divided, then those of other epochs."""
    order = sorted(rows, key=lambda row: (row["validation_error"], row["validation_loss"], row["epoch"]))
    if settings.genotype == "last":
        order = list(reversed(rows))
    return [order[0]["genome"], order[0]["divided"]["genome"], *(row["genome"] for row in order[1:])]
