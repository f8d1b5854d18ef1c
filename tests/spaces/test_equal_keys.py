"""Two genotypes with one key are one network: equal outputs and gradients once the weights are put where they belong.

Pairs are made by applying the rules backwards to a genome. Every learnable form of an expression carries a number of
its own (`scale1`, `shift2`: the same form under another name), so that each parameter is known on both sides.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evobnn.decode import Surround, decode
from evobnn.genome import FORMS, Cell, Edge, Expression, Genome, X, parse_expression, parse_genome
from evobnn.nn import FORMS as COMPUTED
from evobnn.spaces import Template, canonical, joint, key, simplify

TEMPLATE = Template(cells=3, width=4, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1)
PLAIN = joint(TEMPLATE, 8)
NUMBERS = range(12)
LEARNABLE = ("scale", "shift", "const", "mix")
NAMED = {f"{name}{n}": replace(FORMS[name], name=f"{name}{n}") for name in LEARNABLE for n in NUMBERS}
SPACE = replace(PLAIN, forms={**FORMS, **NAMED})
COMPUTED_TOO = {
    **COMPUTED,
    **{f"{name}{n}": replace(COMPUTED[name], name=f"{name}{n}", parameters=((f"{name}{n}", 0.4),)) for name in LEARNABLE
       for n in NUMBERS},
}  # fmt: skip
SURROUND = Surround(TEMPLATE, (1, 8, 8), 3)


def without_numbers(expression):
    return Expression(re.sub(r"(?<=scale|shift|const)\d+$|(?<=mix)\d+$", "", expression.form),
                      tuple(map(without_numbers, expression.args)))  # fmt: skip


def plain(expression):
    return not any(SPACE.forms[node.form].learnable for node in expression.nodes())


ZERO = Expression("zero")
COMMUTING = [name for name, spec in FORMS.items() if spec.commutes]
EVEN = ["square", "cos", "expabs", "gauss", "abs", "ln"]


def backwards(e):
    """Return what becomes `e` by one rule applied at its root; the letter of the rule first."""
    found = [("B", Expression("add", (ZERO, e))), ("B", Expression("sub", (e, ZERO)))]
    found += [("G", Expression("neg", (Expression("neg", (e,)),)))]
    if e == ZERO:
        found += [("C", Expression("mul", (Expression("scale11", (X,)), ZERO))), ("E", Expression("sub", (X, X)))]
    if e.form in COMMUTING:
        found += [("A", Expression(e.form, e.args[::-1]))]
    if e.form in ("relu", "min0"):
        found += [("D", Expression("max" if e.form == "relu" else "min", (ZERO, *e.args)))]
    if plain(e):
        found += [("E", Expression("max", (e, e))), ("E", Expression("min", (e, e)))]
    if e.form == "square" and plain(e):
        found += [("E", Expression("mul", e.args * 2))]
    if e.form == "abs" and plain(e):
        found += [("F", Expression("max", (Expression("neg", e.args), *e.args)))]
    if e.form == "neg":
        found += [("B", Expression("sub", (ZERO, *e.args)))]
    if e.form == "add":
        found += [("G", Expression("sub", (e.args[0], Expression("neg", e.args[1:]))))]
    if e.form == "sub":
        found += [("G", Expression("add", (Expression("neg", e.args[1:]), e.args[0])))]
    if e.form in EVEN:
        found += [("H", Expression(e.form, (Expression(name, e.args),))) for name in ("neg", "abs")]
    return found


def rewritten(draw, e):
    """Return the expression with up to one rule applied backwards at each of its nodes."""
    e = Expression(e.form, tuple(rewritten(draw, arg) for arg in e.args))
    if draw(st.booleans()):
        return e
    return draw(st.sampled_from(backwards(e)))[1]


# Functions without poles and of both signs, so that nothing hangs on the last digit: batch norm blows up a constant's.
EXPRESSIONS = [
    parse_expression(text, SPACE.forms)
    for text in (
        "x",
        "sin(x)",
        "mul(scale1(x), sin(x))",
        "add(scale1(x), shift2(x))",
        "mix3(sin(x), shift2(x))",
        "sub(sin(x), scale1(x))",
        "max(scale1(x), shift2(x))",
        "add(relu(x), min0(scale1(x)))",
        "sub(square(x), const4)",
        "sub(abs(x), expdiff(shift1(x), const2))",
        "sub(gaussdiff(cos(x), scale1(x)), const4)",
        "add(ln(x), abs(scale2(x)))",
    )
]
CELLS = [
    "2 = conv3(0) + max3(1); 3 = dil3(2) + avg3(0); 4 = conv5(1); 5 = conv3(4) + avg3(2)",
    "2 = conv3(0) + conv3(1); 4 = conv3(3) + conv3(2)",  # node 3 is zeros, and a convolution of them is not
    "3 = conv3(0) + avg3(0); 5 = dil3(3) + max3(1)",
    "2 = conv3(1) + conv3(1); 3 = max3(2)",
    "2 = avg3(1)",
    "2 = gconv3(0) + skip(1); 3 = sep3(2) + identity(0); 4 = skip(2) + gdil3(3); 5 = cdil3(1) + identity(4)",
    "3 = sep5(2) + identity(1); 4 = gconv5(0) + skip(3)",  # node 2 is zeros
]


def with_idle_edges(draw, cell):
    """Return the cell with edges that rule J drops, in an order that rule I mends."""
    edges = list(cell.edges)
    empty = [node for node in PLAIN.own_nodes if not cell.into(node)]
    for _ in range(draw(st.integers(0, 4))):
        node = draw(st.sampled_from(list(PLAIN.own_nodes)))
        dead = [source for source in empty if source < node]
        if dead and draw(st.booleans()):
            edges.append(
                Edge(draw(st.sampled_from(dead)), node, draw(st.sampled_from(["max3", "avg3", "skip", "identity"])))
            )
        else:
            edges.append(Edge(draw(st.integers(0, node - 1)), node, "zero"))
    return Cell(tuple(draw(st.permutations(edges))))


def said_elsewhere(draw, expressions):
    """Return the expressions of (normal, reduction) said for other classes of sites, which rule K mends."""
    normal, reduction = (rewritten(draw, e) for e in expressions)
    way = draw(st.sampled_from(["kind", "net", "node", "unused"]))
    if way == "net" and expressions[0] == expressions[1]:
        return {"net": normal}
    if way == "net":
        return {"net": normal, "reduction": reduction}
    if way == "node":
        return {"net": normal, "normal/3": rewritten(draw, expressions[0]), "reduction": reduction}
    if way == "unused":
        return {"normal": normal, "reduction": reduction, "net": ZERO}
    return {"normal": normal, "reduction": reduction}


def numbered(text):
    return parse_genome(text, forms=SPACE.forms)


def names_by_place(network, genome):
    """Return {what a tensor is: its name}: edges by source, target, operation; expressions' parts by their number."""
    found = {}
    kinds = TEMPLATE.kinds
    for name in network.state_dict():
        what = re.sub(r"\.activation\.p\d*_", ".activation.", name)
        edge = re.match(r"cells\.(\d+)\.ops\.(\d+)\.", what)
        if edge:
            edges = genome.cell_by_kind[kinds[int(edge[1])]].edges
            at = int(edge[2])
            again = edges[:at].count(edges[at])  # two equal edges stay in their order
            what = f"cells.{edge[1]}.{tuple(edges[at])}.{again}.{what[edge.end() :]}"
        assert what not in found
        found[what] = name
    return found


