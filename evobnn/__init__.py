"""evobnn evolves binary (1-bit) neural networks: cell topology and activation functions in one genome.

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from evobnn._lazy import lazily

__version__ = "0.1.0"

_PUBLIC: dict[str, str] = {
    "Additions": "evobnn.evaluation",
    "Arrays": "evobnn.data.arrays",
    "Callback": "evobnn.runs.callbacks",
    "Cell": "evobnn.genome",
    "Evaluation": "evobnn.records",
    "EvaluationFunction": "evobnn.evaluation",
    "Experiment": "evobnn.experiment",
    "Expression": "evobnn.genome",
    "Genome": "evobnn.genome",
    "MLflowWriter": "evobnn.runs.writers",
    "Objective": "evobnn.evaluation",
    "OpSpec": "evobnn.genome",
    "Options": "evobnn.runs",
    "Run": "evobnn.runs.run",
    "Session": "evobnn.runs",
    "Space": "evobnn.spaces",
    "StopAt": "evobnn.runs.callbacks",
    "StopAtPlateau": "evobnn.runs.callbacks",
    "Strategy": "evobnn.evolution",
    "TensorBoardWriter": "evobnn.runs.writers",
    "Training": "evobnn.runs.final",
    "create": "evobnn.runs",
    "export": "evobnn.deploy",
    "latency": "evobnn.deploy.latency",
    "load_network": "evobnn.runs.final",
    "load_run": "evobnn.runs.run",
    "parse_expression": "evobnn.genome",
    "parse_genome": "evobnn.genome",
    "preset": "evobnn.experiment.text",
    "resume": "evobnn.runs.face",
    "search": "evobnn.runs.face",
    "train": "evobnn.runs.final",
    "write_report": "evobnn.report",
}
"""Where each public name stands."""
__all__ = ["__version__", *_PUBLIC]
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
