"""The smallest training that really learns: a genome of two cells of width 2, two stages on 100 digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evobnn.experiment.final import FinalSettings
from evobnn.experiment.recipes import plan_from_table
from evobnn.runs import Options
from evobnn.runs.final import FinalSession, create
from evobnn.runs.final import session as module

GENOME = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2)] @normal = add(sin(x), x) @reduction = shift(x)"
)
STAGES: Mapping[str, Any] = {
    "recipe": {"epochs": 2, "batch": 50, "learning_rate": 0.01, "augmentation": "shift1", "weight_decay": 1e-4},
    "stages": [{"weights": "real", "label_smoothing": 0.1}, {"epochs": 4, "ema": 0.9, "drop_path": 0.1}],
}


@pytest.fixture
def settings(tiny: Any) -> FinalSettings:
    return FinalSettings(GENOME, tiny, plan_from_table(STAGES, "tiny", "tests"), (0, 1))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the picture out, which takes longer than the training."""
    monkeypatch.setattr(module, "save_learning", lambda *given: None)


@pytest.fixture
def begun(settings: FinalSettings, undrawn: None, tmp_path: Path) -> Path:
    """The folder of a training of one seed that has not begun."""
    return create(replace(settings, seeds=(0,)), Options(jobs=1), tmp_path)


def proceed(folder: Path, **options: Any) -> tuple[Mapping[str, Any], list[str]]:
    """Go on with a training in this process; return its result and what was said."""
    said: list[str] = []
    return FinalSession(folder, Options(**{"jobs": 1, **options}), say=said.append).proceed(), said


Stop = Callable[[int], None]


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Stop:
    """Return a function that lets checkpoints be saved so many times, and then raises as if Ctrl-C came before one."""
    save = module.checkpoint.save

    def stop(times: int) -> None:
        left = iter(range(times))

        def limited(*given: Any, **named: Any) -> Any:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return save(*given, **named)

        monkeypatch.setattr(module.checkpoint, "save", limited)

    return stop
