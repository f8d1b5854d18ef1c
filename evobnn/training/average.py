"""The running mean of a network's weights (exponential moving average)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """After each step m = decay m + (1 - decay) w, element by element; m begins as w.

    That goes for parameters and for the moments of BatchNorm alike: averaged weights make activations whose moments lie
    nearer to the averaged ones than to those of the last step. Buffers of whole numbers are not averaged.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._live = {
            name: tensor
            for name, tensor in [*network.named_parameters(), *network.named_buffers()]
            if tensor.is_floating_point()
        }
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._pair = list(self.tensors.values()), list(self._live.values())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights as they are now."""
        self._update(*self._pair, 0)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network compute with the averaged weights during the block; they are exchanged, not copied."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for mean, live in zip(*self._pair, strict=True):
            mean.data, live.data = live.data, mean.data

    @torch.no_grad()
    def settle(self) -> None:
        """Copy the averaged weights into the network, for good."""
        for mean, live in zip(*self._pair, strict=True):
            live.copy_(mean)

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the averages that another one's `tensors` were."""
        for name, mean in self.tensors.items():
            mean.copy_(tensors[name])
