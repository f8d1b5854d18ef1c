"""Statistics of comparisons: closed forms, examples by hand, brute force, SciPy, and what intervals cover."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from evobnn.errors import EvobnnError
from evobnn.studies.statistics import (
    a12,
    a12_interval,
    against_baseline,
    band,
    bootstrap,
    candidates_for_best,
    factorial,
    holm,
    kendall,
    on_grid,
    paired_difference,
    paired_t,
    signed_rank,
    spearman,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- Signed ranks ---------------------------------------------------------------------------------------------------

X = [125, 115, 130, 140, 140, 115, 140, 125, 140, 135]
Y = [110, 122, 125, 120, 140, 124, 123, 137, 135, 145]


def test_signed_rank_by_hand():
    # |d| = 15 7 5 20 0 9 17 12 5 10 has the ranks 8 4 2.5 10 1 5 9 7 2.5 6; the zero's is left out (Pratt).
    found = signed_rank(X, Y)
    assert (found.n, found.zeros, found.statistic, found.note) == (10, 1, 4 + 5 + 7 + 6, "")
    ranks = [8, 4, 2.5, 10, 5, 9, 7, 2.5, 6]
    sums = [
        sum(r for r, plus in zip(ranks, signs, strict=True) if plus) for signs in itertools.product([0, 1], repeat=9)
    ]
    assert len(sums) == 512
    assert found.p == pytest.approx(2 * sum(s <= 22 for s in sums) / 512)
    assert signed_rank(Y, X) == found


def test_signed_rank_against_scipy():
    sizes = [6, 7, 20, 50, 51, 200]
    for size in sizes:
        x, y = rng(size).normal(0.3, 1.0, size), rng(size + 1).normal(size=size)
        known = stats.wilcoxon(x, y, zero_method="pratt")
        found = signed_rank(x, y)
        assert (found.statistic, found.p) == (known.statistic, pytest.approx(known.pvalue, rel=1e-9))
    x = rng(0).integers(0, 9, 300)
    y = rng(1).integers(0, 9, 300)
    assert signed_rank(x, y).p == pytest.approx(stats.wilcoxon(x, y, zero_method="pratt").pvalue)
    assert len(sizes) == 6


def test_few_pairs_and_none_that_differ_are_said():
    assert signed_rank([1, 2, 3, 4, 5], [0] * 5).p == 0.0625  # 2 / 2^5
    assert signed_rank([1, 2, 3, 4, 5], [0] * 5).note == "5 pairs that differ cannot give p below 0.0625"
    assert (signed_rank(range(1, 7), [0] * 6).p, signed_rank(range(1, 7), [0] * 6).note) == (0.03125, "")
    same = signed_rank([3.0] * 8, [3.0] * 8)
    assert (same.p, same.zeros, same.note) == (1.0, 8, "none of the 8 pairs differs")
    # Of 200 pairs 4 differ, all to one side: 2 / 2^4, which the normal curve would make 0.045.
    rare = signed_rank([1, 2, 3, 4] + [0] * 196, [0] * 200)
    assert (rare.p, rare.zeros) == (0.125, 196)
    assert rare.note == "4 pairs that differ cannot give p below 0.125"


def test_rounding_does_not_rank():
    # In tenths: five times 2, once -2, and 0.1 + 0.2 against 0.3. As floats these are not equal.
    x, y = [0.3, 0.4, 0.9, 0.8, 0.5, 1.0, 0.1 + 0.2], [0.1, 0.2, 0.7, 0.6, 0.3, 1.2, 0.3]
    assert abs(x[5] - y[5]) < min(abs(a - b) for a, b in zip(x[:5], y[:5], strict=True))
    assert x[6] != y[6]
    assert signed_rank(x, y) == signed_rank([2, 2, 2, 2, 2, -2, 0], [0] * 7)
    assert (signed_rank(x, y).statistic, signed_rank(x, y).zeros) == (4.5, 1)


# --- Holm -----------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6, 0.9]) == [1.0, 1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_holm_is_the_step_down_procedure():
    looped = 0
    for seed in range(50):
        p = rng(seed).random(rng(seed).integers(1, 12)) ** 3
        rejected = set()
        for step, index in enumerate(np.argsort(p)):
            if p[index] >= 0.05 / (len(p) - step):
                break
            rejected.add(int(index))
        assert {i for i, value in enumerate(holm(p)) if value < 0.05} == rejected
        looped += bool(rejected)
    assert looped > 20


# --- A12 ------------------------------------------------------------------------------------------------------------


def test_a12_by_hand_and_by_counting():
    assert a12([1, 2, 3], [2, 3, 4]) == pytest.approx(2 / 9)  # 3 > 2, and two ties
    assert a12([5, 6], [1, 2, 3]) == 1.0
    assert a12([4.0] * 3, [4.0] * 5) == 0.5
    x, y = rng(0).integers(0, 6, 17), rng(1).integers(0, 6, 23)
    counted = np.mean([(a > b) + 0.5 * (a == b) for a in x for b in y])
    assert a12(x, y) == pytest.approx(counted)
    assert a12(x, y) + a12(y, x) == pytest.approx(1.0)
    assert a12(x, y) == pytest.approx(stats.mannwhitneyu(x, y).statistic / (17 * 23))


def test_a12_of_many_at_once():
    x, y = rng(0).normal(size=(3, 4, 9)), rng(1).normal(size=(3, 4, 7))
    found = a12(x, y)
    assert found.shape == (3, 4)
    cells = list(np.ndindex(3, 4))
    assert all(found[cell] == pytest.approx(a12(x[cell], y[cell])) for cell in cells)
    assert np.array_equal(a12(np.moveaxis(x, -1, 0), np.moveaxis(y, -1, 0), axis=0), found)
    assert len(cells) == 12


def test_a12_interval():
    x, y = rng(0).normal(1.0, 1.0, 40), rng(1).normal(size=40)
    found = a12_interval(x, y, rng(2))
    assert found == a12_interval(x, y, rng(2))
    assert found != a12_interval(x, y, rng(3))
    assert 0.5 < found.low < found.estimate == a12(x, y) < found.high < 1.0
    apart = a12_interval(np.arange(8.0), np.arange(8.0) - 9.0, rng())
    assert (apart.low, apart.estimate, apart.high, apart.n) == (1.0, 1.0, 1.0, 8)


# --- Intervals ------------------------------------------------------------------------------------------------------


def test_pairs_are_drawn_together():
    x = rng(0).normal(0.0, 100.0, 30)
    found = bootstrap(lambda a, b, axis=-1: (a - b).mean(axis=axis), [x, x - 2.0], rng())
    assert (found.low, found.estimate, found.high) == (pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0))


@pytest.mark.parametrize(
    ("truth", "interval"),
    [
        (1.0, lambda g: paired_difference(g.exponential(1.0, 40), np.zeros(40), g)),
        (stats.norm.cdf(1.0 / math.sqrt(2.0)), lambda g: a12_interval(g.normal(1.0, 1.0, 25), g.normal(size=25), g)),
        (0.5, lambda g: paired_t(g.normal(0.5, 1.0, 5), np.zeros(5))),
    ],
    ids=["skewed mean", "A12", "Student"],
)
def test_what_intervals_cover(truth: float, interval: Callable[[np.random.Generator], object]):
    # Nominal 95 of 100; the binomial's 0.1 % and 99.9 % points of 200 are 179 and 199, the bootstrap covers a bit less.
    source = rng(11)
    found = [interval(source) for _ in range(200)]
    held = sum(one.low <= truth <= one.high for one in found)
    assert 176 <= held <= 199


def test_paired_difference_and_students():
    x, y = rng(0).normal(0.5, 1.0, 200), rng(1).normal(size=200)
    known = stats.ttest_rel(x, y).confidence_interval(0.9)
    exact = paired_t(x, y, 0.9)
    assert (exact.low, exact.high) == (pytest.approx(known.low), pytest.approx(known.high))
    found = paired_difference(x, y, rng(2), 0.9)
    assert found.estimate == pytest.approx(exact.estimate) == pytest.approx(np.mean(x - y))
    assert (found.low, found.high) == (pytest.approx(exact.low, abs=0.02), pytest.approx(exact.high, abs=0.02))
    wider = paired_difference(x, y, rng(2), 0.99)
    assert wider.low < found.low < found.high < wider.high


def test_factorial_by_hand():
    found = factorial([10, 12], [8, 9], [9, 11], [4, 5], rng())
    assert found.first.estimate == -4.0  # of (-2 - 5) / 2 and (-3 - 6) / 2
    assert found.first.low >= -4.5
    assert (found.second.low, found.second.estimate, found.second.high) == (-2.5, -2.5, -2.5)
    assert (found.interaction.low, found.interaction.estimate, found.interaction.high) == (-3.0, -3.0, -3.0)


def test_effects_that_add_do_not_interact():
    base = rng(0).normal(size=30)
    found = factorial(base, base + 1.0, base - 2.0, base - 1.0, rng(1))
    assert found.first.estimate == pytest.approx(1.0)
    assert found.second.estimate == pytest.approx(-2.0)
    assert found.interaction.estimate == pytest.approx(0.0, abs=1e-12)
    noisy = factorial(base, *(base + rng(n).normal(size=30) for n in (1, 2, 3)), rng(1))
    assert noisy.interaction.low < 0.0 < noisy.interaction.high


# --- Curves ---------------------------------------------------------------------------------------------------------


def test_a_step_curve():
    found = on_grid([10, 20, 20, 40], [5, 4, 3, 1], [0, 10, 19.9, 20, 39, 40, 100])
    assert np.array_equal(found, [np.nan, 5, 5, 3, 3, 1, 1], equal_nan=True)


def test_band_by_hand():
    curves = [([1], [1.0]), ([1, 2], [2.0, 1.0]), ([1, 3], [4.0, 1.0])]
    found = band(curves, [0, 1, 2, 3])
    assert np.array_equal(found.median, [np.nan, 2.0, 1.0, 1.0], equal_nan=True)
    assert np.array_equal(found.lower, [np.nan, 1.5, 1.0, 1.0], equal_nan=True)
    assert np.array_equal(found.upper, [np.nan, 3.0, 2.5, 1.0], equal_nan=True)
    assert (found.n, found.grid.tolist()) == (3, [0.0, 1.0, 2.0, 3.0])
    late = band([([1], [1.0]), ([2], [3.0])], [1, 2])
    assert math.isnan(late.median[0])  # one of them has not begun: no median of the rest
    assert late.median[1] == 2.0


# --- Rankings -------------------------------------------------------------------------------------------------------


def test_kendall_by_hand_and_by_counting():
    assert kendall([1, 2, 3, 4], [1, 3, 2, 4], rng()).estimate == pytest.approx((5 - 1) / 6)
    assert kendall([1, 1, 2, 3], [1, 2, 2, 3], rng()).estimate == pytest.approx(4 / math.sqrt(5 * 5))
    x, y = rng(0).integers(0, 5, 30), rng(1).integers(0, 5, 30)
    pairs = list(itertools.combinations(range(30), 2))
    signs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in pairs]
    counted = sum(a * b for a, b in signs) / math.sqrt(sum(a * a for a, _ in signs) * sum(b * b for _, b in signs))
    assert kendall(x, y, rng()).estimate == pytest.approx(counted)
    assert len(pairs) == 435


def test_kendall_interval():
    x = rng(0).normal(size=60)
    same = kendall(x, np.exp(x), rng())
    assert (same.low, same.estimate, same.high) == (pytest.approx(1.0), 1.0, 1.0)
    found = kendall(x, x + rng(1).normal(size=60), rng(2))
    truth = 2.0 / math.pi * math.asin(1.0 / math.sqrt(2.0))  # Greiner: of a normal pair with correlation sqrt(1/2)
    assert 0.0 < found.low < truth < found.high < 1.0
    assert found == kendall(x, x + rng(1).normal(size=60), rng(2))


def test_spearman():
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    x, y = rng(0).integers(0, 5, 40), rng(1).integers(0, 5, 40)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


# --- Best of many ---------------------------------------------------------------------------------------------------


def test_one_candidate_is_welchs_test():
    x, zero = rng(0).normal(0.5, 2.0, 12), rng(1).normal(size=15)
    (found,) = against_baseline({"x": x}, zero)
    known = stats.ttest_ind(x, zero, equal_var=False)
    interval = known.confidence_interval(0.95)
    assert (found.name, found.n, found.difference) == ("x", 12, pytest.approx(x.mean() - zero.mean()))
    assert (found.p, found.adjusted) == (pytest.approx(known.pvalue), pytest.approx(known.pvalue))
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_intervals_say_what_holm_says():
    both = 0
    for seed in range(30):
        source = rng(seed)
        scores = {f"f{i}": source.normal(i / 4.0, 1.0, int(source.integers(5, 20))) for i in range(9)}
        zero = source.normal(size=15)
        found = against_baseline(scores, zero)
        assert [row.difference for row in found] == sorted(row.difference for row in found)
        p = {name: stats.ttest_ind(row, zero, equal_var=False).pvalue for name, row in scores.items()}
        adjusted = dict(zip(p, holm(list(p.values())), strict=True))
        for row in found:
            assert row.adjusted == pytest.approx(adjusted[row.name])
            assert row.differs == (adjusted[row.name] < 0.05) == (not row.low <= 0.0 <= row.high)
        both += len({row.differs for row in found}) == 2
        # The smallest p is met at the level 0.05 / 9, all that Holm keeps at one level.
        least = min(found, key=lambda row: row.p)
        level = 0.05 / 9 if least.differs else 0.05 / len(found)
        known = stats.ttest_ind(scores[least.name], zero, equal_var=False).confidence_interval(1.0 - level)
        assert (least.low, least.high) == (pytest.approx(known.low), pytest.approx(known.high))
    assert both > 15


def test_what_holm_does_not_reach_keeps_the_level_at_which_he_stopped():
    zero = np.arange(5.0)  # variance 2.5, so se = 1 and df = 8 against a shifted copy
    found = against_baseline({"a": zero + 2.4, "b": zero + 2.4}, zero)
    assert [row.p for row in found] == pytest.approx([2 * stats.t.sf(2.4, 8)] * 2)
    assert 0.025 < found[0].p < 0.05
    for row in found:
        assert (row.adjusted, row.differs) == (pytest.approx(2 * found[0].p), False)
        assert row.low == pytest.approx(2.4 - stats.t.isf(0.0125, 8))
        assert row.low < 0.0 < row.high
    assert len(found) == 2


def test_candidates_without_spread():
    same, off = against_baseline({"off": [2.0, 2.0], "same": [1.0, 1.0, 1.0]}, [1.0, 1.0])
    assert (same.name, same.p, same.differs, same.low, same.high) == ("same", 1.0, False, 0.0, 0.0)
    assert (off.name, off.p, off.differs, off.low, off.high) == ("off", 0.0, True, 1.0, 1.0)
    assert candidates_for_best({"off": [2.0, 2.0], "same": [1.0, 1.0], "too": [1.0, 1.0]}) == ("same", "too")


def test_candidates_for_best_against_scipy():
    shrunk = 0
    for seed in range(20):
        source = rng(seed)
        scores = {f"f{i}": source.normal(i / 3.0, 1.0, int(source.integers(4, 15))) for i in range(8)}
        known = {
            name
            for name, row in scores.items()
            if all(
                stats.ttest_ind(row, other, equal_var=False, alternative="greater").pvalue >= 0.05 / 7
                for rival, other in scores.items()
                if rival != name
            )
        }
        found = candidates_for_best(scores)
        assert set(found) == known
        assert list(found) == sorted(found, key=lambda name: scores[name].mean())
        shrunk += len(found) < 8
    assert shrunk > 15
    assert candidates_for_best({"alone": [1.0, 2.0]}) == ("alone",)


@pytest.mark.parametrize("pooled", [False, True])
def test_the_best_stays_among_the_candidates(pooled: bool):
    kept, dropped = 0, 0
    for seed in range(200):
        scores = {
            f"f{i}": rng(1000 * seed + i).normal(0.3 * (i > 0) + 2.0 * (i > 5), 1.0, 3 if pooled else 8)
            for i in range(12)
        }
        found = candidates_for_best(scores, pooled=pooled)
        kept += "f0" in found
        dropped += 12 - len(found)
    assert kept >= 190
    assert dropped > 200


def test_pooling_by_hand():
    scores = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0], "c": [1.0, 5.0, 9.0], "d": [30.0, 31.0, 32.0]}
    # Variance (0 + 0 + 32 + 2) / 8 = 4.25 with 8 degrees of freedom; se = sqrt(2 * 4.25 / 3) = 1.683.
    assert 4.0 < stats.t.isf(0.05 / 3, 8) * 1.683 < 4.5  # more than c - a, less than d - a
    assert candidates_for_best(scores, pooled=True) == ("a", "b", "c")
    assert candidates_for_best(scores) == ("a", "c")  # b has no spread of its own to be excused by


# --- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda: signed_rank([1, 2], [1]), "one length"),
        (lambda: signed_rank([], []), "at least 1 pairs, got 0"),
        (lambda: paired_difference([1, math.nan], [1, 2], rng()), "finite numbers, got nan"),
        (lambda: a12_interval([1], [2], rng()), "at least 2 pairs, got 1"),
        (lambda: paired_difference([1, 2], [2, 1], rng(), 95), "confidence between 0.5 and 0.9999, got 95"),
        (lambda: holm([0.5, 1.5]), "p values from 0 to 1"),
        (lambda: on_grid([2, 1], [0, 0], [1]), "budgets that never fall"),
        (lambda: band([], [1]), "at least one curve"),
        (lambda: kendall([1, 1, 1], [1, 2, 3], rng()), "nothing to rank"),
        (lambda: spearman([1, 2], [1, 2]), "at least 3 pairs"),
        (lambda: against_baseline({"a": [1.0]}, [1.0, 2.0]), "at least 2 scores of each candidate, got 1 of a"),
        (lambda: against_baseline({"a": [1.0, 2.0]}, [1.0]), "got 1 of the baseline"),
        (lambda: candidates_for_best({}), "scores to compare"),
    ],
)
def test_bad_input_is_told_in_words(attempt: Callable[[], object], told: str):
    with pytest.raises(EvobnnError, match=rf"^Expected .*{told}"):
        attempt()
