"""The loop of a search: ask, evaluate, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evobnn.evolution.search import Search
from evobnn.evolution.step import Step
from evobnn.records import Request, Result


def run(
    search: Search,
    evaluate: Callable[[Sequence[Request]], Sequence[Result]],
    on_step: Callable[[Step], None],
    generations: int,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run until generation number `generations` is finished (0 is the start population) or `stop()` says so.

    Arguments:
        search: new or restored.
        evaluate: from requests to results in the same order.
        on_step: takes note of every finished generation.
        generations: the total to reach.
        stop: asked before every generation but the first.
    """
    while search.generation < generations and not (search.generation >= 0 and stop()):
        on_step(search.tell(evaluate(search.ask())))
