"""What is minimised: pure functions of logits, features and kernels, each a mean in float32.

Shapes: N images, K classes, F features. `kernels` come from `evobnn.nn.kernel_pairs`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean over images of -Σ_k q_k log softmax(logits)_k, in nats.

    Arguments:
        logits: (N, K).
        targets: int64 labels (N,), or shares q (N, K) that sum to 1, as mixup makes them.
        smoothing: q becomes (1 - smoothing) q + smoothing / K.
    """
    return F.cross_entropy(logits, targets, label_smoothing=smoothing)


def distillation(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Return T² KL(p || q), the mean over images, with p = softmax(teacher / T) and q = softmax(logits / T).

    Both are (N, K) logits; no gradient flows to the teacher. T² keeps the gradient's size while T varies (Hinton,
    Vinyals, Dean 2015, section 2).
    """
    p = F.log_softmax(teacher.detach() / temperature, dim=1)
    q = F.log_softmax(logits / temperature, dim=1)
    return F.kl_div(q, p, reduction="batchmean", log_target=True) * temperature**2


def kernel_reconstruction(kernels: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return Σ over layers of the mean square of H - Ĥ: latent kernels H and their scaled signs Ĥ, of equal shape.

    Forward:   L = Σ_layers (1/n) Σ (H - Ĥ)²,  n = all weights of the layer
    Backward:  gH = (2/n) (H - Ĥ),  gĤ = -(2/n) (H - Ĥ)

    What Ĥ hands on to H is the affair of who makes the pairs: a constant Ĥ leaves gH alone, which pulls each weight to
    the nearer of ±alpha; an Ĥ that is differentiable in its scale adds gĤ through alpha, which for alpha = mean|w|, the
    minimiser, sums to 0 over each filter and changes nothing.

    Source: Zhuo et al. 2020, CP-NAS, as the textbook of its authors prints it (section 4.3 of the fact sheet): a sum
    over filters and layers of mean squares. The factor before that sum could not be read, so it is the caller's; here a
    layer counts once, however many filters it has.
    """
    if not kernels:
        return torch.zeros(())
    return torch.stack([F.mse_loss(latent, binary) for latent, binary in kernels]).sum()


def centre_loss(features: Tensor, labels: Tensor) -> Tensor:
    """Return (1/2N) Σ_s ‖f_s - mean of its class‖²: how far features lie from their class, in this batch.

    Arguments:
        features: (N, F), what the last linear layer is handed.
        labels: int64 (N,).

    The means are those of the batch and carry gradient, which cancels: gf_s = (f_s - mean of its class) / N. A class
    with one image in the batch adds nothing.

    Source: as `kernel_reconstruction`. Published is a sum over images with factor lambda/2; the mean over the batch
    makes the factor independent of its size, and lambda is the caller's.
    """
    same = (labels.unsqueeze(0) == labels.unsqueeze(1)).to(features.dtype)
    means = same @ features / same.sum(1, keepdim=True)
    distances: Tensor = (features - means).square().sum(1)
    return 0.5 * distances.mean()
