"""Which expressions a shared network has vectors for."""

from __future__ import annotations

from math import prod

from evobnn._seeding import Generator, generator, pick
from evobnn.genome import Expression, Genome
from evobnn.spaces import Space, simplify
from evobnn.spaces.canonical import is_plain

_TRIES = 100
"""Draws in vain after which there is taken to be no further expression."""


def offered(space: Space, count: int, root: int) -> tuple[Expression, ...]:
    """Return at most `count` different expressions of the space that have learnable vectors, in canonical form.

    All of them where the space has no more; else as they are drawn by the root seed. None where no site is searched.
    """
    if not space.free_sites:
        return ()
    rng, found, vain = generator(root, "supernet", "expressions"), dict[Expression, None](), 0
    most = prod(len(space.alphabet.names(role)) for role in space.shape.roles())
    while len(found) < min(count, most) and vain < _TRIES + most:
        one = simplify(space.sample_expression(rng), space.forms)
        vain = 0 if not is_plain(one, space.forms) and one not in found else vain + 1
        if not vain:
            found[one] = None
    return tuple(found)


def given_at(space: Space, classes: tuple[str, ...]) -> tuple[Expression, ...] | None:
    """Return the expression with vectors that is given and not searched at a site of these classes, none where it has
    no vectors; None where the site is searched.
    """
    if not space.free_sites:
        given = space.frozen.expression_at(*classes)
    else:
        own = next(
            (name for name in (*classes, "net") if name in (*space.free_sites, *space.frozen.expression_by_site)), ""
        )
        if not own or own in space.free_sites:
            return None
        given = space.frozen.expression_by_site[own]
    found = simplify(given, space.forms)
    return () if is_plain(found, space.forms) else (found,)


def drawn(space: Space, known: tuple[Expression, ...], rng: Generator) -> Genome:
    """Return expressions for all classes of sites, without cells: those that are given, and drawn ones that have no
    vectors or are `known`; where none comes up, a known one.
    """
    said = {**space.frozen.expression_by_site}
    for site in space.free_sites:
        said[site] = _drawn(space, known, rng)
    return Genome.of({}, said)


def _drawn(space: Space, known: tuple[Expression, ...], rng: Generator) -> Expression:
    there = set(known)
    for _ in range(_TRIES):
        one = space.sample_expression(rng)
        plain = simplify(one, space.forms)
        if is_plain(plain, space.forms) or plain in there:
            return one
    return pick(rng, known) if known else one
