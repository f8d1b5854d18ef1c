"""What the shared network is trained on."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from evobnn.runs.setup import Options, make_bench
from evobnn.spaces import canonical
from evobnn.supernet.expressions import offered
from evobnn.supernet.paths import paths
from tests.supernet.spaces import experiment


@pytest.fixture(scope="module")
def bench():
    return make_bench(experiment("cpnas"), Options(jobs=1))


def drawn(bench, sampling, steps, known=(), seed=3, epoch=0):
    return list(islice(paths(bench, known, sampling, seed, epoch), steps))


def test_paths_are_a_pure_function_of_seed_and_epoch(bench):
    once = drawn(bench, "uniform", 4)
    assert once == drawn(bench, "uniform", 4)
    assert once != drawn(bench, "uniform", 4, seed=4)
    assert once != drawn(bench, "uniform", 4, epoch=1)


def test_fair_gives_each_edge_each_operation_once_a_round(bench):
    names = bench.space.offered["normal"]
    counts = Counter()
    (genomes,) = drawn(bench, "fair", 1)
    for genome in genomes:
        counts.update(genome.cell_by_kind["normal"].edges)
    edges = sum(node for node in bench.space.own_nodes)
    assert len(counts) == edges * len(names)
    assert set(counts.values()) == {1}
    uniform = Counter(edge for (genome,) in drawn(bench, "uniform", len(names)) for edge in genome.cells[0][1].edges)
    assert max(uniform.values()) > 1


def test_a_sandwich_has_the_dearest_and_the_cheapest_cells():
    bench = make_bench(experiment("joint"), Options(jobs=1))
    for step in drawn(bench, "sandwich", 2):
        costs = [bench.cost(genome).ops for genome in step]
        assert len(step) == 4
        assert max(costs) == costs[0]
        assert min(costs) == costs[1]
        assert costs[1] < min(costs[2:])


def test_expressions_with_vectors_are_those_that_the_network_keeps():
    bench = make_bench(experiment("joint"), Options(jobs=1))
    known = offered(bench.space, 3, 0)
    forms = bench.space.forms
    seen = set()
    for (genome,) in drawn(bench, "uniform", 60, known):
        for _, expression in canonical(bench.space, genome).expressions:
            if any(forms[node.form].learnable for node in expression.nodes()):
                seen.add(expression)
            assert not bench.infeasible(genome)
    assert seen <= set(known)


def test_only_expressions_with_vectors_still_give_paths():
    bench = make_bench(experiment("joint", space={"unary": ["scale"], "binary": ["mul", "add"]}), Options(jobs=1))
    known = offered(bench.space, 1, 0)
    found = {e for (genome,) in drawn(bench, "uniform", 3, known) for _, e in genome.expressions}
    assert found == set(known)
