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
        """Return a child, where it comes from, and the ids of its parents; `prepared` orders the population by id."""
        elite = sorted(view.population, key=lambda one: prepared[one.id])[: self.best]
        parent = elite[int(rng.integers(len(elite)))]
        return toolbox.mutate(parent.genome, rng=rng), "mutate", (parent.id,)


base = evobnn.preset("digits")
joint = base.space.build(base.network, 8)
sines = replace(joint, name="sines", alphabet=replace(joint.alphabet, unary=("x", "sin")))

run = evobnn.search(
    replace(base, recipe=replace(base.recipe, epochs=1, kernels="torch"), noise=replace(base.noise, rescore=1)),
    additions=evobnn.Additions(spaces={"sines": sines}),  # the default preset searches it by evobnn.search(sines)
    strategy=Climb(population=4, best=2),
    settings={"space.name": "sines", "dataset.train_limit": 200},
    generations=1,
    jobs=1,
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-strategy",
)
print(run.front()[["id", "error", "ops", "genome"]])
