"""What a final training shows: one line that renews itself in a terminal, one line an epoch anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evobnn.cli.progress import LiveLine
from evobnn.cli.words import duration, percent

if TYPE_CHECKING:
    from evobnn.runs.final import Progress as State


def described(state: State) -> str:
    """Return where a training stands in one line that fits a terminal of 80 columns."""
    words = [f"seed {state.seed}, epoch {state.epoch}/{state.epochs}"]
    if state.line is not None:
        words += [f"loss {state.line.training_loss:.3f}"]
        if state.line.validation_loss is not None and state.line.validation_error is not None:
            words += [f"validation {state.line.validation_loss:.3f}", f"error {percent(state.line.validation_error)}"]
    return ", ".join([*words, f"{duration(state.seconds_left)} left"])


class EpochLine(LiveLine):
    """Shows a training's progress; `report` and `say` are what a session calls."""

    def report(self, state: State) -> None:
        """Show where the training stands: in a pipe, a line for every epoch and one where a seed goes on."""
        if self._live:
            self.show(state.done / state.planned, described(state))
        elif state.line is not None:
            print(described(state), flush=True)
        elif state.epoch:
            print(f"seed {state.seed} goes on after epoch {state.epoch}/{state.epochs}", flush=True)
