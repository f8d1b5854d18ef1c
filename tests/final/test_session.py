"""A training to its end in this process: what it leaves, when test images are read, and what stops it before."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evobnn._jsonl import DamagedError
from evobnn.data import reads_of_test as reads
from evobnn.errors import DataError, RunError, SearchError
from evobnn.experiment.final import FinalSettings, to_text
from evobnn.experiment.recipes import plan_from_table
from evobnn.runs import Options
from evobnn.runs.final import FinalSession, create
from evobnn.runs.final import session as module
from evobnn.runs.final.folder import seed_folder
from evobnn.snapshot import lock, read_starts
from tests.final.conftest import Stop, proceed
from tests.older import unsealed


def test_a_training_leaves_what_it_should(settings: FinalSettings, tmp_path: Path) -> None:
    folder = create(settings, Options(jobs=1), tmp_path)
    assert folder.name == "train-tiny-1"
    assert (folder / "training.toml").read_text() == to_text(settings)
    before = reads()
    result, said = proceed(folder)
    assert said == []
    assert reads() == before + 2  # one for each seed, and not one before the end
    written = json.loads((folder / "result.json").read_text())
    assert len(written.pop("sha")) == 12
    assert result == written
    assert {path.name for path in folder.iterdir()} - {".lock"} == {
        "training.toml", "seed-0", "seed-1", "starts.jsonl", "result.json", "curve.png",
    }  # fmt: skip
    for number in (0, 1):
        home = folder / f"seed-{number}"
        assert {path.name for path in home.iterdir()} == {
            "metrics.jsonl", "epoch-0006", "weights.safetensors", "test.json",
        }  # fmt: skip
        lines = [json.loads(text) for text in (home / "metrics.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
        assert [line["stage"] for line in lines] == [0, 0, 1, 1, 1, 1]
        assert all(0 <= line["validation_error"] <= 1 and line["training_loss"] > 0 for line in lines)
        assert load_file(home / "weights.safetensors")
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    weights = [load_file(folder / f"seed-{n}" / "weights.safetensors") for n in (0, 1)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_result_says_what_was_measured(begun: Path) -> None:
    result, _ = proceed(begun)
    home = seed_folder(begun, 0)
    tested = home.tested()
    assert tested is not None and tested.count == 359  # a fifth of the digits
    (row,) = result["seeds"]
    assert (row["seed"], row["epochs"], row["correct"], row["count"]) == (0, 6, tested.correct, 359)
    assert row["test_error"] == result["test_error"]["mean"] == 1 - tested.correct / 359
    assert row["validation_error"] == home.lines()[-1].validation_error
    assert row["seconds"] == pytest.approx(math.fsum(line.seconds for line in home.lines()), abs=1e-3)
    assert (result["n"], result["test_error"]["sd"], result["epochs"], result["recipe"]) == (1, None, 6, "tiny")
    assert (result["data"]["train"], result["data"]["validation"], result["data"]["test"]) == (100, 60, 359)
    assert 0 < result["costs"]["binary_share"] < 1 and result["costs"]["bits"] > 0
    assert result["threads"] == 1 and result["device"] == "cpu" and "torch" in result["versions"]


def test_a_finished_training_is_not_touched_again(begun: Path) -> None:
    result, _ = proceed(begun)
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file() and path.name != "starts.jsonl"}
    count = reads()
    assert proceed(begun)[0] == result
    assert reads() == count
    assert {path: path.read_bytes() for path in before} == before
    assert len(read_starts(begun)) == 2


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_what_was_stopped_goes_on_to_the_same_end(
    settings: FinalSettings, begun: Path, stop_after: Stop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, epochs: int
) -> None:
    """Stopped between the line of an epoch and its checkpoint: within a stage, at its end, before the last epoch."""
    whole = create(replace(settings, seeds=(0,)), Options(jobs=1), tmp_path)
    proceed(whole)
    with monkeypatch.context():
        stop_after(epochs)
        count = reads()
        with pytest.raises(KeyboardInterrupt):
            proceed(begun)
        assert reads() == count
        assert len(seed_folder(begun, 0).lines()) == epochs + 1
        monkeypatch.undo()
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    proceed(begun)
    assert same_end(begun, whole)


def same_end(folder: Path, whole: Path) -> bool:
    """Check that weights and metrics, seconds aside, are the same, and what the test yielded."""
    here, there = (seed_folder(one, 0) for one in (folder, whole))
    assert (here.path / "weights.safetensors").read_bytes() == (there.path / "weights.safetensors").read_bytes()
    lines, wanted = ([replace(line, seconds=0.0) for line in home.lines()] for home in (here, there))
    assert len(wanted) == 6
    assert lines == wanted
    return here.tested() == there.tested()


def test_all_images(settings: FinalSettings, undrawn: None, tmp_path: Path) -> None:
    folder = create(replace(settings, seeds=(0,), all_images=True), Options(jobs=1), tmp_path)
    session = FinalSession(folder, Options(jobs=1))
    assert (session.place.loader.count, session.place.loader.validation_count) == (160, 0)
    result = session.proceed()
    assert (result["data"]["train"], result["data"]["validation"]) == (160, 0)
    assert result["validation_error"] == {"mean": None, "sd": None, "lowest": None, "highest": None}
    assert all(line.validation_error is None for line in seed_folder(folder, 0).lines())
    assert result["test_error"]["mean"] is not None


def test_a_test_part_that_is_damaged_costs_only_the_test(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*given: object) -> object:
        raise DataError("Expected whole test images, got half of them. Mend the file.")

    with monkeypatch.context() as patch:
        patch.setattr("evobnn.runs.final.setup.load_test", damaged)
        with pytest.raises(DataError, match="whole test images"):
            proceed(begun)
    weights = (begun / "seed-0" / "weights.safetensors").read_bytes()
    assert not (begun / "seed-0" / "test.json").exists() and not (begun / "result.json").exists()
    result, _ = proceed(begun)
    assert (begun / "seed-0" / "weights.safetensors").read_bytes() == weights
    assert result["n"] == 1


def test_a_checkpoint_of_another_network(
    settings: FinalSettings, begun: Path, stop_after: Stop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = replace(settings.experiment.network, width=4)
    other = replace(settings, seeds=(0,), experiment=replace(settings.experiment, network=network))
    wider = create(other, Options(jobs=1), tmp_path)
    with monkeypatch.context():
        stop_after(1)
        for folder in (begun, wider):
            with pytest.raises(KeyboardInterrupt):
                proceed(folder)
            stop_after(1)
        monkeypatch.undo()
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    (begun / "seed-0").rename(begun / "kept")
    (wider / "seed-0").rename(begun / "seed-0")
    with pytest.raises(RunError, match=r"\(.*\).*\(.*\)"):  # both shapes
        proceed(begun)


def test_a_seed_that_diverges_is_left_and_said(settings: FinalSettings, undrawn: None, tmp_path: Path) -> None:
    wild = {"epochs": 3, "batch": 50, "optimiser": "sgd", "learning_rate": 100.0, "weight_decay": 1e6}
    plan = plan_from_table({"recipe": wild}, "wild", "here")
    folder = create(replace(settings, plan=plan), Options(jobs=1), tmp_path)
    said: list[str] = []
    with pytest.raises(SearchError, match="at least one seed to come to its end, got 2 that diverged"):
        FinalSession(folder, Options(jobs=1), say=said.append).proceed()
    assert [text[:6] for text in said] == ["seed 0", "seed 1"]
    result = json.loads((folder / "result.json").read_text())
    assert result["n"] == 0 and all("non-finite" in row["failed"] for row in result["seeds"])


def edited(folder: Path) -> None:
    path = folder / "training.toml"
    path.write_text(path.read_text().replace("learning_rate = 0.01", "learning_rate = 0.02"))


def other_images(folder: Path) -> None:
    path = folder / "starts.jsonl"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "data": "0" * 16}) + "\n")


@pytest.mark.parametrize(
    ("change", "part"),
    [(edited, r"training\.toml has changed"), (other_images, "the images have changed")],
)
def test_a_folder_that_belongs_to_something_else(begun: Path, change: Callable[[Path], None], part: str) -> None:
    proceed(begun)
    change(begun)
    with pytest.raises(RunError, match=part):
        proceed(begun)


def test_other_versions_are_said(begun: Path) -> None:
    proceed(begun)
    path = begun / "starts.jsonl"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "versions": {**row["versions"], "torch": "1.0"}}) + "\n")
    (sentence,) = proceed(begun)[1]
    assert "begun with versions" in sentence and "1.0" in sentence


def test_sums_of_before_are_said(begun: Path) -> None:
    """As a training with scaled weights, in PyTorch's operations, that was begun when these were added up."""
    proceed(begun)
    path = begun / "starts.jsonl"
    row = json.loads(path.read_text())
    assert row.pop("sums") == "exact"
    path.write_text(json.dumps(row) + "\n")
    (sentence,) = proceed(begun)[1]
    assert "begun with sums of ±alpha" in sentence


