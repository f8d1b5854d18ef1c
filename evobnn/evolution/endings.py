"""How a search ends that cannot go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evobnn.errors import SearchError, message
from evobnn.records import Result
from evobnn.spaces import Space


class SpaceExhausted(SearchError):  # noqa: N818 - how a search may well end
    """No genome is left that was not tried."""


def exhausted(space: Space, draws: int) -> SpaceExhausted:
    """Return the error for a space of which so many draws were nothing new."""
    return SpaceExhausted(
        message(
            "a genome that was not tried yet",
            f"none in {draws} draws from the {space.name} space",
            "It is exhausted: every genome was evaluated. Unfreeze a part of it or take a larger one.",
        )
    )


def nothing_worked(results: Sequence[Result]) -> SearchError:
    """Return the error for a first generation of which no evaluation ended `ok`."""
    reasons = Counter(f"{result.evaluation.status}: {result.evaluation.message}" for result in results)
    common, times = reasons.most_common(1)[0]
    return SearchError(
        message(
            "at least one evaluation of the first generation to end ok",
            f"none of {len(results)}; {times} times {common}",
            "Look at one with `evobnn evaluate`, or change the recipe.",
        )
    )
