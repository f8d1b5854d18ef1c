"""DEAP's toolbox, filled for one space: what a strategy may call."""

from __future__ import annotations

from typing import Any

from deap import base

from evobnn.evolution.selection import select_nsga2, tournament
from evobnn.evolution.variation import mate, mutate, mutate_one
from evobnn.spaces import Space


def make_toolbox(space: Space) -> Any:
    """Return a `deap.base.Toolbox` with `sample(rng)`, `mate(a, b, rng=...)`, `mutate(g, rng=...)`,
    `mutate_one(g, rng=...)`, `select(candidates, k)` and `tournament(candidates, order, rng)`.

    Any `deap.tools.sel*` can be registered as `select`.
    """
    toolbox = base.Toolbox()
    toolbox.register("sample", space.sample)
    toolbox.register("mate", mate, space=space)
    toolbox.register("mutate", mutate, space=space)
    toolbox.register("mutate_one", mutate_one, space=space)
    toolbox.register("select", select_nsga2)
    toolbox.register("tournament", tournament)
    return toolbox
