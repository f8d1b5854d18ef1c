"""One network trained to the end in one folder: seed after seed, then the test images, once for each.

Every epoch ends with a line of metrics and a checkpoint, whose rename commits it. After a kill the seed in training
goes on from its checkpoint and ends with the same weights, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evobnn._jsonl import writing
from evobnn.analysis.pictures.learning import Learning, save_learning
from evobnn.errors import EvobnnError, RunError, SearchError, message
from evobnn.evaluation import SUMS
from evobnn.evaluation.pace import Pace
from evobnn.experiment.final import TRAINING, FinalSettings, is_training, open_settings, to_text
from evobnn.experiment.precision import slow_precision
from evobnn.machine.facts import machine, python, versions
from evobnn.runs import Options
from evobnn.runs.final.folder import (
    CURVE,
    METRICS,
    RESULT,
    Line,
    read_result,
    seed_folder,
    write_result,
)
from evobnn.runs.final.result import SeedResult, result_of
from evobnn.runs.final.setup import workplace
from evobnn.runs.final.weights import put_into, weights_of, write_weights
from evobnn.snapshot import append_start, lock, new_folder, read_starts, write_text
from evobnn.training import Diverged, StagedTraining, checkpoint
from evobnn.training.matching import first_difference


@dataclass(frozen=True)
class Progress:
    """Where a final training stands, for whoever shows it.

    Attributes:
        seed: in training.
        epoch, epochs: finished of this seed, and of all its stages.
        done, planned: epochs of all seeds.
        line: of the last finished epoch; None where the seed only begins or goes on.
        seconds_left: estimate for all seeds; NaN before the first epoch of this process.
    """

    seed: int
    epoch: int
    epochs: int
    done: int
    planned: int
    line: Line | None
    seconds_left: float


def create(settings: FinalSettings, options: Options, root: Path, out: Path | None = None) -> Path:
    """Make the folder of a new training and write its settings; everything that can be wrong is found before.

    Arguments:
        settings: what decides.
        options: device, data folder and additions.
        root: where `train-<preset>-<first free number>` is made unless `out` is named.
        out: a folder; one that holds a training of the same settings is gone on with.

    Raises:
        EvobnnError: as `workplace`; a folder with other files or with a training of other settings.
    """
    settings = workplace(settings, options).settings
    if out is not None and is_training(out):
        check_same(out, settings)
        return out
    if out is not None and out.is_dir() and any(child.name != ".lock" for child in out.iterdir()):
        got, do = f"{out}, which has other files in it", "Name another folder with --out."
        raise RunError(message("a training folder, or a folder that is new or empty", got, do))
    folder = new_folder(root, f"train-{settings.experiment.preset}", out)
    write_text(folder / TRAINING, to_text(settings))
    return folder


def check_same(folder: Path, settings: FinalSettings) -> None:
    """Raise RunError, naming what differs, where a training folder belongs to other settings."""
    there, here = tomllib.loads(to_text(open_settings(folder))), tomllib.loads(to_text(settings))
    place, old, new = first_difference(there, here, "")
    if place:
        do = f"Go on with 'evobnn train {folder}', or name another folder with --out."
        raise RunError(message(f"{place[1:]} = {old!r}, with which {folder} was begun", repr(new), do))


class FinalSession:
    """Work on one training folder, new or to be continued.

    Arguments:
        folder: with `training.toml`.
        options: device, data folder, additions.
        report: called with a `Progress` when a seed begins or goes on, and after every epoch.
        say: called with a sentence on anything a person should know.
    """

    def __init__(
        self,
        folder: Path,
        options: Options,
        report: Callable[[Progress], None] = lambda progress: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.folder, self.options, self.report, self.say = folder, options, report, say
        self.place = workplace(open_settings(folder), options)
        self.settings = self.place.settings
        self.failures: dict[int, str] = {}
        self._pace = Pace(1)

    def proceed(self) -> Mapping[str, Any]:
        """Train every seed to its end, then read the test images once for each, and return what `result.json` says.

        Raises:
            EvobnnError: the folder belongs to other data or settings, is in use or cannot be written; a checkpoint of
                another network; test images that cannot be read, when all weights are kept.
            SearchError: no seed came to its end.
        """
        with lock(self.folder):
            self._check_start()
            append_start(self.folder, self._start())
            slow = slow_precision(self.settings.plan.stages[0].recipe.precision, self.options.device)
            if slow:
                self.say(slow)
            for number in self.settings.seeds:
                if not seed_folder(self.folder, number).trained:
                    self._train(number)
                    self._draw()
            return self._finish()

    def _train(self, number: int) -> None:
        """Train one seed from where it stands; a training that diverges is noted and left."""
        home = seed_folder(self.folder, number)
        with writing(home.path):
            home.path.mkdir(exist_ok=True)
        network, loader, metadata = self.place.network(number), self.place.loader, self.place.metadata
        training = StagedTraining(network, loader, self.settings.plan, self.place.seed(number))
        latest = checkpoint.newest(home.path)
        if latest is not None:
            training.restore(checkpoint.load(latest, network))
        if home.torn:
            self.say(f"The last line of {home.path / METRICS} was torn by a kill; its epoch is trained again.")
        home.cut(training.epoch)
        self._tell(number, training.epoch, None)
        try:
            while not training.finished:
                began = time.perf_counter()
                record = training.advance()
                line = Line(**asdict(record), seconds=time.perf_counter() - began)
                home.append(line)
                checkpoint.save(training.state(), home.path / f"epoch-{record.epoch:04d}")
                self._pace.note(1.0, time.perf_counter() - began)
                self._tell(number, record.epoch, line)
        except Diverged as error:
            self.failures[number] = str(error)
            self.say(f"seed {number} is left: {error}")
            return
        write_weights(home, training.final_network().state_dict(), metadata)

    def _finish(self) -> Mapping[str, Any]:
        """Test what is trained and not tested yet, and write the result."""
        for number in self.settings.seeds:
            home = seed_folder(self.folder, number)
            tensors = weights_of(home) if home.trained else {}
            if home.trained and home.tested() is None:
                network = self.place.network(number)
                put_into(network, tensors, home)
                try:
                    home.write_tested(self.place.tested(network))
                except EvobnnError:
                    self.say(
                        f"the training is done and its weights are kept; 'evobnn train {self.folder}' tests again."
                    )
                    raise
        found = read_result(self.folder)
        if found is None and (self.folder / RESULT).is_file():
            self.say(f"{self.folder / RESULT} is not what was written; it is written anew.")
        seeds = self._seeds()
        rows = [one.row() for one in seeds]
        if found is None or found.get("seeds") != rows:  # the first to see it all says on which machine it was
            found = dict(result_of(self.place, seeds))
            write_result(self.folder, found)
        self._draw()
        if len(self.failures) == len(self.settings.seeds):
            do = "Lower recipe.learning_rate, or bound the gradient by recipe.gradient_norm."
            raise SearchError(
                message("at least one seed to come to its end", f"{len(self.failures)} that diverged", do)
            )
        return found

    def _seeds(self) -> list[SeedResult]:
        homes = {number: seed_folder(self.folder, number) for number in self.settings.seeds}
        epochs = self.settings.plan.epochs
        lines = {n: home.lines_of(epochs) if home.trained else home.lines() for n, home in homes.items()}
        return [SeedResult(n, lines[n], home.tested(), self.failures.get(n, "")) for n, home in homes.items()]

    def _draw(self) -> None:
        """Renew the picture of all curves so far."""
        curves = {}
        for one in self._seeds():
            columns = ("training_loss", "validation_loss", "validation_error")
            values = ([getattr(line, name) for line in one.lines] for name in columns)
            curves[str(one.seed)] = Learning(*(np.array(column, dtype=float) for column in values))  # None as NaN
        save_learning(self.folder / CURVE, curves, self.settings.ends[:-1])

    def _check_start(self) -> None:
        """Raise where data or settings are no longer those of the first start; say where versions are."""
        begun = next(iter(read_starts(self.folder)), None)
        if begun is None:
            return
        now = self._start()
        for name, what in (("settings", TRAINING), ("data", "the images")):
            if begun.get(name) != now[name]:
                got = f"others: {what} {'has' if name == 'settings' else 'have'} changed"
                do = "Put back what was there, or start a new training."
                raise RunError(message(f"the {name} with which {self.folder} was begun", got, do))
        for name in ("versions", "device"):
            if begun.get(name) != now[name]:
                self.say(f"begun with {name} {begun.get(name)}, now {now[name]}: not bit for bit the same any more.")
        if begun.get("sums") != now.get("sums"):
            self.say("begun with sums of ±alpha, now ±1 is added up exactly: not bit for bit the same any more.")

    def _start(self) -> dict[str, Any]:
        data_dir, device = self.options.data_dir, self.options.device
        protocol, stages = self.place.bench.protocol, self.settings.plan.stages
        exact = any(replace(protocol, recipe=stage.recipe).adds_up_scaled for stage in stages)
        return {
            **({"sums": SUMS[0]} if exact else {}),
            "settings": hashlib.sha256((self.folder / TRAINING).read_bytes()).hexdigest()[:16],
            "data": self.place.prepared.fingerprint,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": device,
            "data_dir": str(data_dir) if data_dir else None,
            **({"with": list(self.options.brought)} if self.options.brought else {}),
            "versions": versions("torch", "numpy"),
            "python": python(),
            "machine": machine(device),
        }

    def _tell(self, number: int, epoch: int, line: Line | None) -> None:
        """Report progress; the estimate of time left takes the recent pace of this process."""
        epochs, seeds = self.settings.plan.epochs, self.settings.seeds
        done, planned = seeds.index(number) * epochs + epoch, len(seeds) * epochs
        left = (planned - done) * self._pace.per_unit()
        self.report(Progress(number, epoch, epochs, done, planned, line, left))
