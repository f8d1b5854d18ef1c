"""Searches by latency on tables made up here: nothing is timed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import evobnn
from evobnn.errors import EvobnnError, ExperimentError, NetworkError, RunError
from evobnn.evaluation import LayerTimes, Timer
from evobnn.evaluation.latency import Shape
from evobnn.runs import Options, Session, create
from evobnn.runs.latency import TIMES
from evobnn.runs.setup import make_bench
from evobnn.runs.verify import verify
from evobnn.spaces.covering import uniform

BOTH = ("error", "latency")
KINDS = {"BinaryConv2d": 3.0, "MaxPool2d": 50.0, "Site": 1.0, "TreeActivation": 2.0, "CellBlock": 12.0}
"""What modules take, in sevenths of a millisecond: pools more than convolutions, which have the operations."""


@dataclass(frozen=True)
class MadeUp(Timer):
    """A layer is a class of modules."""

    name: str = "a processor"
    factor: float = 1.0

    @property
    def processor(self) -> str:
        return self.name

    def layers(self, network: nn.Module, shape: Shape) -> Sequence[str]:
        kinds = [type(module).__name__ for module in network.modules()]
        return [f"{kind} {shape[1]}" for kind in kinds if kind in KINDS]

    def measured(self, networks: Iterable[nn.Module], shape: Shape) -> LayerTimes:
        return LayerTimes(
            self.name, "cc", "1", {f"{kind} 8": self.factor * weight / 7 for kind, weight in KINDS.items()}
        )


class Watching(MadeUp):
    """Tells which networks were to be measured."""

    def measured(self, networks: Iterable[nn.Module], shape: Shape) -> LayerTimes:
        kinds = {type(module).__name__ for network in networks for module in network.modules()}
        return LayerTimes(", ".join(sorted(kinds)), str(shape), "1", super().measured((), shape).milliseconds)


class Unable(MadeUp):
    def check(self) -> None:
        raise NetworkError("Expected a C compiler, got none. Install one.")


def own(**said: Any) -> evobnn.Additions:
    return evobnn.Additions(timer=MadeUp(**said))


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evobnn.runs.derived.save_front", lambda *given: None)


@pytest.fixture
def small(tiny: Any) -> Any:
    return smaller(tiny)


def smaller(tiny: Any) -> Any:
    strategy = {**tiny.strategy, "population": 3}
    tiny = replace(tiny, space=replace(tiny.space, offered=("zero", "max3", "conv3")))
    return replace(tiny, objectives=BOTH, strategy=strategy, noise=replace(tiny.noise, repeats=1, rescore=0))


def search(experiment: Any, out: str, generations: int = 0, **more: Any) -> evobnn.Run:
    more.setdefault("additions", own())
    return evobnn.search(experiment, generations=generations, jobs=1, out=out, **more)


@pytest.fixture(scope="module")
def whole(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> evobnn.Run:
    """A run of two generations. Not to be written to."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("evobnn.runs.derived.save_front", lambda *given: None)
        return search(smaller(tiny), str(tmp_path_factory.mktemp("whole") / "run"), 1)


def test_a_search_by_latency_from_end_to_end(whole: evobnn.Run) -> None:
    run = whole
    table = json.loads((run.path / TIMES).read_text())
    header = run.generations[0].header
    low, high, scale = header["axes"]["latency"]
    assert scale == "log10" and 0 < low < high
    seen = set()
    for _, row in run.evaluations().iterrows():
        network = run.network(int(row["id"]), additions=own())
        kinds = [type(module).__name__ for module in network.modules()]
        wanted = fsum(table["milliseconds"][f"{kind} 8"] for kind in kinds if kind in KINDS)
        assert row["latency"] == pytest.approx(wanted, rel=1e-12)
        assert low <= row["latency"] <= high
        seen.add(row["latency"])
    assert len(seen) > 1
    assert not any(
        answer.problems or answer.untold for answer in verify(run.path, own()) if "fresh" not in answer.statement
    )


