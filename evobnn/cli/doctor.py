"""`evobnn doctor`: what this machine has, and what evobnn chooses on it and why.

Every line is found on its own, with what it needs imported there: what is missing or broken costs its line, no other.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "numba")
FEATURES = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8"),
    *("asimd", "sve", "bf16", "svebf16", "i8mm"),
)
"""Flags of Linux's /proc/cpuinfo, of x86 and of ARM, that decide how fast a network trains."""
CPUINFO = Path("/proc/cpuinfo")
GIB = 2**30
LONGEST = 160
SLOW = 1.0
"""Seconds from which on it is said how long the loops took to compile."""


@dataclass(frozen=True)
class Finding:
    """A line for people, and the same as plain values."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def findings() -> dict[str, Finding]:
    """Return one finding for each of `PROBES`, in that order; one that failed says so."""
    return {name: _found(probe) for name, probe in PROBES.items()}


def _found(probe: Callable[[], Finding]) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe()
    except Exception as error:  # of any kind: a driver, a compiler, a file system that is not as it should be
        return Finding(f"cannot tell: {said(error)}", {"problem": said(error)})


def said(error: Exception) -> str:
    """Return an error as part of a line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _versions() -> Finding:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return Finding(", ".join(f"{name} {number}" for name, number in found.items()), found)


def _processor() -> Finding:
    named, flags = cpuinfo()
    features = [name for name in FEATURES if name in flags]
    torch_takes = _capability()
    text = named or platform.processor() or platform.machine()
    text += f": {', '.join(features)}" if features else ""
    text += f"; torch takes {torch_takes}" if torch_takes else ""
    return Finding(text, {"name": named, "machine": platform.machine(), "features": features, "torch": torch_takes})


