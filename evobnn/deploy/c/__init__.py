"""A graph as C99 without malloc, files or dependencies.

`stages` says what runs row by row, `arena` where maps lie, `calls` what each operation is called with, `model` and
`check` write the files; `runtime/` holds the C that networks share.
"""

from evobnn.deploy.c.check import check_c
from evobnn.deploy.c.model import Described, Source, source

__all__ = ["Described", "Source", "check_c", "source"]
