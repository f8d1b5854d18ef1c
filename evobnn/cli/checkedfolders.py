"""`evobnn check` of what is no run: trainings, tables and studies. Every digest is verified, and what is said twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evobnn import _jsonl
from evobnn.analysis.pictures.curves import FORMAT as COMPARED
from evobnn.analysis.pictures.curves import RESULTS
from evobnn.analysis.pictures.curves import read_results as read_compared
from evobnn.cli.checks import Remark, print_check, print_verdict
from evobnn.errors import EvobnnError
from evobnn.experiment.final import TRAINING, is_training, open_settings
from evobnn.experiment.shipped import FILE, table_file
from evobnn.runs import named as runs
from evobnn.runs.final.folder import METRICS, RESULT, SeedFolder, read_result, seed_folder
from evobnn.runs.final.weights import weights_of
from evobnn.runs.on_table import recorded
from evobnn.snapshot import read_journal, read_starts
from evobnn.snapshot.journal import TORN
from evobnn.studies.fidelity import brief
from evobnn.tables import read_table
from evobnn.training import checkpoint

Problems = Iterator[str]
JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Found:
    """What is to be checked: where it lies, and the checks by what they ask."""

    path: Path
    checks: Mapping[str, Callable[[Path], Problems]]


def find(text: str) -> Found | None:
    """Return a training, study or table by its path or its name below `populations/`; None for anything else."""
    for folder in (Path(text), runs.ROOT / text) if text else ():
        if is_training(folder):
            return Found(folder, TRAININGS)
        if (folder / RESULTS).is_file():
            return Found(folder, STUDIES)
        if (folder / FILE).is_file():
            return Found(folder, TABLES)
    path = Path(text) if text and Path(text).is_file() and Path(text).name == FILE else table_file(text)
    return Found(path.parent, TABLES) if text and path is not None else None


def show(found: Found) -> bool:
    """Print a line for each check; return whether everything is right."""
    wrong = 0
    for question, check in found.checks.items():
        try:
            problems = list(check(found.path))
        except EvobnnError as error:
            problems = [str(error)]
        except Exception as error:  # what is written in a spoilt file can break anything
            problems = [f"{type(error).__name__}: {error}"]
        wrong += print_check(question, problems)
    print_verdict(found.path, wrong)
    return wrong == 0


# --- Trainings ------------------------------------------------------------------------------------------------------


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


# --- Tables and studies ---------------------------------------------------------------------------------------------


def _table(folder: Path) -> Problems:
    recorded(read_table(folder / FILE))
    yield from _age(folder / FILE)


def _age(path: Path) -> Problems:
    if _jsonl.parse(_jsonl.read_bytes(path).split(b"\n")[0]).get("version", 1) < _jsonl.SEALED:
        yield Remark(f"{path} is from before digests: a number that was changed is not noticed.")


def _journal(folder: Path) -> Problems:
    _, notes = read_journal(folder / JOURNAL)
    yield from (Remark(note) if note.endswith(TORN) else note for note in notes)


def _results(folder: Path) -> Problems:
    path = folder / RESULTS
    form = _jsonl.parse(_jsonl.read_bytes(path).split(b"\n")[0]).get("format")
    if form == COMPARED:
        read_compared(path)
    else:
        brief.read_results(path)
    yield from _age(path)
    yield from map(Remark, _jsonl.torn_lines(path))


TRAININGS: Mapping[str, Callable[[Path], Problems]] = {
    "the settings can be read and are those of the first start": _settings,
    "the metrics are whole, every epoch told": _metrics,
    "the newest checkpoints are whole": _checkpoints,
    "the weights are what was written": _weights,
    "what the tests yielded is what was written, and the result says the same": _result,
}
TABLES: Mapping[str, Callable[[Path], Problems]] = {
    "the table can be read, and so can its experiment": _table,
    "the journal is whole": _journal,
}
STUDIES: Mapping[str, Callable[[Path], Problems]] = {"the results can be read": _results}
"""What is asked of each kind of folder, in order."""
