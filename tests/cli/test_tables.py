"""`evobnn tabulate`, `evobnn table` and `evolve --table`: what they print, and every slip in one message."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from evobnn.runs import setup
from evobnn.studies.statistics import interval
from evobnn.studies.tables import tabulate as module
from evobnn.studies.tables.specs import TABLES
from evobnn.tables import read_table, write_table
from tests.cli.conftest import Call, Called
from tests.miniature import ERRORS, FLAT, FUNCTIONS, SINE, SPEC, SUM, by_hand, failing, ranked_as

TINY = ("--jobs", "1")


def check_refused(done: Called, *parts: str) -> None:
    assert done.code == 2, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    assert len(done.err.strip().splitlines()) == 1 and done.err.startswith(("Expected ", "Invalid ", "Missing "))
    assert done.out == ""
    for part in parts:
        assert part in done.err, done.err


@pytest.fixture
def tabled(evobnn: Call, miniature: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`evobnn` beside a trained table `mini`, two made by hand, and the spec of the first among those that it knows."""
    monkeypatch.setattr(interval, "RESAMPLES", 100)
    monkeypatch.setitem(TABLES, "mini", SPEC)
    root = Path("populations/tables")
    shutil.copytree(miniature, root / "mini")
    hand = {
        "hand": failing(by_hand(ERRORS)),
        "one": ranked_as([*range(1, 9)], "one"),
        "other": ranked_as([2, 1, *range(3, 9)]),
    }
    for name, table in hand.items():
        (root / name).mkdir()
        write_table(root / name / "table.jsonl", table)
    return evobnn


# --- Making ---------------------------------------------------------------------------------------------------------


def test_tables_are_listed(tabled: Call) -> None:
    done = tabled("tabulate")
    assert (done.code, done.err) == (0, "")
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if line.strip()}
    assert {name: lines[name][1] for name in TABLES} == {
        "gaaf1-digits": "no", "gaaf1-mnist14": "no", "joint-digits": "no", "joint-halving": "no",
        "joint-mnist5k": "no", "mini": "yes",
    }  # fmt: skip
    for name, spec in TABLES.items():
        assert " ".join(spec.summary.split()[:3]) in done.out, name
    assert max(map(len, done.out.splitlines())) <= 100


def test_a_table_is_made_and_gone_on_with(evobnn: Call, miniature: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "mini", SPEC)
    first = evobnn("tabulate", "mini", *TINY, "--budget", "0s")
    assert first.code == 0, first.err
    assert "table     populations/tables/mini/table.jsonl\nrows      2, 1 trained, 1 trainings\n" in first.out
    journal = Path("populations/tables/mini/journal.jsonl")
    journal.write_bytes((miniature / "journal.jsonl").read_bytes())
    second = evobnn("tabulate", "mini", *TINY)
    assert second.code == 0, second.err
    whole = read_table(miniature / "table.jsonl")
    trainings = sum(len(row.errors) for row in whole.rows.values())
    value, low, high = whole.intraclass
    assert second.out == (
        "table     populations/tables/mini/table.jsonl\n"
        f"rows      14, 13 trained, {trainings} trainings\n"
        f"ICC       {value:.2f} ({low:.2f} to {high:.2f})\n"
    )
    assert replace(read_table(Path("populations/tables/mini/table.jsonl")), created="") == replace(whole, created="")
    assert journal.read_bytes() == (miniature / "journal.jsonl").read_bytes()


def test_ctrl_c_keeps_what_had_finished(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "mini", SPEC)
    run, calls = module.run_job, []

    def interrupted(job: object) -> object:
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(job)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_job", interrupted)
    done = evobnn("tabulate", "mini", *TINY, "--out", "mine")
    assert done.code == 130
    assert "every training that had finished is saved" in done.err and "Traceback" not in done.err
    assert done.err.endswith("  evobnn tabulate mini --out mine\n")
    assert Path("mine/journal.jsonl").read_bytes().count(b"\n") == 2


# --- Seeing ---------------------------------------------------------------------------------------------------------

