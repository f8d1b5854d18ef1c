"""How well a model of scores knows what it was not shown, and what naming the best by it costs, on recorded tables.

For each seed so many genomes are drawn from a table, each shown with one training. Printed, means over the draws with
their standard errors: the log density (in units of log error) of another training of the same genomes, of the better
half of them, and of other genomes; then the regret, in points of error on trainings not shown, of the genome named best
by the least score, by the model among those shown, by the model among all of the table, and, where the last tenth of
the trainings went to genomes of the model's choice, by the model among those trained. With `--codes` the model also
sees the sign codes of every genome; computing these takes a minute or more a table. `--json FILE` writes all values.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from figures import heading, write

from evobnn._seeding import generator
from evobnn.evaluation.signcodes import sign_codes
from evobnn.runs.on_table import load_table, recorded, space_of
from evobnn.runs.setup import Options, make_bench
from evobnn.scores import Genes, fit, genes
from evobnn.scores.genes import FORMS, PLACES
from evobnn.scores.process import OFFSET

TESTED = 300
MEASURES = ("same", "better", "others", "score", "shown", "whole", "trained", "ms", "noise", "own")
"""The first three are log densities, the next four regrets; then milliseconds of learning and what was learnt."""


def one_length(found: Genes) -> Genes:
    """Return all genes as one group."""
    return {"": frozenset(f"{group} {gene}" for group, own in found.items() for gene in own)}


def each_place(found: Genes) -> Genes:
    """Return a group, and so a length scale, for each edge, place of an expression and form."""
    split: dict[str, set[str]] = defaultdict(set)
    for group, own in found.items():
        for gene in own:
            split[f"{group} {gene.rpartition(' ')[0]}"].add(gene)
    return {name: frozenset(own) for name, own in split.items()}


def without(*groups: str) -> Callable[[Genes], Genes]:
    """Return what leaves groups out."""
    return lambda found: {group: own for group, own in found.items() if group not in groups}


KERNELS: Mapping[str, Callable[[Genes], Genes]] = {
    "groups": lambda found: found,
    "one-length": one_length,
    "each-place": each_place,
    "places-only": without(FORMS),
    "forms-only": without(PLACES),
}
"""What is made of the genes before the process sees them; `groups` is what evobnn uses."""


LEVELS = 32
"""Of a sign code as a group of genes."""


def codes_of(name: str, data_dir: Path | None) -> npt.NDArray[np.float64]:
    """Return balance and stability of a table's rows that were trained well, (rows, 2)."""
    table = load_table(name)
    bench = make_bench(recorded(table), Options(jobs=1, data_dir=data_dir))
    rows = [row for row in table.rows.values() if row.errors]
    return np.array([sign_codes(bench, bench.space.parse(row.genome), seed=0) for row in rows])


def levelled(values: npt.NDArray[np.float64]) -> list[frozenset[str]]:
    """Return each of n numbers as the levels below its rank, so that two differ in as many genes as levels lie between
    them: an absolute distance of ranks. Equal numbers have equal genes.
    """
    place = np.searchsorted(np.sort(values), values) * LEVELS // len(values)
    return [frozenset(map(str, range(level))) for level in place.tolist()]


