"""Tables of a small run whose every number can be worked out by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from evobnn.analysis import frames, lineage
from evobnn.errors import EvobnnError, RunError
from evobnn.pareto import Axis
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.snapshot import Generation, Rescored, Survivor, rescored_path, write_generation, write_rescored

GENOMES = {
    0: "normal[2 = conv3(0) + max3(1)] @net = mul(sin(x), x)",
    1: "normal[2 = conv3(0) + conv3(1)] @net = x",
    2: "normal[2 = dil5(0) + zero(1)] @net = sin(x)",
    3: "normal[2 = max3(0) + max3(1)] @net = add(x, sin(cos(x)))",
    4: "normal[2 = conv5(0) + conv5(1)] @net = x",
}
PARENTS = {3: (0, 1), 4: (3, 1, 99)}


def who(number: int) -> Individual:
    return Individual(number, GENOMES[number], f"k{number}", number // 3, "mate", PARENTS.get(number, ()))


def good(number: int, repeat: int, error: float, ops: float) -> Result:
    measures = {"ops": ops, "bits": 10.0 * number, "loss": error * 2}
    outcome = Evaluation(Status.OK, {"error": error, "ops": ops}, measures=measures, behaviour="ab")
    return Result(Request(who(number), repeat), outcome)


def failed(number: int, repeat: int) -> Result:
    return Result(Request(who(number), repeat), Evaluation(Status.DIVERGED, message="nan"))


HEADER = {"objectives": ["error", "ops"], "axes": {"error": [0.0, 1.0, "linear"], "ops": [10.0, 1000.0, "log10"]}}
# 0: (0.25 + 0.5)/2 = 0.375 at 100; 1: 0.125 at 1000; 2 failed once; 3: 0.375 at 100, equal to 0; 4: 0.5, dominated
GENERATIONS = (
    Generation(
        0, HEADER, {}, {"best": 0.125, "hypervolume": None},
        (Survivor(who(0), {"error": 0.25, "ops": 100.0}, 1), Survivor(who(1), {"error": 0.125, "ops": 1000.0}, 1)),
        (good(0, 0, 0.25, 100.0), good(1, 0, 0.125, 1000.0), good(2, 0, 0.0, 10.0)),
    ),
    Generation(
        1, HEADER, {}, {"best": 0.125, "hypervolume": 0.5},
        (Survivor(who(1), {"error": 0.125, "ops": 1000.0}, 1), Survivor(who(3), {"error": 0.375, "ops": 100.0}, 1)),
        (good(0, 1, 0.5, 100.0), failed(2, 1), good(3, 0, 0.375, 100.0), good(4, 0, 0.5, 500.0)),
    ),
)  # fmt: skip


def fresh(number: int, errors: tuple[float, ...], ops: float) -> Rescored:
    mean = math.fsum(errors) / len(errors)
    values = {"error": errors, "ops": (ops,) * len(errors)}
    means = {"error": mean, "ops": ops}
    return Rescored(number, f"k{number}", GENOMES[number], (100, 101), means, values, {"error": 0.05, "ops": 0.0})


def test_individuals() -> None:
    frame = frames.individuals_frame(GENERATIONS)
    assert list(frame.columns) == [
        "id", "genome", "key", "born", "origin", "parents", "status", "n", "error", "ops", "bits", "loss",
        "behaviour", "on_front", "survivor",
    ]  # fmt: skip
    assert frame["id"].tolist() == [0, 1, 2, 3, 4]
    assert frame["n"].tolist() == [2, 1, 2, 1, 1]
    assert frame["status"].tolist() == ["ok", "ok", "diverged", "ok", "ok"]
    assert frame["error"].tolist()[:2] == [0.375, 0.125]
    assert math.isnan(frame["error"][2])
    assert frame["loss"][0] == 0.75
    assert frame["on_front"].tolist() == [True, True, False, True, False]
    assert frame["survivor"].tolist() == [False, True, False, True, False]
    assert frame["parents"][4] == (3, 1, 99)


def test_measures_have_the_names_that_people_know() -> None:
    """Files call elementwise operations `other`, for good; objectives and tables do not."""
    outcome = Evaluation(Status.OK, {"error": 0.5}, measures={"other": 7.0, "loss": 1.0})
    one = Generation(0, {"objectives": ["error"]}, {}, {}, (), (Result(Request(who(0)), outcome),))
    for frame in (frames.individuals_frame([one]), frames.evaluations_frame([one])):
        assert frame["elementwise"].tolist() == [7.0] and "other" not in frame
    sought = replace(outcome, objectives={"error": 0.5, "elementwise": 7.0})
    two = replace(one, header={"objectives": ["error", "elementwise"]}, results=(Result(Request(who(0)), sought),))
    for frame in (frames.individuals_frame([two]), frames.evaluations_frame([two])):
        assert list(frame).count("elementwise") == 1 and "other" not in frame


def test_a_single_fresh_score_has_no_deviation() -> None:
    scores = {0: fresh(0, (0.3,), 100.0), 3: fresh(3, (0.2, 0.4), 100.0)}
    frame = frames.front_frame(GENERATIONS, scores).set_index("id")
    assert math.isnan(frame["error_rescored_sd"][0]) and frame["error_rescored_sd"][3] == 0.05
    before = frames.with_zeros(frame)
    assert (before["error_rescored_sd"][0], before["error_rescored_sd"][3]) == (0.0, 0.05)
    assert math.isnan(before["error_rescored_sd"][1]) and before.drop(columns=["error_rescored_sd"]).equals(
        frame.assign(ops_rescored_sd=before["ops_rescored_sd"]).drop(columns=["error_rescored_sd"])
    )


def test_evaluations_and_log() -> None:
    frame = frames.evaluations_frame(GENERATIONS)
    assert frame[["generation", "id", "repeat"]].to_numpy().tolist() == [
        [0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 0, 1], [1, 2, 1], [1, 3, 0], [1, 4, 0],
    ]  # fmt: skip
    assert math.isnan(frame["error"][4])
    assert frame["message"][4] == "nan"
    log = frames.log_frame(GENERATIONS)
    assert log["generation"].tolist() == [0, 1]
    assert log["best"].tolist() == [0.125, 0.125]


def test_the_front_without_fresh_scores() -> None:
    frame = frames.front_frame(GENERATIONS)
    assert list(frame.columns) == [
        "id", "genome", "error", "ops", "n", "error_rescored", "error_rescored_sd", "ops_rescored", "ops_rescored_sd",
        "n_rescored", "still_nondominated",
    ]  # fmt: skip
    assert frame["id"].tolist() == [0, 3, 1]
    assert frame["n"].tolist() == [2, 1, 1]
    assert frame["error_rescored"].isna().all()
    assert frame["still_nondominated"].isna().all()
    assert frame["n_rescored"].tolist() == [0, 0, 0]


def test_the_front_with_fresh_scores() -> None:
    failed_fresh = replace(fresh(1, (0.1,), 1000.0), objectives={}, deviation={})
    scores = {0: fresh(0, (0.3, 0.5), 100.0), 3: fresh(3, (0.2, 0.4), 100.0), 1: failed_fresh}
    frame = frames.front_frame(GENERATIONS, scores)
    assert frame["error_rescored"].tolist()[:2] == [pytest.approx(0.4), pytest.approx(0.3)]
    assert frame["error_rescored_sd"].tolist()[:2] == [0.05, 0.05]
    assert frame["n_rescored"].tolist() == [2, 2, 1]
    assert frame["still_nondominated"].tolist() == [False, True, False]
    strange = {3: replace(scores[3], key="another")}
    assert frames.front_frame(GENERATIONS, strange)["n_rescored"].tolist() == [0, 0, 0]


def test_csv_by_hand() -> None:
    frame = frames.front_frame(GENERATIONS[:1])[["id", "genome", "error", "n", "error_rescored", "still_nondominated"]]
    assert frames.front_csv(frame) == (
        "id,genome,error,n,error_rescored,still_nondominated\n2,normal[2 = dil5(0) + zero(1)] @net = sin(x),0.0,1,,\n"
    )
    awkward = pd.DataFrame({"a": [0.1 + 0.2, 5e-324, -0.0, 1e300], "b": ["x,y", 'q"', "", "z"]})
    assert frames.front_csv(awkward) == 'a,b\n0.30000000000000004,"x,y"\n5e-324,"q"""\n-0.0,\n1e+300,z\n'


