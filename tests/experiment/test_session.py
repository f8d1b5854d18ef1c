"""A run in a folder, with evaluations that cost nothing: stopped, damaged and continued in every way."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evobnn.analysis import load_run
from evobnn.cli import checks
from evobnn.errors import DeviceError, ExperimentError, GenomeError, RunError, SearchError
from evobnn.evaluation import Protocol
from evobnn.experiment import precision
from evobnn.experiment.settings import Experiment, SpaceSettings, StartSettings
from evobnn.records import Evaluation, Status
from evobnn.runs import derived, evaluator, setup
from evobnn.runs import search as session
from evobnn.runs.derived import fresh_scores
from evobnn.runs.progress import Progress
from evobnn.runs.search import FRESH, Session
from evobnn.runs.setup import Options, create, make_bench
from evobnn.snapshot import Journal, lock, read_generations, read_journal, read_rescored
from tests.older import make_older

Proceed = Callable[..., list[str]]
Decisive = Callable[[Path], dict[str, bytes]]

ONE = "normal[2 = conv3(0) + max3(1)] reduction[2 = conv3(0) + max3(1)] @net = x"


@pytest.fixture
def folder(tiny: Experiment, quick: Any, tmp_path: Path) -> Path:
    return create(tiny, Options(jobs=1), tmp_path)


def completed(folder: Path) -> list[tuple[str, str, int]]:
    entries, _ = read_journal(folder / "journal.jsonl")
    return [(entry.key, entry.protocol, entry.repeat) for entry in entries]


# --- What a run leaves ----------------------------------------------------------------------------------------------


def test_the_files_of_a_run(reference: Path) -> None:
    names = sorted(path.name for path in reference.iterdir())
    assert names == sorted(
        [".lock", "experiment.toml", "front.csv", "journal.jsonl", "log.jsonl", "rescored-0006.jsonl", "starts.jsonl"]
        + [f"generation-{number:04d}.jsonl" for number in range(7)]
    )
    generations, damage = read_generations(reference)
    assert [g.number for g in generations] == list(range(7))
    assert damage == []
    assert [json.loads(line) for line in (reference / "log.jsonl").read_text().splitlines()] == [
        dict(g.log) for g in generations
    ]
    assert [len(g.results) for g in generations] == [4] * 7


def test_the_journal_has_everything_once(reference: Path) -> None:
    generations, _ = read_generations(reference)
    searched = {(r.request.individual.key, r.request.repeat) for g in generations for r in g.results}
    entries, notes = read_journal(reference / "journal.jsonl")
    done = [(entry.key, entry.repeat) for entry in entries]
    assert notes == []
    assert len(set(done)) == len(done)
    assert {pair for pair in done if pair[1] < FRESH} == searched
    assert {entry.purpose for entry in entries if entry.repeat >= FRESH} == {"rescore"}
    assert {entry.attempt for entry in entries} == {1}
    assert len(searched) == 28


def test_fresh_scores_and_the_columns_of_the_front(reference: Path) -> None:
    rows = read_rescored(reference / "rescored-0006.jsonl")
    table = list(csv.DictReader((reference / "front.csv").read_text().splitlines()))
    assert list(table[0]) == [
        "id", "genome", "error", "ops", "n", "error_rescored", "error_rescored_sd", "ops_rescored", "ops_rescored_sd",
        "n_rescored", "still_nondominated",
    ]  # fmt: skip
    assert sorted(row.id for row in rows) == sorted(int(line["id"]) for line in table)
    assert len(rows) > 1
    whole = 0
    by_id = {row.id: row for row in rows}
    for row, line in ((by_id[int(line["id"])], line) for line in table):
        assert row.repeats == (FRESH, FRESH + 1)
        assert float(line["n_rescored"]) == len(row.values.get("error", ()))
        if row.objectives:
            whole += 1
            assert float(line["error_rescored"]) == pytest.approx(sum(row.values["error"]) / 2)
            assert row.objectives["error"] != float(line["error"])  # other seeds
    assert whole > 0
    assert fresh_scores(reference) == {row.id: row for row in rows}


def test_without_fresh_scores_nothing_of_the_sort_is_left(
    tiny: Experiment, quick: Any, proceed: Proceed, tmp_path: Path
) -> None:
    folder = create(replace(tiny, noise=replace(tiny.noise, rescore=0)), Options(jobs=1), tmp_path)
    proceed(folder, generations=1)
    assert not list(folder.glob("rescored*"))
    assert len(quick.jobs) == 8


def test_every_start_leaves_a_line(folder: Path, proceed: Proceed) -> None:
    proceed(folder, generations=0)
    proceed(folder, generations=1, budget=60.0)
    starts = [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]
    assert [(s["jobs"], s["generations"], s["budget"]) for s in starts] == [(1, 0, None), (1, 1, 60.0)]
    assert starts[0]["versions"]["torch"] == torch.__version__.split("+")[0] or "+" in starts[0]["versions"]["torch"]


def test_progress_never_goes_back(folder: Path) -> None:
    seen: list[Progress] = []
    Session(folder, Options(jobs=1), report=seen.append).proceed()
    done = [p.done for p in seen]
    assert done == sorted(done) and done[0] == 0
    assert [p.done for p in seen if p.stage == "search"][-1] == 28
    assert all(p.planned > 28 and p.planned >= p.done for p in seen), "fresh seeds are counted from the start"
    last = seen[-1]
    assert last.stage == "rescore" and last.done == last.planned > 28 and last.seconds_left == 0.0
    assert {p.generations for p in seen} == {6}
    assert seen[-1].best_error == json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["least_error"]


# --- Stopping and going on ------------------------------------------------------------------------------------------


def test_three_generations_and_resume_to_six_equals_six(
    folder: Path, reference: Path, proceed: Proceed, decisive: Decisive
) -> None:
    proceed(folder, generations=3)
    assert (folder / "rescored-0003.jsonl").exists()
    proceed(folder)
    assert decisive(folder) == decisive(reference)
    assert len(completed(folder)) == len(set(completed(folder)))


def test_a_budget_stops_at_a_generations_end_and_changes_nothing(
    folder: Path, reference: Path, proceed: Proceed, decisive: Decisive
) -> None:
    looked = 0
    for number in range(7):
        proceed(folder, budget=0.0)
        generations, _ = read_generations(folder)
        assert len(generations) == number + 1
        looked += 1
    assert looked == 7
    assert decisive(folder) == decisive(reference)
    assert len(completed(folder)) == len(set(completed(folder)))


def test_going_on_with_a_finished_run_trains_nothing(
    reference: Path, quick: Any, proceed: Proceed, decisive: Decisive
) -> None:
    before = decisive(reference)
    assert proceed(reference) == []
    assert proceed(reference, generations=2) == []
    assert quick.jobs == []
    assert decisive(reference) == before


class CutError(BaseException):
    """What a kill is to the code: nothing after it runs, not even `except Exception`."""


CUTS = [
    *[("Journal.append", "before", number) for number in (0, 5, 30)],
    *[("Journal.append", "after", number) for number in (0, 13, 27)],
    *[("write_generation", when, number) for when in ("before", "after") for number in (0, 3)],
    *[("Derived.follow", when, number) for when in ("before", "after") for number in (0, 5)],
    *[("Derived.finish", when, 0) for when in ("before", "after")],
    *[("append", when, 3) for when in ("before", "after")],
    ("write_rescored", "before", 0),
    ("write_rescored", "after", 0),
    ("append_start", "before", 0),
    ("write_lines", "after", 1),
]


@pytest.mark.parametrize(("what", "when", "number"), CUTS)
def test_cut_off_at_any_step_it_ends_as_if_nothing_had_been(
    folder: Path,
    reference: Path,
    proceed: Proceed,
    decisive: Decisive,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    when: str,
    number: int,
) -> None:
    calls = 0
    places: dict[str, Any] = {"Journal": Journal, "Derived": derived.Derived}
    place = places.get(what.partition(".")[0], derived if what in ("append", "write_lines") else session)
    name = what.rpartition(".")[2]
    real = getattr(place, name)

    def cut(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number + 1 and when == "before":
            raise CutError
        result = real(*args, **options)
        if calls == number + 1:
            raise CutError
        return result

    with monkeypatch.context() as patch:
        patch.setattr(place, name, cut)
        with pytest.raises(CutError):
            proceed(folder)
    assert proceed(folder) == []
    assert decisive(folder) == decisive(reference)
    assert len(completed(folder)) == len(set(completed(folder)))


def test_a_temporary_file_left_by_a_kill_does_not_matter(
    folder: Path, reference: Path, proceed: Proceed, decisive: Decisive
) -> None:
    proceed(folder, generations=2)
    (folder / ".generation-0003.jsonl.tmp").write_text('{"half": ')
    proceed(folder)
    assert decisive(folder) == decisive(reference)


# --- Damage ---------------------------------------------------------------------------------------------------------


def test_a_torn_journal_line_costs_its_evaluation_and_nothing_else(
    folder: Path, reference: Path, quick: Any, proceed: Proceed, decisive: Decisive
) -> None:
    proceed(folder, generations=2)
    (folder / "generation-0002.jsonl").unlink()  # killed in generation 2, in the middle of writing a line
    for name in ("log.jsonl", "front.csv", "rescored-0002.jsonl"):
        (folder / name).unlink()
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)[:12]
    path.write_bytes(b"".join(lines[:11]) + lines[11][:100])
    quick.jobs.clear()
    (torn,) = proceed(folder, generations=2)
    assert "journal.jsonl, line 12" in torn and "measured again" in torn
    searched = [json.loads(line)["repeat"] < FRESH for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
    assert searched.count(True) == 12
    assert path.read_bytes().count(lines[11][:100]) >= 1  # still there, alone on its line
    said = proceed(folder)
    assert len(said) == 1 and "journal.jsonl, line 12" in said[0]
    assert decisive(folder) == decisive(reference)
    assert len(completed(folder)) == len(set(completed(folder)))


@pytest.mark.parametrize("number", [0, 4, 6])
@pytest.mark.parametrize("damage", ["cut", "spoilt", "digit", "missing"])
def test_after_damage_it_goes_on_from_the_last_good_generation_and_deletes_nothing(
    reference: Path, quick: Any, proceed: Proceed, decisive: Decisive, number: int, damage: str
) -> None:
    before = decisive(reference)
    path = reference / f"generation-{number:04d}.jsonl"
    if damage == "missing":
        path.rename(reference.parent / "elsewhere")
    elif damage == "digit":
        path.write_text(re.sub(r'"error": 0.\d', '"error": 0.9', path.read_text(), count=1))
    else:
        path.write_bytes(path.read_bytes()[:300] if damage == "cut" else b"\0" + path.read_bytes()[1:])
    there = {p.name: p.read_bytes() for p in reference.glob("generation-*")}
    said = " ".join(proceed(reference))
    if damage != "missing":
        assert f"{path.name}, line" in said
    assert decisive(reference) == before
    assert quick.jobs == []  # the journal knew it all
    aside = {p.name.rpartition(".aside-")[0]: p.read_bytes() for p in reference.glob("generation-*.aside-1")}
    assert aside == {name: data for name, data in there.items() if name >= path.name}
    assert all(name in said for name in aside)


def test_a_run_of_before_digests_goes_on_to_the_same_end(
    folder: Path, reference: Path, quick: Any, proceed: Proceed, decisive: Decisive
) -> None:
    """What is there stays as it is, what comes has digests."""
    proceed(folder, generations=2)
    older = [*folder.glob("generation-*.jsonl"), *folder.glob("rescored-*.jsonl"), folder / "journal.jsonl"]
    for path in older:
        make_older(path)
    before = {path: path.read_bytes() for path in older}
    jobs = len(quick.jobs)
    assert proceed(folder) == []
    assert len(quick.jobs) > jobs
    assert len(older) == 5 and all(path.read_bytes().startswith(data) for path, data in before.items())
    assert repr(read_generations(folder)) == repr(read_generations(reference))
    here, there = decisive(folder), decisive(reference)
    assert [name for name in here if here[name] != there[name]] == [f"generation-000{n}.jsonl" for n in range(3)]


def test_after_damage_a_run_that_stops_earlier_shows_the_scores_of_its_own_front(
    reference: Path, tiny: Experiment, proceed: Proceed, decisive: Decisive, tmp_path: Path
) -> None:
    path = reference / "generation-0003.jsonl"
    path.write_bytes(b"")
    proceed(reference, generations=3)
    other = create(tiny, Options(jobs=1), tmp_path)
    proceed(other, generations=3)
    assert decisive(reference) == decisive(other)


# --- Not this run ---------------------------------------------------------------------------------------------------


def test_another_version_of_torch_is_refused(
    folder: Path, proceed: Proceed, decisive: Decisive, monkeypatch: pytest.MonkeyPatch
) -> None:
    proceed(folder, generations=1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(torch, "__version__", "1.13.1")
    with pytest.raises(RunError, match=r"the protocol with which .* was begun.*--seed-from"):
        proceed(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_results_of_another_protocol_are_not_reused(
    folder: Path, quick: Any, proceed: Proceed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session, "write_generation", lambda *args: (_ for _ in ()).throw(CutError))
        with pytest.raises(CutError):
            proceed(folder)
    assert len(quick.jobs) == 4  # and no generation is committed that could be compared
    monkeypatch.setattr(torch, "__version__", "1.13.1")
    proceed(folder, generations=0)
    asked = [job.seed for job in quick.jobs if job.seed in {one.seed for one in quick.jobs[:4]}]
    assert sorted(asked) == sorted([job.seed for job in quick.jobs[:4]] * 2)
    assert len(completed(folder)) == len(set(completed(folder)))


def test_other_data_are_refused(folder: Path, proceed: Proceed, monkeypatch: pytest.MonkeyPatch) -> None:
    proceed(folder, generations=1)
    real = setup.prepare
    monkeypatch.setattr(setup, "prepare", lambda *args: replace(real(*args), fingerprint="0123456789abcdef"))
    with pytest.raises(RunError, match="begun with other data, settings or versions"):
        proceed(folder)


def test_a_run_of_scaled_sums_is_read_and_not_resumed_and_says_why(
    folder: Path, proceed: Proceed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one begun before ±1 was added up: its protocol says nothing of sums. `tiny` has scaled weights in PyTorch's
    operations.
    """
    with monkeypatch.context() as patch:
        patch.setattr(setup, "Protocol", partial(Protocol, sums="scaled"))
        proceed(folder, generations=1)
    before = completed(folder)
    with pytest.raises(RunError, match=r"begun with sums of ±alpha, .* Start a new run from it with --seed-from"):
        proceed(folder)
    assert completed(folder) == before
    assert len(load_run(folder).front()) >= 1
    checks.show(folder)
    assert "it was made with sums of ±alpha" in capsys.readouterr().out


