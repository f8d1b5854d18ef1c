"""The formats for which no other package is needed: written, run, and what they answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from evobnn.deploy import bits, compiled
from evobnn.deploy.bits import Packed
from evobnn.deploy.c import Described, check_c, source
from evobnn.deploy.ops import Array
from evobnn.deploy.runtimes import Answers, explained, turned
from evobnn.deploy.timing import simd_flags
from evobnn.deploy.verify import Answered, signs_of
from evobnn.errors import NetworkError, message

HELD = 10
"""Images in `check.c`, and of which a file of bits is asked."""
BITS = "bits.safetensors"
"""The name of the file of bits."""

Torch = Callable[[Array], Answers]
"""What PyTorch says of images."""


def export_c(
    place: Path, packed: Packed, images: Array, wanted: Array, torch: Torch, cc: compiled.Compiler | None
) -> tuple[Answered | None, list[str], tuple[int, int]]:
    """Write `model.h`, `model.c` and `check.c`, run them, and return what they answered, what is to be said, and the
    bytes of constants and of memory that they need.

    Arguments:
        place: the folder to write to.
        packed: the folded network.
        images: uint8 (N, C, H, W).
        wanted: PyTorch's classes of them.
        torch: what PyTorch says of images.
        cc: None for a machine without a compiler; then nothing is run.

    Raises:
        NetworkError: the C says something that rounding does not explain, or does not compile without a warning.
    """
    graph, held = packed.graph, images[:HELD]
    code = source(graph, Described(packed.class_names, _about(packed)))
    for name, text in (
        ("model.h", code.header),
        ("model.c", code.code),
        ("check.c", check_c(graph, held, exact=not code.math)),
    ):
        (place / name).write_text(text, encoding="utf-8")
    said = [f"model.c: {code.flash:,} bytes of constants, {code.ram:,} bytes of memory."]
    if cc is None:
        said.append("model.c was not run here: there is no C compiler. Compile it with check.c where there is one.")
        return None, said, (code.flash, code.ram)
    # One for any processor, the other as the header advises: both ways of counting bits are run.
    compiled.checked(cc, place)
    flags = ("-O3", *(simd_flags(cc) or ()))
    flips, bits_held = 0, len(held) * sum(int(np.prod(node.output.shape)) for node in graph.sites)
    if code.math:
        flips, _ = explained("model.c", graph, held, *compiled.answers_of(cc, place, graph, held, flags))
        but = f" but {flips:,}, which rounding turns" if flips else ""
        said.append(f"model.c: signs as the reference's on {len(held)} images: all of {bits_held:,}{but}.")
    own = compiled.logits_of(cc, place, images, len(packed.class_names), flags)
    other = np.flatnonzero(own.argmax(1) != wanted)
    same, count = len(images) - len(other), 0
    said.append(f"model.c, compiled by {cc.version}: {same:,} of {len(images):,} images in PyTorch's class.")
    if len(other):
        answers = compiled.answers_of(cc, place, graph, images[other], flags)
        count = turned("model.c", graph, images[other], answers, torch(images[other]))
        said.append(f"In the other {len(other)} rounding turned {count} signs.")
    found = Answered(len(held), bits_held, flips, len(images), same, count)
    return found, said, (code.flash, code.ram)


def export_bits(place: Path, packed: Packed, images: Array, counted: float) -> tuple[Answered, list[str]]:
    """Write a file of bits, read it again, and return what it answered and what is to be said.

    Arguments:
        place: the folder to write to.
        packed: the folded network.
        images: uint8 (N, C, H, W), of which some are looked at.
        counted: bytes, as `evobnn.nn.profile` counts them.

    Raises:
        NetworkError: read again it says something else.
    """
    data, images = bits.pack(packed), images[:HELD]
    (place / BITS).write_bytes(data)
    mine, logits = signs_of(packed.graph, images)
    other, again = signs_of(bits.read_bits(place / BITS).graph, images)
    if not np.array_equal(logits, again) or any(not np.array_equal(mine[name], other[name]) for name in mine):
        got = "others from the file of bits"
        raise NetworkError(message("the answers of the reference", got, compiled.REPORT))
    found = bits.sizes(data)
    said = (
        f"{BITS}: {found.tensors:,} bytes of tensors, {found.tensors / counted:.2f} times the "
        f"{counted:,.0f} that are counted, and {found.head:,} bytes of header and graph."
    )
    return Answered(len(images), sum(signs.size for signs in mine.values()), 0), [said]


def _about(packed: Packed) -> list[str]:
    lines = [f"Genome: {packed.about['genome']}"]
    lines += [f"Seed: {packed.about['seed']}."] if "seed" in packed.about else []
    lines += [str(packed.about["untrained"])] if "untrained" in packed.about else []
    if isinstance(error := packed.about.get("test_error"), float):
        lines.append(f"Right on {100 * (1 - error):.2f} % of the test images, as PyTorch computes it.")
    return [*lines, f"Classes: {', '.join(packed.class_names)}."]
