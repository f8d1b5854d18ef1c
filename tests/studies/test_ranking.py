"""What a table says of its best, on tables with known answers, and how far two tables agree."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from evobnn.errors import EvobnnError, ExperimentError
from evobnn.records import Status
from evobnn.studies.statistics import interval
from evobnn.studies.tables.ranking import agreement, ranking
from tests.miniature import (
    ERRORS,
    FLAT,
    FUNCTIONS,
    LUCKY,
    PLAIN,
    SHIFTED,
    SINE,
    SUM,
    TWICE,
    by_hand,
    failing,
    key_of,
    ranked_as,
)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are tested with the statistics; here they are to be quick."""
    monkeypatch.setattr(interval, "RESAMPLES", 100)


# --- Ranking --------------------------------------------------------------------------------------------------------


def test_contenders_are_ordered_by_their_later_trainings_alone() -> None:
    found = ranking(failing(by_hand(ERRORS)), SINE)
    assert [one.row.genome for one in found.contenders] == [SUM, SINE, SHIFTED, LUCKY, PLAIN]
    assert (found.table, found.rows, found.invalid, found.failed, found.first) == ("hand", 8, 1, 1, 3)
    assert all(one.n == 5 for one in found.contenders)
    later = {text: np.array(errors[3:]) / 100 for text, errors in ERRORS.items()}
    for one in found.contenders:
        assert one.mean == pytest.approx(later[one.row.genome].mean())
        assert one.deviation == pytest.approx(later[one.row.genome].std(ddof=1))
    changed = {text: (0,) * min(3, len(errors)) + errors[3:] for text, errors in ERRORS.items()}
    again = ranking(by_hand(changed), SINE)
    assert [(one.row.genome, one.mean, one.against) for one in again.contenders] == [
        (one.row.genome, one.mean, one.against) for one in found.contenders
    ]


def test_better_worse_and_indistinguishable() -> None:
    found = ranking(by_hand(ERRORS), SINE)
    verdict = {
        one.row.genome: (one.against.differs, math.copysign(1, one.against.difference)) for one in found.contenders
    }
    assert verdict[SUM] == (True, -1)
    assert verdict[PLAIN] == verdict[LUCKY] == (True, 1)
    assert verdict[SHIFTED] == (False, 1)
    assert (found.better, found.indistinguishable) == (1, 1)
    assert (found.baseline.genome, found.baseline_mean) == (SINE, pytest.approx(0.2))
    itself = next(one for one in found.contenders if one.row.genome == SINE)
    assert (itself.against.difference, itself.against.p, itself.against.differs) == (0.0, 1.0, False)
    for one in found.contenders:
        if one is not itself:
            p = stats.ttest_ind(ERRORS[one.row.genome][3:], ERRORS[SINE][3:], equal_var=False).pvalue
            assert one.against.p == pytest.approx(p)
            assert p * (1 - 1e-9) <= one.against.adjusted <= 4 * p * (1 + 1e-9)
            inside = one.against.low <= 0.0 <= one.against.high
            assert inside is not one.against.differs


def test_the_set_of_those_that_may_be_best() -> None:
    found = ranking(by_hand(ERRORS), SINE)
    assert [one.row.genome for one in found.contenders if one.may_be_best] == [SUM]
    close = {**ERRORS, SUM: (24, 24, 24, 19, 21, 20, 21, 19)}
    may = {one.row.genome for one in ranking(by_hand(close), SINE).contenders if one.may_be_best}
    assert may == {SUM, SINE, SHIFTED}


@pytest.mark.parametrize("baseline", [SUM, "@net = add(shift(x), sin(x))", SHIFTED, "@net = add(x, zero)"])
def test_any_contender_may_be_the_baseline_however_it_is_written(baseline: str) -> None:
    found = ranking(by_hand(ERRORS), baseline)
    assert found.baseline.key == key_of(baseline)
    below = sum(one.mean < found.baseline_mean for one in found.contenders)
    assert found.better <= below
    assert len(found.contenders) == 5


def test_columns_may_differ_in_number_and_agree_in_value() -> None:
    errors = {
        **ERRORS,
        SUM: (24, 24, 24, 10, 10),
        SHIFTED: (23, 23, 23, 20, 20, 20, 20, 20),
        SINE: (9, 9, 9, 20, 20, 20),
    }
    found = ranking(by_hand(errors), SINE)
    assert {one.row.genome: one.n for one in found.contenders} == {SUM: 2, SHIFTED: 5, SINE: 3, PLAIN: 5, LUCKY: 5}
    by_genome = {one.row.genome: one for one in found.contenders}
    assert (by_genome[SHIFTED].against.p, by_genome[SHIFTED].against.differs) == (1.0, False)
    assert (by_genome[SUM].deviation, by_genome[SUM].against.differs) == (0.0, True)


