"""Tables of recorded trainings: every genome of a small space on several seeds, so that a search can be measured.

A table is text. Its first line says what was trained, where and when; each further line is one genome:

    {"key": "6fd7…", "genome": "@net = sin(x)", "ops": 9132.0, "errors": [31, 28, 35]}

`errors` counts wrong images, one number a column; column j was trained as repeat `seeds[j]` of the experiment, and a
row may have fewer columns than there are seeds. `status`, `bits` and other costs that a line does not name are those
that the first line calls `common`. `losses` (by column), `parent` (wrong images of the real-valued twin by column, null
where it failed or was not trained) and `message` may follow. Where the first line has `rungs`, trainings were scored on
their way as well: `early` holds the wrong images after each of these numbers of epochs but the last, by column.

Where a search looks evaluations up, it is shown single columns, drawn for each root seed anew: the noise is real. What
it found is scored on the columns that it was not shown.
"""

from evobnn.tables.file import FORMAT, VERSION, read_table, write_table
from evobnn.tables.lookup import TableEvaluator
from evobnn.tables.table import COSTS, Row, Table, wrong_images

__all__ = [
    "COSTS",
    "FORMAT",
    "VERSION",
    "Row",
    "Table",
    "TableEvaluator",
    "read_table",
    "write_table",
    "wrong_images",
]
