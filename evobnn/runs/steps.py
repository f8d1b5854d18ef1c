"""A generation as the search sees it and as the run folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evobnn.evolution import SearchState, Step
from evobnn.snapshot import Generation, Survivor


def generation_of(step: Step, header: Mapping[str, Any]) -> Generation:
    """Return what a folder keeps of a finished generation."""
    survivors = tuple(Survivor(individual, objectives, repeats) for individual, objectives, repeats in step.survivors)
    state: dict[str, Any] = {
        "rng": dict(step.state.rng),
        "next_id": step.state.next_id,
        "survivors": list(step.state.survivors),
    }
    if step.state.memory:
        state["memory"] = dict(step.state.memory)
    return Generation(step.generation, header, state, step.log, survivors, step.results)


def step_of(generation: Generation) -> Step:
    """Return the search's view of a committed generation."""
    state = SearchState(
        generation.number,
        generation.state["rng"],
        generation.state["next_id"],
        tuple(generation.state["survivors"]),
        generation.state.get("memory", {}),
    )
    survivors = tuple((one.individual, one.objectives, one.repeats) for one in generation.survivors)
    return Step(generation.number, state, survivors, generation.results, generation.log)
