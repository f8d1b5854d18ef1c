"""Published populations: as files that follow from the constants, and as seeds that need no file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evobnn._jsonl import read_rows
from evobnn.cli.entry import run
from evobnn.errors import RunError
from evobnn.experiment.text import load
from evobnn.genome import Genome, parse_genome
from evobnn.runs import starters
from evobnn.spaces import PUBLISHED, Choice, Space, Template, bats, bnas, gaaf, joint
from evobnn.spaces.gaaf import RESNET18
from evobnn.spaces.published import FORMAT, POPULATIONS, VERSION, population_text, published, write_populations

FOLDER = Path(__file__).parents[1] / "populations" / "published"
BNAS = bnas(Template(), 64)
GAAF = gaaf(RESNET18, 32, choice=Choice("net"))


# --- The files ------------------------------------------------------------------------------------------------------


def test_the_files_are_what_the_constants_make_of_them(tmp_path: Path) -> None:
    written = write_populations(tmp_path / "new" / "folder")
    assert sorted(path.name for path in written) == sorted(path.name for path in FOLDER.iterdir())
    compared = 0
    for path in written:
        assert (FOLDER / path.name).read_bytes() == path.read_bytes() == population_text(path.stem).encode(), path.name
        compared += 1
    assert compared == len(POPULATIONS) == 3


def test_the_module_writes_them(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "evobnn.spaces.published", "here"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [f"here/{name}.jsonl" for name in POPULATIONS]
    assert (tmp_path / "here" / "ebnas.jsonl").read_bytes() == (FOLDER / "ebnas.jsonl").read_bytes()


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_file_read_back_is_the_constants(name: str) -> None:
    (header, *rows), version = read_rows(FOLDER / f"{name}.jsonl", FORMAT, VERSION, "")
    assert header == {"format": "evobnn-population", "version": 1, "population": name, "members": len(rows)}
    assert version == VERSION
    assert [list(row) for row in rows] == [["name", "genome", "reference"]] * len(POPULATIONS[name]) != []
    assert {row["name"]: parse_genome(row["genome"]) for row in rows} == {
        one.name: PUBLISHED[one.name] for one in POPULATIONS[name]
    }


def test_every_published_genome_is_a_member_of_one_population() -> None:
    names = [one.name for members in POPULATIONS.values() for one in members]
    assert sorted(names) == sorted(PUBLISHED)
    assert len(set(names)) == len(names) == 6
    assert all(one.genome == PUBLISHED[one.name] for members in POPULATIONS.values() for one in members)


def test_the_description_names_every_field_and_every_member() -> None:
    text = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## published/") :]
    fields = [name for line in population_text("baselines").splitlines() for name in json.loads(line)]
    for name in {*fields, *POPULATIONS, *PUBLISHED}:
        assert f"`{name}`" in section, name


# --- As seeds -------------------------------------------------------------------------------------------------------


def test_a_name_is_that_of_a_population_or_of_a_member() -> None:
    assert [one.name for one in published("bnas")] == ["bnas-cifar10", "bnas-imagenet"]
    assert [one.name for one in published("bnas-imagenet")] == ["bnas-imagenet"]
    assert [one.name for one in published("baselines")] == ["sign", "sine", "shift"]


def test_published_cells_start_a_search_unchanged() -> None:
    said: list[str] = []
    found = starters(BNAS, ["published:bnas"], 10, 0, said.append)
    assert [sorted(map(str, BNAS.parse(text).cells)) for text in found] == [
        sorted(map(str, starters_own(BNAS, name).cells)) for name in ("bnas-cifar10", "bnas-imagenet")
    ]
    assert starters(BNAS, ["published:bnas"], 1, 0) == found[:1] == starters(BNAS, ["published:bnas-cifar10"], 9, 3)
    assert said == []


def starters_own(space: Space, name: str) -> Genome:
    """Return a published genome as the space writes it, edges of a node in the order of their sources."""
    genome = PUBLISHED[name]
    cells = {k: type(c)(tuple(e for n in space.own_nodes for e in sorted(c.into(n)))) for k, c in genome.cells}
    return Genome.of(cells, genome.expression_by_site)


@pytest.mark.parametrize("encoding", [1, 2])
def test_baselines_start_a_search_for_expressions(encoding: int) -> None:
    space, said = gaaf(RESNET18, 32, choice=Choice("net", encoding=encoding)), []
    found = starters(space, ["published:baselines"], 10, 0, said.append)
    assert len(found) == 3
    for text, form in zip(found, ("x", "sin(x)", "shift(x)"), strict=True):
        assert f"({form}, zero)" in text
    assert said == []


def test_halves_of_different_populations_are_joined() -> None:
    space, said = joint(Template(), 64), []
    sources = ["published:bnas:cells", "published:baselines:expressions"]
    found = [space.parse(text) for text in starters(space, sources, 10, 0, said.append)]
    assert [genome.cells for genome in found[:2]] == [
        starters_own(space, name).cells for name in ("bnas-cifar10", "bnas-imagenet")
    ]
    forms = ["add(x, zero)", "add(sin(x), zero)", "add(shift(x), zero)"]
    assert [{str(one) for one in genome.expression_by_site.values()} for genome in found] == [{one} for one in forms]
    assert found[2].cells not in [genome.cells for genome in found[:2]]  # drawn: nobody gave them
    assert said == []


def test_cells_with_grouped_convolutions_take_over_pools_and_zeroise_only() -> None:
    space, said = bats(Template(), 64), []
    found = [space.parse(text) for text in starters(space, ["published:bnas"], 10, 0, said.append)]
    assert len(found) == len(said) == 2
    cell = found[0].cell_by_kind["reduction"]
    assert " + ".join(map(str, cell.into(2))) == "max3(0) + zero(1)"
    assert said[0] == (
        "published:bnas-cifar10: kept 7 of 9 parts. Lost: normal 2 = zero(1) + dil3(0) (no dil3 in normal cells here); "
        "normal 3 = conv3(1) + zero(2) (no conv3 in normal cells here)."
    )
    assert said[1].startswith("published:bnas-imagenet: kept 2 of 9 parts. Lost: ")
    assert "normal 3 = conv3(1) + conv3(2), normal 5" not in said[1]  # for different reasons
    assert "normal 3 = conv3(1) + conv3(2) (no conv3 in normal cells here)" in said[1]


def test_what_has_no_half_is_skipped_and_the_rest_kept() -> None:
    space, said = joint(Template(), 64), []
    found = starters(space, ["published:sine:cells", "published:ebnas:cells"], 5, 0, said.append)
    assert len(found) == 1
    assert said == ["published:sine is skipped: it has no cells."]


def test_nothing_to_keep_is_an_error() -> None:
    said: list[str] = []
    with pytest.raises(RunError, match=r"^Expected .* a search in the space bnas, got none in published:sine "):
        starters(BNAS, ["published:sine"], 5, 0, said.append)
    assert said == [
        "published:sine is skipped, nothing of it can be kept: @net = add(sin(x), zero) (@net = x is given here)."
    ]
    with pytest.raises(RunError, match=r"all that it says is given"):
        starters(
            joint(Template(), 64, parse_genome("@normal = x @reduction = x")), ["published:bnas:expressions"], 5, 0
        )
    assert len(starters(BNAS, ["published:sine", "published:ebnas"], 5, 0, said.append)) == 1


SLIPS = {
    "published:bna": "Did you mean 'bnas'?",
    "published:sinus": "Did you mean 'sine'?",
    "published:quite-another": "Known: baselines, bnas, bnas-cifar10, bnas-imagenet, ebnas, shift, sign, sine.",
    "published:bnas:cell": "Did you mean 'published:bnas:cells'?",
    "published:bnas:1": "Leave the part out",
    "published:": "Known: baselines",
    "published": "Known: baselines",
    "publised:bnas": "Did you mean 'published:bnas'?",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_misspelt_name_is_told_with_the_closest(slip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evolve", "--seed-from", slip]) == 2
    told = capsys.readouterr()
    assert SLIPS[slip] in told.err and "Expected" in told.err and ", got " in told.err
    assert "Traceback" not in told.err and told.out == ""


QUICK = [
    *("--set", "network.width=2", "--set", "dataset.train_limit=100", "--set", "dataset.validation_limit=60"),
    *("--set", "recipe.epochs=1", "--set", "recipe.batch=50", "--set", "recipe.precision=fp32"),
    *("--set", "noise.rescore=0", "--population", "3", "--generations", "0", "--jobs", "1"),
]


def test_a_search_starts_from_them_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)  # a picture takes its time
    code = run(["evolve", "bnas", "--seed-from", "published:ebnas", "--seed-from", "published:sine", *QUICK])
    told = capsys.readouterr()
    assert code == 0, told.err
    genomes = load(Path("populations/bnas-1/experiment.toml")).start.genomes
    assert len(genomes) == 1
    assert "conv3(0) + max3(1); 3 = max3(0) + max3(1); 4 = conv5(0) + conv3(1)" in genomes[0]
    notes = [line for line in told.err.splitlines() if line.startswith("note: published:")]
    assert notes == [
        "note: published:ebnas: kept 6 of 9 parts. Lost: "
        "reduction 2 = conv5(0) + conv5(1) (no conv5 in reduction cells here); "
        "reduction 3 = conv3(1) + dil5(2), reduction 4 = dil5(2) + conv3(1) (no dil5 in reduction cells here).",
        "note: published:sine is skipped, nothing of it can be kept: "
        "@net = add(sin(x), zero) (@net = x is given here).",
    ]
