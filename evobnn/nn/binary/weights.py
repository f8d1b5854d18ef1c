"""From latent real weights to two values per filter, and the gradients that lead back.

A binary weight is w_b = alpha * b with signs b = ±1 and one number alpha per filter. A quantiser says how both are had
from latent weights w (filters, input channels of a group, height, width), and how a gradient g of w_b becomes one of w.
In the formulas n is the number of weights of a filter, C of input channels of its group, Σ goes over a filter, and
`sign` is that of `evobnn.nn.binary.signs`: never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evobnn._checks import check_name
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.signs import annealed_tanh, sign

Parts = tuple[Tensor, Tensor | None]
"""(b, alpha): signs, shaped as w, and scales (filters, 1, 1, 1); no alpha stands for 1, or for one that is learned."""

TINY = 1e-8
"""The least deviation that weights of a filter are divided by in `standardised`."""


class _SignedWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        return sign(w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _BoundedSign(torch.autograd.Function):
    """Forward sign(w); backward gw = g * 1[|w| <= 1]: unlike a surrogate's, the gradient lives at |w| = 1."""

    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        ctx.save_for_backward(w)
        return sign(w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        w: Tensor = ctx.saved_tensors[0]
        return grads[0] * (w.abs() <= 1.0)


class _MeanMagnitude(torch.autograd.Function):
    """Forward alpha = mean|w| per filter; backward gw = sign(w) * galpha / n, a zero counting as positive."""

    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        ctx.save_for_backward(w)
        return w.abs().mean((1, 2, 3), keepdim=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        w: Tensor = ctx.saved_tensors[0]
        return sign(w) * (grads[0] / w[0].numel())


class _StretchedGradient(torch.autograd.Function):
    """Forward w; backward gw = factor * g."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return w.view_as(w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        factor: float = ctx.factor
        return grads[0] * factor, None


_signed_weight: Callable[..., Tensor] = _SignedWeight.apply
_bounded_sign: Callable[..., Tensor] = _BoundedSign.apply
_mean_magnitude: Callable[..., Tensor] = _MeanMagnitude.apply
_stretched_gradient: Callable[..., Tensor] = _StretchedGradient.apply


def unscaled(w: Tensor, progress: float = 1.0) -> Parts:
    """Plain sign, straight through: a BatchNorm behind the convolution makes up for the scale.

    Forward:   w_b = sign(w)
    Backward:  gw  = g

    Source: Li et al. 2023, GAAF, section 1.3 of the fact sheet.
    """
    return _signed_weight(w), None


def mean_scaled(w: Tensor, progress: float = 1.0) -> Parts:
    """Sign times the mean magnitude, which the backward pass takes for a constant.

    Forward:   w_b = alpha sign(w),   alpha = mean|w|
    Backward:  gw  = alpha g

    `xnor` is the same with the path through the mean. A filter of zeros has alpha 0.
    """
    return _signed_weight(w), w.detach().abs().mean((1, 2, 3), keepdim=True)


def xnor(w: Tensor, progress: float = 1.0) -> Parts:
    """Sign times the mean magnitude, with the gradient through both.

    Forward:   w_b = alpha sign(w),   alpha = mean|w|
    Backward:  gw  = alpha g 1[|w| <= 1] + sign(w) (1/n) Σ sign(w) g

    Source: Rastegari et al. 2016, XNOR-Net, section 3.1. This is the chain rule through alpha in full; of the sum the
    paper prints only a weight's own term, g/n.
    """
    return _bounded_sign(w), _mean_magnitude(w)


def bnas(w: Tensor, progress: float = 1.0) -> Parts:
    """Sign times the mean magnitude, with BNAS's gradient: that of `xnor`, stretched.

    Forward:   w_b = alpha sign(w),   alpha = mean|w|
    Backward:  gw  = [alpha g 1[|w| <= 1] + sign(w) (1/n) Σ sign(w) g] (1 - 1/C) n

    The published code centres and clamps w before every forward pass (`centre_and_clamp_`). Here that is done once when
    a convolution is built and after every step (`settle_latent_`), which comes to the same. With C = 1 both the
    centred weights and the gradient would be 0.

    Source: Kim, Singh, Choi 2020 (BNAS), code; section 2.3 of the fact sheet.
    """
    inputs, n = w.shape[1], w[0].numel()
    return xnor(_stretched_gradient(w, (1.0 - 1.0 / inputs) * n))


def standardised(w: Tensor, progress: float = 1.0) -> Parts:
    """Sign of the standardised weights times a power of two, with IR-Net's annealed gradient.

    Forward:   w_b = s sign(v),   v = (w - mean(w)) / deviation(w) per filter,   s = 2^round(log2 mean|v|)
    Backward:  gv  = s g k t (1 - tanh²(t v)), as `evobnn.nn.binary.signs.annealed_tanh`, with s taken for a constant;
               gw  = (gv - mean(gv) - v Σ gv v / (n - 1)) / deviation(w)

    The gradient goes through the standardisation, as in the published code, and the deviation is that with n - 1. It
    is at least 1e-8: a filter of equal weights has s = 0, and no gradient.

    Source: Qin et al. 2020, IR-Net, sections 3.2 and 3.3.
    """
    v = w - w.mean((1, 2, 3), keepdim=True)
    v = v / v.std((1, 2, 3), keepdim=True).clamp(min=TINY)
    s = torch.exp2(v.detach().abs().mean((1, 2, 3), keepdim=True).log2().round())
    return annealed_tanh(v, progress=progress), s


def learnable(w: Tensor, progress: float = 1.0) -> Parts:
    """Sign times a scale that is a parameter of the convolution, of either sign.

    Forward:   w_b    = alpha sign(w)
    Backward:  gw     = alpha g
               galpha = Σ sign(w) g

    Source: the library of BATS (Bulat et al. 2020), section 3.4 of the fact sheet, where alpha begins at 1 and stands
    behind the convolution, which is the same; in here it begins at mean|w| unless said otherwise.
    """
    return _signed_weight(w), None


def centre_and_clamp_(w: Tensor) -> None:
    """Subtract from w, in place, its mean over the input channels, then clamp it to [-1, 1]: BNAS's latent weights."""
    w.sub_(w.mean(1, keepdim=True)).clamp_(-1.0, 1.0)


@dataclass(frozen=True)
class WeightQuantiser:
    """How latent weights become binary ones.

    Attributes:
        parts: `parts(w, progress) -> (b, alpha)`, see `Parts`; both carry their gradient. `progress` says how far the
            training is, 0 to 1.
        learned: whether alpha is a parameter of the convolution.
        settle_: what is done to w in place when it is drawn and after every step; None for the bound of the recipe.
        inputs: the fewest input channels of a group that it can work with.
        weights: the fewest weights of a filter that it can work with.
    """

    parts: Callable[[Tensor, float], Parts]
    learned: bool = False
    settle_: Callable[[Tensor], None] | None = None
    inputs: int = 1
    weights: int = 1


WEIGHTS_QUANTISERS: dict[str, WeightQuantiser] = {
    "none": WeightQuantiser(unscaled),
    "mean": WeightQuantiser(mean_scaled),
    "xnor": WeightQuantiser(xnor),
    "bnas": WeightQuantiser(bnas, settle_=centre_and_clamp_, inputs=2),
    "standardised": WeightQuantiser(standardised, weights=2),
    "learnable": WeightQuantiser(learnable, learned=True),
}
"""All quantisers by name; all but "none" keep a real number per filter. Names are stored in files and so permanent."""

BY_MEAN = ("none", "mean")
"""Those whose gradient reaches a latent weight through its sign alone, and whose scale, if any, is mean|w|."""


def binary_weight(
    w: Tensor,
    scale: str = "none",
    alpha: Tensor | None = None,
    progress: float = 1.0,
    quantisers: Mapping[str, WeightQuantiser] = WEIGHTS_QUANTISERS,
) -> Tensor:
    """Return the two-valued weight w_b of latent weights w (filters, inputs per group, height, width).

    Arguments:
        w: floating point; shape, dtype and device are kept.
        scale: name of the quantiser, whose function in this file has the formulas, forward and backward.
        alpha: (filters, 1, 1, 1), learned scales, for "learnable" only; None stands for 1.
        progress: how far the training is, 0 to 1, for "standardised" only.
        quantisers: what the names mean.

    Raises:
        NetworkError: another scale.
    """
    check_name("weight scale", scale, quantisers, NetworkError)
    signs, scales = quantisers[scale].parts(w, progress)
    if quantisers[scale].learned:
        scales = alpha
    return signs if scales is None else signs * scales


def check_quantiser(scale: str, inputs: int, kernel: int) -> WeightQuantiser:
    """Return the quantiser of this name; raise NetworkError for another, or one that filters of this size are too small
    for: `inputs` channels, kernel x kernel.
    """
    found = WEIGHTS_QUANTISERS[check_name("weight scale", scale, WEIGHTS_QUANTISERS, NetworkError)]
    if inputs < found.inputs or inputs * kernel**2 < found.weights:
        least = f"{found.inputs} input channels" if inputs < found.inputs else f"{found.weights} weights"
        raise NetworkError(
            message(
                f"at least {least} per filter with scale '{scale}'",
                f"{inputs} x {kernel} x {kernel}",
                "Take another scale, or a network without such convolutions.",
            )
        )
    return found
