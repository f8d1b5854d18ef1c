"""Runs as something to show: a page to click through (`page`), and where a search stands (`standing_of`).

`gathered` makes plain data of run folders; `page` puts these, a plotting library and the scripts of `assets/` into one
HTML file that loads nothing. Cells, functions and their gradients are drawn in the page from a genome's text. Text is
all that is read: neither networks nor images are needed, and PyTorch is not loaded.
"""

from evobnn._lazy import lazily

_PUBLIC = {
    "Standing": "standing",
    "gathered": "gather",
    "page": "writing",
    "standing_of": "standing",
    "write_report": "writing",
}
__all__ = [*_PUBLIC]
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
