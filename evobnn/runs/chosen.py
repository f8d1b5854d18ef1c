"""The experiment that is meant: by a preset, a TOML file, a data set or a table, and by settings laid over it."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence

from evobnn.evaluation import Additions
from evobnn.experiment import Experiment, preset_names, preset_table
from evobnn.experiment.needs import settings_with
from evobnn.experiment.presets import DEFAULT_PRESET, laid_over, override
from evobnn.experiment.text import from_table, to_text
from evobnn.runs import named
from evobnn.runs.on_table import load_table, noise_of, on_table


def experiment(
    what: str | None,
    dataset: str | None,
    assignments: Sequence[str],
    recorded: str | None = None,
    bounds: Mapping[str, float] = {},
    additions: Additions | None = None,
) -> Experiment:
    """Return the experiment of a preset or TOML file with `section.key=value` texts applied.

    `bounds` are constraints by name beside its own; an evaluation function among `additions` evaluates.

    Without either it is the one that a table has `recorded`, the preset called like the data set, or else the
    default one with the data set exchanged.
    """
    if recorded is not None and what is None and dataset is None:
        table = tomllib.loads(to_text(on_table(load_table(recorded), recorded)))
        table["strategy"] = {name: table["strategy"][name] for name in ("name", "population")}  # what any other takes
    elif recorded is not None:
        noise = dataclasses.asdict(noise_of(load_table(recorded)))
        table = {"noise": noise, **named.settings_of(what or DEFAULT_PRESET), "table": recorded}
        assignments = [*([f"dataset.name={dataset}"] if dataset else []), *assignments]
    elif what is None and dataset is not None:
        known = dataset in preset_names()
        table = preset_table(dataset) if known else {**preset_table(DEFAULT_PRESET), "preset": dataset}
    else:
        table = named.settings_of(what or DEFAULT_PRESET)
    own = settings_with(additions) if additions else {}
    found = from_table(override(laid_over(table, own), assignments), what or "the preset")
    return dataclasses.replace(found, constraints={**found.constraints, **bounds}) if bounds else found
