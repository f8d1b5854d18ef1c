"""The reference of `bench_training.py`: binary networks and their training step as one plainly writes them in PyTorch.

Separate standard operations, float32, PyTorch's default memory format, its own Adam; images lie in memory as float32,
normalised beforehand. Nothing is imported from evobnn, and the file is fixed by its SHA-256 in `bench_training.py`: who
changes it changes what every recorded ratio refers to.

Networks have the names of evobnn's parameters, so that weights can be handed over. They are those of the macro `bnas`
in the style `cifar` and of `resnet`, with the plain sign at every site and the clipped identity as its gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Edges = Sequence[tuple[int, int, str]]
"""(source, target, operation): sources 0 and 1 are the inputs of a cell, 2, 3, … its nodes."""

CONVOLUTIONS = {"conv3": (3, 1), "conv5": (5, 1), "dil3": (3, 2), "dil5": (5, 2)}
"""Kernel and dilation of the operations that are binary convolutions; the others are max3, avg3 and zero."""


class Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; the gradient passes where |x| < clip."""

    @staticmethod
    def forward(ctx, x: Tensor, clip: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.clip = clip
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() < ctx.clip), None


class WeightSign(torch.autograd.Function):
    """+1 where w >= 0, else -1; the gradient passes everywhere."""

    @staticmethod
    def forward(ctx, w: Tensor) -> Tensor:
        return torch.where(w >= 0, 1.0, -1.0).to(w.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class BinaryConv(nn.Module):
    """A convolution of ±1 with sign(w), times mean|w| of each filter if `scaled`; padded by -1 or by 0."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, dilation: int, padding: str, scaled: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.stride, self.dilation, self.scaled = stride, dilation, scaled
        self.border, self.value = dilation * (kernel - 1) // 2, -1.0 if padding == "minus_one" else 0.0

    def forward(self, x: Tensor) -> Tensor:
        w = WeightSign.apply(self.weight)
        if self.scaled:
            w = w * self.weight.detach().abs().mean((1, 2, 3), keepdim=True)
        if self.border and self.value:
            x = F.pad(x, (self.border,) * 4, value=self.value)
            return F.conv2d(x, w, stride=self.stride, dilation=self.dilation)
        return F.conv2d(x, w, stride=self.stride, padding=self.border, dilation=self.dilation)


class BinaryLayer(nn.Module):
    """BatchNorm -> sign -> binary convolution -> ReLU, or with `norm_last` sign -> binary convolution -> BatchNorm."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int, padding: str, scaled: bool, clip: float, *,
        dilation: int = 1, affine: bool = True, norm_last: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.norm = nn.BatchNorm2d(c_out if norm_last else c_in, affine=affine)
        self.conv = BinaryConv(c_in, c_out, kernel, stride, dilation, padding, scaled)
        self.clip, self.norm_last = clip, norm_last

    def forward(self, x: Tensor) -> Tensor:
        if self.norm_last:
            return self.norm(self.conv(Sign.apply(x, self.clip)))
        return F.relu(self.conv(Sign.apply(self.norm(x), self.clip)))


class Stem(nn.Module):
    """BatchNorm -> convolution 3x3 -> ReLU."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(c_in)
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(self.norm(x)))


class RealSkip(nn.Module):
    """BatchNorm -> real convolution 2x2 of stride 2: the published way around a reduction. Even maps only."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(c_in)
        self.conv = nn.Conv2d(c_in, c_out, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


class FreeSkip(nn.Module):
    """Mean over 2x2, the channels repeated until there are enough: the way without a parameter."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.c_out, self.times = c_out, -(-c_out // c_in)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, 2).repeat(1, self.times, 1, 1)[:, : self.c_out]


class Cell(nn.Module):
    """Nodes that sum what their edges bring, side by side, plus the skip. Every node needs an edge that is not zero."""

    def __init__(
        self, edges: Edges, c0: int, c1: int, channels: int, stride: int, skip: nn.Module | None, padding: str,
        scaled: bool, clip: float, *, older_is_larger: bool,
    ):  # fmt: skip
        super().__init__()
        style = (padding, scaled, clip)
        self.edges, self.skip = tuple(edges), skip
        self.pre0 = self.pre1 = None
        used = {source for source, _, operation in edges if operation != "zero"}
        if 0 in used and older_is_larger:
            self.pre0 = BinaryLayer(c0, channels, 3, 2, *style, affine=False)
        elif 0 in used:
            self.pre0 = BinaryLayer(c0, channels, 1, 1, *style)
        if 1 in used:
            self.pre1 = BinaryLayer(c1, channels, 1, 1, *style)
        self.ops = nn.ModuleList(
            operation_of(name, channels, stride if source < 2 else 1, *style) for source, _, name in edges
        )

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        values = {0: None if self.pre0 is None else self.pre0(s0), 1: None if self.pre1 is None else self.pre1(s1)}
        for (source, target, name), op in zip(self.edges, self.ops, strict=True):
            if name != "zero":
                term = op(values[source])
                values[target] = values[target] + term if target in values else term
        out = torch.cat([values[node] for node in sorted(values) if node > 1], dim=1)
        return out if self.skip is None else out + self.skip(s1)


def operation_of(name: str, channels: int, stride: int, padding: str, scaled: bool, clip: float) -> nn.Module:
    """Return the module of one edge."""
    if name == "zero":
        return nn.Identity()  # not run
    if name == "max3":
        return nn.MaxPool2d(3, stride, padding=1)
    if name == "avg3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    kernel, dilation = CONVOLUTIONS[name]
    return BinaryLayer(channels, channels, kernel, stride, padding, scaled, clip, dilation=dilation)


class Head(nn.Module):
    """Mean over each of size x size parts of the map, then a linear layer."""

    def __init__(self, c_in: int, classes: int, size: int):
        super().__init__()
        self.size, self.linear = size, nn.Linear(c_in * size * size, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.adaptive_avg_pool2d(x, self.size).flatten(1))


class CellNetwork(nn.Module):
    """Stem, cells, head; each cell sees the outputs of the two modules before it. Images (N, C, H, W) -> logits."""

    def __init__(
        self, cells: Mapping[str, Edges], kinds: Sequence[str], image_channels: int, classes: int, *, width: int,
        stem: int, skip: str, padding: str, scaled: bool, clip: float, head: int, nodes: int = 4,
    ):  # fmt: skip
        super().__init__()
        self.stem = Stem(image_channels, stem)
        self.cells = nn.ModuleList()
        older, previous, channels, older_is_larger = stem, stem, width, False
        for index, kind in enumerate(kinds):
            reduces = kind == "reduction"
            channels = 2 * channels if reduces else channels
            around: nn.Module | None = None
            if skip != "none" and reduces:
                around = (FreeSkip if skip == "free" else RealSkip)(previous, nodes * channels)
            elif skip != "none" and index:
                around = nn.Identity()
            shape = (older, previous, channels, 2 if reduces else 1)
            style = (padding, scaled, clip)
            self.cells.append(Cell(cells[kind], *shape, around, *style, older_is_larger=older_is_larger))
            older, previous, older_is_larger = previous, nodes * channels, reduces
        self.head = Head(previous, classes, head)

    def forward(self, x: Tensor) -> Tensor:
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1)
        return self.head(s1)


class Block(nn.Module):
    """Twice sign -> binary convolution 3x3 -> BatchNorm, plus a shortcut; 1x1 where the shape changes."""

    def __init__(self, c_in: int, c_out: int, stride: int, padding: str, scaled: bool, clip: float):
        super().__init__()
        style = (padding, scaled, clip)
        self.first = BinaryLayer(c_in, c_out, 3, stride, *style, norm_last=True)
        self.second = BinaryLayer(c_out, c_out, 3, 1, *style, norm_last=True)
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else BinaryLayer(c_in, c_out, 1, stride, *style, norm_last=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + self.shortcut(x)


class ResNetStem(nn.Module):
    """BatchNorm, not affine -> convolution 3x3 -> BatchNorm."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in, affine=False)
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm2(self.conv(self.norm1(x)))


class ResNet(nn.Module):
    """GAAF's network: stem, blocks, ReLU, head. Width 64 and `kinds` of eight blocks make its ResNet-18."""

    def __init__(
        self, kinds: Sequence[str], image_channels: int, classes: int, *, width: int, padding: str, scaled: bool,
        clip: float, head: int,
    ):  # fmt: skip
        super().__init__()
        self.stem = ResNetStem(image_channels, width)
        channels, blocks = width, []
        for kind in kinds:
            stride = 2 if kind == "reduction" else 1
            blocks.append(Block(channels, channels * stride, stride, padding, scaled, clip))
            channels *= stride
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(channels, classes, head)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.blocks(self.stem(x))))


