"""What a final training yielded, in one object: `result.json`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn.machine.facts import machine, python, versions
from evobnn.runs.final.folder import Line, Verdict
from evobnn.runs.final.setup import Workplace

FORMAT, VERSION = "evobnn-training", 2


@dataclass(frozen=True)
class SeedResult:
    """What one seed yielded.

    Attributes:
        seed: its number.
        lines: one for each epoch.
        tested: on the test images; None before, or where the training failed.
        failed: why there are no weights; empty where there are.
    """

    seed: int
    lines: Sequence[Line]
    tested: Verdict | None = None
    failed: str = ""

    @property
    def validation_error(self) -> float | None:
        """After the last epoch, in [0, 1]; None where nothing was set apart or nothing trained."""
        return self.lines[-1].validation_error if self.lines else None

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return math.fsum(line.seconds for line in self.lines)

    def row(self) -> dict[str, Any]:
        """Return the values of this seed, ready for JSON."""
        row: dict[str, Any] = {
            "seed": self.seed,
            "epochs": len(self.lines),
            "validation_error": self.validation_error,
            "test_error": self.tested.error if self.tested else None,
            "correct": self.tested.correct if self.tested else None,
            "count": self.tested.count if self.tested else None,
            "seconds": round(self.seconds, 3),
        }
        return {**row, "failed": self.failed} if self.failed else row


def summary_of(values: Sequence[float | None]) -> dict[str, float | None]:
    """Return mean, standard deviation (n - 1) and extremes of the values there are; None where these are too few."""
    kept = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(kept) if kept else None,
        "sd": statistics.stdev(kept) if len(kept) > 1 else None,
        "lowest": min(kept, default=None),
        "highest": max(kept, default=None),
    }


def result_of(place: Workplace, seeds: Sequence[SeedResult]) -> Mapping[str, Any]:
    """Return the object that `result.json` holds."""
    settings, prepared, cost = place.settings, place.prepared, place.phenotype.cost
    done = [one for one in seeds if one.tested is not None]
    return {
        "format": FORMAT,
        "version": VERSION,
        "genome": settings.genome,
        "key": place.phenotype.key,
        "recipe": settings.plan.name,
        "augmentation": [stage.recipe.augmentation for stage in settings.plan.stages],
        "epochs": settings.plan.epochs,
        "n": len(done),
        "test_error": summary_of([one.tested.error for one in done if one.tested]),
        "validation_error": summary_of([one.validation_error for one in done]),
        "seeds": [one.row() for one in seeds],
        "seconds": round(math.fsum(one.seconds for one in seeds), 3),
        "costs": cost.recorded(),
        "data": {
            "name": prepared.name,
            "fingerprint": prepared.fingerprint,
            "shape": list(prepared.shape),
            "classes": prepared.classes,
            "train": place.train_count,
            "validation": place.validation_count,
            "test": max((one.tested.count for one in done if one.tested), default=None),
        },
        "device": place.bench.device,
        "threads": settings.plan.stages[0].recipe.threads,
        "versions": versions("torch", "numpy"),
        "python": python(),
        "machine": machine(place.bench.device),
    }
