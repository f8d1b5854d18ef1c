"""The three searches as a whole: what they write, that a kill changes nothing, and what only `as_released` does."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest

from evobnn.analysis.pictures.relaxed import save_moves
from evobnn.errors import RunError
from evobnn.relax import folder as files
from evobnn.relax import load
from evobnn.relax.moves import moves
from evobnn.relax.published.cpnas import begin, with_one_less, without_replacement
from evobnn.runs.reseed import starters
from evobnn.snapshot import generation_path
from tests.relax.small import KilledError, killed_after, session

SEARCHES = ("bnas", "bats", "cpnas")


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Leaves the pictures out: each takes longer than such a search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evobnn.relax.session.save_moves", lambda *given: None)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("relaxed")
    for name in SEARCHES:
        session(name, root / name).proceed()
    return root


def same_files(one, other):
    names = (files.TEXT, files.DECISIONS, generation_path(one, 0).name)
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.parametrize("name", ["bnas", pytest.param("bats", marks=pytest.mark.slow), "cpnas"])
def test_a_killed_search_ends_with_the_same_bytes(name, done, tmp_path):
    with pytest.raises(KilledError):
        session(name, tmp_path / "again").proceed(killed_after(2))
    assert (tmp_path / "again" / files.STATE).is_file()
    with pytest.raises(RunError, match="that has ended"):
        load(tmp_path / "again")
    steps = []
    session(name, tmp_path / "again").proceed(lambda state: steps.append(state.done))
    assert steps[0] == 2
    assert same_files(done / name, tmp_path / "again")
    assert not (tmp_path / "again" / files.STATE).exists()
    again = load(tmp_path / "again")
    assert again.cost.path_epochs == load(done / name).cost.path_epochs


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_found_is_of_the_space_and_can_be_bred_on(name, done):
    found, own = load(done / name), session(name, done / name)
    for genome in found.genomes:
        own.bench.space.check(genome)
        assert not own.bench.infeasible(genome)
    assert starters(own.bench.space, [str(done / name)], 3, 0)[0] == str(found.genomes[0])
    another = "bats" if name == "cpnas" else "cpnas"
    other = session(another, done / another)
    with pytest.raises(RunError, match=f"with cells of the space {other.bench.space.name}, got"):
        starters(other.bench.space, [str(done / name)], 3, 0)


def test_a_damaged_line_of_what_decided_is_named(done, tmp_path):
    shutil.copytree(done / "bats", tmp_path / "bats")
    path = tmp_path / "bats" / files.DECISIONS
    assert load(tmp_path / "bats").decisions == load(done / "bats").decisions
    path.write_text(path.read_text().replace('"epoch": 2', '"epoch": 7'))
    with pytest.raises(RunError, match=r"decisions\.jsonl, line 3"):
        load(tmp_path / "bats")


def test_how_it_moved_is_drawn(done, tmp_path):
    for name, unit, count in (("bnas", "epoch", 3), ("cpnas", "draw", 3)):
        rows, space = load(done / name).decisions, session(name, done / name).bench.space
        moved = moves(space, rows)
        assert moved.unit == unit and set(moved.shares) == {"normal", "reduction"}
        table = np.array(list(moved.shares["normal"].values()))
        assert table.shape == (3, count) and moved.at.shape == (count,)
        np.testing.assert_allclose(table.sum(0), 1.0, atol=1e-9)
        if name == "cpnas":
            np.testing.assert_allclose(table[:, 0], 1 / 3)
            left = rows[-1]["left"]["normal"].values()
            np.testing.assert_allclose(table[0, -1], sum(names == ["zero"] for names in left) / len(left))
        else:
            alphas = np.array(list(rows[1]["alphas"]["normal"].values()))
            shares = np.exp(alphas) / np.exp(alphas).sum(1, keepdims=True)
            np.testing.assert_allclose(table[:, 1], shares.mean(0))
    save_moves(tmp_path / "moves.png", moved)
    assert (tmp_path / "moves.png").stat().st_size > 1000


@pytest.mark.slow
def test_another_seed_finds_something_else(done, tmp_path):
    session("bnas", tmp_path / "other", {"seed": 5}).proceed()
    assert not same_files(done / "bnas", tmp_path / "other")


def test_rows_of_bnas_tell_what_decides(done):
    rows = load(done / "bnas").decisions
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["diversity"] for row in rows] == pytest.approx([np.exp(-epoch / 7.7) for epoch in range(3)])
    assert len(rows[0]["alphas"]["normal"]) == 5 and len(rows[0]["alphas"]["normal"]["0>2"]) == 3
    best = min(rows, key=lambda row: (row["validation_error"], row["validation_loss"]))
    assert str(load(done / "bnas").genomes[0]) == best["genome"]
    assert load(done / "bnas").cost.path_epochs == 3 * 3.0 and load(done / "bnas").cost.macs > 0


def test_as_released_reads_the_genotype_before_the_epoch_and_leaves_convolutions_real(done, tmp_path):
    session("bnas", tmp_path / "bugs", as_released=True).proceed()
    own, bugs = load(done / "bnas").decisions, load(tmp_path / "bugs").decisions
    assert [row["left_real"] for row in bugs] == [5] * 3 and [row["left_real"] for row in own] == [0] * 3
    start = np.array(list(bugs[0]["alphas"]["normal"].values()))
    assert np.abs(start).max() < 0.01 < np.abs(np.array(list(own[0]["alphas"]["normal"].values()))).max()


def test_the_last_genotype_if_that_is_asked_for(done):
    rows = load(done / "bats").decisions
    assert str(load(done / "bats").genomes[0]) == rows[-1]["genome"]
    assert all("zero" not in row["genome"] for row in rows)


def test_draws_are_without_replacement_and_one_is_dropped_until_one_is_left(done):
    rows = load(done / "cpnas").decisions
    assert [row["stage"] for row in rows] == [3, 3, 3, 2, 2]
    for stage in (rows[:3], rows[3:]):
        for kind in ("normal", "reduction"):
            left = stage[-1]["left"][kind]
            assert {len(names) for names in left.values()} == {stage[0]["stage"] - 1}
            for edge, means in stage[-1]["indicators"][kind].items():
                own = [mean for mean in means if mean is not None]
                assert sorted(own) == pytest.approx(sorted(row["indicator"] for row in stage), abs=1e-6)
                gone = means.index(min(own))
                offered = ("zero", "identity", "sep3")
                assert offered[gone] not in left[edge]
    for row in rows:
        assert row["indicator"] == pytest.approx(2.0 * row["parent"] - row["child"])
    trained = [row for row in rows if "untrained" not in row]
    assert load(done / "cpnas").cost.path_epochs == pytest.approx(len(trained) * 2 * 0.5)
    assert str(load(done / "cpnas").genomes[0]) == rows[-1]["genotype"]["genome"]


def test_an_edge_with_fewer_operations_waits():
    left = {("normal", 0, 2): ("a", "b", "c"), ("reduction", 0, 2): ("a", "b")}
    draws = without_replacement(left, 3, 1, 0)
    assert Counter(draw["normal", 0, 2] for draw in draws) == {"a": 1, "b": 1, "c": 1}
    assert {draw["reduction", 0, 2] for draw in draws} == {"a", "b"}
    means = {(place, name): float(-ord(name)) for place, names in left.items() for name in names}
    assert with_one_less(left, means, 3) == {("normal", 0, 2): ("a", "b"), ("reduction", 0, 2): ("a", "b")}
    assert without_replacement(left, 3, 1, 0) == draws != without_replacement(left, 3, 1, 1)


def test_all_operations_are_there_as_it_begins(done):
    space = session("cpnas", done / "cpnas").bench.space
    assert set(begin(space).values()) == {("zero", "identity", "sep3")} and len(begin(space)) == 10


@pytest.mark.slow
def test_weights_that_are_not_shared_begin_anew(done, tmp_path):
    session("cpnas", tmp_path / "apart", shared=False).proceed()
    apart, shared = load(tmp_path / "apart").decisions, load(done / "cpnas").decisions
    assert (apart[0]["child"], apart[0]["parent"]) == (shared[0]["child"], shared[0]["parent"])
    assert [row["child"] for row in apart] != [row["child"] for row in shared]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["real", "binary"])
def test_modes_of_bats_are_other_searches(mode, done, tmp_path):
    session("bats", tmp_path / mode, mode=mode).proceed()
    assert load(tmp_path / mode).decisions[0]["training_loss"] != load(done / "bats").decisions[0]["training_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_the_searches_go_into_a_space_with_expressions(name, tmp_path):
    from evobnn.relax.session import Session, ask
    from evobnn.runs import Options

    own = {"epochs": 1, "batch": 16} if name != "cpnas" else {"repeats": 1, "batch": 16}
    small = {"dataset.train_limit": 64, "network.width": 2, "recipe.kernels": "torch", "space.nodes": 2,
             "space.offered": ("zero", "max3", "conv3"), "recipe.batch": 16}  # fmt: skip
    for expressions in (0, 3):
        asked = ask(name, "digits", "joint", own={**own, "expressions": expressions}, settings=small)
        one = Session(asked, Options(jobs=1), tmp_path / str(expressions))
        one.proceed()
        for genome in load(one.folder).genomes:
            one.bench.space.check(genome)
            assert {str(e) for e in genome.expression_by_site.values()} == {"add(x, zero)"}


def test_settings_are_as_published():
    from evobnn.relax import Bats, Bnas, Cpnas

    assert (Bnas().diversity, Bnas().tau, Bnas().gamma, Bnas().epochs, Bnas().batch) == (1.0, 7.7, 3.0, 50, 64)
    assert (Bnas().learning_rate, Bnas().lowest_rate, Bnas().weight_decay) == (0.025, 0.001, 3e-4)
    assert Cpnas().beta == 2.0 and Bats().mode == "activations" and Bats().temperature < 1.0