def test_it_is_json() -> None:
    found = ranking(by_hand(ERRORS), SINE)
    read = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert read["contenders"][0]["row"]["genome"] == SUM
    assert read["contenders"][0]["row"]["status"] == "ok"
    assert (read["better"], read["indistinguishable"], read["baseline"]["genome"]) == (1, 1, SINE)


@pytest.mark.parametrize(
    ("errors", "baseline", "words"),
    [
        (
            {TWICE: (1, 2, 3), SINE: (4, 5, 6)},
            SINE,
            "rows with more trainings than the others, got 3 of every row in hand",
        ),
        ({TWICE: (1, 2, 3), SINE: (4, 5, 6, 7)}, SINE, "rows with more trainings than the others, got 3 of every row"),
        ({FLAT: ()}, SINE, "rows with more trainings than the others, got 0"),
        (ERRORS, TWICE, r"a baseline with 5 or more trainings in hand, got @net = add\(x, x\) with 3"),
        (ERRORS, FLAT, r"a baseline with 5 or more trainings in hand, got @net = add\(x, neg\(x\)\) with 0"),
        (ERRORS, "@net = cos(x)", r"a baseline with 5 or more trainings in hand, got @net = cos\(x\) with 0"),
        (ERRORS, "@net = sn(x)", "Did you mean 'sin'"),
        (ERRORS, "", "class of sites|expression|genome"),
    ],
)
def test_what_cannot_be_ranked(errors: dict[str, tuple[int, ...]], baseline: str, words: str) -> None:
    with pytest.raises(EvobnnError, match=words) as caught:
        ranking(by_hand(errors), baseline)
    assert str(caught.value).startswith("Expected ")


# --- Agreement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1], [2, 1, 3, 5, 4, 6, 7, 8], [4, 3, 2, 1, 5, 6, 7, 8]],
)
def test_agreement_of_a_planted_permutation(order: list[int]) -> None:
    straight = list(range(1, 9))
    found = agreement(ranked_as(straight, "one", images=100), ranked_as(order))
    wrong = sum(order[i] > order[j] for i in range(8) for j in range(i + 1, 8))
    squares = sum((a - b) ** 2 for a, b in zip(straight, order, strict=True))
    assert found.n == 8
    assert found.kendall.estimate == pytest.approx(1 - 4 * wrong / (8 * 7))
    assert found.spearman == pytest.approx(1 - 6 * squares / (8 * 63))
    half = sum(order[i] > order[j] for i in range(4) for j in range(i + 1, 4))
    assert found.better_half.estimate == pytest.approx(1 - 4 * half / (4 * 3))
    assert found.better_half.n == 4
    for one in (found.kendall, found.better_half):
        assert one.low <= one.estimate + 1e-12 and one.estimate <= one.high + 1e-12
    assert agreement(ranked_as(straight, "one", images=100), ranked_as(order)) == found


def test_only_what_both_trained_counts() -> None:
    one = ranked_as([1, 2, 3, 4, 5, 6, 7, 8], "one")
    rows = {**ranked_as([3, 1, 2, 6, 5, 4, 8, 7]).rows}
    rows[key_of(FLAT)] = by_hand({FLAT: ()}).rows[key_of(FLAT)]
    failed = rows[key_of(FUNCTIONS[0])]
    rows[failed.key] = replace(failed, status=Status.DIVERGED, errors=())
    found = agreement(one, replace(one, rows=rows))
    order = [1, 2, 6, 5, 4, 8, 7]
    wrong = sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])
    assert (found.n, found.kendall.estimate) == (7, pytest.approx(1 - 4 * wrong / (7 * 6)))


def test_too_little_in_common() -> None:
    few = by_hand({text: (n, n + 1) for n, text in enumerate(FUNCTIONS[:5])}, "few")
    with pytest.raises(
        ExperimentError, match="at least 6 genomes in both few and one, got 5. Take tables of one space."
    ):
        agreement(few, ranked_as(list(range(1, 9)), "one"))
    same = by_hand({text: (5, 5) for text in FUNCTIONS}, "same")
    with pytest.raises(EvobnnError, match="scores that differ"):
        agreement(same, ranked_as(list(range(1, 9)), "one"))
    # Six are enough for a half of three, whatever their order.
    looped = 0
    for order in list(permutations(range(1, 7)))[::240]:
        six = by_hand({text: (2 * n, 2 * n) for text, n in zip(FUNCTIONS[:6], order, strict=True)}, "six")
        assert agreement(six, ranked_as(list(range(1, 9)), "one")).better_half.n == 3
        looped += 1
    assert looped == 3
