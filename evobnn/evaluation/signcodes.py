"""Sign codes: two numbers that rank expressions, from one forward pass of a network that was never trained.

The bits behind the signs of 64 images say how much of an image passes a site. *Balance* is how evenly +1 and -1 occur
there, *stability* how few bits change when the input gets noise. The sum of their ranks orders expressions better than
either does; it does not order topologies.

Source: our own measurement, `populations/fidelity/README.md`; no paper is known to us. Nearest are NASWOT (Mellor et
al. 2021), which counts how many bits of two images agree, and SWAP-NAS (Peng et al. 2024), which counts different
codes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evobnn._checks import check_at_least
from evobnn._seeding import child_seed
from evobnn.data.batches import normalise
from evobnn.evaluation.bench import Bench
from evobnn.evaluation.evaluation import tensors_of
from evobnn.genome import Genome
from evobnn.nn import Site, fuse
from evobnn.training.loop import torch_threads

IMAGES = 64
NOISE = 0.1
"""Standard deviation of what is added to normalised pixels, whose own is 1."""


class SignCodes(NamedTuple):
    """What the bits behind the signs of a network say, with b the bits of all images at a site, 1 for +1.

    Attributes:
        balance: mean over sites of the entropy in bits, -p log2 p - (1 - p) log2(1 - p) with p the mean of b; 0 to 1.
        stability: mean over sites of the share of bits that are the same for an image and its noisy copy; 0 to 1.
    """

    balance: float
    stability: float


SIGNLESS = SignCodes(0.0, 1.0)
"""Of a network whose logits pass no site: as if all signs were constant."""


def sign_codes(bench: Bench, genome: Genome, seed: int, images: int = IMAGES, noise: float = NOISE) -> SignCodes:
    """Return the sign codes of a genome's network with random weights.

        >>> from evobnn import Options, preset
        >>> from evobnn.runs.setup import make_bench
        >>> bench = make_bench(preset("digits"), Options(jobs=1))
        >>> cheapest, dearest = bench.anchors()  # both with the plain sign
        >>> balance, stability = sign_codes(bench, dearest, seed=0)
        >>> 0.9 < balance < 1.0, 0.9 < stability < 1.0
        (True, True)

    Arguments:
        bench: space, network and images; nothing is trained, and neither labels nor validation images are looked at.
        genome: any that the space can build.
        seed: of the weights, of which training images are taken, and of the noise. Genomes that are to be ranked get
            the same, and so see the same images and noise.
        images: how many, 2 or more; all of the training part where it has fewer.
        noise: standard deviation in normalised pixels.

    Raises:
        GenomeError: the space cannot build from the genome.
        ExperimentError: fewer than 2 images.
    """
    network = drawn(bench, genome, seed)
    clean = some_images(bench, seed, images)
    generator = torch.Generator().manual_seed(child_seed(seed, "noise"))
    noisy = clean + noise * torch.randn(clean.shape, generator=generator).to(clean.device)
    with torch_threads(bench.protocol.recipe.threads):
        return codes_of(network, clean, noisy)


def codes_of(network: nn.Module, clean: Tensor, noisy: Tensor) -> SignCodes:
    """Return the sign codes of a network for normalised images and their noisy copies, (N, C, H, W) each.

    Both go through in one pass, so that batch norms see one batch; see `read_sites`.
    """
    found: list[SignCodes] = []
    half = len(clean)

    def read(bits: Tensor) -> None:
        before, after = bits[:half], bits[half:]
        same = int((before == after).sum()) / before.numel()
        found.append(SignCodes(entropy(int(before.sum()) / before.numel()), same))

    read_sites(network, torch.cat([clean, noisy]), read)
    if not found:
        return SIGNLESS
    return SignCodes(*(math.fsum(values) / len(found) for values in zip(*found, strict=True)))


def entropy(p: float) -> float:
    """Return the entropy in bits of a bit that is 1 with probability p: -p log2 p - (1 - p) log2(1 - p)."""
    return -sum(q * math.log2(q) for q in (p, 1.0 - p) if q > 0.0)


def scores(found: Sequence[tuple[float, ...]]) -> NDArray[np.float64]:
    """Return for each of n tuples of numbers the sum of their ranks within the set, (n,); more is better.

    The rank of a number is 1 for the least; equal ones share their mean rank. For sign codes that is rank(balance) +
    rank(stability): a score of a genome among others, not of one alone.

        >>> scores([(0.9, 0.5), (0.9, 0.7), (0.1, 0.6)])
        array([3.5, 5.5, 3. ])
    """
    total = np.zeros(len(found))
    for values in np.asarray(found, dtype=float).T:
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        total += (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return total


def drawn(bench: Bench, genome: Genome, seed: int, *, variant: str = "binary") -> nn.Module:
    """Return a genome's network on the bench's device, its weights drawn from `seed`; arguments as in `decode`."""
    one, recipe = bench.phenotype(genome), bench.protocol.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "weights"))
        return one.network(variant=variant, weights=recipe.weights).to(bench.device)


def some_images(bench: Bench, seed: int, count: int = IMAGES) -> Tensor:
    """Return normalised training images (count, C, H, W), drawn without replacement; fewer where there are no more."""
    check_at_least("images", count, 2)
    data = tensors_of(bench.prepared.folder, bench.device)
    generator = torch.Generator().manual_seed(child_seed(seed, "images"))
    where = torch.randperm(data.count, generator=generator)[:count].to(data.device)
    return normalise(data.train_images[where], data.mean, data.deviation)


def read_sites(network: nn.Module, images: Tensor, read: Callable[[Tensor], None]) -> None:
    """Send images (N, C, H, W) through a copy of `network` and hand on the bits behind each sign, true for +1, in the
    shape of the site's input and the order in which sites are run; those that the logits do not depend on are not.

    Batch norms use the statistics of this batch, as in the first step of a training. The copy is computed in readable
    kernels, for on the fast path sites are not called. `network` stays as it was.
    """
    network = copy.deepcopy(network).train()
    fuse(network, False)
    for module in network.modules():
        if isinstance(module, Site):
            module.register_forward_hook(lambda site, given, out: read(out >= 0))
    with torch.no_grad():
        network(images)
