"""Pictures of a comparison: a row an arm, a panel an arm. (Whether they look good was judged by eye.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from evobnn.analysis.pictures import curves, forest
from evobnn.errors import RunError

LONG = "topology-then-expressions-with-a-name-that-has-no-end"


def versus(estimate: float | None, n: int = 24) -> dict[str, Any]:
    if estimate is None:
        return {}
    return {"n": n, "difference": {"estimate": estimate, "low": estimate - 0.02, "high": estimate + 0.03}}


def report(arms: int, *, dearest: bool = False) -> dict[str, Any]:
    """Return what pictures need of a report: the last of several arms has too few seeds, the one before fewer."""
    names = ["nsga2", "random", LONG, *(f"arm{n}" for n in range(3, arms))][:arms]
    rows = [{"name": names[0], "versus": {}}]
    for number, name in enumerate(names[1:]):
        lacking = number == arms - 2 and arms > 3
        regret = versus(None if lacking else 0.01 * number - 0.02, 20 if number == 1 else 24)
        volume = versus(None if lacking else 0.1)
        rows.append({"name": name, "versus": {} if lacking else {"regret": regret, "hypervolume": volume}})
    epochs = [10.0, 20.0, 30.0]
    lines = [
        {"measure": measure, "arm": name, "epochs": epochs, "median": [at, at, at + 0.01 * place],
         "lower": [at - 0.1] * 3, "upper": [at + 0.1 + 0.01 * place] * 3}
        for measure, at in (("regret", 0.05), ("hypervolume", 0.6)) for place, name in enumerate(names)
    ]  # fmt: skip
    apart = {"name": "dearest", "versus": {"regret": versus(-0.05), "hypervolume": versus(-0.1)}} if dearest else None
    return {"reference": "nsga2", "arms": rows, "dearest": apart, "curves": lines}


def intervals(ax: Axes) -> list[list[float]]:
    """Return low and high of each interval that is drawn, from above."""
    return [list(map(float, line.get_xdata())) for line in ax.lines if line.get_linewidth() == 2.0]


@pytest.mark.parametrize("arms", [2, 9])
def test_a_forest_has_a_row_for_each_arm_but_the_reference(arms: int) -> None:
    frame = forest.as_differences(report(arms, dearest=True))
    assert set(frame.columns) == set(forest.COLUMNS)
    assert len(frame) == 2 * arms
    ax = forest.plot_forest(frame, "regret")
    rows = [label.get_text().replace("\n", "") for label in ax.get_yticklabels()]
    assert len(rows) == arms
    assert rows[-1] == "dearest(no search)"
    assert rows[0] == "random"
    drawn = frame[(frame["measure"] == "regret") & frame["estimate"].notna()]
    assert np.array(intervals(ax)) == pytest.approx(100 * drawn[["low", "high"]].to_numpy(float))
    assert any(list(line.get_xdata()) == [0.0, 0.0] for line in ax.lines)
    low, high = ax.get_xlim()
    assert low < 100 * drawn["low"].min() and high > max(0.0, 100 * drawn["high"].max())
    assert ax.get_title(loc="left") == "regret of the best, n = 24"
    assert ax.yaxis.get_inverted()


def test_the_axis_says_what_is_better_and_the_unit() -> None:
    frame = forest.as_differences(report(3))
    regret, volume = (forest.plot_forest(frame, measure) for measure in ("regret", "hypervolume"))
    assert regret.get_xlabel() == "mean difference to nsga2\n(percentage points of error; ← better: less)"
    assert volume.get_xlabel().endswith("(part of the box; better: more →)")


def test_the_yardstick_is_set_apart() -> None:
    frame = forest.as_differences(report(4, dearest=True))
    places = forest.row_places(frame[frame["measure"] == "regret"])
    assert np.diff(places).tolist() == pytest.approx([1.0, 1.0, 1.7])
    alone = forest.as_differences(report(4))
    assert forest.row_places(alone[alone["measure"] == "regret"]) == [0.0, 1.0, 2.0]


def test_rows_say_numbers_few_seeds_and_none() -> None:
    ax = forest.plot_forest(forest.as_differences(report(4)), "regret")
    said = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in ax.texts]
    assert said == ["-2.00 [-4.00, 1.00]", "-1.00 [-3.00, 2.00], n = 20", "too few common seeds"]


@pytest.mark.parametrize("arms", [2, 9])
def test_a_panel_for_each_arm_and_measure_at_most_four_wide(arms: int) -> None:
    given = report(arms)
    figure = curves.draw_curves(curves.as_bands(given["curves"]), "nsga2")
    assert len(figure.axes) == 2 * arms
    columns = {round(ax.get_position().x0, 6) for ax in figure.axes}
    assert len(columns) == {2: 2, 9: 3}[arms] <= curves.MOST
    for block in (figure.axes[:arms], figure.axes[arms:]):
        assert len({(ax.get_xlim(), ax.get_ylim()) for ax in block}) == 1
    reference, first = figure.axes[:2]
    assert reference.get_title(loc="left") == "nsga2 (reference)"
    assert [line.get_color() for line in first.lines] == [curves.GREY, curves.MEASURED]
    assert first.lines[1].get_ydata()[-1] == pytest.approx(6.0)  # percent
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [
        "the arm named above its panel: median, quartile to quartile",
        "nsga2 (reference): median, quartile to quartile",
    ]
    assert figure.axes[-1].get_xlabel() == "trained epochs"


def test_no_text_of_the_panels_lies_on_another_or_outside() -> None:
    figure = curves.draw_curves(curves.as_bands(report(3)["curves"]), LONG)
    figure.draw_without_rendering()
    titles = [ax._left_title for ax in figure.axes]  # type: ignore[attr-defined]
    boxes = [Text.get_window_extent(text) for text in (*titles, *figure.texts)]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert figure.bbox.padded(2).contains(*box.min) and figure.bbox.padded(2).contains(*box.max)


def test_files_also_where_nothing_ended(tmp_path: Path) -> None:
    for arms in (0, 2):
        given = report(2) if arms else {"reference": "a", "arms": [{"name": "a", "versus": {}}], "curves": []}
        forest.save_forest(tmp_path / f"forest{arms}.png", forest.as_differences(given))
        curves.save_curves(tmp_path / f"curves{arms}.png", curves.as_bands(given["curves"]))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["forest2.png"] > 2 * sizes["forest0.png"] > 1000
    assert sizes["curves2.png"] > 2 * sizes["curves0.png"] > 1000


def test_frames_come_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a comparison with report.json"):
        forest.differences_frame(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps(report(3)))
    pd.testing.assert_frame_equal(forest.differences_frame(tmp_path), forest.as_differences(report(3)))
