"""Expected hypervolume improvement where the error alone is uncertain.

Emmerich, Giannakoglou, Naujoks, "Single- and
multiobjective evolutionary optimization assisted by Gaussian random field metamodels", IEEE Transactions on
Evolutionary Computation 10(4), 2006. Costs are exact, so the integral over errors has a closed form.

    EHVI = sum over j = 0 .. p of V_j (P(a_j+1) - P(a_j)),    P(a) = E max(a - error, 0),  P(a_0) = 0

a_1 < ... < a_p are the errors of the front and a_p+1 is the worst that counts; V_j is the volume of costs that a
candidate covers beside the members of the front with errors up to a_j. Without costs it is the expected improvement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from evobnn.scores.genes import Genes
from evobnn.scores.process import OFFSET, Process, one_thread

Numbers = NDArray[np.float64]

_LEAST = 1e-9
"""Standard deviation of what is known."""
_DIGITS = 12
"""Of an improvement: last bits of a sum decide nothing."""


@dataclass(frozen=True)
class Incumbents:
    """What is there to be improved, n points of which none need be on the front.

    Attributes:
        errors: that are believed, of shape (n,).
        costs: of shape (n, k), each in [0, 1].
    """

    errors: Numbers
    costs: Numbers

    def front(self, worst: float) -> Incumbents:
        """Return those below the worst error that no other dominates, by rising error."""
        kept: list[int] = []
        for at in np.lexsort((*self.costs.T, self.errors)):
            if self.errors[at] < worst and not (self.costs[kept] <= self.costs[at]).all(axis=1).any():
                kept.append(int(at))
        return Incumbents(self.errors[kept], self.costs[kept])

    def and_one(self, error: float, costs: Numbers) -> Incumbents:
        """Return the same with one more."""
        return Incumbents(np.append(self.errors, error), np.vstack([self.costs, costs]))


def improvement(means: Numbers, deviations: Numbers, costs: Numbers, incumbents: Incumbents, worst: float) -> Numbers:
    """Return the expected improvement of m candidates, of shape (m,), in units of error times costs.

    Arguments:
        means: of log(error + OFFSET), of shape (m,).
        deviations: the same.
        costs: of shape (m, k), each in [0, 1].
        incumbents: what is to be improved.
        worst: error that counts as the worst.
    """
    front = incumbents.front(worst)
    below = _below(np.append(front.errors, worst), means, np.maximum(deviations, _LEAST))
    return np.asarray((_volumes(costs, front.costs) * np.diff(below, axis=1, prepend=0.0)).sum(axis=1))


def _below(levels: Numbers, means: Numbers, deviations: Numbers) -> Numbers:
    """Return E max(level - error, 0), of shape (m, p), for p levels and m lognormal errors: Black and Scholes, "The
    pricing of options and corporate liabilities", Journal of Political Economy 81, 1973, has it for prices.
    """
    level = levels + OFFSET
    z = (np.log(level) - means[:, None]) / deviations[:, None]
    expected = np.exp(means + deviations**2 / 2)[:, None]
    return np.asarray(np.maximum(level * ndtr(z) - expected * ndtr(z - deviations[:, None]), 0.0))


def _volumes(costs: Numbers, front: Numbers) -> Numbers:
    """Return V_0 .. V_p of m candidates, of shape (m, p + 1)."""
    count, kinds = costs.shape
    alone = np.prod(1.0 - costs, axis=1)[:, None]
    if kinds == 0:
        return np.hstack([alone, np.zeros((count, len(front)))])
    if kinds == 1:
        least = np.minimum.accumulate(np.append(1.0, front[:, 0]))
        return np.asarray(np.maximum(least - costs, 0.0))
    worst = np.ones(kinds)
    beside = [
        [moocore.hypervolume(np.vstack([front[:n], one]), ref=worst) for one in costs] for n in range(1, len(front) + 1)
    ]
    covered = [moocore.hypervolume(front[:n], ref=worst) for n in range(1, len(front) + 1)]
    return np.hstack([alone, np.array(beside).reshape(len(front), count).T - np.array(covered)])


@one_thread
def believed_best(
    process: Process, genes: Sequence[Genes], costs: Numbers, incumbents: Incumbents, worst: float, count: int
) -> list[int]:
    """Return up to `count` of m candidates, one after another those with the most expected improvement when the errors
    believed of those before are known.

    Arguments:
        process: what is believed.
        genes: of the candidates.
        costs: of shape (m, k), each in [0, 1].
        incumbents: what is to be improved.
        worst: error that counts as the worst.
        count: of candidates wanted.
    """
    means, covariance = process.joint(genes)
    errors = np.clip(np.exp(means) - OFFSET, 0.0, 1.0)
    left = np.ones(len(genes), dtype=bool)
    found: list[int] = []
    for _ in range(min(count, len(genes))):
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        gains = improvement(means, deviations, costs, incumbents, worst).round(_DIGITS)
        at = int(np.argmax(np.where(left, gains, -1.0)))
        found.append(at)
        left[at] = False
        column = covariance[:, at] / np.hypot(deviations[at], process.noise)
        covariance = covariance - np.outer(column, column)
        incumbents = incumbents.and_one(float(errors[at]), costs[at])
    return found
