"""Temperature: effects against an independent least-squares fit, draws against their formula."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evobnn.errors import ExperimentError
from evobnn.evolution.pressures.temperature import Temperature, effects
from evobnn.evolution.selection import Candidate
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.spaces.loci import edge_loci, edge_locus, loci

Points = Callable[[Genome, np.random.Generator], tuple[float, ...]]


def told(space: Space, count: int, points: Points, seed: int = 5) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    genomes = [space.sample(rng) for _ in range(count)]
    return [Candidate(number, genome, f"key{number}", points(genome, rng)) for number, genome in enumerate(genomes)]


def by_chance(genome: Genome, rng: np.random.Generator) -> tuple[float, ...]:
    return float(rng.random()), float(rng.integers(1, 9))


def by_convolutions(genome: Genome, rng: np.random.Generator) -> tuple[float, ...]:
    """An error that every conv3 lowers and every zero raises."""
    names = Counter(edge.operation for _, cell in genome.cells for edge in cell.edges)
    return (1.0 - 0.05 * names["conv3"] + 0.05 * names["zero"] + 0.01 * float(rng.random()),)


def seen(space: Space, archive: Sequence[Candidate], generation: int = 1, horizon: int = 10) -> View:
    return View(space, ("error", "ops"), {}, 1, generation, horizon, (), archive)


def layers(points: Sequence[tuple[float, ...]]) -> NDArray[np.float64]:
    """Return the number of the front of each point, by peeling fronts off."""
    found, left, rank = np.zeros(len(points)), set(range(len(points))), 0

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    while left:
        front = {i for i in left if not any(beats(points[j], points[i]) for j in left)}
        found[sorted(front)] = rank
        left, rank = left - front, rank + 1
    return found


def fitted(space: Space, archive: Sequence[Candidate], ridge: float, least: int) -> dict[str, dict[str, float]]:
    """Return the effects from scratch: least squares with the penalty as rows of their own and a free intercept."""
    names = [(place, name) for place in edge_loci(space) for name in space.offered[place.partition("/")[0]]]
    chosen = [set(loci(space, one.genome)) for one in archive]
    table = np.array([[pair in own for pair in names] for own in chosen], dtype=float)
    rank = layers([one.values for one in archive])
    left = np.vstack([
        np.hstack([table, np.ones((len(archive), 1))]),
        np.hstack([math.sqrt(ridge) * np.eye(len(names)), np.zeros((len(names), 1))]),
    ])  # fmt: skip
    solution = np.linalg.lstsq(left, np.concatenate([rank, np.zeros(len(names))]), rcond=None)[0][:-1]
    found: dict[str, dict[str, float]] = {}
    for place in edge_loci(space):
        own = [at for at, (edge, _) in enumerate(names) if edge == place]
        enough = [at for at in own if table[:, at].sum() >= least]
        values = -solution[enough]
        deviation = values.std() if len(enough) > 1 else 0.0
        scores = (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros(len(enough))
        found[place] = {names[at][1]: 0.0 for at in own}
        found[place] |= {names[at][1]: float(score) for at, score in zip(enough, scores, strict=True)}
    return found


# --- Effects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [by_chance, by_convolutions])
@pytest.mark.parametrize(("count", "ridge"), [(25, 1.0), (200, 1.0), (200, 0.01), (120, 50.0)])
def test_effects_are_those_of_an_independent_fit(tiny_space: Space, points: Points, count: int, ridge: float) -> None:
    archive = told(tiny_space, count, points)
    found, wanted = effects(tiny_space, archive, ridge, 5), fitted(tiny_space, archive, ridge, 5)
    known = {edge_locus(*place): own for place, own in found.items()}
    assert {place for place, own in wanted.items() if any(own.values())} == set(known)
    compared = 0
    for place, own in known.items():
        assert own == pytest.approx(wanted[place], abs=1e-5)
        compared += 1
    assert compared >= (4 if count == 25 else 28)


def test_what_lowers_the_rank_has_a_large_effect(tiny_space: Space) -> None:
    found = effects(tiny_space, told(tiny_space, 600, by_convolutions), 1.0, 5)
    assert len(found) == 28
    best = Counter(max(own, key=lambda name: own[name]) for own in found.values())
    worst = Counter(min(own, key=lambda name: own[name]) for own in found.values())
    assert best["conv3"] >= 24
    assert worst["zero"] >= 24
    for own in found.values():
        assert (np.mean(list(own.values())), np.std(list(own.values()))) == pytest.approx((0.0, 1.0), abs=1e-9)


def test_an_operation_counts_from_its_fifth_evaluation_on(tiny_space: Space) -> None:
    archive = told(tiny_space, 60, by_convolutions)
    counts = Counter(pair for one in archive for pair in loci(tiny_space, one.genome))
    looked: Counter[bool] = Counter()
    for place, own in effects(tiny_space, archive, 1.0, 5).items():
        for name, effect in own.items():
            enough = counts[edge_locus(*place), name] >= 5
            assert (effect != 0.0) == enough
            looked[enough] += 1
    assert min(looked[True], looked[False]) > 10


def test_too_few_evaluations_have_no_effect_at_all(tiny_space: Space, rng: np.random.Generator) -> None:
    four = told(tiny_space, 4, by_convolutions)
    assert effects(tiny_space, four, 1.0, 5) == effects(tiny_space, [], 1.0, 5) == {}
    assert Temperature().chooser(seen(tiny_space, four)) is None
    assert Temperature().chooser(seen(tiny_space, [])) is None
    same = [Candidate(number, four[0].genome, f"key{number}", (0.5, 1.0)) for number in range(20)]
    assert Temperature().chooser(seen(tiny_space, same)) is None  # one operation an edge: nothing to compare


def test_frozen_cells_and_spaces_without_cells_have_no_effects(tiny_space: Space) -> None:
    archive = told(tiny_space, 80, by_convolutions)
    genome = archive[0].genome
    half = replace(tiny_space, frozen=Genome((("normal", genome.cell_by_kind["normal"]),)))
    assert {kind for kind, _, _ in effects(half, archive, 1.0, 5)} == {"reduction"}
    none = replace(tiny_space, frozen=Genome(genome.cells))
    view = seen(none, archive)
    assert effects(none, archive, 1.0, 5) == {}
    assert Temperature().chooser(view) is None
    assert Temperature().log(view) == {}


# --- Draws ----------------------------------------------------------------------------------------------------------


def shares(own: dict[str, float], names: Sequence[str], degree: float, gamma: float, floor: float) -> list[float]:
    weights = [math.exp(own[name] / degree) / (gamma if name == "zero" else 1.0) for name in names]
    floored = [max(floor, weight / sum(weights)) for weight in weights]
    return [share / sum(floored) for share in floored]


@pytest.mark.parametrize(("degree", "gamma", "floor"), [(1.0, 1.0, 0.02), (0.3, 3.0, 0.02), (5.0, 3.0, 0.0)])
def test_operations_are_drawn_as_the_formula_says(
    tiny_space: Space, rng: np.random.Generator, degree: float, gamma: float, floor: float
) -> None:
    space = replace(tiny_space, gamma=gamma)
    archive = told(space, 150, by_convolutions)
    choose = Temperature(temperature=degree, floor=floor).chooser(seen(space, archive))
    assert choose is not None
    known = effects(space, archive, 1.0, 5)
    looked = 0
    for kind, source, target in (("normal", 0, 2), ("normal", 3, 5), ("reduction", 1, 2)):
        for names in (space.offered[kind], space.offered[kind][:1] + space.offered[kind][2:]):
            own = dict(known[kind, source, target])
            drawn = Counter(choose(kind, source, target, names, rng) for _ in range(6000))
            wanted = shares(own, names, degree, gamma, floor)
            assert [drawn[name] / 6000 for name in names] == pytest.approx(wanted, abs=0.03)
            assert not set(drawn) - set(names)
            looked += 1
    assert looked == 6


def test_cold_draws_take_the_best_and_the_floor_leaves_a_chance(tiny_space: Space, rng: np.random.Generator) -> None:
    archive = told(tiny_space, 400, by_convolutions)
    names, own = tiny_space.offered["normal"], effects(tiny_space, archive, 1.0, 5)["normal", 0, 2]
    best = max(own, key=lambda name: own[name])
    view = seen(tiny_space, archive)
    floored, bare = (Temperature(temperature=1e-3, floor=floor).chooser(view) for floor in (0.02, 0.0))
    assert floored is not None and bare is not None
    drawn = Counter(floored("normal", 0, 2, names, rng) for _ in range(8000))
    share = 0.02 / (1.0 + 0.02 * (len(names) - 1))
    assert [drawn[name] / 8000 for name in names if name != best] == pytest.approx([share] * (len(names) - 1), abs=0.01)
    assert {bare("normal", 0, 2, names, rng) for _ in range(200)} == {best}


def test_an_edge_of_which_nothing_is_known_draws_as_the_space_does(tiny_space: Space) -> None:
    space = replace(tiny_space, gamma=2.0)
    archive = told(space, 40, by_convolutions)
    known = effects(space, archive, 1.0, 12)
    view = seen(space, archive)
    choose = Temperature(least=12).chooser(view)
    assert choose is not None
    unknown = [
        (kind, source, node)
        for kind in space.free_kinds
        for node in space.own_nodes
        for source in range(node)
        if (kind, source, node) not in known
    ]
    assert 0 < len(unknown) < 28
    for kind, source, target in unknown:
        ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
        for _ in range(20):
            names = space.offered[kind]
            assert choose(kind, source, target, names, ours) == space.pick_operation(names, theirs)
        assert ours.random() == theirs.random()


def test_infinite_temperature_leaves_the_draws_to_the_space(tiny_space: Space) -> None:
    archive = told(tiny_space, 100, by_convolutions)
    pressure = Temperature(temperature=math.inf)
    assert pressure.chooser(seen(tiny_space, archive)) is None
    space = replace(tiny_space, gamma=3.0)
    found = pressure.log(seen(space, archive))["entropy"]
    wanted = [
        -sum(w / total * math.log(w / total) for w in weights)
        for kind in space.free_kinds
        for weights in [[1 / 3 if name == "zero" else 1.0 for name in space.offered[kind]]]
        for total in [sum(weights)]
    ]
    assert found == pytest.approx(sum(wanted) / 2)


def test_the_log_has_the_mean_entropy_over_the_edges(tiny_space: Space) -> None:
    archive = told(tiny_space, 150, by_convolutions)
    known = effects(tiny_space, archive, 1.0, 5)
    entropies = []
    for degree in (1e6, 1.0, 0.2):
        found = []
        for (kind, _, _), own in known.items():
            p = np.array(shares(dict(own), tiny_space.offered[kind], degree, 1.0, 0.02))
            found.append(-float((p * np.log(p)).sum()))
        assert len(found) == 28
        entropies.append(Temperature(temperature=degree).log(seen(tiny_space, archive))["entropy"])
        assert entropies[-1] == pytest.approx(sum(found) / 28)
    assert entropies == sorted(entropies, reverse=True)
    every = [len(tiny_space.offered[kind]) for kind in tiny_space.free_kinds]
    assert entropies[0] == pytest.approx(sum(map(math.log, every)) / 2, abs=1e-6)
    assert Temperature().log(seen(tiny_space, []))["entropy"] == pytest.approx(sum(map(math.log, every)) / 2)


# --- Schedule and settings ------------------------------------------------------------------------------------------


def test_temperatures_of_the_schedules(tiny_space: Space) -> None:
    wanted = {
        "constant": [2.0, 2.0, 2.0, 2.0, 2.0],
        "linear": [2.0, 1.625, 1.25, 0.5, 0.5],
        "exponential": [2.0, 2.0 * 4**-0.25, 1.0, 0.5, 0.5],
    }
    looked = 0
    for schedule, values in wanted.items():
        pressure = Temperature(temperature=2.0, final=0.5, schedule=schedule)
        found = [pressure.at(seen(tiny_space, [], generation, 8)) for generation in (0, 2, 4, 8, 11)]
        assert found == pytest.approx(values)
        looked += 1
    assert looked == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": 0.0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf, "schedule": "linear"},
        {"final": 0.0},
        {"final": math.inf},
        {"schedule": "lineal"},
        {"ridge": 0.0},
        {"floor": 1.5},
        {"least": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float | str]) -> None:
    with pytest.raises(ExperimentError, match=r"pressures\.temperature\.|Did you mean 'linear'"):
        Temperature(**bad)  # type: ignore[arg-type]