def run(network, x, train):
    """Return logits and all gradients by name, the image's as well."""
    network.train(train)
    x = x.clone().requires_grad_()
    logits = network(x)
    (logits * torch.linspace(-1.0, 1.5, logits.numel(), dtype=logits.dtype).view(logits.shape)).sum().backward()
    grads = {name: p.grad for name, p in network.named_parameters()} | {"image": x.grad}
    network.zero_grad()
    return logits.detach(), grads


def assert_one_network(first, second):
    """Build both genomes as they stand, move the weights of one to the other, compare all that training sees."""
    torch.manual_seed(3)
    ours, theirs = (decode(SPACE, g, SURROUND, forms=COMPUTED_TOO, as_written=True).double() for g in (first, second))
    for name, tensor in ours.state_dict().items():
        if name.endswith(("norm.weight", "norm.bias", "norm.running_mean")) or ".activation." in name:
            tensor.add_(0.3 * torch.randn_like(tensor))
        elif name.endswith("running_var"):
            tensor.mul_(torch.rand_like(tensor) + 0.5)
    here, there = names_by_place(ours, first), names_by_place(theirs, second)
    shared = here.keys() & there.keys()
    theirs.load_state_dict({**theirs.state_dict(), **{there[w]: ours.state_dict()[here[w]].clone() for w in shared}})
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    for train in (False, True):
        (a, a_grads), (b, b_grads) = run(ours, x, train), run(theirs, x, train)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
        compared = 0
        for what in sorted(shared):
            if here[what] not in a_grads:
                continue  # a running mean or variance
            p, q = a_grads.pop(here[what]), b_grads.pop(there[what])
            p, q = (torch.zeros(()) if g is None else g for g in (p, q))
            torch.testing.assert_close(*torch.broadcast_tensors(p.double(), q.double()), rtol=1e-6, atol=1e-7)
            compared += 1
        assert compared > 5
        torch.testing.assert_close(a_grads.pop("image"), b_grads.pop("image"), rtol=1e-6, atol=1e-7)
        # what only one of them has never learns
        assert all(g is None or not g.any() for g in (*a_grads.values(), *b_grads.values()))


