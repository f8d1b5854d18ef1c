"""Which part of a data set a folder holds, by its name: `train`, `Testing`, `valid`, `test_set`, `fold3`."""

from __future__ import annotations

import re

TRAIN, TEST, VALIDATION, FOLD = "training", "test", "validation", "fold"

_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "trn": TRAIN,
    "test": TEST,
    "testing": TEST,
    "tst": TEST,
    "val": VALIDATION,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "validate": VALIDATION,
    "validating": VALIDATION,
    "dev": VALIDATION,
    "development": VALIDATION,
    "eval": VALIDATION,
    "evaluation": VALIDATION,
    "holdout": VALIDATION,
    "fold": FOLD,
    "split": FOLD,
}
_BESIDE = frozenset(
    ("set", "data", "dataset", "image", "images", "img", "imgs", "photos", "pictures", "part", "split", "folder", "seg")
)
"""Words that stand beside one of these and change nothing: `training_set`, `seg_test`."""
_CLOSED = re.compile(rf"({'|'.join(_WORDS)})(?:{'|'.join(sorted(_BESIDE))})")


def part_of(name: str) -> str | None:
    """Return TRAIN, TEST, VALIDATION or FOLD for a folder's name in any case, None for one that names no part."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    words = [matched[1] if (matched := _CLOSED.fullmatch(word)) else word for word in words]
    if re.search(r"[^\W\d_]", re.sub(r"[A-Za-z]", "", name)):
        return None  # letters of another alphabet: another word
    said = [_WORDS[word] for word in words if word in _WORDS and not (word == "split" and len(words) > 1)]
    rest = [word for word in words if word not in _WORDS and word not in _BESIDE]
    if len(said) != 1 or rest:
        return None
    return said[0] if said[0] != FOLD or re.search(r"\d", name) else None


def rank(name: str) -> tuple[int, int, str]:
    """Return the order in which folders of test images are taken: test before validation, plain names first."""
    plain = ("test", "val", "validation")
    return plain.index(name) if name in plain else len(plain), part_of(name) != TEST, name
