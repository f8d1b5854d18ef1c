"""Fitness: one evaluation decodes a genome, trains it briefly and measures it; what goes wrong becomes a status.

`protocol` is what a value depends on, `objectives` what may be measured, `bench` where it happens, `evaluation` doing
it. `latency` is how long networks take; `function` is what users evaluate by instead, `additions` all that they bring
along.
"""

from evobnn.evaluation.additions import Additions
from evobnn.evaluation.bench import Bench
from evobnn.evaluation.evaluation import WHOLE, Job, Stretch, check_device, evaluate, run_job
from evobnn.evaluation.function import Call, EvaluationFunction, run_call
from evobnn.evaluation.latency import LATENCY, Latency, LayerTimes, Timer
from evobnn.evaluation.objectives import OBJECTIVES, Measured, Objective
from evobnn.evaluation.phenotype import Phenotype
from evobnn.evaluation.protocol import OPERATIONS_VERSION, SUMS, Protocol, check_jobs_fit
from evobnn.evaluation.shared import SCORES, Shared

__all__ = [
    "LATENCY",
    "OBJECTIVES",
    "OPERATIONS_VERSION",
    "SCORES",
    "SUMS",
    "WHOLE",
    "Additions",
    "Bench",
    "Call",
    "EvaluationFunction",
    "Job",
    "Latency",
    "LayerTimes",
    "Measured",
    "Objective",
    "Phenotype",
    "Protocol",
    "Shared",
    "Stretch",
    "Timer",
    "check_device",
    "check_jobs_fit",
    "evaluate",
    "run_call",
    "run_job",
]
