"""Why evaluations failed, put together by cause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from evobnn.records import Status
from evobnn.snapshot import Generation

MOST = 12
"""Causes that are told one by one."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")


def failures(generations: Sequence[Generation]) -> list[dict[str, Any]]:
    """Return the causes of evaluations that did not end `ok`, the most frequent first: status, message, how often, and
    up to three ids. Messages that differ in numbers alone are one cause; what comes behind the twelfth is put together.

    >>> from evobnn.report.failures import failures
    >>> failures(evobnn.load_run("populations/digits").generations)
    []
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for generation in generations:
        for result in generation.results:
            ended = result.evaluation
            if ended.status is Status.OK:
                continue
            cause = str(ended.status), _NUMBER.sub("#", ended.message)
            entry = found.setdefault(cause, {"status": cause[0], "message": ended.message, "count": 0, "ids": []})
            entry["count"] += 1
            number = result.request.individual.id
            if len(entry["ids"]) < 3 and number not in entry["ids"]:
                entry["ids"].append(number)
    ordered = sorted(found.values(), key=lambda entry: -entry["count"])
    rest = ordered[MOST:]
    if rest:
        told = {"status": "others", "message": f"{len(rest)} rarer causes", "ids": []}
        ordered = [*ordered[:MOST], {**told, "count": sum(entry["count"] for entry in rest)}]
    return ordered
