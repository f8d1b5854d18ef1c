"""A model of scores: a Gaussian process over the genes of canonical genomes, which says what error to believe of each,
trained or not. It sees genomes and numbers only, so searches, runs and studies can all ask it.
"""

from evobnn.scores.genes import Genes, genes
from evobnn.scores.improvement import Incumbents, believed_best, improvement
from evobnn.scores.model import Model
from evobnn.scores.process import NOISE, Process, fit

__all__ = ["NOISE", "Genes", "Incumbents", "Model", "Process", "believed_best", "fit", "genes", "improvement"]
