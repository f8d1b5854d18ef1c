"""Reading genomes and expressions from text; every error points at the place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from evobnn.errors import GenomeError, message, unknown_name
from evobnn.genome.cell import Cell, Edge
from evobnn.genome.expression import Expression
from evobnn.genome.genome import Genome
from evobnn.genome.specs import FORMS, OPERATIONS, FormSpec, OpSpec

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_/]*)|([0-9]+)|([\[\](),;=+@])|(\S))")
_DEEPEST = 50


class _Token(NamedTuple):
    kind: str  # "name", "number", "mark" or "end"
    text: str
    start: int


class _Reader:
    """A cursor over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[_Token] = []
        self.position = 0
        for match in _TOKEN.finditer(text):
            name, number, mark, other = match.groups()
            start = match.start(match.lastindex or 0)
            if other is not None:
                raise self.error("a name, a number or one of [ ] ( ) , ; = + @", f"'{other}'", "Remove it.", start)
            if number is not None and len(number) > 4:
                raise self.error("a node's number", f"{len(number)} digits", "Number the nodes from 2 up.", start)
            if number is not None and number != str(int(number)):
                raise self.error("a node's number", f"'{number}'", f"Write {int(number)}.", start)
            kind = "name" if name is not None else "number" if number is not None else "mark"
            self.tokens.append(_Token(kind, name or number or mark, start))
        self.tokens.append(_Token("end", "the end of the text", len(text)))

    def error(self, expected: str, got: str, do: str, at: int) -> GenomeError:
        return self.pointing(message(expected, got, do), at)

    def pointing(self, sentence: str, at: int) -> GenomeError:
        """Return an error that shows up to 72 characters of the text around `at` with a caret under the place."""
        first = max(0, at - 36)
        shown = re.sub(r"\s", " ", self.text[first : first + 72])
        return GenomeError(f"{sentence}\n  {shown}\n  {' ' * (at - first)}^")

    @property
    def here(self) -> _Token:
        return self.tokens[self.position]

    def at_mark(self, mark: str) -> bool:
        return self.here.kind == "mark" and self.here.text == mark

    def take(self, kind: str, what: str, text: str | None = None) -> _Token:
        token = self.here
        if token.kind != kind or (text is not None and token.text != text):
            got = token.text if token.kind == "end" else f"'{token.text}'"
            raise self.error(what, got, f"Write {what} here.", token.start)
        self.position += 1
        return token


def parse_expression(text: str, forms: Mapping[str, FormSpec] = FORMS) -> Expression:
    """Return the expression that `text`, such as `mul(sin(x), x)`, stands for.

    Raises:
        GenomeError: an unknown form, a wrong number of arguments or a stray character, with a caret at the place.

    >>> evobnn.parse_expression("add(sin(x), x)").form
    'add'
    """
    reader = _Reader(text)
    expression = _expression(reader, forms, 0)
    reader.take("end", "the end of the expression")
    return expression


def parse_genome(
    text: str, operations: Mapping[str, OpSpec] = OPERATIONS, forms: Mapping[str, FormSpec] = FORMS
) -> Genome:
    """Return the genome that one line of text stands for; the inverse of `str(genome)`.

    Whether a space allows it is the space's question (`Space.check`); that it is a well-formed graph with known
    names and right arities is checked here.

    Raises:
        GenomeError: an unknown name, a wrong arity, an edge that would close a cycle, anything said twice, or a
            stray character, with a caret at the place.

    >>> genome = evobnn.parse_genome("normal[2 = conv3(0) + max3(1)] @normal = sin(x)")
    >>> [kind for kind, cell in genome.cells]
    ['normal']
    """
    reader = _Reader(text)
    cells: dict[str, Cell] = {}
    expressions: dict[str, Expression] = {}
    if reader.here.kind == "end":
        raise reader.error("a genome", "an empty text", "Write for example @net = sin(x).", 0)
    while reader.here.kind != "end":
        if reader.at_mark("@"):
            reader.take("mark", "'@'")
            site = reader.take("name", "the name of a class of sites")
            _once(reader, site, expressions, "expression for")
            reader.take("mark", "'='", "=")
            expressions[site.text] = _expression(reader, forms, 0)
        else:
            kind = reader.take("name", "a cell such as normal[...] or a site such as @normal")
            _once(reader, kind, cells, "cell")
            cells[kind.text] = _cell(reader, operations)
    return Genome.of(cells, expressions)


def _once(reader: _Reader, name: _Token, seen: Mapping[str, object], what: str) -> None:
    if name.text in seen:
        raise reader.error(f"one {what} '{name.text}'", "a second one", "Remove one of the two.", name.start)


def _expression(reader: _Reader, forms: Mapping[str, FormSpec], depth: int) -> Expression:
    name = reader.take("name", "a form such as x or sin(x)")
    if name.text not in forms:
        raise reader.pointing(unknown_name("form", name.text, forms), name.start)
    if depth >= _DEEPEST:
        raise reader.error(f"at most {_DEEPEST} levels", "a deeper expression", "Make it flatter.", name.start)
    args: list[Expression] = []
    if reader.at_mark("("):
        reader.take("mark", "'('")
        if not reader.at_mark(")"):
            args.append(_expression(reader, forms, depth + 1))
            while reader.at_mark(","):
                reader.take("mark", "','")
                args.append(_expression(reader, forms, depth + 1))
        reader.take("mark", "')'", ")")
    arity = forms[name.text].arity
    if len(args) != arity:
        example = f"{name.text}({', '.join('x' * arity)})" if arity else name.text
        wanted = f"{arity} argument{'s' * (arity != 1)} for '{name.text}'"
        raise reader.error(wanted, str(len(args)), f"Write for example {example}.", name.start)
    return Expression(name.text, tuple(args))


def _cell(reader: _Reader, operations: Mapping[str, OpSpec]) -> Cell:
    reader.take("mark", "'['", "[")
    edges: list[Edge] = []
    seen: dict[str, object] = {}
    while not reader.at_mark("]"):
        node = reader.take("number", "the number of a node, as in 2 = conv3(0)")
        _once(reader, node, seen, "definition of node")
        seen[node.text] = True
        target = int(node.text)
        if target < 2:
            raise reader.error("a node from 2 on", node.text, "0 and 1 are the cell's inputs.", node.start)
        reader.take("mark", "'='", "=")
        edges.append(_edge(reader, target, operations))
        while reader.at_mark("+"):
            reader.take("mark", "'+'")
            edges.append(_edge(reader, target, operations))
        if not reader.at_mark("]"):
            reader.take("mark", "';', '+' or ']'", ";")
    reader.take("mark", "']'", "]")
    return Cell(tuple(edges))


def _edge(reader: _Reader, target: int, operations: Mapping[str, OpSpec]) -> Edge:
    name = reader.take("name", "an operation such as conv3(0)")
    if name.text not in operations:
        raise reader.pointing(unknown_name("operation", name.text, operations), name.start)
    reader.take("mark", "'('", "(")
    source = reader.take("number", "the number of a node")
    reader.take("mark", "')'", ")")
    if int(source.text) >= target:
        raise reader.error(
            f"an input of node {target} from 0 to {target - 1}",
            f"node {source.text}, which closes a cycle",
            "Let edges run from lower to higher nodes.",
            source.start,
        )
    return Edge(int(source.text), target, name.text)
