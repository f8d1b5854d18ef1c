"""One form for all genomes that are the same network, and the key that names it.

Every rule keeps outputs and gradients for every value of the weights (up to the choice of a subgradient at a kink
and the rounding of one operation); a test builds both sides and compares. The rules, by letter:

Expressions, innermost first, until nothing changes. Learnable parts are never merged with others nor with none:
x, scale(x) and shift(x) are three functions. "Plain" below means without learnable part.

    A  arguments of commuting forms are put in order                  add, mul, max, min, gaussdiff, expdiff
    B  add(p, zero) = p, sub(p, zero) = p, sub(zero, p) = neg(p)
    C  mul(p, zero) = zero                                            also drops learnable parts: their gradient is 0
    D  max(p, zero) = relu(p), min(p, zero) = min0(p), p not zero     kink at 0
    E  max(p, p) = min(p, p) = p, sub(p, p) = zero, mul(p, p) = square(p) for plain p
    F  max(p, neg(p)) = abs(p) for plain p                            kink at 0
    G  sub(p, neg(q)) = add(p, q), add(p, neg(q)) = sub(p, q), neg(neg(p)) = p
    H  even forms drop neg and abs: square, cos, expabs, gauss, abs, ln of neg(p) or abs(p) = the same of p

Cells:

    I  the edges into a node are put in order of source, then operation
    J  an edge is dropped if it is Zeroise, or if its operation keeps zeros and its source is a node without edges.
       A convolution of such a node stays: its batch norm has a bias and sign(0) is +1.
    Nodes are never permuted: inter-cell skips add channels by position.

Site classes:

    K  an expression is kept only for sites that exist (inputs in use and binary edges; every kind of residual block),
       and said for the widest class that gives every site its own: `net` if all agree, else the cell kind, else
       `kind/node`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from evobnn.genome import FORMS, Cell, Edge, Expression, FormSpec, Genome, OpSpec
from evobnn.spaces.base import Space
from evobnn.spaces.template import NORMAL, REDUCTION, Template

REMEMBERED = 1 << 14
"""Expressions whose canonical form a space keeps at hand."""
_ZERO = Expression("zero")
_EVEN = frozenset({"square", "cos", "expabs", "gauss", "abs", "ln"})


def is_plain(expression: Expression, forms: Mapping[str, FormSpec] = FORMS) -> bool:
    """Tell whether the expression has no learnable part."""
    return not any(forms[node.form].learnable for node in expression.nodes())


def simplify(expression: Expression, forms: Mapping[str, FormSpec] = FORMS) -> Expression:
    """Return the canonical form of an expression by rules A to H.

    >>> from evobnn.spaces import simplify
    >>> print(simplify(evobnn.parse_expression("neg(neg(add(x, zero)))")))
    x
    """
    current = Expression(expression.form, tuple(simplify(arg, forms) for arg in expression.args))
    changed = _step(current, forms)
    return current if changed == current else simplify(changed, forms)


def _step(e: Expression, forms: Mapping[str, FormSpec]) -> Expression:
    """Apply the first rule that fits the root; return the expression itself where none does."""
    if len(e.args) == 1:
        inner = e.args[0]
        if e.form == "neg" and inner.form == "neg":  # G
            return inner.args[0]
        if e.form in _EVEN and inner.form in ("neg", "abs"):  # H
            return Expression(e.form, inner.args)
        return e
    if len(e.args) != 2:
        return e
    if forms[e.form].commutes:  # A
        e = Expression(e.form, tuple(sorted(e.args, key=str)))
    p, q = e.args
    if forms[e.form].commutes and p == _ZERO:
        p, q = q, p
    if q == _ZERO:
        if e.form in ("add", "sub"):  # B
            return p
        if e.form == "mul":  # C
            return _ZERO
        if e.form in ("max", "min") and p != _ZERO:  # D; two zeros are left to E
            return Expression("relu" if e.form == "max" else "min0", (p,))
    if e.form == "sub" and p == _ZERO:  # B
        return Expression("neg", (q,))
    if p == q and is_plain(p, forms):  # E
        if e.form in ("max", "min"):
            return p
        if e.form == "sub":
            return _ZERO
        if e.form == "mul":
            return Expression("square", (p,))
    if e.form == "max" and is_plain(p, forms) and (q == Expression("neg", (p,)) or p == Expression("neg", (q,))):  # F
        return Expression("abs", (p if q.form == "neg" and q.args[0] == p else q,))
    if e.form == "sub" and q.form == "neg":  # G
        return Expression("add", (p, q.args[0]))
    if e.form == "add" and q.form == "neg":
        return Expression("sub", (p, q.args[0]))
    if e.form == "add" and p.form == "neg":
        return Expression("sub", (q, p.args[0]))
    return e


def prune(cell: Cell, operations: Mapping[str, OpSpec]) -> Cell:
    """Return the canonical form of a cell by rules I and J. Its nodes without edges are identically zero.

    >>> from evobnn.genome import OPERATIONS
    >>> from evobnn.spaces import prune
    >>> cell = evobnn.parse_genome("normal[2 = zero(0) + zero(1); 3 = max3(2) + conv3(1)]").cell_by_kind["normal"]
    >>> print(prune(cell, OPERATIONS))
    3 = conv3(1)
    """
    kept: list[Edge] = []
    full: set[int] = set()
    for edge in sorted(cell.edges, key=lambda edge: (edge.target, edge)):
        zero_source = edge.source >= 2 and edge.source not in full
        spec = operations[edge.operation]
        if not spec.nothing and not (spec.zero_preserving and zero_source):
            kept.append(edge)
            full.add(edge.target)
    return Cell(tuple(kept))


def sites_of(kind: str, cell: Cell, operations: Mapping[str, OpSpec]) -> list[str]:
    """Return the classes of the sites of a pruned cell: `kind/0`, `kind/1` for the inputs in use and `kind/node` for
    each node with a binary edge. Edges from the inputs of a reduction cell have stride 2.
    """
    inputs = sorted({edge.source for edge in cell.edges if edge.source < 2})
    strides = {edge: 2 if kind == REDUCTION and edge.source < 2 else 1 for edge in cell.edges}
    nodes = sorted({edge.target for edge in cell.edges if operations[edge.operation].binary_at(strides[edge])})
    return [f"{kind}/{number}" for number in (*inputs, *nodes)]


def canonical(space: Space, genome: Genome) -> Genome:
    """Return the one genome that stands for all that are the same network in this space; idempotent.

    >>> from evobnn.spaces import Choice, Template, canonical, gaaf
    >>> space = gaaf(Template(macro="resnet", skip="none", stem=1.0), 8, choice=Choice(sites="net"))
    >>> print(canonical(space, evobnn.parse_genome("@net = add(neg(neg(x)), zero)")))
    @net = x
    """
    given = genome.cell_by_kind
    cells = {kind: prune(given[kind], space.operations) for kind in space.kinds}
    said = {kind: genome.expression_at(kind) for kind in space.blocks}
    for kind, cell in cells.items():
        for site in sites_of(kind, cell, space.operations):
            said[site] = genome.expression_at(site, kind)
    return Genome.of(cells, _widest({site: _simplified(space, expression) for site, expression in said.items()}))


def _simplified(space: Space, expression: Expression) -> Expression:
    """Return what `simplify` does in a space, from memory where it was asked before."""
    known = space.simplified
    found = known.get(expression)
    if found is None:
        if len(known) >= REMEMBERED:
            known.clear()
        found = known[expression] = simplify(expression, space.forms)
    return found


def _widest(at: Mapping[str, Expression]) -> dict[str, Expression]:
    """Return the expressions said for the widest classes (rule K); the first site of a kind speaks for it."""
    if not at:
        return {}
    if len(set(at.values())) == 1:
        return {"net": next(iter(at.values()))}
    said: dict[str, Expression] = {}
    for site, expression in at.items():
        kind = site.split("/")[0]
        if said.setdefault(kind, expression) != expression:
            said[site] = expression
    return said


def key(space: Space, genome: Genome) -> str:
    """Return 16 hexadecimal digits that name the canonical form.

    >>> from evobnn.spaces import Choice, Template, gaaf, key
    >>> space = gaaf(Template(macro="resnet", skip="none", stem=1.0), 8, choice=Choice(sites="net"))
    >>> first, second = (evobnn.parse_genome(f"@net = {text}") for text in ("neg(neg(x))", "add(x, zero)"))
    >>> key(space, first) == key(space, second)
    True
    """
    return key_of(canonical(space, genome))


def key_of(form: Genome) -> str:
    """Return the same of a genome that is canonical already.

    >>> from evobnn.spaces import key_of
    >>> key_of(evobnn.parse_genome("@net = sin(x)"))
    'b68c1b8768ed9695'
    """
    return hashlib.sha256(str(form).encode()).hexdigest()[:16]


def lost_signal(space: Space, template: Template, genome: Genome) -> str:
    """Return why no path leads from the image to the logits, or an empty text where one does.

    A convolution of a constant is a constant, so a path follows edges of any kind but those that rule J drops. A
    normal cell passes the previous cell's output on (not cell 0), a reduction cell as well, unless the template has
    no skips. Residual blocks always pass theirs on.

    >>> from evobnn.spaces import Template, bnas, cheapest, lost_signal
    >>> space = bnas(Template(), 32)
    >>> lost_signal(space, Template(), cheapest(space, Template())[0])
    ''
    """
    if template.macro == "resnet":
        return ""
    cells = {kind: prune(genome.cell_by_kind[kind], space.operations) for kind in space.kinds}
    older = previous = True
    for index, kind in enumerate(template.kinds):
        reached = {0: older, 1: previous}
        for edge in cells[kind].edges:
            reached[edge.target] = reached.get(edge.target, False) or reached.get(edge.source, False)
        alive = any(reached.get(node, False) for node in space.own_nodes)
        skipped = previous and template.skip != "none" and not (kind == NORMAL and index == 0)
        older, previous = previous, alive or skipped
    return "" if previous else "no path leads from the image to the logits: every edge of a cell without skip is zero"
