"""What can be verified of a training: every digest, and that what is said twice is said alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evobnn.errors import EvobnnError
from evobnn.experiment.final import TRAINING, open_settings
from evobnn.runs.answers import Problems, Remark
from evobnn.runs.final.folder import METRICS, RESULT, SeedFolder, read_result, seed_folder
from evobnn.runs.final.weights import weights_of
from evobnn.snapshot import read_starts
from evobnn.training import checkpoint


def _settings(folder: Path) -> Problems:
    open_settings(folder)
    begun = next(iter(read_starts(folder)), {}).get("settings")
    if begun is not None and begun != hashlib.sha256((folder / TRAINING).read_bytes()).hexdigest()[:16]:
        yield f"{folder / TRAINING} is not that of the first start"


def _homes(folder: Path) -> Iterator[SeedFolder]:
    for seed in open_settings(folder).seeds:
        if (home := seed_folder(folder, seed)).path.is_dir():
            yield home


def _metrics(folder: Path) -> Problems:
    epochs = open_settings(folder).plan.epochs
    for home in _homes(folder):
        if home.torn:
            yield Remark(f"{home.path} has metrics whose last line is torn; its epoch is trained again.")
        if (home.path / METRICS).is_file() and not home.sealed:
            yield Remark(f"{home.path} is from before digests: a number that was changed is not noticed.")
        yield from _told(lambda home=home: home.lines_of(epochs) if home.trained else home.lines())  # type: ignore[misc]


def _checkpoints(folder: Path) -> Problems:
    for home in _homes(folder):
        if (newest := checkpoint.newest(home.path)) is not None:
            yield from _told(lambda newest=newest: checkpoint.verify(newest))  # type: ignore[misc]


def _weights(folder: Path) -> Problems:
    for home in _homes(folder):
        if home.trained:
            yield from _told(lambda home=home: weights_of(home))  # type: ignore[misc]


def _result(folder: Path) -> Problems:
    errors: dict[int, float] = {}
    for home in _homes(folder):
        yield from _told(lambda home=home: home.tested())  # type: ignore[misc]
    for seed in open_settings(folder).seeds:
        if (tested := _quietly(seed_folder(folder, seed))) is not None:
            errors[seed] = tested
    if not (folder / RESULT).is_file():
        return
    result = read_result(folder)
    if result is None:
        yield f"{folder / RESULT} is not what was written; 'evobnn train {folder}' renews it"
        return
    for row in result["seeds"]:
        if row["seed"] in errors and row["test_error"] != errors[row["seed"]]:
            yield f"{folder / RESULT} has another test error of seed {row['seed']} than its test.json"


def _quietly(home: SeedFolder) -> float | None:
    try:
        tested = home.tested()
    except EvobnnError:
        return None
    return None if tested is None else tested.error


def _told(read: Callable[[], object]) -> Problems:
    try:
        read()
    except EvobnnError as error:
        yield str(error)


TRAININGS: Mapping[str, Callable[[Path], Problems]] = {
    "the settings can be read and are those of the first start": _settings,
    "the metrics are whole, every epoch told": _metrics,
    "the newest checkpoints are whole": _checkpoints,
    "the weights are what was written": _weights,
    "what the tests yielded is what was written, and the result says the same": _result,
}
"""Every check of a training folder by the statement that it verifies."""
