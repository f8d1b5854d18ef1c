"""The forest before the search: what it learns from, what it passes on, and that it helps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evobnn.evolution import Search, Step, make_toolbox, run
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import NSGA2, Surrogate
from evobnn.evolution.strategies.surrogate import encoded
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.spaces.loci import loci
from evobnn.testing import NKLandscape, Noisy


def view(space: Space, count: int, k: int = 0, **settings: Any) -> View:
    """Return a search of `count` random genomes, the first ten of them the population."""
    landscape, rng = NKLandscape(space, k=k), np.random.default_rng(5)
    names = settings.get("objectives", ("error", "ops"))
    archive = []
    for number in range(count):
        genome = space.sample(rng)
        values = landscape.evaluate(genome).objectives
        archive.append(Candidate(number, genome, f"key{number}", tuple(values[name] for name in names)))
    known = {"space": space, "seed": 1, "generation": 3, "horizon": 5, "objectives": names, "bounds": landscape.bounds}
    known["tried"] = lambda genome: genome in {one.genome for one in archive}
    return View(**{**known, **settings}, archive=archive, population=tuple(archive[:10]))


def test_one_hot_rows() -> None:
    columns = {("a", "x"): 0, ("a", "y"): 1, ("b", "x"): 2}
    chosen = [[("a", "x"), ("b", "x")], [("a", "y")], [("a", "unknown"), ("c", "x")]]
    assert encoded(chosen, columns).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_before_there_is_enough_to_learn_from_it_draws_at_random(tiny_space: Space) -> None:
    toolbox, rng = make_toolbox(tiny_space), np.random.default_rng(1)
    for count, origins in ((19, {"sample"}), (20, {"mutate", "mate", "mate+mutate"})):
        seen, strategy = view(tiny_space, count), Surrogate(population=10)
        prepared = strategy.prepare(seen)
        assert {strategy.propose(seen, prepared, toolbox, rng)[1] for _ in range(20)} <= origins


@pytest.mark.parametrize("objectives", [("error",), ("error", "ops"), ("error", "ops", "bits")])
def test_each_proposal_is_the_best_predicted_of_its_ten(objectives: tuple[str, ...], tiny_space: Space) -> None:
    seen, strategy = view(tiny_space, 60, objectives=objectives), Surrogate(population=10, screen=10)
    prepared = strategy.prepare(seen)
    toolbox = make_toolbox(tiny_space)
    proposed = [strategy.propose(seen, prepared, toolbox, np.random.default_rng(4)) for _ in range(10)]
    assert prepared.drawn == 10 and not prepared.waiting
    # The same children, bred again, and each ten judged one by one.
    rng = np.random.default_rng(4)
    bred = [NSGA2.propose(strategy, seen, prepared.order, toolbox, rng) for _ in range(100)]
    looked = 0
    for number, chosen in enumerate(proposed):
        ten = bred[10 * number : 10 * number + 10]
        weights = np.array(seen.weights("strategy", 3, number))
        scores = []
        for genome, _, _ in ten:
            row = prepared.forest.predict(encoded([loci(tiny_space, genome)], prepared.columns)).reshape(-1) * weights
            scores.append(row.max() + 0.01 * row.sum() + 1e9 * seen.tried(genome))
        assert chosen == ten[int(np.argmin(scores))]
        looked += 1
    assert looked == 10


def test_what_is_counted_is_not_predicted(tiny_space: Space) -> None:
    """The search has scores of operations that say the opposite of the counts, which alone decide."""
    landscape = NKLandscape(tiny_space)
    most = landscape.bounds["ops"][1]

    def counts(genome: Genome) -> dict[str, float]:
        return {"ops": landscape.evaluate(genome).objectives["ops"]}

    settings: dict[str, Any] = {
        "objectives": ("error", "ops"),
        "bounds": {**landscape.bounds, "error": (0.0, 1e9, "linear")},
    }
    seen = view(tiny_space, 60, **settings, counted=("ops",), counts=counts)
    turned = [Candidate(o.id, o.genome, o.key, (o.values[0], most + 1 - o.values[1])) for o in seen.archive]
    seen = replace(seen, archive=turned)
    strategy, toolbox = Surrogate(population=10, screen=10), make_toolbox(tiny_space)
    prepared = strategy.prepare(seen)
    assert prepared.learned == (0,)
    proposed = [strategy.propose(seen, prepared, toolbox, np.random.default_rng(4))[0] for _ in range(10)]
    rng = np.random.default_rng(4)
    bred = [NSGA2.propose(strategy, seen, prepared.order, toolbox, rng)[0] for _ in range(100)]
    fresh = [[counts(g)["ops"] for g in bred[at : at + 10] if not seen.tried(g)] for at in range(0, 100, 10)]
    assert [counts(genome)["ops"] for genome in proposed] == [min(ten) for ten in fresh]
    assert sum(map(len, fresh)) > 50


def test_it_passes_on_nothing_whose_counts_are_unknown(tiny_space: Space) -> None:
    seen, strategy = view(tiny_space, 40, counted=("ops",)), Surrogate(population=10, crossover=1.0)
    toolbox, rng = make_toolbox(tiny_space), np.random.default_rng(1)
    one, other = (tiny_space.sample(np.random.default_rng(seed)) for seed in (77, 78))
    seen = replace(seen, counts=lambda genome: {"ops": 3.0} if genome == one else {})
    toolbox.register("mate", lambda a, b, rng: (one, None))
    toolbox.register("mutate", lambda genome, rng: other)
    prepared = strategy.prepare(seen)
    assert [strategy.propose(seen, prepared, toolbox, rng)[0] for _ in range(10)] == [one] * 10


def test_the_forest_learns_from_the_newest(tiny_space: Space) -> None:
    seen, strategy = view(tiny_space, 60), Surrogate(population=10, newest=30)
    wide = np.eye(len(strategy.prepare(seen).columns), dtype=np.float32)
    late = replace(seen, archive=seen.archive[30:])
    first, again = (strategy.prepare(one).forest.predict(wide).tolist() for one in (seen, late))
    assert first == again
    assert len(Surrogate(population=10).prepare(seen).columns) > len(wide)


def test_the_forest_depends_on_the_seed_and_the_archive_alone(tiny_space: Space) -> None:
    seen = view(tiny_space, 40)
    wide = np.eye(len(Surrogate().prepare(seen).columns), dtype=np.float32)
    first, again = (Surrogate().prepare(seen).forest.predict(wide).tolist() for _ in range(2))
    other = Surrogate().prepare(view(tiny_space, 40, seed=2)).forest.predict(wide).tolist()
    assert first == again != other


def test_its_children_are_better_than_unscreened_ones_on_a_smooth_hill(tiny_space: Space) -> None:
    """k = 0, 200 genomes known: the error is a sum over genes, which a forest learns in part."""
    landscape, toolbox = NKLandscape(tiny_space, k=0), make_toolbox(tiny_space)
    seen = view(tiny_space, 200, objectives=("error",))
    means = []
    for strategy in (Surrogate(population=20), NSGA2(population=20)):
        prepared, rng = strategy.prepare(seen), np.random.default_rng(2)
        children = [strategy.propose(seen, prepared, toolbox, rng)[0] for _ in range(60)]
        means.append(float(np.mean([1.0 - landscape.fitness(child) for child in children])))
    assert means[0] < means[1] - 0.01


def test_a_known_genome_is_passed_on_only_where_all_ten_are_known(tiny_space: Space) -> None:
    seen, strategy = view(tiny_space, 40), Surrogate(population=10)
    toolbox, rng = make_toolbox(tiny_space), np.random.default_rng(1)
    fresh = tiny_space.sample(np.random.default_rng(77))
    toolbox.register("mate", lambda a, b, rng: (seen.archive[0].genome, None))
    toolbox.register("mutate", lambda genome, rng: fresh)
    prepared = strategy.prepare(seen)
    proposed = [strategy.propose(seen, prepared, toolbox, rng)[0] for _ in range(10)]
    assert proposed == [fresh] * 10  # half of all children and more are `fresh`, the others known
    toolbox.register("mutate", lambda genome, rng: seen.archive[1].genome)
    known = strategy.propose(seen, strategy.prepare(seen), toolbox, rng)[0]
    assert known in {one.genome for one in seen.archive}


def test_it_searches_to_the_end_of_its_budget(tiny_space: Space) -> None:
    steps: list[Step] = []
    landscape = NKLandscape(tiny_space)
    search = Search(tiny_space, Surrogate(population=8, least=8, trees=5), ("error", "ops"), 1, bounds=landscape.bounds)
    run(search, Noisy(landscape, failing=0.3), steps.append, 6)
    assert [len(step.results) for step in steps] == [8] * 7


def test_scikit_learn_is_loaded_only_where_it_is_asked_for() -> None:
    code = "import sys, evobnn.evolution; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
