"""Searching on a table of recorded trainings: an evaluation is a look-up, and neither images nor torch's time are
needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from evobnn.data import PreparedData
from evobnn.errors import ExperimentError, closest, message
from evobnn.experiment.settings import Experiment, NoiseSettings, from_text
from evobnn.fitness import Bench, Protocol
from evobnn.genome import Genome
from evobnn.records import Status
from evobnn.spaces import key
from evobnn.tables import Table, TableEvaluator, read_table

ROOT = Path("populations/tables")
FILE = "table.jsonl"
HELD_OUT = 1
"""Columns of every row that a search is never shown: fresh scores come from them."""


def find_table(name: str) -> Path:
    """Return the file of a table: a path to it or to its folder, or a name below `populations/tables/`.

    Raises:
        ExperimentError: there is none.
    """
    for path in (Path(name), Path(name) / FILE, ROOT / name / FILE):
        if path.is_file():
            return path
    known = sorted(path.parent.name for path in ROOT.glob(f"*/{FILE}"))
    near = closest(name, known)
    do = f"Did you mean '{near}'?" if near else "Name one, or make it with 'evobnn tabulate'."
    raise ExperimentError(message(f"a table ({', '.join(known) or f'none in {ROOT}'})", f"'{name}'", do))


@lru_cache(maxsize=4)
def load_table(name: str) -> Table:
    """Return the table of a name or path; read once in a process."""
    return read_table(find_table(name))


def recorded(table: Table) -> Experiment:
    """Return the experiment whose trainings the table holds."""
    return from_text(table.experiment, f"the table {table.name}")


def on_table(table: Table, name: str) -> Experiment:
    """Return an experiment that searches the table: its space and protocol, measured so often that one column stays.

    A search cannot see what scores it: with k columns a genome is measured at most k - 1 times.
    """
    columns = min((len(row.errors) for row in table.rows.values() if row.errors), default=0)
    if columns <= HELD_OUT:
        raise ExperimentError(
            message(
                f"a table with at least {HELD_OUT + 1} trainings of every genome",
                f"{columns} in {table.name}",
                "Go on with 'evobnn tabulate'.",
            )
        )
    noise = NoiseSettings(repeats=min(3, columns - HELD_OUT), rescore=HELD_OUT)
    return replace(recorded(table), table=name, noise=noise)


def check_same(experiment: Experiment, table: Table) -> None:
    """Raise ExperimentError unless the experiment's data, network, recipe and space are those of the table; parts of
    the space may be frozen.
    """
    theirs = recorded(table)
    for part in ("dataset", "network", "recipe", "max_macs", "space"):
        ours, other = getattr(experiment, part), getattr(theirs, part)
        if part == "space":
            ours = replace(ours, freeze=other.freeze)
        if ours != other:
            raise ExperimentError(
                message(
                    f"the protocol of the table {table.name}",
                    f"another {part}: {ours} where the table has {other}",
                    "Leave out the preset and what changes it, or tabulate this experiment.",
                )
            )


def table_bench(experiment: Experiment, table: Table) -> Bench:
    """Return a bench for a search on the table; nothing can be trained on it.

    Raises:
        ExperimentError: the table was made under another protocol.
    """
    check_same(experiment, table)
    shape = tuple(int(side) for side in table.data["shape"])
    prepared = PreparedData(
        "",
        str(table.data["fingerprint"]),
        experiment.dataset.name,
        (shape[0], shape[1], shape[2]),
        int(table.data["classes"]),
        int(table.data["train"]),
        table.images,
    )
    protocol = Protocol(
        experiment.dataset, experiment.network, experiment.recipe, experiment.max_macs, prepared.fingerprint
    )
    space = experiment.space.build(experiment.network, min(prepared.shape[1:]))
    return Bench(space, protocol, prepared, experiment.objectives)


def infeasible_in(table: Table, bench: Bench) -> Callable[[Genome], str]:
    """Return why a genome would not be trained, as the table knows it."""
    space = bench.space

    def reason(genome: Genome) -> str:
        row = table.rows.get(key(space, genome))
        if row is None:
            return f"not in the table {table.name}"
        return row.message if row.status is Status.INVALID else ""

    return reason


def look_up(experiment: Experiment, table: Table) -> TableEvaluator:
    """Return what answers the requests of the experiment's search."""
    cycle = experiment.make_strategy().repeats_known
    return TableEvaluator(table, experiment.seed, experiment.objectives, HELD_OUT, cycle)
