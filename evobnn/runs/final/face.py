"""One network trained to its end in one call: what `evobnn.train` is.

training = evobnn.train("mnist5k-1:12", recipe="small", epochs=12)
training.network().predict(training.test_images().images)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evobnn import analysis
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Additions
from evobnn.experiment.asked import Asked, final_settings
from evobnn.genome import Genome
from evobnn.runs import Options, subject
from evobnn.runs import named as runs
from evobnn.runs.final import named
from evobnn.runs.final.session import FinalSession, Progress, create
from evobnn.runs.final.training import Training
from evobnn.training import Plan


def train(
    what: str | Path | analysis.Run | Genome,
    id: int | None = None,
    *,
    recipe: str | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    all_images: bool = False,
    dataset: str | None = None,
    size: int | None = None,
    cells: int | None = None,
    channels: int | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] = {},
    threads: int | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    data_dir: str | Path | None = None,
    additions: Additions | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Training:
    """Train one network to its end, read the test images once for each seed, and return the training.

    Called again with the same folder and settings it goes on where it was stopped, or returns what is finished.

    Arguments:
        what: a run and the `id` of an individual, `"RUN:ID"`, a genome or its text; or the folder of a training, with
            no settings beside it, to go on with.
        id: of an individual of a run.
        recipe: a name of `evobnn recipes` or a TOML file; None for `brief`, as the search trains.
        epochs: of all stages together; None for those of the recipe.
        seeds: trainings, one after the other; None for one.
        all_images: learn from the validation images too; then nothing is validated.
        dataset: a name, taken whole; None for that of the run or preset, as it is cut.
        size: height and width of the images in pixels; 0 as published.
        cells: of the network; None for as many as in the run or preset.
        channels: width of its first cells; None for the same.
        preset: in which a genome is read; None for that of the data set, or the default one.
        settings: others by path, such as {"recipe.batch": 32, "network.stem": 1.0}.
        threads: of torch; None for as many as there are cores.
        out: its folder; None for `populations/train-PRESET-NUMBER`, which is printed.
        device: of torch; None for the CPU, or for that on which the training was begun.
        data_dir: folder with the published files of the data set; None for that of the run.
        additions: operations, forms and whatever else is your own, see `Additions`.
        report: called with a `Progress` when a seed begins or goes on, and after every epoch.

    Raises:
        EvobnnError: a name, setting, file or device that is not right, a folder that holds something else, or a
            training that diverged with every seed.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/train"
    ... )
    >>> training.path.name
    'train'
    """
    asked = Asked(
        preset=preset,
        dataset=dataset,
        size=size,
        recipe=recipe,
        assignments=tuple(f"{path}={json.dumps(value)}" for path, value in settings.items()),
        cells=cells,
        channels=channels,
        epochs=epochs,
        seeds=seeds,
        threads=threads,
        all_images=all_images,
        out=None if out is None else Path(out),
    )
    place = None if data_dir is None else Path(data_dir)
    session, new = opened(_named(what, id), asked, device, place, additions or Additions())
    if new is not None and out is None:
        print(f"training {session.folder}")
    session.report = report
    return Training(session.folder, session.proceed())


def _named(what: str | Path | analysis.Run | Genome, id: int | None) -> str:
    text = str(what.path if isinstance(what, analysis.Run) else what)
    return text if id is None else f"{text}:{id}"


def opened(
    what: str,
    asked: Asked,
    device: str | None,
    data_dir: Path | None,
    additions: Additions,
    brought: Sequence[str] = (),
) -> tuple[FinalSession, Plan | None]:
    """Return the session of a training that is made or gone on with, and its plan as asked for, where it is new.

    Raises:
        EvobnnError: as `train`.
    """
    folder, plan = named.find(what), None
    if folder is not None:
        _refuse_settings(what, asked)
        before = runs.last_start(folder)
        there = before.get("data_dir")
        data_dir = data_dir or (Path(there) if there else None)
        device, brought = device or str(before.get("device", "cpu")), brought or before.get("with", ())
        options = Options(1, device=device, data_dir=data_dir, additions=additions, brought=tuple(brought))
    else:
        found = subject.find(what, asked.source, data_dir, additions)
        new = final_settings(found.text, found.experiment, asked)
        options = Options(
            1, device=device or "cpu", data_dir=found.data_dir, additions=additions, brought=tuple(brought)
        )
        folder, plan = create(new, options, runs.ROOT, asked.out), new.plan
    return FinalSession(folder, options), plan


def _refuse_settings(what: str, asked: Asked) -> None:
    """Raise where a training folder is named together with settings, which are those with which it was begun."""
    given = [one.name for one in dataclasses.fields(Asked) if getattr(asked, one.name) != one.default]
    if given:
        options = ", ".join("--set" if name == "assignments" else f"--{name.replace('_', '-')}" for name in given)
        do = "Leave them out to go on; start another training from the genome to change them."
        raise ExperimentError(message(f"no settings beside the training folder {what}", options, do))
