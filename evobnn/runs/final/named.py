"""Trainings by name: a training folder by its path or its name below `populations/`."""

from __future__ import annotations

import os
from pathlib import Path

from evobnn.analysis import Run, load_run
from evobnn.errors import RunError, closest, message
from evobnn.experiment.final import is_training
from evobnn.runs import named as runs


def find(what: str) -> Path | None:
    """Return the training folder that is meant, by path or by its name below `populations/`; None for anything else.

    Raises:
        RunError: there is no such thing, but a training of nearly this name.
    """
    for folder in (Path(what), runs.ROOT / what):
        if what and is_training(folder):
            return folder
    near = closest(Path(what).name, [child.name for child in _known()])
    if near and what.rstrip("/").rpartition("/")[2].startswith("train-") and ":" not in what:
        raise RunError(message("a training folder", f"'{what}', which is none", f"Did you mean '{runs.ROOT / near}'?"))
    return None


def training_of(what: str | os.PathLike[str] | Run, number: int | None = None) -> Path:
    """Return the training folder that is meant.

    Arguments:
        what: its path or name; anything else is refused with what to do instead.
        number: id of an individual, which means that `what` is a run.

    Raises:
        RunError: a run, whose networks have no weights, an id beside a training, or nothing that is known.
        EvobnnError: an id that is not in the run.
    """
    text = os.fspath(what.path if isinstance(what, Run) else what)
    head, colon, tail = text.rpartition(":")
    if colon and number is None and tail.isascii() and tail.isdigit() and runs.is_one(head):
        text, number = head, int(tail)
    if runs.is_one(text):
        raise _untrained(runs.find(text), number)
    folder = find(text)
    if folder is None and "=" in text and not Path(text).exists():
        do = "Train it with 'evobnn train GENOME' and name the folder that this makes."
        raise RunError(message("a training folder", "a genome, which has no weights", do))
    if folder is None:
        got = f"'{text}', which {'is none' if Path(text).exists() else 'does not exist'}"
        raise RunError(message("a training folder", got, _hint(text)))
    if number is not None:
        do = "Leave it out: a training is of one genome; its seeds are chosen by seed."
        raise RunError(message(f"no id beside the training {folder}", f"id {number}", do))
    return folder


def _untrained(run: Path, number: int | None) -> RunError:
    if number is None:
        do = f"Train one with 'evobnn train {run}:ID' and name its folder; 'evobnn front {run}' lists the front's ids."
        return RunError(message("a training folder", f"the run {run}, whose networks have no weights", do))
    load_run(run).individual(number)
    do = f"Train it with 'evobnn train {run}:{number}' and name the folder that this makes."
    return RunError(message("a training folder", f"individual {number} of the run {run}, which has no weights", do))


def _hint(text: str) -> str:
    above = [folder for folder in Path(text).parents if folder != Path(".") and is_training(folder)]
    if above:
        return f"Name {above[0]}."
    known = [str(child) for child in _known()]
    if not known:
        return f"There is none in {runs.ROOT}/ yet; 'evobnn train' makes one."
    return f"Known: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}."


def _known() -> list[Path]:
    return sorted(child for child in runs.ROOT.iterdir() if is_training(child)) if runs.ROOT.is_dir() else []
