"""Looking at what a run folder holds: tables by pandas (`frames`), fronts and hypervolume (`fronts`), descent and what
survives (`lineage`), and pictures by matplotlib (`plots`). It reads text only; networks are unknown here.
"""

from evobnn.analysis.frames import (
    Run,
    evaluations_frame,
    front_csv,
    front_frame,
    individuals_frame,
    load_run,
    log_frame,
    table_frame,
)
from evobnn.analysis.lineage import ancestry, form_shares, operation_shares
from evobnn.analysis.pictures.plots import (
    plot_cell,
    plot_expression,
    plot_front,
    plot_hypervolume,
    plot_operations,
    save_front,
)
from evobnn.pareto import Axis, axes_of, hypervolume, nondominated

__all__ = [
    "Axis",
    "Run",
    "ancestry",
    "axes_of",
    "evaluations_frame",
    "form_shares",
    "front_csv",
    "front_frame",
    "hypervolume",
    "individuals_frame",
    "load_run",
    "log_frame",
    "nondominated",
    "operation_shares",
    "plot_cell",
    "plot_expression",
    "plot_front",
    "plot_hypervolume",
    "plot_operations",
    "save_front",
    "table_frame",
]
