"""What may be chosen. A space is frozen data: allowed operations, wiring rules, shape of expressions; a template says
how cells are stacked. `key` names a genome's canonical form.
"""

from __future__ import annotations

from collections.abc import Callable

from evobnn.genome import Genome
from evobnn.spaces.adapt import adapt
from evobnn.spaces.base import NORMAL, REDUCTION, Space, Template
from evobnn.spaces.bnas import PUBLISHED, bnas
from evobnn.spaces.canonical import canonical, key, lost_signal, prune, simplify
from evobnn.spaces.joint import joint
from evobnn.spaces.shapes import ENCODING_1, ENCODING_2, Alphabet, Shape, embed, express, genes_of, sample_genes

SPACES: dict[str, Callable[[Template, int, Genome | None], Space]] = {"bnas": bnas, "joint": joint}
"""Space by name, as a function of template, image size and frozen parts."""

__all__ = [
    "ENCODING_1",
    "ENCODING_2",
    "NORMAL",
    "PUBLISHED",
    "REDUCTION",
    "SPACES",
    "Alphabet",
    "Shape",
    "Space",
    "Template",
    "adapt",
    "bnas",
    "canonical",
    "embed",
    "express",
    "genes_of",
    "joint",
    "key",
    "lost_signal",
    "prune",
    "sample_genes",
    "simplify",
]
