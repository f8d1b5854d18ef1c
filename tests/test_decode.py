"""From genome to network: costs by hand, weights that stay what they were, and that what is said to be binary is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from evobnn._seeding import generator
from evobnn.decode import Surround, decode
from evobnn.errors import GenomeError, NetworkError
from evobnn.genome import OPERATIONS, parse_genome
from evobnn.nn import FORMS, MACROS, OPS, BinaryConv2d, Head, RealConv2d, Site, TreeActivation, profile
from evobnn.spaces import PUBLISHED, Choice, Template, bnas, canonical, gaaf, joint, lost_signal
from evobnn.spaces.bnas import CIFAR
from evobnn.training import Recipe, make_optimiser

SMALL = Template(cells=3, width=4, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
SPACE = joint(SMALL, 16)
SURROUND = Surround(SMALL, (2, 16, 16), 3)
GENOME = parse_genome(
    "normal[2 = conv3(0) + max3(1); 3 = dil3(2) + avg3(0); 4 = conv5(1); 5 = dil5(4)] "
    "reduction[2 = conv3(0) + conv5(1); 3 = max3(2); 5 = conv3(4)] @normal = mul(sin(x), scale(x)) @reduction = x"
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def on_meta(space, genome, surround, **how):
    with torch.device("meta"):
        return decode(space, genome, surround, **how)


def test_cost_of_a_decoded_cell_by_hand():
    template = Template(cells=1, width=4, reductions=0, padding="minus_one", scale="mean", stem=2)
    space = joint(template, 8)
    genome = parse_genome("normal[2 = conv3(0) + zero(1); 3 = conv5(2) + max3(0)] @net = mul(scale(x), x)")
    cost = profile(on_meta(space, genome, Surround(template, (1, 8, 8), 3)), (1, 8, 8))
    pixels, width, stem = 8 * 8, 4, 2 * 4
    weights = stem * width + width * width * 9 + width * width * 25  # 1x1 of input 0, conv3, conv5; input 1 is unread
    assert cost.binary_macs == pixels * weights
    assert cost.real_macs == pixels * stem * 9 + 4 * width * 3
    norms = 2 * (1 + stem + width + width)
    real = stem * 9 + (4 * width * 3 + 3) + norms + (stem + width + width)  # the last: a scale per channel of each site
    assert cost.parameters == weights + real
    assert cost.bits == weights + 32 * (real + 3 * width)  # and a scale per filter


class Seen(TorchFunctionMode):
    """Keeps what every convolution and linear layer is really called with."""

    def __init__(self):
        super().__init__()
        self.convolutions, self.linear, self.others = [], [], []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.conv2d:
            self.convolutions.append(
                (args[0].detach(), args[1].detach(), args[4] if len(args) > 4 else kwargs["padding"])
            )
        elif func is F.linear:
            self.linear.append(args[1])
        elif any(word in getattr(func, "__name__", "") for word in ("matmul", "bmm", "einsum", "conv1d", "addmm")):
            self.others.append(func)
        return func(*args, **(kwargs or {}))


def assert_binary(network, shape, padding):
    """Run the network forward in both modes and look at every product in it; return how many binary ones there were."""
    real = {module.weight.data_ptr() for module in network.modules() if isinstance(module, RealConv2d)}
    checked = 0
    for train in (True, False):
        network.train(train)
        with Seen() as seen:
            network(torch.randn(3, *shape))
        assert [weight is network.head.linear.weight for weight in seen.linear] == [True]
        assert not seen.others
        met = set()
        for x, weight, border in seen.convolutions:
            if weight.data_ptr() in real:
                met.add(weight.data_ptr())
                continue
            assert (x.abs() == 1).all()
            size = weight.flatten(1).abs()
            assert (size == size[:, :1]).all()
            assert (size > 0).all()
            assert (weight > 0).any()
            assert (weight < 0).any()
            if padding == "minus_one":
                assert border == 0  # what is padded is in x already
            checked += 1
        assert met == real
    return checked


def ends(x):
    """Return the least and the largest value of ±1."""
    assert (x.abs() == 1).all()
    return x.min().item(), x.max().item()


def convolutions_of(name):
    """Return how many binary convolutions an edge with this operation has at stride 1 and at stride 2."""
    spec = OPERATIONS[name]
    return (0, 2) if spec.factorised else (2, 2) if spec.separable else (1, 1) if spec.binary else (0, 0)


@pytest.mark.parametrize("padding", ["zero", "minus_one"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_it_is_binary(name, precision, padding):
    """Every operation on edges from inputs (with stride in the reduction) and from nodes, beside a convolution."""
    edges = f"2 = {name}(0) + {name}(1); 3 = {name}(2) + conv3(0); 4 = conv3(3); 5 = {name}(3) + {name}(4)"
    genome = parse_genome(
        f"normal[{edges}] reduction[{edges}] @normal = sub(sin(x), scale(x)) @reduction = add(x, shift(x))"
    )
    template = replace(SMALL, padding=padding)
    surround = replace(SURROUND, template=template, precision=precision)
    torch.manual_seed(0)
    network = decode(SPACE, genome, surround)
    hooked = []
    for module in network.modules():
        if isinstance(module, BinaryConv2d):
            module.register_forward_pre_hook(lambda _, inputs: hooked.append(ends(inputs[0])))
    binary = assert_binary(network, surround.shape, padding)
    modules = sum(isinstance(module, BinaryConv2d) for module in network.modules())
    inputs = 1 if name == "zero" else 2  # nothing but Zeroise reads input 1
    kept, halved = convolutions_of(name)
    per_network = 3 * (inputs + 2) + (2 * 5 + 3) * kept + 2 * halved  # two conv3 a cell; two edges of one have stride 2
    assert binary == 2 * modules == 2 * per_network
    assert len(hooked) == binary
    assert set(hooked) <= {(-1.0, 1.0), (-1.0, -1.0), (1.0, 1.0)}
    assert hooked.count((-1.0, 1.0)) > binary / 2


@pytest.mark.parametrize("scale", ["none", "mean"])
def test_weights_are_plus_minus_one_number_per_filter(scale):
    surround = replace(SURROUND, template=replace(SMALL, scale=scale))
    torch.manual_seed(0)
    network = decode(SPACE, GENOME, surround)
    with Seen() as seen:
        network(torch.randn(2, 2, 16, 16))
    filters = [weight.flatten(1).abs().unique(dim=1) for _, weight, _ in seen.convolutions[1:]]  # the stem is first
    assert len(filters) == sum(isinstance(module, BinaryConv2d) for module in network.modules())
    assert all(bool((values == 1.0).all()) and values.shape[1] == 1 for values in filters)  # the scale stands behind
    alphas = [module.parts()[1] for module in network.modules() if isinstance(module, BinaryConv2d)]
    assert all((alpha is None) is (scale == "none") for alpha in alphas)
    assert all(alpha is None or alpha.shape[1:] == (1, 1, 1) for alpha in alphas)


@pytest.mark.parametrize("skip", ["free", "published", "none"])
def test_real_layers_are_exactly_those_that_the_template_names(skip):
    network = decode(SPACE, GENOME, replace(SURROUND, template=replace(SMALL, skip=skip)))
    products = (nn.modules.conv._ConvNd, nn.Linear, nn.Bilinear, nn.MultiheadAttention)
    found = {name for name, module in network.named_modules() if isinstance(module, products)}
    assert found == {"stem.conv", "head.linear"} | ({"cells.1.skip.conv"} if skip == "published" else set())
    assert all(isinstance(network.get_submodule(name), (RealConv2d, nn.Linear)) for name in found)
    assert_binary(network, (2, 16, 16), "minus_one")
    around = {"free": ["FreeSkip", "Identity"], "published": ["PublishedSkip", "Identity"], "none": ["NoneType"] * 2}
    assert [type(cell.skip).__name__ for cell in network.cells] == ["NoneType", *around[skip]]


def test_weights_come_from_the_canonical_form_alone():
    spelled = (
        "normal[2 = max3(1) + conv3(0); 3 = avg3(0) + zero(2) + dil3(2); 4 = conv5(1); 5 = dil5(4)] "
        "reduction[2 = conv5(1) + conv3(0); 3 = max3(2) + zero(0); 5 = avg3(4) + conv3(4)] "
        "@normal = mul(scale(x), sin(neg(neg(x)))) @reduction = add(zero, x)"
    )
    networks = []
    for genome in (GENOME, parse_genome(spelled), canonical(SPACE, GENOME)):
        torch.manual_seed(5)
        networks.append(decode(SPACE, genome, SURROUND))
    torch.manual_seed(5)
    networks.append(decode(SPACE, canonical(SPACE, GENOME), SURROUND, as_written=True))
    x = torch.randn(2, 2, 16, 16)
    first = networks[0].state_dict()
    assert len(first) > 40
    for network in networks[1:]:
        state = network.state_dict()
        assert list(state) == list(first)
        assert all(torch.equal(state[name], first[name]) for name in first)
        assert torch.equal(network.eval()(x), networks[0].eval()(x))
    assert len(networks) == 4


STAYING = {
    "free": ("896d5bb2a338e7db", 1532.29564, SMALL, "every", {}),
    "published": (
        "639acb090692d697",
        1791.96555,
        replace(SMALL, skip="published", padding="zero", scale="none", stem=3.0),
        "every",
        {"published": True},
    ),
    "bnas": ("0c1d62e9fd0f3584", 2760.51070, replace(CIFAR, cells=6, width=4), "bnas-cifar10", {}),
    "head": ("d2eddf29d0c146d3", 6549.70402, replace(CIFAR, cells=6, width=4, head=2), "bnas-imagenet", {}),
}
"""Initial weights of networks as they were before there were other macros than BNAS's: SHA-256 of names, shapes and
signs of a state dict, and the sum of its magnitudes.
"""
EVERY = GENOME.with_expression("reduction", parse_genome("@net = mix(x, shift(x))").expression_at("net"))


@pytest.mark.parametrize("name", list(STAYING))
def test_a_seed_draws_the_weights_that_it_always_drew(name):
    digits, size, template, genome, how = STAYING[name]
    if genome == "every":
        space, genome, surround = joint(template, 16), EVERY, Surround(template, (2, 16, 16), 3)
    else:
        space, genome, surround = bnas(template, 32), PUBLISHED[genome], Surround(template, (3, 32, 32), 10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20240501)
        state = decode(space, genome, surround, **how).state_dict()
    digest = hashlib.sha256()
    for key, tensor in state.items():
        digest.update(f"{key} {tuple(tensor.shape)} ".encode() + (tensor > 0).numpy().tobytes())
    assert len(state) > 100
    assert sum(float(tensor.double().abs().sum()) for tensor in state.values()) == pytest.approx(size, rel=1e-6)
    assert digest.hexdigest()[:16] == digits


def test_sites_get_the_expression_of_their_narrowest_class():
    genome = parse_genome(
        "normal[2 = conv3(0); 3 = conv3(2)] reduction[2 = conv3(1)] @net = sin(x) @normal/3 = cos(x) @reduction = x"
    )
    network = on_meta(SPACE, genome, SURROUND)
    found = {
        name: "x" if module.activation is None else module.activation.tree[0]
        for name, module in network.named_modules()
        if isinstance(module, Site)
    }
    assert {name: form for name, form in found.items() if name.startswith(("cells.0", "cells.1"))} == {
        "cells.0.pre0.site": "sin",
        "cells.0.ops.0.site": "sin",
        "cells.0.ops.1.site": "cos",
        "cells.1.pre1.site": "x",
        "cells.1.ops.0.site": "x",
    }


def test_surrogate_clip_and_precision_reach_every_site_and_convolution():
    surround = replace(SURROUND, surrogate="approxsign", clip=1.3, precision="bf16")
    network = on_meta(SPACE, GENOME, surround)
    sites = [module for module in network.modules() if isinstance(module, Site)]
    convolutions = [module for module in network.modules() if isinstance(module, BinaryConv2d)]
    assert len(sites) == len(convolutions) > 10
    assert {(site.surrogate, site.clip, site.short, site.real) for site in sites} == {("approxsign", 1.3, True, False)}
    assert {(c.precision, c.padding, c.scale, c.real) for c in convolutions} == {("bf16", "minus_one", "mean", False)}


def test_shifts_and_scales_reach_every_site_and_convolution():
    surround = replace(SURROUND, template=replace(SMALL, scale="learnable"), shift=True)
    network = on_meta(SPACE, GENOME, surround)
    sites = [module for module in network.modules() if isinstance(module, Site)]
    convolutions = [module for module in network.modules() if isinstance(module, BinaryConv2d)]
    assert len(sites) == len(convolutions) > 10
    assert all(site.shift is not None for site in sites)
    assert {site.shift.channels for site in sites} >= {conv.in_channels for conv in convolutions}
    assert all(conv.alpha.shape == (conv.out_channels, 1, 1, 1) for conv in convolutions)
    added = sum(site.shift.channels for site in sites) + sum(conv.out_channels for conv in convolutions)
    plain = on_meta(SPACE, GENOME, SURROUND)
    assert sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in plain.parameters()) == added


def test_every_node_and_input_may_have_an_expression_of_its_own():
    space = joint(SMALL, 16, choice=Choice(sites="node"))
    cells = "normal[2 = conv3(0); 3 = conv3(1); 4 = conv3(2); 5 = conv3(3)] reduction[2 = conv3(0) + max3(1)]"
    forms = {0: "sin", 1: "atan", 2: "cube", 3: "erf", 4: "neg", 5: "tan"}
    said = " ".join(f"@normal/{number} = {form}(x)" for number, form in forms.items())
    network = on_meta(space, parse_genome(f"{cells} {said} @reduction = x"), SURROUND)
    tops = {
        name: module.activation.tree[0] for name, module in network.cells[0].named_modules() if isinstance(module, Site)
    }
    assert tops == {
        **{f"pre{number}.site": forms[number] for number in (0, 1)},
        **{f"ops.{edge}.site": forms[edge + 2] for edge in range(4)},
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_real_weights_behind_binary_activations(precision):
    surround = replace(SURROUND, precision=precision)
    networks = []
    for weights in ("binary", "real"):
        torch.manual_seed(9)
        networks.append(decode(SPACE, GENOME, surround, weights=weights))
    binary, real = networks
    assert list(binary.state_dict()) == list(real.state_dict())
    assert all(torch.equal(binary.state_dict()[name], tensor) for name, tensor in real.state_dict().items())
    with Seen() as seen:
        real(torch.randn(2, 2, 16, 16)).sum().backward()
    cells = seen.convolutions[1:]  # the stem is first
    assert len(cells) == sum(isinstance(module, BinaryConv2d) for module in real.modules()) > 10
    assert all(set(x.unique().tolist()) <= {-1.0, 1.0} for x, _, _ in cells)
    assert all(len(weight.unique()) > 2 for _, weight, _ in cells)
    assert profile(real, (2, 16, 16)).binary_macs == 0
    with pytest.raises(NetworkError, match="'binary'"):
        decode(SPACE, GENOME, surround, weights="binry")
    with pytest.raises(NetworkError, match="'twin'"):
        decode(SPACE, GENOME, surround, variant="twn")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_real_twin_has_the_same_parameters(precision):
    surround = replace(SURROUND, precision=precision)
    networks = []
    for variant in ("binary", "twin"):
        torch.manual_seed(9)
        networks.append(decode(SPACE, GENOME, surround, variant=variant))
    binary, twin = networks
    assert {n: p.shape for n, p in binary.named_parameters()} == {n: p.shape for n, p in twin.named_parameters()}
    assert all(torch.equal(binary.state_dict()[name], tensor) for name, tensor in twin.state_dict().items())
    with Seen() as seen:
        twin(torch.randn(2, 2, 16, 16)).sum().backward()
    assert len(seen.convolutions) > 10
    assert all(len(weight.unique()) > 2 for _, weight, _ in seen.convolutions)
    assert profile(twin, (2, 16, 16)).binary_macs == 0
    assert profile(twin, (2, 16, 16)).real_macs == (
        profile(binary, (2, 16, 16)).binary_macs + profile(binary, (2, 16, 16)).real_macs
    )


def test_the_older_input_after_a_reduction_is_halved_without_affine_norm():
    network = on_meta(SPACE, GENOME, SURROUND)
    found = [(cell.pre0.conv.kernel, cell.pre0.conv.stride, cell.pre0.norm.affine) for cell in network.cells]
    assert found == [(1, 1, True), (1, 1, True), (3, 2, False)]
    assert [(cell.pre1.conv.kernel, cell.pre1.conv.stride, cell.pre1.norm.affine) for cell in network.cells] == [
        (1, 1, True)
    ] * 3


@pytest.mark.parametrize("size", [16, 15, 9])
def test_odd_maps_fit_together(size):
    space = joint(SMALL, size)
    checked = 0
    for seed in range(4):
        genome = space.sample(generator(seed))
        for skip in ("free", "published"):
            surround = Surround(replace(SMALL, skip=skip), (2, size, size), 3)
            assert decode(space, genome, surround)(torch.randn(2, 2, size, size)).shape == (2, 3)
            checked += 1
    assert checked == 8


@pytest.mark.parametrize(
    "cells",
    [
        "normal[2 = conv3(0)] reduction[]",
        "normal[2 = max3(1)] reduction[2 = conv3(0)]",
        "normal[] reduction[2 = conv3(1)]",
        "normal[] reduction[2 = conv3(0)]",
        "normal[2 = zero(0); 3 = conv3(2)] reduction[]",
        "normal[2 = zero(0); 3 = max3(2); 4 = conv3(3)] reduction[2 = max3(1)]",
        "normal[] reduction[]",
        "normal[5 = avg3(0)] reduction[4 = avg3(0)]",
    ],
)
def test_the_logits_depend_on_the_image_exactly_where_a_path_is_said_to_lead(cells):
    genome = parse_genome(f"{cells} @net = x")
    torch.manual_seed(0)
    network = decode(SPACE, genome, SURROUND)
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(6, 2, 16, 16))  # until the running means have moved: the stem's ReLU leaves no minus
        logits = network.eval()(torch.randn(6, 2, 16, 16))
    depends = bool((logits - logits[:1]).abs().max() > 1e-3)
    assert depends is (lost_signal(SPACE, SMALL, genome) == "")


def test_what_cannot_be_built_is_refused():
    with pytest.raises(GenomeError, match="a cell 'reduction'"):
        decode(SPACE, parse_genome("normal[] @net = x"), SURROUND)
    with pytest.raises(NetworkError, match="surrogate"):
        decode(SPACE, GENOME, replace(SURROUND, surrogate="approx_sign"))


def test_tables_are_arguments():
    calls = []
    ops = {**OPS, "max3": lambda *arguments: calls.append(arguments[:2]) or OPS["avg3"](*arguments)}
    forms = {**FORMS, "sin": replace(FORMS["cos"], name="sin")}
    network = decode(SPACE, GENOME, SURROUND, ops=ops, forms=forms)
    assert calls == [(4, 1), (8, 1), (8, 1)]
    activation = next(module for module in network.modules() if isinstance(module, TreeActivation))
    x = torch.zeros(1, activation.channels, 1, 1)
    assert torch.equal(activation(x + 0.3), torch.cos(x + 0.3) * (x + 0.3))


# --- Every macro with every published genome ------------------------------------------------------------------------

STYLES = {"cifar": (3, 16, 16), "imagenet": (3, 32, 32)}
CELLS = {name: genome for name, genome in PUBLISHED.items() if genome.cells}
"""Published cells; BATS and CP-NAS published none, so their operations stand in two that were drawn by hand."""
CELLS["bats"] = parse_genome(
    "normal[2 = gconv3(0) + skip(1); 3 = gdil5(0) + gconv5(2); 4 = gdil3(3) + zero(0); 5 = avg3(1) + skip(4)] "
    "reduction[2 = gconv5(0) + skip(1); 3 = skip(0) + max3(2); 4 = gdil3(3) + gconv3(1); 5 = gdil5(2) + skip(2)] "
    "@net = x"
)
CELLS["cpnas"] = parse_genome(
    "normal[2 = sep3(0) + identity(1); 3 = cdil3(0) + sep5(1) + cdil5(2); 4 = max3(3) + sep3(2); 5 = identity(4)] "
    "reduction[2 = sep5(0) + identity(1); 3 = identity(0) + max3(1) + sep3(2); 4 = cdil3(1) + cdil5(3); 5 = sep3(4)] "
    "@net = x"
)


def one_step(network, shape):
    """Train one step; return how many parameters have a gradient, all of them finite, and how many moved."""
    optimiser = make_optimiser(network, Recipe())
    before = [parameter.detach().clone() for parameter in network.parameters()]
    images, labels = torch.randn(6, *shape), torch.arange(6) % 3
    F.cross_entropy(network.train()(images), labels).backward()
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
    optimiser.step()
    moved = sum(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    return len(found), moved


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("name", list(CELLS))
@pytest.mark.parametrize("macro", list(MACROS))
def test_every_macro_with_every_published_cell_is_binary_and_learns(macro, name, style):
    template = Template(
        cells=4,
        width=4,
        reductions=2,
        skip="published" if macro == "bnas" else "none",
        padding="minus_one",
        scale="mean",
        stem=1 if style == "imagenet" else 3,
        macro=macro,
        style=style,
    )
    shape, space = STYLES[style], bnas(template, 64)
    surround = Surround(template, shape, 3, "approxsign", 1.3)
    torch.manual_seed(0)
    network = decode(space, CELLS[name], surround)
    modules = sum(isinstance(module, BinaryConv2d) for module in network.modules())
    live = [cell for cell, runs in zip(network.cells, network.live, strict=True) if runs]
    run = sum(isinstance(module, BinaryConv2d) for cell in live for module in cell.modules())
    assert assert_binary(network, shape, "minus_one") == 2 * run > 0
    assert len(live) == 4 and run == modules
    sites = [module for module in network.modules() if isinstance(module, Site)]
    assert sites
    assert {(site.surrogate, site.clip, site.real) for site in sites} == {("approxsign", 1.3, False)}
    gradients, moved = one_step(network, shape)
    parameters = len(list(network.parameters()))
    assert gradients == parameters
    assert moved > 0.8 * parameters
    assert all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
    cost = profile(network, shape)
    assert cost.binary_macs > 0
    twins = []
    for variant in ("binary", "twin"):
        torch.manual_seed(0)
        twins.append(decode(space, CELLS[name], surround, variant=variant))
    assert list(twins[0].state_dict()) == list(twins[1].state_dict())
    assert all(map(torch.equal, twins[0].state_dict().values(), twins[1].state_dict().values()))
    twin = twins[1]
    assert profile(twin, shape).binary_macs == 0
    assert profile(twin, shape).real_macs == cost.real_macs + cost.binary_macs


@pytest.mark.parametrize("name", [name for name, genome in PUBLISHED.items() if not genome.cells])
def test_the_residual_network_with_every_baseline_is_binary_and_learns(name):
    template = Template(
        cells=3, width=4, reductions=1, skip="none", padding="minus_one", scale="none", stem=1, macro="resnet"
    )
    space = gaaf(template, 16, choice=Choice(sites="net"))
    surround = Surround(template, (3, 16, 16), 3, clip=1.3)
    network = decode(space, PUBLISHED[name], surround)
    convolutions = 3 * 2 + 1
    assert assert_binary(network, (3, 16, 16), "minus_one") == 2 * convolutions
    assert [type(network.head)] == [Head]
    assert {module.clip for module in network.modules() if isinstance(module, Site)} == {1.3}
    gradients, moved = one_step(network, (3, 16, 16))
    assert gradients == moved == len(list(network.parameters()))


def test_blocks_of_the_residual_network_have_the_expression_of_their_kind():
    template = Template(cells=4, width=4, reductions=1, skip="none", stem=1, macro="resnet")
    space = gaaf(template, 16, choice=Choice(sites="kind"))
    network = on_meta(space, parse_genome("@normal = sin(x) @reduction = cos(x)"), Surround(template, (3, 16, 16), 3))
    trees = [[m.activation.tree[0] for m in block.modules() if isinstance(m, Site)] for block in network.blocks]
    assert trees == [["sin"] * 2, ["sin"] * 2, ["cos"] * 3, ["sin"] * 2]
