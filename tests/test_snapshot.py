"""Generations: equal values give equal bytes, and whatever is cut off or spoilt is named by file and line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evobnn import _seeding, snapshot
from evobnn.errors import RunError
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.snapshot import (
    Generation,
    Rescored,
    Survivor,
    generations,
    read_generation,
    read_generations,
    write_generation,
)
from tests.older import make_older, unsealed

GENOME = "normal[2 = conv3(0) + max3(1)] @net = mul(sin(x), x)"


def individual(number: int) -> Individual:
    return Individual(number, GENOME, f"key{number}", born=number // 3, origin="mate", parents=(number - 1, 7))


def generation(number: int = 0) -> Generation:
    ok = Evaluation(
        Status.OK,
        {"error": 0.1 + 0.2, "ops": 123456.0},
        measures={"ops": 123456, "loss": np.float64(1e-300), "tiny": 5e-324},
        behaviour="0123456789abcdef",
    )
    bad = Evaluation(
        Status.DIVERGED,
        message='loss was "nan" at epoch 2 \N{EM DASH} caf\N{LATIN SMALL LETTER E WITH ACUTE}\u2028\ud800\n',
        measures={"loss": float("nan"), "norm": float("inf"), "low": float("-inf")},
    )
    return Generation(
        number,
        header={"protocol": "p1", "objectives": ["error", "ops"], "axes": {"error": [0.0, 0.9, "linear"]}},
        state={"generator": _seeding.state_of(_seeding.generator(3, "search")), "next": 12, "huge": 2**200},
        log={"generation": number, "best": 0.1, "hypervolume": None},
        survivors=(Survivor(individual(4), {"error": 0.3, "ops": 9.0}, 3), Survivor(individual(2), {"error": 0.5}, 1)),
        results=(Result(Request(individual(4), 0), ok), Result(Request(individual(5), 2), bad)),
    )


def test_reading_and_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_generation(tmp_path, generation(7))
    assert path.name == "generation-0007.jsonl"
    (tmp_path / "again").mkdir()
    read = read_generation(path)
    assert write_generation(tmp_path / "again", read).read_bytes() == path.read_bytes()
    assert path.read_bytes().endswith(b"\n")
    assert read.survivors == generation(7).survivors
    assert read.results[0] == generation(7).results[0]
    assert repr(read.results[1]) == repr(generation(7).results[1])  # repr: nan is not equal to itself
    assert isinstance(read.results[0].evaluation.measures["ops"], int)
    assert _seeding.generator_from(read.state["generator"]).random() == _seeding.generator(3, "search").random()
    assert read.state["huge"] == 2**200


def with_twins(number: int = 0) -> Generation:
    """Return the generation with its second result, and the state's memory, as a pressure leaves them."""
    plain = generation(number)
    first, second = plain.results
    twin = replace(second, request=replace(second.request, twin=True))
    memory = {"strategy": {"age": [4, 2]}, "abandonment": {"alive": {"normal/0>2": ["zero", "conv3"]}, "rounds": 1}}
    return replace(plain, state={**plain.state, "memory": memory}, results=(first, twin))


def test_twins_and_memory_come_back_and_a_file_without_them_names_neither(tmp_path: Path) -> None:
    path = write_generation(tmp_path, with_twins(3))
    read = read_generation(path)
    assert [result.request.twin for result in read.results] == [False, True]
    assert read.state["memory"] == with_twins().state["memory"]
    (tmp_path / "again").mkdir()
    assert write_generation(tmp_path / "again", read).read_bytes() == path.read_bytes()
    (tmp_path / "plain").mkdir()
    plain = write_generation(tmp_path / "plain", generation(3)).read_bytes()
    assert path.read_bytes().count(b'"twin": true') == 1
    assert b"twin" not in plain and b"memory" not in plain


def test_the_committed_run_is_read_and_written_byte_for_byte(tmp_path: Path) -> None:
    """Files of the version before name no twin and no memory, and have no digests."""
    paths = sorted((Path(__file__).parents[1] / "populations" / "digits").glob("generation-*.jsonl"))
    for path in paths:
        assert unsealed(write_generation(tmp_path, read_generation(path)).read_text()) == path.read_text()
    assert len(paths) == 8