def test_runs_with_nothing_good() -> None:
    nothing = Generation(0, HEADER, {}, {}, (), (failed(2, 0),))
    for generations in ((nothing,), (replace(nothing, results=()),), (replace(nothing, header={}),), ()):
        assert len(frames.front_frame(generations)) == 0
        assert frames.front_csv(frames.front_frame(generations)).count("\n") == 1
        assert frames.individuals_frame(generations)["on_front"].tolist() in ([], [False])
        assert len(lineage.operation_shares(generations).columns) == 0


def test_a_run_is_read_from_its_folder(tmp_path: Path) -> None:
    for generation in GENERATIONS:
        write_generation(tmp_path, generation)
    write_rescored(tmp_path, 0, [fresh(0, (0.9,), 100.0)])
    write_rescored(tmp_path, 1, [fresh(3, (0.2, 0.4), 100.0)])
    run = frames.load_run(str(tmp_path))
    assert not run.messages
    assert run.objectives == ("error", "ops")
    assert run.axes == (Axis("error", 0, 1), Axis("ops", 10, 1000, "log10"))
    assert frames.front_csv(run.front()) == frames.front_csv(frames.front_frame(GENERATIONS, run.rescored))
    assert run.front()["n_rescored"].tolist() == [0, 2, 0]
    assert run.individuals().equals(frames.individuals_frame(GENERATIONS))
    assert len(run.evaluations()) == 7
    assert len(run.log()) == 2
    assert run.individual(3) == who(3)
    with pytest.raises(EvobnnError, match="0 to 4"):
        run.individual(17)


