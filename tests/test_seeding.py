"""Child seeds, generator states and the guard around global streams."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pytest

from evobnn._seeding import child_seed, generator, generator_from, guarded, pick, state_of


def test_child_seeds_are_what_their_docstring_says():
    by_hand = int.from_bytes(hashlib.sha256(b"7\x1fevaluation\x1fabc\x1f2").digest()[:8], "big") >> 1
    assert child_seed(7, "evaluation", "abc", 2) == by_hand
    assert child_seed(1, "search") == 4803920605323862647  # for good: seeds of stored runs come from here


def test_every_word_of_the_purpose_matters():
    seeds = {
        child_seed(*words)
        for words in [
            (1,),
            (2,),
            (1, "a"),
            (1, "b"),
            (1, "a", 0),
            (1, "a", 1),
            (1, "a", "b"),
            (1, "ab"),
            (1, 0, "a"),
            (10, "a"),
        ]
    }
    assert len(seeds) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_repeat_and_differ():
    first, again, other = (generator(3, purpose).integers(2**60, size=4).tolist() for purpose in ("a", "a", "b"))
    assert first == again != other


def test_a_generator_goes_on_from_its_state_in_json():
    rng = generator(3)
    rng.random(5)
    rng.integers(3, dtype=np.uint32)  # leaves half a word behind, which is part of the state
    state = json.loads(json.dumps(state_of(rng)))
    expected = rng.random(5).tolist(), rng.integers(9, size=5, dtype=np.uint32).tolist()
    resumed = generator_from(state)
    assert (resumed.random(5).tolist(), resumed.integers(9, size=5, dtype=np.uint32).tolist()) == expected


def test_taking_a_state_does_not_move_the_generator():
    rng, same = generator(4), generator(4)
    state_of(rng)
    assert rng.random() == same.random()


def test_the_guard_seeds_both_streams_and_puts_them_back():
    random.seed(11)
    np.random.seed(11)
    expected = random.random(), np.random.random()
    random.seed(11)
    np.random.seed(11)
    drawn = []
    for _ in range(2):
        with guarded(2**63 - 1):
            drawn.append((random.random(), np.random.random()))
    assert (random.random(), np.random.random()) == expected
    assert drawn[0] == drawn[1] != expected


def test_the_guard_puts_the_streams_back_after_an_error():
    random.seed(11)
    expected = random.Random(11).random()
    with pytest.raises(ZeroDivisionError), guarded(0):
        random.random()
        _ = 1 / 0
    assert random.random() == expected


def test_pick_is_uniform():
    rng, counts = generator(5), {"a": 0, "b": 0, "c": 0}
    for _ in range(3000):
        counts[pick(rng, ("a", "b", "c"))] += 1
    assert sum(counts.values()) == 3000
    assert all(900 < count < 1100 for count in counts.values()), counts  # 1000 expected, standard deviation 26
    assert pick(rng, ["only"]) == "only"
