"""What `evobnn bench` times, and how times are put together; no time is judged."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
import torch

from evobnn.deploy import bench as benches
from evobnn.deploy import compiled, engines, onnx, openvino, timing
from evobnn.deploy.bench import bench
from evobnn.deploy.c.stages import stages
from evobnn.deploy.engines import ENGINES, AbsentError
from evobnn.deploy.reference import evaluate
from evobnn.deploy.timed import find, of_genome
from evobnn.deploy.timing import SCALAR, Spent, Timing, busy, time_c, time_stages, timing_of
from evobnn.evaluation import Additions
from evobnn.training import torch_threads
from tests.cli.conftest import calling

GENOME = "normal[2 = conv3(0) + max3(1)] reduction[2 = max3(0)] @net = neg(x)"


@pytest.fixture(scope="module")
def timed(tiny_bench: Any, tiny: Any) -> Any:
    return of_genome(tiny_bench, tiny_bench.space.parse(GENOME), tiny.dataset, None, "a title")


@pytest.fixture(scope="module")
def graph(timed: Any) -> Any:
    return timed.graph()


@pytest.fixture
def cc() -> compiled.Compiler:
    found = compiled.compiler()
    if found is None:
        pytest.skip("no C compiler")
    return found


@pytest.mark.slow
def test_the_c_of_a_network_is_timed_whole(timed: Any, graph: Any, cc: compiled.Compiler) -> None:
    for flags in (SCALAR, timing.simd_flags(cc) or SCALAR):
        whole = time_c(cc, graph, timed.images[:2], flags, 0.0)
        assert (whole.batch, whole.passes) == (2, timing.LEAST)
        assert 0 < whole.wall[0] <= whole.wall[1] <= whole.wall[2]


def test_the_stages_of_a_network_are_timed(timed: Any, graph: Any, cc: compiled.Compiler) -> None:
    parts = time_stages(cc, graph, timed.images, SCALAR, 0.0)
    assert len(parts) == len(stages(graph)) and min(parts) >= 0 and sum(parts) > 0


def test_quartiles_are_of_rounds_for_one_image_and_ratios_of_the_same_round() -> None:
    rounds = [Spent([wall, wall, 9.0], [0.004]) for wall in (0.004, 0.008, 0.012, 0.016, 0.4)]
    base = [Spent([wall], [1.0]) for wall in (0.004, 0.002, 0.006, 0.004, 0.4)]
    found = timing_of(4, rounds, base)
    assert found == Timing(4, 5, 15, (2.0, 3.0, 4.0), (1.0, 1.0, 1.0), (1.0, 2.0, 4.0))
    assert timing_of(4, rounds).ratio is None


@pytest.mark.parametrize(
    ("load", "count", "said"), [(0.9, 2, ""), (1.2, 2, "load of 1.2 on 2 cores"), (7.5, 16, ""), (0.3, 1, "on 1 cores")]
)
def test_a_busy_machine_is_told(load: float, count: int, said: str) -> None:
    sentence = busy(lambda: (load, 0.0, 0.0), count)
    assert bool(sentence) == bool(said) and said in sentence


def engine(name: str, seconds: float, log: list[Any]) -> Any:
    """Return an engine that notes its turns, each of which takes so long."""

    def make(timed: Any, place: Any, compiler: Any) -> Any:
        assert place.is_dir() and not any(place.iterdir())

        def turn(images: Any, wanted: float, least: int) -> Spent:
            log.append((name, len(images), wanted, least))
            return Spent([seconds], [seconds])

        return turn

    return make


def test_engines_take_turns_and_one_that_is_not_there_says_why(timed: Any) -> None:
    def unable(timed: Any, place: Any, compiler: Any) -> Any:
        raise AbsentError("there is none")

    log: list[Any] = []
    own = {"C, scalar": engine("c", 0.002, log), "unable": unable, "other": engine("other", 0.006, log)}
    found = bench(timed, None, 2.0, (1, 3), own)
    assert [(one.engine, one.absent, len(one.timings)) for one in found] == [
        ("C, scalar", "", 2),
        ("unable", "there is none", 0),
        ("other", "", 2),
    ]
    each = 2.0 / benches.ROUNDS, benches.LEAST
    assert log == [(name, n, *each) for n in (1, 3) for _ in range(benches.ROUNDS) for name in ("c", "other")]
    assert found[2].timings[1].wall == (2.0, 2.0, 2.0) and found[2].timings[1].ratio == pytest.approx((3.0, 3.0, 3.0))
    assert benches.base_of(found) == "C, scalar"
    (alone,) = bench(timed, None, 2.0, (1,), {"other": own["other"]})
    assert alone.timings[0].ratio is None and benches.base_of([alone]) is None


def test_what_each_engine_needs_is_said(timed: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    said = {}
    for name, make in ENGINES.items():
        if name != "torch":
            with pytest.raises(AbsentError) as caught:
                make(timed, tmp_path, None)
            said[name] = str(caught.value)
    needs = [name for name, sentence in said.items() if sentence == "there is no C compiler"]
    assert needs == ["C, SIMD", "C, scalar", "C, unfolded"]
    assert said["onnxruntime, real twin"].endswith("pip install 'evobnn[onnx]'")
    for name in ("OpenVINO, 1 bit", "OpenVINO, real twin"):
        assert said[name] == "it needs openvino: pip install 'evobnn[openvino]'"
    monkeypatch.setattr("evobnn.deploy.engines.simd_flags", lambda cc: None)
    with pytest.raises(AbsentError, match="no SIMD for this processor"):
        ENGINES["C, SIMD"](timed, tmp_path, compiled.Compiler(("cc",), "cc 1"))


def test_the_unfolded_c_computes_what_the_folded_has_thresholds_for(
    timed: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("evobnn.deploy.engines.program", lambda cc, graph, flags, place: seen.append((graph, flags)))
    monkeypatch.setattr("evobnn.deploy.engines.simd_flags", lambda cc: ("-Osimd",))
    cc = compiled.Compiler(("cc",), "cc 1")
    for name in ("C, SIMD", "C, scalar", "C, unfolded"):
        ENGINES[name](timed, tmp_path, cc)
    assert [flags for _, flags in seen] == [("-Osimd",), SCALAR, ("-Osimd",)]
    assert [sum(node.op.table is None for node in graph.sites) for graph, _ in seen] == [0, 0, len(seen[2][0].sites)]
    assert len(seen[2][0].sites) > 2
    monkeypatch.setattr("evobnn.deploy.forms.FORMS", {})
    with pytest.raises(AbsentError, match="form of your own"):
        ENGINES["C, unfolded"](timed, tmp_path, cc)


def test_torch_runs_on_one_thread_and_says_what_the_network_says(timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def once(run: Any) -> Any:
        def turn(images: Any, seconds: float, least: int) -> Spent:
            found.append((torch.get_num_threads(), run(images)))
            return Spent([1.0], [1.0])

        return turn

    monkeypatch.setattr(engines, "repeated", once)
    monkeypatch.setattr(benches, "ROUNDS", 1)
    with torch_threads(2):
        bench(timed, None, batches=(2,), engines={"torch": ENGINES["torch"]})
    (threads, logits), *_ = found
    x = (timed.images[:2].astype(np.float32) - timed.mean[:, None, None]) / timed.deviation[:, None, None]
    with torch.no_grad():
        assert threads == 1 and torch.equal(logits, timed.network(torch.from_numpy(x)))


def test_a_turn_passes_at_least_so_often() -> None:
    calls: list[int] = []
    spent = engines.repeated(lambda images: calls.append(1))(np.zeros(1), 0.0, 7)
    assert len(spent.wall) == len(spent.cpu) == 7 == len(calls) - engines.WARM


@pytest.mark.extras
def test_other_runtimes_compute_the_network_and_its_twin(timed: Any, graph: Any, tmp_path: Any) -> None:
    for module in ("onnxruntime", "openvino"):
        pytest.importorskip(module)
    images = timed.images[:3]
    for number, name in enumerate(("onnxruntime, real twin", "OpenVINO, 1 bit", "OpenVINO, real twin")):
        (place := tmp_path / str(number)).mkdir()
        spent = ENGINES[name](timed, place, None)(images, 0.0, 2)
        assert len(spent.wall) == 2 and min(spent.wall) > 0
    twin = evaluate(timed.twin(), images)
    own = onnx.session(str(tmp_path / "0" / onnx.FILE)).run(None, {timed.twin().input.name: images})[0]
    np.testing.assert_allclose(own, twin, rtol=1e-4, atol=1e-5)
    for place, wanted in (("1", evaluate(graph, images)), ("2", twin)):
        run = openvino.compiled(str(tmp_path / place / openvino.FILE))
        found = np.concatenate([run([image[None]])[0] for image in images])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_c_folded_or_not_takes_its_turns(timed: Any, tmp_path: Any, cc: compiled.Compiler) -> None:
    for number, name in enumerate(("C, scalar", "C, unfolded")):
        (place := tmp_path / str(number)).mkdir()
        spent = ENGINES[name](timed, place, cc)(timed.images[:2], 0.0, 5)
        assert len(spent.wall) == len(spent.cpu) == 5 and min(spent.wall) > 0


def test_the_text_of_a_genome_is_timed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("evobnn.deploy.timed.of_subject", lambda found: seen.append(found.text))
    find(GENOME, "digits", None, Additions())
    assert seen == [GENOME]


def test_the_command(timed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    evobnn = calling(capsys)
    monkeypatch.setattr("evobnn.deploy.timing.os.getloadavg", lambda: (99.0, 0.0, 0.0), raising=False)
    monkeypatch.setattr("evobnn.cli.bench.find", lambda *given: timed)
    own = {"C, SIMD": ENGINES["C, SIMD"], "torch": engine("torch", 0.001, [])}
    with_c = {"C, SIMD": engine("c", 0.004, []), "torch": engine("torch", 0.001, [])}
    monkeypatch.setattr("evobnn.cli.bench.bench", lambda timed, cc, seconds: bench(timed, cc, seconds, engines=own))
    monkeypatch.setenv("CC", "no-such-compiler")
    done = evobnn("bench", "run:0")
    assert done.code == 0 and "a title" in done.out and "This machine is busy: a load of 99.0" in done.err
    assert "C, SIMD: not run here, for there is no C compiler." in done.out

    for arguments, said in (
        ((), "--layers"),
        (("run:0", "--layers"), "a C compiler"),
        (("x", "--compiler", "no-cc"), "'no-cc'"),
    ):
        done = evobnn("bench", *arguments)
        assert done.code == 2 and said in done.err and "Traceback" not in done.err

    monkeypatch.delenv("CC")
    cc = compiled.Compiler(("cc",), "cc 1")
    monkeypatch.setattr("evobnn.deploy.compiled.compiler", lambda asked=None: cc)
    monkeypatch.setattr("evobnn.cli.bench.compiler", lambda asked=None: cc)
    own |= with_c
    said_too: list[str] = []
    monkeypatch.setattr("evobnn.deploy.latency.say", said_too.append)
    monkeypatch.setattr("evobnn.deploy.latency.simd_flags", lambda given: None)
    monkeypatch.setattr(
        "evobnn.deploy.latency.measured_layers", lambda cc, flags, wanted, shape: dict.fromkeys(wanted, 0.01)
    )
    done = evobnn("bench", "run:0", "--layers")
    count = len([line for line in done.out.splitlines() if " > " in line])
    assert f"The layers sum up to {count / 100:.3g} ms, {25 * count / 100:.0f} % of the 4 ms that it takes." in done.out
    assert "times C, SIMD" in done.out and "0.25 (0.25 to 0.25)" in done.out
    assert said_too[0].endswith("layers are timed, once on this machine, with cc 1.") and "99.0" in said_too[1]

    told = json.loads(evobnn("bench", "run:0", "--json").out)
    assert told["base"] == "C, SIMD" and [one["engine"] for one in told["engines"]] == list(own)
    assert told["engines"][1]["timings"][0] | {"cpu": 0} == {
        **{"batch": 1, "rounds": 5, "passes": 5},
        **{"wall": [1.0] * 3, "cpu": 0, "ratio": [0.25] * 3},
    }
