"""The C of a network compiled and run on this machine: its own check, then more images than that holds."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Array
from evobnn.errors import NetworkError, message

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
PATIENCE = 600
"""Seconds for which a compiler or a program may run."""

DRIVER = """
#include <stdint.h>
#include <stdio.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#include "model.h"

int main(void)
{
    static uint8_t image[EVOBNN_CHANNELS * EVOBNN_HEIGHT * EVOBNN_WIDTH];
    float logits[EVOBNN_CLASSES];
#ifdef _WIN32
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
#endif
    while (fread(image, 1, sizeof image, stdin) == sizeof image) {
        evobnn_run(image, logits);
        if (fwrite(logits, sizeof(float), EVOBNN_CLASSES, stdout) != EVOBNN_CLASSES) return 1;
    }
    return 0;
}
"""


TRACED = """
#include <stdlib.h>

void evobnn_trace(int site, const uint8_t *bits, unsigned long bytes);
void evobnn_trace(int site, const uint8_t *bits, unsigned long bytes)
{
    const uint32_t number = (uint32_t)site;
    if (fwrite(&number, 4, 1, stdout) != 1 || fwrite(bits, 1, bytes, stdout) != bytes) abort();
}
"""


@dataclass(frozen=True)
class Compiler:
    """A C compiler: its command, and what it calls itself."""

    command: tuple[str, ...]
    version: str


def compiler(asked: str | None = None) -> Compiler | None:
    """Return the compiler that is asked for, else that of `$CC`, else `cc`, `gcc` or `clang`; None where there is none.

    Raises NetworkError where one is asked for that is not there.
    """
    named = asked or os.environ.get("CC")
    for line in [named] if named else ["cc", "gcc", "clang"]:
        command = shlex.split(line)
        if command and shutil.which(command[0]):
            said = _ran([command[0], "--version"], text=True)
            return Compiler(tuple(command), str((said.stdout.splitlines() or [command[0]])[0]))
    if asked:
        raise NetworkError(message("a C compiler", f"'{asked}', which is not there", "Install it, or leave it out."))
    return None


def checked(compiler: Compiler, folder: Path, flags: tuple[str, ...] = ()) -> str:
    """Compile `model.c` with `check.c` of a folder, run it, and return what it says.

    Raises NetworkError where it does not compile without a warning, or finds that it does not agree.
    """
    with tempfile.TemporaryDirectory() as place:
        program = built(compiler, folder, folder / "check.c", Path(place), ("-DEVOBNN_TRACE", *flags))
        done = _ran([str(program)], text=True)
    if done.returncode:
        got = f"exit code {done.returncode}: {' · '.join(done.stdout.splitlines()) or done.stderr.strip()}"
        raise NetworkError(message("the answers of the reference from the compiled C", got, REPORT))
    return str(done.stdout)


def logits_of(compiler: Compiler, folder: Path, images: Array, classes: int, flags: tuple[str, ...] = ()) -> Array:
    """Compile `model.c` of a folder and return its logits (N, classes) of images (N, C, H, W), uint8."""
    said = _driven(compiler, folder, DRIVER, images, 4 * classes, flags)
    return np.frombuffer(said, np.float32).reshape(len(images), classes)


def answers_of(
    compiler: Compiler, folder: Path, graph: Graph, images: Array, flags: tuple[str, ...] = ()
) -> tuple[dict[str, Array], Array]:
    """Compile `model.c` of a folder, and return its signs of each site by its path, and its logits (N, classes)."""
    shapes = [node.output.shape for node in graph.sites]
    sizes = [-(-c // 8) * h * w for c, h, w in shapes]
    classes = graph.values[graph.output].shape[0]
    size = sum(4 + one for one in sizes) + 4 * classes
    said = _driven(compiler, folder, DRIVER + TRACED, images, size, ("-DEVOBNN_TRACE", *flags))
    rows = np.frombuffer(said, np.uint8).reshape(len(images), size)
    signs, at = {}, 0
    for _ in shapes:
        number = int(rows[0, at : at + 4].view("<u4")[0])
        c, h, w = shapes[number]
        bits = rows[:, at + 4 : at + 4 + sizes[number]].reshape(len(images), h, w, -1)
        unpacked = np.unpackbits(bits, axis=3, count=c, bitorder="little").astype(bool)
        signs[graph.sites[number].path] = np.ascontiguousarray(unpacked.transpose(0, 3, 1, 2))
        at += 4 + sizes[number]
    return signs, np.ascontiguousarray(rows[:, at:]).view(np.float32)


def _driven(compiler: Compiler, folder: Path, text: str, images: Array, size: int, flags: tuple[str, ...]) -> bytes:
    """Compile `model.c` with a driver and return the bytes that it says of images, so many of each."""
    with tempfile.TemporaryDirectory() as place:
        (driver := Path(place) / "driver.c").write_text(text, encoding="utf-8")
        program = built(compiler, folder, driver, Path(place), flags)
        done = _ran([str(program)], input=np.ascontiguousarray(images).tobytes())
    if done.returncode or len(done.stdout) != size * len(images):
        got = f"exit code {done.returncode} and {len(done.stdout)} bytes"
        raise NetworkError(message(f"the answers to {len(images)} images from the compiled C", got, REPORT))
    return bytes(done.stdout)


def built(compiler: Compiler, folder: Path, main: Path, place: Path, flags: tuple[str, ...] = ()) -> Path:
    """Compile `model.c` of a folder with a main file into a place, and return the program.

    Raises NetworkError where it does not compile without a warning.
    """
    program = place / "program"
    command = [*compiler.command, *STRICT, "-O2", *flags, f"-I{folder}", "-o", str(program)]
    command += [str(folder / "model.c"), str(main), "-lm"]
    done = _ran(command, text=True)
    if done.returncode:
        got = f"this from {compiler.version}: {' · '.join(done.stderr.splitlines()[:4])}"
        do = "Name another compiler with --compiler, or report it with the genome."
        raise NetworkError(message("C that compiles without a warning", got, do))
    if not program.is_file():
        do = "Name another compiler with --compiler, or with CC."
        raise NetworkError(message(f"a program from {' '.join(compiler.command)}", "none", do))
    return program


def _ran(command: list[str], **how: Any) -> subprocess.CompletedProcess[Any]:
    try:
        return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, **how)
    except (OSError, subprocess.SubprocessError) as error:
        raise NetworkError(message(f"a run of {command[0]}", str(error), "Name another compiler.")) from error


REPORT = "This is a fault of evobnn: please report it with the genome."
