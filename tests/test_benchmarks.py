"""The benchmarks compare like with like: their reference computes what evobnn does, and stays as it is; they run."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.data import PreparedData
from evobnn.deploy import evaluate, lower
from evobnn.deploy.timing import Spent
from evobnn.errors import EvobnnError
from evobnn.experiment import preset_table
from evobnn.experiment.text import from_table
from evobnn.nn import BinaryConv2d, Site, binary_convolutions, settle_latent_
from evobnn.nn.binary.layers import ConvStyle
from evobnn.runs.setup import assembled
from evobnn.training import Recipe
from evobnn.training.optimiser import make_optimiser
from tests.cli.conftest import DRAWING, TINY

BENCHMARKS = Path(__file__).parent / "benchmarks"
SMALL = ("--set", "network.width=4", "--set", "network.cells=2", "--set", "network.reductions=1")

Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Return what imports a benchmark as it imports the others: their folder stands first on the path."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)


def our_step(network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor) -> Tensor:
    """Take evobnn's step on images of any precision and return the loss before it."""
    optimiser = make_optimiser(network, recipe)
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
    optimiser.step()
    with torch.no_grad():
        settle_latent_([m for m in network.modules() if isinstance(m, BinaryConv2d)], recipe.latent_clip)
    return loss.detach()


@pytest.mark.parametrize("name", ["digits", "cells16", "resnet16"])
def test_the_reference_is_the_same_function_with_the_same_step(load: Load, name: str) -> None:
    """In double precision, where rounding takes no sum across a sign, and with weights of ±1/4: the reference adds up
    ±alpha, whose sums of 0 are 0 where alpha is a power of two.
    """
    pairs, case = load("pairs"), load("pairs").CASES[name]
    ours = pairs.decoded(case, "fp32", "torch")
    with torch.no_grad():
        for weight in (conv.weight for conv in binary_convolutions(ours)):
            weight.copy_(torch.where(weight >= 0, 0.25, -0.25))
    plain = pairs.plain_like(case, ours).double().train()
    ours = ours.double().train()
    images = torch.randn(6, *case.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(6)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), ours(images), rtol=1e-9, atol=1e-9)
    recipe, before = case.recipe, ours.head.linear.weight.detach().clone()
    trainer = load("plain").Trainer(plain, recipe.learning_rate, recipe.gradient_norm, recipe.latent_clip)
    losses = trainer.step(images, labels), our_step(ours, recipe, images, labels)
    torch.testing.assert_close(*losses, rtol=1e-9, atol=1e-9)
    assert not torch.equal(before, ours.head.linear.weight)
    theirs = dict(plain.named_parameters())
    for key, parameter in ours.named_parameters():
        torch.testing.assert_close(theirs[key], parameter, rtol=1e-6, atol=1e-6, msg=key)
    assert len(theirs) == len(list(ours.parameters())) > 20


def test_the_networks_are_those_they_are_said_to_be(load: Load) -> None:
    pairs = load("pairs")
    cases = pairs.CASES
    assert cases["digits"].template == from_table(preset_table("digits"), "test").network
    assert [len(cell.edges) for _, cell in pairs.parse_genome(pairs.DENSE).cells] == [8, 8]
    with torch.device("meta"):
        network = pairs.decoded(cases["resnet64"], "fp32", "torch")
    # two 3x3 convolutions in each of 8 blocks, 1x1 around 3 of them
    assert sum(isinstance(module, BinaryConv2d) for module in network.modules()) == 8 * 2 + 3


def test_a_changed_reference_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    training = load("bench_training")
    training.check_reference()
    monkeypatch.setattr(training, "REFERENCE", "0" * 64)
    with pytest.raises(EvobnnError, match="plain.py"):
        training.check_reference()


