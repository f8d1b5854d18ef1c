"""What the benchmarks share: a median with its range, the machine, one JSON file with all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from evobnn.machine.facts import machine, python, versions


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one figure."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({min(self.values):.2f} to {max(self.values):.2f})"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {"median": self.median, "least": min(self.values), "most": max(self.values), "values": self.values}


def processor() -> str:
    """Return the processor's own name where Linux tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or str(machine()["processor"])


def where() -> dict[str, Any]:
    """Return machine and versions: what every figure carries."""
    return {
        "machine": {**machine(), "model": processor(), "threads": torch.get_num_threads()},
        "python": python(),
        "versions": versions("torch", "numpy", "numba", "joblib"),
    }


def heading() -> str:
    """Return one line on where figures come from."""
    told = where()
    named = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    return f"{told['machine']['model']}, {told['machine']['cores']} cores, Python {told['python']}, {named}"


def write(path: Path | None, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, settings, machine and versions to a file, if one was named."""
    if path is not None:
        told = {**where(), "settings": {name: str(value) for name, value in settings.items()}, "rows": list(rows)}
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
