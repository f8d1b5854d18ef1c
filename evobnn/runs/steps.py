"""A generation as the search sees it and as the run folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evobnn.evolution import SearchState, Step
from evobnn.snapshot import Generation, Survivor


def generation_of(step: Step, header: Mapping[str, Any]) -> Generation:
    """Return what a folder keeps of a finished generation."""
    survivors = tuple(Survivor(individual, objectives, repeats) for individual, objectives, repeats in step.survivors)
    kept = step.state
    state: dict[str, Any] = {"rng": dict(kept.rng), "next_id": kept.next_id, "survivors": list(kept.survivors)}
    if kept.memory:
        state["memory"] = dict(kept.memory)
    return Generation(step.generation, header, state, step.log, survivors, step.results)


def step_of(generation: Generation) -> Step:
    """Return the search's view of a committed generation."""
    kept = generation.state
    ids, memory = tuple(kept["survivors"]), kept.get("memory", {})
    state = SearchState(generation.number, kept["rng"], kept["next_id"], ids, memory)
    survivors = tuple((one.individual, one.objectives, one.repeats) for one in generation.survivors)
    return Step(generation.number, state, survivors, generation.results, generation.log)