def test_clock_times_and_tracebacks_stay_out(tmp_path: Path) -> None:
    plain = generation()
    timed = replace(
        plain,
        results=tuple(
            replace(r, evaluation=replace(r.evaluation, seconds=1.5, traceback="File x")) for r in plain.results
        ),
    )
    first = write_generation(tmp_path, plain).read_bytes()
    assert write_generation(tmp_path, timed).read_bytes() == first
    assert [child.name for child in tmp_path.iterdir()] == ["generation-0000.jsonl"]


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for log in ({"best": float("nan")}, {"best": object()}):
        with pytest.raises(RunError, match="JSON can hold"):
            write_generation(tmp_path, replace(generation(), log=log))
    assert not list(tmp_path.iterdir())


def test_numpy_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    path = write_generation(tmp_path, replace(generation(), log={"a": np.int64(3), "b": np.float32(0.5)}))
    assert read_generation(path).log == {"a": 3, "b": 0.5}


def test_a_cut_at_every_byte_is_reported_with_file_and_line(tmp_path: Path) -> None:
    path = write_generation(tmp_path, with_twins())
    data = path.read_bytes()
    lines = data.count(b"\n")
    seen = set()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(RunError) as caught:
            read_generation(path)
        expected = data[:size].count(b"\n") + 1
        assert f"{path}, line {expected}" in str(caught.value), (size, str(caught.value))
        seen.add(expected)
    assert seen == set(range(1, lines + 1))
    assert lines == 5


@pytest.mark.parametrize(
    ("number", "spoil", "text"),
    [
        (1, lambda row: row.pop("state"), "without 'state'"),
        (1, lambda row: row.update(format="other"), "format 'other'"),
        (1, lambda row: row.update(version="1"), "version '1'"),
        (1, lambda row: row.update(generation=3), "not the file's"),
        (1, lambda row: row.update(results=True), "'results'"),
        (2, lambda row: row["survivor"].update(repeats="3"), "'repeats' that is no int"),
        (2, lambda row: row["survivor"].update(parents=["a"]), "whole numbers"),
        (3, lambda row: row.update(result=row.pop("survivor")), "without 'survivor'"),
        (4, lambda row: row["result"].update(status="good"), "'good'"),
        (4, lambda row: row["result"].update(colour=1), "unknown field 'colour'"),
        (4, lambda row: row["result"].update(objectives={}), "objectives exactly where"),
        (4, lambda row: row["result"]["objectives"].update(error="low"), "in place of a number"),
        (4, lambda row: row["result"].update(twin=False), "'twin' that is not true"),
        (4, lambda row: row["result"].update(twin=1), "'twin' that is not true"),
        (5, lambda row: row["result"].pop("key"), "without 'key'"),
    ],
)
def test_a_spoilt_line_is_named(tmp_path: Path, number: int, spoil: object, text: str) -> None:
    path = write_generation(tmp_path, generation())
    make_older(path)
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    spoil(rows[number - 1])  # type: ignore[operator]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RunError) as caught:
        read_generation(path)
    assert f"{path}, line {number}" in str(caught.value)
    assert text in str(caught.value)


def test_lines_that_are_no_json_objects_and_lines_too_many_are_named(tmp_path: Path) -> None:
    path = write_generation(tmp_path, generation())
    lines = path.read_bytes().splitlines(keepends=True)
    looped = 0
    for junk in (b"\n", b"[1]\n", b"\xff\xfe\n", b'{"survivor": NaN}\n', b"[" * 100_000 + b"\n"):
        path.write_bytes(b"".join([*lines[:2], junk, *lines[3:]]))
        with pytest.raises(RunError, match="line 3"):
            read_generation(path)
        looped += 1
    assert looped == 5
    path.write_bytes(b"".join([*lines, lines[-1]]))
    with pytest.raises(RunError, match="line 6"):
        read_generation(path)


