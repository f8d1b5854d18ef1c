"""Starting from saved populations: their survivors, best front first, taken over into this space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from evobnn._seeding import generator
from evobnn.analysis import nondominated
from evobnn.errors import GenomeError, RunError, message
from evobnn.genome import Genome, parse_genome
from evobnn.snapshot import Survivor, read_generations
from evobnn.spaces import Space, adapt

PARTS = ("cells", "expressions")


def starters(space: Space, sources: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Return up to `count` genomes of this space, as text, from saved runs.

    A source is a run folder, or `FOLDER:cells` or `FOLDER:expressions` to take one half only; the i-th cells are then
    joined with the i-th expressions of the other sources. Whole populations are taken in turn, best front first.
    What this space does not allow is drawn anew (`evobnn.spaces.adapt`).

    Raises:
        RunError: a source that is no run, or without any finished generation.
    """
    whole: list[list[Genome]] = []
    halves: dict[str, list[Genome]] = {part: [] for part in PARTS}
    for source in sources:
        folder, part = _split(source)
        genomes = _best_first(folder)
        if part:
            halves[part] += genomes
        else:
            whole.append(genomes)
    joined = [genome for turn in zip_longest(*whole) for genome in turn if genome is not None]
    if any(halves.values()):
        pairs = zip_longest(halves["cells"], halves["expressions"], fillvalue=Genome())
        joined += [Genome(cells.cells, expressions.expressions) for cells, expressions in pairs]
    rng = generator(seed, "adapt")
    found = dict.fromkeys(str(adapt(space, genome, rng)) for genome in joined)
    return tuple(found)[:count]


def _split(source: str) -> tuple[Path, str]:
    head, colon, tail = source.rpartition(":")
    return (Path(head), tail) if colon and tail in PARTS else (Path(source), "")


def _best_first(folder: Path) -> list[Genome]:
    """Return the survivors of a run's last good generation by front, within a front by the first objective."""
    generations, _ = read_generations(folder)
    if not generations:
        raise RunError(
            message(f"a run with a finished generation in {folder}", "none", "Name a folder below populations/.")
        )
    left = list(generations[-1].survivors)
    ordered: list[Survivor] = []
    while left:
        mask = nondominated([list(one.objectives.values()) for one in left])
        front = [one for one, first in zip(left, mask, strict=True) if first]
        ordered += sorted(front, key=lambda one: (*one.objectives.values(), one.individual.id))
        left = [one for one, first in zip(left, mask, strict=True) if not first]
    return [_read(one.individual.genome, folder) for one in ordered]


def _read(text: str, folder: Path) -> Genome:
    try:
        return parse_genome(text)
    except GenomeError as error:
        raise RunError(f"In {folder}: {error}") from error