class Trainer:
    """Adam, the bound on the gradient's norm and the clamp of latent weights, around a network."""

    def __init__(self, network: nn.Module, rate: float, gradient_norm: float, latent_clip: float):
        self.network, self.gradient_norm, self.latent_clip = network, gradient_norm, latent_clip
        self.optimiser = torch.optim.Adam(network.parameters(), lr=rate)
        self.latent = [module.weight for module in network.modules() if isinstance(module, BinaryConv)]
        network.train()

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take one step on normalised images and return the loss before it."""
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.network(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_norm)
        self.optimiser.step()
        with torch.no_grad():
            for weight in self.latent:
                weight.clamp_(-self.latent_clip, self.latent_clip)
        return loss.detach()

    def epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Train on every batch and return the mean of the losses."""
        losses = [self.step(images, labels) for images, labels in batches]
        return float(torch.stack(losses).mean())

    @torch.no_grad()
    def error(self, images: Tensor, labels: Tensor, batch: int = 512) -> float:
        """Return the share of images that the network gets wrong; it goes on training afterwards."""
        self.network.eval()
        wrong = 0
        for start in range(0, len(labels), batch):
            wrong += int((self.network(images[start : start + batch]).argmax(1) != labels[start : start + batch]).sum())
        self.network.train()
        return wrong / len(labels)


def batches_in_memory(images: Tensor, labels: Tensor, batch: int) -> Iterable[tuple[Tensor, Tensor]]:
    """Yield one epoch in random order, as an index into the tensors."""
    for indices in torch.randperm(len(labels)).split(batch):
        yield images[indices], labels[indices]


def batches_of_loader(images: Tensor, labels: Tensor, batch: int) -> Iterable[tuple[Tensor, Tensor]]:
    """Return one epoch in random order, image by image through a DataLoader in this process."""
    return DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=True)
