"""The cheapest genomes of a space under a template."""

from __future__ import annotations

from itertools import product

from evobnn.genome import Genome
from evobnn.spaces.base import Space
from evobnn.spaces.canonical import lost_signal
from evobnn.spaces.template import NORMAL, REDUCTION, Template


def cheapest(space: Space, template: Template) -> tuple[Genome, ...]:
    """Return the genomes among which the one with the fewest operations is, whatever surrounds the cells.

    The image must be carried, and at least work each kind of cell reads one of its inputs or none: nine ways, of which
    those count that lose nothing. Where all do, because frozen cells lose it, there is one genome all the same.

    >>> from evobnn.spaces import Template, cheapest, joint
    >>> space = joint(Template(), 8)
    >>> len(cheapest(space, Template())) > 0
    True
    """
    ways = product((1, 0, None), repeat=2)
    found = dict.fromkeys(space.least({NORMAL: normal, REDUCTION: reduction}) for normal, reduction in ways)
    return tuple(one for one in found if not lost_signal(space, template, one)) or space.extremes()[:1]
