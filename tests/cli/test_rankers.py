"""`evobnn fidelity --rankers`: what it prints and leaves, how it goes on, and every slip in one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evobnn.studies.fidelity.rankers import RANKERS
from evobnn.studies.statistics import interval
from tests.cli.conftest import TINY, Call


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 20)


def test_a_table(evobnn: Call, miniature: Path) -> None:
    call = ("fidelity", miniature, "--rankers", "--genomes", 7, "--jobs", 1, "--out", "out")
    done = evobnn(*call)
    assert done.code == 0, done.err
    for part in (*RANKERS, "agreement with the error", "topologies alone", "7 genomes of mini (0 more left out",
                 "7 expressions, 1 topology.", "the table's mean error", "files  out/"):  # fmt: skip
        assert part in done.out, done.out
    assert all(len(line) <= 100 for line in done.out.splitlines())
    names = {"rankers.md", "rankers.json", "rankers.jsonl"}
    assert {path.name for path in Path("out").iterdir()} - {".lock"} == names
    path = Path("out/rankers.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 7
    trained = [len(json.loads(line)["trained"]) for line in lines[1:]]
    assert trained == [1] * 5 + [0] * 2
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    again = evobnn(*call, "--json")
    assert again.code == 0, again.err
    assert "a whole line in out/rankers.jsonl, line 8" in again.err
    mended = path.read_bytes().splitlines(keepends=True)
    assert mended[:7] == lines[:7]
    assert len(mended) == 1 + 7 + 1  # with the torn one, which a line of its own follows
    told = json.loads(again.out)
    assert told == json.loads(Path("out/rankers.json").read_text())
    assert [one["name"] for one in told["rankers"]] == list(RANKERS)
    assert told["rankers"][1]["tau"]["estimate"] is None  # all genomes of the table have the same operations
    before = path.read_bytes()
    longer = evobnn(*call[:4], 8, *call[5:])
    assert longer.code == 0, longer.err
    assert path.read_bytes().startswith(before)


def test_a_preset(evobnn: Call) -> None:
    call = ("fidelity", "digits", *TINY, "--rankers", "--genomes", 6, "--jobs", 1, "--out", "out")
    done = evobnn(*call)
    assert done.code == 0, done.err
    for part in ("6 genomes of digits", "2 expressions, 3 topologies", "against one training", "expression elsewhere"):
        assert part in done.out, done.out
    other = evobnn(*call, "--seeds", 2)
    assert (other.code, "the same study in out, got one of other seeds." in other.err) == (2, True)


SLIPS: dict[str, tuple[Sequence[object], Sequence[str]]] = {
    "a table without it": (["TABLE"], ["a preset or a TOML file, got the table", "Add --rankers"]),
    "a preset that is none": (["digist", "--rankers"], ["'digist'", "Did you mean 'digits'?"]),
    "heritability": (["digits", "--rankers", "--heritability"], ["no --heritability with --rankers"]),
    "weights": (["digits", "--rankers", "--weights"], ["no --weights with --rankers"]),
    "brief": (["digits", "--rankers", "--brief", "1,2"], ["no --brief with --rankers"]),
    "epochs": (["digits", "--rankers", "--epochs", "3"], ["no --epochs with --rankers"]),
    "seeds of a table": (["TABLE", "--rankers", "--seeds", "2"], ["no --seeds with a table"]),
    "settings of a table": (["TABLE", "--rankers", "--set", "seed=1"], ["no --set with a table"]),
    "few genomes": (["TABLE", "--rankers", "--genomes", "2"], ["--genomes to be a whole number of at least 6, got 2"]),
    "more than there are": (["TABLE", "--rankers", "--genomes", "99"], ["99 rows that trained well, got 13"]),
    "no seeds": (["digits", "--rankers", "--seeds", "0"], ["--seeds to be a whole number of at least 1, got 0"]),
    "a preset on a table": (["digits", "--rankers", "--set", "table=TABLE"], ["an experiment that trains"]),
    "a file": (["TABLE", "--rankers", "--out", "/dev/null"], ["/dev/null"]),
}  # fmt: skip


@pytest.mark.parametrize("slip", list(SLIPS))
def test_slips(evobnn: Call, miniature: Path, slip: str) -> None:
    arguments, parts = SLIPS[slip]
    done = evobnn("fidelity", *(str(one).replace("TABLE", str(miniature)) for one in arguments))
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    for part in parts:
        assert part in done.err, done.err
    assert not list(Path().iterdir())


def test_a_table_of_a_name_that_is_nearly_there(evobnn: Call, miniature: Path) -> None:
    (Path("populations/tables/minute")).mkdir(parents=True)
    (Path("populations/tables/minute/table.jsonl")).write_bytes((miniature / "table.jsonl").read_bytes())
    done = evobnn("fidelity", "minutte", "--rankers")
    assert (done.code, "Did you mean 'minute'?" in done.err) == (2, True), done.err
