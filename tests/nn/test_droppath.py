"""Drop-path: which edges, how often, how scaled, from which generator, and that without it nothing happens."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from evobnn.errors import NetworkError
from evobnn.nn import CellBlock, ConvStyle, Head, Network, Site, profile, resnet, set_drop_path
from evobnn.nn.cells.ops import OPS, MeanPool, Zero
from tests.nn.test_blocks import Times

MANY = 4000


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def cell(*ops, skip=None):
    """Return a cell in which each operation leads from input 0 to a node of its own."""
    wiring = [(0, number + 2, op) for number, op in enumerate(ops)]
    return CellBlock(Times(1), None, wiring, len(ops), skip, channels=1)


def per_image(block, count=MANY):
    """Return the outputs (images, channels) for a map of ones, which must be constant over the map."""
    out = block(torch.ones(count, 1, 3, 4), torch.ones(count, 1, 3, 4))
    assert torch.equal(out, out[:, :, :1, :1].expand_as(out))
    return out[:, :, 0, 0]


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_images_are_dropped_one_by_one_and_the_rest_is_scaled(probability):
    block = cell(Times(3), Times(5))
    set_drop_path(block, probability, generator())
    out = per_image(block)
    for channel, value in ((0, 3.0), (1, 5.0)):
        kept = out[:, channel]
        assert sorted(kept.unique().tolist()) == pytest.approx([0.0, value / (1 - probability)])
        spread = (probability * (1 - probability) / MANY) ** 0.5
        assert (kept == 0).float().mean().item() == pytest.approx(probability, abs=4 * spread)
        assert kept.mean().item() == pytest.approx(value, abs=4 * value * spread / (1 - probability))
    both = ((out[:, 0] == 0) & (out[:, 1] == 0)).float().mean().item()
    assert both == pytest.approx(probability**2, abs=0.03)  # edges are independent


def test_identity_zeroise_and_the_skip_are_never_dropped():
    pools = nn.MaxPool2d(3, 1, padding=1), MeanPool()
    block = cell(nn.Identity(), Zero(), *pools, Times(2), skip=Times(100))
    set_drop_path(block, 0.5, generator())
    s0, s1 = torch.ones(MANY, 1, 3, 4), torch.zeros(MANY, 5, 3, 4)
    out = block(s0, s1)[:, :, 0, 0]
    values = [sorted(out[:, channel].unique().tolist()) for channel in range(5)]
    assert values == [[1.0], [0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 4.0]]


def test_the_gradient_is_dropped_with_the_output():
    block = cell(Times(3))
    set_drop_path(block, 0.5, generator())
    x = torch.ones(64, 1, 3, 4, requires_grad=True)
    out = block(x, x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
    assert len(x.grad.unique()) == 2


def test_a_reduction_may_be_dropped_and_keeps_channels_last():
    def site(channels):
        return Site()

    op = OPS["identity"](4, 2, site, ConvStyle("minus_one", "mean"))  # at stride 2 no identity but convolutions
    block = CellBlock(nn.Identity(), None, [(0, 2, op)], 1, None, channels=4, stride=2)
    set_drop_path(block, 0.5, generator())
    x = torch.randn(40, 4, 6, 6).to(memory_format=torch.channels_last)
    out = block(x, x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    empty = ~out.flatten(1).any(1)
    assert 5 < int(empty.sum()) < 35


def small(precision="fp32"):
    torch.manual_seed(2)
    conv = ConvStyle("zero", "mean", precision=precision)
    return resnet(1, 3, 4, ("normal", "reduction"), lambda kind: lambda channels: Site(precision=precision), conv)


def stacked():
    torch.manual_seed(3)

    def site(channels):
        return Site()

    def made():
        conv = ConvStyle("minus_one", "mean")
        return CellBlock(nn.Identity(), None, [(0, 2, OPS["conv3"](1, 1, site, conv))], 1, nn.Identity(), channels=1)

    return Network(nn.Identity(), [made(), made()], Head(1, 3))


def test_a_residual_block_keeps_its_shortcut():
    block = small().blocks[0]
    block.first = block.second = nn.Sequential()  # the branch hands its input through
    set_drop_path(block, 0.5, generator())
    x = torch.full((MANY, 4, 3, 3), 2.0)
    out = block(x)
    assert torch.equal(out, out[:, :1, :1, :1].expand_as(out))
    assert out.unique().tolist() == [2.0, 6.0]  # 2 + 0, 2 + 2 / (1 - 1/2)
    assert (out[:, 0, 0, 0] == 2).float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert block.eval()(x).unique().tolist() == [4.0]


@pytest.mark.parametrize("build", [small, stacked])
def test_probability_zero_is_the_network_as_it_was_built(build):
    x = torch.randn(6, 1, 4, 4)
    plain, cleared, evaluated = build(), build(), build().eval()
    set_drop_path(cleared, 0.5, generator())
    assert not torch.equal(plain(x), cleared(x))
    drawn = generator()
    before = drawn.get_state()
    set_drop_path(cleared, 0.0, drawn)
    set_drop_path(evaluated, 0.5, drawn)
    cleared.load_state_dict(build().state_dict())
    plain.load_state_dict(build().state_dict())
    results = []
    for network in (plain, cleared):
        out = network(x)
        out.sum().backward()
        results.append((out, _graph(out), [p.grad for p in network.parameters() if p.grad is not None]))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert len(results[0][1]) > 5
    assert all(torch.equal(a, b) for a, b in zip(results[0][2], results[1][2], strict=True))
    assert torch.equal(evaluated(x), build().eval()(x))  # evaluation drops nothing
    assert torch.equal(drawn.get_state(), before)


def _graph(out):
    """Return the names of all functions behind a tensor."""
    names, waiting, seen = [], [out.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function is not None and function not in seen:
            seen.add(function)
            names.append(function.name())
            waiting += [before for before, _ in function.next_functions]
    return sorted(names)


@pytest.mark.parametrize("build", [small, stacked])
def test_the_same_generator_drops_the_same(build):
    x = torch.randn(32, 1, 4, 4)
    outs = []
    for seed in (1, 1, 2):
        network = build()
        set_drop_path(network, 0.4, generator(seed))
        outs.append((network(x), network(x)))
    assert torch.equal(outs[0][0], outs[1][0])
    assert torch.equal(outs[0][1], outs[1][1])
    assert not torch.equal(outs[0][0], outs[2][0])
    assert not torch.equal(outs[0][0], outs[0][1])


def test_a_copy_goes_on_by_itself_and_is_counted():
    network, x = small(), torch.randn(32, 1, 4, 4)
    set_drop_path(network, 0.4, generator())
    twin = copy.deepcopy(network)
    assert torch.equal(network(x), twin(x))
    assert torch.equal(network(x), twin(x))
    assert profile(network, (1, 4, 4)) == profile(small(), (1, 4, 4))


def test_what_makes_no_sense():
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(NetworkError, match="probability between 0 and 0.99"):
            set_drop_path(small(), wrong, generator())


def test_no_images_are_no_problem():
    block = cell(Times(3))
    set_drop_path(block, 0.5, generator())
    assert block(torch.ones(0, 1, 3, 4), torch.ones(0, 1, 3, 4)).shape == (0, 1, 3, 4)
