"""Starting from saved or published populations, best front first, taken over into this space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from evobnn._seeding import Generator, generator
from evobnn.errors import GenomeError, RunError, closest, message
from evobnn.genome import Genome, parse_genome
from evobnn.pareto import nondominated, violation
from evobnn.snapshot import Survivor, read_generations
from evobnn.spaces import Space, adapt
from evobnn.spaces.adapt import Part, parts
from evobnn.spaces.published import Published, published

PARTS = ("cells", "expressions")
PUBLISHED = "published"
"""Begins the name of a source that is no run: `published:bnas`."""
RELAXED = "relaxed"
"""What the header of a population that `evobnn relax` found says of its search."""
DRAWS = 20
"""Times that the missing parts of an individual are drawn, at most."""
MOST_QUOTED = 3
"""Parts lost for one reason that are quoted in full; of more, only the places are named."""


@dataclass(frozen=True)
class _Seed:
    name: str
    genome: Genome


def starters(
    space: Space,
    sources: Sequence[str],
    count: int,
    seed: int,
    say: Callable[[str], None] = lambda sentence: None,
    infeasible: Callable[[Genome], str] = lambda genome: "",
) -> tuple[str, ...]:
    """Return up to `count` genomes of this space, as text, from saved runs and published populations.

    A source is a run folder or `published:NAME` (`evobnn.spaces.published`), with `:cells` or `:expressions` behind it
    to take one half only; the i-th cells are then joined with the i-th expressions of the other sources. Whole
    populations are taken in turn, best front first. What this space does not allow is drawn anew
    (`evobnn.spaces.adapt`).

    Arguments:
        space: in which the search is to be.
        sources: as above.
        count: of genomes, at most.
        seed: of what is drawn.
        say: called with a sentence on every individual that is not taken over as a whole: what is lost and why.
        infeasible: why a genome would not be trained, or an empty text. What is drawn is drawn again, up to `DRAWS`
            times, until it would be.

    Raises:
        RunError: a source that is no run or without any finished generation; an unknown name; or nothing is left.
    """
    whole: list[list[_Seed]] = []
    halves: dict[str, list[_Seed]] = {part: [] for part in PARTS}
    skipped: list[str] = []

    def skip(sentence: str) -> None:
        skipped.append(sentence)
        say(sentence)

    for source in sources:
        origin, part = split(source)
        found = list(_read(space, _members(space, origin), skip))
        if part:
            halves[part] += _halved(found, part, skip)
        else:
            whole.append(found)
    joined = [one for turn in zip_longest(*whole) for one in turn if one is not None]
    joined += map(_joined, zip_longest(halves["cells"], halves["expressions"]))
    taken = _taken(space, joined, count, generator(seed, "adapt"), say, skip, infeasible)
    if not taken:
        raise RunError(
            message(
                f"an individual that can start a search in the space {space.name}",
                f"none in {', '.join(sources)}" + (f" ({skipped[0].rstrip('.')})" if skipped else ""),
                "Seed from a population that shares operations or forms with this space.",
            )
        )
    return taken


def _taken(
    space: Space,
    seeds: Sequence[_Seed],
    count: int,
    rng: Generator,
    say: Callable[[str], None],
    skip: Callable[[str], None],
    infeasible: Callable[[Genome], str],
) -> tuple[str, ...]:
    taken: dict[str, None] = {}
    for one in seeds:
        if len(taken) == count:
            break
        found, reason = _drawn(space, one.genome, rng, infeasible)
        rows = parts(space, one.genome, found)
        lost = [row for row in rows if row.why]
        if not any(row.searched and not row.why for row in rows):
            reasons = _reasons(lost) or f"all that it says is given in the space {space.name}"
            skip(f"{one.name} is skipped, nothing of it can be kept: {reasons}.")
            continue
        if reason:
            skip(f"{one.name} is skipped, its network would not be trained here: {reason.rstrip('.')}.")
            continue
        if lost:
            say(f"{one.name}: kept {len(rows) - len(lost)} of {len(rows)} parts. Lost: {_reasons(lost)}.")
        taken[str(found)] = None
    return tuple(taken)


def _drawn(space: Space, genome: Genome, rng: Generator, infeasible: Callable[[Genome], str]) -> tuple[Genome, str]:
    """Return the genome in this space, drawn again while it would not be trained, and why it still would not."""
    for _ in range(DRAWS):
        found = adapt(space, genome, rng)
        reason = infeasible(found)
        if not reason:
            break
    return found, reason


def _reasons(lost: Sequence[Part]) -> str:
    """Return what is lost, grouped by the reason."""
    texts = []
    for why in dict.fromkeys(row.why for row in lost):
        rows = [row for row in lost if row.why == why]
        texts.append(f"{', '.join(str(row) if len(rows) <= MOST_QUOTED else row.place for row in rows)} ({why})")
    return "; ".join(texts)


def split(source: str) -> tuple[str, str]:
    """Return a source without its half, and which half it is, or an empty text."""
    head, colon, tail = source.rpartition(":")
    return (head, tail) if colon and tail in PARTS else (source, "")


def check_published(name: str) -> tuple[Published, ...]:
    """Return the members of the population, or the member, that `published:NAME` means; raise RunError for none."""
    head, colon, tail = name.partition(":")
    if colon:
        near = closest(tail, PARTS)
        do = f"Did you mean '{PUBLISHED}:{head}:{near}'?" if near else "Leave the part out for whole genomes."
        raise RunError(message(" or ".join(f"{PUBLISHED}:NAME:{part}" for part in PARTS), f"'{name}'", do))
    return published(name)


def _members(space: Space, origin: str) -> list[tuple[str, Genome | str]]:
    """Return (name, genome or its text) of a population, best front first."""
    first, _, name = origin.partition(":")
    if first == PUBLISHED:
        return [(f"{PUBLISHED}:{one.name}", one.genome) for one in check_published(name)]
    return [(f"{origin}:{one.individual.id}", one.individual.genome) for one in _best_first(space, Path(origin))]


def _best_first(space: Space, folder: Path) -> list[Survivor]:
    """Return the survivors of a run's last good generation by front, within a front by the first objective; raise
    RunError for a relaxed run whose cells are none of this space.
    """
    generations, _ = read_generations(folder)
    if not generations:
        raise RunError(
            message(f"a run with a finished generation in {folder}", "none", "Name a folder below populations/.")
        )
    header = generations[-1].header
    if RELAXED in header:
        _check_relaxed(space, folder, header[RELAXED], [one.individual.genome for one in generations[-1].survivors])
    constraints = header.get("constraints", {})
    levels: dict[float, list[Survivor]] = {}
    for one in generations[-1].survivors:
        levels.setdefault(violation(one.objectives, constraints), []).append(one)
    ordered: list[Survivor] = []
    for left in (levels[excess] for excess in sorted(levels)):
        while left:
            mask = nondominated([list(one.objectives.values()) for one in left])
            front = [one for one, first in zip(left, mask, strict=True) if first]
            ordered += sorted(front, key=lambda one: (*one.objectives.values(), one.individual.id))
            left = [one for one, first in zip(left, mask, strict=True) if not first]
    return ordered


def _check_relaxed(space: Space, folder: Path, relaxed: Mapping[str, Any], genomes: Sequence[str]) -> None:
    """Raise RunError where the cells that `evobnn relax` found are none of this space: nothing of what was found would
    be left of what is drawn anew.
    """
    cells = [(kind, cell) for text in genomes for kind, cell in parse_genome(text).cells]
    kinds = {kind for kind, _ in cells} & set(space.free_kinds)
    used = {edge.operation for _, cell in cells for edge in cell.edges}
    offered = {name for kind in kinds for name in space.offered[kind]}
    same = (relaxed["nodes"], relaxed["inputs"]) == (space.nodes, space.inputs)
    if not (same and kinds and used <= offered):
        got = f"{folder}, of the space {relaxed['space']}"
        do = f"Search with 'evobnn evolve {relaxed['space']}', or relax in this space."
        raise RunError(message(f"a relaxed run with cells of the space {space.name}", got, do))


def _read(space: Space, members: Sequence[tuple[str, Genome | str]], skip: Callable[[str], None]) -> Iterator[_Seed]:
    """Yield the members whose text can be read; names of operations and forms mean what they mean in this space."""
    for name, given in members:
        try:
            genome = given if isinstance(given, Genome) else parse_genome(given, space.operations, space.forms)
        except GenomeError as error:
            skip(f"{name} is skipped: {str(error).splitlines()[0]}")
            continue
        yield _Seed(name, genome)


def _halved(seeds: Sequence[_Seed], part: str, skip: Callable[[str], None]) -> list[_Seed]:
    """Return one half of each; who does not have it is skipped."""
    found = []
    for one in seeds:
        half = Genome(cells=one.genome.cells) if part == "cells" else Genome(expressions=one.genome.expressions)
        if half == Genome():
            skip(f"{one.name} is skipped: it has no {part}.")
        else:
            found.append(_Seed(one.name, half))
    return found


def _joined(pair: tuple[_Seed | None, _Seed | None]) -> _Seed:
    """Return the cells of one with the expressions of the other; one alone as it is."""
    cells, expressions = pair
    if cells is None or expressions is None:
        return cells or expressions or _Seed("", Genome())
    return _Seed(f"{cells.name} with {expressions.name}", Genome(cells.genome.cells, expressions.genome.expressions))
