"""`evobnn relax`: what it says, how it goes on, and every slip in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from evobnn.cli.entry import run
from tests.relax.small import SETTINGS

SMALL = [word for name, value in {**SETTINGS, "space.nodes": 2}.items() for word in ("--set", f"{name}={value}")]
FEW = [*SMALL, "--set", 'space.offered=["zero", "max3", "conv3"]', "--set", "relax.batch=16", "--set", "relax.epochs=1"]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.relax.session.save_moves", lambda *given: None)

    def called(*arguments):
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return called


SLIPS = {
    "a space without cells": (["bnas", "--space", "gaaf"], ["a space whose cells are searched", "gaaf"]),
    "a space that is none": (["bnas", "--space", "bnsa"], ["'bnsa'", "Did you mean 'bnas'?"]),
    "more expressions than memory holds": (
        ["bnas", "--space", "joint", "--dataset", "digits", "--set", "relax.expressions=100000000",
         "--set", "space.encoding=2"],
        ["the free memory", "expressions at each of", "Lower relax.expressions"],
    ),
    "a temperature of 0": (["bats", "--set", "relax.temperature=0"], ["relax.temperature above 0", "got 0.0", "0.2"]),
    "too few images": (
        ["bnas", "--set", "dataset.train_limit=100"],
        ["at least 128 training images, two halves", "got 100", "relax.batch"],
    ),
    "weights that its gradient knows nothing of": (
        ["bnas", "--space", "cpnas"],
        ["at least 2 input channels per filter with scale 'bnas'", "another scale"],
    ),
    "a setting of another search": (["bnas", "--set", "relax.temperature=1"], ["relax.temperature"]),
    "a value": (["cpnas", "--set", "relax.repeats=0"], ["relax.repeats", "at least 1"]),
    "a search that is none": (["banas"], ["bnas, bats, cpnas, or the folder", "'banas'"]),
    "a data set": (["bnas", "--dataset", "digts"], ["'digts'", "Did you mean 'digits'?"]),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_slips(slip, call):
    arguments, parts = SLIPS[slip]
    code, out, err = call("relax", *arguments)
    assert code == 2 and "Traceback" not in out + err
    for part in parts:
        assert part in err, err
    assert err.startswith("Expected") or "Did you mean" in err or "Unknown" in err
    assert not Path("populations").exists()


@pytest.mark.slow
def test_it_says_what_it_found_and_where_another_search_begins(call):
    code, out, err = call("relax", "bnas", *FEW, "--out", "here")
    assert code == 0, err
    assert "32 images for the weights, 32 for what decides" in out
    assert "1/1: loss" in out and "found  normal[" in out and "3.0 path-epochs" in out
    assert "evobnn evolve bnas --seed-from here" in out
    code, again, _ = call("relax", "bnas", *FEW, "--out", "here")  # nothing is left to do
    assert code == 0 and "1/1" not in again and out.partition("found")[2] == again.partition("found")[2]
    assert call("relax", "here")[1].partition("found")[2] == again.partition("found")[2]
    code, _, err = call("relax", "bnas", *FEW, "--space", "joint", "--out", "here")
    assert code == 2 and "Expected a relaxed run of the space joint in here, got one of the space bnas." in err
    code, _, err = call("relax", "bnas", *FEW, "--set", "relax.tau=3", "--out", "here")
    assert code == 2 and "the settings of here/relaxed.toml" in err
    code, _, err = call("check", "here")
    assert code == 2 and "here, which 'evobnn relax' made" in err
    code, _, err = call("relax", "here", "--seed", "3")
    assert code == 2 and "no settings beside the folder here" in err
    code, _, err = call("evolve", "bats", "--seed-from", "here")
    assert code == 2 and "a relaxed run with cells of the space bats, got here, of the space bnas" in err
    assert not Path("populations").exists()
