"""The C that is written: it compiles without a warning, says bit by bit what the reference says, and needs little."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evobnn
from evobnn.deploy.c import Described, check_c, source
from evobnn.deploy.c.arena import Lifetime, arena
from evobnn.deploy.c.expressions import function
from evobnn.deploy.c.model import digest
from evobnn.deploy.c.stages import stages
from evobnn.deploy.c.text import comment, constant, number, string
from evobnn.deploy.c.weights import interleaved, of_channels, of_groups
from evobnn.deploy.compiled import Compiler, answers_of, checked, compiler, logits_of
from evobnn.deploy.forms import FORMS, computed
from evobnn.deploy.graph import Graph, Node, Value
from evobnn.deploy.ops import (
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Linear,
    Normalise,
    Signed,
    Site,
    Table,
    float32,
)
from evobnn.deploy.reference import evaluate
from evobnn.deploy.verify import signs_of
from evobnn.errors import NetworkError
from evobnn.genome import BINARY, UNARY
from evobnn.nn import Site as SiteModule
from evobnn.nn import TreeActivation
from tests.deploy.conftest import folded_of, lowered_network, made_of, needs_compiler, network_of, pictures

GCC = Compiler(("gcc",), "gcc")
PLAIN = ("-DEVOBNN_PORTABLE", "-O0")
NATIVE = ("-O0", *(["-march=native"] if platform.machine() in ("x86_64", "AMD64") else []))


def write(folder: Path, graph: Graph, images: Any) -> Path:
    code = source(graph, Described([f"class {n}" for n in range(10)], ["Genome: x */ ??/"]))
    (folder / "model.h").write_text(code.header)
    (folder / "model.c").write_text(code.code)
    (folder / "check.c").write_text(check_c(graph, images))
    return folder


@needs_compiler
@pytest.mark.parametrize("macro", ["bnas", "bats"])  # the others in test_compilers.py
def test_compiled_it_says_what_the_reference_says(macro: str, tmp_path: Path) -> None:
    graph = folded_of(macro)
    shape = graph.input.shape
    folder = write(tmp_path, graph, pictures(shape, 3))
    said = checked(GCC, folder, NATIVE if macro == "bnas" else PLAIN)
    assert re.search(r"images 3\nsites that differ 0\nlargest difference of a logit 0\n", said)
    if macro == "bats":
        more = pictures(shape, 9, seed=1)
        assert np.array_equal(logits_of(GCC, folder, more, 10, NATIVE), evaluate(graph, more))


@needs_compiler
def test_layers_of_any_number_of_filters_compile_without_a_warning(tmp_path: Path) -> None:
    """As the header advises. 24 filters of one word: gcc once saw a read behind the last one, which never happened."""
    draw = np.random.default_rng(0)
    pixels = Node(Normalise(float32([100.0]), float32([50.0])), ("image",), Value("pixels", (1, 4, 4), "f32"), "")
    nodes, last = [pixels], pixels
    for filters in (24, 8, 12, 4):
        inputs = last.output.shape[0]
        site = Node(Site(), (last.output.name,), Value(f"bits {filters}", (inputs, 4, 4), "bit"), f"site {filters}")
        weight = draw.random((filters, inputs, 1, 1)) < 0.5
        value = Value(f"sums {filters}", (filters, 4, 4), "i32")
        last = Node(BinaryConvolution(weight), (site.output.name,), value, f"layer {filters}")
        nodes += [site, last]
    linear = Linear(float32(draw.standard_normal((10, 64))), float32(np.zeros(10)))
    nodes.append(Node(linear, (last.output.name,), Value("logits", (10, 1, 1), "f32"), "head"))
    graph = Graph(Value("image", (1, 4, 4), "u8"), tuple(nodes), "logits")
    folder = write(tmp_path, graph, pictures(graph.input.shape, 3))
    assert "sites that differ 0" in checked(GCC, folder, ("-O3", *NATIVE[1:]))


def evaluated_directly(tree: tuple[Any, ...]) -> Graph:
    """Return a graph with one site, whose function is not folded."""
    nodes = (
        Node(Normalise(float32([100.0]), float32([50.0])), ("image",), Value("pixels", (1, 4, 4), "f32"), ""),
        Node(Site((Expression(tree),)), ("pixels",), Value("bits", (1, 4, 4), "bit"), "site"),
        Node(Signed(), ("bits",), Value("signs", (1, 4, 4), "f32"), ""),
        Node(
            Linear(float32(np.ones((10, 16))), float32(np.zeros(10))), ("signs",), Value("out", (10, 1, 1), "f32"), ""
        ),
    )
    return Graph(Value("image", (1, 4, 4), "u8"), nodes, "out")


@pytest.mark.parametrize("name", [name for name in FORMS if name not in ("scale", "shift", "const", "mix")])
def test_a_function_that_is_alone_brings_what_it_calls(name: str, tmp_path: Path) -> None:
    arity = {**UNARY, **BINARY}[name].arity
    tree = ("x",) if name == "x" else (name, *[("x",)] * arity)
    graph = evaluated_directly(("sub", tree, ("square", ("x",))))
    code = source(graph, Described(["class"] * 10))
    assert ("#include <math.h>" in code.code) is FORMS[name].header
    assert ("Calls math.h: yes" in code.header) is FORMS[name].header
    if name in ("sigmoid", "gauss", "sqrt") and shutil.which("gcc"):
        assert "sites that differ 0" in checked(GCC, write(tmp_path, graph, pictures(graph.input.shape, 2)), PLAIN)


@needs_compiler
@pytest.mark.parametrize("exact", [True, False])
def test_signs_that_a_library_turns_are_counted_where_there_may_be_some(exact: bool, tmp_path: Path) -> None:
    graph, other = evaluated_directly(("sin", ("x",))), evaluated_directly(("neg", ("sin", ("x",))))
    images = pictures(graph.input.shape, 3)
    folder = write(tmp_path, graph, images)
    (folder / "check.c").write_text(check_c(other, images, exact=exact))
    if exact:
        with pytest.raises(NetworkError, match="sites that differ 3"):
            checked(GCC, folder, PLAIN)
    else:
        assert "sites that differ 3\nlargest difference of a logit 0\n" in checked(GCC, folder, PLAIN)
    signs, logits = answers_of(GCC, folder, graph, images, PLAIN)
    wanted, numbers = signs_of(graph, images)
    assert np.array_equal(signs["site"], wanted["site"]) and np.array_equal(logits, numbers)


CONVOLUTIONS = (
    # channels, filters, groups, kernel, stride, dilation, border, zeros
    *((9, 5, 1, 3, 1, 1, 1, True), (9, 17, 1, 3, 1, 1, 1, False), (32, 16, 1, 3, 2, 1, 1, True)),
    *((40, 8, 1, 5, 1, 1, 2, True), (33, 9, 1, 3, 1, 2, 2, True), (16, 24, 1, 3, 1, 2, 2, False)),
    *((8, 4, 1, 1, 1, 1, 0, True), (8, 4, 1, 1, 2, 1, 0, False), (3, 3, 1, 7, 1, 1, 3, True)),
    *((48, 8, 1, 5, 1, 1, 2, False), (12, 12, 4, 3, 1, 1, 1, True), (66, 4, 2, 3, 2, 1, 1, False)),
    *(
        (52, 8, 2, 5, 1, 2, 4, True),
        (9, 9, 9, 3, 1, 1, 1, True),
        (9, 9, 9, 5, 2, 2, 4, False),
        (8, 16, 8, 3, 1, 1, 1, True),
    ),
)


@needs_compiler
def test_convolutions_of_all_kinds(tmp_path: Path) -> None:
    """On 7x6 pixels, where every window of some is at an edge; the sums of every pixel are looked at."""
    rng = np.random.default_rng(3)
    image = Value("image", (1, 7, 6), "u8")
    nodes = [Node(Normalise(float32([128]), float32([50])), ("image",), Value("x", (1, 7, 6), "f32"), "")]
    outputs = []
    for n, (channels, filters, groups, kernel, stride, dilation, border, zeros) in enumerate(CONVOLUTIONS):
        shape = (channels, 7, 6)
        limits = float32(rng.normal(size=(1, channels)))
        ends = np.full(channels, np.inf, np.float32)
        site = Site((), Table(rng.random(channels) < 0.5, limits, float32(-ends), float32(ends)), True)
        weight = rng.random((filters, channels // groups, kernel, kernel)) < 0.5
        op = BinaryConvolution(weight, stride, dilation, groups, border, zeros)
        sides = -(-7 // stride), -(-6 // stride)
        many, bits, sums = (f"{part}{n}" for part in ("many", "bits", "sums"))
        nodes.append(Node(Gather((0,) * channels), ("x",), Value(many, shape, "f32"), ""))
        nodes.append(Node(site, (many,), Value(bits, shape, "bit"), f"site{n}"))
        nodes.append(Node(op, (bits,), Value(sums, (filters, *sides), "i32"), f"conv{n}"))
        weights = float32(rng.integers(-9, 10, (2, filters * sides[0] * sides[1])))
        nodes.append(Node(Linear(weights, float32([0, 0])), (sums,), Value(f"out{n}", (2, 1, 1), "f32"), ""))
        outputs.append(f"out{n}")
    nodes.append(Node(Concat(), tuple(outputs), Value("logits", (2 * len(outputs), 1, 1), "f32"), ""))
    graph = Graph(image, tuple(nodes), "logits")
    images = pictures((1, 7, 6), 4)
    wanted = evaluate(graph, images)
    code = source(graph, Described([str(n) for n in range(2 * len(outputs))]))
    for name, text in (("model.h", code.header), ("model.c", code.code), ("check.c", check_c(graph, images))):
        (tmp_path / name).write_text(text)
    for flags in (NATIVE, PLAIN):
        assert "sites that differ 0" in checked(GCC, tmp_path, flags)
        assert np.array_equal(logits_of(GCC, tmp_path, images, 2 * len(outputs), flags), wanted)


@needs_compiler
def test_a_stem_of_any_number_of_filters(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    image = Value("image", (3, 7, 6), "u8")
    moments = Normalise(float32([120, 128, 90]), float32([50, 60, 70]))
    nodes = [Node(moments, ("image",), Value("x", (3, 7, 6), "f32"), "")]
    for filters, stride in ((61, 1), (8, 2), (3, 1)):
        op = Convolution(
            float32(rng.normal(size=(filters, 3, 3, 3))), float32(rng.normal(size=filters)), (stride,) * 2, (1,) * 4
        )
        sides = -(-7 // stride), -(-6 // stride)
        nodes.append(Node(op, ("x",), Value(f"y{filters}", (filters, *sides), "f32"), ""))
        weights = float32(rng.normal(size=(2, filters * sides[0] * sides[1])))
        nodes.append(
            Node(Linear(weights, float32([0, 1])), (f"y{filters}",), Value(f"o{filters}", (2, 1, 1), "f32"), "")
        )
    nodes.append(Node(Concat(), ("o61", "o8", "o3"), Value("logits", (6, 1, 1), "f32"), ""))
    graph = Graph(image, tuple(nodes), "logits")
    images = pictures((3, 7, 6), 3)
    code = source(graph, Described([str(n) for n in range(6)]))
    (tmp_path / "model.h").write_text(code.header)
    (tmp_path / "model.c").write_text(code.code)
    assert np.array_equal(logits_of(GCC, tmp_path, images, 6, NATIVE), evaluate(graph, images))


@needs_compiler
def test_a_bit_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    graph = folded_of("resnet")
    folder = write(tmp_path, graph, pictures(graph.input.shape, 2))
    code = (folder / "model.c").read_text()
    word = re.compile(r"(static const uint32_t c\d+\[\d+\] = \{\s+)(0x[0-9a-f]+)")
    turned, count = word.subn(lambda found: found[1] + hex(int(found[2], 16) ^ 1), code)
    assert count > 5
    (folder / "model.c").write_text(turned)
    with pytest.raises(NetworkError, match="got exit code 1: images 2"):
        checked(GCC, folder, PLAIN)


@needs_compiler
def test_a_graph_that_is_not_folded_is_written_too(tmp_path: Path) -> None:
    graph = made_of("resnet")[1].graph
    folder = write(tmp_path, graph, pictures(graph.input.shape, 2))
    header = (folder / "model.h").read_text()
    assert "Calls math.h: yes" in header and "blocks.0.first.site" in header
    assert "sites that differ 0" in checked(GCC, folder, PLAIN)


@needs_compiler
def test_functions_without_constants_have_names_of_their_own(tmp_path: Path) -> None:
    network, shape = network_of("bnas")
    for module in network.modules():
        if isinstance(module, SiteModule):
            module.activation = TreeActivation(("add", ("sin", ("x",)), ("x",)), 1)
    graph = lowered_network(network.eval(), shape).graph
    folder = write(tmp_path, graph, pictures(shape, 2))
    assert "sites that differ 0" in checked(GCC, folder, PLAIN)


@needs_compiler
def test_what_does_not_compile_is_an_error(tmp_path: Path) -> None:
    for name, text in (("model.h", ""), ("model.c", "int unused(void) { int x; return 0; }"), ("check.c", "")):
        (tmp_path / name).write_text(text)
    with pytest.raises(NetworkError, match="Expected C that compiles without a warning, got this from gcc"):
        checked(GCC, tmp_path)


def test_what_compiles_nothing_is_no_compiler(tmp_path: Path) -> None:
    (tmp_path / "check.c").write_text("")
    with pytest.raises(NetworkError, match="Expected a program from true -O3, got none. Name another compiler"):
        checked(Compiler(("true", "-O3"), "true"), tmp_path)


def test_compilers_that_are_asked_for_and_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match="Expected a C compiler, got 'no-such-cc -O3'"):
        compiler("no-such-cc -O3")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert compiler() is None


def test_the_header_says_what_it_needs(folded: Graph) -> None:
    graph = folded
    code = source(graph, Described(('a"b', "ü"), ("Genome: x */ y",)))
    c, h, w = graph.input.shape
    genome = f"Genome: x = {'add(sin(x), x) ' * 20}"
    assert max(map(len, source(graph, Described((), (genome,))).header.splitlines())) <= 110
    for line in (
        f"written by evobnn {evobnn.__version__}.",
        f"Input: {c} x {h} x {w} grey values",
        "Genome: x * / y",
        f"EVOBNN_FLASH_BYTES {code.flash}",
        f"EVOBNN_RAM_BYTES {code.ram}",
        'EVOBNN_CLASS_NAMES {"a\\042b", "\\303\\274"}',
    ):
        assert line in code.header
    assert f"image[(channel * {h} + row) * {w} + column]" in re.sub(r"\n \*\s+", " ", code.header)
    arrays = re.findall(r"static const (float|uint32_t|uint16_t|uint8_t) c\d+\[(\d+)\]", code.code)
    size = {"float": 4, "uint32_t": 4, "uint16_t": 2, "uint8_t": 1}
    assert code.flash == sum(size[kind] * int(count) for kind, count in arrays)
    maps = {
        name: int(count) for name, count in re.findall(r"static (?:float|uint8_t) (maps|signs)\[(\d+)\]", code.code)
    }
    window = re.search(r"EVOBNN_WINDOW (\d+)", code.code)
    assert window and code.ram == 4 * maps["maps"] + maps["signs"] + 8 * int(window[1])
    assert not re.search(r"\b(malloc|free|fopen|printf)\b", code.code)


@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(0, 9), st.integers(0, 9)).map(
            lambda one: (one[0], min(one[1:]), max(one[1:]))
        ),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=60)
def test_maps_that_live_at_one_time_never_overlap(drawn: list[tuple[int, int, int]]) -> None:
    lives = [Lifetime(str(n), *one) for n, one in enumerate(drawn)]
    found = arena(lives)
    for a in lives:
        assert found.places[a.name] % 8 == 0 and found.places[a.name] + a.size <= found.size
        for b in lives:
            if a.name < b.name and a.first <= b.last and b.first <= a.last:
                first, second = sorted((a, b), key=lambda one: found.places[one.name])
                assert found.places[first.name] + first.size <= found.places[second.name]


def test_stages_run_each_node_once_and_after_what_it_reads(folded: Graph) -> None:
    graph = folded
    order = stages(graph)
    ran = [node for stage in order for node in stage.nodes]
    assert sorted(map(id, ran)) == sorted(map(id, graph.nodes)) and len(order) < len(ran)
    done = {graph.input.name}
    for node in ran:
        assert set(node.inputs) <= done
        done.add(node.output.name)


@needs_compiler
def test_forms_in_c_are_the_forms(tmp_path: Path) -> None:
    from evobnn.deploy.c.expressions import helpers_in

    line = np.concatenate((np.linspace(-3, 3, 41), [0.0, 1e-8, 20.0, -20.0])).astype(np.float32)
    parts, rows = [], []
    for at, name in enumerate(FORMS):
        arity = 2 if "q" in re.findall(r"\w+", FORMS[name].c) else 1
        tree = ("x",) if name == "x" else (name,) if name in ("zero", "const") else (name, ("x",), ("sin", ("x",)))
        learned = {"p_c": np.array([0.375], np.float32)} if "c" in re.findall(r"\w+", FORMS[name].c) else {}
        op = Expression(tree[: 1 + arity] if len(tree) > 1 else tree, learned)
        parts.append(function(f"f{at}", [op], lambda values: "half", sign=False))
        rows.append(computed(op, line[None, None])[0, 0])
    body = "".join(parts)
    calls = "".join(f'printf("%.9g\\n", (double)f{at}(x[n], 0)); ' for at in range(len(FORMS)))
    text = f"#include <math.h>\n#include <stdio.h>\nstatic const float half[1] = {{0.375f}};\n{helpers_in(body)}{body}"
    text += (
        constant("x", line) + f"int main(void) {{ int n; for (n = 0; n < {len(line)}; n++) {{ {calls} }} return 0; }}"
    )
    (tmp_path / "forms.c").write_text(text)
    program = str(tmp_path / "forms")
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", program, str(tmp_path / "forms.c"), "-lm"], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    found = np.array(said, np.float32).reshape(len(line), len(FORMS)).T
    for name, got, wanted in zip(FORMS, found, rows, strict=True):
        assert np.allclose(got, wanted, rtol=5e-6, atol=2e-7, equal_nan=True), name


def test_constants_read_back_as_themselves() -> None:
    for value in (0.1, -3.4028235e38, 1e-45, 5.0, -0.0, np.inf):
        text = number(value)
        assert np.float32(text.rstrip("f")) == np.clip(np.float32(value), -3.4028235e38, 3.4028235e38)
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text) and ("." in text or "e" in text)
    assert comment("a */ b\nc ü ??/") == "a * / b c \\xfc ? ?/"
    assert string('a"\\?') == '"a\\042\\134\\077"'


def test_weights_lie_as_the_c_reads_them() -> None:
    weight = np.zeros((9, 9, 1, 2), bool)
    weight[8, 0, 0, 1] = weight[8, 8, 0, 1] = True  # the ninth filter, second tap: its bits begin at byte 2
    words, count = interleaved(weight)
    assert count == 1 and words.shape == (2, 1, 8)
    assert words[1, 0, 0] == (1 << 16) + (1 << 24) and words.sum() == words[1, 0, 0]
    words, count = of_groups(weight)
    assert count == 1 and words[8, 0] == (1 << 9) + (1 << 17)  # close together
    assert of_channels(weight[:, :1]).tolist() == [[0, 0], [0, 1]]  # the ninth channel, second tap
    assert digest(np.zeros((1, 1, 0), bool)) == 2166136261
    assert digest(np.ones((1, 1, 1), bool)) == (2166136261 ^ 1) * 16777619 % 2**32
