"""The one switch between the readable network and its compiled twin: `fuse` hands layers and networks fast ways."""

from __future__ import annotations

from torch import Tensor, nn

from evobnn.nn.binary.layers import BinaryConv2d, Layer
from evobnn.nn.fast.lanes.body import body_of, run
from evobnn.nn.fast.layer import quick
from evobnn.nn.networks.network import Network


def fuse(network: nn.Module, fused: bool = True) -> None:
    """Let a built network go the fast way on CPUs, or not any more; parameters and their names stay.

    Without Numba (`pip install 'evobnn[fast]'`) it goes on as it was.
    """
    for module in network.modules():
        if isinstance(module, BinaryConv2d):
            module.fused = fused
        elif isinstance(module, Layer):
            module.quick = quick if fused else None
        elif isinstance(module, Network):
            module.quick = _cells if fused else None
            rejoin(module)


def rejoin(network: Network) -> None:
    """Make the one function of a network's cells anew, where it goes the fast way and they were rewired."""
    joined = network.quick is not None and network.second is None
    network.body = body_of(list(network.cells), network.live) if joined else None


def _cells(network: Network, x: Tensor) -> Tensor | None:
    """Return the last cell's output as one function of the stem's, or None where that cannot be."""
    return run(network.body, x) if network.body is not None and network.body.ready(x) else None
