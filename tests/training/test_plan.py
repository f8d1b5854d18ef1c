"""Plans: stages that fit together, and epochs divided among them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evobnn.errors import ExperimentError
from evobnn.training import Plan, Recipe, Stage
from evobnn.training.plan import divided
from tests.training.toys import FULL, SHORT


def plan(*epochs: int) -> Plan:
    return Plan("toy", tuple(Stage(replace(SHORT, epochs=count)) for count in epochs))


def test_epochs_add_up_and_are_divided_in_proportion() -> None:
    assert plan(3, 4).epochs == 7
    found = plan(128, 64).with_epochs(9)
    assert [stage.recipe.epochs for stage in found.stages] == [6, 3]
    assert (found.name, found.stages[0].start, found.stages[0].recipe.batch) == ("toy", "previous", SHORT.batch)
    assert [stage.recipe.epochs for stage in plan(600, 1).with_epochs(3).stages] == [2, 1]
    assert plan(5).with_epochs(1).epochs == 1


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [(10, [1, 1, 1], [4, 3, 3]), (3, [5, 1, 1], [1, 1, 1]), (4, [9, 1, 1], [2, 1, 1]), (7, [2, 5], [2, 5])],
)
def test_division_by_hand(total: int, weights: list[int], expected: list[int]) -> None:
    assert divided(total, weights) == expected


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(0, 3000))
def test_division_leaves_nothing_over_and_nobody_out(weights: list[int], more: int) -> None:
    total = len(weights) + more
    parts = divided(total, weights)
    assert sum(parts) == total
    assert min(parts) >= 1
    exact = [total * weight / sum(weights) for weight in weights]
    if min(exact) >= 1:
        assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))


def test_a_change_goes_to_every_stage() -> None:
    found = plan(3, 4).changed(batch=8, learning_rate=0.5)
    assert [(s.recipe.batch, s.recipe.learning_rate, s.recipe.epochs) for s in found.stages] == [
        (8, 0.5, 3),
        (8, 0.5, 4),
    ]
    with pytest.raises(ExperimentError, match="Did you mean 'learning_rate'"):
        plan(3).changed(learning_rte=0.5)
    with pytest.raises(ExperimentError, match=r"recipe\.batch"):
        plan(3).changed(batch=1)


def test_it_is_plain_data() -> None:
    table = json.loads(json.dumps(asdict(FULL)))
    stages = tuple(Stage(Recipe(**stage["recipe"]), stage["start"]) for stage in table["stages"])
    assert Plan(table["name"], stages) == FULL
    assert hash(FULL) == hash(Plan("full", list(FULL.stages)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantiser", "xnor"),
        ("shift", True),
        ("surrogate", "approxsign"),
        ("clip", 1.3),
        ("precision", "bf16"),
        ("kernels", "fused"),
    ],
)
def test_stages_share_what_the_network_is_built_with(field: str, value: Any) -> None:
    later = Stage(replace(SHORT, **{field: value}))
    with pytest.raises(ExperimentError, match=rf"recipe\.{field} = .* in all stages of 'toy'.* in stage 2"):
        Plan("toy", (Stage(SHORT), later))
    assert Plan("toy", (later, later)).epochs == 4


def test_what_cannot_be_a_plan_is_refused() -> None:
    with pytest.raises(ExperimentError, match="a stage in the plan 'toy'"):
        Plan("toy", ())
    with pytest.raises(ExperimentError, match=r"recipe\.distillation = 0 in the first stage"):
        Plan("toy", (Stage(replace(SHORT, distillation=0.5)),))
    with pytest.raises(ExperimentError, match="'previous'"):
        Stage(SHORT, "previus")
    with pytest.raises(ExperimentError, match="epochs of the plan 'toy' to be a whole number of at least 2"):
        plan(3, 4).with_epochs(1)
