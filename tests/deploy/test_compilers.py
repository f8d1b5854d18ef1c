"""The same C by other compilers, for other processors, as C++, and under sanitizers: bit by bit the same answers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from evobnn.deploy.graph import Graph
from tests.deploy.conftest import folded_of, pictures
from tests.deploy.test_c import write

pytestmark = pytest.mark.slow

WARNINGS = ("-pedantic", "-Wall", "-Wextra", "-Werror", "-DEVOBNN_TRACE")
HERE = Path(__file__).parent / "cortex"
WAYS = {
    "gcc": ("gcc -std=c99 -O3 -march=native", ""),
    "gcc, contracting": ("gcc -std=gnu17 -O3 -march=native -ffp-contract=fast", ""),
    "clang": ("clang -std=c99 -O2", ""),
    "clang, native": ("clang -std=c99 -O3 -march=native", ""),
    "c++": ("g++ -x c++ -O2 -march=native", ""),
    "clang c++": ("clang++ -x c++ -std=c++11 -O2", ""),
    "sanitizers": ("gcc -std=c99 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -march=native", ""),
    "sanitizers, portable": ("gcc -std=c99 -O1 -g -fsanitize=address,undefined -DEVOBNN_PORTABLE", ""),
    "arm 64": ("aarch64-linux-gnu-gcc -std=c99 -O2 -static", "qemu-aarch64"),
}


def there(*lines: str) -> None:
    for line in lines:
        if line and shutil.which(line.split()[0]) is None:
            pytest.skip(f"needs {line.split()[0]}, which is not there")


def said_by(command: list[str]) -> str:
    """Return what `check.c` prints; it ends with 0 only where all agrees."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("way", WAYS)
def test_other_compilers(folded: Graph, way: str, tmp_path: Path) -> None:
    compile_, run = WAYS[way]
    there(compile_, run)
    folder = write(tmp_path, folded, pictures(folded.input.shape, 3))
    files = [str(folder / "model.c"), str(folder / "check.c")]
    program = str(tmp_path / "program")
    subprocess.run([*compile_.split(), *WARNINGS, "-I", str(folder), *files, "-o", program, "-lm"], check=True)
    said = said_by([*run.split(), program])
    assert "sites that differ 0" in said and "difference of a logit 0" in said


@pytest.mark.parametrize("macro", ["bnas", "bats", "cpnas", "resnet"])
def test_a_cortex_m4_with_64_kb_of_memory(macro: str, tmp_path: Path) -> None:
    there("arm-none-eabi-gcc", "qemu-system-arm")
    graph = folded_of(macro)
    folder = write(tmp_path, graph, pictures(graph.input.shape, 2))
    cpu = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    flags = ("-std=c99", "-O2", *cpu, "--specs=rdimon.specs", "--specs=nano.specs", "-u", "_printf_float")
    files = [str(folder / "model.c"), str(folder / "check.c"), str(HERE / "start.c")]
    linked = ["-T", str(HERE / "board.ld"), "-o", str(tmp_path / "program.elf"), "-lm"]
    warnings = [flag for flag in WARNINGS if flag != "-pedantic"]
    subprocess.run(["arm-none-eabi-gcc", *flags, *warnings, "-I", str(folder), *files, *linked], check=True)
    board = ("qemu-system-arm", "-M", "mps2-an386", "-cpu", "cortex-m4")
    alone = ("-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native")
    said = said_by([*board, *alone, "-kernel", str(tmp_path / "program.elf")])
    assert "sites that differ 0" in said and "difference of a logit 0" in said
