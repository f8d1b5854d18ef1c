"""Offer an operation of your own to the search: here a binary convolution of 1x1, which no published space has."""

import sys

import evobnn
from evobnn.nn import binary_layer


def conv1(channels, stride, site, conv):
    """BatchNorm -> activation -> sign -> binary convolution of 1x1; `site` makes what stands before the sign."""
    return binary_layer(channels, channels, 1, site, conv, stride=stride)


spec = evobnn.OpSpec("conv1", kernel=1, summary="binary convolution of 1x1", binary=True, zero_preserving=False)
mine = evobnn.Additions(operations={"conv1": (spec, conv1)})
small = {
    **{"space.offered": ["conv1", "conv3", "max3", "zero"], "dataset.train_limit": 200},
    **{"recipe.epochs": 1, "recipe.kernels": "torch", "strategy.population": 4, "noise.rescore": 1},
}

run = evobnn.search(
    "digits",
    additions=mine,  # on the command line: --with mine:mine, for what mine.py calls mine
    settings=small,
    generations=1,
    jobs=1,
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-operation",
)
print(run.front()[["id", "error", "ops", "genome"]])
