"""One search in its folder: begun or gone on with, kept after each step, and ended with its genotypes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evobnn._checks import check_name
from evobnn.analysis.pictures.relaxed import save_moves
from evobnn.evaluation import Bench
from evobnn.experiment import Experiment
from evobnn.experiment.presets import DEFAULT_PRESET, laid_over, override, preset_names, preset_table
from evobnn.experiment.text import from_table
from evobnn.relax import folder as files
from evobnn.relax.cost import Cost
from evobnn.relax.derive import check_cells
from evobnn.relax.folder import Asked
from evobnn.relax.halves import check_halves
from evobnn.relax.moves import moves
from evobnn.relax.published.bats import bats
from evobnn.relax.published.bnas import binarised, bnas
from evobnn.relax.published.cpnas import cpnas
from evobnn.relax.settings import EXPRESSIONS, SEARCHES, Bnas, settings_of
from evobnn.relax.step import Row, distinct
from evobnn.runs.named import ROOT
from evobnn.runs.setup import Options, search_bench, settled
from evobnn.snapshot import lock, new_folder, write_text
from evobnn.spaces import SPACES
from evobnn.supernet.build import check_room
from evobnn.training import torch_threads

_SEARCHES: dict[str, Callable[..., Any]] = {"bnas": bnas, "bats": bats, "cpnas": cpnas}


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        done, total: steps: epochs, or draws of child and parent.
        row: of the last step; None as it begins or goes on.
        seconds_left: a guess; NaN where nothing is known.
    """

    done: int
    total: int
    row: Row | None = None
    seconds_left: float = math.nan


Report = Callable[[Progress], object]


def ask(
    search: str,
    dataset: str | None = None,
    space: str | None = None,
    assignments: Sequence[str] = (),
    own: Mapping[str, Any] = {},
    settings: Mapping[str, Any] = {},
) -> Asked:
    """Return what decides a search.

    Arguments:
        search: a name of `SEARCHES`.
        dataset: of the images, cut as the preset of that name cuts them; None for the preset's own.
        space: by whose preset the rest is set, `joint` by that of the data set; None for the paper's own.
        assignments: `section.key=value` texts laid over that; `relax.key` for the search itself.
        own: settings of the search by name, laid over them.
        settings: of the experiment by path, laid over them.

    Raises:
        ExperimentError: a name or value that is not understood.
    """
    check_name("search", search, SEARCHES)
    name = search if space is None else check_name("space", space, SPACES)
    if name == "joint":
        name = dataset if dataset in preset_names() else DEFAULT_PRESET
    table = preset_table(name)
    if dataset is not None and dataset != name:
        cut = preset_table(dataset).get("dataset", {}) if dataset in preset_names() else {}
        table["dataset"] = {**cut, "name": dataset}
    table = laid_over(override({**table, "relax": {}}, assignments), {**settings, "preset": f"relax-{search}"})
    given = {**table.pop("relax"), **own}
    return Asked(search, settings_of(search, given), from_table(table, "the command line"))


class Session:
    """A search in a folder.

    Arguments:
        asked: what decides it.
        options: device and place of the data.
        out: its folder, new or with the same search in it; None for a new one below `populations/`.

    Raises:
        EvobnnError: whatever can be wrong, before anything is trained or written.
    """

    def __init__(self, asked: Asked, options: Options, out: Path | None = None) -> None:
        self.bench: Bench = _bench(asked, options)
        self.asked = replace(asked, experiment=settled(asked.experiment, self.bench))
        if out is not None and (out / files.TEXT).is_file():
            files.check_same(out, self.asked)
            self.folder = out
        else:
            self.folder = new_folder(ROOT, f"relax-{asked.search}", out)
            write_text(self.folder / files.TEXT, files.asked_text(self.asked))

    def proceed(self, report: Report = lambda progress: None) -> None:
        """Search until there is nothing left to do; a folder whose search has ended is left as it is."""
        with lock(self.folder):
            if not files.is_finished(self.folder):
                self._proceed(report)

    def _proceed(self, report: Report) -> None:
        name = files.name_of(self.asked, self.bench.protocol.fingerprint())
        begun, cost = files.load(self.folder, name)
        rows, space = list(begun.rows), self.bench.space
        started, before = time.monotonic(), time.process_time()
        with torch_threads(self.bench.protocol.recipe.threads):
            search = _SEARCHES[self.asked.search](self.bench, self.asked.settings, self.asked.experiment.seed, begun)
            report(Progress(len(rows), search.total))
            for step in search.steps:
                rows.append(json.loads(json.dumps(step.row)))
                now = time.process_time()
                cost, before = cost + step.cost + Cost(cpu_seconds=now - before), now
                files.keep(self.folder, name, rows, cost, step)
                left = (time.monotonic() - started) / (len(rows) - len(begun.rows)) * (search.total - len(rows))
                report(Progress(len(rows), search.total, rows[-1], left))
        files.tell(self.folder, rows, cost)
        save_moves(self.folder / files.PICTURE, moves(space, rows))
        files.finish(self.folder, self.asked, space, distinct(space, search.ranked(rows)))

    @property
    def cost(self) -> Cost:
        """What the search cost so far."""
        return files.read_cost(self.folder)


def _bench(asked: Asked, options: Options) -> Bench:
    experiment: Experiment = asked.experiment
    bench = search_bench(experiment, options)
    check_cells(bench.space)
    check_halves(bench.prepared.train_count, asked.settings.batch)
    own = binarised(bench, asked.settings) if isinstance(asked.settings, Bnas) else bench
    check_room(own, asked.settings.expressions, EXPRESSIONS)
    return bench
