"""GAAF's ResNet: the published sizes in closed form, its 19 sites, its shortcuts, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.latent import binary_convolutions
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle, RealConv2d
from evobnn.nn.binary.site import Site
from evobnn.nn.counting.cost import profile
from evobnn.nn.networks.resnet import ResidualBlock, resnet

RESNET18 = ("normal", "normal", *("reduction", "normal") * 3)
STYLE = ConvStyle("zero", "none")
X = ("x",)


def built(width=64, kinds=RESNET18, tree=X, conv=STYLE, *, real=False, in_channels=3, classes=10, head=1):
    def site(kind):
        def make(channels):
            activation = None if tree == X else TreeActivation(tree, channels)
            return Site(activation, clip=1.3, real=real, precision=conv.precision)

        return make

    return resnet(in_channels, classes, width, kinds, site, conv, head=head)


def on_meta(**how):
    with torch.device("meta"):
        return built(**how)


def binary_weights(w):
    """Weights of the 19 binary convolutions: stages of widths w, 2w, 4w, 8w, four 3x3 each, and three shortcuts."""
    first = 4 * 9 * w * w
    later = sum(9 * (c // 2) * c + 3 * 9 * c * c + (c // 2) * c for c in (2 * w, 4 * w, 8 * w))
    return first + later


def real_numbers(w, classes=10):
    """What is trained besides: the stem's convolution and norm, a norm behind each of 19 convolutions, the head."""
    norms = 2 * (w + 4 * w + sum(5 * c for c in (2 * w, 4 * w, 8 * w)))
    return 27 * w + norms + 8 * w * classes + classes


@pytest.mark.parametrize("width", [64, 16, 3])
def test_parameters_in_closed_form(width):
    net = on_meta(width=width)
    assert sum(p.numel() for p in net.parameters()) == binary_weights(width) + real_numbers(width)
    assert sum(conv.weight.numel() for conv in binary_convolutions(net)) == binary_weights(width)
    assert profile(net, (3, 32, 32)).bits == binary_weights(width) + 32 * (real_numbers(width) + 2 * 3)


def test_published_width_has_11_173_962_parameters():
    assert binary_weights(64) == 11_157_504
    assert sum(p.numel() for p in on_meta().parameters()) == 11_173_962


