"""Tables of recorded trainings: what a file gives back, what is wrong with one, and what a search is shown."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evobnn.errors import EvobnnError, ExperimentError, RunError
from evobnn.records import FRESH, Evaluation, Individual, Request, Status, mean_objectives
from evobnn.tables import Row, Table, TableEvaluator, read_table, write_table, wrong_images
from tests.older import make_older

ROWS = (
    Row("aa", "@net = sin(x)", Status.OK, 100.5, 64, (30, 28, 35), 7, 3.5, (1.5, 1.25, 2.0), (20, None, 22)),
    Row("bb", "@net = x", Status.OK, 90.0, 64, (10, 20), 7, 3.5),
    Row("cc", "@net = max(x, zero)", Status.INVALID, 100.5, 64, parameters=7, message="a constant sign"),
    Row("dd", "@net = tanh(x)", Status.DIVERGED, 100.5, 65, parameters=7),
    Row("ee", "@net = neg(x)", Status.OK, 100.5, 64, (0, 40, 14), 8),
)

EARLY = tuple(
    replace(row, early=tuple(tuple(min(40, wrong + more) for wrong in row.errors) for more in (5, 2)))
    for row in ROWS
    if row.errors
)
CLIMBED = (*EARLY, *(row for row in ROWS if not row.errors))
"""The same, scored at two rungs before the end where they worked."""


def table(*rows: Row, **changes: object) -> Table:
    given = {
        "name": "toy",
        "experiment": 'preset = "toy"\n',
        "protocol": "0123456789abcdef",
        "images": 40,
        "seeds": (0, 1, 5),
        "rows": {row.key: row for row in rows or ROWS},
        "versions": {"torch": "2.13.0", "evobnn": "0.1.0"},
        "machine": {"cpu": "two cores", "memory": 8},
        "created": "2026-01-02T03:04:05+00:00",
        "intraclass": (0.66, 0.5, 0.8),
    }
    return Table(**{**given, **changes})


def request(key: str, repeat: int = 0, twin: bool = False) -> Request:
    return Request(Individual(0, "@net = x", key, 0), repeat, twin)


def answer(key: str, repeat: int = 0, twin: bool = False, **settings: object) -> Evaluation:
    return TableEvaluator(table(), 1, **settings).evaluation(request(key, repeat, twin))


# --- Values ---------------------------------------------------------------------------------------------------------


def test_values_by_hand():
    toy = table()
    assert toy.row("bb").genome == "@net = x"
    assert [toy.value("aa", column) for column in range(3)] == [0.75, 0.7, 0.875]
    assert toy.unseen_mean("aa", frozenset()) == pytest.approx(93 / 3 / 40)
    assert toy.unseen_mean("aa", frozenset({1})) == pytest.approx(65 / 2 / 40)
    assert toy.unseen_mean("aa", frozenset({0, 2})) == 0.7
    assert toy.best_known == 18 / 40  # ee, by two columns each time; bb has fewer than the most


def scored(*rows: tuple[int, ...]) -> Table:
    return table(*(Row(f"k{at}", "@net = x", Status.OK, 1.0, 1, errors) for at, errors in enumerate(rows)),
                 seeds=tuple(range(9)))  # fmt: skip


def test_no_column_scores_what_it_chose():
    assert scored((0, 30, 30), (10, 10, 10)).best_known == 10 / 40  # not (10 + 0 + 0) / 3: luck scores nothing
    # By columns 1 and 2 the first is best and scores 30, by 0 and 2 and by 0 and 1 the second, which scores 10 and 10.
    assert scored((30, 4, 4), (10, 10, 10)).best_known == pytest.approx(50 / 3 / 40)
    assert scored((8, 12), (11, 9)).best_known == pytest.approx((11 + 12) / 2 / 40)


def test_columns_that_chose_what_is_trained_more_often_score_nothing():
    toy = scored((1, 2, 20, 24), (3, 3, 22, 22), (30, 30), (9, 9, 9))
    assert [list(toy.fair(row)) for row in toy.rows.values()] == [[2, 3], [2, 3], [0, 1], [0, 1, 2]]
    assert toy.unseen_mean("k0", frozenset()) == 22 / 40
    assert toy.unseen_mean("k0", frozenset({2})) == 24 / 40
    assert toy.unseen_mean("k0", frozenset({2, 3})) == pytest.approx(1.5 / 40)  # nothing else is left
    assert toy.unseen_mean("k2", frozenset({0})) == 30 / 40
    assert toy.best_known == pytest.approx((20 + 24 + 22 + 22) / 4 / 40, abs=2 / 40)
    assert toy.best_known == (22 + 24) / 2 / 40


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda: table().row("zz"), "a key of the table toy, got 'zz'"),
        (lambda: table().value("aa", 3), "a column of the 3 of aa, got 3"),
        (lambda: table().value("aa", -1), "a column of the 3 of aa, got -1"),
        (lambda: table().value("cc", 0), "a column of the 0 of cc"),
        (lambda: table().unseen_mean("bb", frozenset({0, 1})), "did not see, got 2 of bb, all seen"),
        (lambda: scored((3,), (4,)).best_known, "a row with at least 2 columns, got 1 in the table toy"),
        (lambda: table(images=0), "images to be a whole number of at least 1"),
        (lambda: table(images=39), "wrong images of ee outside 0 to 39"),
        (lambda: table(seeds=(0, 1)), "3 columns of aa where there are 2 seeds"),
        (lambda: table(rows={"aa": ROWS[1]}), "bb under the key aa"),
        (lambda: replace(ROWS[0], status=Status.DIVERGED), "errors exactly where the status is ok"),
        (lambda: replace(ROWS[0], errors=()), "errors exactly where the status is ok"),
        (lambda: replace(ROWS[0], losses=(1.0,)), "one of 'losses' for each column"),
        (lambda: replace(ROWS[0], parent=(1, 2)), "one of 'parent' for each column"),
        (lambda: replace(ROWS[0], ops=float("inf")), "finite costs"),
        (lambda: replace(ROWS[0], early=((1, 2),)), "each rung of 'early' for each column .aa., got 2 beside 3"),
        (lambda: replace(ROWS[3], early=((1, 2),)), "each rung of 'early' for each column .dd., got 2 beside 0"),
        (lambda: table(*CLIMBED), "2 early rungs of aa where there are 0"),
        (lambda: table(*CLIMBED, rungs=(1, 4)), "2 early rungs of aa where there are 1"),
        (lambda: table(rungs=(1, 2, 4)), "0 early rungs of aa where there are 2"),
        (lambda: table(*CLIMBED, rungs=(2, 1, 4)), r"rungs of at least 1 that rise, two or more, got \[2, 1, 4\]"),
        (lambda: table(rungs=(4,)), "two or more, got"),
        (lambda: table(rungs=(0, 4)), "rungs of at least 1"),
        (lambda: table(replace(EARLY[2], early=((41, 1, 1), (1, 1, 1))), rungs=(1, 2, 4)), "ee outside 0 to 40"),
        (lambda: wrong_images(0.3, 7), "a share of 7 images"),
        (lambda: wrong_images(1.5, 2), "a share of 2 images"),
    ],
)
def test_what_does_not_fit_is_told_in_words(attempt: Callable[[], object], told: str):
    with pytest.raises(EvobnnError, match=rf"^Expected .*{told}"):
        attempt()


def test_every_share_of_images_is_counted_back():
    shares = [(wrong, images) for images in (1, 7, 360, 10_000) for wrong in range(images + 1)]
    assert all(wrong_images(wrong / images, images) == wrong for wrong, images in shares)
    assert len(shares) == 10_372


# --- The file -------------------------------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was(tmp_path: Path):
    path = tmp_path / "table.jsonl"
    write_table(path, table())
    before = path.read_bytes()
    found = read_table(path)
    assert found == table()
    assert list(found.rows) == ["aa", "bb", "cc", "dd", "ee"]
    assert [child.name for child in tmp_path.iterdir()] == ["table.jsonl"]
    write_table(path, found)
    assert path.read_bytes() == before
    write_table(path, table(rows={}))
    assert read_table(path) == table(rows={})


def test_the_file_is_readable_and_short(tmp_path: Path):
    path = tmp_path / "table.jsonl"
    write_table(path, table())
    header, *rows = [json.loads(text) for text in path.read_text().splitlines()]
    assert (header["format"], header["version"], header["rows"], header["images"]) == ("evobnn-table", 2, 5, 40)
    # Elementwise is not known of every row, so it is not common, and 100.5 is the ops of four in five.
    assert header["common"] == {"status": "ok", "ops": 100.5, "bits": 64, "parameters": 7}
    assert all(len(row.pop("sha")) == 12 for row in rows)
    assert rows[1] == {"key": "bb", "genome": "@net = x", "ops": 90.0, "errors": [10, 20], "elementwise": 3.5}
    assert rows[2] == {"key": "cc", "genome": "@net = max(x, zero)", "status": "invalid", "errors": [],
                       "message": "a constant sign"}  # fmt: skip
    assert rows[0]["parent"] == [20, None, 22]


def test_scores_at_rungs_come_back_and_stand_where_there_are_some(tmp_path: Path):
    path, found = tmp_path / "table.jsonl", table(*CLIMBED, rungs=(1, 2, 4))
    write_table(path, found)
    assert read_table(path) == found
    before = path.read_bytes()
    write_table(path, read_table(path))
    assert path.read_bytes() == before
    header, *rows = [json.loads(text) for text in path.read_text().splitlines()]
    assert header["rungs"] == [1, 2, 4]
    assert rows[0]["early"] == [[35, 33, 40], [32, 30, 37]]
    assert ["early" in row for row in rows] == [True, True, True, False, False]
    other = replace(found, rungs=(1, 3, 4))
    assert len({table().fingerprint, found.fingerprint, other.fingerprint}) == 3


def test_a_table_without_rungs_has_the_bytes_and_the_fingerprint_of_before_there_were_any(tmp_path: Path):
    write_table(tmp_path / "table.jsonl", table())
    make_older(tmp_path / "table.jsonl")
    text = (tmp_path / "table.jsonl").read_bytes()
    assert hashlib.sha256(text).hexdigest()[:16] == "1a9eb05493c0acce"
    assert read_table(tmp_path / "table.jsonl") == table()
    assert table().fingerprint == "43ef4553910f3b17"


def test_a_table_of_thousands_is_a_few_hundred_kilobytes(tmp_path: Path):
    path = tmp_path / "table.jsonl"
    rows = [
        Row(f"{n:016x}", f"@net = mul(sin, add(x, tanh{n}))", Status.OK, 9132.25, 21344, (n % 361, 217, 198), 1234)
        for n in range(3938)
    ]
    write_table(path, table(*rows, images=360))
    assert 100_000 < path.stat().st_size < 500_000
    assert len(read_table(path).rows) == 3938


def _edit(number: int, old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        lines = text.splitlines(keepends=True)
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new)
        return "".join(lines)

    return edit


@pytest.mark.parametrize(
    ("spoil", "place", "told"),
    [
        (_edit(1, "evobnn-table", "evobnn-generation"), 1, "the format 'evobnn-generation'"),
        (_edit(1, '"version": 1', '"version": "1"'), 1, "the version '1'"),
        (_edit(1, '"images": 40', '"images": 0'), 1, "images to be a whole number"),
        (_edit(1, "[0, 1, 5]", "[0, 1.5]"), 1, "1.5 among 'seeds'"),
        (_edit(1, '"protocol"', '"protokoll"'), 1, "a line without 'protocol'"),
        (_edit(2, "[30, 28, 35]", "[30, 28, 41]"), 2, "wrong images of aa outside 0 to 40"),
        (_edit(2, "[30, 28, 35]", "[30, 28, -1]"), 2, "wrong images of aa outside 0 to 40"),
        (_edit(2, "[30, 28, 35]", "[30, true, 35]"), 2, "True among 'errors'"),
        (_edit(2, "[30, 28, 35]", "[30, 28.0, 35]"), 2, "28.0 among 'errors'"),
        (_edit(2, "[30, 28, 35]", "[30, 28, 35, 1]"), 2, "one of 'losses' for each column"),
        (_edit(2, '"losses"', '"loss"'), 2, "an unknown field 'loss'"),
        (_edit(2, '"aa"', '"bb"'), 3, "the key bb a second time"),
        (_edit(3, "[10, 20]", "[10, 20, 0, 0]"), 3, "4 columns of bb where there are 3 seeds"),
        (_edit(3, "90.0", "1e999"), 3, "finite costs"),
        (_edit(3, "90.0", '"90"'), 3, "'ops' that is no float"),
        (_edit(4, "invalid", "ok"), 4, "errors exactly where the status is ok"),
        (_edit(4, "invalid", "void"), 4, "'void'"),
        (lambda text: text[: text.rindex("{")], 6, "4 lines after the first where it promises 5"),
        (lambda text: text[:-1], 6, "cut off"),
        (lambda text: text.replace('{"key": "cc"', '{"key": "cc'), 4, "not whole JSON"),
    ],
)
def test_damage_is_told_with_file_and_line(tmp_path: Path, spoil: Callable[[str], str], place: int, told: str):
    path = tmp_path / "table.jsonl"
    write_table(path, table())
    make_older(path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(RunError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"Expected a whole line in {path}, line {place}, got ")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_edit(2, "[35, 33, 40]", "[35, 33]"), "each rung of 'early' for each column"),
        (_edit(2, "[35, 33, 40]", "35"), "35 among 'early'"),
        (_edit(2, "[35, 33, 40]", "[35, 33, 1.5]"), "1.5 among 'early'"),
        (_edit(2, "[[35, 33, 40], ", "["), "1 early rungs of aa where there are 2"),
        (_edit(1, ', "rungs": [1, 2, 4]', ""), "2 early rungs of aa where there are 0"),
    ],
)
def test_damaged_scores_at_rungs_are_told(tmp_path: Path, edit: Callable[[str], str], told: str):
    path = tmp_path / "table.jsonl"
    write_table(path, table(*CLIMBED, rungs=(1, 2, 4)))
    make_older(path)
    path.write_text(edit(path.read_text()))
    with pytest.raises(RunError, match=rf"table.jsonl, line [12].*{told}"):
        read_table(path)


def test_files_that_cannot_be_read_or_written(tmp_path: Path):
    with pytest.raises(RunError, match="Expected to read"):
        read_table(tmp_path / "none.jsonl")
    with pytest.raises(RunError, match="Expected to write"):
        write_table(tmp_path / "none" / "table.jsonl", table())
    path = tmp_path / "table.jsonl"
    write_table(path, table())
    before = path.read_text()
    with pytest.raises(RunError, match="values that JSON can hold"):
        write_table(path, table(intraclass=(float("nan"),)))
    assert path.read_text() == before
    path.write_text(before.replace('"version": 2', '"version": 3'))
    with pytest.raises(RunError, match="newer"):
        read_table(path)


# --- Looking up -----------------------------------------------------------------------------------------------------


def test_repeats_show_each_column_once():
    toy, looped = table(), 0
    for root, key in itertools.product(range(20), ("aa", "bb", "ee")):
        evaluate = TableEvaluator(toy, root)
        count = len(toy.row(key).errors)
        results = evaluate([request(key, repeat) for repeat in range(count)])
        order = toy.order(root, key)
        assert sorted(order) == list(range(count))
        for repeat, result in enumerate(results):
            assert result.evaluation.objectives["error"] == toy.value(key, order[repeat])
            assert toy.seen(root, key, repeat + 1) == frozenset(order[: repeat + 1])
            looped += 1
        mean = mean_objectives([result.evaluation for result in results])
        assert mean is not None
        assert mean["error"] == pytest.approx(toy.unseen_mean(key, frozenset()))
    assert looped == 20 * 8
    assert table().seen(0, "aa", 0) == frozenset()


def test_every_order_is_shown_equally_often():
    rows = [Row(f"k{n}", "x", Status.OK, 1.0, 1, (1, 2, 3)) for n in range(60)]
    toy = table(*rows)
    counts = Counter(toy.order(root, row.key) for root in range(20) for row in rows)
    assert len(counts) == 6
    # 1,200 draws: 200 of each, and a chi-squared with 5 degrees of freedom below its 99.9 % point.
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5


def test_answers_depend_on_root_key_and_repeat_alone():
    asked = [request(key, repeat) for key in ("ee", "aa") for repeat in (2, 0, 1)]
    evaluate = TableEvaluator(table(), 3)
    first = evaluate(asked)
    assert evaluate(asked) == first
    assert evaluate(asked[::-1]) == first[::-1]
    assert [result.request for result in first] == asked
    others = [TableEvaluator(table(), root)(asked) for root in range(10)]
    assert any(other != first for other in others)
    assert len(table().rows) < len(others)


def test_objectives_and_measures():
    column = table().order(1, "aa")[0]
    found = answer("aa", objectives=("bits", "error", "parameters"))
    assert found.status is Status.OK
    assert list(found.objectives.items()) == [("bits", 64.0), ("error", ROWS[0].errors[column] / 40), ("parameters", 7)]
    assert found.measures == {
        "ops": 100.5, "bits": 64, "parameters": 7, "elementwise": 3.5, "loss": ROWS[0].losses[column],
    }  # fmt: skip
    assert "loss" not in answer("bb").measures
    with pytest.raises(ExperimentError, match="objective in the table toy, got 'oops'. Did you mean 'ops'"):
        answer("aa", objectives=("oops",))
    with pytest.raises(ExperimentError, match="'elementwise'"):  # not known of every row
        answer("aa", objectives=("elementwise",))


def test_rows_that_did_not_work():
    assert (answer("cc").status, answer("cc").message) == (Status.INVALID, "a constant sign")
    assert (answer("dd", 7).status, answer("dd", 7).message) == (Status.DIVERGED, "diverged in the table")
    unknown = answer("zz")
    assert (unknown.status, unknown.objectives) == (Status.INVALID, {})
    assert unknown.message.startswith("Expected the key of a row in the table toy, got zz.")
    more = answer("bb", 2)
    assert more.status is Status.ERROR
    assert more.message.startswith("Expected a repeat below 2, the columns of bb that may be shown, got 2.")


def test_a_rung_shows_the_same_column_on_its_way():
    found = table(*CLIMBED, rungs=(1, 2, 4))
    for root, at in itertools.product(range(20), range(2)):
        evaluator, rung = TableEvaluator(found, root, ("error", "bits"), 1), (1, 2)[at]
        for who in ("aa", "bb"):
            told, column = evaluator.evaluation(request(who), rung), found.order(root, who)[0]
            assert (told.status, told.objectives, told.rung) == (Status.PRUNED, {}, rung)
            assert told.at_rung(("error", "bits")) == {"error": found.row(who).early[at][column] / 40, "bits": 64.0}
            assert told.message == f"scored after epoch {rung} of 4"
            assert not {"loss", "parent_error"} & set(told.measures)
            assert evaluator.evaluation(request(who)).objectives["error"] == found.value(who, column)
    assert TableEvaluator(found, 1, ("ops",)).evaluation(request("aa"), 1).at_rung(("ops",)) == {"ops": 100.5}
    for who, status in (("cc", Status.INVALID), ("dd", Status.DIVERGED), ("zz", Status.INVALID)):
        told = evaluator.evaluation(request(who), 2)
        assert (told.status, told.rung) == (status, 2)
    for some, rung, got in ((found, 3, r"a rung of the table toy \(1, 2\), got 3"), (table(), 1, r"\(none\), got 1")):
        told = TableEvaluator(some, 1).evaluation(request("aa"), rung)
        assert told.status is Status.ERROR and re.search(got, told.message)


def test_columns_held_out_are_never_shown():
    shown = [answer(key, repeat, held_out=1).status for key, repeat in itertools.product(("aa", "bb"), range(3))]
    assert shown == [Status.OK, Status.OK, Status.ERROR, Status.OK, Status.ERROR, Status.ERROR]
    assert answer("bb", 0, held_out=1) == answer("bb", 0)
    assert answer("bb", 0, held_out=5).message.startswith("Expected a repeat below 0")
    with pytest.raises(ExperimentError, match="held_out"):
        answer("bb", held_out=-1)


def test_twins():
    """Of the column that is shown; where it has none, of the first column in order that has one."""
    looped = set()
    for root in range(12):
        order = table().order(root, "aa")
        for repeat, column in enumerate(order):
            evaluate = TableEvaluator(table(), root)
            found = evaluate.evaluation(request("aa", repeat, twin=True))
            stand_in = next(at for at in order if ROWS[0].parent[at] is not None)
            wrong = ROWS[0].parent[column if ROWS[0].parent[column] is not None else stand_in]
            assert found.objectives["error"] == table().value("aa", column)
            assert found.measures["parent_error"] == wrong / 40
            assert "parent_error" not in evaluate.evaluation(request("aa", repeat)).measures
            looped.add((column, stand_in))
    assert looped == {(column, at) for column in range(3) for at in (0, 2)}


def test_a_twin_that_failed_is_no_failure_and_a_table_without_any_is():
    found = answer("bb", twin=True)
    assert (found.status, "parent_error" in found.measures) == (Status.OK, False)
    toy = table(*(replace(row, parent=()) for row in ROWS))
    assert (toy.has_twins, table().has_twins) == (False, True)
    found = TableEvaluator(toy, 1).evaluation(request("aa", twin=True))
    assert (found.status, found.message.split(".")[0]) == (
        Status.ERROR,
        "Expected the real-valued twin of aa, got a table toy without it",
    )


def test_fresh_repeats_show_the_held_out_column_and_no_other():
    toy, looped = table(), 0
    for root, key in itertools.product(range(10), ("aa", "bb", "ee")):
        count = len(toy.row(key).errors)
        for held_out in range(1, count + 1):
            evaluate = TableEvaluator(toy, root, held_out=held_out)
            fresh = [evaluate.evaluation(request(key, FRESH + n)) for n in range(held_out + 1)]
            hidden = toy.order(root, key)[::-1][:held_out]
            assert [one.objectives["error"] for one in fresh[:-1]] == [toy.value(key, column) for column in hidden]
            assert fresh[-1].status is Status.ERROR
            assert not toy.seen(root, key, count - held_out) & set(hidden)
            looped += 1
    assert looped == 10 * 8
    assert answer("aa", FRESH).status is Status.ERROR  # nothing is held out


def test_repeats_begin_again_only_where_they_may():
    errors = [answer("aa", repeat, held_out=1, cycle=True).objectives["error"] for repeat in range(7)]
    first, second = (table().value("aa", column) for column in table().order(1, "aa")[:2])
    assert errors == [first, second, first, second, first, second, first]
    assert answer("aa", 2, held_out=1).status is Status.ERROR
    assert answer("bb", 5, held_out=2, cycle=True).status is Status.ERROR  # no column may be shown at all


def test_the_fingerprint_is_of_what_a_search_can_see():
    same = [table(), table(created="later", machine={}, versions={})]
    others = [table(protocol="fedcba9876543210"), table(images=41), table(*ROWS[:4]),
              table(replace(ROWS[0], errors=(30, 28, 36)), *ROWS[1:])]  # fmt: skip
    assert len({one.fingerprint for one in same}) == 1
    assert len({one.fingerprint for one in same + others}) == 5


def test_what_the_images_are_comes_back(tmp_path: Path):
    data = {"fingerprint": "f", "shape": [1, 8, 8], "classes": 10, "train": 100}
    write_table(tmp_path / "table.jsonl", table(data=data))
    assert read_table(tmp_path / "table.jsonl").data == data


def test_the_noise_is_real_and_the_score_is_not_what_was_seen():
    """Picking the least of single columns looks better than it is; the unseen columns are not fooled."""
    rng = np.random.default_rng(0)
    rows = [Row(f"k{n}", "x", Status.OK, 1.0, 1, tuple(rng.binomial(400, 0.5, 3).tolist())) for n in range(100)]
    toy = table(*rows, images=400)
    shown, scored = [], []
    for root in range(30):
        results = TableEvaluator(toy, root)([request(row.key) for row in rows])
        best = min(results, key=lambda result: result.evaluation.objectives["error"])
        key = best.request.individual.key
        shown.append(best.evaluation.objectives["error"])
        scored.append(toy.unseen_mean(key, toy.seen(root, key, 1)))
    assert len(scored) == 30
    assert np.mean(shown) < 0.45
    assert abs(np.mean(scored) - 0.5) < 0.02
