"""Published populations: cells and baselines to start from, by name, each with where it comes from.

The genomes are constants of the spaces that they were published for; here they get a name and a reference.
`python -m evobnn.spaces.published [FOLDER]` writes them as text into `populations/published/`, to be read and quoted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from evobnn._jsonl import Row, dump, write_text, writing
from evobnn.errors import RunError, unknown_name
from evobnn.genome import Genome
from evobnn.spaces.bnas import PUBLISHED as CELLS
from evobnn.spaces.gaaf import PUBLISHED as BASELINES

FORMAT = "evobnn-population"
VERSION = 1
FOLDER = Path("populations") / "published"


@dataclass(frozen=True)
class Published:
    """One member of a published population.

    Attributes:
        name: permanent; `published:NAME` on the command line.
        genome: as published; what it leaves unsaid is drawn where a search starts from it.
        reference: paper, and which of its networks this is.
    """

    name: str
    genome: Genome
    reference: str


def _member(name: str, reference: str) -> Published:
    return Published(name, {**CELLS, **BASELINES}[name], reference)


_BNAS = "Kim, Singh, Choi: Learning Architectures for Binary Networks. ECCV 2020, arXiv 2002.06963"
_EBNAS = "EBNAS. Engineering Applications of Artificial Intelligence, 2023"

POPULATIONS: dict[str, tuple[Published, ...]] = {
    "bnas": (
        _member("bnas-cifar10", f"{_BNAS}: the cells for CIFAR-10"),
        _member("bnas-imagenet", f"{_BNAS}: the cells for ImageNet"),
    ),
    "ebnas": (_member("ebnas", f"{_EBNAS}: its wiring, with the convolutions of BNAS in place of its grouped ones"),),
    "baselines": (
        _member("sign", "no function before the sign"),
        _member("sine", "BiPer, CVPR 2024: a sine before the sign"),
        _member("shift", "ReActNet, ECCV 2020: RSign, a learnable shift per channel before the sign"),
    ),
}
"""Members by the name of their population; `populations/published/` has them as text."""


def published(name: str) -> tuple[Published, ...]:
    """Return the members of a published population, or the one member of this name.

    Raises:
        RunError: there is neither, with the closest that there is.
    """
    members = {one.name: (one,) for population in POPULATIONS.values() for one in population}
    known = {**members, **POPULATIONS}
    if name not in known:
        raise RunError(unknown_name("published population", name, known))
    return known[name]


def population_text(name: str) -> str:
    """Return a published population as JSON lines: a header, then name, genome and reference of each member."""
    members = POPULATIONS[name]
    header: Row = {"format": FORMAT, "version": VERSION, "population": name, "members": len(members)}
    rows: list[Row] = [{"name": one.name, "genome": str(one.genome), "reference": one.reference} for one in members]
    return "".join(dump(row) for row in (header, *rows))


def write_populations(folder: Path = FOLDER) -> tuple[Path, ...]:
    """Write one file for each published population and return their paths; equal constants give equal bytes."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.jsonl" for name in POPULATIONS}
    for name, path in paths.items():
        write_text(path, population_text(name))
    return tuple(paths.values())


if __name__ == "__main__":
    for written in write_populations(*map(Path, sys.argv[1:2])):
        print(written)
