"""What `auto` stands for, by side and by what a data set says of mirrors; and what does not suit."""

from __future__ import annotations

import pytest

from evobnn.data.augment import PARTS, augmentation, check_augmentation
from evobnn.data.sources import SOURCES
from evobnn.data.suited import MOST, is_auto, suited, unsuited
from evobnn.errors import ExperimentError

SHIFTS = {1: 1, 5: 1, 8: 1, 11: 1, 12: 2, 14: 2, 16: 2, 19: 2, 20: 3, 24: 3, 28: 4, 32: 4, 64: 8, 224: 28, 1024: 128}
"""An eighth of the side, rounded half up, at least 1."""

MIRRORED = {
    **dict.fromkeys(("digits", "mnist", "mnist5k"), False),
    **dict.fromkeys(("fashion-mnist", "cifar10", "cifar100"), True),
    **dict.fromkeys(("npz", "folder"), None),
}


def test_an_eighth_of_the_side() -> None:
    found = {side: suited("auto", side, mirrored=False) for side in SHIFTS}
    assert found == {side: f"shift{shift}" for side, shift in SHIFTS.items()}
    assert suited("auto", 10**6, mirrored=None) == f"shift{MOST}" == f"shift{PARTS['shift'][1]}"


def test_what_each_data_set_says_of_mirrors() -> None:
    assert MIRRORED.items() <= {name: source.mirrored for name, source in SOURCES.items()}.items()


@pytest.mark.parametrize(
    ("text", "mirrored", "found"),
    [
        ("auto", True, "shift4-flip"),
        ("auto", False, "shift4"),
        ("auto", None, "shift4"),
        ("auto-flip", None, "shift4-flip"),
        ("auto-flip", True, "shift4-flip"),
        ("flip-auto", True, "flip-shift4"),
        ("auto-cutout16", True, "shift4-flip-cutout16"),
        ("jitter40-auto", False, "jitter40-shift4"),
        ("shift4-flip", False, "shift4-flip"),
        ("shift1", True, "shift1"),
        ("none", True, "none"),
    ],
)
def test_parts_beside_auto_and_texts_without_it_stay(text: str, mirrored: bool | None, found: str) -> None:
    assert suited(text, 32, mirrored) == found
    assert is_auto(text) is (text != suited(text, 32, mirrored))
    augmentation(found)
    check_augmentation(text)


def test_nothing_is_trained_with_auto_itself() -> None:
    for text in ("auto", "auto-cutout4"):
        with pytest.raises(ExperimentError, match=f"written out for the data set, got '{text}'"):
            augmentation(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("auto4", "'auto4' in 'auto4'"),
        ("auto-none", "Write 'none' alone"),
        ("none-auto", "Write 'none' alone"),
        ("Auto", "'Auto'"),
        ("auot", "Did you mean 'auto'"),
        ("auto-", "'' in 'auto-'"),
        ("auto-shfit2", "Did you mean 'shift'"),
    ],
)
def test_an_auto_that_is_none_is_named(text: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=rf"Expected recipe.augmentation as parts .*auto.*{said}"):
        check_augmentation(text)


def test_what_does_not_suit() -> None:
    """A shift by more than a quarter of the side, and a mirror only where the data set says that there is none."""
    assert unsuited("shift4-flip", 8, mirrored=False) == (
        "a shift of 4 is more than a quarter of 8 pixels",
        "a mirror image is another sign",
    )
    assert unsuited("shift2-cutout8-shift3", 8, mirrored=True) == ("a shift of 3 is more than a quarter of 8 pixels",)
    for text, mirrored in (("shift2-flip", True), ("shift2-flip", None), ("shift1", False), ("none", False)):
        assert unsuited(text, 8, mirrored) == ()
