"""Learning from a search's trainings again and again: genes are read once, and what was learnt last is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from evobnn.genome import Genome
from evobnn.scores.genes import genes
from evobnn.scores.process import Process, fit
from evobnn.spaces import Space

MOST = 500
"""Genomes that a process learns from, at most: it takes time with their cube."""
REMEMBERED = 1 << 14
"""Genomes whose genes are at hand."""
TOGETHER = 1 << 12
"""Genomes of which errors are asked at once."""


class Model:
    """Learns scores of a space's genomes.

    Arguments:
        space: of the genomes.

    Attributes:
        genes: from a genome to its genes.
    """

    def __init__(self, space: Space) -> None:
        self.genes = lru_cache(REMEMBERED)(partial(genes, space))
        self._read = lru_cache(REMEMBERED)(space.parse)
        self._last: tuple[tuple[tuple[Genome, tuple[float, ...]], ...], Process] | None = None

    def learn(self, trained: Mapping[Genome, Sequence[float]]) -> Process:
        """Return the process learnt from the errors of every genome's trainings, see `fit`. Of more than `MOST` genomes
        the newest count, and before them those that were trained more than once: a search does so with its best.

        Arguments:
            trained: the errors in [0, 1] of each genome, the oldest first.
        """
        seen = tuple((genome, tuple(errors)) for genome, errors in trained.items())
        if len(seen) > MOST:
            newest = sorted(range(len(seen)), key=lambda at: (len(seen[at][1]) > 1, at))[-MOST:]
            seen = tuple(seen[at] for at in sorted(newest))
        if self._last is None or self._last[0] != seen:
            self._last = seen, fit([self.genes(genome) for genome, _ in seen], [errors for _, errors in seen])
        return self._last[1]

    def errors(self, trained: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return by text the errors to believe of what was trained, the oldest first; nothing of nothing."""
        if not trained:
            return {}
        genomes = [self._read(text) for text in trained]
        process = self.learn(dict(zip(genomes, trained.values(), strict=True)))
        return dict(zip(trained, self.believed(process, genomes).tolist(), strict=True))

    def believed(self, process: Process, genomes: Sequence[Genome]) -> NDArray[np.float64]:
        """Return the errors that a process believes of genomes, of shape (n,)."""
        parts = [genomes[at : at + TOGETHER] for at in range(0, len(genomes), TOGETHER)]
        found = [process.errors([self.genes(genome) for genome in part]) for part in parts]
        return np.concatenate([np.zeros(0), *found])