class Archive:
    """A table's rows that were trained well, by their genes and `codes`, and the columns that a seed shows."""

    def __init__(self, name: str, kernel: str, codes: npt.NDArray[np.float64] | None = None) -> None:
        self.table = load_table(name)
        space = space_of(self.table)
        self.rows = [row for row in self.table.rows.values() if row.errors]
        found = [KERNELS[kernel](genes(space, space.parse(row.genome))) for row in self.rows]
        groups = sorted({group for one in found for group in one})
        self.genes = [{group: one.get(group, frozenset()) for group in groups} for one in found]
        if codes is not None:
            pairs = zip(self.genes, levelled(codes[:, 0]), levelled(codes[:, 1]), strict=True)
            self.genes = [{**one, "balance": balance, "stability": stability} for one, balance, stability in pairs]
        self.best = self.table.best_known

    def column(self, seed: int, at: int, repeat: int = 0) -> float:
        """Return the error of a row in the column that a search with this seed is shown as this repeat."""
        return self.table.value(self.rows[at].key, self.table.order(seed, self.rows[at].key)[repeat])

    def regret(self, seed: int, at: int, shown: int) -> float:
        """Return by how many points a row is worse than the best, on columns not shown."""
        key = self.rows[at].key
        return 100.0 * (self.table.unseen_mean(key, self.table.seen(seed, key, shown)) - self.best)

    def measured(self, seed: int, count: int) -> dict[str, float]:
        """Return the measures of one draw."""
        drawn = generator(seed, "bench_model", count).permutation(len(self.rows))
        shown, others = drawn[:count], drawn[count : count + TESTED]
        scores = np.array([self.column(seed, at) for at in shown])
        before = time.perf_counter()
        process = self._learnt(seed, shown)
        took = 1e3 * (time.perf_counter() - before)

        def density(rows: Sequence[int], repeat: int) -> npt.NDArray[np.float64]:
            mean, deviation = process.predict([self.genes[at] for at in rows])
            variance = deviation**2 + process.noise**2
            logs = np.log(np.array([self.column(seed, at, repeat) for at in rows]) + OFFSET)
            return np.asarray(-0.5 * np.log(2.0 * np.pi * variance) - 0.5 * (logs - mean) ** 2 / variance)

        same = density(shown, 1)
        known = set(shown.tolist())
        everywhere = process.errors(self.genes)
        lucky, by_model = shown[np.argmin(scores)], shown[np.argmin(everywhere[shown])]
        anywhere = int(np.argmin(everywhere))
        first = shown[: count - count // 10]
        believed = self._learnt(seed, first).errors(self.genes)
        believed[first] = np.inf
        trained = np.concatenate([first, np.argsort(believed, kind="stable")[: count // 10]])
        chosen = trained[np.argmin(self._learnt(seed, trained).errors([self.genes[at] for at in trained]))]
        found = (
            same.mean(), same[scores < np.median(scores)].mean(), density(others, 0).mean(),
            self.regret(seed, lucky, 1), self.regret(seed, by_model, 1), self.regret(seed, anywhere, anywhere in known),
            self.regret(seed, chosen, 1), took, process.noise, process.own,
        )  # fmt: skip
        return dict(zip(MEASURES, map(float, found), strict=True))

    def _learnt(self, seed: int, rows: Sequence[int]) -> Any:
        return fit([self.genes[at] for at in rows], [[self.column(seed, at)] for at in rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every kernel on every table at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", default=["joint-digits", "gaaf1-mnist14"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[50, 150, 300])
    parser.add_argument("--kernel", nargs="+", choices=KERNELS, default=list(KERNELS))
    parser.add_argument("--draws", type=int, default=40, help="seeds, from 0 on")
    parser.add_argument("--codes", action="store_true", help="show the model sign codes as well")
    parser.add_argument("--data-dir", type=Path, help="with --codes: folder with the published files of a data set")
    parser.add_argument("--json", type=Path, help="write all values here")
    given = parser.parse_args(arguments)
    print(heading())
    rows: list[dict[str, Any]] = []
    for table in given.table:
        codes = codes_of(table, given.data_dir) if given.codes else None
        for kernel in given.kernel:
            archive = Archive(table, kernel, codes)
            for size in given.sizes:
                found = [archive.measured(seed, size) for seed in range(given.draws)]
                rows += [
                    {"table": table, "kernel": kernel, "size": size, "seed": s, **row} for s, row in enumerate(found)
                ]
                print(f"{table} {kernel}, {size} genomes, n = {len(found)}", flush=True)
                for name in MEASURES:
                    values = np.array([row[name] for row in found])
                    print(f"    {name:<8} {values.mean():>8.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}")
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
