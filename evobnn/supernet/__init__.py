"""One network in which all of a space's genomes share their weights: made, selected in, copied out of, trained, scored.

`build` makes it, `select` lets it compute one genome, `copy` brings a genome's weights into a network of its own,
`paths` draws what is trained, `train` trains it, and `score` is an evaluation with inherited weights. Sources: Guo et
al., "Single path one-shot neural architecture search with uniform sampling", ECCV 2020 (arXiv 1904.00420); for binary
networks Lin et al. 2024 (NAS-BNN, arXiv 2408.15484).
"""

from evobnn.supernet.build import Supernet, build
from evobnn.supernet.copy import copied, weights_of
from evobnn.supernet.select import select

__all__ = ["Supernet", "build", "copied", "select", "weights_of"]