def test_one_writer(begun: Path) -> None:
    with lock(begun), pytest.raises(RunError, match="another process"):
        proceed(begun)


def test_out_is_a_folder_with_other_files_or_settings(settings: FinalSettings, begun: Path, tmp_path: Path) -> None:
    one = replace(settings, seeds=(0,))
    assert create(one, Options(jobs=1), tmp_path, begun) == begun  # the same settings: goes on
    with pytest.raises(RunError, match=r"seeds = \[0\], with which .* was begun, got \[0, 1\].*evobnn train"):
        create(settings, Options(jobs=1), tmp_path, begun)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="which has other files in it"):
        create(one, Options(jobs=1), tmp_path, tmp_path / "other")


def test_weights_that_are_damaged_or_of_another_network(begun: Path) -> None:
    proceed(begun)
    path = begun / "seed-0" / "weights.safetensors"
    (begun / "seed-0" / "test.json").unlink()
    save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(RunError, match="the weights of this network in"):
        proceed(begun)
    path.write_bytes(b"half")
    with pytest.raises(RunError, match="the weights of this network in"):
        proceed(begun)


def test_a_changed_byte_of_the_weights_is_found(begun: Path) -> None:
    proceed(begun)
    path = begun / "seed-0" / "weights.safetensors"
    whole = path.read_bytes()
    assert load_file(path)
    for place in (5, 40, 60, 200, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(RunError, match="the weights of this network in"):
            proceed(begun)
    save_file(load_file_of(whole, path), path)  # as the version before digests wrote it, but nothing else is from then
    with pytest.raises(RunError, match="no digest, where one was written"):
        proceed(begun)
    metrics = begun / "seed-0" / "metrics.jsonl"
    metrics.write_text(unsealed(metrics.read_text()).replace('"version": 1, ', ""))
    assert proceed(begun)[1] == []


def load_file_of(data: bytes, path: Path) -> dict[str, torch.Tensor]:
    path.write_bytes(data)
    return load_file(path)


@pytest.mark.parametrize("file", ["weights.safetensors", "optimiser.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_refused_and_nothing_is_lost(begun: Path, stop_after: Stop, file: str) -> None:
    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        proceed(begun)
    home = begun / "seed-0"
    path = home / "epoch-0003" / file
    data = path.read_bytes()
    path.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    before = (home / "metrics.jsonl").read_bytes()
    with pytest.raises(DamagedError, match=r"a whole checkpoint in .*epoch-0003.*Remove that folder"):
        proceed(begun)
    assert (home / "metrics.jsonl").read_bytes() == before and path.is_file()


def test_a_training_from_before_digests_goes_on_to_the_same_end(
    begun: Path, settings: FinalSettings, stop_after: Stop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        proceed(begun)
    monkeypatch.undo()
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    home = begun / "seed-0"
    metrics, state = home / "metrics.jsonl", home / "epoch-0003" / "state.json"
    metrics.write_text(unsealed(metrics.read_text()).replace('"version": 1, ', ""))
    facts = json.loads(state.read_text())
    sizes = {name: (state.parent / name).stat().st_size for name in facts.pop("sha256")}
    del facts["sha"]
    state.write_text(json.dumps({**facts, "version": 1, "sizes": sizes}, indent=1))
    proceed(begun)
    whole = create(replace(settings, seeds=(0,)), Options(jobs=1), tmp_path)
    proceed(whole)
    assert same_end(begun, whole)


def test_a_torn_last_line_is_told(begun: Path, stop_after: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        proceed(begun)
    monkeypatch.undo()
    monkeypatch.setattr(module, "save_learning", lambda *given: None)
    path = begun / "seed-0" / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])  # of the epoch that has no checkpoint
    (sentence,) = proceed(begun)[1]
    assert "metrics.jsonl was torn by a kill" in sentence
    assert len(seed_folder(begun, 0).lines()) == 6
    assert proceed(begun)[1] == []


def test_a_line_missing_from_a_finished_training_is_told(begun: Path) -> None:
    proceed(begun)
    path = begun / "seed-0" / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(RunError, match=r"the 6 epochs .*metrics\.jsonl, got 5 of them"):
        proceed(begun)


def test_progress_counts_all_seeds(settings: FinalSettings, undrawn: None, tmp_path: Path) -> None:
    folder = create(settings, Options(jobs=1), tmp_path)
    seen: list[module.Progress] = []
    read: list[int] = []
    count = reads()

    def note(state: module.Progress) -> None:
        seen.append(state)
        read.append(reads() - count)

    FinalSession(folder, Options(jobs=1), note).proceed()
    assert read == [0] * 14  # not before the end of the last seed
    assert reads() == count + 2
    assert [state.done for state in seen] == [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12]
    assert {state.planned for state in seen} == {12}
    assert math.isnan(seen[0].seconds_left) and seen[-1].seconds_left == 0
    assert [place for place, state in enumerate(seen) if state.line is None] == [0, 7]


def test_the_settings_are_a_file_that_people_read(begun: Path) -> None:
    table = tomllib.loads((begun / "training.toml").read_text())
    assert list(table)[:4] == ["format", "preset", "genome", "recipe_name"]
