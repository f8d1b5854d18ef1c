"""Reading genomes as a person types them: parse and print are inverse, and every error points at its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evobnn._seeding import generator
from evobnn.errors import GenomeError
from evobnn.genome import FORMS, OPERATIONS, Cell, Edge, Expression, Genome, X, parse_expression, parse_genome
from evobnn.spaces import Template, joint

SPACE = joint(Template(cells=2, reductions=1), 32)
WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_/]{0,8}", fullmatch=True)


def trees():
    leaves = st.sampled_from([Expression(name) for name, spec in FORMS.items() if spec.arity == 0])

    def grown(smaller):
        return st.one_of(
            *(
                st.builds(Expression, st.just(name), st.tuples(*[smaller] * spec.arity))
                for name, spec in FORMS.items()
                if spec.arity
            )
        )

    return st.recursive(leaves, grown, max_leaves=12)


@st.composite
def cells(draw):
    edges = []
    for node in draw(st.lists(st.integers(2, 9999), unique=True, max_size=4)):
        for _ in range(draw(st.integers(1, 3))):
            edges.append(Edge(draw(st.integers(0, node - 1)), node, draw(st.sampled_from(list(OPERATIONS)))))
    return Cell(tuple(edges))


genomes = st.builds(
    Genome.of, st.dictionaries(WORDS, cells(), max_size=3), st.dictionaries(WORDS, trees(), max_size=3)
).filter(lambda genome: genome != Genome())


@settings(deadline=None, max_examples=100)
@given(trees())
def test_any_expression_comes_back_from_its_text(tree):
    assert parse_expression(str(tree)) == tree


@settings(deadline=None, max_examples=100)
@given(genomes)
def test_any_genome_comes_back_from_its_text(genome):
    text = str(genome)
    assert "\n" not in text
    assert parse_genome(text) == genome
    assert str(parse_genome(text)) == text


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**63 - 1))
def test_genomes_of_a_space_come_back_from_their_text(seed):
    genome = SPACE.sample(generator(seed))
    assert parse_genome(str(genome)) == SPACE.parse(str(genome)) == genome


@settings(deadline=None, max_examples=50)
@given(genomes, st.data())
def test_blanks_play_no_part(genome, data):
    text = str(genome)
    for mark in "[](),;=+@":
        before, after = (data.draw(st.sampled_from(["", " ", "\t", "\n  ", " \u00a0"])) for _ in range(2))
        text = text.replace(mark, f"{before}{mark}{after}")
    assert parse_genome(f" {text} ") == genome


@pytest.mark.parametrize(
    "typed",
    [
        "normal[2=conv3(0)+max3(1)]@net=mul(sin(x),x)",
        "  normal [ 2 = conv3 ( 0 ) + max3 ( 1 ) ; ]\n\t@ net = mul ( sin ( x ) , x )  ",
        "@net = mul(sin(x()), x) normal[2 = conv3(0) + max3(1)]",
        "normal[2 = conv3(0) + max3(1);] @net=mul(\nsin(x),\nx)\n",
    ],
)
def test_typed_by_hand(typed):
    assert str(parse_genome(typed)) == "normal[2 = conv3(0) + max3(1)] @net = mul(sin(x), x)"


def place_of(error):
    """Return the text under the caret, from there to the end of the line shown, and the first line."""
    sentence, shown, caret = str(error.value).split("\n")
    assert caret.strip() == "^"
    return sentence, shown[caret.index("^") :]


@pytest.mark.parametrize(
    ("text", "sentence", "under"),
    [
        ("", "a genome, got an empty text", ""),
        ("   ", "a genome, got an empty text", "   "),
        ("normal[2 = conv3(0)] ?", "got '?'", "?"),
        ("normal[2 = conv3(0)] @net = x é", "got 'é'", "é"),
        ("normal[2 = konv3(0)]", "Did you mean 'conv3'?", "konv3(0)]"),
        ("normal[2 = conv3(2)]", "input of node 2 from 0 to 1, got node 2, which closes a cycle", "2)]"),
        ("normal[3 = conv3(0) + max3(7)]", "input of node 3 from 0 to 2, got node 7, which closes a cycle", "7)]"),
        ("normal[1 = conv3(0)]", "a node from 2 on, got 1", "1 = conv3(0)]"),
        ("normal[2 = conv3(0); 2 = max3(1)]", "one definition of node '2'", "2 = max3(1)]"),
        ("normal[2 = conv3(0); 02 = max3(1)]", "a node's number, got '02'. Write 2.", "02 = max3(1)]"),
        ("normal[2 = conv3(0)] normal[]", "one cell 'normal'", "normal[]"),
        ("@net = x @net = zero", "one expression for 'net'", "net = zero"),
        ("normal[2 = conv3(0) max3(1)]", "';', '+' or ']', got 'max3'", "max3(1)]"),
        ("normal[2 conv3(0)]", "'=', got 'conv3'", "conv3(0)]"),
        ("normal[conv3(0)]", "the number of a node, as in 2 = conv3(0), got 'conv3'", "conv3(0)]"),
        ("normal[2 = 3(0)]", "an operation such as conv3(0), got '3'", "3(0)]"),
        ("normal[2 = conv3 0]", "'(', got '0'", "0]"),
        ("normal[2 = conv3(x)]", "the number of a node, got 'x'", "x)]"),
        ("normal[2 = conv3(0", "')', got the end of the text", ""),
        ("normal[2 = conv3(0)", "';', '+' or ']', got the end of the text", ""),
        ("normal", "'[', got the end of the text", ""),
        ("2 = conv3(0)", "a cell such as normal[...] or a site such as @normal, got '2'", "2 = conv3(0)"),
        ("@ = x", "the name of a class of sites, got '='", "= x"),
        ("@net x", "'=', got 'x'", "x"),
        ("@net =", "a form such as x or sin(x), got the end", ""),
        ("@net = sine(x)", "Did you mean 'sin'?", "sine(x)"),
        ("@net = mul(x)", "2 arguments for 'mul', got 1. Write for example mul(x, x)", "mul(x)"),
        ("@net = mul(sin(x, x), x)", "1 argument for 'sin', got 2. Write for example sin(x)", "sin(x, x), x)"),
        ("@net = x(x)", "0 arguments for 'x', got 1. Write for example x.", "x(x)"),
        ("@net = sin(x", "')', got the end of the text", ""),
        ("@net = sin x", "1 argument for 'sin', got 0", "sin x"),
        ("@net = mul(x,)", "a form such as x or sin(x), got ')'", ")"),
        ("@net = x)", "a cell such as normal[...] or a site such as @normal, got ')'", ")"),
        ("normal[12345 = conv3(0)]", "a node's number, got 5 digits", "12345 = conv3(0)]"),
        ("normal[2 = conv3(-1)]", "got '-'", "-1)]"),
        ("normal[2 = conv3(0.5)]", "got '.'", ".5)]"),
    ],
)
def test_every_error_points_at_its_place(text, sentence, under):
    with pytest.raises(GenomeError) as error:
        parse_genome(text)
    said, shown = place_of(error)
    assert said.startswith("Expected ")
    assert sentence in said
    assert shown == under


def test_what_follows_an_expression_is_an_error():
    with pytest.raises(GenomeError) as error:
        parse_expression("sin(x) cos(x)")
    assert place_of(error) == (
        "Expected the end of the expression, got 'cos'. Write the end of the expression here.",
        "cos(x)",
    )


def test_a_long_text_is_shown_around_the_place():
    text = "@net = " + "add(x, " * 40 + "sine(x)" + ")" * 40
    with pytest.raises(GenomeError) as error:
        parse_genome(text)
    _, shown, _ = str(error.value).split("\n")
    assert place_of(error)[1].startswith("sine(x))))")
    assert len(shown) <= 2 + 72


@pytest.mark.parametrize("blank", ["\n", "\t", "\r", "\x0b", "\u2028"])
def test_the_caret_stays_in_its_column_whatever_blanks_there_are(blank):
    with pytest.raises(GenomeError) as error:
        parse_genome(f"@net{blank}={blank}sine(x)")
    assert str(error.value).split("\n")[1:] == ["  @net = sine(x)", "         ^"]


def nested(levels):
    return "neg(" * (levels - 1) + "x" + ")" * (levels - 1)


def test_fifty_levels_are_read_and_the_51st_is_refused():
    assert len(list(parse_expression(nested(50)).nodes())) == 50
    with pytest.raises(GenomeError, match="at most 50 levels") as error:
        parse_expression(nested(51))
    assert place_of(error)[1].startswith("x)))")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (nested(20_000), "at most 50 levels"),
        ("(" * 100_000, "a form such as x"),
        (f"normal[2 = conv3({'9' * 100_000})]", "100000 digits"),
        (f"@net = {'a' * 100_000}", "known form"),
    ],
)
def test_huge_texts_are_refused_at_once(text, match):
    with pytest.raises(GenomeError, match=match):
        parse_expression(text) if match.startswith(("at most", "a form")) else parse_genome(text)


def test_tables_are_arguments():
    own = {"own": OPERATIONS["conv3"]}
    assert str(parse_genome("a[2 = own(0)]", operations=own)) == "a[2 = own(0)]"
    with pytest.raises(GenomeError, match="known operation"):
        parse_genome("a[2 = conv3(0)]", operations=own)
    assert parse_expression("x", forms={"x": FORMS["x"]}) == X
    with pytest.raises(GenomeError, match="known form"):
        parse_expression("sin(x)", forms={"x": FORMS["x"]})
