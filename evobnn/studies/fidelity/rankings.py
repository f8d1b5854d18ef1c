"""How well rankers order genomes by their error: numbers alone, with intervals over expressions and topologies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evobnn._seeding import generator
from evobnn.evaluation.signcodes import scores
from evobnn.studies.fidelity.rankers import BASELINE
from evobnn.studies.statistics import Floats, Interval
from evobnn.studies.statistics.crossed import Labels, percentile_interval, resampled, taus

CONTROL = "expression elsewhere"
"""The ranker that knows the errors of a genome's expressions on other topologies, and nothing of its own."""


@dataclass(frozen=True)
class Measured:
    """What is known of n genomes.

    Attributes:
        errors: (n,), in [0, 1].
        values: (n) tuples of numbers by ranker, more being better.
        seconds: (n,) by ranker.
        topologies, expressions: of each genome, n labels.
        convolutions: of each genome, n numbers.
        training: median seconds of one training.
    """

    errors: Floats
    values: Mapping[str, Sequence[tuple[float, ...]]]
    seconds: Mapping[str, Floats]
    topologies: Labels
    expressions: Labels
    convolutions: Labels
    training: float


@dataclass(frozen=True)
class RankerScore:
    """How well one ranker orders. What there is nothing to rank for is NaN.

    Attributes:
        name: of the ranker.
        tau: Kendall's tau-b of its score with minus the error.
        equal: the same over pairs of genomes with equally many convolutions.
        topologies, expressions: over pairs with the same expressions, and over pairs with the same topology.
        gain: tau minus that of the number of operations, in the same resamples.
        kept: share of the best tenth by error that is in the better half by score; a tie with the median counts half.
        seconds: median of one genome; NaN for the control, which costs the trainings of the others.
        share: of the seconds of one training.
    """

    name: str
    tau: Interval
    equal: Interval
    topologies: Interval
    expressions: Interval
    gain: Interval
    kept: float
    seconds: float
    share: float


@dataclass(frozen=True)
class Rankings:
    """The answer.

    Attributes:
        question: what was asked, in plain values.
        genomes: that were ranked; `failed` others were left out.
        topologies, expressions: how many different ones they have.
        training: median seconds of one training.
        rankers: by name, the control last, where there is one.
    """

    question: Mapping[str, Any]
    genomes: int
    failed: int
    topologies: int
    expressions: int
    training: float
    rankers: tuple[RankerScore, ...]


def judge(found: Measured, question: Mapping[str, Any], failed: int, seed: int) -> Rankings:
    """Return what was measured as an answer; `seed` is that of the resamples, the same for all rankers."""
    n = len(found.errors)
    weights = resampled([found.topologies, found.expressions], generator(seed, "rankers", "bootstrap"))
    weights = np.concatenate([np.ones((1, n)), weights])  # the first is the sample itself
    given = {name: scores(values) for name, values in found.values.items()}
    control = elsewhere(found)
    if control is not None:
        given[CONTROL] = -control
    base = taus(given[BASELINE], -found.errors, weights)

    def score(name: str, of: Floats) -> RankerScore:
        def tau(within: Labels | None = None) -> Floats:
            return taus(of, -found.errors, weights, within)

        seconds = float(np.median(found.seconds[name])) if name in found.seconds else np.nan
        whole = tau()
        return RankerScore(
            name,
            _interval(whole, n),
            _interval(tau(found.convolutions), n),
            _interval(tau(found.expressions), n),
            _interval(tau(found.topologies), n),
            _interval(whole - base, n),
            kept(of, found.errors),
            seconds,
            seconds / found.training if found.training > 0.0 else np.nan,
        )

    return Rankings(
        dict(question),
        n,
        failed,
        len(set(found.topologies)),
        len(set(found.expressions)),
        found.training,
        tuple(score(name, of) for name, of in given.items()),
    )


def _interval(values: Floats, n: int) -> Interval:
    return percentile_interval(float(values[0]), values[1:], n)


def kept(score: Floats, errors: Floats) -> float:
    """Return which share of the tenth of least error is in the better half by score."""
    best = np.argsort(errors, kind="stable")[: -(-len(errors) // 10)]
    median = np.median(score)
    return float(np.mean((score[best] > median) + 0.5 * (score[best] == median)))


def elsewhere(found: Measured) -> Floats | None:
    """Return for each genome the mean error of its expressions on other topologies, (n,); the mean of all genomes where
    there is no other, and None where there is none for anybody.
    """
    topologies, expressions = (np.array(list(map(str, labels))) for labels in (found.topologies, found.expressions))
    others = (expressions[:, None] == expressions[None, :]) & (topologies[:, None] != topologies[None, :])
    counts = others.sum(axis=1)
    if not counts.any():
        return None
    means = (others @ found.errors) / np.maximum(counts, 1)
    return np.asarray(np.where(counts > 0, means, found.errors.mean()))
