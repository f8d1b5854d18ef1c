"""Images that are too small to search cells on are refused where a search begins, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evobnn.errors import ExperimentError
from evobnn.experiment.settings import Experiment
from evobnn.experiment.sides import check_sides
from evobnn.experiment.text import from_table
from evobnn.runs import Options, create
from evobnn.runs.setup import make_bench
from evobnn.spaces import Template
from evobnn.studies.fidelity.heritability import heritability

SMALL = {"cells": 2, "reductions": 1, "width": 4, "skip": "free"}
DEEP = {**SMALL, "cells": 6, "reductions": 3}


def experiment(size: int = 0, **sections: dict[str, object]) -> Experiment:
    table = {"network": SMALL, "dataset": {"train_limit": 40, "validation_limit": 20, "size": size}, **sections}
    return from_table({"recipe": {"epochs": 1, "batch": 20}, **table}, "here")


def check(size: int, network: dict[str, object] = SMALL, shape: tuple[int, ...] = (), **space: object) -> None:
    template = Template(**network)  # type: ignore[arg-type]
    settings = experiment(network=network, space=space).space
    built = settings.build(template, size)
    check_sides(built, template, shape or (1, size, size))


@pytest.mark.parametrize(
    ("network", "least", "fewer"),
    [
        (SMALL, 3, False),  # half of a 3x3 window lies inside a map of 3x3, of 2x2 it does not
        ({**SMALL, "reductions": 0}, 3, False),
        (DEEP, 17, True),  # 17, 9, 5, 3
        ({**DEEP, "cells": 4}, 3, False),  # normal, then three reductions: the first cell works on the images' side
        ({**SMALL, "skip": "none"}, 5, True),  # a reduction cell of zeros would lose the image
    ],
)
def test_the_least_side_is_named_and_is_enough(network: dict[str, object], least: int, fewer: bool) -> None:
    for size in range(1, least):
        with pytest.raises(ExperimentError) as caught:
            check(size, network)
        said = str(caught.value)
        assert said.startswith(f"Expected images of at least {least}x{least} pixels, so that an operation fits"), said
        assert f"got {size}x{size}. Set dataset.size = {least} or larger" in said
        if size == least - 1:
            assert said.endswith(", or take fewer network.reductions.") == fewer, said
        if network["reductions"]:
            assert f" with {network['reductions']} reduction" in said
    for size in (least, least + 1, 64):
        check(size, network)


def test_one_row_of_pixels_is_as_small_as_one_pixel() -> None:
    with pytest.raises(ExperimentError, match="at least 3x3 pixels.*got 1x28"):
        check(1, shape=(3, 1, 28))


def test_only_what_is_searched_counts() -> None:
    cell = "[2 = zero(0) + zero(1); 3 = zero(0) + zero(1); 4 = zero(0) + zero(1); 5 = zero(0) + zero(1)]"
    check(2, freeze=f"normal{cell} reduction{cell}")
    with pytest.raises(ExperimentError, match="at least 5x5"):
        check(2, freeze=f"normal{cell}")
    check(1, {**SMALL, "macro": "resnet", "skip": "none", "stem": 1.0}, name="gaaf")


def test_a_search_is_refused_before_it_has_a_folder_and_a_network_is_still_built(tmp_path: Path) -> None:
    small = experiment(2)
    with pytest.raises(ExperimentError, match="at least 3x3 pixels"):
        create(small, Options(jobs=1), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ExperimentError, match="at least 3x3 pixels"):
        create(replace(small, strategy={"name": "random"}), Options(jobs=1), tmp_path)
    with pytest.raises(ExperimentError, match="at least 3x3 pixels"):
        heritability(small, Options(jobs=1), 2, 2)
    assert make_bench(small, Options(jobs=1)).space.offered["normal"] == ("zero",)
    assert create(experiment(3), Options(jobs=1), tmp_path).is_dir()
