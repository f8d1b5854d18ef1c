"""What ranks genomes without training them to the end: one small function each.

A ranker takes (bench, genome, seed) and returns one number or more, more being better; the score of a genome in a set
is the sum of its ranks by these numbers (`evobnn.evaluation.signcodes.scores`). A number is finite, or -inf for the
lowest rank. Genomes that are to be ranked get the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from evobnn.evaluation import Bench, evaluate
from evobnn.evaluation.signcodes import drawn, read_sites, sign_codes, some_images
from evobnn.genome import Genome
from evobnn.records import FRESH, Status
from evobnn.training.loop import torch_threads

Ranker = Callable[[Bench, Genome, int], tuple[float, ...]]


def codes(bench: Bench, genome: Genome, seed: int) -> tuple[float, ...]:
    """Return balance and stability of the bits behind the signs, see `evobnn.evaluation.signcodes`."""
    return tuple(sign_codes(bench, genome, seed))


def operations(bench: Bench, genome: Genome, seed: int) -> tuple[float, ...]:
    """Return `ops` of the network: the dearer, the better. What any ranker has to be ahead of."""
    return (bench.cost(genome).ops,)


def naswot(bench: Bench, genome: Genome, seed: int) -> tuple[float, ...]:
    """Return log |det K| for the bits behind the signs of 64 images at random weights.

    K_ij = number of bits that are the same for images i and j. Source: Mellor, Turner, Storkey, Crowley, Neural
    Architecture Search without Training, ICML 2021, section 3, where the bits are those of ReLUs. -inf where two
    images have the same bits, or no site is run.
    """
    images = some_images(bench, seed)
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def read(bits: Tensor) -> None:
        signs = bits.flatten(1).float() * 2.0 - 1.0  # whole numbers below 2**24: exact
        kernel.add_(((signs @ signs.T + signs.shape[1]) / 2.0).cpu())

    with torch_threads(bench.protocol.recipe.threads):
        read_sites(drawn(bench, genome, seed), images, read)
        return (float(torch.linalg.slogdet(kernel)[1]),)


def synflow(bench: Bench, genome: Genome, seed: int) -> tuple[float, ...]:
    """Return the logarithm of the synaptic flow of the real-valued twin: log sum |θ dR/dθ| over all parameters.

    R is the sum of the logits for one image of ones, all parameters in absolute value, in float64. Norms are as they
    are before a training, x / sqrt(1 + 1e-5), and sites do not clip, as otherwise hardly a gradient would pass. Source:
    Tanaka, Kunin, Yamins, Ganguli, Pruning neural networks without any data by iteratively conserving synaptic flow,
    NeurIPS 2020, section 6; summed over a network, and without norms, by Abdelfattah et al., ICLR 2021.
    """
    network = drawn(bench, genome, seed, variant="twin").eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    with torch_threads(bench.protocol.recipe.threads):
        flow = network(torch.ones(1, *bench.prepared.shape, dtype=torch.float64, device=bench.device)).sum()
        learned = [one for one in network.parameters() if one.requires_grad]
        gradients = torch.autograd.grad(flow, learned, allow_unused=True)
    pairs = zip(learned, gradients, strict=True)
    found = sum(float((one * grad).abs().sum().detach()) for one, grad in pairs if grad is not None)
    return (math.log(found) if found > 0.0 and math.isfinite(found) else -math.inf,)


def one_epoch(bench: Bench, genome: Genome, seed: int) -> tuple[float, ...]:
    """Return minus the validation error after one epoch of the bench's recipe; -inf for a training that failed."""
    recipe = replace(bench.protocol.recipe, epochs=1)
    short = replace(bench, protocol=replace(bench.protocol, recipe=recipe))
    found = evaluate(short, genome, bench.seed(seed, genome, FRESH))
    return (-found.objectives["error"] if found.status is Status.OK else -math.inf,)


RANKERS: dict[str, Ranker] = {
    "sign codes": codes,
    "operations": operations,
    "NASWOT on signs": naswot,
    "synflow of the twin": synflow,
    "one epoch": one_epoch,
}
"""Every ranker by name. Names are stored in files."""
BASELINE = "operations"
"""The ranker that others are compared with."""
