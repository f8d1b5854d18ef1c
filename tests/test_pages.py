"""README and docs: every command, option, setting, link and block of Python in them is what evobnn has."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import evobnn
from evobnn._seeding import generator
from evobnn.cli.app import app
from evobnn.evaluation import evaluate
from evobnn.evolution import PRESSURES, STRATEGIES
from evobnn.experiment import preset_names, preset_table
from evobnn.experiment.presets import recipe_names
from evobnn.experiment.text import from_table
from evobnn.records import Status
from evobnn.runs import Options, chosen
from evobnn.runs.setup import make_bench
from tests import pages

GROUP: Any = typer.main.get_command(app)
each_page = pytest.mark.parametrize("path", pages.PAGES, ids=lambda path: path.stem)
BY_TABLE = [path for path in pages.PAGES if path.stem not in ("README", "design", "deploy")]
RUN = {"README": 2, "python": 4, "extending": 1, "search": 1}
"""How many blocks of Python the pages have, all of which are run below."""
PYTHON = pages.blocks(pages.read(pages.ROOT / "docs" / "python.md"), "python")


def parsed(words: list[str]) -> dict[str, Any]:
    """Return what a command is given by parameter; raises where it has no such option, or too many arguments."""
    name, *arguments = words
    command = GROUP.commands[name]
    context = command.context_class(command, info_name=name)
    values, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert not rest, (words, rest)
    return dict(values)


@each_page
def test_commands_and_their_options_exist(path: Path) -> None:
    text = pages.read(path)
    found = [*pages.whole_commands(text), *pages.named_commands(text)]
    for words in found:
        parsed(words)
    assert len(found) >= {"README": 6, "start": 30, "search": 10, "deploy": 3}.get(path.stem, 0)


def test_a_command_that_is_none_would_be_found() -> None:
    wrong = ["```\nevobnn front RUN --picure x.png\n```\n", "Say `evobnn evolve a b`.\n", "    evobnn evolv\n"]
    for text in wrong:
        (words,) = [*pages.whole_commands(text), *pages.named_commands(text)]
        with pytest.raises(Exception, match=r"picure|evolv|\['evolve', 'a', 'b'\]"):
            parsed(words)


def test_settings_of_searches_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pages.ROOT)
    seen = 0
    for path in pages.PAGES:
        for words in pages.whole_commands(pages.read(path)):
            given = parsed(words)
            if words[0] == "evolve" and given.get("what") != "FILE.toml":
                chosen.experiment(given.get("what"), given.get("dataset"), given.get("assignments") or (),
                                  given.get("recorded"))  # fmt: skip
                seen += 1
            assert given.get("recipe") in {None, *recipe_names()}
    assert seen > 10


def test_tables_of_names_are_whole() -> None:
    start, search, training = (
        pages.read(pages.ROOT / "docs" / f"{name}.md") for name in ("start", "search", "training")
    )
    commands = set(re.findall(r"^\| `evobnn (\w+)", start, re.MULTILINE))
    assert commands == set(GROUP.commands)
    assert set(re.findall(r"`([\w-]+)`", pages.section(start, "Presets").split("`evobnn")[0])) >= set(preset_names())
    assert set(re.findall(r"`(\w+)`", search.split("\nEvery strategy")[0])) == set(STRATEGIES)
    assert set(PRESSURES) <= set(re.findall(r"pressure `(\w+)`", search))
    assert set(re.findall(r"`([a-z-]+)`", training.split("\nRecipes are data")[0])) >= set(recipe_names())


@each_page
def test_links_lead_somewhere(path: Path) -> None:
    targets = pages.links(pages.read(path))
    for target in targets:
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert not anchor or anchor in pages.anchors(pages.read(there)), target
    assert targets or path.stem == "design"


@each_page
def test_no_place_is_left_open(path: Path) -> None:
    assert not re.search(r"@@|TODO|XXX", pages.read(path))


@pytest.mark.parametrize("path", BY_TABLE, ids=lambda path: path.stem)
def test_a_page_begins_with_a_table_or_a_picture(path: Path) -> None:
    first = "\n".join(pages.read(path).splitlines()[:8])
    assert re.search(r"^\|---|^!\[", first, re.MULTILINE)


def test_the_genome_shown_is_read() -> None:
    (words,) = (
        words for words in pages.whole_commands(pages.read(pages.ROOT / "docs" / "genomes.md")) if words[0] == "show"
    )
    given = parsed(words)
    experiment = from_table(preset_table(given["preset"]), given["preset"])
    text = given["what"]
    assert str(evobnn.parse_genome(text)) == str(experiment.space.build(experiment.network, 8).parse(text)) == text


def test_public_names_are_listed_and_exist() -> None:
    text = pages.read(pages.ROOT / "docs" / "python.md")
    (line,) = re.findall(r"The public names are\n\n(.+?)\n\n", text, re.DOTALL)
    listed = re.findall(r"`(\w+)`", line)
    assert sorted(listed) == sorted(set(evobnn.__all__) - {"__version__"})
    assert all(getattr(evobnn, name) is not None for name in listed)


# --- Blocks of Python -----------------------------------------------------------------------------------------------


def shown(page: str, word: str) -> str:
    """Return the block of a page in which a word is."""
    (code,) = (block for block in pages.blocks(pages.read(pages.ROOT / page), "python") if word in block)
    return code


def test_no_block_is_forgotten() -> None:
    assert {p.stem: n for p in pages.PAGES if (n := len(pages.blocks(pages.read(p), "python")))} == RUN


def test_the_additions_shown_can_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = pages.blocks(pages.read(pages.ROOT / "docs" / "extending.md"), "python")
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
    (code,) = (block for block in PYTHON if "Arrays(" in block)
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


@pytest.mark.parametrize(("page", "last"), [("README.md", 1), ("docs/python.md", 10)])
def test_the_evaluation_function_shown_is_searched_by(
    page: str, last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = shown(page, "def device(")
    if page == "README.md":  # the same function for longer is python.md's
        code = code.replace("generations=5", "generations=1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)
    one = code.replace("jobs=2", "jobs=1").replace("evaluate=device", "evaluate=device, jobs=1")
    known: dict[str, object] = {"evobnn": evobnn}
    exec(one, known)
    run = known["run"]
    assert isinstance(run, evobnn.Run) and len(run.generations) == last + 1
    assert {"error", "mJ", "bits"} <= set(run.front().columns) and len(run.front()) > 1


@pytest.mark.slow
def test_the_relaxation_shown_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"evobnn": evobnn}
    exec(shown("docs/search.md", "evobnn.relax"), known)
    assert len(known["found"].decisions) == 2 and known["found"].cost.path_epochs == 10.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "word"),
    [("README.md", "load_network"), ("docs/python.md", "run.individuals()"), ("docs/python.md", "load_network")],
)
def test_searches_and_trainings_shown_run_as_they_stand(
    page: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pages.ROOT / "populations" / "digits", tmp_path / "populations" / "digits")
    known: dict[str, Any] = {"evobnn": evobnn}
    exec(shown(page, word), known)
    assert len(known["run"].front()) > 1
    if "network" in known:
        test = known["training"].test_images()
        assert (known["network"].predict(test.images) == test.labels).mean() > 0.8