@pytest.mark.parametrize("native", ["fp32", "bf16"])
def test_bfloat16_by_name_is_said_to_be_slow_where_it_is(
    native: str, tiny: Experiment, quick: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_precision", lambda: native)
    experiment = replace(tiny, recipe=replace(tiny.recipe, precision="bf16"))
    options, heard = Options(jobs=1, generations=0), []
    Session(create(experiment, options, tmp_path), options, say=heard.append).proceed()
    assert any("no instructions for bfloat16" in sentence for sentence in heard) is (native == "fp32")


@pytest.mark.parametrize("change", ["seed = 1", "horizon = 6"])
def test_settings_that_were_edited_are_refused(folder: Path, proceed: Proceed, change: str) -> None:
    proceed(folder, generations=1)
    path = folder / "experiment.toml"
    text = path.read_text()
    assert f"\n{change}\n" in text
    path.write_text(text.replace(f"\n{change}\n", f"\n{change}1\n"))
    with pytest.raises(RunError, match="the experiment with which"):
        proceed(folder)


def test_a_folder_in_use_is_refused_and_free_again_afterwards(folder: Path, quick: Any, proceed: Proceed) -> None:
    with lock(folder), pytest.raises(RunError, match="only writer"):
        proceed(folder)
    assert quick.jobs == []
    proceed(folder, generations=0)
    assert len(quick.jobs) > 0


def test_a_folder_that_is_no_run(tmp_path: Path, proceed: Proceed) -> None:
    with pytest.raises(RunError, match="a run folder with experiment.toml"):
        proceed(tmp_path)


# --- Beginning ------------------------------------------------------------------------------------------------------


def test_folders_are_numbered_and_never_overwritten(tiny: Experiment, tmp_path: Path) -> None:
    made = [create(tiny, Options(jobs=1), tmp_path).name for _ in range(3)]
    assert made == ["tiny-1", "tiny-2", "tiny-3"]
    with pytest.raises(RunError, match="evobnn resume"):
        create(tiny, Options(jobs=1), tmp_path, tmp_path / "tiny-1")


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"start": StartSettings(("@net = sn(x)",))}, {}, GenomeError, "Did you mean 'sin'"),
        ({"space": SpaceSettings(freeze="@nrmal = x")}, {}, GenomeError, "Did you mean 'normal'"),
        ({}, {"backend": "lokky"}, DeviceError, "Did you mean 'loky'"),
        ({}, {"backend": "threading"}, DeviceError, "Use 'loky'"),
        ({}, {"device": "cuda:99"}, DeviceError, "'cuda:99'"),
    ],
)
def test_what_is_wrong_is_found_before_a_folder_is_made(
    tiny: Experiment, tmp_path: Path, change: Any, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        create(replace(tiny, **change), Options(**{"jobs": 1, **options}), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"jobs": -1}, {"generations": -1}, {"budget": -1.0}, {"budget": float("nan")}, {"timeout": -0.5}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ExperimentError, match=next(iter(options))):
        Options(**options)


