"""The three searches as functions: `evobnn relax` from Python, and both are one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evobnn.errors import RunError, message
from evobnn.genome import Genome, parse_genome
from evobnn.relax import folder as files
from evobnn.relax.cost import Cost
from evobnn.relax.session import Report, Session, ask
from evobnn.runs.setup import Options


@dataclass(frozen=True)
class Relaxed(os.PathLike[str]):
    """What a search found; it stands for its folder wherever a path is taken.

    Attributes:
        path: of the folder.
        genomes: the genotypes, best first.
        decisions: a row for each epoch or draw, as in `decisions.jsonl`.
        cost: path-epochs, multiply-accumulates and CPU seconds.
    """

    path: Path
    genomes: tuple[Genome, ...]
    decisions: tuple[Mapping[str, Any], ...]
    cost: Cost

    def __fspath__(self) -> str:
        return str(self.path)


def bnas(dataset: str | None = None, **how: Any) -> Relaxed:
    """Search by BNAS (Kim, Singh, Choi, ECCV 2020) and return what was found.

    Arguments:
        dataset: name of the images; None for scikit-learn's digits, as the preset `bnas` has them.
        how: see `relaxed`; all else is a setting of `evobnn.relax.Bnas`.

    >>> import evobnn.relax
    >>> small = {"dataset.train_limit": 128, "network.width": 2}
    >>> found = evobnn.relax.bnas("digits", epochs=1, batch=32, settings=small, out="bnas-1")
    >>> len(found.decisions), found.cost.path_epochs
    (1, 5.0)
    """
    return relaxed("bnas", dataset, **how)


def bats(dataset: str | None = None, **how: Any) -> Relaxed:
    """Search by BATS (Bulat, Martinez, Tzimiropoulos, ECCV 2020) and return what was found; arguments as of `bnas`,
    settings of `evobnn.relax.Bats`.

    >>> import evobnn.relax
    >>> small = {"dataset.train_limit": 128, "network.width": 4}
    >>> found = evobnn.relax.bats("digits", temperature=0.2, epochs=1, batch=32, settings=small, out="bats-1")
    >>> found.decisions[0]["temperature"]
    0.2
    """
    return relaxed("bats", dataset, **how)


def cpnas(dataset: str | None = None, **how: Any) -> Relaxed:
    """Search by CP-NAS (Zhuo et al., IJCAI 2020) and return what was found; arguments as of `bnas`, settings of
    `evobnn.relax.Cpnas`.

    >>> import evobnn.relax
    >>> small = {"dataset.train_limit": 128, "network.width": 2, "space.offered": ("zero", "identity", "sep3")}
    >>> found = evobnn.relax.cpnas("digits", repeats=1, settings=small, out="cpnas-1")
    >>> [row["stage"] for row in found.decisions]
    [3, 3, 3, 2, 2]
    """
    return relaxed("cpnas", dataset, **how)


def relaxed(
    search: str,
    dataset: str | None = None,
    *,
    space: str | None = None,
    settings: Mapping[str, Any] = {},
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    data_dir: str | os.PathLike[str] | None = None,
    report: Report = lambda progress: None,
    **own: Any,
) -> Relaxed:
    """Search by one of `bnas`, `bats` and `cpnas`, or go on with the same search in `out`, and return what was found.

    Arguments:
        search: which.
        dataset: name of the images.
        space: where to search; None for the paper's own.
        settings: of the experiment by path, such as `network.width`.
        seed: root of all randomness.
        out: folder; None for a new one below `populations/`.
        device: torch device.
        data_dir: folder with the published files of the data set.
        report: told of each step, see `evobnn.relax.session.Progress`.
        own: settings of the search by name, such as `epochs`.

    Raises:
        EvobnnError: whatever is wrong with what is asked, before anything is trained.
    """
    given = {**settings, **({} if seed is None else {"seed": seed})}
    asked = ask(search, dataset, space, (), own, given)
    session = Session(asked, Options(jobs=1, device=device, data_dir=_path(data_dir)), _path(out))
    session.proceed(report)
    return load(session.folder)


def resume(folder: str | os.PathLike[str], *, device: str = "cpu", report: Report = lambda progress: None) -> Relaxed:
    """Go on with a search that was stopped, and return what was found."""
    path = Path(folder)
    session = Session(files.read_asked(path), Options(jobs=1, device=device), path)
    session.proceed(report)
    return load(path)


def load(folder: str | os.PathLike[str]) -> Relaxed:
    """Return what the search in a folder found.

    Raises:
        RunError: there is none, or it has not ended.
    """
    path = Path(folder)
    asked = files.read_asked(path)
    if not files.is_finished(path):
        do = f"Go on with it: evobnn relax {path}."
        raise RunError(message(f"a search by {asked.search} that has ended in {path}", "one that was stopped", do))
    genomes = tuple(map(parse_genome, files.genotypes(path)))
    return Relaxed(path, genomes, files.decisions(path), files.read_cost(path))


def _path(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)
