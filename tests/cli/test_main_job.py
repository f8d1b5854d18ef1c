"""The main job by its commands: evolve, look, evaluate, check, resume, start again from it."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from evobnn import __version__, load_run
from evobnn.cli.entry import main
from tests.cli.conftest import MODELLED, TINY, Call


def test_a_search_tells_what_it_does_and_where_its_files_are(evobnn_drawing: Call, tmp_path: Path) -> None:
    done = evobnn_drawing("evolve", "digits", *TINY, *MODELLED, "--population", 4, "--generations", 1, "--jobs", 1)
    assert done.code == 0, done.err
    folder = Path("populations/digits-1")
    assert (tmp_path / folder / "generation-0001.jsonl").is_file()
    assert (tmp_path / folder / "front.png").read_bytes().startswith(b"\x89PNG")
    for part in ("run    populations/digits-1", "digits, 1x8x8, 10 classes: 100 images to train, 60 to validate",
                 "space  joint; 2 cells of width 2", "to generation 1; a model screens and names",
                 "generation 0/1", "generation 1/1: 8/",
                 ", 0 reused, 0 failed, best ",
                 "Front of populations/digits-1 after generation 1", "error, fresh", f"evobnn show {folder}:ID",
                 f"evobnn resume {folder}", "front.csv"):  # fmt: skip
        assert part in done.out
    assert re.search(r"^memory 1 worker, at most \d\d+ MiB$", done.out, re.MULTILINE)
    assert max(map(len, done.out.splitlines())) <= 100


def test_the_last_line_is_the_command_that_trains_the_best_of_the_fresh_means(evobnn: Call) -> None:
    done = evobnn("evolve", "digits", *TINY, "--population", 4, "--generations", 1, "--jobs", 1)
    front = [row for row in load_run("populations/digits-1").front().to_dict("records")]
    best = min(front, key=lambda row: (row["error_rescored"], row["id"]))["id"]
    label, program, *arguments = done.out.splitlines()[-1].split()
    assert (label, program) == ("best", "evobnn")
    assert arguments == [
        "train",
        f"populations/digits-1:{best}",
        "--dataset",
        "digits",
        "--all-images",
        "--recipe",
        "small",
    ]
    trained = evobnn(*arguments, "--epochs", 1, "--set", "recipe.augmentation=none")
    assert trained.code == 0, trained.err
    settings = tomllib.loads(next(Path("populations").glob("train-*/training.toml")).read_text())
    assert settings["all_images"] and settings["recipe_name"] == "small"
    assert settings["dataset"]["train_limit"] == settings["dataset"]["validation_limit"] == 0  # they were 100 and 60


@pytest.mark.slow
def test_the_size_of_a_search_is_that_of_the_training_it_names(evobnn: Call) -> None:
    sized = ("--set", "dataset.size=6", "--set", "noise.rescore=0", "--set", "recipe.kernels=torch")
    last = evobnn("evolve", "digits", *TINY, *sized, "--population", 2, "--generations", 0).out.splitlines()[-1]
    assert last.endswith(" --dataset digits --size 6 --all-images --recipe small")
    counted = ("--set", 'objectives=["ops", "bits"]', *sized[2:])
    last = evobnn("evolve", "digits", *TINY, *counted, "--population", 2, "--generations", 0).out
    assert "evobnn train" not in last  # nothing is measured, so none is best


def test_the_second_run_gets_the_next_folder_and_options_override_the_preset(evobnn: Call, a_run: Path) -> None:
    done = evobnn("evolve", "digits", *TINY, "--population", 3, "--generations", 0, "--jobs", 1, "--seed", 9)
    assert done.code == 0, done.err
    experiment = tomllib.loads(Path("populations/digits-2/experiment.toml").read_text())
    assert (experiment["seed"], experiment["strategy"]["population"], experiment["network"]["width"]) == (9, 3, 2)
    assert experiment["horizon"] > 0  # a stop rule is not written down
    assert not Path("populations/digits-2/generation-0001.jsonl").exists()


def test_front_as_table_csv_and_json(evobnn: Call, a_run: Path) -> None:
    shown = evobnn("front", "digits-1")
    assert shown.code == 0
    assert "holds" in shown.out and "±" in shown.out
    table = list(csv.DictReader(io.StringIO(evobnn("front", a_run, "--csv").out)))
    assert (a_run / "front.csv").read_text() == evobnn("front", a_run, "--csv").out
    objects = json.loads(evobnn("front", a_run, "--json").out)
    assert len(objects) == len(table) >= 1
    for one, row in zip(objects, table, strict=True):
        assert {"id", "genome", "objectives", "rescored"} <= set(one)
        assert (one["id"], one["genome"]) == (int(row["id"]), row["genome"])
        assert set(one["objectives"]) == {"error", "ops"}
        assert (one["rescored"] is None) == (row["error_rescored"] == "")  # whom the model would not name
    fresh = [(one["rescored"], row) for one, row in zip(objects, table, strict=True) if one["rescored"]]
    assert fresh
    for scores, row in fresh:
        assert scores["error"] == float(row["error_rescored"])
        assert scores["n"] == 2 and set(scores["sd"]) == {"error", "ops"}


def test_front_without_fresh_scores_says_so(evobnn: Call, a_run: Path) -> None:
    (a_run / "rescored-0001.jsonl").unlink()
    assert "not measured yet" in evobnn("front", a_run).out
    assert all(one["rescored"] is None for one in json.loads(evobnn("front", a_run, "--json").out))


def test_evaluate_finds_the_recorded_value_again(evobnn: Call, a_run: Path) -> None:
    number = json.loads(evobnn("front", a_run, "--json").out)[0]["id"]
    for repeat in (0, 1000):  # one of the search, one of the fresh ones
        done = evobnn("evaluate", f"digits-1:{number}", "--repeat", repeat)
        assert done.code == 0, done.err
        lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
        assert lines["error"].endswith("equal") and lines["loss"].endswith("equal"), done.out
    assert "not recorded" in evobnn("evaluate", f"digits-1:{number}", "--repeat", 77).out


def test_evaluate_shows_the_traceback_of_a_failing_network(
    evobnn: Call, a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **settings: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("evobnn.evaluation.evaluation.train", broken)
    done = evobnn("evaluate", f"{a_run}:0")
    assert done.code == 1
    assert "Traceback" in done.err and "broken on purpose" in done.err


def test_resume_goes_on_to_a_higher_total(evobnn: Call, a_run: Path) -> None:
    before = (a_run / "generation-0001.jsonl").read_bytes()
    done = evobnn("resume", "digits-1", "--generations", 2, "--jobs", 1)
    assert done.code == 0, done.err
    assert "goes on after generation 1" in done.out and "generation 2/2" in done.out
    assert (a_run / "generation-0001.jsonl").read_bytes() == before
    assert len(load_run(a_run).generations) == 3
    assert evobnn("check", a_run).code == 0


def test_resume_ends_where_the_last_start_was_to(evobnn: Call, a_run: Path) -> None:
    (a_run / "generation-0001.jsonl").unlink()  # as a kill in generation 1 leaves it
    done = evobnn("resume", a_run, "--jobs", 1)
    assert done.code == 0, done.err
    assert len(load_run(a_run).generations) == 2
    assert evobnn("check", a_run).code == 0


def test_a_search_starts_from_saved_runs_and_from_their_halves(evobnn: Call, a_run: Path) -> None:
    sizes = ("--population", 4, "--generations", 0, "--jobs", 1)
    assert evobnn("evolve", "digits", *TINY, *sizes, "--seed-from", "digits-1", "--out", "second").code == 0
    survivors = {one.individual.genome for one in load_run(a_run).generations[-1].survivors}
    started = [result.request.individual for result in load_run("second").generations[0].results]
    assert {one.genome for one in started if one.origin == "seed"} <= survivors
    assert any(one.origin == "seed" for one in started)
    halves = ("--seed-from", f"{a_run}:cells", "--seed-from", "second:expressions")
    done = evobnn("evolve", "digits", *TINY, *sizes, *halves, "--out", "third")
    assert done.code == 0, done.err
    assert any(result.request.individual.origin == "seed" for result in load_run("third").generations[0].results)


def test_an_experiment_file_is_a_search(evobnn: Call, a_run: Path) -> None:
    done = evobnn("evolve", a_run / "experiment.toml", "--generations", 0, "--jobs", 1, "--out", "again")
    assert done.code == 0, done.err
    assert Path("again/experiment.toml").read_bytes() == (a_run / "experiment.toml").read_bytes()
    assert Path("again/generation-0000.jsonl").read_bytes() == (a_run / "generation-0000.jsonl").read_bytes()


def test_presets_are_listed_and_printed_in_full(evobnn: Call) -> None:
    assert "digits: " in evobnn("presets").out
    settings = tomllib.loads(evobnn("presets", "digits").out)
    assert settings["preset"] == "digits" and {"network", "recipe", "strategy", "noise"} <= set(settings)


def test_help_and_version(evobnn: Call) -> None:
    assert evobnn("--version").out == f"evobnn {__version__}\n"
    for arguments in ((), ("--help",), ("evolve", "--help")):
        shown = evobnn(*arguments)
        assert shown.code == 0 and "Usage: evobnn" in shown.out


def test_main_exits_with_the_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["evobnn", "front", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nowhere" in capsys.readouterr().err