def test_training_is_measured(load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "told.json"
    names = ("--only", "digits", "--only", "exactness", "--variant", "fp32 torch")
    load("bench_training").main([*names, "--blocks", "1", "--steps", "1", "--batch", "4", "--json", str(path)])
    told = json.loads(path.read_text())
    first, *shares = told["rows"]
    assert "fp32 torch" in capsys.readouterr().out
    assert first["ratio"]["median"] == first["reference_seconds"][0] / first["seconds"][0]
    assert first["kept_mib"]["reference"] > 0
    assert [row["terms"] for row in shares] == [144, 324, 576, 1296, 4608]
    assert all(row["wrong"][variant] == 0.0 for row in shares for variant in ("fp32 torch", "fp32 fused"))
    assert {"torch", "numba", "evobnn"} <= set(told["versions"]) and told["machine"]["model"]


def test_the_time_of_a_search_is_split_without_rest(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DRAWING, lambda *given: None)
    search = load("bench_search")
    settings = [*TINY[1::2], "strategy.population=4", "noise.rescore=1"]
    found = search.measured(settings, 0, 1)
    search.show(found)
    assert "bookkeeping and transport" in capsys.readouterr().out
    assert sum(map(found.total, search.PARTS)) == pytest.approx(found.wall, rel=0.02)
    assert found.evaluations > 4
    assert all(found.total(part) > 0 for part in ("training", "decoding", "data", "preparing", "bookkeeping"))
    assert found.total("idle") == pytest.approx(0.0, abs=0.01)


def test_a_batch_of_two_workers_is_split_as_counted_by_hand(load: Load) -> None:
    """Two workers from 0 to 10; the first is new, works 2 to 4 and 5 to 8, the second, known, from 1 to 9.5."""
    search, timed = load("bench_search"), load("timed")
    lines = [(1, 2.0, 4.0), (2, 1.0, 9.5), (1, 5.0, 8.0)]
    batch = search.Batch(0.0, 10.0, 0.0, tuple(timed.Timed(None, *at, {"training": at[2] - at[1]}) for at in lines))
    known = {2}
    found = search.split(batch, 2, known)
    assert known == {1, 2}
    counted = {"training": 2 + 3 + 8.5, "starting workers": 2.0, "transport": 1 + 1 + 2 * 0.5, "idle": 1.5}
    assert {part: seconds for part, seconds in found.items() if seconds} == counted
    assert sum(found.values()) == 2 * 10


def test_a_clock_charges_the_innermost(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    timed, now = load("timed"), iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr(timed.time, "perf_counter", lambda: next(now))
    clock = timed.Clock("rest")
    with clock.within("outer"), clock.within("inner"):
        pass
    monkeypatch.undo()
    assert dict(clock.seconds) == {"rest": 1.0, "outer": 2.0 + 4.0, "inner": 3.0}


@pytest.mark.parametrize(
    ("seconds", "wanted"), [([1.0] * 4, 2.0), ([1.0] * 3, 1.5), ([3.0, 1.0, 1.0, 1.0], 2.0), ([1.0, 1.0, 3.0], 1.25)]
)
def test_the_ratio_that_a_list_allows(load: Load, seconds: list[float], wanted: float) -> None:
    assert load("bench_scaling").bound(seconds, 2) == wanted


@pytest.mark.slow
def test_workers_are_measured(load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "told.json"
    settings = [text for pair in zip(TINY[::2], TINY[1::2], strict=True) for text in pair]
    load("bench_scaling").main(["--evaluations", "4", "--repeats", "1", "--json", str(path), *settings])
    told = json.loads(path.read_text())
    assert len(told["rows"]) == 2 and told["rows"][-1]["workers"] == 2
    assert "2 workers are" in capsys.readouterr().out


def test_the_difference_of_precisions_is_that_of_genomes_and_not_of_trainings(
    load: Load,
) -> None:
    precision = load("bench_precision")
    fp32 = np.array([[0.1, 0.2, 0.3], [0.3, 0.3, 0.6], [0.5, 0.7, 0.9]])
    mean, low, high = precision.difference({"fp32": fp32, "bf16": fp32 + [[0.01], [0.03], [0.02]]})
    half = 2.919986 * 1.0 / 3**0.5  # Student's t at 95 %, two degrees of freedom
    assert (mean, low, high) == pytest.approx((2.0, 2.0 - half, 2.0 + half), abs=1e-4)
    assert precision.taus({"fp32": fp32, "bf16": fp32[::-1]}) == pytest.approx((1.0, -1.0))


@pytest.mark.slow
def test_precisions_are_compared_on_the_same_genomes_and_seeds(
    tmp_path: Path,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    precision, path = load("bench_precision"), tmp_path / "told.json"
    monkeypatch.setattr(precision, "RESAMPLED", 5)
    settings = ["--set", "dataset.train_limit=64", "--set", "recipe.epochs=1", *SMALL]
    precision.main(["--genomes", "4", "--seeds", "2", "--jobs", "1", "--json", str(path), *settings])
    (row,) = json.loads(path.read_text())["rows"]
    assert np.shape(row["fp32"]) == np.shape(row["bf16"]) == (4, 2)
    assert "4 genomes, 2 seeds" in capsys.readouterr().out


def test_the_start_is_measured_beside_a_small_program(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    start = load("bench_start")
    start.main(["--repeats", "1", "--only=--version"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == [start.BESIDE, "evobnn --version"]
    with pytest.raises(RuntimeError, match="exit code 0, got 2"):
        start.spent([sys.executable, "-m", "evobnn", "evolv"])


def test_an_evaluation_parses_and_prepares_its_genome_once(load: Load) -> None:
    settings = ["dataset.train_limit=64", "dataset.validation_limit=30", *SMALL[1::2]]
    row = load("bench_entered").entered("torch", settings)
    assert (row["status"], row["canonical"], row["parse_genome"]) == ("ok", 1, 1)
    assert row["functions"] > row["files"] > 20


def test_what_a_search_said_is_compared_with_what_came(load: Load) -> None:
    """A search of 40 s that always said 20 s, after 8, 12, 16 and 20 trainings."""
    left = load("bench_time_left")
    said = [left.Progress("search", 0, 1, done, 24, 0, 0, 0.1, 0.5, 20.0) for done in (8, 12, 16, 20)]
    found = left.Followed(tuple(left.Told(10.0 * place, one) for place, one in enumerate(said)), 40.0)
    assert [found.at(share).state.done for share in (0.0, 0.3, 0.75, 1.0)] == [8, 12, 20, 20]
    assert found.factors() == [20 / 30, 20 / 20, 20 / 10]


@pytest.mark.extras
def test_runtimes_are_measured(load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("onnxruntime", "openvino"):
        pytest.importorskip(package)
    path = tmp_path / "told.json"
    small = ("--channels", "8", "--side", "8", "--blocks", "1", "--rounds", "2", "--seconds", "0")
    load("bench_runtimes").main([*small, "--json", str(path)])
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == 4 and rows[0]["ratio"]["median"] == 1.0
    assert all(row["milliseconds"]["least"] > 0 and len(row["ratio"]["values"]) == 2 for row in rows)
    assert "8 channels, 8x8, 2 binary convolutions" in capsys.readouterr().out


def test_whole_networks_are_measured_once_and_compared_round_by_round(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy = load("bench_deploy")
    asked: list[str] = []

    def turn(first: float) -> Any:
        taken = iter([first, first, 4 * first] * 9)
        return lambda images, seconds, least: Spent([next(taken)], [0.001])

    def prepared(timed: Any, compiler: Any, place: Path) -> Any:
        asked.append(timed.title)
        assert timed.images.shape[1:] == (3, 8, 8) and not timed.network.training
        turns = {"C, AVX2": turn(0.001), "OpenVINO, 1 bit": turn(0.002), "OpenVINO, real twin": turn(0.006)}
        return turns, {"torch": "it is cold"}

    monkeypatch.setattr(deploy, "prepared", prepared)
    path = tmp_path / "rows.jsonl"
    given = ("--widths", "4", "--sides", "8", "--rounds", "3", "--json", str(path))
    deploy.main([*given, "--macros", "resnet"])
    said = capsys.readouterr().out
    for words in (
        "OpenVINO, 1 bit",
        "2.00 (2.00 to 2.00)",
        "6.00 (6.00 to 6.00)",
        "torch: not run here, for it is cold.",
    ):
        assert words in said
    (gain,) = [line for line in said.splitlines() if "twin by 1 bit" in line]
    assert gain.split()[-8:] == ["3.00", "(3.00", "to", "3.00)", "1.00", "(1.00", "to", "1.00)"]
    row = json.loads(path.read_text())
    assert row["milliseconds"]["C, AVX2"] == [1.0, 1.0, 4.0] and row["network"] == "resnet 4 8"
    deploy.main(given)
    assert asked == ["resnet 4 8", "bnas 4 8"] and len(path.read_text().splitlines()) == 2
    tables = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in tables if line[15:].startswith("C, AVX2  ")] == ["resnet", "bnas"]


def test_without_its_packages_a_benchmark_says_what_to_install(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    load("bench_runtimes").main([])
    assert "pip install 'evobnn[onnx]'" in capsys.readouterr().out


def test_the_networks_that_leave_are_those_of_their_spaces(load: Load) -> None:
    same = load("same_networks")
    told = {"mnist5k": (1, 28, 28), "digits": (1, 8, 8), "cifar10": (3, 32, 32)}
    seen = set()
    for subject in same.SUBJECTS.values():
        settings = same.experiment(subject.preset, None, subject.settings, additions=subject.additions)
        (channels, side, _), size = told[settings.dataset.name], settings.dataset.size
        shape = (channels, size or side, size or side)
        prepared = PreparedData("", "", settings.dataset.name, shape, 10, 0, 0, tuple("0123456789"))
        bench = assembled(settings, prepared, same.Options(jobs=1, additions=subject.additions))
        assert bench.phenotype(bench.space.parse(subject.genome)).cost.bits > 0
        seen |= {settings.network.macro, settings.network.style, settings.network.skip, settings.space.encoding}
    assert seen >= {"bnas", "bats", "cpnas", "resnet", "imagenet", "published", "free", "none", 1, 2}


def test_the_operation_of_a_user_leaves_as_it_is(load: Load) -> None:
    same, draw = load("same_networks"), torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 2, 5, 5), generator=draw, dtype=torch.uint8)
    module = same.halfway(2, 2, lambda channels: Site(), ConvStyle()).eval()
    found = evaluate(lower(module, (2, 5, 5), [100.0] * 2, [50.0] * 2, same.RULES).graph, images.numpy())
    assert np.allclose(found, module((images.float() - 100) / 50).detach().flatten(1), atol=1e-5)


@pytest.mark.slow
def test_what_was_measured_is_not_measured_again(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = load("bench_honest")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    calls: list[float] = []

    def timed(*given: Any) -> Any:
        calls.append(1e-4 * (1 + len(calls)))
        return Spent([calls[-1]] * 3, [1.0])

    monkeypatch.setenv("EVOBNN_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "evobnn.deploy.latency.measured_layers", lambda cc, flags, layers, shape: {n: len(n) / 1e4 for n in layers}
    )
    monkeypatch.setattr("evobnn.deploy.latency.say", lambda sentence: None)
    monkeypatch.setattr(honest, "program", lambda *given: Path("program"))
    monkeypatch.setattr(honest, "run_program", timed)
    rows, picture, told = tmp_path / "rows.jsonl", tmp_path / "honest.png", tmp_path / "told.json"
    arguments = ["--preset", "digits", "--rows", str(rows), "--picture", str(picture), "--json", str(told)]
    arguments += ["--turns", "3"]
    honest.main([*arguments, "--networks", "3"])
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [line["milliseconds"] for line in lines] == pytest.approx([n / 10 for n in range(1, 10)])
    least = [one.milliseconds for one in honest.together(list(honest.read(rows).values()))]
    assert least == pytest.approx([0.1, 0.2, 0.3])
    assert all(0 < line["ops"] < line["macs"] and line["layers"] > 0 for line in lines)
    rows.write_text(rows.read_text() + '{"genome": "cut o')
    honest.main([*arguments, "--networks", "4"])
    assert len(calls) == 12 and len(honest.read(rows)) == 12
    honest.main([*arguments, "--networks", "3", "--scalar"])
    assert len(calls) == 21
    assert [row["predictor"] for row in json.loads(told.read_text())["rows"]] == ["ops", "macs", "layers"]
    assert picture.read_bytes().startswith(b"\x89PNG") and "sum over layers (ms)   tau" in capsys.readouterr().out
