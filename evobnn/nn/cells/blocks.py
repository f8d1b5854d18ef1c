"""A cell as a module, and the skips that lead around it.

A cell is a small graph: sources 0 and 1 are its two preprocessed inputs, 2, 3, … its nodes; each node sums what its
edges bring; the output is all nodes side by side, plus the skip. Source: BNAS (Kim, Singh, Choi 2020), section 3.3,
"inter-cell skip connections".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._checks import check_at_least
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.layers import RealConv2d, batch_norm
from evobnn.nn.cells.droppath import DropPath
from evobnn.nn.cells.ops import Zero


class PublishedSkip(nn.Module):
    """Around a reduction as in BNAS: BatchNorm -> real-valued convolution 2x2 of stride 2, with bias.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)); an odd map is padded by zeros, right and below.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = batch_norm(in_channels)
        self.conv = RealConv2d(in_channels, out_channels, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the skip's contribution to the output."""
        x = self.norm(x)
        h, w = x.shape[2:]
        out: Tensor = self.conv(F.pad(x, (0, w % 2, 0, h % 2)) if h % 2 or w % 2 else x)
        return out


class _Halved(torch.autograd.Function):
    """Mean over 2x2 of even maps, channels last; the gradient is a quarter, written four times in a single pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        n, c, h, w = grads[0].shape
        quarter = (grads[0] * 0.25).permute(0, 2, 3, 1)
        out = quarter.new_empty((n, h, 2, w, 2, c))
        out.copy_(quarter[:, :, None, :, None])
        return out.view(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


_halved: Callable[..., Tensor] = _Halved.apply


class FreeSkip(nn.Module):
    """Around a reduction without a parameter: mean over 2x2, then the channels repeated until there are enough.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)); at an odd edge the mean is over what is there.
    Channel k of the output is channel k mod in_channels of the input.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the skip's contribution to the output."""
        even = x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        x = _halved(x) if even and last else F.avg_pool2d(x, 2, 2, ceil_mode=True)
        whole, rest = divmod(self.out_channels, self.in_channels)
        parts = [x] * whole + ([x[:, :rest]] if rest else [])
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


SKIPS: dict[str, Callable[[int, int], nn.Module]] = {"published": PublishedSkip, "free": FreeSkip}
"""The skip of a reduction cell by name: `build(in_channels, out_channels)`. A normal cell's is `nn.Identity()`."""


class CellBlock(nn.Module):
    """One cell: (s0, s1) -> (N, nodes * channels, H', W'); s1 is the previous cell's output, s0 the one before.

    pre0, pre1   bring s0 and s1 to `channels` and to one size, which is that of s1; None for an input no edge reads
    wiring       (source, target, operation), operations reading 0 or 1 built with the cell's stride, others with 1
    nodes        how many; node k is number k + 2; one without edges is zeros
    skip         module from s1 to the output's shape, whose result is added; None for none
    stride       1 for a normal cell, 2 for a reduction

    Zeroise edges are left out at the start, preprocessing that no edge reads is not run, and zeros are made
    at most once in a pass. `reads` says which of s0 and s1 the output depends on; if on neither, it is
    s1 all the same, as the size comes from it. `wired` has for each node the sources of its edges and the numbers of
    their operations in `ops`, without Zeroise; `used` says which of s0 and s1 an edge reads. With a `drop_path` what an
    edge brings is dropped image by image, while training; an `nn.Identity` is not, nor is the skip.

    Raises NetworkError for an edge that does not lead from a lower number to a node, or reads an input without `pre`.
    """

    def __init__(
        self,
        pre0: nn.Module | None,
        pre1: nn.Module | None,
        wiring: Sequence[tuple[int, int, nn.Module]],
        nodes: int,
        skip: nn.Module | None,
        *,
        channels: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        check_at_least("nodes", nodes, 1, NetworkError)
        for source, target, _ in wiring:
            if not (0 <= source < target and 2 <= target < nodes + 2):
                raise NetworkError(
                    message(
                        f"edges from a lower number to a node, 2 to {nodes + 1}",
                        f"{source} -> {target}",
                        "Let every edge point to a later node.",
                    )
                )
        self.pre0, self.pre1, self.skip = pre0, pre1, skip
        self.nodes, self.channels, self.stride = nodes, channels, stride
        self.ops = nn.ModuleList(op for _, _, op in wiring)
        self.drop_path: DropPath | None = None
        edges: list[list[tuple[int, int]]] = [[] for _ in range(nodes)]
        for index, (source, target, op) in enumerate(wiring):
            if not isinstance(op, Zero):
                edges[target - 2].append((source, index))
        self.rewire(edges)

    def rewire(self, wired: Sequence[Sequence[tuple[int, int]]]) -> None:
        """Run these edges from now on, given as in `wired`; the network around has to look anew at which cells are
        live (`Network.revive`).

        Raises NetworkError where an edge reads an input without `pre`.
        """
        used = {source for edges in wired for source, _ in edges}
        for source, pre in ((0, self.pre0), (1, self.pre1)):
            if source in used and pre is None:
                raise NetworkError(
                    message(f"preprocessing of input {source}", "None", "Give a module: an edge reads that input.")
                )
        self.wired = [list(edges) for edges in wired]
        self.used = (0 in used, 1 in used)
        self.reads = (0 in used, 1 in used or self.skip is not None or 0 not in used)

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        """Return the cell's output for the outputs of the two cells before it."""
        if not any(self.wired):
            return self._zeros(s1, self.nodes * self.channels) if self.skip is None else self._around(s1)
        values = [
            self.pre0(s0) if self.pre0 is not None and self.used[0] else s0,
            self.pre1(s1) if self.pre1 is not None and self.used[1] else s1,
        ]
        sized = values[1] if self.reads[1] else values[0]  # an s1 that is not read may be of any size
        zeros = None if all(self.wired) else self._zeros(sized, self.channels)
        kept = self.drop_path.factors(len(self.ops), s1) if self.drop_path is not None and self.training else None
        for edges in self.wired:
            total = zeros
            for n, (source, index) in enumerate(edges):
                term = self.ops[index](values[source])
                if kept is not None and not isinstance(self.ops[index], nn.Identity):
                    term = term * kept[index]
                total = total + term if n and total is not None else term
            assert total is not None
            values.append(total)
        out = torch.cat(values[2:], 1)
        return out if self.skip is None else out.add_(self._around(s1))

    def _around(self, s1: Tensor) -> Tensor:
        assert self.skip is not None
        out: Tensor = self.skip(s1)
        return out

    def _zeros(self, s1: Tensor, channels: int) -> Tensor:
        """Return zeros of the size, dtype, device and memory format that this cell's nodes have after input s1."""
        n, _, h, w = s1.shape
        last = s1.is_contiguous(memory_format=torch.channels_last) and not s1.is_contiguous()
        return torch.empty(
            (n, channels, -(-h // self.stride), -(-w // self.stride)),
            dtype=s1.dtype,
            device=s1.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        ).zero_()

    def additions(self) -> int:
        """Return how often one output channel is added to, summed over nodes: edges beyond the first, and the skip."""
        inner = sum(max(len(edges) - 1, 0) for edges in self.wired)
        return inner + self.nodes * (self.skip is not None and any(map(bool, self.wired)))

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        edges = ", ".join(f"{s}->{t + 2}: ops.{i}" for t, edges in enumerate(self.wired) for s, i in edges)
        return f"nodes={self.nodes}, channels={self.channels}, stride={self.stride}, edges=({edges})"
