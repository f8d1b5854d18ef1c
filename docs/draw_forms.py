"""Draw `forms.png`, all forms of GAAF with the gradient that training uses: `python docs/draw_forms.py`."""

import sys
from pathlib import Path

from evobnn import Expression
from evobnn.analysis.pictures.sheet import save_sheet
from evobnn.genome import BINARY, UNARY, FormSpec, X
from evobnn.runs.portrait import curve

SECOND = Expression("cos", (X,))
"""What the forms of two arguments get beside x."""


def shown(spec: FormSpec) -> Expression:
    """Return a form of x, or of x and cos(x)."""
    return Expression(spec.name, (X, SECOND)[: spec.arity])


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("forms.png")
    drawn = [shown(spec) for spec in (*UNARY.values(), *BINARY.values())]
    save_sheet(place, {str(one): curve(one) for one in drawn})
