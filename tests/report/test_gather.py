"""What a page is told of a run: everything from its files, whatever it searched and however old it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import evobnn
from evobnn.errors import RunError
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.report import gathered, standing_of
from evobnn.report.failures import failures
from evobnn.report.gather import opened
from evobnn.snapshot import Generation, lock
from tests.older import make_older
from tests.report.conftest import POPULATIONS
from tests.report.made import made


@pytest.mark.parametrize("name", ["digits", "mnist5k", "cifar10/search"])
def test_columns_are_those_of_the_tables(name: str) -> None:
    found = gathered(opened(POPULATIONS / name))
    run = evobnn.load_run(POPULATIONS / name)
    table, columns = run.individuals(), found["columns"]
    assert columns["id"] == table["id"].tolist() and columns["genome"] == table["genome"].tolist()
    assert [tuple(parents) for parents in columns["parents"]] == table["parents"].tolist()
    assert [columns["origins"][one] for one in columns["origin"]] == table["origin"].tolist()
    assert [bool(one) for one in columns["front"]] == table["on_front"].tolist()
    for objective in run.objectives:
        assert columns["objectives"][objective] == pytest.approx(table[objective].tolist(), rel=1e-6)
    for measure in ("parameters", "training_loss"):
        assert columns["measures"][measure] == pytest.approx(table[measure].tolist(), rel=1e-6)
    assert found["evaluations"] == len(run.evaluations()) == sum(columns["n"])
    front = run.front().set_index("id")
    assert {number: one["holds"] for number, one in found["fresh"].items()} == {
        int(i): bool(row["still_nondominated"]) for i, row in front.iterrows() if row["n_rescored"]
    }
    assert [row[1] for row in found["hypervolume"]] == pytest.approx(run.log()["hypervolume"].tolist(), rel=1e-6)
    assert found["hypervolume"][-1][0] == found["evaluations"]
    json.dumps(found, allow_nan=False)


def test_an_expression_is_simplified_where_that_changes_it() -> None:
    found = gathered(opened(POPULATIONS / "mnist5k"))["simplified"]
    assert found["add(x, zero)"] == "x" and "sin(x)" not in found


def test_the_command_trains_it(searched: Path) -> None:
    before, behind = gathered(opened(searched))["train"]
    assert before == f"evobnn train {searched}:" and behind == ""
    (odd := searched.with_name("o'clock run")).mkdir()
    shutil.copytree(searched, odd, dirs_exist_ok=True)
    start = json.loads((odd / "starts.jsonl").read_text().splitlines()[-1])
    (odd / "starts.jsonl").write_text(json.dumps({**start, "with": ["mine:things"]}) + "\n")
    before, behind = gathered(opened(odd))["train"]
    assert before.endswith("""o'"'"'clock run':""") and behind == " --with mine:things"


def test_a_run_of_the_version_before_tells_the_same(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(POPULATIONS / "mnist5k", tmp_path / "mnist5k"))
    before = gathered(opened(folder))
    for path in [*folder.glob("generation-*.jsonl"), *folder.glob("rescored-*.jsonl")]:
        make_older(path)
    assert gathered(opened(folder)) == before


def test_a_run_in_progress_says_so_and_one_that_was_stopped_too(searched: Path) -> None:
    assert gathered(opened(searched))["state"] == "finished"
    with lock(searched):
        assert gathered(opened(searched))["state"] == "running"
    for path in [searched / "generation-0007.jsonl", searched / "rescored-0007.jsonl"]:
        path.unlink()
    found = gathered(opened(searched))
    assert (found["state"], found["generation"], found["generations"], found["fresh"]) == ("stopped", 6, 7, {})


def test_damage_is_one_sentence(searched: Path) -> None:
    path = searched / "generation-0003.jsonl"
    path.write_text(path.read_text().replace('"born": 3', '"born": 4', 1))
    with pytest.raises(RunError, match="generation-0003"):
        opened(searched)


def test_other_objectives_no_bounds_no_cells_and_no_settings(tmp_path: Path) -> None:
    folder = made(tmp_path / "own", 60, objectives=("error", "ops", "bits"), cells=False, axes=False)
    found = gathered(opened(folder))
    assert found["objectives"] == ["error", "ops", "bits"] and found["hypervolume"] == [] and found["axes"] == {}
    assert found["about"] == {} and found["fresh"] == {} and found["state"] == "finished"
    assert "bits" not in found["columns"]["measures"] and "parameters" in found["columns"]["measures"]
    told = [value for value in found["columns"]["objectives"]["error"] if value is not None]
    assert 40 < len(told) < 60  # who failed has none


def test_settings_that_somebody_changed_are_no_fault_of_the_page(searched: Path) -> None:
    (searched / "experiment.toml").write_text('preset = "mine"\ndataset = 3\nnoise = 2\n[recipe]\nclip = "wide"\n')
    found = gathered(opened(searched))
    assert found["about"] == {"preset": "mine"} and found["surrogate"] == ["clipped_identity", 1.0]
    assert standing_of(searched).about == {"preset": "mine"}


def test_failures_are_put_together_by_cause() -> None:
    def ended(number: int, status: Status, message: str) -> Result:
        request = Request(Individual(number, "@net = x", f"{number}", 0))
        return Result(request, Evaluation(status, {"error": 0.5} if status is Status.OK else {}, message))

    results = [
        ended(0, Status.OK, ""),
        ended(1, Status.DIVERGED, "batch 3 of 20"),
        ended(2, Status.DIVERGED, "batch 4 of 20"),
    ]
    results += [ended(3, Status.ERROR, "batch 3 of 20"), *(ended(4 + n, Status.INVALID, "x" * n) for n in range(14))]
    found = failures([Generation(0, {}, {}, {}, results=tuple(results))])
    assert found[0] == {"status": "diverged", "message": "batch 3 of 20", "count": 2, "ids": [1, 2]}
    assert len(found) == 13 and found[-1]["count"] == 4 and sum(one["count"] for one in found) == 17
