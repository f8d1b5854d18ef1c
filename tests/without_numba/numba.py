"""Stands in the way of Numba: with this folder first on the path, everything runs as where it was never installed."""

raise ImportError("No module named 'numba': hidden by tests/without_numba", name="numba")
