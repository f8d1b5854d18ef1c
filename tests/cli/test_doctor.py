"""`evobnn doctor` says in a line each what is there and what is chosen, whatever is missing or broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from evobnn import nn
from evobnn.cli import doctor
from evobnn.machine.room import Bound
from evobnn.machine.workers import default_jobs
from tests.cli.conftest import Call

MIB = 2**20


def lines(evobnn: Call) -> dict[str, str]:
    """Return what stands behind each first word; every call ends well and quietly."""
    done = evobnn("doctor")
    assert (done.code, done.err) == (0, "")
    rows = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert [name for name, _ in rows] == list(doctor.PROBES)
    return dict(rows)  # type: ignore[arg-type]


def test_a_line_for_each_and_all_as_it_should_be(evobnn: Call, cache: Path) -> None:
    found = lines(evobnn)
    assert "torch" in found["versions"] and "numba" in found["versions"]
    assert found["jobs"].startswith(f"{default_jobs()}: ")
    assert found["precision"].startswith("auto means ")
    assert found["kernels"].startswith("torch and fused")
    assert str(cache) in found["data"]
    assert "cannot tell" not in " ".join(found.values())


def test_the_same_as_an_object(evobnn: Call) -> None:
    found = json.loads(evobnn("doctor", "--json").out)
    assert list(found) == list(doctor.PROBES)
    assert found["kernels"]["fused"] is True
    assert found["cores"]["usable"] <= found["cores"]["logical"]
    assert found["memory"]["free"] < found["memory"]["total"]


@pytest.mark.parametrize("name", list(doctor.PROBES))
def test_what_fails_costs_its_own_line_only(evobnn: Call, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fails() -> doctor.Finding:
        raise ModuleNotFoundError("No module\nnamed 'this'")

    others = {other: lambda: doctor.Finding("fine") for other in doctor.PROBES if other != name}
    monkeypatch.setattr(doctor, "PROBES", {other: others.get(other, fails) for other in doctor.PROBES})
    found = lines(evobnn)
    assert found.pop(name) == "cannot tell: ModuleNotFoundError: No module named 'this'"
    assert set(found.values()) == {"fine"}


def test_without_numba(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(nn, "kernels", raising=False)
    monkeypatch.setitem(sys.modules, "evobnn.nn.fast.loops", None)
    assert lines(evobnn)["kernels"].startswith("torch only, as fused does not run: ")


def test_kernels_that_compute_something_else(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "fused_is_right", lambda precision: precision != "fp32")
    assert "comes out differently in fp32" in lines(evobnn)["kernels"]


def test_without_bfloat16(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evobnn.experiment.precision.native_precision", lambda: "fp32")
    assert lines(evobnn)["precision"].startswith("auto means fp32: torch finds neither")


def test_little_memory_decides_the_number_of_jobs(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=800 * MIB, available=300 * MIB))
    bound: list[Bound | None] = [None]
    for place in ("evobnn.machine.room", "evobnn.machine.workers"):
        monkeypatch.setattr(f"{place}.memory_bound", lambda: bound[0])
    found = lines(evobnn)
    assert found["memory"] == "0.8 GiB, 0.3 GiB free"
    assert found["jobs"].startswith("1: free memory feeds 0 workers of ")
    bound[0] = Bound(512 * MIB, 103 * MIB)
    found = lines(evobnn)
    assert found["memory"] == "0.8 GiB, 0.3 GiB free; this process may use 0.5 GiB, of which 0.1 GiB are left"
    assert found["jobs"].startswith("1: the control group's memory feeds 0 workers of ")
    facts = json.loads(evobnn("doctor", "--json").out)["memory"]
    assert (facts["limit"], facts["left"]) == (512 * MIB, 103 * MIB)


def test_cards_and_how_many_share_each(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(evobnn)["GPU"] if torch.cuda.is_available() else lines(evobnn)["GPU"].startswith("none that torch")
    free = {"cuda:0": 79 * 1024 * MIB, "cuda:1": 2.5 * 1024 * MIB}
    monkeypatch.setattr("evobnn.machine.workers.cpu_count", lambda only_physical_cores=False: 64)
    monkeypatch.setattr("evobnn.machine.workers.memory_bound", lambda: None)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2**40, available=2**40))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(name=f"Card{index}", total_memory=80 * 2**30)
    )
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free[device]), 80 * 2**30))
    first, second = lines(evobnn)["GPU"].split("; ")[:2]
    assert first == "cuda:0 Card0, 80 GiB, 79.0 GiB free, 16 jobs (at most 16 share a card, fewer than the 64 cores)"
    assert second.startswith(
        "cuda:1 Card1, 80 GiB, 2.5 GiB free, 2 jobs (free memory of cuda:1 feeds 2 workers of about"
    )
    assert json.loads(evobnn("doctor", "--json").out)["GPU"]["jobs"] == {"cuda:0": 16, "cuda:1": 2}


def test_a_quota_on_cores_is_told(evobnn: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)), raising=False)
    for usable, quota in ((6, ""), (2, " (a quota)")):
        monkeypatch.setattr("evobnn.machine.workers.cpu_count", lambda *_, n=usable, **__: n)
        assert lines(evobnn)["cores"] == f"4 physical, 8 logical, {usable} for this process{quota}"
    facts = json.loads(evobnn("doctor", "--json").out)["cores"]
    assert {**facts, "text": ""} == {"physical": 4, "logical": 8, "affinity": 6, "usable": 2, "text": ""}


@pytest.mark.parametrize(
    ("text", "name", "flag"),
    [
        ("processor\t: 0\nmodel name\t: A B\nflags\t\t: fpu avx2 amx_bf16\n\nmodel name\t: C\n", "A B", "amx_bf16"),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", "", "asimd"),
    ],
)
def test_the_processor_as_linux_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, flag: str
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(doctor, "CPUINFO", path)
    named, flags = doctor.cpuinfo()
    assert named == name and flag in flags
    monkeypatch.setattr(doctor, "CPUINFO", tmp_path / "none")
    assert doctor.cpuinfo() == ("", set())


def test_a_data_folder_that_cannot_be_written(evobnn: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    there = tmp_path / "cache" / "evobnn"
    roots = [tmp_path / "file" / "evobnn", there]
    monkeypatch.setattr("evobnn.data.cache.cache_roots", lambda: roots)
    assert lines(evobnn)["data"] == f"prepared images are kept in {there}, as {roots[0]} cannot be written"
    assert not there.exists()
    del roots[1]
    assert "set EVOBNN_CACHE" in lines(evobnn)["data"]
