"""Evolutionary algorithms. A strategy proposes genomes from a population and says who survives; the search around it
keeps the archive, refuses duplicates, measures the front again and counts.
"""

from __future__ import annotations

from evobnn.evolution.strategies.aging import Aging
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.strategies.gaaf import GAAF
from evobnn.evolution.strategies.local import LocalSearch
from evobnn.evolution.strategies.nsga2 import NSGA2
from evobnn.evolution.strategies.nsga3 import NSGA3
from evobnn.evolution.strategies.opsbins import OpsBins
from evobnn.evolution.strategies.random import RandomSampling
from evobnn.evolution.strategies.screened import Screened
from evobnn.evolution.strategies.surrogate import Surrogate

STRATEGIES: dict[str, type[Strategy]] = {
    "nsga2": NSGA2,
    "nsga3": NSGA3,
    "gaaf": GAAF,
    "aging": Aging,
    "opsbins": OpsBins,
    "random": RandomSampling,
    "local": LocalSearch,
    "surrogate": Surrogate,
}
"""Strategy by name; each takes its settings as keyword arguments."""

__all__ = [
    "GAAF",
    "NSGA2",
    "NSGA3",
    "STRATEGIES",
    "Aging",
    "LocalSearch",
    "OpsBins",
    "Proposal",
    "RandomSampling",
    "Screened",
    "Strategy",
    "Surrogate",
]
