"""Convolutions as one product of matrices, for maps of few pixels and many channels, on CPUs.

There the library's convolutions take several times as long as the product: with 512 channels, 4x4 pixels and 64 images
in bfloat16 82 ms for a layer's three, instead of 18. Where there are more pixels than that, copying each of them nine
times takes longer than it brings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PIXELS, PRODUCTS = 16, 1 << 17
"""At most so many pixels in a map of outputs, and at least so many pairs of channels, make the product worth it."""


def worth(pixels: int, weight: Tensor) -> bool:
    """Tell whether a convolution with outputs of so many pixels is better done as a product."""
    return pixels <= PIXELS and weight.shape[0] * weight.shape[1] >= PRODUCTS


def columns(x: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """Return what each output of a convolution without padding reads of x (N, C, H, W; channels last), a row each:
    (N x H' x W', kernel x kernel x C).
    """
    x = x.permute(0, 2, 3, 1)
    n, h, w, c = x.shape
    images, lines, pixels, channels = x.stride()
    reach = dilation * (kernel - 1)
    size = n, (h - reach - 1) // stride + 1, (w - reach - 1) // stride + 1
    steps = images, stride * lines, stride * pixels, dilation * lines, dilation * pixels, channels
    return x.as_strided((*size, kernel, kernel, c), steps).reshape(size[0] * size[1] * size[2], kernel**2 * c)


def convolution(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """Return the convolution without padding of x (N, C, H, W) with weights (filters, C, kernel, kernel), both channels
    last, channels last.
    """
    kernel = weight.shape[2]
    reach = dilation * (kernel - 1)
    height, width = ((side - reach - 1) // stride + 1 for side in x.shape[2:])
    rows = columns(x, kernel, stride, dilation) @ weight.permute(0, 2, 3, 1).reshape(len(weight), -1).t()
    return rows.view(len(x), height, width, len(weight)).permute(0, 3, 1, 2)


def weight_gradient(grad: Tensor, x: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """Return the gradient of the weights from that of the `convolution` of x, shaped and lying in memory as they do."""
    filters, channels = grad.shape[1], x.shape[1]
    rows = grad.permute(0, 2, 3, 1).reshape(-1, filters)
    found = rows.t() @ columns(x, kernel, stride, dilation)
    return found.view(filters, kernel, kernel, channels).permute(0, 3, 1, 2)


def inner_gradient(grad: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """Return the gradient of x but for its frame, of dilation (kernel - 1) / 2 pixels, for stride 1: a convolution of
    the framed gradient with the weights turned round.
    """
    pad = dilation * (weight.shape[2] - 1) // 2
    framed = F.pad(grad, (pad,) * 4).contiguous(memory_format=torch.channels_last)
    turned = weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    return convolution(framed, turned, 1, dilation)
