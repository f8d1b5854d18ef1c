"""What `show` and `evaluate` look at: an individual of a run, or a genome typed as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evobnn.analysis import Run, load_run
from evobnn.errors import DataError, ExperimentError, GenomeError, message
from evobnn.evaluation import Additions, Bench, LayerTimes
from evobnn.experiment import Experiment
from evobnn.experiment.needs import check_function
from evobnn.runs import Options
from evobnn.runs import named as runs
from evobnn.runs.chosen import experiment as read_experiment
from evobnn.runs.latency import kept_times
from evobnn.runs.setup import assembled, images_of, make_bench, open_experiment, told_images
from evobnn.snapshot.archive import Member

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
        additions: what the user brings along for it.
        brought: what the run was last started `--with`.
    """

    text: str
    experiment: Experiment
    data_dir: Path | None
    run: Run | None = None
    number: int | None = None
    device: str = "cpu"
    additions: Additions = field(default_factory=Additions)
    brought: tuple[str, ...] = ()

    @property
    def member(self) -> Member | None:
        """The individual with its evaluations, or None for a typed genome."""
        return None if self.run is None or self.number is None else self.run.archive.members[self.number]

    @property
    def title(self) -> str:
        """What to call it."""
        return "genome" if self.run is None else f"{self.run.path}:{self.number}"

    def bench(self, device: str = "cpu") -> Bench:
        """Return where it can be evaluated; raise EvobnnError where data or device are missing, or nothing trains."""
        if table := self.experiment.table:
            do = "See its row with 'evobnn table', or evaluate the genome's text."
            raise ExperimentError(message("a run that trains its networks", f"one that looks up in {table}", do))
        check_function(self.experiment, self.additions, self.brought)
        options = Options(1, device=device, data_dir=self.data_dir, additions=self.additions, brought=self.brought)
        return make_bench(self.experiment, options, self._times)

    @property
    def _times(self) -> LayerTimes | None:
        return None if self.run is None else kept_times(self.run.path, self.experiment)

    def paper_bench(self) -> Bench:
        """Return a bench for drawing and counting: without the images where these are not at hand."""
        return paper_bench(self.experiment, self.data_dir, self.additions, self.brought, self._times)


def paper_bench(
    experiment: Experiment,
    data_dir: Path | None,
    additions: Additions | None = None,
    brought: Sequence[str] = (),
    times: LayerTimes | None = None,
) -> Bench:
    """Return a bench for drawing and counting: without the images where these are not at hand; with layer `times` of
    its run, if it has some.

    Raises:
        DataError: the images are not at hand, and their shape is not known from the name of the data set.
    """
    options = Options(jobs=1, data_dir=data_dir, additions=additions or Additions(), brought=tuple(brought))
    if experiment.table:
        return make_bench(experiment, options)
    try:
        return assembled(experiment, images_of(experiment, data_dir), options, times)
    except DataError:
        told = told_images(experiment.dataset)
        if told is None:
            raise
        return assembled(experiment, told, options, times)


def is_genome(text: str) -> bool:
    """Tell whether a text looks like a genome's, and no `RUN:ID` does."""
    head, colon, _ = text.rpartition(":")
    named = colon and (runs.is_run(Path(head)) or runs.is_run(runs.ROOT / head))
    return _GENOME_MARKS.search(text) is not None and not named


def find(text: str, preset: str, data_dir: Path | None, additions: Additions | None = None) -> Subject:
    """Return what `RUN:ID` or the text of a genome means, with what the user brings along.

    Raises:
        EvobnnError: no such run, id or preset, or a text that is neither.
    """
    own = additions or Additions()
    head, colon, tail = text.rpartition(":")
    if is_genome(text):
        return Subject(text, read_experiment(preset, None, ()), data_dir, additions=own)
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
        own,
        tuple(start.get("with", ())),
    )
