"""The joint space: cells and activation functions in one genome.

Topology after BNAS (a normal and a reduction cell, four nodes, two inputs each, seven layer types), BATS or CP-NAS;
activation after GAAF, encoding 1 or 2: one expression for the network, per kind of cell or per node.
"""

from __future__ import annotations

from evobnn.spaces.bats import CELLS as BATS
from evobnn.spaces.blueprint import Blueprint
from evobnn.spaces.bnas import CELLS as BNAS
from evobnn.spaces.cpnas import CELLS as CPNAS
from evobnn.spaces.gaaf import ACTIVATIONS

joint = Blueprint("joint", {"bnas": BNAS, "bats": BATS, "cpnas": CPNAS}, ACTIVATIONS)
