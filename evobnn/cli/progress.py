"""What a running search or training shows: one line that renews itself in a terminal; anywhere else a line for each
generation or epoch.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn

from evobnn.cli.console import console, line
from evobnn.cli.streams import spelt
from evobnn.cli.words import duration, percent

if TYPE_CHECKING:
    from evobnn.runs import Progress as State
    from evobnn.runs.final import Progress as Training

SCALE = 1000


def described(state: State) -> str:
    """Return where a session stands in one line that fits a terminal of 80 columns."""
    stage = "fresh seeds" if state.stage == "rescore" else f"generation {state.generation}/{state.generations}"
    words = [f"{stage}: {state.done}/{state.planned}", f"{state.reused} reused", f"{state.failed} failed"]
    if math.isfinite(state.best_error):
        words += [f"best {percent(state.best_error)}"]
    if math.isfinite(state.hypervolume):
        words += [f"hv {state.hypervolume:.3f}"]
    return ", ".join([*words, f"{duration(state.seconds_left)} left"])


class LiveLine:
    """A line with a bar that renews itself in a terminal while it is entered; elsewhere whoever reports prints."""

    def __init__(self) -> None:
        self._console = console()
        self._live = self._console.is_terminal
        bar = [BarColumn(bar_width=10)] if self._console.width >= 95 else []
        text = TextColumn("{task.description}", markup=False)
        self._bar = Progress(
            *bar, text, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._bar.add_task("starting", total=SCALE)

    def __enter__(self) -> Self:
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._bar.stop()

    def show(self, share: float, text: str) -> None:
        """Renew the line: the share that is done, 0 to 1, and what to say of it."""
        room = self._console.width - (12 if self._console.width >= 95 else 1)  # the bar, and a column that stays free
        text = line(spelt(text, self._console.encoding), room)
        self._bar.update(self._task, completed=SCALE * min(share, 1.0), description=text)

    def say(self, sentence: str) -> None:
        """Print a sentence that a person should know, above the line."""
        if self._live:
            self._console.print(f"note: {sentence}", soft_wrap=True)
        else:
            print(f"note: {sentence}", file=sys.stderr, flush=True)


class ProgressLine(LiveLine):
    """Shows a session's progress; `report` and `say` are what a session calls."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[str, int] | None = None

    def report(self, state: State) -> None:
        """Show where the session stands: in a pipe, a line when a generation is finished."""
        if self._live:
            self.show(state.done / state.planned if state.planned else 1.0, described(state))
            return
        now = state.stage, state.generation
        if now == self._shown:
            return
        if self._shown is None and state.generation:
            line = f"goes on after generation {state.generation - 1}"
        elif self._shown is None:
            line = f"generation 0/{state.generations} begins"
        else:
            line = described(replace(state, stage="search", generation=state.generation - 1))
        if state.stage == "rescore":
            left = state.planned - state.done
            line += f"\nfresh seeds for the front: {left} evaluations, {duration(state.seconds_left)} left"
        self._shown = now
        print(line, flush=True)


def epoch_described(state: Training) -> str:
    """Return where a training stands in one line that fits a terminal of 80 columns."""
    words = [f"seed {state.seed}, epoch {state.epoch}/{state.epochs}"]
    if state.line is not None:
        words += [f"loss {state.line.training_loss:.3f}"]
        if state.line.validation_loss is not None and state.line.validation_error is not None:
            words += [f"validation {state.line.validation_loss:.3f}", f"error {percent(state.line.validation_error)}"]
    return ", ".join([*words, f"{duration(state.seconds_left)} left"])


class EpochLine(LiveLine):
    """Shows a training's progress; `report` and `say` are what a session calls."""

    def report(self, state: Training) -> None:
        """Show where the training stands: in a pipe, a line for every epoch and one where a seed goes on."""
        if self._live:
            self.show(state.done / state.planned, epoch_described(state))
        elif state.line is not None:
            print(epoch_described(state), flush=True)
        elif state.epoch:
            print(f"seed {state.seed} goes on after epoch {state.epoch}/{state.epochs}", flush=True)
