"""What one generation of a search yielded, and from where the search goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evobnn.records import Individual, Result


@dataclass(frozen=True)
class SearchState:
    """From where a search goes on.

    Attributes:
        generation: the last finished one, -1 before the first.
        rng: state of the generator.
        next_id: of the next individual.
        survivors: ids, in the order of selection.
        memory: JSON values that the strategy and the pressures keep, by `strategy` and by the pressure's name.
    """

    generation: int
    rng: Mapping[str, Any]
    next_id: int
    survivors: tuple[int, ...]
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one generation yielded.

    Attributes:
        generation: its number.
        state: from where the search goes on.
        survivors: (individual, mean objectives, repeats) in the order of selection; those in the state that are not
            among them were stopped early and fill the population up.
        results: everything evaluated in it, in the order of asking.
        log: the row of the logbook.
    """

    generation: int
    state: SearchState
    survivors: tuple[tuple[Individual, Mapping[str, float], int], ...]
    results: tuple[Result, ...]
    log: Mapping[str, Any]