def test_damage_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    for generation in GENERATIONS:
        write_generation(tmp_path, generation)
    (tmp_path / "generation-0001.jsonl").write_text("junk\n")
    rescored_path(tmp_path, 1).write_text("junk\n")
    run = frames.load_run(tmp_path)
    assert len(run.generations) == 1
    assert ["line 1" in message for message in run.messages] == [True, True]
    (tmp_path / "generation-0000.jsonl").unlink()
    with pytest.raises(RunError, match="generation-0000") as raised:
        frames.load_run(tmp_path)
    assert str(raised.value).count("Expected") == 1  # one message, not one in another
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="at least one good generation"):
        frames.load_run(tmp_path / "empty")
    with pytest.raises(RunError, match="a run folder"):
        frames.load_run(tmp_path / "none")


def test_ancestry() -> None:
    frame = lineage.ancestry(GENERATIONS, 4)
    assert frame["id"].tolist() == [4, 1, 3, 0]
    assert frame["steps"].tolist() == [0, 1, 1, 2]
    assert lineage.ancestry(GENERATIONS, 0)["id"].tolist() == [0]
    with pytest.raises(EvobnnError, match="individual of this run"):
        lineage.ancestry(GENERATIONS, 17)


def test_shares_by_hand() -> None:
    operations = lineage.operation_shares(GENERATIONS)
    assert list(operations.columns) == ["max3", "conv3"]
    assert operations.to_numpy().tolist() == [[0.25, 0.75], [0.5, 0.5]]
    forms = lineage.form_shares(GENERATIONS)  # mul sin x | x, then x | add x sin cos
    assert list(forms.columns) == ["x", "sin", "cos", "add", "mul"]
    assert forms.loc[0].tolist() == [0.5, 0.25, 0.0, 0.0, 0.25]
    assert forms.loc[1].tolist() == [0.4, 0.2, 0.2, 0.2, 0.0]


def test_analysis_leaves_torch_and_deap_out() -> None:
    script = (
        "import sys, evobnn.analysis\n"
        "print([m for m in ('torch', 'deap', 'matplotlib.pyplot', 'joblib') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