def test_a_newer_version_says_which_is_known_and_is_no_damage(tmp_path: Path) -> None:
    path = write_generation(tmp_path, generation())
    path.write_text(path.read_text().replace('"version": 2', '"version": 3', 1))
    with pytest.raises(RunError, match=r"version 2 or older.*version 3"):
        read_generation(path)
    with pytest.raises(RunError, match="newer evobnn"):
        read_generations(tmp_path)


def test_an_older_version_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_generation(tmp_path, generation())
    monkeypatch.setattr(generations, "VERSION", 3)
    monkeypatch.setitem(snapshot.UPGRADES, 2, lambda rows: [{**rows[0], "log": {"upgraded": True}}, *rows[1:]])
    assert read_generation(path).log == {"upgraded": True}
    make_older(path)
    assert read_generation(path).log == {"upgraded": True}


def test_the_good_generations_up_to_the_damage(tmp_path: Path) -> None:
    for number in range(5):
        write_generation(tmp_path, generation(number))
    good, messages = read_generations(tmp_path)
    assert [g.number for g in good] == [0, 1, 2, 3, 4]
    assert not messages
    spoilt = tmp_path / "generation-0003.jsonl"
    spoilt.write_bytes(spoilt.read_bytes()[:-10])
    good, messages = read_generations(tmp_path)
    assert [g.number for g in good] == [0, 1, 2]
    assert len(messages) == 2
    assert f"{spoilt}, line 5" in messages[0]
    assert "generation-0004.jsonl after damage" in messages[1]
    spoilt.unlink()
    good, messages = read_generations(tmp_path)
    assert [g.number for g in good] == [0, 1, 2]
    assert "generation-0003.jsonl is missing" in messages[0]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a run folder"):
        read_generations(tmp_path / "none")
    with pytest.raises(RunError, match="to read"):
        read_generation(tmp_path / "generation-0000.jsonl")


def test_setting_aside_deletes_and_overwrites_nothing(tmp_path: Path) -> None:
    for count in (1, 2):
        for number in range(4):
            write_generation(tmp_path, generation(number))
        before = (tmp_path / "generation-0002.jsonl").read_bytes()
        moved = snapshot.set_aside(tmp_path, 2)
        assert [path.name for path in moved] == [
            f"generation-0003.jsonl.aside-{count}",
            f"generation-0002.jsonl.aside-{count}",
        ]
        assert moved[1].read_bytes() == before
    assert [g.number for g in read_generations(tmp_path)[0]] == [0, 1]
    assert len(list(tmp_path.iterdir())) == 6


def test_numbers_beyond_four_digits_keep_their_order(tmp_path: Path) -> None:
    write_generation(tmp_path, generation(10_000))
    write_generation(tmp_path, generation(9_999))
    assert [p.name for p in snapshot.set_aside(tmp_path, 10_000)] == ["generation-10000.jsonl.aside-1"]


def test_fresh_scores_come_back(tmp_path: Path) -> None:
    rows = (
        Rescored(3, "k3", GENOME, (100, 101), {"error": 0.25}, {"error": (0.2, 0.3)}, {"error": 0.07}),
        Rescored(5, "k5", GENOME, (100, 101), {}, {"error": (0.2,)}, {"error": float("nan")}),
    )
    path = snapshot.write_rescored(tmp_path, 6, rows)
    assert path == snapshot.rescored_path(tmp_path, 6) == tmp_path / "rescored-0006.jsonl"
    assert repr(snapshot.read_rescored(path)) == repr(rows)
    snapshot.write_rescored(tmp_path, 12, ())
    assert snapshot.latest_rescored(tmp_path) == tmp_path / "rescored-0012.jsonl"
    assert snapshot.read_rescored(tmp_path / "rescored-0012.jsonl") == ()
    data = path.read_bytes()
    looped = 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(RunError, match=f"line {data[:size].count(10) + 1}"):
            snapshot.read_rescored(path)
        looped += 1
    assert looped == len(data) > 300
