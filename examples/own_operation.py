"""Offer an operation of your own to the search: here a binary convolution of 7x7, which no published space has."""

import sys

import evobnn
from evobnn.nn import binary_layer


def conv7(channels, stride, site, conv):
    """BatchNorm -> activation -> sign -> binary convolution of 7x7; `site` makes what stands before the sign."""
    return binary_layer(channels, channels, 7, site, conv, stride=stride)


spec = evobnn.OpSpec("conv7", kernel=7, summary="binary convolution of 7x7", binary=True, zero_preserving=False)
mine = evobnn.Additions(operations={"conv7": (spec, conv7)})
small = {
    **{"space.offered": ["conv7", "conv3", "max3", "zero"], "dataset.train_limit": 200, "dataset.size": 28},
    **{"recipe.epochs": 1, "recipe.kernels": "torch", "strategy.population": 4, "noise.rescore": 1},
}

run = evobnn.search(
    "mnist5k",
    additions=mine,
    settings=small,
    generations=1,
    jobs=2,
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-operation",
)
print(run.front()[["id", "error", "ops", "genome"]])
