"""The cells of a network as one function, against their modules one by one, whose own tests are in double precision."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn import ConvStyle, Site, TreeActivation, all_finite, fuse, watch
from evobnn.nn.binary.forms import Tree
from evobnn.nn.cells.blocks import CellBlock, FreeSkip, PublishedSkip
from evobnn.nn.cells.droppath import DropPath
from evobnn.nn.cells.ops import OPS, preprocess
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.fast.lanes.body import Body, body_of, cell_of
from evobnn.nn.networks.network import Head, Network, stem
from evobnn.training.average import Average
from tests.nn.conftest import rounding

STYLE = ConvStyle("minus_one", scale="mean")
MIX: Tree = ("mix", ("sin", ("x",)), ("scale", ("x",)))
Wiring = Sequence[tuple[int, int, str]]


def cell(
    inputs: tuple[int, int], width: int, wiring: Wiring, *, stride: int = 1, nodes: int = 2, style: ConvStyle = STYLE,
    tree: Tree | None = None, skip: str = "free", larger: bool = False,
) -> CellBlock:  # fmt: skip
    def site(channels: int) -> Site:
        return Site(None if tree is None else TreeActivation(tree, channels), clip=1.3)

    def op(name: str, step: int) -> nn.Module:
        if name == "identity":
            return nn.Identity()
        if name == "behind":
            return normed_layer(width, width, 3, site, style, stride=step)
        return OPS[name](width, step, site, style)

    read = {source for source, _, _ in wiring}
    halving = {"kernel": 3, "stride": 2} if larger else {}
    before = [
        preprocess(inputs[0], width, site, style, affine=not larger, **halving) if 0 in read else None,
        preprocess(inputs[1], width, site, style) if 1 in read else None,
    ]
    edges = [(source, target, op(name, stride if source < 2 else 1)) for source, target, name in wiring]
    around = {"free": FreeSkip, "published": PublishedSkip}.get(skip)
    skips = around(inputs[1], nodes * width) if around and stride == 2 else nn.Identity() if around else None
    return CellBlock(*before, edges, nodes, skips, channels=width, stride=stride)


def network(cells: Sequence[CellBlock], *, channels: int = 8, outputs: int) -> Network:
    made = Network(stem(1, channels), cells, Head(outputs, 5))
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def images(count: int = 6, side: int = 8) -> Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(5)) * 1.5


def stepped(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return logits, gradients and buffers after a step forward and backward."""
    x = x.clone().requires_grad_()
    out = net(x)
    F.cross_entropy(out, torch.arange(len(x)) % 5).backward()
    found = {"logits": out.detach(), **({} if x.grad is None else {"x": x.grad}), **dict(net.named_buffers())}
    return found | {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def without_body(net: Network) -> Network:
    """Return a copy whose modules are run one by one."""
    other = copy.deepcopy(net)
    other.body = None
    return other


def agree(net: Network, x: Tensor) -> Body:
    """Compare a step with that of the modules one by one; return the body that made it."""
    fuse(net)
    fast, slow_net = copy.deepcopy(net), without_body(net)
    body = body_of(list(fast.cells), fast.live)
    assert body is not None and body.ready(torch.zeros(2, 8, *x.shape[2:]))
    slow, quick = stepped(slow_net, x), stepped(fast, x)
    assert slow.keys() == quick.keys()
    for name, one in slow.items():
        far = float(one.abs().max()) + 1e-3
        torch.testing.assert_close(quick[name], one, rtol=1e-4, atol=1e-4 * far * rounding(), msg=name)
    return body


EVERYTHING = [(0, 2, "conv3"), (1, 2, "max3"), (0, 3, "dil3"), (2, 3, "avg3"), (2, 3, "conv5"), (1, 3, "dil5")]


@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize("tree", [None, MIX, ("max", ("shift", ("x",)), ("const",))])
def test_a_normal_cell_and_a_reduction(side: int, tree: Tree | None) -> None:
    torch.manual_seed(1)
    cells = [
        cell((8, 8), 4, EVERYTHING, tree=tree),
        cell((8, 8), 6, EVERYTHING, stride=2, tree=tree),
        cell((8, 12), 6, [(0, 2, "conv3"), (1, 3, "conv3")], larger=True, tree=tree),
    ]
    assert len(agree(network(cells, outputs=12), images(side=side)).cells) == 3


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize("scale", ["none", "mean"])
def test_padding_and_scale(padding: str, scale: str) -> None:
    torch.manual_seed(2)
    style = ConvStyle(padding, scale=scale)
    wiring = [(0, 2, "conv3"), (1, 2, "conv5"), (2, 3, "dil3"), (1, 3, "behind")]
    assert agree(network([cell((8, 8), 4, wiring, style=style)], outputs=8), images()).cells


@pytest.mark.parametrize(
    "wiring",
    [
        [(0, 2, "identity"), (1, 2, "identity"), (2, 3, "identity")],
        [(1, 2, "identity"), (2, 3, "conv3"), (2, 3, "identity")],
        [(1, 3, "conv3")],
        [(0, 2, "max3"), (0, 2, "avg3"), (0, 3, "max3")],
        [(0, 2, "zero"), (1, 3, "zero")],
        [],
    ],
)
@pytest.mark.parametrize("skip", ["free", "none"])
def test_odd_wirings(wiring: Wiring, skip: str) -> None:
    torch.manual_seed(3)
    first = cell((8, 8), 4, [(0, 2, "conv3"), (1, 3, "conv3")])
    assert agree(network([first, cell((8, 8), 4, wiring, skip=skip)], outputs=8), images()).steps


def test_cells_that_nobody_reads_are_left_out() -> None:
    torch.manual_seed(4)
    only_first = [(0, 2, "conv3"), (0, 3, "max3")]
    cells = [cell((8, 8), 4, EVERYTHING), cell((8, 8), 4, EVERYTHING), cell((8, 8), 4, only_first, skip="none")]
    net = network(cells, outputs=8)
    assert net.live == (True, False, True)
    assert len(agree(net, images()).cells) == 2


def test_batches_of_any_size_and_a_norm_that_does_not_train() -> None:
    torch.manual_seed(5)
    net = network([cell((8, 8), 4, EVERYTHING, tree=MIX)], outputs=8)
    for count in (1, 16, 37):
        assert agree(copy.deepcopy(net), images(count)).steps
    net(images(30))
    assert agree(net.eval(), images(7)).steps


def test_nobody_learns_the_same_comes_out() -> None:
    torch.manual_seed(6)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8)
    fuse(net)
    with torch.no_grad():
        unasked = copy.deepcopy(net)(images())
    assert torch.equal(unasked, net(images()))
    assert torch.equal(net.eval()(images()), copy.deepcopy(net)(images()))


