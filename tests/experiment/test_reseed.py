"""Starting from saved populations: best front first, whole or in halves, also into another space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evobnn.errors import RunError
from evobnn.experiment.settings import Experiment, SpaceSettings, StartSettings
from evobnn.genome import OPERATIONS, Genome, OpSpec, parse_genome
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.runs import Options, Session, create, starters
from evobnn.snapshot import Generation, Survivor, read_generations, write_generation
from evobnn.spaces import Space

CELL = "2 = {0}(0) + max3(1); 3 = avg3(0) + {0}(2); 4 = zero(0) + max3(3); 5 = {0}(1) + zero(4)"
A, B, C, D = (
    f"normal[{CELL.format(operation)}] reduction[{CELL.format('conv3')}] @normal = {form} @reduction = sub(sin(x), x)"
    for operation, form in [
        ("conv3", "add(sin(x), x)"),
        ("conv5", "add(cos(x), x)"),
        ("max3", "add(tan(x), x)"),
        ("dil3", "add(erf(x), x)"),
    ]
)


def saved(folder: Path, members: list[tuple[str, float, float]]) -> str:
    """Write a run of one generation whose survivors are (genome, error, ops), and return its folder."""
    folder.mkdir(parents=True)
    who = [Individual(n, text, f"key{n}", 0) for n, (text, _, _) in enumerate(members)]
    values = [{"error": error, "ops": ops} for _, error, ops in members]
    survivors = tuple(Survivor(one, objectives, 1) for one, objectives in zip(who, values, strict=True))
    results = tuple(Result(Request(one), Evaluation(Status.OK, v)) for one, v in zip(who, values, strict=True))
    write_generation(folder, Generation(0, {"objectives": ["error", "ops"]}, {}, {}, survivors, results))
    return str(folder)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A is dominated by all; D and B are the front; C lies behind B."""
    return saved(tmp_path / "runs" / "one", [(A, 0.9, 90.0), (B, 0.2, 50.0), (C, 0.3, 60.0), (D, 0.4, 10.0)])


def test_the_best_front_comes_first(tiny_space: Space, source: str) -> None:
    assert starters(tiny_space, [source], 10, 0) == (B, D, C, A)
    assert starters(tiny_space, [source], 2, 0) == (B, D)


def test_several_populations_take_turns(tiny_space: Space, source: str, tmp_path: Path) -> None:
    new = A.replace("add(sin(x), x)", "add(ln(x), x)")
    other = saved(tmp_path / "runs" / "two", [(new, 0.5, 5.0), (D, 0.1, 1.0)])
    assert starters(tiny_space, [source, other], 10, 0) == (B, D, new, C, A)  # the other has D before new; D once


def test_halves_are_joined(tiny_space: Space, source: str, tmp_path: Path) -> None:
    other = saved(tmp_path / "two:odd", [(A, 0.1, 1.0), (C, 0.2, 2.0)])
    joined = starters(tiny_space, [f"{source}:cells", f"{other}:expressions"], 10, 0)
    given = [parse_genome(text) for text in joined]
    best = [parse_genome(text) for text in (B, D, C, A)]
    assert [genome.cells for genome in given] == [genome.cells for genome in best]
    assert [genome.expressions for genome in given[:2]] == [parse_genome(text).expressions for text in (A, C)]
    assert len({genome.expressions for genome in given}) == 4  # the two that nobody gave were drawn
    for genome in given:
        tiny_space.check(genome)