def test_a_run_that_goes_on_elsewhere_keeps_its_table(small: Any, whole: evobnn.Run) -> None:
    run = search(small, "run")
    said: list[str] = []
    Session(run.path, Options(1, additions=own(name="another", factor=9.0), generations=1), say=said.append).proceed()
    assert "Latencies are those of the run's a processor, not of the processor here." in said
    for name in ("generation-0000.jsonl", "generation-0001.jsonl", "front.csv", TIMES, "experiment.toml"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()
    said.clear()
    Session(run.path, Options(1, additions=own(), generations=1), say=said.append).proceed()
    assert not [one for one in said if "Latencies" in one]


def test_the_table_is_part_of_the_protocol_and_of_no_other(small: Any, tiny: Any) -> None:
    one, other = (make_bench(small, Options(1, additions=own(factor=f))).protocol for f in (1.0, 2.0))
    assert one.fingerprint() != other.fingerprint()
    seen = make_bench(small, Options(1, additions=evobnn.Additions(timer=Watching()))).latency
    assert seen is not None and seen.times.compiler == "(1, 8, 8)"
    assert {"BinaryConv2d", "MaxPool2d", "TreeActivation"} <= set(seen.times.processor.split(", "))
    plain, with_timer = (make_bench(tiny, Options(1, additions=given)) for given in (evobnn.Additions(), own()))
    assert plain.protocol.fingerprint() == with_timer.protocol.fingerprint() and with_timer.latency is None


def test_wrong_tables_are_refused_before_anything_is_trained(small: Any) -> None:
    path = create(small, Options(1, additions=own()), Path("populations"), Path("run")) / TIMES
    text = path.read_text()
    for changed, match in ((text.replace("1.71", "1.81"), "digest"), ("{}\n", "digest"), ("nothing", "digest")):
        assert changed != text
        path.write_text(changed)
        with pytest.raises(RunError, match=match):
            evobnn.resume("run", generations=0, jobs=1, additions=own())
    path.unlink()
    with pytest.raises(RunError, match="latency.json, got no such file"):
        evobnn.resume("run", generations=0, jobs=1, additions=own())
    path.write_text(text)
    with pytest.raises(ExperimentError, match=r"additions=evobnn.latency\(\)"):
        evobnn.resume("run", generations=0, jobs=1)


def test_without_a_timer_or_a_compiler_nothing_begins(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evobnn.runs.setup.prepare", lambda *given: pytest.fail("images were read"))
    for given, match in ((evobnn.Additions(), r"evobnn.latency\(\)"), (evobnn.Additions(timer=Unable()), "C compiler")):
        with pytest.raises(EvobnnError, match=match):
            search(small, "run", additions=given)
    assert not Path("run").exists()


def test_latency_can_be_bounded(small: Any) -> None:
    bench = make_bench(small, Options(1, additions=own()))
    low, high, _ = bench.axes()["latency"]
    drawn = sorted(bench.milliseconds(bench.space.sample(np.random.default_rng(n))) for n in range(9))
    assert low <= drawn[0] and drawn[-1] <= high == max(map(bench.milliseconds, uniform(bench.space)))
    assert high > bench.milliseconds(bench.extremes()[1])
    bound = drawn[5]
    run = search(replace(small, constraints={"latency": bound}), "run")
    assert 0 < run.evaluations()["latency"].max() <= bound < high
    with pytest.raises(ExperimentError, match="a bound on latency of at least"):
        search(replace(small, constraints={"latency": low / 2}), "none")
    assert not Path("none").exists()


def test_an_evaluation_function_says_its_own_latency() -> None:
    def simulated(genome: evobnn.Genome) -> dict[str, float]:
        return {"error": 0.5, "latency": float(len(str(genome)))}

    settings = {"strategy.population": 3}
    run = evobnn.search("digits", simulated, objectives=BOTH, generations=0, jobs=1, settings=settings, additions=own())
    for _, row in run.evaluations().iterrows():
        assert row["latency"] == len(run.individual(int(row["id"])).genome)
    assert not (run.path / TIMES).exists() and "hypervolume" not in run.log()


def test_a_table_is_read_as_it_was_written() -> None:
    table = LayerTimes("p", "cc -O2", "12", {"b": 0.1, "a": 1 / 3, "c": 2.0})
    assert LayerTimes.from_text(table.to_text()) == table
    assert table.of(["a", "a", "c"]) == pytest.approx(2 / 3 + 2)
    assert dict(table.only(["c", "a", "c"]).milliseconds) == {"a": 1 / 3, "c": 2.0}
    same = LayerTimes("p", "cc -O2", "12", {"c": 2.0, "a": 1 / 3, "b": 0.1})
    assert same.fingerprint() == table.fingerprint()
    others = [replace(table, processor="q"), replace(table, compiler="d"), replace(table, code="13"), table.only("ab")]
    assert len({table.fingerprint(), *(other.fingerprint() for other in others)}) == 5
    with pytest.raises(ExperimentError, match="none for 'd'"):
        table.of(["a", "d"])
    with pytest.raises(ValueError, match="digest"):
        LayerTimes.from_text(table.to_text().replace("2.0", "2.5"))
