"""What `evobnn summary` says of a network. The two networks below are counted by hand, line by line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evobnn import load_run
from evobnn.cli import summary as page
from evobnn.errors import ExperimentError
from evobnn.experiment import Experiment
from evobnn.experiment.asked import sized
from evobnn.spaces import PUBLISHED, Template
from tests.cli.conftest import Call

CELLS = "normal[2 = conv3(0) + dil3(1)] reduction[2 = max3(0)]"
GENOME = f"{CELLS} @net = shift(x)"
BY_HAND = (GENOME, "--preset", "digits")
BLOCKS = ("@net = scale(x)", "--preset", "gaaf")
BNAS = (str(PUBLISHED["bnas-cifar10"]), "--preset", "bnas-cifar10")


def printed(evobnn: Call, *arguments: object) -> str:
    done = evobnn("summary", *arguments)
    assert done.code == 0, done.err
    assert done.err == ""
    return "".join(f"{line.rstrip()}\n" for line in done.out.splitlines())


def read(evobnn: Call, *arguments: object) -> dict:
    return json.loads(printed(evobnn, *arguments, "--json"))


# --- Two residual blocks of width 8 for 8x8 digits, a scale per channel before each sign ----------------------------

RESIDUAL = """\
genome, key 73a72cb6b7cc2285
2 residual blocks of width 8; digits 1x8x8, 10 classes

                                       in              1-bit    32-bit   memory     1-bit   32-bit
layer                    kind         bit   output   numbers   numbers      KiB      MACs     MACs
──────────────────────────────────────────────────────────────────────────────────────────────────
stem.norm1               norm           ·    1x8x8         ·         2     0.01         ·        ·
stem.conv                conv 3x3      32    8x8x8         ·        72     0.28         ·    4,608
stem.norm2               norm           ·    8x8x8         ·        16     0.06         ·        ·
blocks.0.first.site      activation     ·    8x8x8         ·         8     0.03         ·        ·
blocks.0.first.conv      conv 3x3       1    8x8x8       576         ·     0.07    36,864        ·
blocks.0.first.norm      norm           ·    8x8x8         ·        16     0.06         ·        ·
blocks.0.second.site     activation     ·    8x8x8         ·         8     0.03         ·        ·
blocks.0.second.conv     conv 3x3       1    8x8x8       576         ·     0.07    36,864        ·
blocks.0.second.norm     norm           ·    8x8x8         ·        16     0.06         ·        ·
blocks.1.first.site      activation     ·    8x8x8         ·         8     0.03         ·        ·
blocks.1.first.conv      conv 3x3/2     1   16x4x4     1,152         ·     0.14    18,432        ·
blocks.1.first.norm      norm           ·   16x4x4         ·        32     0.12         ·        ·
blocks.1.second.site     activation     ·   16x4x4         ·        16     0.06         ·        ·
blocks.1.second.conv     conv 3x3       1   16x4x4     2,304         ·     0.28    36,864        ·
blocks.1.second.norm     norm           ·   16x4x4         ·        32     0.12         ·        ·
blocks.1.shortcut.site   activation     ·    8x8x8         ·         8     0.03         ·        ·
blocks.1.shortcut.conv   conv 1x1/2     1   16x4x4       128         ·     0.02     2,048        ·
blocks.1.shortcut.norm   norm           ·   16x4x4         ·        32     0.12         ·        ·
head.linear              linear        32       10         ·       170     0.66         ·      160

total                                                  4,736       436     2.28   131,072    4,768

behind a kernel: /N stride

