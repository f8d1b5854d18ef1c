"""Genes by hand, and distances as sizes of symmetric differences."""

from __future__ import annotations

import numpy as np
import pytest

from evobnn._seeding import generator
from evobnn.genome import Genome
from evobnn.scores import Genes, genes
from evobnn.scores.genes import Distances
from evobnn.spaces import SPACES, Choice, Space, Template


def space(**choice: object) -> Space:
    return SPACES["joint"](Template(cells=2, width=4, reductions=1), 32, Genome(), Choice(**choice))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def joint() -> Space:
    return space(sites="net", nodes=2)


def written(space: Space, text: str) -> Genes:
    return genes(space, space.parse(text))


def test_genes_by_hand(joint: Space):
    found = written(
        joint,
        "normal[2 = zero(0) + conv3(1); 3 = max3(0) + dil5(2)] "
        "reduction[2 = conv3(0) + conv3(1); 3 = zero(0) + zero(1)] @net = mul(sin(x), x)",
    )
    assert found == {
        "normal": {"1>2 conv3", "0>3 max3", "2>3 dil5"},
        "reduction": {"0>2 conv3", "1>2 conv3"},
        "places": {"net/ mul", "net/0 sin", "net/00 x", "net/1 x"},
        "forms": {"net mul 0", "net sin 0", "net x 0", "net x 1"},
    }


def test_equal_networks_have_equal_genes_and_others_do_not(joint: Space):
    cells = (
        "normal[2 = conv3(0) + conv3(1); 3 = zero(0) + zero(2)] reduction[2 = max3(0) + max3(1); 3 = max3(0) + max3(1)]"
    )
    one = written(joint, f"{cells} @net = add(sin(x), zero)")
    assert one == written(joint, f"{cells} @net = sin(x)")
    assert one != written(joint, f"{cells} @net = cos(x)")
    assert one != written(joint, f"{cells.replace('zero(0) + zero(2)', 'conv3(0) + zero(2)')} @net = sin(x)")


def test_the_order_of_arguments_leaves_the_forms_alone(joint: Space):
    cells = (
        "normal[2 = conv3(0) + conv3(1); 3 = zero(0) + zero(2)] reduction[2 = max3(0) + max3(1); 3 = max3(0) + max3(1)]"
    )
    one, other = (written(joint, f"{cells} @net = sub({pair})") for pair in ("sin(x), x", "x, sin(x)"))
    assert one["forms"] == other["forms"]
    assert one["places"] != other["places"]


def test_each_class_of_sites_has_genes_of_its_own():
    by_kind = space(sites="kind", nodes=1)
    found = written(
        by_kind, "normal[2 = conv3(0) + conv3(1)] reduction[2 = conv3(0) + conv3(1)] @normal = x @reduction = sin(x)"
    )
    assert found["places"] == {"normal/ x", "reduction/ sin", "reduction/0 x"}


def test_distances_are_sizes_of_symmetric_differences(joint: Space):
    rng = generator(0, "genes")
    some = [genes(joint, joint.sample(rng)) for _ in range(12)]
    known, others = some[:7], some[5:]
    found = Distances(known)(others)
    assert found.shape == (4, 7, 7)
    for group, rows in zip(("normal", "reduction", "places", "forms"), found, strict=True):
        assert rows.tolist() == [[len(a[group] ^ b[group]) for b in known] for a in others]
    assert np.all(found[:, 0, 5] == 0.0)
