"""How cells are stacked: kinds, maps, and what a template refuses."""

from __future__ import annotations

import pytest

from evobnn.errors import ExperimentError
from evobnn.spaces import NORMAL, REDUCTION, Template
from evobnn.spaces.bats import CIFAR as BATS_CIFAR
from evobnn.spaces.bnas import CIFAR, IMAGENET
from evobnn.spaces.cpnas import CIFAR as CPNAS_CIFAR
from evobnn.spaces.gaaf import RESNET18


@pytest.mark.parametrize(
    ("cells", "reductions", "at"),
    [(20, 2, [6, 13]), (2, 1, [1]), (3, 2, [1, 2]), (1, 0, []), (5, 1, [2]), (12, 3, [3, 6, 9]), (14, 2, [4, 9])],
)
def test_reductions_stand_at_equal_distances(cells, reductions, at):
    kinds = Template(cells=cells, reductions=reductions).kinds
    assert len(kinds) == cells
    assert [index for index, kind in enumerate(kinds) if kind == REDUCTION] == at
    assert set(kinds) <= {NORMAL, REDUCTION}


@pytest.mark.parametrize("reductions", range(6))
def test_every_stack_has_its_reductions_and_begins_with_a_normal_cell(reductions):
    checked = 0
    for cells in range(reductions + 1, 30):
        kinds = Template(cells=cells, reductions=reductions).kinds
        assert kinds.count(REDUCTION) == reductions
        assert kinds[0] == NORMAL
        checked += 1
    assert checked == 29 - reductions


@pytest.mark.parametrize(
    ("size", "maps"),
    [(32, {NORMAL: 8, REDUCTION: 8}), (8, {NORMAL: 2, REDUCTION: 2}), (7, {NORMAL: 2, REDUCTION: 2})],
)
def test_smallest_maps_of_twenty_cells(size, maps):
    assert Template(cells=20, reductions=2).smallest_maps(size) == maps


def test_smallest_maps_differ_where_the_last_cell_reduces():
    assert Template(cells=2, reductions=1).smallest_maps(8) == {NORMAL: 8, REDUCTION: 4}
    assert Template(cells=1, reductions=0).smallest_maps(8) == {NORMAL: 8}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"cells": 0}, "network.cells to be a whole number of at least 1, got 0"),
        ({"cells": 2, "reductions": 2}, "network.cells to be a whole number of at least 3, got 2"),
        ({"width": 0}, "network.width"),
        ({"width": 1.5}, "network.width"),
        ({"stem": 0}, "network.stem"),
        ({"reductions": -1}, "network.reductions"),
        ({"skip": "fre"}, "Did you mean 'free'"),
        ({"padding": "minusone"}, "Did you mean 'minus_one'"),
        ({"scale": "means"}, "Did you mean 'mean'"),
        ({"skip": "nones"}, "Did you mean 'none'"),
        ({"macro": "resnets"}, "Did you mean 'resnet'"),
        ({"macro": "bna"}, "Did you mean 'bnas'"),
        ({"style": "image"}, "Did you mean 'imagenet'"),
        (
            {"macro": "resnet"},
            "network.skip = none, stem = 1 with network.macro = resnet, got skip = published, stem = 3.0. Set it so",
        ),
        (
            {"macro": "resnet", "skip": "none", "stem": 1, "style": "imagenet"},
            "style = cifar with network.macro",
        ),
        ({"style": "imagenet"}, "network.stem = 1 with network.style = imagenet, got stem = 3.0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, match):
    with pytest.raises(ExperimentError, match=match):
        Template(**change)


def test_the_resnet_18_of_gaaf_has_stride_2_at_blocks_2_4_and_6():
    kinds = RESNET18.kinds
    assert [index for index, kind in enumerate(kinds) if kind == REDUCTION] == [2, 4, 6]
    assert [channels for _, channels, _ in RESNET18.maps(32)] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [side for _, _, side in RESNET18.maps(32)] == [32, 32, 16, 16, 8, 8, 4, 4]
    small = Template(cells=2, width=8, reductions=1, skip="none", stem=1, macro="resnet")
    assert small.maps(8) == ((NORMAL, 8, 8), (REDUCTION, 16, 4))


def test_maps_of_large_images_begin_at_an_eighth():
    assert IMAGENET.maps(224)[0] == (NORMAL, 68, 28)
    assert IMAGENET.smallest_maps(224) == {NORMAL: 7, REDUCTION: 7}
    assert IMAGENET.smallest_maps(100) == {NORMAL: 4, REDUCTION: 4}  # 100 -> 50 -> 25 -> 13 -> 7 -> 4
    assert IMAGENET.stem_channels == IMAGENET.width == 68


def test_published_templates_are_those_of_their_papers():
    assert (CIFAR.cells, CIFAR.width, CIFAR.skip, CIFAR.padding, CIFAR.macro) == (20, 36, "published", "zero", "bnas")
    assert (BATS_CIFAR.macro, BATS_CIFAR.skip, BATS_CIFAR.scale) == ("bats", "none", "none")
    assert (CPNAS_CIFAR.macro, CPNAS_CIFAR.skip) == ("cpnas", "none")
    assert all((one.cells, one.width, one.reductions) == (20, 36, 2) for one in (BATS_CIFAR, CPNAS_CIFAR))
    assert (RESNET18.scale, RESNET18.padding, IMAGENET.style) == ("none", "zero", "imagenet")
