"""C and bits: what they answered is data, and a class that is not PyTorch's must be explained by rounding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evobnn.deploy import bits, compiled, formats
from evobnn.deploy.bits import Packed
from evobnn.deploy.formats import export_bits, export_c
from evobnn.deploy.reference import evaluate
from evobnn.deploy.verify import Answered, signs_of
from evobnn.errors import NetworkError
from tests.deploy.conftest import answers, folded_of, made_of, pictures

CC = compiled.Compiler(("none",), "none 1.0")


@pytest.fixture
def packed() -> Packed:
    return Packed(folded_of("resnet"), tuple("0123456789"), {"genome": "@net = x", "seed": 0})


@pytest.fixture
def signs(packed: Packed) -> int:
    """How many an image has."""
    return sum(int(np.prod(node.output.shape)) for node in packed.graph.sites)


@pytest.fixture
def images(packed: Packed) -> Any:
    return pictures(packed.graph.input.shape, 12)


def told(images: Any) -> Any:
    return answers(made_of("resnet")[0], images)


@pytest.fixture
def exported(packed: Packed, images: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """`export_c` with a compiler of make-believe, whose programs say what the reference says, and a bit more."""

    def run(wanted: Any, torch: Any = told, more: float = 0.0) -> Any:
        monkeypatch.setattr(formats, "simd_flags", lambda cc: None)
        monkeypatch.setattr(compiled, "checked", lambda *given: "")

        def answered(cc: Any, place: Any, graph: Any, images: Any, *given: Any) -> Any:
            found, logits = signs_of(graph, images)
            return found, logits + more

        monkeypatch.setattr(compiled, "answers_of", answered)
        monkeypatch.setattr(
            compiled, "logits_of", lambda cc, place, images, *given: evaluate(packed.graph, images) + more
        )
        return export_c(tmp_path, packed, images, wanted, torch, CC)

    return run


def test_the_c_says_how_it_answered(exported: Callable[..., Any], images: Any, signs: int) -> None:
    found, said, _ = exported(told(images)[1].argmax(1))
    assert found == Answered(compared=10, bits=10 * signs, flips=0, images=12, same=12, turned=0)
    assert said[1] == "model.c, compiled by none 1.0: 12 of 12 images in PyTorch's class."


def test_a_class_that_no_turned_sign_explains_is_an_error(exported: Callable[..., Any], images: Any) -> None:
    wanted = told(images)[1].argmax(1)
    wanted[3] = (wanted[3] + 1) % 10
    with pytest.raises(NetworkError, match="PyTorch's class from model.c, got another one, and no sign"):
        exported(wanted)

    def turned(some: Any) -> Any:
        found, logits = told(some)
        name = next(iter(found))
        return {**found, name: ~found[name]}, logits

    with pytest.raises(NetworkError, match="signs of the reference, got .* others from PyTorch"):
        exported(wanted, turned)
    with pytest.raises(NetworkError, match="the logits of the reference, got model.c is off by 1e.06"):
        exported(wanted, more=np.eye(10, dtype=np.float32)[wanted[3]] * 1e6)


def test_without_a_compiler_the_c_answered_nothing(packed: Packed, images: Any, tmp_path: Path) -> None:
    found, said, sizes = export_c(tmp_path, packed, images, told(images)[1].argmax(1), told, None)
    assert found is None and "not run here" in said[1]
    assert said[0] == "model.c: {:,} bytes of constants, {:,} bytes of memory.".format(*sizes)
    assert {path.name for path in tmp_path.iterdir()} == {"model.h", "model.c", "check.c"}


def test_bits_that_read_as_another_network_are_an_error(
    packed: Packed, images: Any, signs: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, said = export_bits(tmp_path, packed, images, 1000.0)
    assert found == Answered(10, 10 * signs, 0) and "times the 1,000 that are counted" in said[0]
    other = Packed(made_of("bats")[1].graph, packed.class_names, {})
    monkeypatch.setattr(bits, "read_bits", lambda path: other)
    with pytest.raises(NetworkError, match="the answers of the reference, got others from the file of bits"):
        export_bits(tmp_path, packed, images, 1000.0)