def cpuinfo() -> tuple[str, set[str]]:
    """Return name and flags of the first processor as Linux tells them; nothing elsewhere."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", set()
    rows: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        rows.setdefault(key.strip(), value.strip())
    return rows.get("model name", ""), set((rows.get("flags") or rows.get("Features") or "").split())


def _capability() -> str:
    try:
        import torch

        return str(torch.backends.cpu.get_cpu_capability())
    except Exception:  # an old or broken torch has its own line
        return ""


def _cores() -> Finding:
    import psutil

    from evobnn.machine.workers import usable_cores

    physical, logical = psutil.cpu_count(logical=False), psutil.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    usable = usable_cores()
    text = f"{physical or 'unknown'} physical, {logical} logical, {usable} for this process"
    text += " (a quota)" if usable < affinity else ""
    return Finding(text, {"physical": physical, "logical": logical, "affinity": affinity, "usable": usable})


def _memory() -> Finding:
    import psutil

    from evobnn.machine.room import memory_bound

    memory, bound = psutil.virtual_memory(), memory_bound()
    text = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} GiB free"
    facts = {"total": memory.total, "free": memory.available, "limit": None, "left": None}
    if bound is not None and bound.limit < memory.total:
        text += f"; this process may use {bound.limit / GIB:.1f} GiB, of which {bound.left / GIB:.1f} GiB are left"
        facts |= {"limit": bound.limit, "left": bound.left}
    return Finding(text, facts)


def _jobs() -> Finding:
    from evobnn.machine.backends import why_alone
    from evobnn.machine.room import MEMORY_PER_WORKER
    from evobnn.machine.workers import room

    found = room()
    alone = why_alone(max(2, found.jobs))
    jobs, why = (1, f"no worker processes, as {alone}") if alone else (found.jobs, found.reason)
    facts = {"jobs": jobs, "fed_by_memory": found.fed, "bytes_of_worker": MEMORY_PER_WORKER}
    return Finding(f"{jobs}: {why}", facts)


def _precision() -> Finding:
    from evobnn.experiment.precision import native_precision

    precision = native_precision()
    if precision == "bf16":
        why = "this processor multiplies bfloat16 in hardware"
    else:
        why = "torch finds neither AVX-512 BF16 nor AMX in this processor, or may not use it; bfloat16 would be slower"
    return Finding(f"auto means {precision}: {why}", {"auto": precision, "why": why})


def _kernels() -> Finding:
    """Train one step of a tiny layer both ways. Where the loops were not compiled yet, that is done here."""
    from evobnn.experiment.precision import native_precision

    began = time.perf_counter()
    try:
        from evobnn.nn.fast.place import place

        importlib.import_module("evobnn.nn.fast.loops")
        folder = place().folder
        wrong = [name for name in sorted({"fp32", native_precision()}) if not fused_is_right(name)]
    except Exception as error:  # whatever Numba and LLVM raise; the other kernels need neither
        return Finding(f"torch only, as fused does not run: {said(error)}", {"fused": False, "problem": said(error)})
    if wrong:
        problem = f"a tiny layer comes out differently in {' and '.join(wrong)}"
        return Finding(f"torch only: with fused {problem}", {"fused": False, "problem": problem})
    seconds = time.perf_counter() - began
    took = f", ready after {seconds:.0f} s" if seconds > SLOW else ""
    kept = f"compiled code is kept in {folder}" if folder else place().said
    text = f"torch and fused{took}; {kept}"
    return Finding(text, {"fused": True, "cache": str(folder) if folder else None})


def fused_is_right(precision: str) -> bool:
    """Tell whether a tiny layer computes the same in one pass as module by module: sums exactly, gradients nearly."""
    import torch

    from evobnn.nn import ConvStyle, Site, fuse
    from evobnn.nn.cells.ops import binary_layer

    def site(channels: int) -> Site:
        return Site(precision=precision)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        slow = binary_layer(8, 8, 3, site, ConvStyle("minus_one", precision=precision))
        images = torch.randn(4, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    fast = copy.deepcopy(slow)
    fuse(fast)
    found = []
    for layer in (slow, fast):
        x = images.clone().requires_grad_()
        out = layer(x)
        (out * images).sum().backward()
        found.append((out.detach(), x.grad, layer.conv.weight.grad))
    (sums, *gradients), (others, *rest) = found
    near = all(torch.allclose(a, b, rtol=1e-2, atol=1e-2) for a, b in zip(gradients, rest, strict=True))  # type: ignore[arg-type]
    return torch.equal(sums, others) and near


def _gpu() -> Finding:
    import torch

    from evobnn.machine.workers import room

    names, jobs = [], {}
    for index in range(torch.cuda.device_count()):
        card, found = torch.cuda.get_device_properties(index), room(f"cuda:{index}")
        jobs[f"cuda:{index}"] = found.jobs
        free = f"{card.total_memory / GIB:.0f} GiB, {found.card.free / GIB if found.card else 0.0:.1f} GiB free"
        names.append(f"cuda:{index} {card.name}, {free}, {found.jobs} jobs ({found.reason})")
    if torch.backends.mps.is_available():
        names.append("mps, Apple's own")
    return Finding("; ".join(names) or "none that torch can use", {"devices": names, "jobs": jobs})


def _data() -> Finding:
    from evobnn.data.cache import cache_roots

    tried = {str(root): writable(root) for root in cache_roots()}
    first, *_ = tried
    chosen = next((root for root, good in tried.items() if good), None)
    facts = {"folder": chosen, "tried": tried}
    if chosen is None:
        return Finding(f"none of {', '.join(tried)} can be written; set EVOBNN_CACHE", facts)
    instead = "" if chosen == first else f", as {first} cannot be written"
    return Finding(f"prepared images are kept in {chosen}{instead}", facts)


def writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or in the nearest one above that exists; leaves nothing behind."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False


PROBES: dict[str, Callable[[], Finding]] = {
    "versions": _versions,
    "processor": _processor,
    "cores": _cores,
    "memory": _memory,
    "jobs": _jobs,
    "precision": _precision,
    "kernels": _kernels,
    "GPU": _gpu,
    "data": _data,
}
"""What is looked at, by the word that begins its line."""


def show(*, as_json: bool) -> None:
    """Print every finding in a line, or all of them as one object."""
    found = findings()
    if as_json:
        print(json.dumps({name: {"text": one.text, **one.facts} for name, one in found.items()}, indent=1))
        return
    width = max(map(len, found))
    for name, one in found.items():
        print(f"{name:<{width}}  {one.text}")