@settings(deadline=None, max_examples=15, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(st.data())
def test_rules_applied_backwards_give_the_same_network(data):
    cells = {kind: parse_genome(f"c[{data.draw(st.sampled_from(CELLS))}]").cell_by_kind["c"] for kind in PLAIN.kinds}
    expressions = [data.draw(st.sampled_from(EXPRESSIONS)) for _ in PLAIN.kinds]
    raw = Genome.of(
        {kind: with_idle_edges(data.draw, cell) for kind, cell in cells.items()},
        said_elsewhere(data.draw, expressions),
    )
    base = Genome.of(cells, dict(zip(PLAIN.kinds, expressions, strict=True)))
    unnumbered = [
        Genome.of(g.cell_by_kind, {site: without_numbers(e) for site, e in g.expressions}) for g in (raw, base)
    ]
    assert key(PLAIN, unnumbered[0]) == key(PLAIN, unnumbered[1])
    assert canonical(PLAIN, unnumbered[0]) == canonical(PLAIN, unnumbered[1])
    assert_one_network(raw, base)
    assert_one_network(raw, canonical(SPACE, raw))


def test_every_rule_for_expressions_is_applied_backwards():
    seen = set()
    for text in ("zero", "add(sin(x), x)", "relu(x)", "square(x)", "abs(x)", "neg(x)", "sub(x, sin(x))", "cos(x)"):
        expression = parse_expression(text)
        for rule, raw in backwards(expression):
            assert simplify(without_numbers(raw)) == simplify(expression), rule
            seen.add(rule)
    assert seen == set("ABCDEFGH")


@pytest.mark.parametrize(
    ("rule", "raw", "other"),
    [
        ("A", "@net = add(shift1(x), scale2(x))", "@net = add(scale2(x), shift1(x))"),
        ("B", "@net = sub(zero, mix1(sin(x), x))", "@net = neg(mix1(sin(x), x))"),
        ("C", "@net = add(x, mul(scale1(x), zero))", "@net = x"),
        ("D", "@net = sub(max(x, zero), const1)", "@net = sub(relu(x), const1)"),
        ("E", "@net = sub(mul(x, x), const1)", "@net = sub(square(x), const1)"),
        ("F", "@net = sub(max(x, neg(x)), const1)", "@net = sub(abs(x), const1)"),
        ("G", "@net = add(neg(shift1(x)), scale2(x))", "@net = sub(scale2(x), shift1(x))"),
        ("H", "@net = sub(cos(neg(scale1(x))), const1)", "@net = sub(cos(scale1(x)), const1)"),
    ],
)
def test_rules_for_expressions_inside_a_network(rule, raw, other):
    cells = f"normal[{CELLS[0]}] reduction[{CELLS[1]}]"
    first, second = numbered(f"{cells} {raw}"), numbered(f"{cells} {other}")
    assert first != second, rule
    assert key(SPACE, first) == key(SPACE, second)
    assert_one_network(first, second)


@pytest.mark.parametrize(
    ("rule", "raw", "other"),
    [
        (
            "I",
            "normal[2 = max3(1) + conv3(0); 3 = conv3(2) + dil3(1)] reduction[2 = conv3(1) + conv3(0)] @net = x",
            "normal[2 = conv3(0) + max3(1); 3 = dil3(1) + conv3(2)] reduction[2 = conv3(0) + conv3(1)] @net = x",
        ),
        (
            "J",
            "normal[2 = zero(0) + zero(1); 3 = conv3(0) + max3(2); 4 = conv3(2) + avg3(2)] reduction[] @net = x",
            "normal[3 = conv3(0); 4 = conv3(2)] reduction[] @net = x",
        ),
        (
            "K",
            "normal[2 = conv3(0)] reduction[2 = conv3(1)] @normal = sin(x) @reduction = sin(x) @normal/4 = x",
            "normal[2 = conv3(0)] reduction[2 = conv3(1)] @net = sin(x)",
        ),
    ],
)
def test_rules_for_cells_and_sites_inside_a_network(rule, raw, other):
    first, second = numbered(raw), numbered(other)
    assert first != second, rule
    assert key(SPACE, first) == key(SPACE, second)
    assert_one_network(first, second)


def test_the_comparison_can_fail():
    cells = f"normal[{CELLS[0]}] reduction[{CELLS[1]}]"
    for raw, other in (
        ("@net = x", "@net = neg(x)"),
        ("@net = x", "@net = scale1(x)"),
        ("@net = sin(x)", "@net = atan(x)"),
    ):
        with pytest.raises(AssertionError):
            assert_one_network(numbered(f"{cells} {raw}"), numbered(f"{cells} {other}"))
    for raw, other in (("3 = conv3(2)", "3 = zero(2)"), ("2 = max3(0)", "2 = avg3(0)"), ("2 = max3(0)", "3 = max3(0)")):
        with pytest.raises(AssertionError):
            assert_one_network(
                numbered(f"normal[{raw}; 4 = conv3(1)] reduction[] @net = x"),
                numbered(f"normal[{other}; 4 = conv3(1)] reduction[] @net = x"),
            )


def test_initial_weights_come_from_the_canonical_form():
    raw = parse_genome(
        "normal[2 = max3(1) + conv3(0); 3 = zero(0) + dil3(1)] reduction[2 = conv3(1) + conv3(0); 4 = max3(3)] "
        "@normal = add(shift(x), scale(x)) @reduction = add(scale(x), shift(x))"
    )
    other = canonical(PLAIN, raw)
    states = []
    for genome in (raw, other):
        torch.manual_seed(11)
        states.append(decode(PLAIN, genome, SURROUND).state_dict())
    assert raw != other
    assert list(states[0]) == list(states[1])
    assert len(states[0]) > 20
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
