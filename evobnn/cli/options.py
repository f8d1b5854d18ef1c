"""The options that every command which trains shares; what is wrong with them is told before more is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evobnn._checks import check_at_least
from evobnn.cli.words import seconds

if TYPE_CHECKING:
    from evobnn.runs import Options


def options(
    before: Mapping[str, Any] = {},
    *,
    generations: int | None,
    budget: str | None,
    jobs: int | None,
    backend: str | None,
    device: str | None,
    data_dir: Path | None,
    timeout: str | None,
    retry_failed: bool = False,
    brought: Sequence[str] | None = None,
) -> Options:
    """Return the options of a session; where nothing is said, those of the start `before` (a line of starts.jsonl).

    Only what is `brought` along has to be named each time: a run folder of somebody else's imports nothing by itself.
    """
    if jobs is not None:
        check_at_least("--jobs", jobs, 1)
    if generations is not None:
        check_at_least("--generations", generations, 0)
    folder = before.get("data_dir")
    patience, limit = seconds("--timeout", timeout), seconds("--budget", budget)
    from evobnn.cli.brought import additions
    from evobnn.machine.backends import BACKENDS
    from evobnn.runs import Options

    return Options(
        jobs=jobs or 0,
        backend=backend or str(before.get("backend", BACKENDS[0])),
        device=device or str(before.get("device", "cpu")),
        data_dir=data_dir or (Path(folder) if folder else None),
        generations=generations,
        budget=limit,
        timeout=float(before.get("timeout", 0.0)) if patience is None else patience,
        retry_failed=retry_failed,
        additions=additions(brought or ()),
        brought=tuple(brought or before.get("with", ())),
    )
