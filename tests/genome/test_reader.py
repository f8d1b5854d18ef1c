"""A reader reads what `parse_genome` reads and refuses what it refuses, whatever it has read before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evobnn.errors import GenomeError
from evobnn.genome import FORMS, OPERATIONS, Reader, parse_genome, reader
from evobnn.spaces import Template, joint

SPACE = joint(Template(cells=2, reductions=1), 32)
TEXTS = [str(SPACE.sample(np.random.default_rng(seed))) for seed in range(30)]
TEXTS += ["@net = x", "normal[] @net = x", "normal[2 = conv3(0)]", "@net = sin(x) @normal/3 = x"]


def fresh() -> Reader:
    found = Reader(OPERATIONS, FORMS)
    for text in TEXTS:
        assert found.read(text) == parse_genome(text)
    return found


def test_it_reads_again_what_it_has_read_without_parsing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = fresh()
    wanted = [parse_genome(text) for text in TEXTS]
    monkeypatch.setattr(reader, "parse_genome", None)
    assert [known.read(text) for text in TEXTS] == wanted
    one, other = TEXTS[0].split(" @normal"), TEXTS[1].split(" @normal")
    assert str(known.read(f"{one[0]} @normal{other[1]}")) == f"{one[0]} @normal{other[1]}"


WRONG = [
    "normal[2 = conv3(0); 2 = conv3(0)]", "normal[] normal[]", "@net = x @net = x", "normal[2 = conv3(0)", "@net = ",
    "normal[2 = conv3(0)] reduction", "normal 2 = conv3(0)]", "net = x", "@net = x @", "", " ", "normal[2 = conv3(0)]]",
    "@net = x normal[]", "@net = x]", "normal[2 = conv3(0); ]", "normal[]@net = x", "@net = sin(x", "[] @net = x",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_it_says_of_a_wrong_text_what_the_parser_says(text: str) -> None:
    known = fresh()
    try:
        wanted = parse_genome(text)
    except GenomeError as error:
        with pytest.raises(GenomeError) as raised:
            known.read(text)
        assert str(raised.value) == str(error)
    else:
        assert known.read(text) == wanted


KNOWN = fresh()
PIECES = sorted({piece for text in TEXTS[-8:] for piece in text.replace("]", " ] ").replace("[", " [ ").split(" ")})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TEXTS) - 1), st.integers(0, 400), st.integers(0, 3), st.sampled_from(PIECES))
def test_spoilt_texts_are_read_or_refused_alike(which: int, at: int, length: int, piece: str) -> None:
    text = TEXTS[which]
    place = at % (len(text) + 1)
    text = text[:place] + piece + text[place + length :]
    try:
        wanted = parse_genome(text)
    except GenomeError as error:
        with pytest.raises(GenomeError) as raised:
            KNOWN.read(text)
        assert str(raised.value) == str(error)
    else:
        assert KNOWN.read(text) == wanted


def test_it_forgets_rather_than_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST", 4)
    known = fresh()
    for text in TEXTS:
        assert known.read(text) == parse_genome(text)
    assert max(map(len, (known._nodes, known._cells, known._expressions))) < 4 + 30
