"""What a final training shows: one line that renews itself in a terminal, one line an epoch anywhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from evobnn.cli.console import console
from evobnn.cli.words import duration, percent

if TYPE_CHECKING:
    from evobnn.final import Progress as State

SCALE = 1000


def described(state: State) -> str:
    """Return where a training stands in one line that fits a terminal of 80 columns."""
    words = [f"seed {state.seed}, epoch {state.epoch}/{state.epochs}"]
    if state.line is not None:
        words += [f"loss {state.line.training_loss:.3f}"]
        if state.line.validation_loss is not None and state.line.validation_error is not None:
            words += [f"validation {state.line.validation_loss:.3f}", f"error {percent(state.line.validation_error)}"]
    return ", ".join([*words, f"{duration(state.seconds_left)} left"])


class EpochLine:
    """Shows a training's progress while it is entered; `report` and `say` are what a session calls."""

    def __init__(self) -> None:
        self._console = console()
        self._live = self._console.is_terminal
        bar = [BarColumn(bar_width=10)] if self._console.width >= 95 else []
        text = TextColumn("{task.description}", markup=False)
        self._bar = Progress(
            *bar, text, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._bar.add_task("starting", total=SCALE)

    def __enter__(self) -> EpochLine:
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._bar.stop()

    def report(self, state: State) -> None:
        """Show where the training stands: in a pipe, a line for every epoch and one where a seed goes on."""
        if self._live:
            self._bar.update(self._task, completed=SCALE * state.done / state.planned, description=described(state))
        elif state.line is not None:
            print(described(state), flush=True)
        elif state.epoch:
            print(f"seed {state.seed} goes on after epoch {state.epoch}/{state.epochs}", flush=True)

    def say(self, sentence: str) -> None:
        """Print a sentence that a person should know, above the line."""
        if self._live:
            self._console.print(f"note: {sentence}", soft_wrap=True)
        else:
            print(f"note: {sentence}", file=sys.stderr, flush=True)
