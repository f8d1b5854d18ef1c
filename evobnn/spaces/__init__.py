"""What may be chosen. A space is frozen data: allowed operations, wiring rules, shape of expressions; a template says
how cells are stacked. `key` names a genome's canonical form.
"""

from __future__ import annotations

from collections.abc import Callable

from evobnn.genome import Genome
from evobnn.spaces.adapt import adapt
from evobnn.spaces.base import Choose, Space
from evobnn.spaces.bats import PUBLISHED as BATS_PUBLISHED
from evobnn.spaces.bats import bats
from evobnn.spaces.bnas import PUBLISHED as BNAS_PUBLISHED
from evobnn.spaces.bnas import bnas
from evobnn.spaces.canonical import canonical, key, key_of, lost_signal, prune, simplify
from evobnn.spaces.choice import Choice
from evobnn.spaces.cpnas import PUBLISHED as CPNAS_PUBLISHED
from evobnn.spaces.cpnas import cpnas
from evobnn.spaces.extremes import cheapest
from evobnn.spaces.gaaf import PUBLISHED as GAAF_PUBLISHED
from evobnn.spaces.gaaf import gaaf
from evobnn.spaces.joint import joint
from evobnn.spaces.shapes import ENCODING_1, ENCODING_2, Alphabet, Shape, embed, express, genes_of, sample_genes
from evobnn.spaces.template import MACROS, NORMAL, REDUCTION, Template

SPACES: dict[str, Callable[..., Space]] = {"bnas": bnas, "bats": bats, "cpnas": cpnas, "gaaf": gaaf, "joint": joint}
"""Space by name: `space(template, size, frozen=None, choice=Choice(), operations=OPERATIONS, forms=FORMS)`."""

PUBLISHED: dict[str, Genome] = {**BNAS_PUBLISHED, **BATS_PUBLISHED, **CPNAS_PUBLISHED, **GAAF_PUBLISHED}
"""Published cells and baselines by name."""

__all__ = [
    "ENCODING_1",
    "ENCODING_2",
    "MACROS",
    "NORMAL",
    "PUBLISHED",
    "REDUCTION",
    "SPACES",
    "Alphabet",
    "Choice",
    "Choose",
    "Shape",
    "Space",
    "Template",
    "adapt",
    "bats",
    "bnas",
    "canonical",
    "cheapest",
    "cpnas",
    "embed",
    "express",
    "gaaf",
    "genes_of",
    "joint",
    "key",
    "key_of",
    "lost_signal",
    "prune",
    "sample_genes",
    "simplify",
]