def test_weights_that_were_exchanged_are_seen() -> None:
    torch.manual_seed(7)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8).eval()
    fuse(net)
    average = Average(net, 0.5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(-1.0)
    average.update()
    wanted = copy.deepcopy(net)
    with torch.no_grad():
        for name, tensor in [*wanted.named_parameters(), *wanted.named_buffers()]:
            tensor.copy_(average.tensors[name])
    before = net(images())
    with average.applied():
        torch.testing.assert_close(net(images()), wanted(images()))
    assert torch.equal(net(images()), before)


def test_who_watches_gets_the_same_and_sees_what_is_not_finite() -> None:
    torch.manual_seed(8)
    net = network([cell((8, 8), 4, EVERYTHING, tree=("div", ("x",), ("x",)))], outputs=8)
    fuse(net)
    with watch(net):
        seen = copy.deepcopy(net)(images())
    assert all_finite(net)
    torch.testing.assert_close(seen, without_body(net)(images()))
    for poison in (float("nan"), float("inf"), -float("inf")):
        broken = copy.deepcopy(net)
        with torch.no_grad():
            next(p for name, p in broken.named_parameters() if "norm.bias" in name and "cells" in name)[1] = poison
        with watch(broken):
            broken(images())
        assert not all_finite(broken)


def test_who_listens_hears_every_module() -> None:
    torch.manual_seed(9)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8)
    fuse(net)
    heard: list[nn.Module] = []
    for module in net.cells.modules():
        module.register_forward_hook(lambda module, *_: heard.append(module))
    net(images())
    assert {id(block.ops[0]) for block in net.cells} <= {id(module) for module in heard}


@pytest.mark.parametrize("joined", [True, False])
def test_weights_that_change_between_the_passes_are_an_error(joined: bool) -> None:
    torch.manual_seed(13)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8)
    fuse(net)
    net = net if joined else without_body(net)
    loss = net(images()).sum()
    with torch.no_grad():
        net.cells[0].ops[0].conv.weight.neg_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    loss = net(images()).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@pytest.mark.parametrize("change", ["another operation", "another weight", "another skip", "another expression"])
def test_what_was_changed_is_run_as_it_is(change: str) -> None:
    torch.manual_seed(12)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8)
    fuse(net)
    before, block = net(images()), net.cells[0]
    if change == "another operation":
        block.ops[0] = nn.Identity()
    elif change == "another skip":
        block.skip = None
    elif change == "another weight":
        block.ops[0].conv.weight = nn.Parameter(-block.ops[0].conv.weight.detach())
    else:
        block.ops[0].site.activation = TreeActivation(("neg", ("x",)), 4)
    after = net(images())
    assert not torch.equal(after, before)
    assert torch.equal(after, without_body(net)(images()))


@pytest.mark.parametrize("change", ["drop path", "unfused", "double", "large", "empty"])
def test_what_does_not_go_this_way_goes_another(change: str) -> None:
    torch.manual_seed(10)
    net = network([cell((8, 8), 4, EVERYTHING)], outputs=8)
    fuse(net, change != "unfused")
    body, x = body_of(list(net.cells), net.live), torch.zeros(2, 8, 8, 8)
    assert body is not None
    if change == "drop path":
        net.cells[0].drop_path = DropPath(0.3, torch.Generator().manual_seed(1))
    x = {"double": x.double(), "large": torch.zeros(2, 8, 17, 16), "empty": x[:0]}.get(change, x)
    assert not body.ready(x)
    if change in ("drop path", "unfused"):
        assert net(images()).shape == (6, 5)
    if change == "drop path":
        net.eval()
        assert body.ready(x)


def test_cells_that_have_no_such_body() -> None:
    grouped, published = cell((8, 8), 4, [(0, 2, "gconv3")]), cell((8, 8), 4, EVERYTHING, stride=2, skip="published")
    real = cell((8, 8), 4, [(0, 2, "conv3")], style=ConvStyle("minus_one", real=True))
    short = cell((8, 8), 4, [(0, 2, "conv3")], style=ConvStyle("minus_one", precision="bf16"))
    learned = cell((8, 8), 4, [(0, 2, "conv3")], style=ConvStyle("minus_one", scale="learnable"))
    wide = cell((65, 8), 4, [(0, 2, "conv3")])
    for one in (grouped, published, real, short, learned, wide):
        assert cell_of(one) is None
    assert body_of([cell((8, 8), 4, EVERYTHING), grouped], (True, True)) is None
    assert body_of([cell((8, 8), 4, EVERYTHING), grouped], (True, False)) is not None
