"""What ran where: versions and the machine, as every record of a start or a result states them."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from evobnn import __version__


def cores() -> int:
    """Return the physical cores of this machine, or the logical ones where those are not known."""
    return int(psutil.cpu_count(logical=False) or psutil.cpu_count() or 1)


def processor() -> str:
    """Return the name of this machine's processor as its system tells it; of its architecture where it does not."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
            if said:
                return said
    return platform.processor() or platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of evobnn and of these packages."""
    return {"evobnn": __version__} | {name: version(name) for name in packages}


def machine(device: str = "cpu") -> dict[str, Any]:
    """Return system, processor, physical cores and memory in bytes; of a GPU also its name."""
    found = {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
    }
    return found | ({"gpu": torch.cuda.get_device_name(device)} if device.startswith("cuda") else {})


def python() -> str:
    """Return the version of Python."""
    return platform.python_version()
