"""The place where an activation is binarised, and a look at what it loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._checks import check_at_least, check_name
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.bfloat16 import PRECISIONS
from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.signs import SURROGATES, Surrogate

SiteBuilder = Callable[[int], nn.Module]
"""Makes the site for a number of channels."""


class Site(nn.Module):
    """A place where an activation is binarised: activation a, then sign with a surrogate gradient. Any shape.

    Forward:   y  = sign(a(x))
    Backward:  gx = gy * slope(a(x)) * a'(x),   slope by the surrogate (see `evobnn.nn.binary.signs`)

    With precision "bf16" the ±1 is handed on in bfloat16. With `real` the forward pass is
    hardtanh(a(x), -clip, clip), whose derivative is that of `clipped_identity`. `progress` tells an annealed surrogate
    how far the training is, 0 to 1; untold it behaves as at the end.

    With `shift` it is a(x + t): t (1, channels, 1, 1) is learned, begins at 0 and has no weight decay, as if a began
    with the form `shift`; x is (N, channels, H, W) then. Source: the RSign of Liu et al. 2020, ReActNet, section 4.2.

    `channels` are those of x, 0 where nobody said.

    While `watching`, every forward pass ands "all of a(x) is finite" into `finite`; otherwise nobody would notice, as
    NaN leaves a sign as ±1. `watch` and `all_finite` do this for a whole network.

    Raises NetworkError for an unknown surrogate, a clip that is not positive, or a shift of no channels.
    """

    def __init__(
        self,
        activation: nn.Module | None = None,
        surrogate: str = "clipped_identity",
        clip: float = 1.0,
        *,
        real: bool = False,
        precision: str = "fp32",
        shift: bool = False,
        channels: int = 0,
        surrogates: Mapping[str, Surrogate] = SURROGATES,
    ) -> None:
        super().__init__()
        check_name("surrogate", surrogate, surrogates, NetworkError)
        if not 0.0 < clip < float("inf"):
            raise NetworkError(message("clip to be positive and finite", repr(clip), "Published values: 1 and 1.3."))
        self.activation, self.surrogate, self.clip, self.real = activation, surrogate, clip, real
        self.channels = channels
        self.short = check_name("precision", precision, PRECISIONS, NetworkError) == "bf16"
        self.shift: nn.Module | None = None
        if shift:
            check_at_least("channels of a shift", channels, 1, NetworkError)
            self.shift = TreeActivation(("shift", ("x",)), channels)
        self.progress = 1.0
        self.watching = False
        self.finite: Tensor | bool = True
        self._binarise = surrogates[surrogate]

    def forward(self, x: Tensor) -> Tensor:
        """Return ±1 (in the twin a clipped a(x)), shaped as x."""
        shifted = x if self.shift is None else self.shift(x)
        a: Tensor = shifted if self.activation is None else self.activation(shifted)
        if self.watching:
            self.note(a)
        if self.real:
            return F.hardtanh(a, -self.clip, self.clip)
        return self._binarise(a, self.clip, self.short, self.progress)

    def note(self, a: Tensor) -> None:
        """Remember whether all of `a`, which is about to lose everything but its sign, is finite."""
        self.finite = _finite(a) & self.finite

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"{self.surrogate}, clip={self.clip}" + ", real" * self.real


def _finite(a: Tensor) -> Tensor:
    """Return whether all of `a` is finite, as a tensor (): a finite sum says so in one quick pass. Where it is not,
    finite numbers may still have too large a sum.
    """
    whole = torch.isfinite(a.sum())
    if a.device.type == "cpu" and bool(whole):
        return whole
    least, most = torch.aminmax(a)  # both hand NaN on
    return torch.isfinite(least) & torch.isfinite(most)


@contextmanager
def watch(network: nn.Module) -> Iterator[None]:
    """Have every site of `network` look for non-finite values during the block; the answer is `all_finite(network)`.

    Answers of earlier blocks are forgotten. A whole pass over each activation: meant for the end of an epoch.
    """
    sites = [module for module in network.modules() if isinstance(module, Site)]
    for site in sites:
        site.watching, site.finite = True, True
    try:
        yield
    finally:
        for site in sites:
            site.watching = False


def all_finite(network: nn.Module) -> bool:
    """Return whether no site met a non-finite value in the last `watch` block (True if there was none)."""
    return all(bool(module.finite) for module in network.modules() if isinstance(module, Site))
