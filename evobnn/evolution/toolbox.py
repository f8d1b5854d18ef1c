"""DEAP's toolbox, filled for one space: what a strategy may call."""

from __future__ import annotations

from typing import Any

from deap import base, tools

from evobnn.evolution.selection import tournament
from evobnn.evolution.variation import mate, mutate
from evobnn.spaces import Space


def make_toolbox(space: Space) -> Any:
    """Return a `deap.base.Toolbox` with `sample(rng)`, `mate(a, b, rng=...)`, `mutate(g, rng=...)`, `select(candidates,
    k)` and `tournament(candidates, order, rng)`. Any `deap.tools.sel*` can be registered as `select`.
    """
    toolbox = base.Toolbox()
    toolbox.register("sample", space.sample)
    toolbox.register("mate", mate, space=space)
    toolbox.register("mutate", mutate, space=space)
    toolbox.register("select", tools.selNSGA2)
    toolbox.register("tournament", tournament)
    return toolbox
