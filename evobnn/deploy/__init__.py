"""Out of the toolkit: a trained network as real 1-bit code.

`lower` walks a network into a `Graph` of some twenty kinds of operation, by `rules`; `passes` fold its sites into
thresholds; `reference` says in NumPy what a graph means; printers write it: `c`, `bits`, and by extras `onnx`, `qonnx`
and `openvino`. `export` does all of it for a training folder, and runs what it wrote before it says that it is done.
Nothing below imports this.
"""

from evobnn.deploy.bits import Packed, read_bits
from evobnn.deploy.export import FORMATS, Exported, export
from evobnn.deploy.graph import Graph
from evobnn.deploy.lower import Builder, Lowered, lower
from evobnn.deploy.passes import fold_sites
from evobnn.deploy.reference import evaluate

__all__ = [
    "FORMATS",
    "Builder",
    "Exported",
    "Graph",
    "Lowered",
    "Packed",
    "evaluate",
    "export",
    "fold_sites",
    "lower",
    "read_bits",
]