total parameters      5,172 kept = 4,736 in 1 bit + 436 in 32 bit
trainable parameters  5,170
model size            2.28 KiB
float-32 equivalent   20.20 KiB
compression           0.1129 of the memory, 8.9 times smaller
MACs                  135,840 an image, 96.5 % of them binary
OPs                   6,816 = 4,768 real + 131,072 / 64 binary
elementwise           8,016 operations, which OPs leaves out
"""


def test_a_residual_network_to_the_letter(evobnn: Call) -> None:
    assert printed(evobnn, *BLOCKS) == RESIDUAL


def test_the_residual_network_by_hand(evobnn: Call) -> None:
    narrow, wide, large, small = 8, 16, 8 * 8, 4 * 4
    convs = {
        "blocks.0.first.conv": (9 * narrow * narrow, large),
        "blocks.0.second.conv": (9 * narrow * narrow, large),
        "blocks.1.first.conv": (9 * narrow * wide, small),
        "blocks.1.second.conv": (9 * wide * wide, small),
        "blocks.1.shortcut.conv": (narrow * wide, small),
    }
    found = read(evobnn, *BLOCKS)
    rows = {row["name"]: row for row in found["rows"]}
    for name, (weights, pixels) in convs.items():
        assert (rows[name]["binary_weights"], rows[name]["binary_macs"]) == (weights, weights * pixels)
        assert (rows[name]["input_bits"], rows[name]["real_numbers"], rows[name]["real_macs"]) == ([1], 0, 0)
    assert rows["stem.conv"]["real_macs"] == 9 * narrow * large
    norms = 2 * (1 + narrow) + 2 * 2 * narrow + 3 * 2 * wide
    scales = 4 * narrow + wide  # before five convolutions, of the channels that go in
    linear = wide * 10 + 10
    real = norms + scales + linear + 9 * narrow
    binary = sum(weights for weights, _ in convs.values())
    totals = found["totals"]
    assert (totals["binary_weights"], totals["real_numbers"]) == (binary, real) == (4_736, 436)
    assert totals["bits"] == binary + 32 * real
    assert totals["trainable_parameters"] == binary + real - 2  # the first norm is not affine, and is kept all the same
    assert totals["compression"] == (binary + 32 * real) / (32 * (binary + real))
    block_0 = 2 * (narrow * large) * (1 + 1 + 1) + narrow * large  # scale, sign, norm; the input added
    block_1 = (2 * narrow * large + wide * small) * 2 + 3 * wide * small + wide * small
    assert totals["other"] == large + narrow * large + block_0 + block_1 + wide * small + wide  # norms; ReLU, mean
    for number in (totals["other"], totals["macs"], totals["total_parameters"]):
        assert f"{number:,}" in RESIDUAL


# --- One normal and one reduction cell of width 12 for 8x8 digits, a shift per channel before each sign -------------

JOINT = """\
genome, key 41de1cf4fa6327d6
2 bnas cells of width 12; digits 1x8x8, 10 classes

                                    in              1-bit    32-bit   memory     1-bit   32-bit
layer                kind          bit   output   numbers   numbers      KiB      MACs     MACs
───────────────────────────────────────────────────────────────────────────────────────────────
stem.norm            norm            ·    1x8x8         ·         2     0.01         ·        ·
stem.conv            conv 3x3       32    9x8x8         ·        81     0.32         ·    5,184
cells.0.pre0.norm    norm            ·    9x8x8         ·        18     0.07         ·        ·
cells.0.pre0.site    activation      ·    9x8x8         ·         9     0.04         ·        ·
cells.0.pre0.conv    conv 1x1        1   12x8x8       108        12     0.06     6,912        ·
cells.0.pre1.norm    norm            ·    9x8x8         ·        18     0.07         ·        ·
cells.0.pre1.site    activation      ·    9x8x8         ·         9     0.04         ·        ·
cells.0.pre1.conv    conv 1x1        1   12x8x8       108        12     0.06     6,912        ·
cells.0.ops.0.norm   norm            ·   12x8x8         ·        24     0.09         ·        ·
cells.0.ops.0.site   activation      ·   12x8x8         ·        12     0.05         ·        ·
cells.0.ops.0.conv   conv 3x3        1   12x8x8     1,296        12     0.21    82,944        ·
cells.0.ops.1.norm   norm            ·   12x8x8         ·        24     0.09         ·        ·
cells.0.ops.1.site   activation      ·   12x8x8         ·        12     0.05         ·        ·
cells.0.ops.1.conv   conv 3x3 d2     1   12x8x8     1,296        12     0.21    82,944        ·
cells.1.pre0.norm    norm            ·    9x8x8         ·        18     0.07         ·        ·
cells.1.pre0.site    activation      ·    9x8x8         ·         9     0.04         ·        ·
cells.1.pre0.conv    conv 1x1        1   24x8x8       216        24     0.12    13,824        ·
head.linear          linear         32       10         ·     3,850    15.04         ·    3,840

