"""`evobnn fidelity` without another question: what it prints and leaves, and every slip in one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evobnn.cli.studies import lengths, widths
from evobnn.errors import ExperimentError
from evobnn.studies.fidelity import heritability as fidelity
from evobnn.studies.fidelity.weights import WeightsStudy
from evobnn.studies.statistics import Interval, interval
from tests.cli.conftest import TINY, Call

SMALL = ("fidelity", "digits", *TINY, "--genomes", 6, "--epochs", 2, "--brief", 1, "--jobs", 1)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 20)


def test_a_study_that_trains_and_goes_on(evobnn: Call) -> None:
    done = evobnn(*SMALL, "--widths", "2,3", "--out", "out")
    assert done.code == 0, done.err
    for part in ("agreement with a long training", "ceiling", "minus that of the preset's own training (1 epoch, ",
                 "6 random genomes (0 more left out", "files  out/"):  # fmt: skip
        assert part in done.out, done.out
    assert all(len(line) <= 100 for line in done.out.splitlines())
    names = {"report.md", "report.json", "results.jsonl", "taus.png", "errors.png"}
    assert {path.name for path in Path("out").iterdir()} - {".lock"} == names
    lines = Path("out/results.jsonl").read_bytes()
    assert len(lines.splitlines()) == 1 + 6 * (2 + 2)
    again = evobnn(*SMALL, "--widths", "2,3", "--out", "out", "--json")
    assert again.code == 0, again.err
    assert Path("out/results.jsonl").read_bytes() == lines
    told = json.loads(again.out)
    assert told == json.loads(Path("out/report.json").read_text())
    assert [(one["epochs"], one["width"]) for one in told["scores"]] == [(1, 2), (1, 3)]
    other = evobnn(*SMALL, "--out", "out", "--set", "seed=1")
    assert (other.code, "the trainings of this protocol in out" in other.err) == (2, True)


SLIPS: dict[str, tuple[Sequence[object], Sequence[str]]] = {
    "no epochs": (["--brief", "0"], ["--brief to be a whole number of at least 1, got 0"]),
    "no number": (["--brief", "a"], ["--brief as whole numbers with commas, got 'a'", "1,2,3x3,8"]),
    "an empty list": (["--brief", ""], ["--brief as whole numbers with commas, got ''"]),
    "a negative length": (["--brief", "1,-2"], ["--brief as whole numbers with commas, got '1,-2'"]),
    "no repeat": (["--brief", "1x0"], ["--brief to be a whole number of at least 1, got 0"]),
    "many repeats": (["--brief", "1x10"], ["repeats between 1 and 9, got 10"]),
    "a brief length as long": (["--brief", "1,12"], ["--epochs of the long training", "at least 13, got 8"]),
    "one genome": (["--genomes", "1"], ["--genomes to be a whole number of at least 6, got 1"]),
    "no long seed": (["--seeds", "0"], ["--seeds to be a whole number of at least 2, got 0"]),
    "no width": (["--widths", "0"], ["--widths to be a whole number of at least 1, got 0"]),
    "a width in words": (["--widths", "half"], ["--widths as whole numbers with commas, got 'half'"]),
    "a width that is refused": (["--widths", "12,1"], ["With --widths 1: Expected network.stem between 1 and 100"]),
    "more than there are": (
        ["--set", "space.freeze=@net = x", "--set", "space.sites=net", "--set", "space.nodes=1", "--set",
         'space.offered=["conv3"]', "--genomes", "7"],
        ["7 different feasible genomes", "Ask for fewer"],
    ),
    "another question": (["--heritability", "--brief", "3"], ["--brief, --widths or --out", "another question"]),
    "a table": (["--set", "table=mini"], ["an experiment that trains, got one that looks up in mini"]),
    "a file": (["--out", "/dev/null"], ["/dev/null"]),
}  # fmt: skip


@pytest.mark.parametrize("slip", list(SLIPS))
def test_slips(evobnn: Call, monkeypatch: pytest.MonkeyPatch, slip: str) -> None:
    monkeypatch.setattr(fidelity, "RANDOM_TRIES", 20)
    arguments, parts = SLIPS[slip]
    done = evobnn("fidelity", *arguments)
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    for part in parts:
        assert part in done.err, done.err
    assert not list(Path().iterdir())


def test_lists() -> None:
    assert lengths("1,2, 3x3 ,8") == [(1, 1), (2, 1), (3, 3), (8, 1)]
    assert widths(" 12,6") == [12, 6]
    assert (lengths(None), widths(None)) == ([], [])
    with pytest.raises(ExperimentError, match="--widths"):
        widths("6x2")


def test_ctrl_c_says_what_is_kept(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evobnn.cli.studies.measure", stop)
    done = evobnn("fidelity")
    assert (done.code, "nothing was kept" in done.err) == (130, True)
    done = evobnn("fidelity", "--out", "out")
    assert (done.code, "Go on with the same command" in done.err) == (130, True)


def test_the_question_of_weights_says_that_it_is_experimental(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    some = Interval(0.5, 0.25, 0.75, 30)
    found = WeightsStudy(30, 0, 1, 12, 3, some, some, some, some, (0.2, 0.3, 0.1))
    monkeypatch.setattr("evobnn.cli.studies.compare_weights", lambda *given: found)
    done = evobnn("fidelity", "digits", "--weights", "--json")
    assert done.err == "note: fidelity --weights: experimental, it may change or go in a later version.\n"
    assert json.loads(done.out)["binary"]["estimate"] == 0.5
