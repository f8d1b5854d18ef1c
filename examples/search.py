"""Search, look at the front, go on, and breed another search from it."""

import sys

import evobnn

out = sys.argv[1] if len(sys.argv) > 1 else "populations/example"
small = {
    **{"dataset.train_limit": 200, "recipe.epochs": 1, "recipe.kernels": "torch"},
    **{"strategy.population": 4, "noise.rescore": 1},
}

run = evobnn.search("digits", generations=1, seed=3, jobs=1, settings=small, out=out)
print(run.front()[["id", "error", "ops"]])

run = evobnn.resume(run, generations=2, jobs=1)
print(run.log()[["generation", "hypervolume"]])

best = run.front().sort_values("error").iloc[0]
start = {**small, "start.genomes": [best.genome]}
child = evobnn.search("digits", generations=0, seed=4, jobs=1, settings=start, out=f"{out}-child")
print("started from", best.genome, "and found", len(child.front()), "members")
