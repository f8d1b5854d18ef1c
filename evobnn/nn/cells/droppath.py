"""Drop-path: while training, what an operation brings is left out for some images, and scaled up for the others.

Source: Larsson et al. 2017 (FractalNet), per image as in the final training of DARTS-like cells, BNAS's among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DropPath:
    """Drops with `probability` p, 0 < p < 1, and draws from `generator`, which is on the CPU and moves on.

    Forward:   y = x m / (1 - p),   m = 0 with probability p, else 1, one per image and operation: y is x in expectation

    A deep copy of a network has a copy of the generator, which goes on by itself.
    """

    probability: float
    generator: torch.Generator

    def factors(self, count: int, like: Tensor) -> Tensor:
        """Return m / (1 - p) of `count` operations, (count, N, 1, 1, 1), for a batch like `like` (N, …)."""
        drawn = torch.rand((count, len(like)), generator=self.generator, dtype=torch.float32, device="cpu")
        kept = (drawn >= self.probability).to(torch.float32).div_(1.0 - self.probability)
        return kept.to(like.device, like.dtype).view(count, -1, 1, 1, 1)