def test_a_batch_that_is_too_large_is_found_at_once(tiny: Experiment) -> None:
    with pytest.raises(ExperimentError, match="at most the 100"):
        make_bench(replace(tiny, recipe=replace(tiny.recipe, batch=101)), Options())


def test_it_begins_with_the_starters(tiny: Experiment, quick: Any, proceed: Proceed, tmp_path: Path) -> None:
    bench, rng = make_bench(tiny, Options()), np.random.default_rng(1)
    drawn = [genome for genome in (bench.space.sample(rng) for _ in range(40)) if not bench.infeasible(genome)]
    one, other = map(str, drawn[:2])
    folder = create(replace(tiny, start=StartSettings((one, other))), Options(jobs=1), tmp_path)
    proceed(folder, generations=0)
    first = read_generations(folder)[0][0]
    assert [r.request.individual.origin for r in first.results] == ["seed"] * 4
    assert [r.request.individual.genome for r in first.results[:2]] == [one, other]
    assert [r.request.individual.genome for r in first.results[2:]] == list(map(str, bench.anchors()))
    least, most = (bench.cost(genome).ops for genome in bench.anchors())
    assert least < most


def test_without_anchors_the_start_is_sampled(tiny: Experiment, quick: Any, proceed: Proceed, tmp_path: Path) -> None:
    folder = create(replace(tiny, start=StartSettings(anchors=False)), Options(jobs=1), tmp_path)
    proceed(folder, generations=0)
    first = read_generations(folder)[0][0]
    assert [r.request.individual.origin for r in first.results] == ["sample"] * 4


