"""Who survives. A search asks for evaluations and is told what they yielded; it sees genomes and numbers, and knows
neither networks nor files. DEAP sorts, selects and keeps the log; it is used in this package and nowhere else.
"""

from evobnn.evolution.halving import Halving
from evobnn.evolution.loop import run
from evobnn.evolution.pressures import PRESSURES, Pressure
from evobnn.evolution.search import Search
from evobnn.evolution.selection import Candidate, candidate
from evobnn.evolution.step import SearchState, Step
from evobnn.evolution.strategies import STRATEGIES, Screened, Strategy
from evobnn.evolution.toolbox import make_toolbox
from evobnn.evolution.variation import mate, mutate

__all__ = [
    "PRESSURES",
    "STRATEGIES",
    "Candidate",
    "Halving",
    "Pressure",
    "Screened",
    "Search",
    "SearchState",
    "Step",
    "Strategy",
    "candidate",
    "make_toolbox",
    "mate",
    "mutate",
    "run",
]
