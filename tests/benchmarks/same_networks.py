"""The networks of `bench_same.py`: each kind of layer and function with which a network may leave, briefly trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from evobnn import Additions, OpSpec
from evobnn.deploy.graph import Value
from evobnn.deploy.leaves import halved
from evobnn.deploy.lower import Builder, Rule, below
from evobnn.deploy.ops import Add, Scale, Subsample, float32
from evobnn.experiment.final import FinalSettings
from evobnn.experiment.recipes import load_plan
from evobnn.experiment.text import quickest_kernels
from evobnn.nn import binary_layer
from evobnn.runs import Options
from evobnn.runs.chosen import experiment
from evobnn.runs.final import FinalSession, create


class Half(nn.Module):
    """Half of every stride-th pixel: a module of a user's own, which nobody else counts or lowers."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return it."""
        return 0.5 * x[:, :, :: self.stride, :: self.stride]


class Halfway(nn.Module):
    """An operation of a user's own: a binary convolution of 1x1, and half of what it reads."""

    def __init__(self, layer: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.layer, self.rest = layer, rest

    def forward(self, x: Tensor) -> Tensor:
        """Return both added up."""
        out: Tensor = self.layer(x) + self.rest(x)
        return out


def halfway(channels: int, stride: int, site: Any, conv: Any) -> nn.Module:
    """Build it."""
    return Halfway(binary_layer(channels, channels, 1, site, conv, stride=stride), Half(stride))


def count_half(module: Half, out: int) -> tuple[str, dict[str, int]]:
    """Count the product."""
    return "other", {"other": out}


def lower_half(b: Builder, m: Any, path: str, x: Value) -> Value:
    """Lower it."""
    if m.stride > 1:
        x = b.add(Subsample(m.stride), x, path=path, shape=halved(x.shape, m.stride))
    return b.add(Scale(float32([0.5] * x.shape[0])), x, path=path, torch=lambda t: 0.5 * t)


def lower_halfway(b: Builder, m: Any, path: str, x: Value) -> Value:
    """Lower its parts."""
    return b.add(
        Add(), b.lower(m.layer, below(path, "layer"), x), b.lower(m.rest, below(path, "rest"), x), path=path,
        shape=halved(x.shape, m.rest.stride),
    )  # fmt: skip


SPEC = OpSpec("halfway", kernel=1, summary="binary 1x1, half of its input added", binary=True, zero_preserving=False)
OWN = Additions(operations={"halfway": (SPEC, halfway)}, counters={Half: count_half})
RULES: Mapping[type[nn.Module], Rule] = {Half: lower_half, Halfway: lower_halfway}

BNAS = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + dil3(2); 4 = avg3(0) + conv5(1); 5 = dil5(2) + zero(0)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2); 4 = conv5(1) + avg3(0); 5 = conv3(0) + max3(2)]"
)
BATS = (
    "normal[2 = gconv3(0) + skip(1); 3 = gdil3(1) + avg3(2); 4 = gconv5(0) + max3(2); 5 = gdil5(1) + skip(3)] "
    "reduction[2 = skip(0) + gconv3(1); 3 = skip(1) + max3(2); 4 = avg3(0) + gconv3(2); 5 = zero(0) + skip(2)]"
)
CPNAS = (
    "normal[2 = sep3(0) + identity(1); 3 = cdil3(1) + avg3(2); 4 = sep5(0) + max3(2); 5 = cdil5(1) + identity(3)] "
    "reduction[2 = identity(0) + sep3(1); 3 = identity(1) + max3(2); 4 = avg3(0) + cdil3(1); 5 = zero(0) + sep3(2)]"
)
THREE = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2); 4 = avg3(0) + dil3(2)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2); 4 = conv3(1) + avg3(0)]"
)
OF_ONE_S_OWN = (
    "normal[2 = halfway(0) + max3(1); 3 = conv3(1) + halfway(2); 4 = avg3(0) + halfway(2)] "
    "reduction[2 = halfway(0) + max3(1); 3 = conv3(1) + zero(2); 4 = halfway(1) + avg3(0)]"
)


@dataclass(frozen=True)
class Subject:
    """A network to train: preset, settings over it, genome, and what the recipe is told."""

    preset: str
    genome: str
    settings: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()
    epochs: int = 3
    additions: Additions = field(default_factory=Additions)
    rules: Mapping[type[nn.Module], Rule] = field(default_factory=dict)


