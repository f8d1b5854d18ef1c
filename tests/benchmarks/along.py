"""What a comparison on a table says along the way: each arm at so many trainings, beside one arm, seed by seed.

Reads the `results.jsonl` of an `evobnn compare --table`. Printed: the mean with its standard error, the mean paired
difference to the reference with a 95 % bootstrap interval and Wilcoxon's p (two-sided, not corrected), and with
`--falls` the same for the regret of each arm against its own at the first of the sizes. `--anchors` adds how much worse
what an arm names is than the better anchor, on columns that the search was not shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, wilcoxon

from evobnn.runs.on_table import load_table, on_table, table_bench
from evobnn.spaces import key

SCALES = {"hypervolume": 1.0, "regret": 100.0}
"""Measures, and what they are multiplied by: regret is printed in points of error."""


def read(path: Path) -> dict[str, dict[int, Any]]:
    """Return the searches of every arm by seed, those that all arms have."""
    rows: dict[str, dict[int, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("epochs"):
            rows.setdefault(row["arm"], {})[row["seed"]] = row
    common = set.intersection(*(set(own) for own in rows.values()))
    return {arm: {seed: own[seed] for seed in sorted(common)} for arm, own in rows.items()}


def at(row: Any, measure: str, spent: float) -> float:
    """Return a measure after the last generation that this many epochs had room for."""
    place = int(np.searchsorted(row["epochs"], spent, side="right")) - 1
    return float(row["curves"][measure][max(place, 0)]) * SCALES[measure]


def line(values: NDArray[np.float64], difference: NDArray[np.float64]) -> str:
    """Return mean, standard error, difference, interval and p."""
    mean = f"{values.mean():8.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"
    if not difference.any():
        return mean
    low, high = bootstrap((difference,), np.mean, n_resamples=5000, random_state=0).confidence_interval
    return f"{mean}   {difference.mean():+8.3f} [{low:+.3f}, {high:+.3f}]   p = {wilcoxon(difference).pvalue:.2g}"


def above_anchor(rows: dict[int, Any], name: str, spent: float) -> NDArray[np.float64]:
    """Return by how many points what an arm names is worse than the better anchor, both on columns not shown."""
    table = load_table(name)
    bench = table_bench(on_table(table, name), table)
    anchors = [one for one in (key(bench.space, genome) for genome in bench.anchors()) if one in table.rows]
    found = []
    for seed, row in rows.items():
        unseen = [table.unseen_mean(one, table.seen(seed, one, 1)) for one in anchors]
        found.append(at(row, "regret", spent) - 100.0 * (min(unseen) - table.best_known))
    return np.array(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every measure at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results.jsonl of a comparison")
    parser.add_argument("--reference", help="an arm (default: the first)")
    parser.add_argument("--epochs", type=float, default=1.0, help="of a training")
    parser.add_argument("--at", nargs="+", type=int, default=[50, 100, 150, 300], help="trainings")
    parser.add_argument("--falls", action="store_true", help="regret at each size against the first size")
    parser.add_argument("--anchors", metavar="TABLE", help="regret above the better anchor of this table")
    given = parser.parse_args(arguments)
    rows = read(given.results)
    reference = given.reference or next(iter(rows))
    print(f"{len(rows[reference])} seeds each, paired; differences to {reference}")
    for measure in SCALES:
        if any(measure not in row["curves"] for own in rows.values() for row in own.values()):
            continue  # of one objective there is no hypervolume
        for size in given.at:
            print(f"{measure} at {size} trainings")
            base = np.array([at(row, measure, size * given.epochs) for row in rows[reference].values()])
            for arm, own in rows.items():
                values = np.array([at(row, measure, size * given.epochs) for row in own.values()])
                print(f"  {arm:24s} {line(values, values - base)}")
    for arm, own in rows.items() if given.falls else ():
        first = np.array([at(row, "regret", given.at[0] * given.epochs) for row in own.values()])
        for size in given.at[1:]:
            values = np.array([at(row, "regret", size * given.epochs) for row in own.values()])
            print(f"regret of {arm} at {size} less at {given.at[0]}: {line(values, values - first)}")
    for arm, own in rows.items() if given.anchors else ():
        above = above_anchor(own, given.anchors, given.at[-1] * given.epochs)
        print(f"{arm} above the better anchor at {given.at[-1]}: {line(above, above)}")


if __name__ == "__main__":
    main()
