"""What `evobnn bench` times, and how times are put together; no time is judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evobnn.deploy import bench as benches
from evobnn.deploy import compiled, timing
from evobnn.deploy.bench import bench, time_run
from evobnn.deploy.c.stages import stages
from evobnn.deploy.timed import of_genome
from evobnn.deploy.timing import SCALAR, Timing, busy, time_c, time_stages, timing_of
from evobnn.errors import NetworkError
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
        assert (whole.batch, whole.rounds) == (2, timing.LEAST)
        assert 0 < whole.wall[0] <= whole.wall[1] <= whole.wall[2]


def test_the_stages_of_a_network_are_timed(timed: Any, graph: Any, cc: compiled.Compiler) -> None:
    parts = time_stages(cc, graph, timed.images, SCALAR, 0.0)
    assert len(parts) == len(stages(graph)) and min(parts) >= 0 and sum(parts) > 0


def test_quartiles_are_of_one_image() -> None:
    found = timing_of(4, [0.004, 0.008, 0.012, 0.016, 0.4], [0.004] * 5)
    assert found == Timing(4, 5, (2.0, 3.0, 4.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("load", "count", "said"), [(0.9, 2, ""), (1.2, 2, "load of 1.2 on 2 cores"), (7.5, 16, ""), (0.3, 1, "on 1 cores")]
)
def test_a_busy_machine_is_told(load: float, count: int, said: str) -> None:
    sentence = busy(lambda: (load, 0.0, 0.0), count)
    assert bool(sentence) == bool(said) and said in sentence


def test_what_is_not_there_says_so(timed: Any, graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(timed: Any, graph: Any) -> Any:
        raise NetworkError("Expected the package abc, got none.")

    seen: list[tuple[int, ...]] = []

    def other(timed: Any, graph: Any) -> Any:
        return lambda images: seen.append(images.shape)

    monkeypatch.setattr(
        benches, "time_run", lambda run, images, seconds: (run(images), timing_of(len(images), [1], [1]))[1]
    )
    found = bench(timed, graph, None, batches=(1, 3), engines={"unable": unable, "other": other})
    assert [(one.engine, one.absent, len(one.timings)) for one in found] == [
        ("unable", "Expected the package abc, got none.", 0),
        ("other", "", 2),
        ("C, scalar", "there is no C compiler", 0),
        ("C, SIMD", "there is no C compiler", 0),
    ]
    assert seen == [(1, 1, 8, 8), (3, 1, 8, 8)]


def test_torch_runs_on_one_thread_and_says_what_the_network_says(
    timed: Any, graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []

    def once(run: Any, images: Any, seconds: float) -> Timing:
        found.append((torch.get_num_threads(), run(images)))
        return timing_of(1, [1.0], [1.0])

    monkeypatch.setattr(benches, "time_run", once)
    bench(timed, graph, None, batches=(2,))
    ((threads, logits),) = found
    x = (timed.images[:2].astype(np.float32) - timed.mean[:, None, None]) / timed.deviation[:, None, None]
    with torch.no_grad():
        assert threads == 1 and torch.equal(logits, timed.network(torch.from_numpy(x)))
    calls: list[int] = []
    assert (
        time_run(lambda images: calls.append(1), timed.images, 0.0).rounds == timing.LEAST == len(calls) - benches.WARM
    )


def test_the_command(
    timed: Any, graph: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evobnn = calling(capsys)
    monkeypatch.setattr("evobnn.deploy.timing.os.getloadavg", lambda: (99.0, 0.0, 0.0), raising=False)
    monkeypatch.setattr(type(timed), "graph", lambda self: graph)
    monkeypatch.setattr("evobnn.cli.bench.find", lambda *given: timed)
    monkeypatch.setattr(benches, "time_run", lambda run, images, seconds: timing_of(len(images), [0.001], [0.001]))
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
    monkeypatch.setattr(benches, "c_builds", lambda given: {"C, scalar": SCALAR, "C, SIMD": None})
    monkeypatch.setattr(benches, "time_c", lambda cc, graph, images, *more: timing_of(len(images), [0.004], [0.004]))
    said_too: list[str] = []
    monkeypatch.setattr("evobnn.deploy.latency.say", said_too.append)
    monkeypatch.setattr("evobnn.deploy.latency.simd_flags", lambda given: None)
    monkeypatch.setattr(
        "evobnn.deploy.latency.measured_layers", lambda cc, flags, wanted, shape: dict.fromkeys(wanted, 0.01)
    )
    done = evobnn("bench", "run:0", "--layers")
    count = len([line for line in done.out.splitlines() if " > " in line])
    assert f"The layers sum up to {count / 100:.3g} ms, {25 * count / 100:.0f} % of the 4 ms that it takes." in done.out
    assert "C, SIMD: not run here, for the C has no SIMD for this processor." in done.out
    assert said_too[0].endswith("layers are timed, once on this machine, with cc 1.") and "99.0" in said_too[1]
