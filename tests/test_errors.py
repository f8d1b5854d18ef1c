"""One wording for all errors, and checks of arguments in the caller's words."""

from __future__ import annotations

import math

import pytest

from evobnn import errors
from evobnn._checks import check_at_least, check_between, check_name
from evobnn.errors import DataError, EvobnnError, ExperimentError, GenomeError, closest, message, unknown_name

KNOWN = ["approxsign", "clipped_identity"]


def test_every_error_is_one_of_evobnns():
    own = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(own) >= 8
    assert all(issubclass(error, EvobnnError) for error in own)
    assert not issubclass(EvobnnError, (ValueError, OSError))


def test_messages_have_three_parts():
    assert message("a cat", "a dog", "Take the cat.") == "Expected a cat, got a dog. Take the cat."


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("aproxsign", "approxsign"),
        ("ApproxSign", "approxsign"),
        ("clipped", "clipped_identity"),
        ("qqq", None),
        ("", None),
        ("cli", "clipped_identity"),
        ("cl", None),
        ("identity", None),
    ],
)
def test_closest(name, near):
    assert closest(name, KNOWN) == near


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("constraints", "strategy", None),
        ("widht", "width", "width"),
        ("widht", "size", None),
        ("epoch", "epochs", "epochs"),
        ("batch_size", "batch", "batch"),
        ("optimizer", "optimiser", "optimiser"),
        ("conv", "conv3", "conv3"),
        ("population", "mutation", None),
        ("sn", "sin", "sin"),
        ("a", "b", None),
        ("sinus", "sine", "sine"),
        ("learningrate", "learning_rate", "learning_rate"),
        ("ops", "x", None),
    ],
)
def test_only_what_is_near_is_suggested(name, known, near):
    assert closest(name, [known]) == near


def test_slips_against_words_that_are_one_slip_away():
    word = "recipe"
    for at in range(len(word)):
        for slip in (word[:at] + word[at + 1 :], f"{word[:at]}q{word[at:]}", f"{word[:at]}q{word[at + 1 :]}",
                     word[:at] + word[at : at + 2][::-1] + word[at + 2 :]):  # fmt: skip
            assert errors._slips(slip, word) == errors._slips(word, slip) == (slip != word), slip
    assert errors._slips("", "abc") == 3 and errors._slips("abc", "cba") == 2


def test_closest_keeps_the_case_of_what_is_known_and_prefers_the_first_in_order():
    assert closest("mnist", ["CIFAR10", "MNIST"]) == "MNIST"
    assert closest("ab", ["abd", "abc"]) == closest("ab", ["abc", "abd"])
    assert closest("x", []) is None


def test_unknown_names():
    assert unknown_name("surrogate", "aproxsign", iter(KNOWN[::-1])) == (
        "Expected the name of a known surrogate, got 'aproxsign'. Did you mean 'approxsign'? "
        "Known: approxsign, clipped_identity."
    )
    assert "got 'qqq'. Choose one of these. Known: " in unknown_name("surrogate", "qqq", KNOWN)


def test_check_at_least():
    assert check_at_least("cells", 3, 3) == 3
    for wrong in (2, 3.0, True, "3", None, math.nan):
        with pytest.raises(ExperimentError, match="cells to be a whole number of at least 3, got .* Give 3 or more"):
            check_at_least("cells", wrong, 3)
    with pytest.raises(GenomeError):
        check_at_least("cells", 0, 1, GenomeError)


def test_check_between():
    assert (check_between("rate", 0.0, 0.0, 1.0), check_between("rate", 1.0, 0.0, 1.0)) == (0.0, 1.0)
    for wrong in (-0.001, 1.001, math.nan, math.inf, -math.inf, True):
        with pytest.raises(ExperimentError, match="rate between 0 and 1, got .* Give a number from 0 to 1"):
            check_between("rate", wrong, 0.0, 1.0)
    with pytest.raises(DataError):
        check_between("rate", 2.0, 0.0, 1.0, DataError)


def test_check_name():
    assert check_name("surrogate", "approxsign", KNOWN) == "approxsign"
    with pytest.raises(ExperimentError, match="known surrogate, got 'aproxsign'. Did you mean 'approxsign'"):
        check_name("surrogate", "aproxsign", KNOWN)
    with pytest.raises(GenomeError):
        check_name("surrogate", "aproxsign", KNOWN, GenomeError)
