"""The mixed network is what its formula says, and each of its two steps moves what it should."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from evobnn.nn import BinaryConv2d, Site
from evobnn.relax.cost import mixed_epoch, mixed_macs
from evobnn.relax.descent import Relaxation
from evobnn.relax.mixed import last_left_real, plain_norms, real_inputs
from evobnn.relax.settings import Bnas
from evobnn.supernet.build import cells_of
from tests.relax.small import session

ONE = Bnas(epochs=2, batch=16)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return session("bnas", tmp_path_factory.mktemp("bnas")).bench


@pytest.fixture
def search(bench):
    found = Relaxation(bench, ONE, 1)
    found.begin()
    return found


def batch(search, part="validation"):
    return getattr(search.data, f"{part}_images")[:16], getattr(search.data, f"{part}_labels")[:16]


def test_a_cell_is_the_sum_of_its_operations_times_their_shares(search):
    mixed, space = search.mixed, search.bench.space
    with torch.no_grad():
        for table in mixed.alphas.values():
            table.normal_(generator=torch.Generator().manual_seed(1))
    mixed.temperature = 0.5
    mixed.train()  # norms behind pools change nothing before they were trained
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = mixed(x)
        s0 = s1 = mixed.network.stem(x)
        kinds = search.bench.protocol.network.kinds
        for index, (cell, kind) in enumerate(zip(cells_of(mixed.network), kinds, strict=True)):
            values, edges = [cell.pre0(s0), cell.pre1(s1)], iter(range(len(mixed.alphas[kind])))
            for node in range(2, 2 + space.nodes):
                total = 0.0
                for source in range(node):
                    scaled = torch.exp(mixed.alphas[kind][next(edges)] / 0.5)
                    for share, name in zip(scaled / scaled.sum(), space.offered[kind], strict=True):
                        numbers = search.supernet.numbers[index]
                        at = [n for edge, n in numbers.items() if edge == (source, node, name)]
                        for number in at:  # none for Zeroise
                            y = cell.ops[number](values[source])
                            name = f"{index}-{number}"
                            total = total + share * (mixed.norms[name](y) if name in mixed.norms else y)
                values.append(total)
            out = torch.cat(values[2:], 1)
            s0, s1 = s1, out if cell.skip is None else out + cell.skip(s1)
        torch.testing.assert_close(found, mixed.network.head(s1))
    assert len(mixed.norms) == 10  # a pool on each of 5 edges of two cells


def test_alpha_learns_from_the_second_half_and_the_weights_stay(search):
    before = {name: p.detach().clone() for name, p in search.mixed.named_parameters()}
    images, labels = batch(search)
    x = (images.float() - search.data.mean[:, None, None]) / search.data.deviation[:, None, None]
    tables = list(search.mixed.alphas.values())
    wanted = torch.autograd.grad(F.cross_entropy(search.mixed(x), labels), tables)
    search.set_alpha((images, labels))
    changed = {name for name, p in search.mixed.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"alphas.normal", "alphas.reduction"}
    for table, gradient in zip(tables, wanted, strict=True):
        torch.testing.assert_close(table.grad, gradient)
    assert all(p.requires_grad for p in search.mixed.parameters())


def test_a_bonus_raises_the_entropy(search):
    from evobnn.relax.formulas import mean_entropy

    with torch.no_grad():
        for table in search.mixed.alphas.values():
            table[:, 0] = 1.0
    before = mean_entropy(search.mixed.tables()).item()
    for _ in range(3):
        search.set_alpha(batch(search), bonus=1e4 * mean_entropy(search.mixed.tables()))
    assert mean_entropy(search.mixed.tables()).item() > before


def test_weights_learn_from_the_first_half_and_alpha_stays(search):
    before = {name: p.detach().clone() for name, p in search.mixed.named_parameters()}
    search.set_weights(batch(search, "train"))
    changed = {name for name, p in search.mixed.named_parameters() if not torch.equal(p, before[name])}
    assert changed and not any(name.startswith("alphas") for name in changed)


def test_halves_share_no_image(search):
    data = search.data
    assert (data.count, data.validation_count) == (32, 32)
    first, second = (
        {image.numpy().tobytes() for image in part} for part in (data.train_images, data.validation_images)
    )
    assert not first & second
    seen = [len(pair[0][1]) for pair in search.steps(0)]
    assert seen == [16, 16]


def test_what_is_real_and_not_affine_in_the_search(search):
    mixed = search.mixed
    real_inputs(mixed)
    plain_norms(mixed)
    for cell in cells_of(mixed.network):
        inputs = [m for before in (cell.pre0, cell.pre1) for m in before.modules()]
        assert not any(isinstance(m, Site) for m in inputs)
        assert all(m.real for m in inputs if isinstance(m, BinaryConv2d))
    norms = [m for cell in cells_of(mixed.network) for m in cell.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    learn = {id(p) for p in mixed.weights}
    assert norms and not any(
        id(norm.weight) in learn or (norm.bias is not None and norm.bias.requires_grad) for norm in norms
    )
    operations = [m for cell in cells_of(mixed.network) for op in cell.ops for m in op.modules()]
    assert not any(m.real for m in operations if isinstance(m, BinaryConv2d))
    count = last_left_real(mixed)
    assert count == 2 * 2 + 1  # two inputs of two cells and one skip; of BNAS's 8 cells 2 * 8 + 2 = 18
    reals = [m.real for m in operations if isinstance(m, BinaryConv2d)]
    assert reals == [False] * (len(reals) - count) + [True] * count


def test_a_mixed_epoch_costs_operations_times_shares(bench):
    assert mixed_epoch(bench.space, 0.5, 0.5) == 3.0
    assert mixed_epoch(bench.space, 0.5, 0.25) == 2.25
    uneven = replace(bench.space, offered={**bench.space.offered, "reduction": ("zero", "max3")})
    assert mixed_epoch(uneven, 1.0, 1.0) == 5.0
    assert mixed_macs(bench, 10) == 10 * mixed_macs(bench, 1) > 0


@pytest.mark.slow
def test_compiled_kernels_give_alpha_the_same_gradient(tmp_path):
    found = []
    for kernels in ("torch", "fused"):
        own = session("bnas", tmp_path / kernels, {"recipe.kernels": kernels, "network.width": 8}).bench
        one = Relaxation(own, ONE, 1)
        real_inputs(one.mixed)
        plain_norms(one.mixed)
        one.begin()
        one.set_alpha(batch(one))
        found.append([table.grad for table in one.mixed.alphas.values()])
    for readable, compiled in zip(*found, strict=True):
        assert readable.abs().max() > 1e-4
        torch.testing.assert_close(compiled, readable, rtol=1e-3, atol=1e-5)
