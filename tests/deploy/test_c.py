"""The C that is written: it compiles without a warning, says bit by bit what the reference says, and needs little."""

from __future__ import annotations

import platform
import re
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
from evobnn.deploy.c.weights import interleaved, of_groups
from evobnn.deploy.compiled import Compiler, checked, compiler, logits_of
from evobnn.deploy.forms import FORMS, computed
from evobnn.deploy.graph import Graph, Node, Value
from evobnn.deploy.ops import BinaryConvolution, Expression, Linear, Normalise, Site, float32
from evobnn.deploy.reference import evaluate
from evobnn.errors import NetworkError
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
    for flags in (("-O3", *NATIVE[1:]), ("-O3", "-DEVOBNN_PORTABLE")):
        assert "sites that differ 0" in checked(GCC, folder, flags)


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
    assert digest(np.zeros((1, 1, 0), bool)) == 2166136261
    assert digest(np.ones((1, 1, 1), bool)) == (2166136261 ^ 1) * 16777619 % 2**32