_COLOUR = ("dataset.train_limit=1500", "dataset.validation_limit=200")
_RESNET = ("space.name=gaaf", "network.macro=resnet", "network.skip=none", "network.padding=zero", "network.scale=none")
_RESNET = (*_RESNET, "space.nodes=4", "network.stem=1", "network.head=1", "network.cells=3", "network.width=16")
_BATS = ("space.topology=bats", "network.macro=bats", "network.width=24")
_CPNAS = ("space.topology=cpnas", "network.macro=cpnas", "network.skip=none", "network.padding=zero")

SUBJECTS: dict[str, Subject] = {
    "mnist5k": Subject("mnist5k", f"{THREE} @normal = add(sin(x), x) @reduction = mul(scale(x), sigmoid(x))"),
    "published skip": Subject(
        "mnist5k",
        f"{THREE} @normal = sub(square(x), const) @reduction = mix(x, sin(x))",
        ("dataset.size=28", "network.skip=published", "network.padding=zero", "network.scale=learnable"),
    ),
    "encoding 2": Subject(
        "mnist5k",
        f"{THREE} @normal = add(sin(mul(scale(x), x)), shift(x)) @reduction = max(tan(sub(x, const)), neg(x))",
        ("space.encoding=2", "network.scale=bnas"),
    ),
    "dilated": Subject("digits", f"{BNAS} @normal = max(sin(x), atan(x)) @reduction = min(scale(x), cos(x))"),
    "bnas plain": Subject("bnas", BNAS),
    "grouped": Subject(
        "cifar10",
        f"{BATS} @normal = add(x, sin(x)) @reduction = sub(shift(x), gauss(x))",
        (*_BATS, *_COLOUR, "network.scale=standardised"),
        ("recipe.shift=true",),
    ),
    "imagenet style": Subject(
        "cifar10",
        f"{BATS} @normal = add(x, sin(x)) @reduction = sub(shift(x), gauss(x))",
        (*_BATS, *_COLOUR, "dataset.size=40", "network.style=imagenet", "network.stem=1", "network.reductions=1"),
    ),
    "separable": Subject("cpnas", CPNAS),
    "odd size": Subject(
        "mnist5k",
        f"{CPNAS} @normal = sub(square(x), const) @reduction = gate(x, scale(x))",
        (*_CPNAS, "space.nodes=4", "dataset.size=13", "network.scale=xnor"),
    ),
    "colour": Subject(
        "cifar10",
        f"{BNAS} @normal = add(sin(x), scale(x)) @reduction = mix(tan(x), x)",
        (*_COLOUR, "dataset.size=32", "network.cells=3", "network.reductions=2", "network.width=16"),
    ),
    "resnet, sine": Subject("cifar10", "@net = sin(x)", (*_RESNET, *_COLOUR)),
    "resnet, pole": Subject("mnist5k", "@net = ratio(cos(x), erf(x))", _RESNET),
    "zeros, half": Subject("mnist5k", "@net = sub(zero, relu(x))", _RESNET),
    "zeros, underflow": Subject(
        "mnist5k",
        f"{THREE} @normal = mul(gaussdiff(zero, cube(x)), neg(x)) @reduction = mul(gaussdiff(zero, cube(x)), sin(x))",
        ("space.encoding=2",),
    ),
    "a user's own": Subject(
        "mnist5k",
        f"{OF_ONE_S_OWN} @normal = sub(shift(x), cos(x)) @reduction = div(x, cos(x))",
        ('space.offered=["halfway", "conv3", "max3", "avg3", "zero"]',),
        additions=OWN,
        rules=RULES,
    ),
}
"""By name; genomes are those of a person who wants each kind of layer, not of a search."""


def trained(name: str, folder: Path, data_dir: Path) -> Path:
    """Return the folder of a network's training, which is begun or gone on with where it is not finished."""
    subject = SUBJECTS[name]
    settings = experiment(subject.preset, None, subject.settings, additions=subject.additions)
    plan = load_plan("brief", settings.recipe, subject.recipe, subject.epochs, quickest_kernels(settings))
    options = Options(jobs=1, data_dir=data_dir, additions=subject.additions)
    final = FinalSettings(subject.genome, settings, plan)
    place = create(final, options, folder, folder / name.replace(" ", "-").replace(",", "").replace("'", ""))
    session = FinalSession(place, options)
    session.proceed()
    return place
