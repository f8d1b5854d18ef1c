"""A search with bounds from end to end, on a table: its front, its continuation, its check, who breeds on from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evobnn
from evobnn.analysis import Run, load_run
from evobnn.cli.entry import run as command
from evobnn.errors import ExperimentError
from evobnn.experiment import Experiment
from evobnn.runs import Options, Session, create
from evobnn.runs.derived import unmet
from evobnn.runs.on_table import space_of
from evobnn.runs.setup import make_bench, open_experiment, settled
from evobnn.snapshot.archive import Archive, archive, unconfirmed
from evobnn.spaces import key
from evobnn.studies.compare.arms import Arm
from evobnn.studies.compare.on_table import arm_on_table
from evobnn.tables import Table
from tests.studies.toytable import toy_table

Searched = Callable[..., Run]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Experiment, Table]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    return toy_table(tmp_path / "tables")


@pytest.fixture
def searched(toy: tuple[Experiment, Table]) -> Searched:
    def search(out: str, generations: int = 4, **more: Any) -> Run:
        return evobnn.search(toy[0], out=out, generations=generations, jobs=1, **more)

    return search


def trained(run: Run) -> set[str]:
    return {result.request.individual.key for generation in run.generations for result in generation.results}


def third(table: Table, name: str) -> float:
    return float(np.quantile([getattr(row, name) for row in table.rows.values()], 0.3))


def test_a_counted_bound_holds_for_all_that_is_trained(toy: tuple[Experiment, Table], searched: Searched) -> None:
    table = toy[1]
    bound = third(table, "bits")
    free, run = searched("free"), searched("bounded", constraints={"bits": bound})
    assert max(table.row(key).bits for key in trained(free)) > bound
    assert max(table.row(key).bits for key in trained(run)) <= bound
    assert len(run.front()) and run.generations[-1].header["constraints"] == {"bits": bound}
    assert "constraints" not in free.generations[-1].header

    begun = searched("again", generations=1, constraints={"bits": bound})
    again = evobnn.resume(begun, generations=4, jobs=1)
    for name in ("generation-0004.jsonl", "front.csv", "experiment.toml"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()
    assert command(["check", str(run.path)]) == 0


def test_a_measured_bound_keeps_front_and_fresh_scores_feasible(searched: Searched) -> None:
    errors = searched("free").individuals()["error"].dropna()
    bound = float(np.quantile(errors, 0.4))
    run = searched("bounded", constraints={"error": bound})
    everyone = run.individuals().set_index("id")
    assert (everyone["error"] > bound).any()
    assert len(run.front()) and (run.front()["error"] <= bound).all()
    assert (everyone[everyone["on_front"]]["error"] <= bound).all()
    holding = run.front()[run.front()["still_nondominated"].fillna(False)]
    assert (holding["error_rescored"] <= bound).all()
    assert all(everyone.loc[number, "error"] <= bound for number in unconfirmed(archive(run.generations), {}))
    feasible = everyone[everyone["error"] <= bound]
    assert run.generations[-1].log["archive"] == len(feasible)
    assert command(["check", str(run.path)]) == 0


def test_a_measured_bound_that_nothing_meets_leaves_an_empty_front_and_says_so(
    toy: tuple[Experiment, Table], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = create(replace(toy[0], constraints={"error": 0.001}),
                    Options(jobs=1), Path("populations"), Path("none"))  # fmt: skip
    said: list[str] = []
    session = Session(folder, Options(jobs=1, generations=1), say=said.append)
    session.proceed()
    least = min(load_run(folder).individuals()["error"].dropna())
    assert [one for one in said if f"{least:.4g} error" in one and "0.001 error" in one]
    assert load_run(folder).front().empty and session.generations[-1].log["hypervolume"] == 0.0
    assert command(["front", "none"]) == 0 and command(["check", "none"]) == 0
    assert unmet(Archive(("error",), {"error": 0.001})) == ""


def test_a_run_folder_says_what_auto_came_to(toy: tuple[Experiment, Table]) -> None:
    asked = replace(toy[0], screen="auto", choose="auto")
    folder = create(asked, Options(jobs=1), Path("populations"), Path("auto"))
    assert (
        Session(folder, Options(jobs=1)).experiment
        == open_experiment(folder)
        == replace(asked, screen="model", choose="model")
    )
    plain = replace(asked, objectives=("error", "latency"))
    assert settled(plain, make_bench(asked, Options(jobs=1))).screen == "none"


def test_a_bound_below_the_cheapest_names_it_and_leaves_nothing(toy: tuple[Experiment, Table]) -> None:
    least = min(row.bits for row in toy[1].rows.values() if row.errors)
    arguments = ["evolve", "--table", toy[0].table, "--out", "no"]
    with pytest.raises(ExperimentError, match=f"at least {least:,}, the least"):
        evobnn.search(toy[0], out="no", constraints={"bits": least - 1}, jobs=1)
    assert not Path("no").exists()
    assert command([*arguments, "--at-most", f"bits={least - 1}"]) == 2
    assert not Path("no").exists()


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (["--at-most", "bit=3k"], "Did you mean 'bits'?"),
        (["--at-most", "bits"], "--at-most NAME=NUMBER"),
        (["--at-most", "elementwise=3k"], "elementwise"),  # the toy table has no such column
        (["--patience", "0"], "--patience"),
        (["--target", "eror=0.1"], "Did you mean 'error'?"),
        (["--target", "hypervolume=2"], "between 0 and 1"),
    ],
)
def test_a_slip_is_one_message(
    given: list[str], part: str, toy: tuple[Experiment, Table], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["evolve", "--table", toy[0].table, "--out", "no", *given]) == 2
    told = capsys.readouterr().err
    assert part in told and "Traceback" not in told and told.count("\n") == 1
    assert not Path("no").exists()


def test_breeding_on_with_a_bound_skips_whom_it_refuses(
    toy: tuple[Experiment, Table], searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    searched("free")
    bound = third(toy[1], "bits")
    code = command(["evolve", "--table", toy[0].table, "--out", "next", "--seed-from", "free",
                    "--at-most", f"bits={bound}", "--generations", "1"])  # fmt: skip
    told = capsys.readouterr().err
    assert code == 0, told
    assert "would not be trained here: it has" in told
    assert max(toy[1].row(key).bits for key in trained(load_run("next"))) <= bound


def test_a_comparison_under_a_bound_counts_what_meets_it(toy: tuple[Experiment, Table]) -> None:

    bound = third(toy[1], "ops")
    trace = arm_on_table(replace(toy[0], constraints={"ops": bound}), Arm("nsga2"), 3, 60)
    space = space_of(toy[1])
    assert toy[1].row(key(space, space.parse(trace.best))).ops <= bound


def test_check_finds_what_was_trained_above_a_bound(
    toy: tuple[Experiment, Table], searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = third(toy[1], "bits")
    run = searched("bounded", constraints={"bits": bound})
    text = (run.path / "experiment.toml").read_text()
    (run.path / "experiment.toml").write_text(text.replace(f"bits = {bound}", f"bits = {bound - 1}"))
    assert command(["check", "bounded"]) == 1
    assert f"{bound:,.10g} bits, above the bound of {bound - 1:,.10g}" in capsys.readouterr().out
