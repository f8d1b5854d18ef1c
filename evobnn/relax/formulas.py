"""The formulas of the three published searches: pure functions of tensors and numbers.

A table of alphas has a row for each edge, in the order of `evobnn.relax.derive.edges_of`, and a column for each
operation that is offered. BNAS's rescaled gradient stands with the other quantisers: `evobnn.nn.binary.weights.bnas`.

Sources: Kim, Singh, Choi, "Learning architectures for binary networks", ECCV 2020 (BNAS, arXiv 2002.06963); Bulat,
Martinez, Tzimiropoulos, "BATS: Binary ArchitecTure Search", ECCV 2020 (arXiv 2003.01711); Zhuo et al., "CP-NAS:
Child-parent neural architecture search for 1-bit CNNs", IJCAI 2020 (arXiv 2005.00057); Liu, Simonyan, Yang, "DARTS:
Differentiable architecture search", ICLR 2019 (arXiv 1806.09055).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evobnn.spaces import REDUCTION

Table = NDArray[np.float64]
"""(edges, operations)."""


def softened(alphas: Tensor, temperature: float = 1.0) -> Tensor:
    """Return softmax(alpha / T) of each edge, (edges, operations): the shares of its operations.

    T = 1 is DARTS, section 2.2, equation 2. T < 1 sharpens: BATS, section 3.3, so that of many shares that are nearly
    equal those of pools and skips do not win by default.
    """
    return torch.softmax(alphas / temperature, dim=1)


def entropies(alphas: Tensor) -> Tensor:
    """Return H = -Σ_o p_o ln p_o of each edge, (edges,), in nats, with p = softmax(alpha)."""
    logs = torch.log_softmax(alphas, dim=1)
    return -(logs.exp() * logs).sum(1)


def mean_entropy(alphas: Mapping[str, Tensor], as_released: bool = False) -> Tensor:
    """Return the mean of H over the edges of all kinds of cell: BNAS, section 3.4, "diversity regularization".

    `as_released` takes the last edge of the reduction cell in place of each of its edges, as the index in the published
    code does.
    """
    found = []
    for kind, table in alphas.items():
        own = entropies(table)
        found.append(own[-1].expand(len(own)) if as_released and kind == REDUCTION else own)
    return torch.cat(found).mean()


def fading(epoch: int, tau: float) -> float:
    """Return exp(-epoch / tau), epoch from 0: how much the entropy still counts (BNAS, section 3.4; tau = 7.7)."""
    return math.exp(-epoch / tau)


def divided(shares: Table, names: Sequence[str], gamma: float, as_released: bool = False) -> Table:
    """Return shares in which Zeroise is divided by gamma before edges and operations are chosen.

    BNAS, section 3.2, "Zeroise": gamma = 3 for the cells that go to ImageNet. `as_released` divides the first row, all
    operations of the first edge, in place of the column of Zeroise, as the published code does.
    """
    found = shares.copy()
    if as_released:
        found[0] /= gamma
    elif "zero" in names:
        found[:, list(names).index("zero")] /= gamma
    return found


def cosine_rate(epoch: int, epochs: int, highest: float, lowest: float) -> float:
    """Return low + (high - low) (1 + cos(pi epoch / epochs)) / 2: the rate of an epoch, from 0, of DARTS's weights."""
    return lowest + (highest - lowest) * 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))


def alpha_rate(travel: float, steps: int) -> float:
    """Return the rate of Adam with which alpha can move by `travel` at most in so many steps: a step of Adam is as long
    as its rate. Published are 3e-4 in 50 x 391 steps, which is 5.865; fewer steps of 3e-4 would not leave the start.
    """
    return travel / steps


def temperature_at(epoch: int, epochs: int, first: float, last: float) -> float:
    """Return the temperature of an epoch, from 0: from the first to the last in equal ratios. Where BATS's own schedule
    is unconfirmed, first = last is a constant one.
    """
    share = epoch / (epochs - 1) if epochs > 1 else 0.0
    return first * math.pow(last / first, share)


def indicator(child: float, parent: float, beta: float) -> float:
    """Return z = A_C + beta (A_P - A_C), the child-parent indicator: CP-NAS, section 3.2.

    A_C and A_P are validation accuracies of the 1-bit child and its real-valued parent. With beta = 0 it is the child's
    accuracy, with 1 the parent's. Published best is beta = 2, where z = 2 A_P - A_C: the child's accuracy then counts
    *negatively*, and of two children of equal parents the bad one is rewarded.
    """
    return child + beta * (parent - child)


def dropped(means: Sequence[float]) -> int:
    """Return which of the operations left on an edge goes: the one of the least softmax of its mean indicator, the
    first of equal ones (CP-NAS, algorithm 1). A softmax keeps the order, so that the least mean decides.
    """
    return int(np.argmin(np.asarray(means, dtype=np.float64)))