# --- Failures -------------------------------------------------------------------------------------------------------


def failing_once(monkeypatch: pytest.MonkeyPatch, toy: Any, status: Status) -> None:
    """Let every evaluation of generation 1 end with `status`, until this is undone."""

    def fail(job: Any) -> Evaluation:
        found = toy(job)
        return Evaluation(status, message="planted", traceback="T") if len(toy.jobs) > 4 else found

    monkeypatch.setattr(evaluator, "run_job", fail)


@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT, Status.DIVERGED])
@pytest.mark.parametrize("retry", [False, True])
def test_a_recorded_failure_is_final_unless_asked_otherwise(
    tiny: Experiment,
    folder: Path,
    reference: Path,
    quick: Any,
    proceed: Proceed,
    decisive: Decisive,
    monkeypatch: pytest.MonkeyPatch,
    status: Status,
    retry: bool,
) -> None:
    with monkeypatch.context() as patch:
        failing_once(patch, quick, status)
        patch.setattr(session, "write_generation", write_only_first)
        with pytest.raises(CutError):
            proceed(folder)
    assert len(completed(folder)) == 8
    failed = completed(folder)[4:]
    quick.jobs.clear()
    proceed(folder, retry_failed=retry)
    entries, _ = read_journal(folder / "journal.jsonl")
    attempts = [entry.attempt for entry in entries if (entry.key, entry.protocol, entry.repeat) in failed]
    if retry and status is not Status.DIVERGED:
        assert sorted(attempts) == [1] * 4 + [2] * 4
        assert decisive(folder) == decisive(reference)
    else:
        assert attempts == [1] * 4
        assert [r.evaluation.status for r in read_generations(folder)[0][1].results] == [status] * 4


