"""Benches of small networks in all spaces and macros, for the tests of the shared network."""

from __future__ import annotations

from typing import Any

from evobnn.experiment.text import from_table
from tests.conftest import TINY

NETWORK = {**TINY["network"], "width": 4}

TABLES: dict[str, dict[str, Any]] = {
    "joint": {},
    "joint by node": {"space": {"sites": "node", "encoding": 2}},
    "joint, one for all": {"space": {"sites": "net"}, "network": {"skip": "none", "reductions": 1}},
    "joint, frozen": {"space": {"freeze": "@normal = scale(x)"}, "recipe": {"shift": True}},
    "bnas": {"space": {"name": "bnas"}, "network": {"skip": "published", "stem": 3.0}},
    "bats": {"space": {"name": "bats"}, "network": {"macro": "bats", "skip": "none"}},
    "bats on bnas": {"space": {"name": "joint", "topology": "bats"}},
    "cpnas": {"space": {"name": "cpnas"}, "network": {"macro": "cpnas", "skip": "none", "padding": "zero"}},
    "learned scales": {"network": {"scale": "learnable"}, "recipe": {"weights": "real"}},
    "gaaf": {"space": {"name": "gaaf"}, "network": {"macro": "resnet", "skip": "none"}},
    "imagenet": {"network": {"style": "imagenet", "reductions": 0}, "dataset": {"size": 32}},
}
"""Settings by name of what is tried."""


def experiment(name: str, kernels: str = "torch", **more: Any) -> Any:
    """Return the experiment of one of `TABLES` with these kernels."""
    own = TABLES[name]
    table = {**TINY, **own, **more}
    table["network"] = {**NETWORK, **own.get("network", {})}
    table["recipe"] = {**TINY["recipe"], **own.get("recipe", {}), "kernels": kernels, **more.get("recipe", {})}
    table["dataset"] = {**TINY["dataset"], **own.get("dataset", {})}
    return from_table(table, "tests/supernet/spaces.py")