GOLDEN = """\
    function                  error       sd   n   minus baseline      95 %, Holm   may be best
───────────────────────────────────────────────────────────────────────────────────────────────
1   add(shift(x), sin(x))   10.00 %   0.71 %   5            -10.0   -11.3 to -8.7           yes
2   sin(x)                  20.00 %   0.71 %   5                –               –            no
3   shift(x)                20.40 %   1.52 %   5             +0.4    -1.5 to +2.3            no
4   add(sin(x), x)          33.00 %   2.55 %   5            +13.0   +9.1 to +16.9            no
hand: 8 rows, 1 never trained, 1 failed; 5 contenders, chosen by their first 3 trainings and compared on the others. \
Baseline sin(x): 20.00 %. Better than it: 1; not to be told from it: 1; may be the best: 1.
"""


def test_the_best_of_a_table(tabled: Call) -> None:
    done = tabled("table", "hand", "--best", 4)
    assert done.code == 0, done.err
    assert done.out == GOLDEN
    assert tabled("table", "populations/tables/hand/table.jsonl", "--best", 4).out == GOLDEN
    assert (
        tabled("table", "populations/tables/hand", "--best", 4, "--baseline", "@net = add(zero, sin(x))").out == GOLDEN
    )
    other = tabled("table", "hand", "--baseline", SUM).out
    assert "Baseline add(shift(x), sin(x)): 10.00 %. Better than it: 0; not to be told from it: 0; may be" in other
    assert other.index("33.00 %") < other.index("40.00 %")


def test_the_best_of_a_table_as_json(tabled: Call) -> None:
    done = tabled("table", "hand", "--best", 2, "--json", "--with", "hand")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    head = {"table": "hand", "rows": 8, "invalid": 1, "failed": 1, "first": 3, "contenders": 5, "better": 1}
    assert {name: found[name] for name in head} == head
    assert [one["row"]["genome"] for one in found["best"]] == [SUM, SINE]
    assert found["best"][0]["against"]["differs"] is True
    assert (found["baseline"]["genome"], found["baseline_mean"]) == (SINE, 0.2)
    assert found["agreement"]["n"] == 6
    assert found["agreement"]["kendall"]["estimate"] == pytest.approx(1.0)
    assert json.loads(tabled("table", "hand", "--json").out)["agreement"] is None


