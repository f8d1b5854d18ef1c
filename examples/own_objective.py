"""Minimise a quantity of your own beside the error: here the energy of multiplications, estimated from the counts."""

import sys

import evobnn

PJ = {"real": 4.6, "binary": 0.02}
"""Picojoules of a multiply-accumulate; put your hardware's here."""


def energy(measured):
    """Return nanojoules for one image; the result of the training and the network are there too."""
    cost = measured.cost
    return (PJ["real"] * cost.real_macs + PJ["binary"] * cost.binary_macs) / 1000


mine = evobnn.Additions(objectives={"energy": evobnn.Objective("energy", "nJ for one image", energy)})
small = {
    **{"dataset.train_limit": 200, "recipe.epochs": 1, "recipe.kernels": "torch"},
    **{"strategy.population": 4, "noise.rescore": 1},
}

run = evobnn.search(
    "digits",
    objectives=["error", "energy"],
    additions=mine,
    settings=small,
    generations=1,
    jobs=2,
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-objective",
)
print(run.front()[["id", "error", "energy"]])
