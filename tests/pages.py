"""What README and the pages of docs hold, taken apart: prose, tables, code, commands, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SITE = ("examples", "index")
"""Pages that are there for the site alone."""
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^ {4}\S.*$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language; `` for those without one."""
    return [code for name, code in _FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    """Return a page without code blocks and targets of links; code within a line stays."""
    return re.sub(_LINK, "]", re.sub(_INDENTED, "", re.sub(_FENCE, "", text)))


def section(text: str, title: str) -> str:
    """Return what stands below a heading, up to the next."""
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def without_tables(text: str, titles: tuple[str, ...]) -> str:
    """Return a page without the tables below these headings."""
    for title in titles:
        own = section(text, title)
        text = text.replace(own, re.sub(r"^\|.*\|$", "", own, flags=re.MULTILINE))
    return text


def words(text: str) -> int:
    return len(re.findall(r"[^\W_][\w'’.,/{}+=-]*", text))


def figures(text: str) -> int:
    return len(re.findall(r"(?<![\w.])\d[\d,.]*", text))


def links(text: str) -> list[str]:
    """Return the targets of links and pictures that lie in this repository."""
    return [target for target in _LINK.findall(re.sub(_FENCE, "", text)) if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(_FENCE, "", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def whole_commands(text: str) -> Iterator[list[str]]:
    """Return the words behind `evobnn` of every line of code that calls it, comments left out."""
    lines = [line for code in blocks(text, "") for line in code.replace("\\\n", " ").splitlines()]
    lines += [line.strip() for line in _INDENTED.findall(re.sub(_FENCE, "", text).replace("\\\n", " "))]
    for line in lines:
        if found := re.match(r"(?:\$ )?evobnn (\S.*)", line):
            yield shlex.split(found[1], comments=True)


def named_commands(text: str) -> Iterator[list[str]]:
    """Return the words behind `evobnn` of every command that is named within a line."""
    for code in re.findall(r"`evobnn ([a-z]+[^`]*)`", re.sub(_FENCE, "", text)):
        yield shlex.split(code.replace("\\|", " "))
