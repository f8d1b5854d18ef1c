"""`evobnn relax`: from arguments to a search by relaxation, its progress, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from evobnn.cli.console import note
from evobnn.cli.loops import compile_first
from evobnn.cli.progress import LiveLine
from evobnn.cli.words import STOPPED, counted, duration, percent, whole
from evobnn.errors import ExperimentError, message
from evobnn.experiment import preset_names
from evobnn.relax.folder import COST, DECISIONS, PICTURE, TEXT, genotypes, read_asked
from evobnn.relax.session import Progress, Session, ask
from evobnn.relax.settings import SEARCHES
from evobnn.relax.step import Row
from evobnn.runs import Options
from evobnn.runs import named as runs
from evobnn.runs.setup import wants_loops
from evobnn.snapshot import generation_path


def relax(
    what: str, dataset: str | None, space: str | None, assignments: Sequence[str], options: Options, out: Path | None
) -> None:
    """Search as it is asked, or go on with the folder that is named, and print what was found."""
    if what in SEARCHES:
        session = Session(ask(what, dataset, space, assignments), options, out)
    else:
        given = {"--dataset": dataset, "--space": space, "--set": list(assignments), "--out": out}
        session = _again(what, [name for name, value in given.items() if value], options)
    _proceed(session)


def _again(what: str, given: Sequence[str], options: Options) -> Session:
    """Return the session of a folder; raise EvobnnError for what is none, or settings beside it."""
    folder = next((one for one in (Path(what), runs.ROOT / what) if (one / TEXT).is_file()), None)
    if folder is None:
        do = f"Write for example 'evobnn relax {next(iter(SEARCHES))} --dataset digits'."
        raise ExperimentError(message(f"{', '.join(SEARCHES)}, or the folder of such a search", f"'{what}'", do))
    if given:
        do = f"Leave {given[0]} out to go on, or name the search to begin another."
        raise ExperimentError(message(f"no settings beside the folder {folder}, which has its own", given[0], do))
    return Session(read_asked(folder), options, folder)


def _proceed(session: Session) -> None:
    folder = session.folder
    _print_start(session)
    try:
        compile_first(wants_loops(session.asked.experiment, Options(device=session.bench.device)))
        with StepLine() as line:
            session.proceed(line.report)
    except KeyboardInterrupt as stop:
        note(f"stopped; every finished epoch is saved. Go on with:\n  evobnn relax {folder}")
        raise typer.Exit(STOPPED) from stop
    _print_end(session)


def described(row: Row) -> str:
    """Return the figures of a step for people."""
    if "stage" in row:
        errors = ", ".join(f"{name} {percent(1.0 - row[name], 1)}" for name in ("child", "parent"))
        return f"{row['stage']} operations left, {errors}" + ", not trained" * ("untrained" in row)
    return f"loss {row['training_loss']:.3f}, error {percent(row['validation_error'], 1)}, entropy {row['entropy']:.3f}"


class StepLine(LiveLine):
    """Shows how far a search is; in a pipe, a line for each epoch or draw."""

    def report(self, state: Progress) -> None:
        """Show where the search stands."""
        at = f"{state.done}/{state.total}"
        if self._live:
            said = "" if state.row is None else f", {described(state.row)}, {duration(state.seconds_left)} left"
            self.show(state.done / state.total, f"{at}{said}")
        elif state.row is not None:
            print(f"{at}: {described(state.row)}, {duration(state.seconds_left)} left", flush=True)
        elif state.done:
            print(f"goes on after {at}", flush=True)


def _print_start(session: Session) -> None:
    bench, asked = session.bench, session.asked
    network, prepared = bench.protocol.network, bench.prepared
    half = prepared.train_count // 2
    print(f"search {asked.search}, {session.folder}, seed {asked.experiment.seed}")
    print(f"data   {prepared.name}, {'x'.join(map(str, prepared.shape))}, {prepared.classes} classes: "
          f"{half:,} images for the weights, {prepared.train_count - half:,} for what decides")  # fmt: skip
    print(f"space  {bench.space.name}; {counted(network.cells, 'cell')} of width {network.width}, "
          f"{counted(network.reductions, 'reduction')}, skip {network.skip}")  # fmt: skip
    offered = "; ".join(f"{kind} {' '.join(bench.space.offered[kind])}" for kind in bench.space.free_kinds)
    print(f"offers {offered}", flush=True)


def _print_end(session: Session) -> None:
    folder, cost = session.folder, session.cost
    texts = genotypes(folder)
    print(f"\nfound  {texts[0]}")
    if len(texts) > 1:
        others = counted(len(texts) - 1, "other genotype")
        print(f"       and {others} of the way, best first in {generation_path(folder, 0).name}")
    print(f"cost   {cost.path_epochs:,.1f} path-epochs, {whole(cost.macs / 1e9)} G multiply-accumulates, "
          f"{whole(cost.cpu_seconds)} CPU seconds")  # fmt: skip
    print(f"files  {folder}/: {DECISIONS}, {PICTURE}, {COST}, {TEXT}")
    print(f"next   evobnn evolve {_preset(session)} --seed-from {folder}")


def _preset(session: Session) -> str:
    """Return the preset of a search in the same space."""
    experiment = session.asked.experiment
    name = experiment.space.name
    return name if name in preset_names() else f"--dataset {experiment.dataset.name}"
