"""Loops are compiled once on a machine, whoever asks: by the first, while the others wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from evobnn.nn.fast import compiling

TOLD = list[tuple[int, int]]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Begin with nothing compiled."""
    monkeypatch.setattr(compiling, "mark", lambda: tmp_path / "loops.all")
    yield tmp_path / "loops.all"
    assert compiling._started is None


def test_those_who_come_later_wait(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []

    def part() -> None:
        time.sleep(0.1)
        compiled.append(0)

    monkeypatch.setattr(compiling, "_parts", lambda: iter([part, part]))
    had_to: list[bool] = []
    askers = [threading.Thread(target=lambda: had_to.append(compiling.ready())) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(compiled) == 2 and mark.is_file()
    assert sorted(had_to) == [False, False, True]
    assert not compiling.ready() and not compiling.prepare() and len(compiled) == 2


def test_nobody_is_told_that_it_is_done_where_it_failed(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no room")

    monkeypatch.setattr(compiling, "_parts", lambda: iter([broken]))
    with pytest.raises(OSError, match="no room"):
        compiling.ready()
    assert compiling.missing()


@pytest.mark.parametrize(
    ("child", "told"),
    [
        ("print('0 2'); print('1 2'); print('2 2')", [(0, 2), (1, 2), (2, 2)]),
        ("raise SystemExit(1)", []),
        ("print('0 3'); raise SystemExit(1)", [(0, 3), (3, 3)]),
        ("", []),  # another process was quicker
    ],
)
def test_what_another_process_says(mark: Path, monkeypatch: pytest.MonkeyPatch, child: str, told: TOLD) -> None:
    monkeypatch.setattr(compiling, "_CHILD", child)
    found: TOLD = []
    compiling.begin()
    compiling.begin()  # once is enough
    assert compiling.prepare(lambda done, total, seconds: found.append((done, total)))
    assert found == told


def test_where_no_process_can_be_started_it_is_compiled_here(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **how: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(compiling.subprocess, "Popen", refused)
    compiled: list[int] = []
    monkeypatch.setattr(compiling, "_parts", lambda: iter([partial(compiled.append, 0)]))
    compiling.begin()
    found: TOLD = []
    assert compiling.prepare(lambda done, total, seconds: found.append((done, total)))
    assert compiled == [0] and mark.is_file() and found == [(0, 1), (1, 1)]


def test_what_could_not_be_kept_is_not_said_to_be_there_and_not_tried_again(
    mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unkept: list[str] = []
    monkeypatch.setitem(sys.modules, "evobnn.nn.fast.kept", SimpleNamespace(unkept=unkept))
    monkeypatch.setattr(compiling, "_parts", lambda: iter([partial(unkept.append, "one")]))
    assert compiling.ready()
    assert not mark.exists() and compiling.missing()
    monkeypatch.setattr(compiling, "_CHILD", "print('0 1'); print('1 1')")
    assert compiling.prepare()
    compiling.begin()
    assert compiling._started is None and not compiling.prepare()


def test_without_numba_there_is_nothing_to_do(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiling.missing()
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert not compiling.missing() and not compiling.prepare() and not compiling.ready()


def test_what_other_editions_compiled_long_ago_is_removed(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = mark.parent / "evobnn-loops-now"
    monkeypatch.setattr(compiling, "mark", lambda: own / "loops.all")
    monkeypatch.setattr(compiling, "_parts", lambda: iter([]))
    for name in ("evobnn-loops-old", "evobnn-loops-new", "other"):
        (mark.parent / name).mkdir()
    for name in ("evobnn-loops-old", "other"):
        os.utime(mark.parent / name, (0, 0))
    assert compiling.ready()
    assert sorted(path.name for path in mark.parent.iterdir()) == ["evobnn-loops-new", "evobnn-loops-now", "other"]


def test_where_nothing_can_be_kept_nothing_is_compiled_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "mark", lambda: None)
    assert not compiling.prepare() and not compiling.ready()


def test_a_mark_is_of_one_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    for name in ("haswell", "skylake-avx512", "haswell"):
        monkeypatch.setenv("NUMBA_CPU_NAME", name)
        found.append(compiling.mark.__wrapped__())
    assert found[0] == found[2] != found[1]


GENOME = (
    "normal[2 = conv3(0) + max3(1); 3 = max3(0) + max3(2); 4 = conv5(0) + avg3(1); 5 = avg3(1) + max3(4)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(0) + avg3(1); 4 = conv3(0) + max3(1); 5 = dil3(0) + avg3(3)] "
    "@normal = ratio(relu(x), shift(x)) @reduction = max(min0(x), sin(x))"
)
TRAIN = """
import json, sys
from evobnn.experiment import preset_table
from evobnn.runs import Options
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.runs.setup import make_bench
from evobnn.evaluation import Job, run_job
from evobnn.nn.fast import compiling

small = ["recipe.epochs=1", "dataset.train_limit=40", "dataset.validation_limit=30"]
bench = make_bench(from_table(override(preset_table("digits"), small), "test"), Options(jobs=1))
status = run_job(Job(bench, sys.argv[1], 0)).status
from numba.core.dispatcher import Dispatcher
loops = [module for name, module in sys.modules.items() if name.startswith("evobnn.nn.")]
made = {id(one): one for module in loops for one in vars(module).values() if isinstance(one, Dispatcher)}
parts = [part.dispatcher for part in compiling._apart()]
made |= {id(one): one for one in parts}
used = [one for one in made.values() if one.signatures]
print(json.dumps({
    "status": status, "names": sorted(one.py_func.__name__ for one in used),
    "signatures": [len(one.signatures) for one in used],
    "misses": sum(sum(one.stats.cache_misses.values()) for one in used),
    "hits": sum(sum(one.stats.cache_hits.values()) for one in used),
}))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing() -> None:
    compiling.ready()
    command = [sys.executable, "-c", TRAIN, GENOME]
    said = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.splitlines()[-1])
    assert found["status"] == "ok"
    assert {"layer", "layer_backward", "greatest_backward", "mean", "halved", "swapped"} <= set(found["names"])
    assert set(found["signatures"]) == {1}  # what was compiled ahead is what is called
    assert found["misses"] == 0 and found["hits"] == len(found["names"])