total                                               3,024     4,158    16.61   193,536    9,024

behind a kernel: dN dilation

total parameters      7,182 kept = 3,024 in 1 bit + 4,158 in 32 bit
trainable parameters  7,110
model size            16.61 KiB
float-32 equivalent   28.05 KiB
compression           0.5921 of the memory, 1.7 times smaller
MACs                  202,560 an image, 95.5 % of them binary
OPs                   12,048 = 9,024 real + 193,536 / 64 binary
elementwise           19,648 operations, which OPs leaves out
"""


def test_two_cells_to_the_letter(evobnn: Call) -> None:
    assert printed(evobnn, *BY_HAND) == JOINT


def test_the_two_cells_by_hand(evobnn: Call) -> None:
    pixels, stem, width = 8 * 8, 9, 12  # the stem has 0.75 times the width
    found = read(evobnn, *BY_HAND)
    rows = {row["name"]: row for row in found["rows"]}
    weights = {
        "cells.0.pre0.conv": stem * width,
        "cells.0.pre1.conv": stem * width,
        "cells.0.ops.0.conv": 9 * width * width,
        "cells.0.ops.1.conv": 9 * width * width,
        "cells.1.pre0.conv": stem * 2 * width,  # input 0 of the second cell is the stem's output; input 1 is not read
    }
    for name, number in weights.items():
        assert (rows[name]["binary_weights"], rows[name]["binary_macs"]) == (number, number * pixels)
    assert rows["cells.0.ops.1.conv"]["window"] == {
        "kernel": [3, 3], "stride": [1, 1], "dilation": [2, 2], "groups": 1
    }  # fmt: skip
    totals = found["totals"]
    binary = sum(weights.values())
    assert totals["binary_weights"] == binary
    assert totals["binary_macs"] == binary * pixels
    features = 4 * (2 * width) * (2 * 2)  # four nodes, a head of 2x2
    assert totals["real_macs"] == 9 * stem * pixels + features * 10
    norms = 2 * (1 + 3 * stem + 2 * width)
    shifts = 3 * stem + 2 * width
    scales = 2 * width + 2 * width + 2 * width  # per filter: two inputs, two operations, the wider input
    real = 9 * stem + norms + shifts + scales + features * 10 + 10
    assert totals["real_numbers"] == real
    assert totals["trainable_parameters"] == binary + real - scales
    assert totals["ops"] == totals["real_macs"] + totals["binary_macs"] / 64
    for number in (binary, real, totals["macs"], totals["trainable_parameters"]):
        assert f"{number:,}" in JOINT


# --- Agreement with what else is printed ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [BY_HAND, BLOCKS, BNAS], ids=["digits", "gaaf", "bnas"])
@pytest.mark.parametrize("depth", [(), ("--depth", 1), ("--depth", 2)], ids=["all", "1", "2"])
def test_rows_and_totals_are_those_of_show(evobnn: Call, arguments: tuple[str, ...], depth: tuple[object, ...]) -> None:
    cost = json.loads(evobnn("show", *arguments, "--json").out)["cost"]
    found = read(evobnn, *arguments, *depth)
    totals = found["totals"]
    for name in ("ops", "binary_macs", "real_macs", "binary_share", "other", "bits"):
        assert totals[name] == cost[name]
    assert totals["trainable_parameters"] == cost["parameters"]
    assert totals["macs"] == cost["binary_macs"] + cost["real_macs"]
    assert found["rows"]
    for name in ("binary_macs", "real_macs", "bits", "binary_weights", "real_numbers"):
        assert totals[name] == sum(row[name] for row in found["rows"])


def test_bnas_a_as_published(evobnn: Call) -> None:
    found = read(evobnn, *BNAS, "--published", "--depth", 2)
    assert found["totals"]["trainable_parameters"] == 5_578_252
    assert round(found["totals"]["binary_macs"] / 1e6) == 697
    assert len(found["rows"]) == 2 + 20 + 1  # norm and convolution of the stem, cells, linear layer
    live = read(evobnn, *BNAS, "--depth", 2)["totals"]
    assert live["trainable_parameters"] < 5_578_252
    assert live["real_macs"] == found["totals"]["real_macs"]


def test_an_individual_of_a_run(evobnn: Call, a_run: Path) -> None:
    one = load_run(a_run).generations[0].results[0]
    name = f"{a_run}:{one.request.individual.id}"
    found = read(evobnn, name)
    assert (found["genome"], found["key"]) == (one.request.individual.genome, one.request.individual.key)
    assert found["totals"]["ops"] == one.evaluation.objectives["ops"]
    wider = read(evobnn, name, "--channels", 4)
    assert (found["template"]["width"], wider["template"]["width"]) == (2, 4)
    assert printed(evobnn, name).startswith(f"{name}, key {found['key']}\n2 bnas cells of width 2;")


# --- Another size ---------------------------------------------------------------------------------------------------


def test_more_cells_and_channels(evobnn: Call) -> None:
    found = read(evobnn, *BY_HAND, "--cells", 5, "--channels", 24, "--depth", 2)
    assert (found["template"]["cells"], found["template"]["width"]) == (5, 24)
    shapes = {row["name"]: row["output_shape"] for row in found["rows"]}
    assert shapes["cells.0"] == [4 * 24, 8, 8]
    assert shapes["cells.4"] == [4 * 48, 4, 4]
    assert shapes["stem.conv"] == [18, 8, 8]


def test_blocks_are_cells_too(evobnn: Call) -> None:
    rows = read(evobnn, *BLOCKS, "--cells", 3, "--depth", 2)["rows"]
    assert [row["name"] for row in rows if row["name"].startswith("blocks")] == ["blocks.0", "blocks.1", "blocks.2"]


def test_a_size_ends_the_tie_to_a_table() -> None:
    on_table = Experiment(table="joint-digits")
    assert sized(on_table, None, None) is on_table
    assert sized(on_table, 4, None) == replace(on_table, table="", network=replace(on_table.network, cells=4))
    assert sized(on_table, None, 7).network.width == 7


@pytest.mark.parametrize("least", [1, 2, 3, 49, 93])
def test_the_fewest_channels_are_those_with_which_the_stem_has_one(least: int) -> None:
    experiment = Experiment(network=Template(width=200, stem=1.0 / least))
    assert sized(experiment, None, least).network.stem_channels == 1
    if least > 1:
        with pytest.raises(ExperimentError, match=f"--channels to be a whole number of at least {least}"):
            sized(experiment, None, least - 1)


# --- Text -----------------------------------------------------------------------------------------------------------

GROUPED = "normal[2 = gconv3(0) + gdil3(1)] reduction[2 = gconv3(1)] @net = x"


@pytest.mark.parametrize("arguments", [BY_HAND, BLOCKS, BNAS, (*BNAS, "--depth", 2)], ids=["1", "2", "3", "4"])
@pytest.mark.parametrize("width", [80, 100])
def test_every_line_fits_and_no_name_is_cut(
    evobnn: Call, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], width: int
) -> None:
    monkeypatch.setattr(page, "console", lambda: Console(width=width, highlight=False, markup=False))
    text = printed(evobnn, *arguments)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    if width == 100:  # at 80 long names take two lines
        names = [row["name"] for row in read(evobnn, *arguments)["rows"]]
        assert len(names) > 10
        for name in names:
            assert f"\n{name.removesuffix('.activation')} " in text


def test_macs_are_told_in_thousands_where_the_place_is_narrow(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "console", lambda: Console(width=80, highlight=False, markup=False))
    text = printed(evobnn, *BLOCKS)
    assert "kMACs" in text
    for name, macs in (("blocks.0.first.conv", ["37", "·"]), ("head.linear", ["·", "<1"])):  # 36,864 and 160
        (line,) = re.findall(rf"^{re.escape(name)} .*", text, re.MULTILINE)
        assert line.split()[-2:] == macs


def test_a_little_memory_is_not_none(evobnn: Call) -> None:
    text = printed(evobnn, "@net = x", "--preset", "gaaf", "--channels", 1)
    (line,) = re.findall(r"^blocks\.0\.first\.conv .*", text, re.MULTILINE)
    assert line.split()[5:] == ["9", "·", "<0.01", "576", "·"]  # 9 bits


def test_marks_are_explained_where_they_stand(evobnn: Call) -> None:
    text = printed(evobnn, GROUPED, "--preset", "bats")
    assert re.search(r"^cells\.0\.ops\.0\S* +conv 3x3 g\d+ ", text, re.MULTILINE)
    assert re.search(r"conv 3x3 d2 g\d+ ", text)
    assert "\nbehind a kernel: /N stride, dN dilation, gN groups of channels\n" in text
    plain = printed(evobnn, "normal[2 = conv3(0)] reduction[2 = max3(0)] @net = x")
    assert "behind a kernel" not in plain
    unread = printed(
        evobnn, GROUPED.replace("reduction[2 = gconv3(1)]", "reduction[2 = gconv3(0)]"), "--preset", "bats"
    )
    assert "dN" not in unread  # the dilated convolution is in the first cell, which is never run


def test_what_never_runs_and_what_is_never_trained_is_said(evobnn: Call) -> None:
    bare = "normal[2 = conv3(0)] reduction[2 = conv3(0)] @net = x"  # the last cell reads the stem, past the first
    text = printed(evobnn, bare, "--preset", "cpnas")
    assert re.search(r"trainable parameters  [\d,]+, [\d,]+ of them in layers that never run", text)
    assert "invalid, never trained: the sign of @net" in printed(evobnn, f"{CELLS} @net = zero")


# --- Slips ----------------------------------------------------------------------------------------------------------

SLIPS = {
    "a preset": ((GENOME, "--preset", "digts"), ("'digts'", "Did you mean 'digits'?")),
    "an operation": ((GENOME.replace("max3", "mux3"),), ("'mux3'", "Did you mean 'max3'?", "^")),
    "a missing cell": (("normal[2 = conv3(0)] @net = x",), ("a cell 'reduction'",)),
    "neither run nor genome": (("something",), ("RUN:ID", "'something'")),
    "no such run": (("digits-9:1",), ("digits-9", "Did you mean 'populations/digits-1'?")),
    "no such id": (("digits-1:999",), ("999", "0 to ")),
    "a run without id": (("digits-1",), ("RUN:ID", "digits-1:0")),
    "too few cells": ((GENOME, "--cells", 1), ("--cells", "at least 2, got 1")),
    "no cells": ((GENOME, "--cells", 0), ("--cells", "at least 2, got 0")),
    "half a cell": ((GENOME, "--cells", 2.5), ("--cells", "integer")),
    "no channels": ((GENOME, "--channels", 0), ("--channels", "at least 2, got 0")),
    "too few channels for the stem": ((GENOME, "--channels", 1), ("--channels", "at least 2, got 1")),
    "no depth": ((GENOME, "--depth", 0), ("--depth", "at least 1, got 0")),
    "less than no depth": ((GENOME, "--depth", -3), ("--depth", "at least 1, got -3")),
    "nothing": ((), ("RUN:ID",)),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_in_one_message(evobnn: Call, a_run: Path, slip: str) -> None:
    arguments, parts = SLIPS[slip]
    done = evobnn("summary", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err, done.err
