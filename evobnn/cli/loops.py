"""What is shown while loops are compiled, which happens once on a machine and before anything is trained."""

from __future__ import annotations

from evobnn.cli.console import note
from evobnn.cli.progress import LiveLine
from evobnn.nn.fast.compiling import missing, prepare
from evobnn.nn.fast.place import place


class LoopsLine(LiveLine):
    """A line that counts what is compiled in a terminal; elsewhere one at the beginning and one at the end."""

    def report(self, done: int, total: int, seconds: float) -> None:
        """Show how many loops are compiled, of how many, after so many seconds."""
        self.show(done / total, f"loops  compiling once on this machine: {done} of {total}")
        if not done and not self._live:
            print("loops  compiling once on this machine", flush=True)
        if done == total:
            self._console.print(f"loops  compiled in {seconds:.0f} s", soft_wrap=True)


def aside(done: int, total: int, seconds: float) -> None:
    """Say on stderr, where stdout is for results, that loops are compiled, and when they are."""
    if not done:
        note("the loops of the fast path are compiled, once on this machine.")
    elif done == total:
        note(f"they were compiled in {seconds:.0f} s.")


def compile_first(wanted: bool, *, on_stderr: bool = False) -> None:
    """Compile the loops of the default search where they are `wanted` and were not compiled yet, and say where that
    does not go as one would expect.
    """
    if not wanted:
        return
    if place().said:
        note(place().said)
    if on_stderr:
        made = prepare(aside)
    else:
        with LoopsLine() as line:
            made = prepare(line.report)
    if made and missing():
        note(f"they could not be kept in {place().folder}, so that every process compiles them anew.")
