"""Searching on a table of recorded trainings: an evaluation is a look-up, and neither images nor torch's time are
needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from evobnn._checks import check_name
from evobnn.data import PreparedData
from evobnn.errors import ExperimentError, closest, message
from evobnn.evaluation import SUMS, Bench, Protocol
from evobnn.evolution.halving import WITHOUT
from evobnn.experiment.augmented import augmented
from evobnn.experiment.settings import Experiment, NoiseSettings
from evobnn.experiment.shipped import FILE, ROOT, table_file, table_names
from evobnn.experiment.text import from_text
from evobnn.genome import Genome
from evobnn.records import Status
from evobnn.spaces import Space, key
from evobnn.tables import COSTS, Table, TableEvaluator, read_table

HELD_OUT = 1
"""Columns of every row that a search is never shown: fresh scores come from them."""


def find_table(name: str) -> Path:
    """Return the file of a table: a path to it or to its folder, or the name of one below `populations/tables/` or of
    one that came with evobnn.

    Raises:
        ExperimentError: there is none.
    """
    for path in (Path(name), Path(name) / FILE, table_file(name)):
        if path is not None and path.is_file():
            return path
    known = table_names()
    near = closest(name, known)
    do = f"Did you mean '{near}'?" if near else "Name one, or make it with 'evobnn tabulate'."
    raise ExperimentError(message(f"a table ({', '.join(known) or f'none in {ROOT}'})", f"'{name}'", do))


def load_table(name: str) -> Table:
    """Return the table of a name or path; read once in a process, and again where the file has changed since."""
    path = find_table(name).resolve()
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> Table:
    return read_table(path)


def recorded(table: Table) -> Experiment:
    """Return the experiment whose trainings the table holds."""
    return from_text(table.experiment, f"the table {table.name}")


def on_table(table: Table, name: str) -> Experiment:
    """Return an experiment that searches the table: its space and protocol, measured so often that one column stays.

    A search cannot see what scores it: with k columns a genome is measured at most k - 1 times. Its trainings are
    whole ones, whatever rungs the table has.

    Raises:
        ExperimentError: a row of the table has one column alone, or none has any.
    """
    return replace(recorded(table), table=name, noise=noise_of(table), halving=WITHOUT)


def noise_of(table: Table) -> NoiseSettings:
    """Return how often a search of the table measures a genome, and how often it is scored afresh."""
    return NoiseSettings(repeats=min(3, _shown(table)), rescore=HELD_OUT)


def _shown(table: Table) -> int:
    """Return the number of columns of every row that a search may be shown."""
    columns = min((len(row.errors) for row in table.rows.values() if row.errors), default=0)
    if columns <= HELD_OUT:
        raise ExperimentError(
            message(
                f"a table with at least {HELD_OUT + 1} trainings of every genome",
                f"{columns} in {table.name}",
                "Go on with 'evobnn tabulate'.",
            )
        )
    return columns - HELD_OUT


def check_noise(experiment: Experiment, table: Table, own: Mapping[str, Any] = {}) -> None:
    """Raise ExperimentError where the experiment measures a genome more often than the table can answer."""
    bounds = {"rescore": HELD_OUT} if _cycles(experiment, own) else {"repeats": _shown(table), "rescore": HELD_OUT}
    for name, most in bounds.items():
        found = getattr(experiment.noise, name)
        if found > most:
            expected = f"noise.{name} of at most {most}, the columns of {table.name} that are there for it"
            raise ExperimentError(message(expected, str(found), f"Set noise.{name} = {most}."))


def _cycles(experiment: Experiment, own: Mapping[str, Any]) -> bool:
    """Tell whether a search may measure a genome any number of times, so that columns have to come again."""
    return experiment.make_strategy(own).repeats_known or "abandonment" in experiment.pressures


def check_same(experiment: Experiment, table: Table) -> None:
    """Raise ExperimentError unless the experiment's data, network, recipe and space are those of the table, and its
    rungs among those of the table; parts of the space may be frozen.
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
                    ", ".join(_differences(part, ours, other)),
                    "Leave out the preset and what changes it, or tabulate this experiment.",
                )
            )
    _check_rungs(experiment.halving.rungs, table)