def test_one_half_alone_leaves_the_other_to_chance_by_the_seed(tiny_space: Space, source: str) -> None:
    first, again, other = (starters(tiny_space, [f"{source}:expressions"], 2, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert parse_genome(first[0]).expressions == parse_genome(B).expressions
    assert parse_genome(first[0]).cells != parse_genome(B).cells


def test_another_space_keeps_what_it_allows(tiny_space: Space, source: str) -> None:
    offered = {kind: tuple(n for n in names if n != "conv5") for kind, names in tiny_space.offered.items()}
    narrow = replace(tiny_space, offered=offered)
    found = [parse_genome(text) for text in starters(narrow, [source], 2, 0)]
    for genome in found:
        narrow.check(genome)
    assert found[0].expressions == parse_genome(B).expressions
    assert "conv5" in B and "conv5" not in str(found[0])
    assert str(found[1]) == D


def test_frozen_parts_of_the_new_space_stay(tiny_space: Space, source: str) -> None:
    frozen = replace(tiny_space, frozen=parse_genome("@normal = x @reduction = x"))
    found = starters(frozen, [source], 10, 0)
    assert len(found) == 4
    assert all(text.endswith("@normal = x @reduction = x") for text in found)


# --- What is said about what is lost --------------------------------------------------------------------------------


def told(space: Space, sources: list[str], count: int = 10) -> tuple[tuple[str, ...], list[str]]:
    said: list[str] = []
    return starters(space, sources, count, 0, said.append), said


def without(space: Space, operation: str) -> Space:
    offered = {kind: tuple(n for n in names if n != operation) for kind, names in space.offered.items()}
    return replace(space, offered=offered)


def test_what_a_space_can_say_is_taken_over_without_a_word(tiny_space: Space, source: str) -> None:
    assert told(tiny_space, [source]) == ((B, D, C, A), [])


def test_the_individual_and_its_parts_are_named(tiny_space: Space, source: str) -> None:
    found, said = told(without(tiny_space, "conv5"), [source])
    assert len(found) == 4
    assert said == [  # B is individual 1
        f"{source}:1: kept 7 of 10 parts. Lost: normal 2 = conv5(0) + max3(1), normal 3 = avg3(0) + conv5(2), "
        "normal 5 = conv5(1) + zero(4) (no conv5 in normal cells here)."
    ]
    given, kept = parse_genome(B).cell_by_kind["normal"], parse_genome(found[0]).cell_by_kind["normal"]
    assert sorted(kept.into(4)) == sorted(given.into(4))


def test_of_many_parts_only_the_places_are_named(tiny_space: Space, source: str) -> None:
    _, said = told(without(tiny_space, "zero"), [source], 1)
    assert len(said) == 1
    assert "kept 6 of 10 parts" in said[0] and "normal 4 = zero(0) + max3(3), normal 5 = " in said[0]
    _, said = told(without(without(tiny_space, "conv5"), "conv3"), [source], 1)
    assert "reduction 3 = avg3(0) + conv3(2), reduction 5 = " in said[0]
    _, said = told(replace(tiny_space, kinds=(), offered={}, nodes=0), [source], 1)
    assert said == [
        f"{source}:1: kept 2 of 10 parts. Lost: normal 2, normal 3, normal 4, normal 5, reduction 2, reduction 3, "
        "reduction 4, reduction 5 (there are no cells here)."
    ]


def test_nothing_is_said_of_individuals_that_have_no_room(tiny_space: Space, source: str) -> None:
    narrow = without(tiny_space, "conv3")
    assert len(told(narrow, [source])[1]) == 4  # all have conv3 in their reduction cells
    found, said = told(narrow, [source], 2)
    assert len(found) == len(said) == 2
    assert [sentence.partition(": ")[0] for sentence in said] == [f"{source}:1", f"{source}:3"]


def test_of_halves_both_individuals_are_named_and_only_what_was_asked_for_counts(
    tiny_space: Space, source: str
) -> None:
    frozen = replace(tiny_space, frozen=parse_genome("@normal = x"))
    assert told(frozen, [f"{source}:cells"])[1] == []
    found, said = told(frozen, [f"{source}:cells", f"{source}:expressions"], 1)
    assert len(found) == 1
    assert said == [
        f"{source}:1 with {source}:1: kept 9 of 10 parts. Lost: @normal = add(cos(x), x) (@normal = x is given here)."
    ]


def test_an_individual_of_which_nothing_is_left_is_skipped(tiny_space: Space, source: str) -> None:
    frozen = replace(tiny_space, frozen=parse_genome("@normal = x @reduction = sub(sin(x), x)"))
    with pytest.raises(RunError) as error:
        told(frozen, [f"{source}:expressions"])
    assert str(error.value).startswith("Expected an individual that can start a search in the space joint, got none in")
    assert f"({source}:1 is skipped, nothing of it can be kept: @normal = add(cos(x), x) (@norm" in str(error.value)
    assert str(error.value).endswith("Seed from a population that shares operations or forms with this space.")
    found, said = told(frozen, ["published:ebnas", "published:sign"])
    assert len(found) == 1
    assert len(said) == 2 and said[0].startswith("published:ebnas: kept 5 of 9 parts.")
    assert said[1] == (
        "published:sign is skipped, nothing of it can be kept: "
        "@net = add(x, zero) (@reduction = sub(sin(x), x) is given here)."
    )


def test_what_would_not_be_trained_is_drawn_again_or_skipped(tiny_space: Space, source: str) -> None:
    def infeasible(genome: Genome) -> str:
        return "there is a 5x5 window." if "conv5" in str(genome) else ""

    said: list[str] = []
    assert starters(tiny_space, [source], 9, 0, said.append, infeasible) == (D, C, A)
    assert said == [f"{source}:1 is skipped, its network would not be trained here: there is a 5x5 window."]
    narrow, drawn = without(tiny_space, "dil3"), 0
    for seed in range(10):  # D loses three nodes, which are often drawn with conv5
        (found,) = starters(narrow, [saved(Path(f"{source}-{seed}"), [(D, 0.1, 1.0)])], 1, seed, infeasible=infeasible)
        assert "conv5" not in found
        drawn += "conv5" in starters(narrow, [f"{source}-{seed}"], 1, seed)[0]
    assert 3 <= drawn < 10


MINE = {**OPERATIONS, "myconv": OpSpec("myconv", 3, "a user's own", binary=True, zero_preserving=False)}


def test_an_operation_of_ones_own_is_read_where_it_is_known_and_its_individual_skipped_where_not(
    tiny_space: Space, tmp_path: Path
) -> None:
    own = A.replace("conv3", "myconv")
    source = saved(tmp_path / "own", [(own, 0.1, 1.0), (B, 0.2, 2.0)])
    offered = {kind: (*names, "myconv") for kind, names in tiny_space.offered.items()}
    assert told(replace(tiny_space, operations=MINE, offered=offered), [source]) == ((own, B), [])
    found, said = told(tiny_space, [source])
    assert found == (B,)
    assert len(said) == 1
    assert said[0].startswith(f"{source}:0 is skipped: Expected the name of a known operation, got 'myconv'.")
    assert "\n" not in said[0]


def test_a_source_that_is_none(tiny_space: Space, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="a finished generation"):
        starters(tiny_space, [str(tmp_path / "empty")], 4, 0)
    with pytest.raises(RunError, match="a run folder"):
        starters(tiny_space, [str(tmp_path / "absent:cells")], 4, 0)
    strange = saved(tmp_path / "strange", [("normal[2 = conv9(0)] @net = x", 0.5, 1.0)])
    with pytest.raises(RunError, match=r"strange.*conv9"):
        starters(tiny_space, [strange], 4, 0)


def test_a_run_breeds_on_from_another(tiny: Experiment, reference: Path, quick: Any, tmp_path: Path) -> None:
    space = SpaceSettings(sites="net")
    built = space.build(tiny.network, 8)
    texts = starters(built, [str(reference)], 3, seed=7)
    assert len(texts) == 3
    again = replace(tiny, space=space, seed=7, start=StartSettings(texts))
    folder = create(again, Options(jobs=1), tmp_path)
    Session(folder, Options(jobs=1, generations=1)).proceed()
    generations, _ = read_generations(folder)
    assert [r.request.individual.origin for r in generations[0].results] == ["seed"] * 4  # three given and an anchor
    assert [r.request.individual.genome for r in generations[0].results[:3]] == list(texts)
    assert {r.request.repeat for r in generations[0].results} == {0}  # measured anew
