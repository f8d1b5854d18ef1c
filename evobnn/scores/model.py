"""Learning from a search's trainings again and again: genes are read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evobnn.genome import Genome
from evobnn.scores.genes import Genes, genes
from evobnn.scores.process import Process, fit
from evobnn.spaces import Space


class Model:
    """Learns scores of a space's genomes, each known by its text.

    Arguments:
        space: of the genomes.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._genes: dict[str, Genes] = {}

    def genes(self, text: str, genome: Genome | None = None) -> Genes:
        """Return the genes of the genome of this text, which need not be read where it is given."""
        if text not in self._genes:
            self._genes[text] = genes(self._space, self._space.parse(text) if genome is None else genome)
        return self._genes[text]

    def learn(self, trained: Mapping[str, Sequence[float]]) -> Process:
        """Return the process learnt from the errors of every text's trainings, see `fit`."""
        return fit([self.genes(text) for text in trained], list(trained.values()))

    def errors(self, trained: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return by text the errors to believe of what was trained; nothing of nothing."""
        if not trained:
            return {}
        believed = self.learn(trained).errors([self.genes(text) for text in trained])
        return dict(zip(trained, believed.tolist(), strict=True))
