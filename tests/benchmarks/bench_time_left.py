"""How long a search says that it still takes beside how long it does: predicted and actual seconds on its way.

Each case is one search in a temporary folder, through the same `Session` as `evobnn evolve`. Printed are its figures at
shares of its whole time, from the first training that ended, and by what factor it was wrong at most, and how often by
more than 1.5, from the tenth training on and with 10 s or more to go.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from figures import heading, write

from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.machine.workers import default_jobs
from evobnn.runs import Options, Progress, Session, create

HALVING = ("recipe.schedule=trunk", "recipe.epochs=8", "halving.rungs=2,4,8")
CASES: dict[str, tuple[str, int | None, tuple[str, ...]]] = {
    "digits": ("digits", None, ()),
    "gaaf": ("gaaf", 3, ()),
    "halving": ("digits", 3, HALVING),
}
"""Preset, generations to reach (None: its own), settings."""
SHARES = (10, 25, 50, 75)
FIRST, LEAST = 10, 10.0
"""From which training on, and with how many seconds to go, a prediction is judged."""


@dataclass(frozen=True)
class Told:
    """What was said at a moment, in seconds since the session began."""

    at: float
    state: Progress


@dataclass(frozen=True)
class Followed:
    """All that a search said, and when it was over."""

    told: tuple[Told, ...]
    ended: float

    def at(self, share: float) -> Told:
        """Return what stood in the line when this share of the whole time, 0 to 1, was over."""
        known = [one for one in self.told if one.at <= share * self.ended]
        return known[-1] if known else self.told[0]

    def factors(self) -> list[float]:
        """Return predicted over actual from the tenth training on."""
        judged = [one for one in self.told if one.state.done >= FIRST and self.ended - one.at >= LEAST]
        return [one.state.seconds_left / (self.ended - one.at) for one in judged]


def followed(preset: str, generations: int | None, assignments: Sequence[str], jobs: int) -> Followed:
    """Run one search in a temporary folder and return what it said when."""
    experiment = from_table(override(preset_table(preset), assignments), preset)
    options, told = Options(jobs=jobs, generations=generations), list[Told]()
    with TemporaryDirectory() as place:
        session = Session(create(experiment, options, Path(place)), options)
        began = time.monotonic()
        session.report = lambda state: told.append(Told(time.monotonic() - began, state))
        session.proceed()
        return Followed(tuple(told), time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=CASES, help="default: all")
    parser.add_argument("--generations", type=int, help="default: the case's")
    parser.add_argument("--jobs", type=int, default=0, help="workers (default: as evobnn chooses)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change every case")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    print(f"\n{'search':<9}{'at':>5}  {'done':>9}  predicted, s  actual, s  factor")
    rows: list[dict[str, Any]] = []
    for name, (preset, generations, settings) in CASES.items():
        if given.only and name not in given.only:
            continue
        reach = generations if given.generations is None else given.generations
        found = followed(preset, reach, [*settings, *given.set], given.jobs or default_jobs())
        for share in SHARES:
            one = found.at(share / 100)
            actual = found.ended * (1.0 - share / 100)
            predicted = one.state.seconds_left - (found.ended * share / 100 - one.at)
            count = f"{one.state.done}/{one.state.planned}"
            print(
                f"{name:<9}{share:>3} %  {count:>9}  {predicted:>12.1f}  {actual:>9.1f}  {predicted / actual:>6.2f}",
                flush=True,
            )
            rows.append({"case": name, "percent": share, "predicted": predicted, "actual": actual})
        factors = found.factors()
        off = [max(one, 1.0 / one) if one > 0.0 else float("inf") for one in factors]
        worst, beyond = max(off, default=1.0), sum(one > 1.5 for one in off)
        judged = f"at most {worst:.2f}, {beyond} of {len(off)} beyond 1.5"
        print(f"{name:<9}{found.ended:.0f} s; from training {FIRST} on {judged}")
        curve = [[one.at, one.state.done, one.state.planned, one.state.seconds_left] for one in found.told]
        rows.append({"case": name, "seconds": found.ended, "worst": worst, "beyond": beyond, "told": curve})
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
