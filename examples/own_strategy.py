"""Search by an algorithm of your own, in a space of your own; what is kept, refused and counted is evobnn's affair."""

import sys
from dataclasses import dataclass, replace

import evobnn


@dataclass(frozen=True)
class Climb(evobnn.Strategy):
    """Mutate one of the best few. Settings are fields; what is random comes from `rng` alone.

    Attributes:
        best: how many may have children.
    """

    best: int = 2

    def propose(self, view, prepared, toolbox, rng):
        """Return a child, where it comes from, and the ids of its parents."""
        elite = sorted(view.population, key=lambda one: prepared[one.id])[: self.best]
        parent = elite[int(rng.integers(len(elite)))]
        return toolbox.mutate(parent.genome, rng=rng), "mutate", (parent.id,)


joint = evobnn.preset("mnist5k").space.build(evobnn.preset("mnist5k").network, 14)
sines = replace(joint, name="sines", alphabet=replace(joint.alphabet, unary=("x", "sin")))
small = {"dataset.train_limit": 200, "recipe.epochs": 1, "recipe.kernels": "torch", "noise.rescore": 1}
run = evobnn.search(
    sines,
    strategy=Climb(population=4, best=2),
    settings=small,
    generations=1,
    jobs=2,
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-strategy",
)
print(run.front()[["id", "error", "ops", "genome"]])