def _check_rungs(rungs: tuple[int, ...], table: Table) -> None:
    """Raise ExperimentError for rungs at which the table holds no scores."""
    if set(rungs) <= set(table.rungs):
        return
    if not table.rungs:
        expected, do = f"halving.rungs = [] on the table {table.name}, which holds whole trainings only", "Leave it out"
    else:
        known = ",".join(map(str, table.rungs))
        expected, do = f"halving.rungs among those of the table {table.name} ({known})", f"Set halving.rungs = {known}"
    raise ExperimentError(message(expected, str(list(rungs)), f"{do}, or tabulate an experiment with these."))


def _differences(path: str, ours: Any, other: Any) -> list[str]:
    """Return the settings that differ, each with both values."""
    if not is_dataclass(ours):
        return [f"{path} = {ours!r} where it has {other!r}"]
    names = [one.name for one in fields(ours) if getattr(ours, one.name) != getattr(other, one.name)]
    return [
        line for name in names for line in _differences(f"{path}.{name}", getattr(ours, name), getattr(other, name))
    ]


def table_bench(experiment: Experiment, table: Table) -> Bench:
    """Return a bench for a search on the table; nothing can be trained on it. Its data are the table, so that a run
    does not go on with one that has grown or changed.

    Raises:
        ExperimentError: the table was made under another protocol, or does not say what its images are.
    """
    images = images_of(table)
    recipe = augmented(experiment.recipe, images.name, min(images.shape[1:]))
    experiment = replace(experiment, recipe=recipe)
    check_same(experiment, table)
    one = Protocol(experiment.dataset, experiment.network, experiment.recipe, experiment.max_macs, images.fingerprint)
    exact, before = (replace(one, sums=sums) for sums in SUMS)
    protocol = exact if exact.fingerprint() == table.protocol else before
    space = experiment.space.build(experiment.network, min(images.shape[1:]))
    return Bench(space, protocol, replace(images, fingerprint=table.fingerprint), experiment.objectives)


def images_of(table: Table) -> PreparedData:
    """Return what the table says of its images; these themselves are not at hand.

    Raises:
        ExperimentError: it says too little.
    """
    try:
        channels, height, width = (int(side) for side in table.data["shape"])
        classes, train = int(table.data["classes"]), int(table.data["train"])
        fingerprint, name = str(table.data["fingerprint"]), recorded(table).dataset.name
    except (KeyError, TypeError, ValueError) as error:
        expected = f"'data' with fingerprint, shape, classes and train in the first line of the table {table.name}"
        raise ExperimentError(message(expected, str(dict(table.data)), "Tabulate it anew.")) from error
    return PreparedData("", fingerprint, name, (channels, height, width), classes, train, table.images)


def space_of(table: Table) -> Space:
    """Return the space that was tabulated."""
    experiment = recorded(table)
    return experiment.space.build(experiment.network, min(images_of(table).shape[1:]))


def infeasible_in(table: Table, bench: Bench) -> Callable[[Genome], str]:
    """Return why a genome would not be trained, as the table knows it."""
    space = bench.space

    def reason(genome: Genome) -> str:
        row = table.rows.get(key(space, genome))
        if row is None:
            return f"not in the table {table.name}"
        return row.message if row.status is Status.INVALID else ""

    return reason


def told_by(table: Table) -> list[str]:
    """Return the counted quantities that the table tells of every genome."""
    return [name for name in COSTS if all(getattr(row, name) is not None for row in table.rows.values())]


def counts_in(table: Table, bench: Bench, names: Sequence[str]) -> Callable[[Genome], Mapping[str, float]]:
    """Return what the table knows of a genome's counts, by these names; nothing of one that it lacks.

    Raises:
        ExperimentError: a name that some row has no number for.
    """
    for name in names:
        check_name(f"quantity to constrain in the table {table.name}", name, told_by(table))

    def counts(genome: Genome) -> Mapping[str, float]:
        row = table.rows.get(key(bench.space, genome))
        return {name: float(getattr(row, name)) for name in names} if row is not None else {}

    return counts


def least_in(table: Table, name: str) -> float:
    """Return the least of a counted quantity among the genomes of a table that were trained well."""
    return min((float(getattr(row, name)) for row in table.rows.values() if row.errors), default=math.inf)


def look_up(experiment: Experiment, table: Table, own: Mapping[str, Any] = {}) -> TableEvaluator:
    """Return what answers the requests of the experiment's search."""
    return TableEvaluator(table, experiment.seed, experiment.objectives, HELD_OUT, _cycles(experiment, own))