@pytest.mark.parametrize("width", [64, 16])
@pytest.mark.parametrize(
    ("tree", "vectors"),
    [(("sin", X), 0), (("mul", ("scale", X), ("shift", X)), 2), (("mix", ("scale", X), ("shift", X)), 3)],
)
def test_an_expression_adds_its_vectors_at_each_of_19_sites(width, tree, vectors):
    net = on_meta(width=width, tree=tree)
    sites = [module for module in net.modules() if isinstance(module, Site)]
    assert len(sites) == 19
    # channels of the sites: four of width w; then in each stage first and shortcut see the old width, three the new
    channels = 4 * width + sum(2 * (c // 2) + 3 * c for c in (2 * width, 4 * width, 8 * width))
    expected = binary_weights(width) + real_numbers(width) + vectors * channels
    assert sum(p.numel() for p in net.parameters()) == expected
    cost = profile(net, (3, 32, 32))
    assert cost.bits == binary_weights(width) + 32 * (real_numbers(width) + 6 + vectors * channels)


@pytest.mark.parametrize("width", [64, 16])
def test_work_at_32_pixels_in_closed_form(width):
    cost = profile(on_meta(width=width), (3, 32, 32))
    at = [(32, width), (16, 2 * width), (8, 4 * width), (4, 8 * width)]
    binary = 4 * 32**2 * 9 * width**2
    binary += sum(s**2 * (9 * (c // 2) * c + 3 * 9 * c * c + (c // 2) * c) for s, c in at[1:])
    assert cost.binary_macs == binary
    assert cost.real_macs == 32**2 * 27 * width + 8 * width * 10
    if width == 64:
        assert (cost.binary_macs, cost.real_macs) == (553_648_128, 1_774_592)
        assert cost.ops == 1_774_592 + 553_648_128 / 64
    assert cost.skip_macs == 0
    additions = [layer for layer in cost.layers if layer.kind == "sum"]
    assert [layer.other for layer in additions] == [s**2 * c for s, c in at for _ in range(2)]


def test_stem_blocks_and_head_are_the_published_ones():
    net = built(width=4)
    assert [name for name, _ in net.named_children()] == ["stem", "blocks", "relu", "head"]
    norm, conv, last = net.stem
    assert (norm.affine, norm.num_features, last.affine) == (False, 3, True)
    assert isinstance(conv, RealConv2d)
    assert (conv.kernel_size, conv.stride, conv.bias) == ((3, 3), (1, 1), None)
    assert {type(m) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))} == {RealConv2d, nn.Linear}
    shortcuts = [block.shortcut for block in net.blocks]
    assert [isinstance(s, nn.Identity) for s in shortcuts] == [kind == "normal" for kind in RESNET18]
    for block in net.blocks[2::2]:
        assert (block.shortcut.conv.kernel, block.shortcut.conv.stride) == (1, 2)
        assert block.shortcut.site is not block.first.site
    assert not any(m.rectify for m in net.modules() if isinstance(m, BinaryConv2d))
    x = torch.randn(3, 3, 8, 8)
    maps = net.blocks(net.stem(x))
    expected = F.linear(F.relu(maps).mean((2, 3)), net.head.linear.weight, net.head.linear.bias)
    torch.testing.assert_close(net(x), expected)


def test_sites_are_told_the_kind_of_their_block():
    asked = []

    def site(kind):
        return lambda channels: asked.append((kind, channels)) or Site()

    resnet(1, 2, 4, ("normal", "reduction"), site, STYLE)
    assert asked == [("normal", 4), ("normal", 4), ("reduction", 4), ("reduction", 8), ("reduction", 4)]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_two_convolutions_and_a_shortcut(stride):
    block = ResidualBlock(4, 4 * stride, lambda _: Site(clip=1.3), STYLE, stride=stride).eval()
    x = torch.randn(2, 4, 7, 5)
    before = x.clone()
    inner = block.first.norm(block.first.conv(block.first.site(x)))
    inner = block.second.norm(block.second.conv(block.second.site(inner)))
    around = x if stride == 1 else block.shortcut.norm(block.shortcut.conv(block.shortcut.site(x)))
    torch.testing.assert_close(block(x), inner + around)
    assert torch.equal(x, before)
    assert block(x).shape == (2, 4 * stride, -(-7 // stride), -(-5 // stride))


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_binary_convolution_sees_two_values(padding, precision):
    net, seen = built(width=4, conv=ConvStyle(padding, precision=precision)), []
    for module in net.modules():
        if isinstance(module, BinaryConv2d):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].unique().tolist()))
    net(torch.randn(4, 3, 15, 17))
    assert seen == [[-1.0, 1.0]] * 19


@pytest.mark.parametrize("real", [False, True])
def test_it_learns_two_patterns_and_every_parameter_has_a_part(real):
    torch.manual_seed(0)
    net = built(
        width=4,
        kinds=("normal", "reduction"),
        tree=("add", ("sin", ("scale", X)), ("shift", X)),
        conv=ConvStyle("zero", "none", real),
        real=real,
        in_channels=1,
        classes=2,
    ).to(memory_format=torch.channels_last)
    y = torch.arange(64) % 2
    x = torch.randn(64, 1, 8, 8) + 2.0 * (2 * y - 1).view(-1, 1, 1, 1) * torch.linspace(-1, 1, 8)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert len(losses) == 25
    assert losses[-1] < 0.3 * losses[0]


def test_twin_and_meta_have_the_same_parameters():
    shapes = [
        {name: p.shape for name, p in net.named_parameters()}
        for net in (built(width=4), built(width=4, conv=ConvStyle(real=True), real=True), on_meta(width=4))
    ]
    assert len(shapes[0]) > 60
    assert shapes[0] == shapes[1] == shapes[2]
    twin = profile(on_meta(width=4, conv=ConvStyle(real=True), real=True), (3, 32, 32))
    plain = profile(on_meta(width=4), (3, 32, 32))
    assert (twin.binary_macs, twin.real_macs) == (0, plain.binary_macs + plain.real_macs)


def test_a_finer_head_has_a_linear_layer_for_each_part():
    net = built(width=4, kinds=("normal", "reduction"), head=2)
    assert net.head.linear.in_features == 8 * 4
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 10)
