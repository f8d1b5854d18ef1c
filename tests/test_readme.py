"""What README promises: its public names, its commands, its genome."""

import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import evobnn
from evobnn._seeding import generator
from evobnn.cli.app import app
from evobnn.evaluation import evaluate
from evobnn.experiment import preset_table
from evobnn.experiment.text import from_table
from evobnn.records import Status
from evobnn.runs import Options
from evobnn.runs.setup import make_bench

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_public_names_are_listed_and_exist():
    (line,) = re.findall(r"The public names are\n\n(.+?)\n\n", README, re.DOTALL)
    listed = re.findall(r"`(\w+)`", line)
    assert sorted(listed) == sorted(set(evobnn.__all__) - {"__version__"})
    assert all(getattr(evobnn, name) is not None for name in listed)


def test_commands_exist():
    known = {command.callback.__name__ for command in app.registered_commands}
    code = "\n".join(re.findall(r"^```$(.+?)^```$", README, re.DOTALL | re.MULTILINE) + re.findall(r"`(.+?)`", README))
    named = set(re.findall(r"(?:^| {4})evobnn ([a-z]+)", code, re.MULTILINE))
    assert len(named) > 5
    assert named <= known


def test_the_genome_shown_is_read():
    ((command, preset),) = re.findall(r"^evobnn show (\".+\") --preset (\w+)$", README, re.MULTILINE)
    (text,) = shlex.split(command)
    experiment = from_table(preset_table(preset), preset)
    assert str(evobnn.parse_genome(text)) == str(experiment.space.build(experiment.network, 8).parse(text)) == text


def test_the_additions_shown_can_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after = README.split("Operations and forms of your own")[1]
    code = re.findall(r"^```python$\n(.+?)^```$", after, re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "readme_additions.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = importlib.import_module("readme_additions").mine
    table = {**preset_table("digits"), "recipe": {"epochs": 1, "batch": 64}, "dataset": {"train_limit": 64}}
    bench = make_bench(from_table(table, "test"), Options(jobs=1, additions=mine))
    genome = bench.space.sample(generator(1, "readme"))
    cell = evobnn.parse_genome("normal[2 = max3(0) + max3(1)]").cell_by_kind["normal"]
    nodes = [edge._replace(operation="conv7") if edge == cell.edges[0] else edge for edge in cell.edges]
    genome = genome.with_cell("normal", genome.cell_by_kind["normal"].with_node(2, tuple(nodes)))
    genome = genome.with_expression("normal", evobnn.parse_expression("add(x, x)"))
    text = str(genome).replace("@normal = add(x, x)", "@normal = add(softsign(x), x)")
    found = evaluate(bench, bench.space.parse(text), 1)
    assert found.status is Status.OK, found.message


def test_the_arrays_shown_become_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    (code,) = (
        block
        for block in re.findall(r"^```python$\n(.+?)^```$", README, re.DOTALL | re.MULTILINE)
        if "Arrays(" in block
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.setup.compiling.begin", lambda: None)
    monkeypatch.setattr("evobnn.runs.face.load_run", lambda folder: folder)
    proceeded = []
    monkeypatch.setattr("evobnn.runs.search.compiling.begin", lambda: None)
    monkeypatch.setattr(evobnn.Session, "proceed", lambda session: proceeded.append(session.bench.prepared))
    images, labels = rng.integers(0, 256, (90, 8, 8), dtype=np.uint8), np.arange(90) % 3
    exec(code, {"evobnn": evobnn, "x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]})
    assert [(one.name, one.shape, one.classes, one.train_count) for one in proceeded] == [("arrays", (1, 8, 8), 3, 68)]
    assert (tmp_path / "populations" / "mine-0" / "experiment.toml").is_file()


def test_the_evaluation_function_shown_is_searched_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = (
        block
        for block in re.findall(r"^```python$\n(.+?)^```$", README, re.DOTALL | re.MULTILINE)
        if "def device(" in block
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    one = code.replace("jobs=2", "jobs=1").replace("evaluate=device", "evaluate=device, jobs=1")
    known: dict[str, object] = {"evobnn": evobnn}
    exec(one, known)
    run = known["run"]
    assert isinstance(run, evobnn.Run) and len(run.generations) == 11
    assert {"error", "mJ", "bits"} <= set(run.front().columns) and len(run.front()) > 1


def test_no_place_left_open():
    assert "@@" not in README
