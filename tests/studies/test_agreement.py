"""Rank correlations of brief with long trainings: planted errors come back as the taus that can be counted by hand."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from evobnn._seeding import generator
from evobnn.errors import EvobnnError
from evobnn.studies.fidelity.agreement import Agreement, Regime, Sample, judge, mean_tau, sample
from evobnn.studies.fidelity.text import as_markdown, notes, tables
from evobnn.studies.statistics import bootstrap, interval, kendall

LONG, OWN = Regime(12, 8, 2), Regime(3, 8)
SAID = {"seeds": 2, "data": {"name": "digits", "train": 1000, "validation": 300}}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 100)


def planted(errors: dict[Regime, object], seconds: float = 1.0) -> Sample:
    """Return the sample of these errors; a training of e epochs takes e seconds, whatever its width."""
    table = {regime: np.asarray(values, dtype=float) for regime, values in errors.items()}
    times = {regime: np.full_like(values, seconds * regime.epochs) for regime, values in table.items()}
    return sample(table, times, LONG)


def judged(errors: dict[Regime, object]) -> Agreement:
    return judge(planted(errors), OWN, SAID, 0)


def columns(*scores: object) -> np.ndarray:
    return np.stack([np.asarray(one, dtype=float) for one in scores], axis=1)


# --- The statistic --------------------------------------------------------------------------------------------------


def test_tau_is_that_of_scipy_with_ties_and_on_resamples() -> None:
    rng = np.random.default_rng(3)
    x, y, z = rng.integers(0, 6, (3, 12)).astype(float)
    statistic = mean_tau([(x, y)])
    assert statistic(np.arange(12)) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert isinstance(statistic(np.arange(12)), float)
    drawn = rng.integers(0, 12, (40, 12))
    found = statistic(drawn)
    assert found.shape == (40,)
    expected = [stats.kendalltau(x[items], y[items]).statistic for items in drawn]
    assert found == pytest.approx(expected)
    assert mean_tau([(x, y), (x, z)])(drawn) == pytest.approx((statistic(drawn) + mean_tau([(x, z)])(drawn)) / 2)
    assert statistic(drawn.T, axis=0) == pytest.approx(expected)


def test_interval_is_that_of_kendall() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=20)
    y = x + rng.normal(size=20)
    ours = bootstrap(mean_tau([(x, y)]), [np.arange(20.0)], generator(0, "a"))
    theirs = kendall(x, y, generator(0, "a"))
    assert ours.estimate == pytest.approx(theirs.estimate)
    assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_interval_covers_the_truth() -> None:
    # Of normal scores with correlation rho, tau = 2 / pi asin rho (Greiner's relation).
    truth, rng, held = 2 / math.pi * math.asin(0.8), np.random.default_rng(5), 0
    for number in range(150):
        x = rng.normal(size=40)
        y = 0.8 * x + 0.6 * rng.normal(size=40)
        found = bootstrap(mean_tau([(x, y)]), [np.arange(40.0)], generator(number, "a"))
        held += found.low <= truth <= found.high
    assert 130 <= held <= 149


# --- Planted errors -------------------------------------------------------------------------------------------------

RISING = np.arange(8) / 10


def swapped(*pairs: tuple[int, int]) -> np.ndarray:
    """Return the rising errors with the neighbours i and j exchanged: each such pair makes one of 28 discordant."""
    order = np.arange(8)
    for i, j in pairs:
        order[[i, j]] = order[[j, i]]
    return RISING[order]


def test_a_protocol_with_itself_is_one_and_reversed_minus_one() -> None:
    found = judged({LONG: columns(RISING, RISING), OWN: columns(RISING), Regime(1, 8): columns(-RISING)})
    own, reversed_ = found.scores
    for score, tau in ((own, 1.0), (reversed_, -1.0), (found.long, 1.0)):
        for one in (score.tau, score.tau_better):
            ends = (one.estimate, one.low, one.high)
            assert ends == pytest.approx((tau, tau, tau))
    assert (own.gain.estimate, reversed_.gain.estimate, found.long.gain.estimate) == pytest.approx((0.0, -2.0, 0.0))
    assert (found.genomes, found.failed, found.better, found.own) == (8, 0, 4, (3, 8))


def test_planted_taus_and_ceiling() -> None:
    # One exchange of neighbours: 27 pairs agree and 1 does not, tau = 26 / 28; two of them 24 / 28.
    found = judged(
        {LONG: columns(RISING, swapped((6, 7))), OWN: columns(swapped((0, 1))), Regime(1, 4): columns(RISING)}
    )
    own, other = found.scores
    assert found.long.tau.estimate == pytest.approx(26 / 28)
    assert own.tau.estimate == pytest.approx((26 / 28 + 24 / 28) / 2)
    assert other.tau.estimate == pytest.approx((1 + 26 / 28) / 2)
    assert other.gain.estimate == pytest.approx((2 / 28 + 2 / 28) / 2)
    # The better half are the first four: there the long ones agree, and one pair of 6 is exchanged in the brief one.
    assert found.long.tau_better.estimate == pytest.approx(1.0)
    assert own.tau_better.estimate == pytest.approx(4 / 6)
    assert other.gain_better.estimate == pytest.approx(2 / 6)


def test_ceiling_is_the_mean_over_pairs_of_long_trainings() -> None:
    rng = np.random.default_rng(6)
    long = Regime(12, 8, 3)
    errors = {long: rng.random((10, 3)), OWN: rng.random((10, 1))}
    found = judge(sample(errors, errors, long), OWN, SAID, 0)
    pairs = [stats.kendalltau(errors[long][:, i], errors[long][:, j]).statistic for i, j in combinations(range(3), 2)]
    assert found.long.tau.estimate == pytest.approx(np.mean(pairs))
    taus = [stats.kendalltau(errors[OWN][:, 0], errors[long][:, j]).statistic for j in range(3)]
    assert found.scores[0].tau.estimate == pytest.approx(np.mean(taus))


def test_the_better_half_goes_by_the_mean_of_the_long_trainings() -> None:
    # By the first seed alone genomes 0 to 3 were the better ones; by the mean it is every second one.
    first, second = np.arange(8) / 100, np.array([0, 9, 0, 9, 0, 9, 0, 9]) / 10
    found = planted({LONG: columns(first, second), OWN: columns(RISING)})
    assert found.better.tolist() == [True, False] * 4
    assert found.target == pytest.approx((first + second) / 2)
    tied = planted({LONG: columns([1, 2, 2, 2, 3, 4], [1, 2, 2, 2, 3, 4]), OWN: columns(range(6))})
    assert tied.better.tolist() == [True] * 4 + [False] * 2


def test_repeats_are_means_of_the_same_trainings() -> None:
    rng = np.random.default_rng(7)
    three = Regime(3, 8, 3)
    long, brief = rng.random((9, 2)), rng.random((9, 3))
    found = judge(planted({LONG: long, three: brief}), three, SAID, 0)
    assert [(one.repeats, one.epochs_share, one.seconds_share) for one in found.scores] == [
        (1, pytest.approx(3 / 12), pytest.approx(3 / 12)),
        (2, pytest.approx(6 / 12), pytest.approx(6 / 12)),
        (3, pytest.approx(9 / 12), pytest.approx(9 / 12)),
    ]
    for score in found.scores:
        chosen = list(combinations(range(3), score.repeats))
        taus = [
            stats.kendalltau(brief[:, list(some)].mean(axis=1), long[:, j]).statistic
            for some, j in product(chosen, range(2))
        ]
        assert len(taus) == 2 * math.comb(3, score.repeats)
        assert score.tau.estimate == pytest.approx(np.mean(taus))
        assert (score.error, score.seconds) == (pytest.approx(brief.mean()), 3.0 * score.repeats)


def test_rounding_does_not_rank() -> None:
    three = Regime(3, 8, 3)
    assert (0.1 + 0.2 + 0.3) / 3 != (0.3 + 0.2 + 0.1) / 3
    brief = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], *([n, n, n] for n in (0.4, 0.5, 0.6, 0.7))]
    long = columns([2, 1, 3, 4, 5, 6], [2, 1, 3, 4, 5, 6])
    score = judge(planted({LONG: long, three: brief}), three, SAID, 0).scores[-1]
    assert score.tau.estimate == pytest.approx(14 / math.sqrt(14 * 15))  # one pair is tied, none discordant


def test_what_failed_anywhere_is_left_out_and_counted() -> None:
    nan = math.nan
    three = Regime(3, 8, 2)
    brief = columns([nan, *RISING[1:]], [nan, nan, *RISING[2:]])
    long = columns(RISING, [*RISING[:7], nan])
    found = judge(planted({LONG: long, three: brief}), three, SAID, 0)
    assert (found.genomes, found.failed) == (5, 3)
    assert (found.long.failed, found.scores[0].failed) == (1, 2)
    assert (found.scores[0].tau.estimate, found.scores[0].tau.n) == (pytest.approx(1.0), 5)


def test_errors_that_do_not_differ_are_no_ranking_and_no_crash() -> None:
    found = judged({LONG: columns(RISING, RISING), OWN: columns([0.9] * 8), Regime(1, 8): columns(RISING)})
    own, other = found.scores
    assert all(math.isnan(value) for value in (own.tau.estimate, own.tau.low, own.gain.estimate, other.gain.estimate))
    assert other.tau.estimate == pytest.approx(1.0)
    assert tables(found)[0].rows[0][-2:] == ("–", "–")


def test_one_more_regime_changes_no_other_number() -> None:
    rng = np.random.default_rng(8)
    errors = {LONG: rng.random((12, 2)), OWN: rng.random((12, 1))}
    alone = judged(errors)
    more = judged({**errors, Regime(1, 8): rng.random((12, 1))})
    assert more.scores[0] == alone.scores[0]
    assert more.long == alone.long


@pytest.mark.parametrize(("numbers", "words"), [((0, 1, 1), "epochs"), ((1, 0, 1), "width"), ((1, 1, 10), "repeats")])
def test_a_regime_has_sizes(numbers: tuple[int, int, int], words: str) -> None:
    with pytest.raises(EvobnnError, match=words):
        Regime(*numbers)


def test_words() -> None:
    found = judged(
        {LONG: columns(RISING, swapped((6, 7))), OWN: columns(swapped((0, 1))), Regime(1, 4): columns(RISING)}
    )
    taus, gains = tables(found)
    assert [row[:3] for row in taus.rows] == [("3", "8", "1"), ("1", "4", "1"), ("12", "8", "ceiling")]
    assert [row[3:5] for row in taus.rows] == [("25 %", "25 %"), ("8 %", "8 %"), ("100 %", "100 %")]
    assert taus.rows[2][6].startswith("0.93 [")
    assert [row[:3] for row in gains.rows] == [("1", "4", "1")]  # of the preset's own there is nothing to gain
    assert gains.rows[0][3].startswith("+0.07 [")
    text = as_markdown(found)
    assert text.startswith("# Does brief training tell the truth?\n")
    assert all(sentence in text for sentence in notes(found))
    assert "8 random genomes (0 more left out" in text
