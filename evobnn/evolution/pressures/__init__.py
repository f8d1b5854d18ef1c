"""Pressures: ideas of published searches that can stand beside any strategy, each off unless it is asked for. They
shape selection or proposals and never touch objectives, front or hypervolume. Where a table names one it says
"-like": what is measured here is no verdict on the published algorithm.
"""

from __future__ import annotations

from evobnn.evolution.pressures.abandonment import Abandonment
from evobnn.evolution.pressures.base import Pressure
from evobnn.evolution.pressures.diversity import Diversity
from evobnn.evolution.pressures.temperature import Temperature

PRESSURES: dict[str, type[Pressure]] = {
    "diversity": Diversity,
    "temperature": Temperature,
    "abandonment": Abandonment,
}
"""Pressure by name; each takes its settings as keyword arguments."""

__all__ = ["PRESSURES", "Abandonment", "Diversity", "Pressure", "Temperature"]
