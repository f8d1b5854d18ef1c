"""The picture of final trainings draws what it is handed, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evobnn.analysis.pictures.learning import Learning, plot_errors, plot_losses, save_learning

CURVES = {
    "0": Learning([2.0, 1.0, 0.5], [1.5, 1.0, 0.75], [0.5, 0.25, 0.125]),
    "1": Learning([2.0, 1.0], [1.5, 1.0], [0.5, 0.25]),
}
UNVALIDATED = {"0": Learning([2.0, 1.0], [np.nan, np.nan], [np.nan, np.nan])}


def test_every_value_is_drawn() -> None:
    lines = [line.get_ydata().tolist() for line in plot_errors(CURVES).get_lines()]
    assert lines == [[50.0, 25.0, 12.5], [50.0, 25.0]]
    ax = plot_losses(CURVES, stages=[1])
    drawn = [np.asarray(line.get_ydata()).tolist() for line in ax.get_lines()]
    for wanted in ([2.0, 1.0, 0.5], [1.5, 1.0, 0.75], [2.0, 1.0], [1.5, 1.0]):
        assert wanted in drawn
    assert ax.get_yscale() == "log"
    assert [1.5, 1.5] in [np.asarray(line.get_xdata()).tolist() for line in ax.get_lines()]  # behind epoch 1


def test_seeds_and_stages_have_their_names() -> None:
    ax = plot_losses(CURVES, stages=[1, 2])
    assert ax.get_ylabel() == "loss (nats, log scale)"
    assert plot_errors(CURVES, stages=[1]).get_ylabel() == "validation error (%)"
    names = ax.get_legend_handles_labels()[1]
    assert names == ["seed 0", "seed 1", "training", "validation", "next stage of the recipe"]
    assert plot_losses({"0": CURVES["0"]}).get_legend_handles_labels()[1] == ["training", "validation"]


def test_the_last_error_stands_in_the_legend() -> None:
    legend = plot_errors(CURVES).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["seed 0: 12.50 %", "seed 1: 25.00 %"]


def test_nothing_to_validate_and_nothing_at_all(tmp_path: Path) -> None:
    ax = plot_errors(UNVALIDATED)
    assert not ax.get_lines() and "no image was set apart" in ax.texts[0].get_text()
    for number, curves in enumerate((CURVES, UNVALIDATED, {}, {"0": Learning([], [], [])})):
        path = tmp_path / f"{number}.png"
        save_learning(path, curves, [1])
        assert path.read_bytes().startswith(b"\x89PNG")
