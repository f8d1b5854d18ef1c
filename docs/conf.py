"""Sphinx's settings: `make docs` builds this folder, the API, and the pages that they lead to.

The source is the whole repository, so that relative links mean on the site what they mean in a checkout.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from docutils import nodes
from pygments.lexers import TextLexer

import evobnn

project, author = "evobnn", "the evobnn authors"
release = version = evobnn.__version__
html_title = f"evobnn {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/*.rst",
    "CONTRIBUTING.md",
    "populations/README.md",
    "populations/*/README.md",
    "populations/comparisons/*/plan.md",
    "tests/benchmarks/*.md",
]
exclude_patterns = [".*", "build", "dist", "data", "docs/_*", "evobnn", "notebooks", "htmlcov"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

html_theme = "furo"
html_extra_path = ["_top"]
html_copy_source = html_show_sourcelink = False
html_show_copyright = html_show_sphinx = False
highlight_language = "none"
smartquotes_action = "D"  # dashes alone

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
maximum_signature_line_length = 90


def to_pages(app: Any, name: str, source: list[str]) -> None:
    """Lead links to examples, which are programs, to the page that shows them."""
    text = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](examples.md#\1py)", source[0])
    source[0] = re.sub(r"\]\(\.\./examples/?\)", "](examples.md)", text)


def plain(app: Any, env: Any, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Show as code what is named in a docstring and is not on the site; None, a warning, where it does not exist."""
    if node.get("refdomain") != "py":
        return None
    target = node.get("reftarget", "")
    return content if not re.fullmatch(r"evobnn(\.\w+)+", target) or exists(target) else None


def exists(name: str) -> bool:
    """Tell whether a full name is a module or stands in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


def readable(app: Any, what: str, name: str, found: Any, options: Any, arguments: str, returned: str) -> Any:
    """Write `...` for defaults that are made anew each time, which are no Python."""
    return (arguments or "").replace("<factory>", "...") or arguments, returned


def one_sentence(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon for the type of a property."""
    if what in ("attribute", "property") and lines:
        lines[0] = re.sub(r": (?=\S)", " \N{EN DASH} ", lines[0], count=1)


def setup(app: Any) -> None:
    """Add what the settings above cannot say."""
    app.connect("source-read", to_pages)
    app.connect("missing-reference", plain)
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-process-docstring", one_sentence, priority=100)
    app.add_lexer("mermaid", TextLexer)
