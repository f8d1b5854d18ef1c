"""What `show` and `evaluate` look at: an individual of a run, or a genome typed as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evobnn.analysis import Run, load_run
from evobnn.data import PreparedData, prepare
from evobnn.data.sources import SOURCES
from evobnn.errors import DataError, ExperimentError, GenomeError, message
from evobnn.evaluation import Bench, Protocol
from evobnn.experiment import Experiment
from evobnn.runs import Options
from evobnn.runs import named as runs
from evobnn.runs.chosen import experiment as read_experiment
from evobnn.runs.setup import assembled, make_bench, open_experiment
from evobnn.snapshot.archive import Member, archive

_GENOME_MARKS = re.compile(r"[\[\]@=()]")


@dataclass(frozen=True)
class Subject:
    """A genome and what it is to be read in.

    Attributes:
        text: the genome as it was written.
        experiment: whose space, network and recipe hold.
        data_dir: folder with the published files, or None.
        run, number: of the individual; None for a typed genome.
        device: on which its run was last started.
    """

    text: str
    experiment: Experiment
    data_dir: Path | None
    run: Run | None = None
    number: int | None = None
    device: str = "cpu"

    @property
    def member(self) -> Member | None:
        """The individual with its evaluations, or None for a typed genome."""
        return None if self.run is None or self.number is None else archive(self.run.generations)[self.number]

    @property
    def title(self) -> str:
        """What to call it."""
        return "genome" if self.run is None else f"{self.run.path}:{self.number}"

    def bench(self, device: str = "cpu") -> Bench:
        """Return where it can be evaluated; raise EvobnnError where data or device are missing, or nothing trains."""
        if table := self.experiment.table:
            do = "See its row with 'evobnn table', or evaluate the genome's text."
            raise ExperimentError(message("a run that trains its networks", f"one that looks up in {table}", do))
        return make_bench(self.experiment, Options(jobs=1, device=device, data_dir=self.data_dir))

    def paper_bench(self) -> Bench:
        """Return a bench for drawing and counting: without the images where these are not at hand."""
        return paper_bench(self.experiment, self.data_dir)


def paper_bench(experiment: Experiment, data_dir: Path | None) -> Bench:
    """Return a bench for drawing and counting: without the images where these are not at hand.

    Raises:
        DataError: the images are not at hand, and their shape is not known from the name of the data set.
    """
    options = Options(jobs=1, data_dir=data_dir)
    if experiment.table:
        return make_bench(experiment, options)
    try:
        return assembled(experiment, prepare(experiment.dataset, data_dir), options)
    except DataError:
        spec = experiment.dataset
        source = SOURCES.get(spec.name)
        if source is None or source.shape is None:
            raise
        channels, *sides = source.shape
        height, width = (spec.size or side for side in sides)
        prepared = PreparedData("", "", spec.name, (channels, height, width), source.classes, 0, 0)
        protocol = Protocol(spec, experiment.network, experiment.recipe, experiment.max_macs)
        space = experiment.space.build(experiment.network, min(height, width))
        return Bench(space, protocol, prepared, experiment.objectives)


def find(text: str, preset: str, data_dir: Path | None) -> Subject:
    """Return what `RUN:ID` or the text of a genome means.

    Raises:
        EvobnnError: no such run, id or preset, or a text that is neither.
    """
    head, colon, tail = text.rpartition(":")
    if _GENOME_MARKS.search(text) and not (colon and (runs.is_run(Path(head)) or runs.is_run(runs.ROOT / head))):
        return Subject(text, read_experiment(preset, None, ()), data_dir)
    if not colon:
        if runs.is_run(Path(text)) or runs.is_run(runs.ROOT / text):
            got, do = f"the run '{text}' without an id", f"Write {text}:0; 'evobnn front {text}' lists the front's ids."
        else:
            got, do = f"'{text}'", "Write for example populations/digits-1:7 or 'normal[2 = conv3(0) + ...] @net = x'."
        raise GenomeError(message("RUN:ID or the text of a genome", got, do))
    folder = runs.find(head)
    if not tail.isascii() or not tail.isdigit():
        do = f"'evobnn front {head}' lists the front's."
        raise GenomeError(message("the number of an individual behind the colon", f"'{tail}'", do))
    run = load_run(folder)
    individual = run.individual(int(tail))
    start = runs.last_start(folder)
    there = start.get("data_dir")
    return Subject(
        individual.genome,
        open_experiment(folder),
        data_dir or (Path(there) if there else None),
        run,
        individual.id,
        str(start.get("device", "cpu")),
    )
