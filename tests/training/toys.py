"""A small network, small images and small plans, for the tests of training; importable by processes of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evobnn.data.batches import Tensors
from evobnn.nn import ConvStyle, ResNet, Site, TreeActivation, resnet
from evobnn.training import Plan, Recipe, Stage

SHORT = Recipe(epochs=2, batch=16, learning_rate=0.01)


def images(count: int = 40, held_out: int = 20) -> Tensors:
    """Return noisy 6x6 images whose upper (class 0), left (1) or lower (2) half is bright."""
    rng = torch.Generator().manual_seed(5)
    labels = torch.arange(count + held_out) % 3
    grey = torch.randint(0, 90, (count + held_out, 1, 6, 6), generator=rng, dtype=torch.uint8)
    grey[labels == 0, :, :3] += 120
    grey[labels == 1, :, :, :3] += 120
    grey[labels == 2, :, 3:] += 120
    seen = grey[:count].float()
    return Tensors(grey[:count], labels[:count], grey[count:], labels[count:], seen.mean().view(1), seen.std().view(1))


def network(seed: int = 0, *, width: int = 4, scale: str = "mean", shift: bool = False) -> ResNet:
    """Return a residual network with a learnable expression at every site, in the memory format of real trainings."""
    tree = ("mul", ("scale", ("x",)), ("sigmoid", ("x",)))

    def site(channels: int) -> nn.Module:
        return Site(TreeActivation(tree, channels), shift=shift, channels=channels)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = resnet(1, 3, width, ("normal", "reduction"), lambda kind: site, ConvStyle("minus_one", scale), head=2)
    return made.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


FULL = Plan(
    "full",
    (
        Stage(
            Recipe(
                epochs=2, batch=16, learning_rate=0.01, schedule="bnas", momentum=0.9, low_momentum=0.8, mixup=0.4,
                drop_path=0.3, ema=0.8, augmentation="shift1-flip", activations="real", weights="real",
                weight_decay=1e-3,
            )
        ),
        Stage(
            Recipe(
                epochs=3, batch=16, learning_rate=0.01, schedule="restarts", cycles=2, mixup=0.4, drop_path=0.3,
                ema=0.8, augmentation="shift1-cutout2", distillation=0.4, temperature=2.0, kernel_loss=1e-2,
                label_smoothing=0.1,
            ),
            start="fresh",
        ),
    ),
)  # fmt: skip
"""Two stages that use everything that has a state, one starting from the weights with which the network was given."""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return SHA-256 over names, shapes and bytes."""
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        found.update(f"{name}{tuple(tensor.shape)}".encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
