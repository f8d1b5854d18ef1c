"""What `evobnn show` says of a genome."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evobnn import load_run
from evobnn.genome import X
from evobnn.spaces import PUBLISHED
from tests.cli.conftest import Call

GENOME = (
    "normal[2 = conv3(0) + zero(1); 3 = max3(1) + conv3(2); 4 = avg3(0) + avg3(1); 5 = dil3(1) + zero(0)] "
    "reduction[2 = max3(0) + max3(1); 3 = conv3(0) + conv3(2); 4 = avg3(0) + avg3(1); 5 = zero(1) + zero(0)] "
    "@normal = mul(sin(x), x) @reduction = add(x, zero)"
)
DIGITS = ("--preset", "digits")
BNAS = ("--preset", "bnas.toml")


def test_text_names_cells_expressions_and_costs(evobnn: Call) -> None:
    shown = evobnn("show", GENOME, *DIGITS)
    assert shown.code == 0, shown.err
    for part in ("normal cell", "input 0 ─ conv3 ─┐", "input 1 ╌ zero ╌╌┴─ node 2", "dashed", "canonical",
                 "@normal   a(x) = mul(sin(x), x)", "surrogate gradient 1[|a| <", "binary MACs", "head.linear",
                 "ops  ", "bits  ", "parameters  ", "not offered in reduction cells"):  # fmt: skip
        assert part in shown.out, part
    assert "third value" not in shown.out  # minus_one
    assert max(map(len, shown.out.splitlines())) <= 100


def test_an_individual_comes_with_its_record(evobnn: Call, a_run: Path) -> None:
    one = load_run(a_run).generations[0].results[0]
    shown = evobnn("show", f"digits-1:{one.request.individual.id}")
    assert shown.code == 0, shown.err
    assert one.request.individual.key in shown.out
    assert "born in generation 0 by seed" in shown.out and "evaluation 0: ok" in shown.out
    printed = json.loads(evobnn("show", f"{a_run}:{one.request.individual.id}", "--json").out)
    assert printed["key"] == one.request.individual.key
    assert printed["record"]["evaluations"][0]["objectives"] == dict(one.evaluation.objectives)
    assert printed["cost"]["ops"] == one.evaluation.objectives["ops"]


def test_json_sums_are_those_of_the_layers(evobnn: Call) -> None:
    printed = json.loads(evobnn("show", GENOME, *DIGITS, "--json").out)
    cost = printed["cost"]
    for name in ("binary_macs", "real_macs", "other", "bits", "parameters"):
        assert cost[name] == sum(layer[name] for layer in cost["layers"])
    assert cost["ops"] == cost["real_macs"] + cost["binary_macs"] / 64
    assert printed["expressions"]["reduction"] == str(X)
    assert [edge["live"] for edge in printed["cells"]["normal"]][:2] == [True, False]
    assert printed["record"] is None


def test_a_published_template_says_what_zero_padding_is(evobnn: Call) -> None:
    Path("bnas.toml").write_text('[space]\nname = "bnas"\n[dataset]\nname = "cifar10"\n')
    shown = evobnn("show", str(PUBLISHED["bnas-cifar10"]), *BNAS)  # the images are not at hand: their shape is known
    assert shown.code == 0, shown.err
    assert "third value" in shown.out and "3x32x32" in shown.out
    assert "5,578,252 as the published code allocates them" in shown.out


def test_a_picture(evobnn: Call) -> None:
    done = evobnn("show", GENOME, *DIGITS, "--picture", "one.png")
    assert done.code == 0, done.err
    assert Path("one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["@normal = zero @reduction = x", "@net = x"])
def test_a_genome_that_is_never_trained_or_outside_the_space_is_shown_with_a_note(evobnn: Call, text: str) -> None:
    cells = GENOME.split(" @")[0]
    shown = evobnn("show", f"{cells} {text}", *DIGITS)
    assert shown.code == 0, shown.err
    assert "note " in shown.out
