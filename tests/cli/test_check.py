"""`evobnn check` finds what was changed by hand, names the place, and never ends in a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evobnn.errors import RunError
from evobnn.runs import verify
from evobnn.snapshot import is_being_written, lock
from evobnn.snapshot.journal import TORN
from tests.cli.conftest import Call
from tests.older import make_older

Row = dict[str, Any]


def change(path: Path, line: int, how: Callable[[Row], object]) -> None:
    """Change the row in a line (from 1) of a file of JSON lines as it was before digests, or that never has them."""
    if '"sha"' in path.read_text():
        make_older(path)
    lines = path.read_text().splitlines()
    row = json.loads(lines[line - 1])
    how(row)
    lines[line - 1] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")


def test_a_run_as_it_was_left_is_ok(evobnn: Call, a_run: Path) -> None:
    done = evobnn("check", "digits-1")
    assert done.code == 0
    assert "PROBLEM" not in done.out and "not checked" not in done.out
    assert done.out.count("\nok ") >= 11


SPOILT: dict[str, tuple[str, int, Callable[[Row], object], str]] = {
    "objectives of a survivor": ("generation-0001.jsonl", 2, lambda r: r["survivor"]["objectives"].update(error=0.0),
                                 "generation-0001.jsonl:2"),
    "repeats of a survivor": ("generation-0000.jsonl", 2, lambda r: r["survivor"].update(repeats=9),
                              "generation-0000.jsonl:2"),
    "a count": ("generation-0001.jsonl", 1, lambda r: r["log"].update(ok=99), "generation-0001.jsonl:1"),
    "the experiment": ("generation-0000.jsonl", 1, lambda r: r["header"].update(experiment="0"),
                       "generation-0000.jsonl:1"),
    "the state": ("generation-0001.jsonl", 1, lambda r: r["state"].update(survivors=[]), "generation-0001.jsonl:1"),
    "a missing state": ("generation-0001.jsonl", 1, lambda r: r["state"].clear(), "KeyError"),
    "a key": ("generation-0000.jsonl", 6, lambda r: r["result"].update(key="0" * 16), "generation-0000.jsonl:6"),
    "a genome": ("generation-0000.jsonl", 6, lambda r: r["result"].update(genome="@net = x"),
                 "generation-0000.jsonl:6"),
    "an outcome": ("generation-0000.jsonl", 6, lambda r: r["result"]["measures"].update(loss=0.0),
                   "generation-0000.jsonl:6"),
    "a parent": ("generation-0001.jsonl", 9, lambda r: r["result"].update(parents=[4711]), "generation-0001.jsonl:9"),
    "a journal": ("journal.jsonl", 2, lambda r: r["evaluation"]["objectives"].update(ops=1.0),
                  "generation-0000.jsonl:"),
    "a field of the journal": ("journal.jsonl", 2, lambda r: r.pop("key"), "journal.jsonl, line 2"),
    "a fresh score": ("rescored-0001.jsonl", 2, lambda r: r["values"].update(error=[0.0, 0.0]),
                      "rescored-0001.jsonl:2"),
    "the log": ("log.jsonl", 1, lambda r: r.update(ok=99), "log.jsonl:1"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_what_was_changed_is_found_at_its_place(evobnn: Call, a_run: Path, what: str) -> None:
    name, line, how, place = SPOILT[what]
    change(a_run / name, line, how)
    done = evobnn("check", a_run)
    assert done.code == 1
    assert "PROBLEM" in done.out and place in done.out, done.out
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize("name", ["generation-0000.jsonl", "rescored-0001.jsonl", "journal.jsonl"])
def test_a_changed_digit_is_found_by_the_digest_of_its_line(evobnn: Call, a_run: Path, name: str) -> None:
    lines = (a_run / name).read_text().splitlines(keepends=True)
    lines[1] = re.sub(r'(?<="key": ")\w', lambda found: "1" if found[0] == "0" else "0", lines[1], count=1)
    (a_run / name).write_text("".join(lines))
    done = evobnn("check", a_run)
    assert done.code == 1
    assert f"{name}, line 2, got a digest that does not fit" in done.out, done.out


def test_a_torn_last_line_is_told_and_is_no_problem(evobnn: Call, a_run: Path) -> None:
    with (a_run / "journal.jsonl").open("a") as file:
        file.write('{"version": 2, "key": "to')
    done = evobnn("check", a_run)
    assert done.code == 0 and "nothing wrong found" in done.out
    assert "journal.jsonl, line " in done.out and TORN in done.out


def test_an_evaluation_that_was_completed_twice(evobnn: Call, a_run: Path) -> None:
    journal = a_run / "journal.jsonl"
    make_older(journal)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*lines, lines[0]]))
    done = evobnn("check", a_run)
    assert done.code == 1
    assert f"journal.jsonl:{len(lines) + 1} completes key" in done.out


def test_a_retried_failure_is_not_twice(evobnn: Call, a_run: Path) -> None:
    journal = a_run / "journal.jsonl"
    make_older(journal)
    lines = journal.read_text().splitlines()
    failed = json.loads(lines[0])
    failed["evaluation"] |= {"status": "error", "objectives": {}, "message": "lost"}
    again = json.loads(lines[0]) | {"attempt": 2}
    journal.write_text("\n".join([json.dumps(failed), json.dumps(again), *lines[1:]]) + "\n")
    assert evobnn("check", a_run).code == 0


def test_a_gap_and_a_cut_line(evobnn: Call, a_run: Path) -> None:
    (a_run / "generation-0000.jsonl").rename(a_run / "away")
    done = evobnn("check", a_run)
    assert done.code == 1 and "generation-0000.jsonl is missing" in done.out
    (a_run / "away").rename(a_run / "generation-0000.jsonl")
    whole = (a_run / "generation-0001.jsonl").read_bytes()
    (a_run / "generation-0001.jsonl").write_bytes(whole[:-20])
    done = evobnn("check", a_run)
    assert done.code == 1 and "generation-0001.jsonl, line" in done.out


def test_a_missing_table_and_an_experiment_that_is_none(evobnn: Call, a_run: Path) -> None:
    (a_run / "front.csv").unlink()
    done = evobnn("check", a_run)
    assert done.code == 1 and "front.csv is missing" in done.out
    (a_run / "experiment.toml").write_text("seed = ")
    done = evobnn("check", a_run)
    assert done.code == 1 and "TOML" in done.out


def test_another_protocol_is_told_and_is_no_problem(evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evobnn.evaluation.protocol.OPERATIONS_VERSION", 4711)
    done = evobnn("check", a_run)
    assert done.code == 0
    assert "not checked" in done.out and "2 not made" in done.out


# --- While a search writes ------------------------------------------------------------------------------------------


def test_while_a_search_writes_it_is_said_and_nothing_waits(evobnn: Call, a_run: Path) -> None:
    with lock(a_run):
        done = evobnn("check", a_run)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(
            "a search is writing this run: checked is what it has finished, up to generation 1\n"
        )
        assert evobnn("front", a_run).err == "note: a search is writing this run; this is its front so far.\n"
        with pytest.raises(RunError, match="another process"), lock(a_run):
            raise AssertionError
    assert "is writing" not in evobnn("check", a_run).out
    assert not is_being_written(a_run)


def test_what_changes_between_two_looks_is_no_problem_and_damage_is(
    evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def once(run: verify.Folder) -> Iterator[str]:
        looks.append(run)
        if len(looks) == 1:
            yield "in the making"

    monkeypatch.setitem(verify.CHECKS, "the counts are right", once)
    with lock(a_run):
        assert evobnn("check", a_run).code == 0 and len(looks) == 2 and looks[0] is not looks[1]
        change(a_run / "generation-0001.jsonl", 9, lambda row: row["result"].update(parents=[4711]))
        done = evobnn("check", a_run)
    assert done.code == 1 and "generation-0001.jsonl:9" in done.out


def test_before_the_first_generation_there_is_nothing_to_check(evobnn: Call, a_run: Path) -> None:
    for path in [*a_run.glob("generation-*"), *a_run.glob("rescored-*"), a_run / "log.jsonl", a_run / "front.csv"]:
        path.unlink()
    with lock(a_run):
        done = evobnn("check", a_run)
    assert done.code == 0 and done.out.endswith("writing its first generation; there is nothing to check yet\n")
    assert evobnn("check", a_run).code == 1
