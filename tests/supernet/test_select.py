"""What is selected in the shared network computes what is copied out of it, to the last bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from evobnn.errors import ExperimentError, GenomeError, RunError
from evobnn.genome import parse_genome
from evobnn.nn import Network, all_finite, watch
from evobnn.runs.setup import Options, make_bench
from evobnn.supernet import build, copied, select, weights_of
from tests.supernet.spaces import TABLES, experiment


def made(name, kernels="torch", expressions=6):
    """Return a bench and its shared network, with moments and vectors that are not as they begin."""
    bench = make_bench(experiment(name, kernels), Options(jobs=1))
    supernet = build(bench, 0, expressions)
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in supernet.network.state_dict().values():
            tensor.add_(0.3 * torch.rand_like(tensor))
    return bench, supernet


def images(bench, count=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((count, *bench.prepared.shape), generator=generator)
    return x.to(memory_format=torch.channels_last)


def genomes(bench, supernet, count=2):
    """Return drawn genomes, one of which has expressions that the shared network keeps where the space has any."""
    rng = np.random.default_rng(5)
    found = [bench.space.sample(rng) for _ in range(count)]
    for site in bench.space.free_sites if supernet.expressions else ():
        found[0] = found[0].with_expression(site, supernet.expressions[0])
    return [*found, bench.extremes()[1]]


QUICK = ("joint by node", "fused"), ("cpnas", "torch"), ("gaaf", "fused")


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        pytest.param(name, kernels, marks=() if (name, kernels) in QUICK else pytest.mark.slow)
        for name in TABLES
        for kernels in ("torch", "fused")
    ],
)
def test_selected_and_copied_are_equal_to_the_last_bit(name, kernels):
    bench, supernet = made(name, kernels)
    x = images(bench)
    outputs = []
    for genome in genomes(bench, supernet):
        select(supernet, genome)
        weights = weights_of(supernet)
        for training in (False, True, False):
            own = copied(bench, genome, weights).train(training)
            supernet.network.train(training)
            with torch.no_grad():
                outputs.append(supernet.network(x))
                assert torch.equal(outputs[-1], own(x))
    assert len({tuple(out.flatten().tolist()) for out in outputs}) > len(outputs) // 2


def test_gradients_are_those_of_the_copy():
    bench, supernet = made("joint", "fused")
    genome, x = genomes(bench, supernet)[0], images(bench)
    select(supernet, genome)
    own = copied(bench, genome, weights_of(supernet)).train()
    supernet.network.train()
    assert supernet.network.body is not None
    (supernet.network(x).square().sum()).backward()
    (own(x).square().sum()).backward()
    there = [p.grad for p in supernet.network.parameters() if p.grad is not None]
    here = [p.grad for p in own.parameters() if p.grad is not None]
    assert len(there) == len(here) < len(list(supernet.network.parameters()))
    assert sorted(g.square().sum().item() for g in there) == sorted(g.square().sum().item() for g in here)


def test_selecting_changes_no_number_and_no_name():
    bench, supernet = made("joint")
    before = copy.deepcopy(supernet.network.state_dict())
    for genome in genomes(bench, supernet):
        select(supernet, genome)
    after = supernet.network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_is_not_selected_is_not_run():
    bench, supernet = made("joint")
    least, _ = bench.extremes()
    select(supernet, least)
    assert isinstance(supernet.network, Network)
    ran = sum(len(edges) for cell in supernet.network.cells for edges in cell.wired)
    cells = least.cell_by_kind
    assert 0 < ran <= sum(len(cells[kind].edges) for kind in bench.protocol.network.kinds)
    with watch(supernet.network):
        supernet.network(images(bench))
    assert all_finite(supernet.network)


def test_every_operation_is_on_every_edge():
    bench, supernet = made("bnas")
    sources = sum(node for node in bench.space.own_nodes)
    offered = [len(set(bench.space.offered[kind]) - {"zero"}) for kind in bench.protocol.network.kinds]
    assert [len(edges) for edges in supernet.edges] == [sources * count for count in offered]


def test_expressions_differ_and_are_as_many_as_asked_for():
    _, supernet = made("joint", expressions=9)
    assert len(set(supernet.expressions)) == len(supernet.expressions) == 9
    narrow = experiment("joint", space={"unary": ["x", "scale"], "binary": ["add"]})
    few = build(make_bench(narrow, Options(jobs=1)), 0, 50)
    assert set(map(str, few.expressions)) == {"add(scale(x), x)", "add(scale(x), scale(x))"}


def test_an_edge_of_another_space_is_refused():
    bench, supernet = made("bnas")
    other = parse_genome("normal[2 = gconv3(0)] reduction[2 = conv3(0)] @net = x")
    with pytest.raises(GenomeError, match=r"offers in normal\[...\], got gconv3\(0\) at node 2"):
        select(supernet, other)
    with pytest.raises(RunError, match="shared weights for every part"):
        copied(bench, other, weights_of(supernet))


def test_more_expressions_than_memory_holds_are_refused_with_the_bytes():
    bench = make_bench(experiment("joint by node"), Options(jobs=1))
    with pytest.raises(
        ExperimentError, match=r"of at most [\d,]+ bytes, the free memory, got about [\d,]{15,} for 28,344,976 "
    ):
        build(bench, 0, 1_000_000_000)