def test_the_agreement_with_another_table(tabled: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    contenders = {text: (2 * n,) * (3 if n < 4 else 6) for n, text in enumerate(FUNCTIONS)}
    table = by_hand(contenders, "some")
    write_table(Path("some.jsonl"), table)
    done = tabled("table", "some.jsonl", "--with", "other")
    assert done.code == 0, done.err
    last = done.out.splitlines()[-1]
    # One pair of neighbours out of 28, and of 6 in the better half, changed places.
    assert last.startswith("with other: 8 genomes in both, Spearman 0.98, Kendall tau 0.93 (")
    assert "); within the better half 0.67 (" in last


ORDER = """\
    genome             error       sd   n   ops
───────────────────────────────────────────────
1   x                 4.00 %   2.00 %   3   100
2   add(x, x)         8.00 %   2.00 %   3   100
3   add(sin(x), x)   12.00 %   2.00 %   3   100
"""


def test_a_table_without_contenders_is_ordered_by_its_means(tabled: Call) -> None:
    done = tabled("table", "other", "--best", 3, "--with", "one")
    assert done.code == 0, done.err
    assert done.out.startswith(ORDER), done.out
    assert "other: 8 rows, 0 never trained, 0 failed. Nothing is compared" in done.out
    assert done.out.splitlines()[-1].startswith("with one: 8 genomes in both")
    found = json.loads(tabled("table", "other", "--best", 1, "--json").out)
    assert (found["placed"], found["rows"], len(found["best"])) == (8, 8, 1)
    best = found["best"][0]
    assert (best["row"]["genome"], best["n"]) == (FUNCTIONS[1], 3)
    assert (best["mean"], best["deviation"]) == (pytest.approx(0.04), pytest.approx(0.02))
    write_table(Path("single.jsonl"), by_hand({SINE: (7,), SUM: (3,), FLAT: ()}, "single"))
    single = tabled("table", "single.jsonl")
    assert [line.split()[-4:] for line in single.out.splitlines()[2:4]] == [
        ["%", "–", "1", "100"], ["%", "–", "1", "100"]
    ]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_every_table_that_comes_with_evobnn_is_shown_by_its_name(
    evobnn: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 10)
    Path("populations").mkdir()
    Path("populations/tables").symlink_to(Path(__file__).parents[2] / "populations/tables")
    done = evobnn("table", name, "--best", 2)
    assert (done.code, done.err) == (0, ""), done.err
    assert f"\n{name}: " in done.out


# --- Searching ------------------------------------------------------------------------------------------------------


def forbidden(*given: object, **more: object) -> NoReturn:
    raise AssertionError("no image is to be opened")


def test_a_search_on_a_table_from_its_name_to_its_check(tabled: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "prepare", forbidden)
    done = tabled("evolve", "--table", "mini", "--seed", 3, "--generations", 1, *TINY)
    assert done.code == 0, done.err
    for part in ("run    populations/mini-1, seed 3", "work   none: looked up in mini", "generation 1/1: 8/",
                 "Front of populations/mini-1 after generation 1"):  # fmt: skip
        assert part in done.out
    assert tabled("resume", "mini-1", "--generations", 2, *TINY).code == 0
    assert Path("populations/mini-1/generation-0002.jsonl").is_file()
    checked = tabled("check", "mini-1")
    assert checked.code == 0, checked.out
    assert "PROBLEM" not in checked.out and "not checked" not in checked.out
    assert tabled("show", "mini-1:0").code == 0
    check_refused(tabled("evaluate", "mini-1:0"), "trains its networks", "looks up in mini")


def test_the_front_of_a_search_names_its_costs_once_and_one_training_as_one(tabled: Call) -> None:
    done = tabled("evolve", "--table", "mini", "--seed", 3, "--generations", 1, *TINY)
    assert done.code == 0, done.err
    shown = done.out[done.out.index("Front of ") :].splitlines()
    assert re.split(r"  +", shown[1]) == [
        "id", "error, fresh", "n", "error, search", "n", "ops", "bits", "elementwise", "holds"
    ]  # fmt: skip
    assert "±" not in done.out and "fresh: 1 training, on a seed that the search never saw" in done.out
    assert json.loads(tabled("front", "mini-1", "--json").out)[0]["rescored"]["sd"]["error"] is None
    number = shown[3].split()[0]
    assert re.search(
        r"^  fresh, 1 training: error \d+\.\d\d %, elementwise [\d,]+$", tabled("show", f"mini-1:{number}").out, re.M
    )
    path = Path("populations/mini-1/front.csv")
    lines = path.read_text().splitlines()
    assert lines[1].endswith((",,1,True", ",,1,False"))
    place = lines[0].split(",").index("error_rescored_sd")
    older = [row.split(",") for row in lines]  # what evobnn wrote before
    for row in older[1:]:
        at = len(row) - (len(older[0]) - place)
        row[at] = row[at + 2] = "0.0"
    path.write_text("".join(f"{','.join(row)}\n" for row in older))
    assert tabled("check", "mini-1").code == 0
    path.write_text(path.read_text().replace("0.0,1,", "0.1,1,", 1))
    assert tabled("check", "mini-1").code == 1


def test_a_search_on_a_table_takes_another_strategy_and_checks(tabled: Call) -> None:
    settings = ("strategy.name=gaaf", "strategy.forgets=true", "strategy.unfiltered=true", 'objectives=["error"]')
    chosen = [part for text in settings for part in ("--set", text)]
    done = tabled("evolve", "--table", "mini", *chosen, "--population", 4, "--generations", 5, *TINY)
    assert done.code == 0, done.err
    checked = tabled("check", "mini-1")
    assert checked.code == 0, checked.out


def test_an_experiment_of_ones_own_on_a_table(tabled: Call) -> None:
    """The file says how to search; what it leaves out of noise is what the table can answer."""
    text = read_table(Path("populations/tables/mini/table.jsonl")).experiment
    kept = [part for part in text.split("\n\n") if not part.startswith(("[noise]", "[strategy]"))]
    Path("mine.toml").write_text("\n\n".join([*kept, '[strategy]\nname = "random"\npopulation = 3']))
    done = tabled("evolve", "mine.toml", "--table", "mini", "--generations", 1, *TINY)
    assert done.code == 0, done.err
    assert "run    populations/mini-1" in done.out or "run    populations/mine-1" in done.out
    assert "search random, 3 a generation" in done.out


# --- Slips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("tabulate", "mni"), ("known table", "'mni'", "Did you mean 'mini'?")),
        (("tabulate", "mini", "--out", "file"), ("to write file", "File exists")),
        (("tabulate", "mini", "--out", "file/below"), ("to write file/below", "Not a directory")),
        (("tabulate", "mini", "--budget", "soon"), ("--budget", "'soon'")),
        (("tabulate", "mini", "--jobs", "0"), ("--jobs", "at least 1")),
        (("tabulate", "mini", "--device", "cuda:99"), ("cuda:99", "cpu")),
        (("tabulate", "gaaf1-mnist14"), ("mnist", "--data-dir")),
        (("table",), ("TABLE",)),
        (("table", "hnd"), ("a table (hand, mini, one, other)", "'hnd'", "Did you mean 'hand'?")),
        (("table", "one", "--baseline", SINE), ("more trainings than", "3 of every row in one", "Leave --baseline")),
        (("table", "hand", "--baseline", "@net = sn(x)"), ("'sn'", "Did you mean 'sin'?")),
        (("table", "hand", "--baseline", "@net = cos(x)"), ("a baseline with 5 or more trainings", "cos(x) with 0")),
        (("table", "hand", "--baseline", "@net = add(x, x)"), ("a baseline with 5 or more", "add(x, x) with 3")),
        (("table", "hand", "--with", "othr"), ("'othr'", "Did you mean 'other'?")),
        (("table", "hand", "--best", "0"), ("--best",)),
        (("evolve", "--table", "mni"), ("'mni'", "Did you mean 'mini'?")),
        (("evolve", "--table", "mini", "--set", "recipe.epochs=2"), ("table mini", "recipe.epochs = 2 where it has 1")),
        (("evolve", "digits", "--table", "mini"), ("the protocol of the table mini", "dataset.train_limit = 0")),
        (("evolve", "--table", "mini", "--set", "noise.rescore=5"), ("noise.rescore of at most 1", "got 5")),
        (("evolve", "--table", "mini", "--set", "noise.repeats=3"), ("noise.repeats of at most 2", "got 3")),
        (("evolve", "--table", "thin"), ("at least 2 trainings of every genome", "1 in thin")),
        (("fidelity", "--weights", "--set", "table=mini"), ("an experiment that trains", "mini")),
        (("fidelity", "--weights", "--heritability"), ("one question", "both")),
        (("fidelity", "digits", "--weights", "--epochs", "1"), ("epochs", "at least 4", "got 1")),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_one_message(tabled: Call, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    Path("file").write_text("")
    Path("populations/tables/thin").mkdir()
    write_table(Path("populations/tables/thin/table.jsonl"), by_hand({SINE: (1,), FUNCTIONS[0]: (1, 2)}, "thin"))
    done = tabled(*arguments)
    Path("populations/tables/thin/table.jsonl").unlink()
    if "sn(x)" in str(arguments):  # with a caret below the place
        assert done.code == 2 and all(part in done.err for part in parts)
        return
    check_refused(replace(done, err=done.err.replace(", thin", "")), *(part for part in parts))
    assert not list(Path("populations").glob("*-1"))


def test_a_damaged_table_and_one_of_a_newer_evobnn(tabled: Call) -> None:
    path = Path("populations/tables/hand/table.jsonl")
    text = path.read_text()
    path.write_text(text[:-4])
    check_refused(tabled("table", "hand"), f"{path}, line 9", "cut off")
    path.write_text(text.replace('"version": 2', '"version": 3', 1))
    check_refused(tabled("evolve", "--table", "hand"), "newer evobnn")