def write_only_first(folder: Path, generation: Any) -> None:
    from evobnn.snapshot import write_generation

    if generation.number:
        raise CutError
    write_generation(folder, generation)


def test_what_was_committed_is_not_retried(
    folder: Path, quick: Any, proceed: Proceed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing_once(patch, quick, Status.ERROR)
        proceed(folder, generations=1)
    before = (folder / "generation-0001.jsonl").read_bytes()
    proceed(folder, generations=2, retry_failed=True)
    assert (folder / "generation-0001.jsonl").read_bytes() == before


def test_a_first_generation_in_which_nothing_worked_ends_with_a_sentence(
    folder: Path, proceed: Proceed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "run_job", lambda job: Evaluation(Status.ERROR, message="no luck"))
    with pytest.raises(SearchError, match="none of 4; 4 times error: no luck"):
        proceed(folder)
    assert not list(folder.glob("generation-*"))
    assert len(completed(folder)) == 4


def test_an_exhausted_space_ends_the_run_in_order(
    tiny: Experiment, quick: Any, proceed: Proceed, decisive: Decisive, tmp_path: Path
) -> None:
    folder = create(replace(tiny, space=SpaceSettings(sites="net", freeze=ONE)), Options(jobs=1), tmp_path)
    said = proceed(folder)
    assert len(said) == 1 and "It is exhausted" in said[0]
    generations, _ = read_generations(folder)
    assert [len(g.results) for g in generations] == [1]
    assert len((folder / "front.csv").read_text().splitlines()) == 2
    before = decisive(folder)
    assert proceed(folder) == said
    assert decisive(folder) == before


def test_a_journal_of_a_later_format_is_not_ignored(folder: Path, proceed: Proceed) -> None:
    proceed(folder, generations=0)
    path = folder / "journal.jsonl"
    path.write_text(re.sub(r'^\{"version": 2', '{"version": 3', path.read_text(), flags=re.M))
    with pytest.raises(RunError, match="newer"):
        proceed(folder)


def test_a_copied_run_goes_on_elsewhere(
    folder: Path, reference: Path, proceed: Proceed, decisive: Decisive, tmp_path: Path
) -> None:
    proceed(folder, generations=1)
    shutil.move(folder, tmp_path / "moved")
    proceed(tmp_path / "moved")
    assert decisive(tmp_path / "moved") == decisive(reference)
