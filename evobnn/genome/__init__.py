"""What is inherited. A genome is immutable text-like data: cells (which operation on which edge) and expressions
(which function stands before each sign). Nothing here knows how anything is computed.
"""

from evobnn.genome.cell import Cell, Edge
from evobnn.genome.expression import Expression, X
from evobnn.genome.genome import Genome
from evobnn.genome.reader import Reader
from evobnn.genome.specs import (
    BATS_OPERATIONS,
    BINARY,
    BNAS_OPERATIONS,
    CPNAS_OPERATIONS,
    FORMS,
    OPERATIONS,
    UNARY,
    FormSpec,
    OpSpec,
    groups,
)
from evobnn.genome.text import parse_expression, parse_genome

__all__ = [
    "BATS_OPERATIONS",
    "BINARY",
    "BNAS_OPERATIONS",
    "CPNAS_OPERATIONS",
    "FORMS",
    "OPERATIONS",
    "UNARY",
    "Cell",
    "Edge",
    "Expression",
    "FormSpec",
    "Genome",
    "OpSpec",
    "Reader",
    "X",
    "groups",
    "parse_expression",
    "parse_genome",
]
