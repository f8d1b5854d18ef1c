"""Networks whose shapes alone are asked for: built without a weight being drawn, run without anything being computed.

Who counts wants to know what shapes pass through a network, and nothing else. PyTorch's meta device can tell, but works
that out in Python, operation by operation, and begins by importing 800 modules. A batch of no images goes through the
compiled operations instead, which find nothing to do; and memory that nobody reads or writes is only on paper.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.site import Site


class _Unfilled(TorchFunctionMode):
    """Leaves out what does nothing but fill a tensor, in place."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in _FILLING else func(*args, **(kwargs or {}))


_FILLING = frozenset((torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.fill_, torch.Tensor.zero_))


@contextmanager
def unfilled() -> Iterator[None]:
    """Let modules made in the block keep whatever their memory held, which a large one then does not even touch. The
    global random generator is left where it was.
    """
    with torch.random.fork_rng(devices=[]), _Unfilled():
        yield


def hollow_twin(network: nn.Module) -> nn.Module:
    """Return a copy of `network`, whatever its device, on the meta device and without hooks; no tensor is copied."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer.to("meta")
    twin = copy.deepcopy(network, memo)
    for module in twin.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return twin


def _as_it_is(conv: BinaryConv2d) -> tuple[torch.Tensor, None]:
    """Return the latent weight in place of its parts, which have the same shape."""
    return conv.weight, None


def run_empty(network: nn.Module, shape: tuple[int, ...], again: Callable[[], None]) -> None:
    """Send a batch of no images (C, H, W) through `network`, on the CPU, so that its hooks see what comes out of every
    module. It is of no use for anything else afterwards.

    One that cannot do with an empty batch, as some module of a user's may, or is too large for this machine, is run on
    one image on the meta device, from the beginning and after a call of `again`.
    """
    for module in network.eval().modules():
        if isinstance(module, Site):
            module.watching = False
        elif isinstance(module, BinaryConv2d):  # its shapes do not depend on how its weights are quantised
            module.fused = module._short = False
            module.parts = partial(_as_it_is, module)  # type: ignore[method-assign]
    tensors = [*network.parameters(), *network.buffers()]
    dtype = next((tensor.dtype for tensor in network.parameters()), torch.get_default_dtype())
    with torch.no_grad():
        try:
            if any(tensor.device.type != "cpu" for tensor in tensors):
                network.to_empty(device="cpu")
            network(torch.empty((0, *shape), dtype=dtype, device="cpu"))
        except Exception:  # of any kind: what is wrong with the network itself is wrong on the meta device too
            again()
            network.to("meta")(torch.empty((1, *shape), dtype=dtype, device="meta"))
